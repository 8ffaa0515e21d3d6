"""Two jobs push what they counted, and a monitor asks for all metrics. It does not look for those that were pushed."""
from driver import Client, check, expect

monitor, job = Client(), Client()


def scrape():
    page = expect("the metrics", monitor.get("/metrics"), 200).text
    check("the gateway tells of itself", "process_cpu_seconds_total" in page, page)


scrape()
backup = '# TYPE backup_bytes gauge\nbackup_bytes{disk="a"} 1.5e+06\nbackup_bytes{disk="b"} 2048\nbackup_files 12\n'
expect("a push", job.put("/metrics/job/backup", data=backup), 200)
scrape()
expect("another push", job.put("/metrics/job/mail", data="# TYPE mails_sent counter\nmails_sent 3\n"), 200)
scrape()
