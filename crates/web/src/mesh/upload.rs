//! Takes a request's body into the store while it comes: in rows of 1 MiB, never more than some of
//! them in memory, and counted and digested as the recipient will read it.

use std::io::Write;
use std::sync::Arc;

use access::Scope;
use axum::body::Body;
use fhir::problem::{Kind, Problem};
use flate2::write::MultiGzDecoder;
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use store::mesh::{MeshWrite, PIECE_BYTES, Stored};
use store::{Effect, Job, Store};
use tokio::task::JoinHandle;

use super::answer::Refused;
use super::{Door, REQUEST_BYTES_MAX};

/// Rows that are written in one go, while the next are received.
const ROWS_A_WRITE: usize = 2;

/// What the content is, unpacked.
struct Content {
    digest: Sha256,
    bytes: u64,
    bytes_max: u64,
}

impl Write for Content {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.bytes += bytes.len() as u64;
        if self.bytes > self.bytes_max {
            return Err(std::io::Error::other("too large"));
        }
        self.digest.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

enum Reader {
    Plain(Content),
    Gzip(Box<MultiGzDecoder<Content>>),
}

impl Reader {
    fn new(encoding: &str, bytes_max: u64) -> Reader {
        let content = Content {
            digest: Sha256::new(),
            bytes: 0,
            bytes_max,
        };
        match encoding {
            "gzip" => Reader::Gzip(Box::new(MultiGzDecoder::new(content))),
            _ => Reader::Plain(content),
        }
    }

    fn read(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Reader::Plain(content) => content.write_all(bytes),
            Reader::Gzip(decoder) => decoder.write_all(bytes),
        }
    }

    fn end(self) -> std::io::Result<Content> {
        match self {
            Reader::Plain(content) => Ok(content),
            Reader::Gzip(decoder) => decoder.finish(),
        }
    }
}

/// Writes rows behind the back of what is received.
struct Writer {
    store: Store,
    scope: Scope,
    upload: String,
    rows: i64,
    under_way: Option<JoinHandle<Result<(), Problem>>>,
    /// What is being written.
    rows_under_way: Arc<Vec<u8>>,
}

impl Writer {
    /// Begins to write rows, once the ones before are on the disk; gives the memory that those were in, to be filled
    /// again: new memory for each would cost as much as receiving into it.
    async fn write(&mut self, bytes: Vec<u8>) -> Result<Vec<u8>, Problem> {
        self.settle().await?;
        let bytes = Arc::new(bytes);
        let before = std::mem::replace(&mut self.rows_under_way, bytes.clone());
        let rows = bytes.len().div_ceil(PIECE_BYTES);
        let write = MeshWrite::Pieces {
            upload: self.upload.clone(),
            first: self.rows,
            bytes,
        };
        self.rows += i64::try_from(rows).unwrap_or(0);
        let (store, scope) = (self.store.clone(), self.scope.clone());
        let job = Job::effect(Effect::Mesh(write));
        self.under_way = Some(tokio::spawn(async move {
            store.commit(&scope, job).await.map(|_| ())
        }));
        let mut again = Arc::try_unwrap(before).unwrap_or_default();
        again.clear();
        again.reserve(ROWS_A_WRITE * PIECE_BYTES);
        Ok(again)
    }

    async fn settle(&mut self) -> Result<(), Problem> {
        match self.under_way.take() {
            Some(write) => write.await.map_err(|cause| {
                Problem::new(Kind::Exception, "The message could not be written.").because(cause)
            })?,
            None => Ok(()),
        }
    }

    async fn drop_all(mut self) {
        let _ = self.settle().await;
        let write = MeshWrite::DropUpload {
            upload: self.upload,
        };
        let job = Job::effect(Effect::Mesh(write));
        if let Err(problem) = self.store.commit(&self.scope, job).await {
            // It is tidied away a day later.
            tracing::warn!(?problem, "what was begun of a message stays for now");
        }
    }
}

/// Takes a body in. What it gives is on the disk, and belongs to no message yet.
///
/// # Errors
/// 417 for no content, 413 beyond a request's or the message's bound, 422 for content that does not
/// unpack; those of the store. Then nothing of it stays.
pub(super) async fn take_in(
    door: &Door,
    scope: &Scope,
    encoding: &str,
    body: Body,
) -> Result<Stored, Refused> {
    let Ok(_place) = door.uploads.acquire().await else {
        return Err(Problem::new(Kind::Transient, "The node stops.").into());
    };
    let mut writer = Writer {
        store: door.exchange.store().clone(),
        scope: scope.clone(),
        upload: uuid::Uuid::new_v4().simple().to_string(),
        rows: 0,
        under_way: None,
        rows_under_way: Arc::default(),
    };
    let reader = Reader::new(encoding, door.message_bytes_max);
    match received(&mut writer, reader, body).await {
        Ok(stored) => Ok(stored),
        Err(refused) => {
            writer.drop_all().await;
            Err(refused)
        }
    }
}

async fn received(writer: &mut Writer, mut reader: Reader, body: Body) -> Result<Stored, Refused> {
    let mut stream = body.into_data_stream();
    let full = ROWS_A_WRITE * PIECE_BYTES;
    let mut waiting: Vec<u8> = Vec::with_capacity(full);
    let mut size = 0_u64;
    while let Some(bytes) = stream.next().await {
        let bytes = bytes.map_err(|cause| {
            Problem::new(Kind::Timeout, "The request's body broke off.").because(cause)
        })?;
        size += bytes.len() as u64;
        if size > REQUEST_BYTES_MAX {
            return Err(Refused::too_large());
        }
        reader.read(&bytes).map_err(unpacked)?;
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(full - waiting.len()));
            waiting.extend_from_slice(now);
            rest = later;
            if waiting.len() == full {
                waiting = writer.write(waiting).await?;
            }
        }
    }
    let content = reader.end().map_err(unpacked)?;
    if content.bytes == 0 {
        return Err(Refused::no_content());
    }
    if !waiting.is_empty() {
        writer.write(waiting).await?;
    }
    writer.settle().await?;
    let digest = content.digest.finalize();
    Ok(Stored {
        upload: writer.upload.clone(),
        size,
        plain: content.bytes,
        sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
    })
}

fn unpacked(cause: std::io::Error) -> Refused {
    match cause.kind() {
        std::io::ErrorKind::Other => {
            Problem::new(Kind::TooLong, "The message is larger than this node takes.").into()
        }
        _ => Refused::told(
            http::StatusCode::UNPROCESSABLE_ENTITY,
            ("SEND", "", "The chunk is not the gzip that it says it is"),
        ),
    }
}
