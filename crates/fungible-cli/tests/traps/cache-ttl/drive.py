"""Sets a price and changes it twice, and asks each time until it is there."""
import time

from driver import Client, check, expect

client = Client()
for price in [900, 1000, 1100]:
    expect("a price", client.put("/prices/mug", json={"price": price}), 204)
    end = time.monotonic() + 2
    while (answer := expect("the price", client.get("/prices/mug"), 200)).json() != {"price": price}:
        check(f"the mug costs {price} within two seconds", time.monotonic() < end, answer)
        time.sleep(0.1)
