//! Sending HL7 v2 over MLLP: one message at a time, each answered before the next.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fhir::problem::{Kind, Problem};
use hl7v2::mllp::{Bounds, Decoder, frame};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const CONNECT_SECONDS_MAX: u64 = 15;
const ANSWER_SECONDS_MAX: u64 = 30;
const READ_BYTES: usize = 16 * 1024;

/// A connection to a system that takes HL7 v2 over MLLP.
pub struct Sender {
    stream: Box<dyn Stream>,
    answers: Decoder,
    answer_within: Duration,
}

/// A connection, in TLS or not.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Sender {
    /// Connects.
    ///
    /// # Errors
    /// `Transient` if nothing listens there.
    pub async fn connect(address: SocketAddr) -> Result<Sender, Problem> {
        Sender::to(&address.to_string(), None).await
    }

    /// Connects to `host:port`, and agrees on TLS where that is given: the other end must show a
    /// certificate for that host.
    ///
    /// # Errors
    /// `Transient` if nothing listens there, `Timeout` if it says nothing, `Security` if it shows no
    /// certificate that counts.
    pub async fn to(address: &str, tls: Option<&Arc<ClientConfig>>) -> Result<Sender, Problem> {
        let limit = Duration::from_secs(CONNECT_SECONDS_MAX);
        let connecting = async {
            let stream = TcpStream::connect(address).await.map_err(broken)?;
            let _ = stream.set_nodelay(true);
            let stream: Box<dyn Stream> = match tls {
                None => Box::new(stream),
                Some(tls) => Box::new(in_tls(address, stream, tls).await?),
            };
            Ok(Sender {
                stream,
                answers: Decoder::new(Bounds::default()),
                answer_within: Duration::from_secs(ANSWER_SECONDS_MAX),
            })
        };
        match tokio::time::timeout(limit, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err(Problem::new(
                Kind::Timeout,
                "The system could not be reached in time.",
            )),
        }
    }

    /// The same, which waits so long for each answer.
    #[must_use]
    pub fn waiting(mut self, answer_within: Duration) -> Sender {
        self.answer_within = answer_within;
        self
    }

    /// Sends a message and waits for its answer, both without frame.
    ///
    /// # Errors
    /// `Transient` if the connection ends, `Timeout` without an answer in time (30 s): the message may or
    /// may not have been taken, so send it again.
    pub async fn send(&mut self, message: &[u8]) -> Result<Vec<u8>, Problem> {
        let limit = self.answer_within;
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
        self.stream.flush().await.map_err(broken)?;
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

async fn in_tls(
    address: &str,
    stream: TcpStream,
    tls: &Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, Problem> {
    let unsafe_end = "The system at that address does not prove who it is.";
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let name = ServerName::try_from(host)
        .map_err(|cause| Problem::new(Kind::Security, unsafe_end).because(cause))?;
    let connected = TlsConnector::from(tls.clone()).connect(name, stream).await;
    connected.map_err(|cause| Problem::new(Kind::Security, unsafe_end).because(cause))
}

fn broken(cause: std::io::Error) -> Problem {
    Problem::new(Kind::Transient, "The system could not be reached.").because(cause)
}
