"""Uploads two versions of a package as pip's tools do, finds and downloads them, and removes one."""
from driver import Client, check, expect

BOUNDARY = "0123456789abcdef"
client = Client()


def upload(version, content):
    fields = [(":action", "file_upload"), ("protocol_version", "1"), ("name", "tea"), ("version", version)]
    parts = [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields]
    parts.append(f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="content"; filename="tea-{version}.tar.gz"\r\n\r\n')
    body = "".join(parts).encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
    return client.post("/", data=body, headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})


expect("no such package", client.get("/simple/tea/"), 404)
expect("a version", upload("1.0", b"leaves"), 200)
expect("the same version", upload("1.0", b"more leaves"), 409)
expect("another version", upload("1.1", b"better leaves"), 200)
page = expect("the versions", client.get("/simple/tea/"), 200).text
check("both are listed", "tea-1.0.tar.gz" in page and "tea-1.1.tar.gz" in page, page)
check("the first is what was sent first", expect("a download", client.get("/packages/tea-1.0.tar.gz"), 200).body == b"leaves")
expect("removing it", client.post("/", form={":action": "remove_pkg", "name": "tea", "version": "1.0"}), 200)
page = expect("the versions", client.get("/simple/tea/"), 200).text
check("one is left", "tea-1.0.tar.gz" not in page and "tea-1.1.tar.gz" in page, page)
check("the package is listed", "tea" in expect("all packages", client.get("/simple/"), 200).text)
