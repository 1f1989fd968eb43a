//! Copies of a SQLite database, page by page, while others write to it.

use std::fs::File;
use std::mem::ManuallyDrop;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use fhir::problem::{Kind, Problem};
use rusqlite::Connection;
use tokio::sync::mpsc;

use super::wal::{self, PageMap, Position};
use super::{Record, RecordKind, journal_files, send};
use crate::database::sqlite;
use crate::failure;

/// Bytes in one piece of a copy.
const PIECE_BYTES: usize = 256 << 10;
/// Once so much of the write-ahead log is read, it may be begun again.
const TURN_BYTES: u64 = 4 << 20;
/// From here on the next copy should not wait.
const PRESSING_BYTES: u64 = 64 << 20;
/// Pages that are copied and not yet kept, at most; beyond it the next copy is a full one.
const UNKEPT_BYTES_MAX: usize = 256 << 20;
/// How often the journal's files are read until they hold still.
const READS_MAX: usize = 20;

pub(super) struct Pages {
    database: PathBuf,
    /// Never closed: closing any handle of the file would drop this process's locks on it
    /// (<https://www.sqlite.org/howtocorrupt.html>, 2.2).
    file: ManuallyDrop<File>,
    /// Holds a reading transaction, so that the log is not begun again over what was not read.
    pin: Connection,
    /// Keeps writers out for the moment in which the pin moves.
    gate: Connection,
    page_bytes: usize,
    position: Option<Position>,
    /// What changed since the last copy that was kept.
    unkept: PageMap,
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pages")
            .field("database", &self.database)
            .finish()
    }
}

impl Pages {
    pub(super) fn open(path: &Path) -> Result<Pages, Problem> {
        Ok(Pages {
            database: path.to_owned(),
            file: ManuallyDrop::new(File::open(path).map_err(unreadable)?),
            pin: sqlite::open_writer(path)?,
            gate: sqlite::open_writer(path)?,
            page_bytes: 0,
            position: None,
            unkept: PageMap::new(),
        })
    }

    pub(super) fn keep(&mut self) {
        self.unkept.clear();
    }

    pub(super) fn is_pressing(&self) -> bool {
        let Some(position) = &self.position else {
            return false;
        };
        let length = self.log_path().metadata().map_or(0, |about| about.len());
        length.saturating_sub(wal::bytes_read(position, self.page_bytes)) > PRESSING_BYTES
            && length > PRESSING_BYTES * 2
    }

    /// Copies the journal's files, where another process has them: what they hold is moved when the
    /// copy is opened. They are read before the pages, so that what is moved meanwhile is in these.
    pub(super) fn copy_journal(&self, out: &mpsc::Sender<Record>) -> Result<(), Problem> {
        for (name, bytes) in self.read_journal()? {
            for (count, piece) in bytes.chunks(PIECE_BYTES).enumerate() {
                let record = Record {
                    kind: RecordKind::File,
                    name: name.into(),
                    at: (count * PIECE_BYTES) as u64,
                    bytes: piece.to_vec(),
                };
                send(out, record)?;
            }
        }
        Ok(())
    }

