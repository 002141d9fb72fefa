//! A TCP connection whose ends do not wait for each other without need. Not here: who is connected to (`route`).
//!
//! OpenSSH's server sends its answers one by one and leaves Nagle's algorithm on: a short one waits until the one before is
//! acknowledged, and the kernel that took that one waits up to 40 ms for something to send the acknowledgement with. A login alone
//! took 40 ms longer for it. So our side sends each small packet at once, and acknowledges what is short at once. It reads a little
//! ahead, as an SSH packet is read in two parts: its length and the rest.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Bytes that come at once after which the kernel is left to acknowledge as it does: a short answer is what others wait behind, and
/// a system call for each read of a large file is not worth it.
const LONG: usize = 16 * 1024;

/// What is read ahead, in the same system call as what is wanted: the next packet's length, and many short packets at once. Of a long
/// one little, as the rest of it goes straight to where it is decrypted, and this is copied once more.
const AHEAD: usize = 4 * 1024;

/// A connection that sends at once, and acknowledges short answers at once.
pub(super) struct Tcp {
    stream: TcpStream,
    ahead: Box<[u8; AHEAD]>,
    /// What of `ahead` nobody has taken yet.
    unread: Range<usize>,
}

impl Tcp {
    /// Connects.
    pub(super) async fn connect(address: SocketAddr) -> io::Result<Tcp> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Tcp { stream, ahead: Box::new([0; AHEAD]), unread: 0..0 })
    }

    /// Receives into `buffer`, and ahead.
    fn poll_receive(&mut self, task: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(task))?;
            let wanted = buffer.initialize_unfilled();
            let room = wanted.len();
            let mut slices = [IoSliceMut::new(wanted), IoSliceMut::new(&mut self.ahead[..])];
            let len = match self.stream.try_read_vectored(&mut slices) {
                // It was not ready after all, and tells when it is.
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                received => received?,
            };
            buffer.advance(len.min(room));
            self.unread = 0..len.saturating_sub(room);
            if len < LONG {
                self.acknowledge();
            }
            return Poll::Ready(Ok(()));
        }
    }

    /// Acknowledges what was read. The kernel forgets each time that it is wanted (tcp(7), `TCP_QUICKACK`).
    fn acknowledge(&self) {
        // Where it can't be done it takes longer.
        #[cfg(target_os = "linux")]
        let _ = rustix::net::sockopt::set_tcp_quickack(&self.stream, true);
    }
}

impl AsyncRead for Tcp {
    fn poll_read(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let tcp = self.get_mut();
        if tcp.unread.is_empty() {
            return tcp.poll_receive(task, buffer);
        }
        let len = tcp.unread.len().min(buffer.remaining());
        buffer.put_slice(&tcp.ahead[tcp.unread.start..][..len]);
        tcp.unread.start += len;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(task, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(task, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn whatever_is_read_ahead_every_byte_comes_once_and_in_order_and_then_the_end() {
        let bytes: Vec<u8> = (0..3_000_000u32).map(|index| (index * 7 + index / 256) as u8).collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let sent = bytes.clone();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            // Pieces of all sizes, and now and then a moment in which all of them are read.
            let mut rest = &sent[..];
            for len in (1..).map(|n: usize| n * 7919 % 40_000 + 1) {
                let (piece, after) = rest.split_at(len.min(rest.len()));
                stream.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
                rest = after;
                if rest.is_empty() {
                    return;
                }
            }
        });
        let mut tcp = Tcp::connect(address).await.unwrap();
        let mut got = Vec::new();
        for len in [4, 32_780, 4, 100, 1, AHEAD, AHEAD + 1, 0, 70_000].into_iter().cycle() {
            let mut part = vec![0; len.min(bytes.len() - got.len())];
            tcp.read_exact(&mut part).await.unwrap();
            got.append(&mut part);
            if got.len() == bytes.len() {
                break;
            }
        }
        assert!(got == bytes);
        assert_eq!(tcp.read(&mut [0; 10]).await.unwrap(), 0);
        server.await.unwrap();
    }
}
