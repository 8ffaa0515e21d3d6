//! What connections cost that do nothing.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::world::Place;

/// Answers in one piece, at once.
const INSTANCE: &str = "
import asyncio, os
async def serve(reader, writer):
    while await reader.readuntil(b'\\r\\n\\r\\n'):
        writer.write(b'HTTP/1.1 200 OK\\r\\nContent-Length: 1\\r\\n\\r\\n!')
async def main():
    async with await asyncio.start_server(serve, '127.0.0.1', int(os.environ['PORT'])) as server:
        await server.serve_forever()
asyncio.run(main())
";

/// In KiB.
fn resident(pid: i32) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

#[test]
fn connections_that_rest_need_little_memory() {
    const COUNT: usize = 2000;
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    let place = Place::new();
    let fleet = place.fleet(&["run", "-n", "1", "--listen", "127.0.0.1:0", "--", "python3", "-c", INSTANCE]);
    fleet.healthy(1);
    let before = resident(fleet.pid());
    let mut clients = Vec::new();
    for _ in 0..COUNT {
        let mut client = TcpStream::connect(fleet.address).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
        while !answer.ends_with(b"!") {
            let count = client.read(&mut piece).unwrap();
            assert!(count > 0, "{}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&piece[..count]);
        }
        clients.push(client);
    }
    let each = resident(fleet.pid()).saturating_sub(before) * 1024 / COUNT;
    // It is 20 KiB with the buffers for the next request.
    assert!(each < 9 * 1024, "each takes {each} bytes");
    drop(clients);
}
