//! Looking at a system that an operator names (`handover check`): what it agrees on in TLS, and what it answers to bytes
//! as they are. Nothing here is used between nodes.

mod certificate;
mod old;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use hl7v2::mllp::{Bounds, Decoder};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub use old::{Old, takes_old};
pub use watch::{SeenTls, look};

const READ_BYTES: usize = 16 * 1024;
/// An answer is read up to here.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// What came on a connection within its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A message in a frame, without it.
    Message(Vec<u8>),
    /// Bytes that are no frame of MLLP.
    Unframed,
    /// The other end closed the connection.
    Closed,
    /// Nothing, for so long as was waited.
    Nothing,
}

/// A connection on which bytes are sent as they are.
pub struct Wire {
    stream: Box<dyn Stream>,
    answers: Decoder,
    seconds_max: u64,
}

/// A connection, in TLS or not.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Wire {
    /// Connects to that host and port, in TLS where that is given.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub async fn connect(
        host: &str,
        port: u16,
        tls: Option<&Arc<ClientConfig>>,
        seconds_max: u64,
    ) -> Result<Wire, String> {
        let connecting = async {
            let stream = connected(host, port).await?;
            let stream: Box<dyn Stream> = match tls {
                None => Box::new(stream),
                Some(tls) => {
                    let name = ServerName::try_from(host.to_owned())
                        .map_err(|_| "The host's name does not read.".to_owned())?;
                    let stream = TlsConnector::from(tls.clone()).connect(name, stream).await;
                    Box::new(stream.map_err(|cause| format!("No TLS: {cause}."))?)
                }
            };
            Ok::<_, String>(stream)
        };
        let limit = Duration::from_secs(seconds_max);
        let stream = tokio::time::timeout(limit, connecting).await;
        let late = |_| format!("No connection within {seconds_max} seconds.");
        let bounds = Bounds {
            message_bytes: ANSWER_BYTES_MAX,
            garbage_bytes: 0,
        };
        Ok(Wire {
            stream: stream.map_err(late)??,
            answers: Decoder::new(bounds),
            seconds_max,
        })
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        let sending = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        let limit = Duration::from_secs(self.seconds_max);
        match tokio::time::timeout(limit, sending).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(cause)) => Err(format!("The connection broke: {cause}.")),
            Err(_) => Err("The other end does not read.".into()),
        }
    }

    /// What comes next, within the connection's time or so many seconds.
    pub async fn read(&mut self, seconds: Option<u64>) -> Said {
        let limit = Duration::from_secs(seconds.unwrap_or(self.seconds_max));
        tokio::time::timeout(limit, self.next())
            .await
            .unwrap_or(Said::Nothing)
    }

    async fn next(&mut self) -> Said {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            match self.answers.next_message() {
                Ok(Some(message)) => return Said::Message(message),
                Ok(None) => {}
                Err(_) => return Said::Unframed,
            }
            match self.stream.read(&mut buffer).await {
                Ok(count) if count > 0 => {
                    self.answers.push(buffer.get(..count).unwrap_or_default());
                }
                _ => return Said::Closed,
            }
        }
    }
}

/// A connection to a host that the operator named, which may be private.
async fn connected(host: &str, port: u16) -> Result<TcpStream, String> {
    let stream = TcpStream::connect((host, port)).await;
    let stream =
        stream.map_err(|cause| format!("{host} port {port} cannot be reached: {cause}."))?;
    let _ = stream.set_nodelay(true);
    Ok(stream)
}
