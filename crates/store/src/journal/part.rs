//! One file of the journal: frames one after another, each a batch. A frame is its body's length (4
//! bytes), the first 8 bytes of the SHA-256 of what follows, the batch's number (8 bytes) and the
//! body; numbers are big-endian. Numbers only ever go up, by one, so that a frame left over from
//! before the file was begun again is known by its number.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fhir::problem::{Kind, Problem};
use sha2::{Digest, Sha256};

use super::file::Failed;
use super::record::{Batch, Entry};

/// The file grows by so much at a time, written with zeros: a sync of bytes whose place on the disk
/// is known need not wait for the file system's own journal.
pub(super) const STEP_BYTES: u64 = 1 << 20;
/// Where much is kept, the steps double up to this, as long as there is room: each costs a sync that
/// waits for the file system's own journal.
const STEP_BYTES_MAX: u64 = 4 << 20;
/// A file that has grown beyond this gives the rest back when it is begun again.
const KEPT_BYTES_MAX: u64 = 16 << 20;
const HEAD_BYTES: usize = 20;
/// The longest body that is read back. Longer ones are not written.
const BODY_BYTES_MAX: usize = 1 << 30;

#[derive(Debug)]
pub(super) struct Part {
    file: Arc<fs::File>,
    /// Where the next frame goes.
    position: u64,
    /// How much of the file has its place on the disk.
    grown: u64,
    /// The number of the last batch in it.
    last: i64,
    /// How long the file stays when it is begun again, at least.
    reserve: u64,
}

