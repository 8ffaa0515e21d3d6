"""Does the oldest job that waits, ten times a second."""
import os
import signal
import sqlite3
import sys
import time

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
while not os.path.exists("data/jobs.db"):
    time.sleep(0.05)
db = sqlite3.connect("data/jobs.db", isolation_level=None, timeout=10)
while True:
    try:
        rows = db.execute("SELECT id, text FROM job WHERE result IS NULL ORDER BY rowid LIMIT 1").fetchall()
        for key, text in rows:
            db.execute("UPDATE job SET result = ? WHERE id = ?", (text.upper(), key))
    except sqlite3.OperationalError:
        pass  # the first instance is just making the table
    time.sleep(0.1)
