//! A stream whose other end must keep reading, and must finish the head of a request that it began:
//! a write that does not get on for a while fails, and so does reading a head that takes too long, so
//! that a client which does neither cannot hold a connection's place for ever.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::limits::Limits;
use super::pace::Turn;

/// The stream and, while a write waits or a head is coming, when that has taken too long.
pub struct Deadlines<S> {
    stream: S,
    pause: Duration,
    head: Duration,
    turn: Turn,
    waiting: Option<Pin<Box<Sleep>>>,
    /// When the head at hand began to come.
    head_since: Option<Instant>,
    /// Only for a head that does not come at once: most do, and a timer for each costs more than all
    /// else here.
    head_until: Option<Pin<Box<Sleep>>>,
}

impl<S> Deadlines<S> {
    /// `stream`, held to the limits; `turn` tells what is being read.
    pub fn new(stream: S, limits: &Limits, turn: Turn) -> Deadlines<S> {
        Deadlines {
            stream,
            pause: limits.pause,
            head: limits.head,
            turn,
            waiting: None,
            head_since: None,
            head_until: None,
        }
    }

    /// Passes on what came of a read that gave so many bytes, or fails when they belong to a head
    /// that has taken too long.
    fn in_head(
        &mut self,
        outcome: Poll<io::Result<()>>,
        bytes: usize,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.turn.awaits_head() {
            (self.head_since, self.head_until) = (None, None);
            return outcome;
        }
        if bytes > 0 && self.head_since.is_none() {
            self.head_since = Some(Instant::now());
        }
        if let (Some(since), Poll::Pending) = (self.head_since, &outcome)
            && self.head_until.is_none()
        {
            self.head_until = Some(Box::pin(sleep_until(since + self.head)));
        }
        if let Some(until) = &mut self.head_until
            && until.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        outcome
    }

    /// Passes on what came of a write, or fails when it has waited too long.
    fn within<T>(
        &mut self,
        outcome: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.waiting = None;
            return outcome;
        }
        let limit = self.pause;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(waiting.as_mut().poll(context));
        waiting.as_mut().reset(Instant::now() + limit);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Deadlines<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        let bytes = buffer.filled().len().saturating_sub(before);
        self.in_head(outcome, bytes, context)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Deadlines<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.within(outcome, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.within(outcome, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(context);
        self.within(outcome, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(context);
        self.within(outcome, context)
    }
}

#[cfg(test)]
mod tests {
    use super::{Deadlines, Limits, Turn};
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test(start_paused = true)]
    async fn l01_who_reads_nothing_is_not_waited_for_and_who_reads_slowly_is() {
        let (near, mut far) = tokio::io::duplex(4);
        let mut stream = Deadlines::new(near, &Limits::of(1), Turn::default());
        let slow = async {
            let mut buffer = [0; 4];
            for _ in 0..3 {
                tokio::time::sleep(Duration::from_secs(20)).await;
                far.read_exact(&mut buffer).await.unwrap();
            }
            far
        };
        let (written, far) = tokio::join!(stream.write_all(b"twelve bytes"), slow);
        written.unwrap();
        let refused = stream.write_all(b"four and more").await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::TimedOut);
        drop(far);
    }
}
