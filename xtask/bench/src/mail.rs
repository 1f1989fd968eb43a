//! A message of 50 MB to a mailbox, against the same bytes uploaded to nobody: received, written to a file and synced.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest as _, Sha256};

use crate::measure::median;
use crate::message::HOSPITAL;
use crate::node::{Node, folder};
use crate::report::{Report, Wanted};

const BYTES: usize = 50_000_000;
const TIMES: usize = 9;
const SETTLES: Duration = Duration::from_secs(1);
const SHARE_MIN: f64 = 0.5;
const KEY: &str = "BenchKey";
const PASSWORD: &str = "password";
const BLOCK: usize = 64;

/// Uploads in turns, and compares the times in the middle.
pub fn measure(report: &mut Report) -> Result<()> {
    let node = Node::start(HOSPITAL, "hospital", "before-answer")?;
    let door = free()?;
    let settings = format!(
        "\n[mesh_server]\nlisten = \"{door}\"\n\n[[mesh_server.mailbox]]\nid = \"X26BENCH1\"\nname = \"One\"\n\
         ods = \"{HOSPITAL}\"\npassword = \"keys/mailbox\"\nworkflows = [\"BENCH\"]\n\n[[mesh_server.mailbox]]\n\
         id = \"X26BENCH2\"\nname = \"Two\"\nods = \"{HOSPITAL}\"\npassword = \"keys/mailbox\"\nworkflows = [\"BENCH\"]\n"
    );
    let secrets = [
        ("keys/mesh-server-shared-key", KEY),
        ("keys/mailbox", PASSWORD),
    ];
    let node = node.with(&settings, &secrets)?;
    // Bytes that no compression makes fewer, different each time: the same content is not stored twice.
    let mut noise = noise();
    let place = folder()?;
    let bare = bare(place.path())?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for time in 0..=TIMES {
        noise.rotate_left(4099);
        // What the node still moves behind its answer is not to slow the other's turn.
        std::thread::sleep(SETTLES);
        let bare = upload(bare, "", &noise)?;
        std::thread::sleep(SETTLES);
        let mesh = upload(door, &head(time)?, &noise)?;
        // The first finds nothing warm.
        if time > 0 {
            theirs.push(bare.as_secs_f64());
            ours.push(mesh.as_secs_f64());
        }
    }
    report.ratio(
        "a message of 50 MB to a mailbox (MESH)",
        "MB/s",
        (rate(&ours), rate(&theirs)),
        Wanted::AtLeast(SHARE_MIN),
    );
    drop(node);
    Ok(())
}

fn rate(seconds: &[f64]) -> f64 {
    BYTES as f64 / 1e6 / median(seconds)
}

fn free() -> Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

fn noise() -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let word = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    word.flatten().take(BYTES).collect()
}

/// How long it takes until the answer is there.
fn upload(to: SocketAddr, head: &str, bytes: &[u8]) -> Result<Duration> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_nodelay(true)?;
    let began = Instant::now();
    write!(
        stream,
        "POST /messageexchange/X26BENCH1/outbox HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n\
         content-type: application/octet-stream\r\ncontent-length: {}\r\n{head}\r\n",
        bytes.len()
    )?;
    stream.write_all(bytes)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(
        answer.starts_with("HTTP/1.1 202"),
        "an upload was answered: {answer}"
    );
    Ok(began.elapsed())
}

/// The headers of MESH, with a token that serves once.
fn head(time: usize) -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let instant = fhir::date::instant(i64::try_from(now)?);
    let minute: String = instant
        .chars()
        .filter(char::is_ascii_digit)
        .take(12)
        .collect();
    let text = format!("X26BENCH1:bench-{now}-{time}:1:{PASSWORD}:{minute}");
    let tag: String = hmac(KEY.as_bytes(), text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(format!(
        "authorization: NHSMESH X26BENCH1:bench-{now}-{time}:1:{minute}:{tag}\r\nmex-from: X26BENCH1\r\n\
         mex-to: X26BENCH2\r\nmex-workflowid: BENCH\r\nmex-localid: bench-{now}-{time}\r\n"
    ))
}

/// HMAC-SHA256 of a key that is shorter than a block (RFC 2104).
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let pad = |with: u8| -> Vec<u8> {
        let key = key.iter().copied().chain(std::iter::repeat(0));
        key.take(BLOCK).map(|byte| byte ^ with).collect()
    };
    let inner = Sha256::new()
        .chain_update(pad(0x36))
        .chain_update(text)
        .finalize();
    Sha256::new()
        .chain_update(pad(0x5c))
        .chain_update(inner)
        .finalize()
        .to_vec()
}

/// Takes an upload after the other: each into a file that is synced before the answer.
fn bare(folder: &Path) -> Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    let path = folder.join("upload");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if let Err(error) = take(stream, &path) {
                eprintln!("a bare upload broke off: {error:#}");
            }
        }
    });
    Ok(address)
}

fn take(mut stream: TcpStream, path: &Path) -> Result<()> {
    let mut file = std::fs::File::create(path)?;
    let (mut buffer, mut head) = (vec![0; 256 << 10], Vec::new());
    let end = loop {
        let count = stream.read(&mut buffer)?;
        ensure!(count > 0, "no head came");
        head.extend_from_slice(buffer.get(..count).unwrap_or_default());
        if let Some(at) = head.windows(4).position(|it| it == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let body = head.get(end..).context("no body")?;
    file.write_all(body)?;
    let mut there = body.len();
    while there < BYTES {
        let count = stream.read(&mut buffer)?;
        ensure!(count > 0, "it ended early");
        file.write_all(buffer.get(..count).unwrap_or_default())?;
        there += count;
    }
    file.sync_data()?;
    stream.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")?;
    Ok(())
}
