//! A load of many connections, each asking again as soon as it was answered, or after a pause.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

const ANSWER_SECONDS: u64 = 10;

/// A conversation's half of one exchange: reads one whole answer from `stream` into `buffer`.
pub trait Protocol: Send + Sync + 'static {
    /// What connection `connection` asks the `number`th time.
    fn question(&self, connection: usize, number: u64) -> Vec<u8>;
    /// The length of the whole answer, once it is there.
    fn answered(&self, bytes: &[u8]) -> Result<Option<usize>>;
}

/// What came of a load.
pub struct Outcome {
    /// Answers a second.
    pub rate: f64,
    /// How long each answer took, in milliseconds.
    pub millis: Vec<f64>,
}

/// Answers a second over `connections` for `seconds`, after a short warming.
///
/// # Errors
/// When a connection fails or an answer is not a good one.
pub fn run(
    runtime: &Runtime,
    to: SocketAddr,
    connections: usize,
    seconds: f64,
    protocol: &Arc<impl Protocol>,
) -> Result<f64> {
    Ok(timed(runtime, to, connections, seconds, protocol)?.rate)
}

/// As `run`, with how long each answer took.
///
/// # Errors
/// As `run`.
pub fn timed(
    runtime: &Runtime,
    to: SocketAddr,
    connections: usize,
    seconds: f64,
    protocol: &Arc<impl Protocol>,
) -> Result<Outcome> {
    paced(
        runtime,
        to,
        (connections, Duration::ZERO),
        seconds,
        protocol,
    )
}

/// As `timed`, each connection pausing for so long between an answer and its next question.
///
/// # Errors
/// As `run`.
pub fn paced(
    runtime: &Runtime,
    to: SocketAddr,
    (connections, pause): (usize, Duration),
    seconds: f64,
    protocol: &Arc<impl Protocol>,
) -> Result<Outcome> {
    runtime.block_on(async {
        let warm = Instant::now() + Duration::from_secs_f64(seconds / 5.0);
        let end = warm + Duration::from_secs_f64(seconds);
        let mut all = JoinSet::new();
        for connection in 0..connections {
            all.spawn(one(to, (connection, pause), protocol.clone(), warm, end));
        }
        let mut millis = Vec::new();
        while let Some(joined) = all.join_next().await {
            millis.append(&mut joined??);
        }
        let rate = millis.len() as f64 / seconds;
        Ok(Outcome { rate, millis })
    })
}

/// One connection: how long each answer took that came between `warm` and `end`, in milliseconds.
async fn one(
    to: SocketAddr,
    (connection, pause): (usize, Duration),
    protocol: Arc<impl Protocol>,
    warm: Instant,
    end: Instant,
) -> Result<Vec<f64>> {
    let mut stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(64 * 1024);
    let (mut millis, mut number) = (Vec::new(), 0);
    if !pause.is_zero() {
        // Not all at once: that would be one wave after the other.
        let share = u32::try_from(connection % 256).unwrap_or_default();
        tokio::time::sleep(pause * share / 256).await;
    }
    loop {
        let asked = Instant::now();
        stream
            .write_all(&protocol.question(connection, number))
            .await?;
        number += 1;
        let limit = Duration::from_secs(ANSWER_SECONDS);
        tokio::time::timeout(limit, answer(&mut stream, &mut buffer, &*protocol))
            .await
            .context("no answer")??;
        let now = Instant::now();
        if now >= end {
            return Ok(millis);
        }
        if now >= warm {
            millis.push(now.duration_since(asked).as_secs_f64() * 1000.0);
        }
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }
}

async fn answer(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    protocol: &impl Protocol,
) -> Result<()> {
    loop {
        if let Some(length) = protocol.answered(buffer)? {
            buffer.drain(..length);
            return Ok(());
        }
        ensure!(
            stream.read_buf(buffer).await? > 0,
            "the server closed the connection"
        );
    }
}

/// The same GET again and again, answered 200 with a known length.
pub struct Get {
    pub request: Vec<u8>,
}

impl Get {
    pub fn new(path: &str, token: Option<&str>) -> Get {
        let token = token
            .map(|token| format!("authorization: Bearer {token}\r\n"))
            .unwrap_or_default();
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: application/fhir+json\r\n{token}\r\n"
        );
        Get {
            request: request.into_bytes(),
        }
    }
}

impl Protocol for Get {
    fn question(&self, _connection: usize, _number: u64) -> Vec<u8> {
        self.request.clone()
    }

    fn answered(&self, bytes: &[u8]) -> Result<Option<usize>> {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Ok(None);
        };
        let head =
            String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).to_ascii_lowercase();
        ensure!(
            head.starts_with("http/1.1 200"),
            "answered {}",
            head.lines().next().unwrap_or_default()
        );
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length
            .context("an answer without its length")?
            .trim()
            .parse()?;
        let whole = end + 4 + length;
        Ok((bytes.len() >= whole).then_some(whole))
    }
}

/// MLLP: a new message each time, answered AA.
pub struct Mllp {
    /// Makes a message from a control id.
    pub message: fn(&str) -> String,
    /// Told apart from other runs' messages by this.
    pub run: String,
}

impl Protocol for Mllp {
    fn question(&self, connection: usize, number: u64) -> Vec<u8> {
        framed(&(self.message)(&format!(
            "{}-{connection}-{number}",
            self.run
        )))
    }

    fn answered(&self, bytes: &[u8]) -> Result<Option<usize>> {
        let Some(end) = bytes.windows(2).position(|window| window == [0x1c, 0x0d]) else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default());
        ensure!(text.contains("MSA|AA"), "answered {text}");
        Ok(Some(end + 2))
    }
}

/// A message in MLLP's frame.
pub fn framed(message: &str) -> Vec<u8> {
    let mut frame = vec![0x0b];
    frame.extend(message.as_bytes());
    frame.extend([0x1c, 0x0d]);
    frame
}
