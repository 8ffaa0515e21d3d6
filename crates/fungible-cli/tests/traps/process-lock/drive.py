"""Four people buy a ticket at the same moment; then somebody looks how many are left."""
import threading

from driver import Client, expect

threads = [
    threading.Thread(target=lambda: expect("a sale", Client().post("/sales", json={"count": 1}), 201)) for _ in range(4)
]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
expect("what is left", Client().get("/stock"), 200)
