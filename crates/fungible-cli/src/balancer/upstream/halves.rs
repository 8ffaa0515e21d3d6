//! Both directions of a connection to an instance: those of a socket, and in tests also those of the simulated network.

use std::io;
use std::pin::Pin;
#[cfg(test)]
use std::task::Waker;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

#[cfg(test)]
use super::simulated::Stream;

/// What the instance sends.
#[derive(Debug)]
pub(super) enum Reader {
    Socket(OwnedReadHalf),
    #[cfg(test)]
    Simulated(tokio::io::ReadHalf<Stream>),
}

/// What it gets.
#[derive(Debug)]
pub(super) enum Writer {
    Socket(OwnedWriteHalf),
    #[cfg(test)]
    Simulated(tokio::io::WriteHalf<Stream>),
}

/// Both directions of a socket.
pub(super) fn of_socket(stream: TcpStream) -> (Reader, Writer) {
    let (reader, writer) = stream.into_split();
    (Reader::Socket(reader), Writer::Socket(writer))
}

/// Both directions of a simulated connection.
#[cfg(test)]
pub(super) fn of_simulated(stream: Stream) -> (Reader, Writer) {
    let (reader, writer) = tokio::io::split(stream);
    (Reader::Simulated(reader), Writer::Simulated(writer))
}

impl Reader {
    /// Whether nothing has come, neither bytes nor the end.
    pub(super) fn is_silent(&mut self) -> bool {
        match self {
            // Without a system call where the runtime has heard of nothing.
            Reader::Socket(socket) => {
                socket.try_read(&mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
            }
            #[cfg(test)]
            Reader::Simulated(stream) => {
                let mut context = Context::from_waker(Waker::noop());
                Pin::new(stream).poll_read(&mut context, &mut ReadBuf::new(&mut [0])).is_pending()
            }
        }
    }
}

impl AsyncRead for Reader {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Reader::Socket(socket) => Pin::new(socket).poll_read(context, buffer),
            #[cfg(test)]
            Reader::Simulated(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Writer {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Writer::Socket(socket) => Pin::new(socket).poll_write(context, bytes),
            #[cfg(test)]
            Writer::Simulated(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Writer::Socket(socket) => Pin::new(socket).poll_flush(context),
            #[cfg(test)]
            Writer::Simulated(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Writer::Socket(socket) => Pin::new(socket).poll_shutdown(context),
            #[cfg(test)]
            Writer::Simulated(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
