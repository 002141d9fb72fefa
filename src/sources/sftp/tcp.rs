//! A TCP connection whose ends do not wait for each other without need. Not here: who is connected to (`route`).
//!
//! OpenSSH's server sends its answers one by one and leaves Nagle's algorithm on: a short one waits until the one before is
//! acknowledged, and the kernel that took that one waits up to 40 ms for something to send the acknowledgement with. A login alone
//! took 40 ms longer for it. So our side sends each small packet at once, and acknowledges what is short at once.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Bytes that come at once after which the kernel is left to acknowledge as it does: a short answer is what others wait behind, and
/// a system call for each read of a large file is not worth it.
const LONG: usize = 16 * 1024;

/// A connection that sends at once, and acknowledges short answers at once.
pub(super) struct Tcp(TcpStream);

impl Tcp {
    /// Connects.
    pub(super) async fn connect(address: SocketAddr) -> io::Result<Tcp> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Tcp(stream))
    }

    /// Acknowledges what was read. The kernel forgets each time that it is wanted (tcp(7), `TCP_QUICKACK`).
    fn acknowledge(&self) {
        // Where it can't be done it takes longer.
        #[cfg(target_os = "linux")]
        let _ = rustix::net::sockopt::set_tcp_quickack(&self.0, true);
    }
}

impl AsyncRead for Tcp {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.0).poll_read(task, buffer))?;
        if buffer.filled().len() - before < LONG {
            self.acknowledge();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(task, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(task, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(task)
    }
}
