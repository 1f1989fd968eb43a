//! One connection: messages in, answers out, one after the other.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use fhir::problem::Problem;
use hl7v2::mllp::{Bounds, Broken, Decoder, frame};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, Sleep, sleep_until, timeout, timeout_at};

use super::sieve::{Sieve, Stopped};
use super::{Door, Settings, stopped};

/// Bytes read at once.
const READ_BYTES: usize = 16 * 1024;
/// The most that is read and forgotten of a message that was refused.
const REST_BYTES_MAX: usize = 256 * 1024 * 1024;
/// What ends a message on the line.
const END: [u8; 2] = [0x1c, 0x0d];
/// From here on a message counts as a large one.
const LARGE_BYTES: usize = 1024 * 1024;
/// How slowly a document may come that is taken out of its message, in bytes a second.
const DOCUMENT_BYTES_A_SECOND: u64 = 512 * 1024;

pub(super) struct Connection {
    door: Arc<Door>,
    settings: Settings,
    large: Arc<Semaphore>,
}

/// Rings at deadlines that mostly move on before they come. It is set anew only when it rings too early: to set a
/// timer for each message costs as much as to read one.
struct Alarm(Pin<Box<Sleep>>);

impl Alarm {
    fn new() -> Alarm {
        Alarm(Box::pin(sleep_until(Instant::now())))
    }

    /// Until that moment.
    async fn until(&mut self, moment: Instant) {
        if self.0.deadline() > moment {
            self.0.as_mut().reset(moment);
        }
        loop {
            self.0.as_mut().await;
            if self.0.deadline() >= moment {
                return;
            }
            self.0.as_mut().reset(moment);
        }
    }
}

/// What one turn of reading brought.
enum Turn {
    Message(Vec<u8>),
    Broken(Broken),
    /// What came of a message that could be taken another time.
    NotNow(Problem, Vec<u8>),
    /// The sender is gone or too slow, or the node stops.
    End,
}

impl Connection {
    pub(super) fn new(door: Arc<Door>, settings: Settings, large: Arc<Semaphore>) -> Connection {
        Connection {
            door,
            settings,
            large,
        }
    }

    /// Serves the connection until it ends. A message that is under way when the node stops is
    /// read to its end, within its deadline, and answered.
    pub(super) async fn run<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        stop: watch::Receiver<bool>,
    ) {
        let mut sieve = Sieve::new(self.door.keeper());
        self.converse(stream, &mut sieve, stop).await;
        sieve.abandon().await;
    }

    async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut stream: S,
        sieve: &mut Sieve,
        mut stop: watch::Receiver<bool>,
    ) {
        let bounds = Bounds {
            message_bytes: self.settings.message_bytes_max,
            ..Bounds::default()
        };
        let mut decoder = Decoder::new(bounds);
        let mut buffer = vec![0; READ_BYTES];
        let mut signal = stop.clone();
        // One of each for the whole connection, not one for each message.
        let mut stopping = pin!(stopped(&mut signal));
        let mut alarm = Alarm::new();
        loop {
            let from = (&mut stream, &mut buffer[..]);
            let into = (&mut decoder, &mut *sieve);
            let ends = (&mut alarm, stopping.as_mut());
            let turn = self.turn(from, into, ends, &stop).await;
            let (answer, goes_on) = match turn {
                Turn::Message(message) => {
                    let documents = sieve.taken();
                    (self.door.take(message, &documents).await, true)
                }
                Turn::Broken(broken) => (self.door.take_broken(broken).await, false),
                Turn::NotNow(problem, partial) => (self.door.not_now(&problem, &partial), false),
                Turn::End => return,
            };
            let framed = frame(&answer);
            let sent = async {
                stream.write_all(&framed).await?;
                stream.flush().await
            };
            let within = Duration::from_secs(self.settings.answer_seconds);
            if !matches!(timeout(within, sent).await, Ok(Ok(()))) {
                return;
            }
            if !goes_on {
                return self.let_it_end(&mut stream, &mut buffer, &mut stop).await;
            }
        }
    }

    /// Reads on what a sender still sends of a message that was refused, and forgets it: were the connection closed
    /// before, the sender would be told that it broke, not why, and would send the same again.
    async fn let_it_end<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        buffer: &mut [u8],
        stop: &mut watch::Receiver<bool>,
    ) {
        let within = Duration::from_secs(self.settings.message_seconds);
        // Behind the answer there is the end, for whoever reads.
        let _ = timeout(within, stream.shutdown()).await;
        let rest = async {
            let mut bytes = 0;
            while let Ok(count) = stream.read(buffer).await
                && count > 0
                && bytes < REST_BYTES_MAX
            {
                bytes += count;
                // The sender has the answer and says nothing more.
                if buffer.get(..count).is_some_and(|it| it.ends_with(&END)) {
                    break;
                }
            }
        };
        tokio::select! {
            _ = timeout(within, rest) => {}
            () = stopped(stop) => {}
        }
    }

    /// Reads until there is a whole message.
    async fn turn<S: AsyncRead + Unpin>(
        &self,
        (stream, buffer): (&mut S, &mut [u8]),
        (decoder, sieve): (&mut Decoder, &mut Sieve),
        (alarm, mut stopping): (&mut Alarm, Pin<&mut impl Future<Output = ()>>),
        stop: &watch::Receiver<bool>,
    ) -> Turn {
        let idle = Instant::now() + Duration::from_secs(self.settings.idle_seconds);
        let mut message_deadline = None;
        let mut permit: Option<OwnedSemaphorePermit> = None;
        loop {
            match decoder.next_message() {
                Ok(Some(message)) => return Turn::Message(message),
                Ok(None) => {}
                Err(broken) => return Turn::Broken(broken),
            }
            let inside = decoder.is_inside();
            let deadline = if inside {
                let whole = Duration::from_secs(self.settings.message_seconds);
                *message_deadline.get_or_insert_with(|| Instant::now() + whole)
            } else if *stop.borrow() {
                return Turn::End;
            } else {
                idle
            };
            if decoder.held_bytes() > LARGE_BYTES && permit.is_none() {
                let place = self.large.clone().acquire_owned();
                permit = timeout_at(deadline, place).await.ok().and_then(Result::ok);
                if permit.is_none() {
                    return Turn::End;
                }
            }
            let read = tokio::select! {
                biased;
                read = stream.read(buffer) => read,
                () = alarm.until(deadline) => return Turn::End,
                () = stopping.as_mut(), if !inside => return Turn::End,
            };
            match read {
                Ok(count) if count > 0 => {
                    let bytes = buffer.get(..count).unwrap_or_default();
                    match sieve.pass(bytes, decoder).await {
                        Ok(()) => {}
                        Err(Stopped::Broken(broken)) => return Turn::Broken(broken),
                        Err(Stopped::NotNow(problem)) => {
                            return Turn::NotNow(problem, decoder.held().to_vec());
                        }
                    }
                    if let (true, Some(deadline)) = (sieve.is_taking(), &mut message_deadline) {
                        *deadline += time_for(count);
                    }
                }
                _ => return Turn::End,
            }
        }
    }
}

/// What a message may take longer for so many bytes of a document.
fn time_for(bytes: usize) -> Duration {
    Duration::from_micros(bytes as u64 * 1_000_000 / DOCUMENT_BYTES_A_SECOND)
}
