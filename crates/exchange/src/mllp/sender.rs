//! Sending HL7 v2 over MLLP: one message at a time, each answered before the next.

use std::net::SocketAddr;
use std::time::Duration;

use fhir::problem::{Kind, Problem};
use hl7v2::mllp::{Bounds, Decoder, frame};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const ANSWER_SECONDS_MAX: u64 = 30;
const READ_BYTES: usize = 16 * 1024;

/// A connection to a system that takes HL7 v2 over MLLP.
pub struct Sender {
    stream: TcpStream,
    answers: Decoder,
}

impl Sender {
    /// Connects.
    ///
    /// # Errors
    /// `Transient` if nothing listens there.
    pub async fn connect(address: SocketAddr) -> Result<Sender, Problem> {
        let stream = TcpStream::connect(address).await.map_err(broken)?;
        let _ = stream.set_nodelay(true);
        Ok(Sender {
            stream,
            answers: Decoder::new(Bounds::default()),
        })
    }

    /// Sends a message and waits for its answer, both without frame.
    ///
    /// # Errors
    /// `Transient` if the connection ends, `Timeout` without an answer in 30 s: the message may or
    /// may not have been taken, so send it again.
    pub async fn send(&mut self, message: &[u8]) -> Result<Vec<u8>, Problem> {
        let limit = Duration::from_secs(ANSWER_SECONDS_MAX);
        match tokio::time::timeout(limit, self.exchange(message)).await {
            Ok(answer) => answer,
            Err(_) => Err(Problem::new(
                Kind::Timeout,
                "The system did not answer the message.",
            )),
        }
    }

    async fn exchange(&mut self, message: &[u8]) -> Result<Vec<u8>, Problem> {
        self.stream
            .write_all(&frame(message))
            .await
            .map_err(broken)?;
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let next = self.answers.next_message().map_err(|fault| {
                Problem::new(
                    Kind::Transient,
                    format!("The answer cannot be read: {fault}."),
                )
            })?;
            if let Some(answer) = next {
                return Ok(answer);
            }
            let read = self.stream.read(&mut buffer).await.map_err(broken)?;
            if read == 0 {
                let closed = "The system closed the connection without an answer.";
                return Err(Problem::new(Kind::Transient, closed));
            }
            self.answers.push(buffer.get(..read).unwrap_or_default());
        }
    }
}

fn broken(cause: std::io::Error) -> Problem {
    Problem::new(Kind::Transient, "The system could not be reached.").because(cause)
}