impl Part {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// `NoStore` if it cannot be opened.
    pub(super) fn open(path: &Path) -> Result<Part, Problem> {
        let new = !path.exists();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path).map_err(unusable)?;
        if new && let Some(folder) = path.parent() {
            // The file's name is to last as its content does.
            let _ = fs::File::open(folder).and_then(|folder| folder.sync_all());
        }
        let grown = file.metadata().map_err(unusable)?.len();
        Ok(Part {
            file: Arc::new(file),
            position: 0,
            grown,
            last: 0,
            reserve: 0,
        })
    }

    /// Gives so much of the file its place on the disk, for good: what is written there needs no room
    /// when there is none.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn reserve(&mut self, bytes: u64) -> std::io::Result<()> {
        self.grow(bytes)?;
        self.file.sync_all()?;
        self.reserve = bytes;
        Ok(())
    }

    /// Takes it for this store alone; `false` if another process (or another store) has it.
    ///
    /// # Errors
    /// `NoStore` if it cannot be locked.
    pub(super) fn lock(&self) -> Result<bool, Problem> {
        // A store that was just dropped may be about to let go of it.
        for _ in 0..20 {
            match self.file.try_lock() {
                Ok(()) => return Ok(true),
                Err(fs::TryLockError::Error(error)) => return Err(unusable(error)),
                Err(fs::TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
        Ok(false)
    }

    /// The batches it holds, in order, up to the first that is not whole.
    ///
    /// # Errors
    /// `NoStore` if it cannot be read; `Exception` if a whole frame does not read as a batch.
    pub(super) fn read_all(&self) -> Result<Vec<Batch>, Problem> {
        Ok(self.read()?.0)
    }

    /// Goes on after the batches that it holds; gives the last one's number, 0 for none.
    ///
    /// # Errors
    /// As `read_all`.
    pub(super) fn go_on(&mut self) -> Result<i64, Problem> {
        let (batches, end) = self.read()?;
        self.position = end;
        self.last = batches.last().map_or(0, |batch| batch.index);
        Ok(self.last)
    }

    /// The batches, and where they end.
    fn read(&self) -> Result<(Vec<Batch>, u64), Problem> {
        let mut batches: Vec<Batch> = Vec::new();
        let mut position = 0;
        while let Some((index, body)) = self.frame_at(position)? {
            if batches.last().is_some_and(|last| index != last.index + 1) {
                break;
            }
            position += (HEAD_BYTES + body.len()) as u64;
            batches.push(read(index, &body)?);
        }
        Ok((batches, position))
    }

    fn frame_at(&self, position: u64) -> Result<Option<(i64, Vec<u8>)>, Problem> {
        frame_at(&self.file, position, self.grown)
    }

    /// Begins again at the file's start. Only when all that it holds has been moved.
    pub(super) fn restart(&mut self) {
        self.position = 0;
        let kept = KEPT_BYTES_MAX.max(self.reserve);
        if self.grown > kept && self.file.set_len(kept).is_ok() {
            self.grown = kept;
        }
    }

    /// The number of the last batch that was written to it.
    pub(super) fn last(&self) -> i64 {
        self.last
    }

    /// How many bytes of it are in use.
    pub(super) fn used(&self) -> u64 {
        self.position
    }

    /// Writes a batch of that number; durable when this returns where it stands. `frame` is where it is made.
    ///
    /// # Errors
    /// The disk's. After one, what was not written can be tried again, unless it was the sync that
    /// failed (`Unsynced`).
    pub(super) fn append(
        &mut self,
        index: i64,
        entries: &[Entry],
        frame: &mut Vec<u8>,
    ) -> Result<Place, Failed> {
        frame.clear();
        frame.resize(HEAD_BYTES, 0);
        entries.iter().for_each(|entry| entry.write(frame));
        let number = index.to_be_bytes();
        let (head, body) = frame
            .split_at_mut_checked(HEAD_BYTES)
            .ok_or(Failed::TooLong)?;
        if body.len() > BODY_BYTES_MAX {
            return Err(Failed::TooLong);
        }
        let length = u32::try_from(body.len()).map_err(|_| Failed::TooLong)?;
        let sum = checksum(&number, body);
        let parts = length.to_be_bytes().into_iter().chain(sum).chain(number);
        head.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
        self.grow(self.position + frame.len() as u64)
            .map_err(Failed::Unwritten)?;
        self.file
            .write_all_at(frame, self.position)
            .map_err(Failed::Unwritten)?;
        self.file.sync_data().map_err(Failed::Unsynced)?;
        let place = Place {
            file: self.file.clone(),
            at: self.position,
        };
        self.position += frame.len() as u64;
        self.last = index;
        Ok(place)
    }

    fn grow(&mut self, end: u64) -> std::io::Result<()> {
        if end <= self.grown {
            return Ok(());
        }
        while self.grown < end {
            let long = self.grown.clamp(STEP_BYTES, STEP_BYTES_MAX);
            let step = match zeros(&self.file, self.grown, self.grown + long) {
                Ok(()) => long,
                // A small disk may have room for a short one.
                Err(_) => {
                    zeros(&self.file, self.grown, self.grown + STEP_BYTES)?;
                    STEP_BYTES
                }
            };
            self.grown += step;
        }
        Ok(())
    }
}

/// Where a batch stands. It stays there until it is said to be moved.
#[derive(Clone, Debug)]
pub(super) struct Place {
    file: Arc<fs::File>,
    at: u64,
}

impl Place {
    /// Reads that batch back.
    ///
    /// # Errors
    /// `NoStore` if it cannot be read; `Exception` if another one stands there.
    pub(super) fn read(&self, index: i64) -> Result<Batch, Problem> {
        match frame_at(&self.file, self.at, u64::MAX)? {
            Some((found, body)) if found == index => read(index, &body),
            _ => Err(Problem::new(
                Kind::Exception,
                "The journal does not hold what was written to it.",
            )),
        }
    }
}

/// The frame that begins there, if a whole one does that ends before `end`.
fn frame_at(file: &fs::File, position: u64, end: u64) -> Result<Option<(i64, Vec<u8>)>, Problem> {
    let behind = |bytes: usize| position.saturating_add(bytes as u64);
    if behind(HEAD_BYTES) > end {
        return Ok(None);
    }
    let mut head = [0; HEAD_BYTES];
    file.read_exact_at(&mut head, position).map_err(unusable)?;
    let [length, sum, index] = [&head[..4], &head[4..12], &head[12..]];
    let length = length.iter().fold(0, |n, byte| n << 8 | usize::from(*byte));
    if length == 0 || length > BODY_BYTES_MAX || behind(HEAD_BYTES + length) > end {
        return Ok(None);
    }
    let mut body = vec![0; length];
    file.read_exact_at(&mut body, behind(HEAD_BYTES))
        .map_err(unusable)?;
    let number = index
        .iter()
        .fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
    let whole = checksum(index, &body).as_slice() == sum;
    Ok(i64::try_from(number)
        .ok()
        .filter(|_| whole)
        .map(|index| (index, body)))
}

fn read(index: i64, body: &[u8]) -> Result<Batch, Problem> {
    let entries = Entry::read_all(body).ok_or_else(|| {
        let message = "The journal holds a batch that this version of Handover cannot read; \
                       start the version that wrote it once, and stop it, before this one.";
        Problem::new(Kind::Exception, message)
    })?;
    Ok(Batch { index, entries })
}

/// Writes zeros from there to there.
pub(crate) fn zeros(file: &fs::File, from: u64, to: u64) -> std::io::Result<()> {
    let zeros = vec![0; STEP_BYTES as usize];
    let mut at = from;
    while at < to {
        let length = usize::try_from((to - at).min(STEP_BYTES)).unwrap_or_default();
        file.write_all_at(zeros.get(..length).unwrap_or_default(), at)?;
        at += length as u64;
    }
    Ok(())
}

fn checksum(index: &[u8], body: &[u8]) -> [u8; 8] {
    let mut hash = Sha256::new();
    hash.update(index);
    hash.update(body);
    let mut sum = [0; 8];
    sum.iter_mut()
        .zip(hash.finalize())
        .for_each(|(to, from)| *to = from);
    sum
}

fn unusable(error: std::io::Error) -> Problem {
    Problem::new(
        Kind::NoStore,
        "The store's journal cannot be read or written.",
    )
    .because(error)
}

#[cfg(test)]
impl Part {
    /// Spoils the last byte in use.
    pub(super) fn tear(&self) {
        self.file.write_all_at(&[0xFF], self.position - 1).unwrap();
    }
}
