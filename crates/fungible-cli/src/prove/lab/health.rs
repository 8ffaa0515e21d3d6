//! Asks a new instance at the path of `--health` until it answers.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::fleet::{Launcher, ProcessId, Waited};

/// Waits until the instance answers 2xx or 3xx at this path.
pub(super) async fn healthy(launcher: &Launcher, id: ProcessId, port: u16, path: &str, limit: Duration) -> Waited {
    let asks = async {
        while !answers_well(port, path).await.unwrap_or(false) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Waited::Ready
    };
    tokio::select! {
        ended = launcher.ended(id) => ended,
        ready = asks => ready,
        () = tokio::time::sleep(limit) => Waited::Late(Vec::new()),
    }
}

async fn answers_well(port: u16, path: &str) -> std::io::Result<bool> {
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await?;
    let mut head = [0; 12];
    socket.read_exact(&mut head).await?;
    Ok(head.starts_with(b"HTTP/1.") && matches!(head[9], b'2' | b'3'))
}
