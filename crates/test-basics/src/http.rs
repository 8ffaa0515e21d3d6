//! One request on a connection of its own, and its answer. Nothing is sent again by itself.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// No program of a test keeps silent for so long: a browser says after a minute that a page did not load.
const SILENCE: Duration = Duration::from_mins(2);

/// An answer as it came.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its status line and headers, without the empty line at the end.
    pub head: String,
    /// Its body; the chunks of a chunked one are not put together.
    pub body: String,
}

/// Why a request got no whole answer.
#[derive(Debug)]
pub struct NoAnswer {
    /// The first bytes of an answer had come.
    pub begun: bool,
    /// What went wrong.
    pub why: io::Error,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All values of a header.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.head.lines().filter_map(move |line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// All of it.
    pub fn text(&self) -> String {
        format!("{}\r\n\r\n{}", self.head, self.body)
    }

    /// All of it except the time: two answers that are alike give the same.
    pub fn without_date(&self) -> String {
        let is_date = |line: &&str| line.to_ascii_lowercase().starts_with("date:");
        let head: Vec<&str> = self.head.lines().filter(|line| !is_date(line)).collect();
        format!("{}\n\n{}", head.join("\n"), self.body)
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The sentence of a refusal by an API.
    pub fn error(&self) -> String {
        let json = self.json();
        json["error"].as_str().unwrap_or_else(|| panic!("no sentence in {self:?}")).to_owned()
    }

    /// Where a redirect leads.
    pub fn location(&self) -> &str {
        assert_eq!(self.status, 303, "{self:?}");
        self.header("location").unwrap()
    }
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answer: {}", if self.begun { "half an" } else { "no" }, self.why)
    }
}

impl std::error::Error for NoAnswer {}

/// Sends exactly these bytes and reads one answer.
///
/// # Errors
/// When no whole answer comes.
pub fn raw(to: SocketAddr, request: &(impl AsRef<[u8]> + ?Sized)) -> Result<Answer, NoAnswer> {
    let mut incoming = Incoming::of(request.as_ref());
    let mut talk = || -> io::Result<()> {
        let mut stream = TcpStream::connect(to)?;
        stream.set_read_timeout(Some(SILENCE))?;
        stream.write_all(request.as_ref())?;
        let mut piece = [0; 16 * 1024];
        while !incoming.is_whole() {
            match stream.read(&mut piece)? {
                0 => break,
                count => incoming.bytes.extend_from_slice(&piece[..count]),
            }
        }
        Ok(())
    };
    let ended = talk();
    incoming.answer(ended)
}

/// As [`raw`], without blocking the thread.
///
/// # Errors
/// When no whole answer comes.
pub async fn raw_async(to: SocketAddr, request: &(impl AsRef<[u8]> + ?Sized)) -> Result<Answer, NoAnswer> {
    let mut incoming = Incoming::of(request.as_ref());
    let talk = async {
        let mut stream = tokio::net::TcpStream::connect(to).await?;
        stream.write_all(request.as_ref()).await?;
        while !incoming.is_whole() {
            let reading = tokio::time::timeout(SILENCE, stream.read_buf(&mut incoming.bytes));
            if reading.await.map_err(io::Error::from)?? == 0 {
                break;
            }
        }
        Ok(())
    };
    let ended = talk.await;
    incoming.answer(ended)
}

/// What has come of an answer.
struct Incoming {
    bytes: Vec<u8>,
    /// An answer to HEAD has no body, whatever its length says.
    is_for_head: bool,
}

impl Incoming {
    fn of(request: &[u8]) -> Incoming {
        Incoming { bytes: Vec::new(), is_for_head: request.starts_with(b"HEAD ") }
    }

    /// The head without its empty line, and where the body begins.
    fn head(&self) -> Option<(&[u8], usize)> {
        let end = self.bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        Some((&self.bytes[..end], end + 4))
    }

    /// How long the body is; `None`: it ends with the connection.
    fn length(&self, head: &str) -> Option<usize> {
        let status = status(head)?;
        if self.is_for_head || status == 204 || status == 304 {
            return Some(0);
        }
        let lines = head.lines().filter_map(|line| line.split_once(':'));
        let mut lengths = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        lengths.next()?.1.trim().parse().ok()
    }

    fn is_whole(&self) -> bool {
        self.head().is_some_and(|(head, at)| {
            let length = self.length(&String::from_utf8_lossy(head));
            length.is_some_and(|length| self.bytes.len() >= at + length)
        })
    }

    /// The answer, if all of it came before the connection ended in this way.
    fn answer(self, ended: io::Result<()>) -> Result<Answer, NoAnswer> {
        let begun = !self.bytes.is_empty();
        let whole = || -> io::Result<Answer> {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(io::Error::other);
            let Some((head, at)) = self.head() else {
                return Err(ended.err().unwrap_or_else(|| io::Error::other("the connection ended")));
            };
            let (head, body) = (text(head)?, text(&self.bytes[at..])?);
            match self.length(&head) {
                None => ended?,
                Some(length) if body.len() < length => {
                    return Err(ended.err().unwrap_or_else(|| io::Error::other("the connection ended")));
                }
                Some(length) if body.len() > length => return Err(io::Error::other("more came than one answer")),
                Some(_) => {}
            }
            let status = status(&head).ok_or_else(|| io::Error::other("no status"))?;
            Ok(Answer { status, head, body })
        };
        whole().map_err(|why| NoAnswer { begun, why })
    }
}

fn status(head: &str) -> Option<u16> {
    head.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// The outcome of a request to a server that sends these bytes and closes.
    fn served(method: &str, bytes: &'static str) -> Result<Answer, NoAnswer> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 100]).unwrap();
            stream.write_all(bytes.as_bytes()).unwrap();
        });
        let outcome = raw(to, &format!("{method} / HTTP/1.1\r\n\r\n"));
        server.join().unwrap();
        outcome
    }

    #[test]
    fn an_answer_ends_with_its_length_or_with_the_connection() {
        let answer = served("GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (200, "hi"));
        assert_eq!(served("GET", "HTTP/1.1 200 OK\r\n\r\nhi").unwrap().body, "hi");
        assert_eq!(served("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n").unwrap().body, "");
        assert_eq!(served("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n").unwrap().status, 304);
    }

    #[test]
    fn half_an_answer_and_more_than_one_are_errors() {
        for (bytes, begun) in [
            ("", false),
            ("HTTP/1.1 200 OK\r\nContent-", true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nhi", true),
        ] {
            assert_eq!(served("GET", bytes).unwrap_err().begun, begun, "{bytes:?}");
        }
    }
}