    /// Both files, between two turns of the journal: then no batch is missing between theirs.
    fn read_journal(&self) -> Result<Vec<(&'static str, Vec<u8>)>, Problem> {
        let read = || -> Result<Vec<(&'static str, Vec<u8>)>, Problem> {
            let mut files = Vec::new();
            for (path, name) in journal_files(&self.database) {
                match std::fs::read(&path) {
                    Ok(bytes) => files.push((name, bytes)),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    Err(error) => return Err(unreadable(error)),
                }
            }
            Ok(files)
        };
        // A file that is begun again has another first frame.
        let begin = |files: &[(&'static str, Vec<u8>)]| -> Vec<Vec<u8>> {
            let head = |(_, bytes): &(_, Vec<u8>)| bytes.iter().take(64).copied().collect();
            files.iter().map(head).collect()
        };
        let mut files = read()?;
        for _ in 0..READS_MAX {
            let again = read()?;
            if begin(&files) == begin(&again) {
                return Ok(files);
            }
            files = again;
        }
        let message = "The journal turns too fast to be copied; let the node itself take the copy.";
        Err(Problem::new(Kind::Transient, message))
    }

    /// Copies every page; gives the database's length in bytes.
    pub(super) fn full(&mut self, out: &mpsc::Sender<Record>) -> Result<u64, Problem> {
        self.unkept.clear();
        self.position = None;
        self.let_go()?;
        self.pin()?;
        let mut position = Position::default();
        // While the pin holds, the file's pages that are not in the log stay as they are.
        let log = wal::read_on(&self.log()?, &mut position).map_err(unreadable)?;
        let mut head = [0; 100];
        self.file.read_exact_at(&mut head, 0).map_err(unreadable)?;
        self.page_bytes = match u16::from_be_bytes([head[16], head[17]]) {
            1 => 65536,
            bytes => usize::from(bytes),
        };
        let pages = position.pages.unwrap_or_else(|| wal::number(&head, 28));
        position.pages = Some(pages);
        let mut piece = Piece::new(out, self.page_bytes);
        let mut page = vec![0; self.page_bytes];
        for number in 1..=pages {
            match log.get(&number) {
                Some(newer) => piece.add(number, newer)?,
                None => {
                    let place = u64::from(number - 1) * self.page_bytes as u64;
                    self.file
                        .read_exact_at(&mut page, place)
                        .map_err(unreadable)?;
                    piece.add(number, &page)?;
                }
            }
        }
        piece.end()?;
        self.position = Some(position);
        Ok(u64::from(pages) * self.page_bytes as u64)
    }

    /// Copies what changed since the last copy that was kept; `None` if only a full one can follow.
    pub(super) fn changes(&mut self, out: &mpsc::Sender<Record>) -> Result<Option<u64>, Problem> {
        let Some(mut position) = self.position.take() else {
            return Ok(None);
        };
        // Until it is set again, whatever fails makes the next copy a full one.
        let log = self.log()?;
        let read = wal::bytes_read(&position, self.page_bytes);
        self.take_in(&log, &mut position)?;
        if read.max(wal::bytes_read(&position, self.page_bytes)) > TURN_BYTES {
            self.turn(&log, &mut position)?;
        }
        let pages = position.pages.unwrap_or_default();
        let mut piece = Piece::new(out, self.page_bytes);
        for (number, page) in self.unkept.range(..=pages) {
            piece.add(*number, page)?;
        }
        piece.end()?;
        if self.unkept.len() * self.page_bytes <= UNKEPT_BYTES_MAX {
            self.position = Some(position);
        }
        Ok(Some(u64::from(pages) * self.page_bytes as u64))
    }

    fn take_in(&mut self, log: &File, position: &mut Position) -> Result<(), Problem> {
        let mut fresh = wal::read_on(log, position).map_err(unreadable)?;
        self.unkept.append(&mut fresh);
        Ok(())
    }

    /// Lets the log be begun again: with writers kept out, what is left of it is read, all of it is
    /// moved into the file, and the pin is set anew.
    fn turn(&mut self, log: &File, position: &mut Position) -> Result<(), Problem> {
        if let Err(error) = self.gate.execute_batch("BEGIN IMMEDIATE") {
            // The log grows until a later turn; copies are not hurt by it.
            tracing::warn!(%error, "the write-ahead log could not be begun again");
            return Ok(());
        }
        let turned = self.take_in(log, position).and_then(|()| {
            self.let_go()?;
            let moved = self
                .pin
                .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
            if let Err(error) = moved {
                tracing::debug!(%error, "the write-ahead log was not moved");
            }
            self.pin()
        });
        self.gate
            .execute_batch("ROLLBACK")
            .map_err(failure::sqlite)?;
        turned
    }

    fn pin(&self) -> Result<(), Problem> {
        let begun = self
            .pin
            .execute_batch("BEGIN; SELECT COUNT(*) FROM sqlite_master;");
        begun.map_err(failure::sqlite)
    }

    fn let_go(&self) -> Result<(), Problem> {
        if self.pin.is_autocommit() {
            return Ok(());
        }
        self.pin.execute_batch("ROLLBACK").map_err(failure::sqlite)
    }

    fn log_path(&self) -> PathBuf {
        let mut name = self.database.as_os_str().to_owned();
        name.push("-wal");
        PathBuf::from(name)
    }

    fn log(&self) -> Result<File, Problem> {
        File::open(self.log_path()).map_err(unreadable)
    }
}

/// Gathers pages that follow one another into one piece.
struct Piece<'o> {
    out: &'o mpsc::Sender<Record>,
    page_bytes: usize,
    at: u64,
    bytes: Vec<u8>,
}

impl<'o> Piece<'o> {
    fn new(out: &'o mpsc::Sender<Record>, page_bytes: usize) -> Piece<'o> {
        Piece {
            out,
            page_bytes,
            at: 0,
            bytes: Vec::new(),
        }
    }

    fn add(&mut self, number: u32, page: &[u8]) -> Result<(), Problem> {
        let at = u64::from(number.saturating_sub(1)) * self.page_bytes as u64;
        let follows = self.at + self.bytes.len() as u64 == at;
        if !follows || self.bytes.len() + page.len() > PIECE_BYTES {
            self.end()?;
            self.at = at;
        }
        self.bytes.extend_from_slice(page);
        Ok(())
    }

    fn end(&mut self) -> Result<(), Problem> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        let record = Record {
            kind: RecordKind::Pages,
            name: String::new(),
            at: self.at,
            bytes: std::mem::take(&mut self.bytes),
        };
        send(self.out, record)
    }
}

fn unreadable(error: std::io::Error) -> Problem {
    Problem::new(Kind::NoStore, "The store's file cannot be read.").because(error)
}
