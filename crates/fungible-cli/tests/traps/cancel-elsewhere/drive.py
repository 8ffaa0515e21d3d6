"""Has a film rendered, stops that after a while, and takes the answer."""
import threading
import time

from driver import Client, expect


def stop():
    time.sleep(0.45)
    expect("a stop", Client().post("/films/sea/stop"), 202)


stopper = threading.Thread(target=stop)
stopper.start()
expect("a film", Client().post("/films/sea/render"), 200)
stopper.join()
