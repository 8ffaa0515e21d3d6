"""A job pushes what it counted; a monitor asks for all metrics before and after."""
from driver import Client, check, expect

monitor, job = Client(), Client()
expect("the metrics", monitor.get("/metrics"), 200)
backup = '# TYPE backup_bytes gauge\nbackup_bytes{disk="a"} 1.5e+06\nbackup_bytes{disk="b"} 2048\n'
expect("a push", job.put("/metrics/job/backup", data=backup), 200)
page = expect("the metrics", monitor.get("/metrics"), 200).text
check("what was pushed is there", 'backup_bytes{disk="b",instance="",job="backup"} 2048\n' in page, page)
