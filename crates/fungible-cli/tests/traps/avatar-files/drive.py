"""Two members join; the page and its pictures are loaded as a browser does."""
import re

from driver import Client, check, expect

browser = Client()
expect("a member without a name", browser.post("/members", form={"name": " "}), 422)
for name in ["Mary", "Émilie <3"]:
    answer = expect("joining", browser.post("/members", form={"name": name}), 303)
    page = expect("the members", browser.get(answer.path()), 200).text
    pictures = re.findall('src="([^"]+)"', page)
    for picture in pictures:
        image = expect("a picture", browser.get(picture), 200)
        check("it is a picture", image.headers["Content-Type"] == "image/svg+xml" and image.text.startswith("<svg"), image)
check("both are there", len(pictures) == 2 and "Émilie &lt;3" in page, page)
