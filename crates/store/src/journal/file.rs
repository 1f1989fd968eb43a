//! The file: frames one after another, each a batch. A frame is its body's length (4 bytes), the
//! first 8 bytes of the SHA-256 of what follows, the batch's number (8 bytes) and the body; numbers
//! are big-endian. Numbers only ever go up, by one, so that a frame left over from before the file
//! was begun again is known by its number.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use fhir::problem::{Kind, Problem};
use sha2::{Digest, Sha256};

use super::record::{Batch, Entry};

/// The file grows by so much at a time, written with zeros: a sync of bytes whose place on the disk
/// is known need not wait for the file system's own journal.
const STEP_BYTES: u64 = 1 << 20;
/// A file that has grown beyond this gives the rest back when it is begun again.
const KEPT_BYTES_MAX: u64 = 8 << 20;
const HEAD_BYTES: usize = 20;
/// The longest body that is read back. Longer ones are not written.
pub(super) const BODY_BYTES_MAX: usize = 1 << 30;

#[derive(Debug)]
pub(crate) struct File {
    file: fs::File,
    /// Where the next frame goes.
    position: u64,
    /// How much of the file has its place on the disk.
    grown: u64,
    /// The number of the last batch.
    last: i64,
    frame: Vec<u8>,
}

impl File {
    /// Opens the file, or makes it. `None` if another process (or another store of this one) has it.
    ///
    /// # Errors
    /// `NoStore` if it cannot be opened.
    pub(crate) fn open(path: &Path) -> Result<Option<File>, Problem> {
        let new = !path.exists();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path).map_err(unusable)?;
        // A store that was just dropped may be about to let go of it.
        let mut tries = 0;
        while let Err(error) = file.try_lock() {
            if let fs::TryLockError::Error(error) = error {
                return Err(unusable(error));
            }
            if tries == 20 {
                return Ok(None);
            }
            tries += 1;
            std::thread::sleep(Duration::from_millis(10));
        }
        if new && let Some(folder) = path.parent() {
            // The file's name is to last as its content does.
            let _ = fs::File::open(folder).and_then(|folder| folder.sync_all());
        }
        let grown = file.metadata().map_err(unusable)?.len();
        Ok(Some(File {
            file,
            position: 0,
            grown,
            last: 0,
            frame: Vec::new(),
        }))
    }

    /// The batches it holds, in order, up to the first that is not whole.
    ///
    /// # Errors
    /// `NoStore` if it cannot be read; `Exception` if a whole frame does not read as a batch.
    pub(crate) fn read_all(&mut self) -> Result<Vec<Batch>, Problem> {
        let mut batches: Vec<Batch> = Vec::new();
        let mut position = 0;
        while let Some((index, body)) = self.frame_at(position)? {
            if batches.last().is_some_and(|last| index != last.index + 1) {
                break;
            }
            position += (HEAD_BYTES + body.len()) as u64;
            let entries = Entry::read_all(&body).ok_or_else(|| {
                let message = "The journal holds a batch that this version of Handover cannot read; \
                               start the version that wrote it once, and stop it, before this one.";
                Problem::new(Kind::Exception, message)
            })?;
            batches.push(Batch { index, entries });
        }
        Ok(batches)
    }

    fn frame_at(&self, position: u64) -> Result<Option<(i64, Vec<u8>)>, Problem> {
        if position + HEAD_BYTES as u64 > self.grown {
            return Ok(None);
        }
        let mut head = [0; HEAD_BYTES];
        self.file
            .read_exact_at(&mut head, position)
            .map_err(unusable)?;
        let [length, sum, index] = [&head[..4], &head[4..12], &head[12..]];
        let length = length.iter().fold(0, |n, byte| n << 8 | usize::from(*byte));
        let end = position + (HEAD_BYTES + length) as u64;
        if length == 0 || length > BODY_BYTES_MAX || end > self.grown {
            return Ok(None);
        }
        let mut body = vec![0; length];
        let at = position + HEAD_BYTES as u64;
        self.file.read_exact_at(&mut body, at).map_err(unusable)?;
        let number = index
            .iter()
            .fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
        let whole = checksum(index, &body).as_slice() == sum;
        Ok(i64::try_from(number)
            .ok()
            .filter(|_| whole)
            .map(|index| (index, body)))
    }

    /// Begins again at the file's start; the next batch has the number after `last`. Only when all
    /// that it holds has been moved.
    pub(crate) fn restart(&mut self, last: i64) {
        self.last = last.max(self.last);
        self.position = 0;
        if self.grown > KEPT_BYTES_MAX && self.file.set_len(KEPT_BYTES_MAX).is_ok() {
            self.grown = KEPT_BYTES_MAX;
        }
    }

    /// The number of the last batch.
    pub(super) fn last(&self) -> i64 {
        self.last
    }

    /// How many bytes of it are in use.
    pub(super) fn used(&self) -> u64 {
        self.position
    }

    /// Writes a batch; durable when this returns.
    ///
    /// # Errors
    /// The disk's. After one, what was not written can be tried again, unless it was the sync that
    /// failed (`Unsynced`).
    pub(super) fn append(&mut self, entries: &[Entry]) -> Result<(), Failed> {
        let index = self.last + 1;
        self.frame.clear();
        self.frame.resize(HEAD_BYTES, 0);
        entries
            .iter()
            .for_each(|entry| entry.write(&mut self.frame));
        let number = index.to_be_bytes();
        let (head, body) = self
            .frame
            .split_at_mut_checked(HEAD_BYTES)
            .ok_or(Failed::TooLong)?;
        if body.len() > BODY_BYTES_MAX {
            return Err(Failed::TooLong);
        }
        let length = u32::try_from(body.len()).map_err(|_| Failed::TooLong)?;
        let sum = checksum(&number, body);
        let parts = length.to_be_bytes().into_iter().chain(sum).chain(number);
        head.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
        self.grow(self.position + self.frame.len() as u64)
            .map_err(Failed::Unwritten)?;
        self.file
            .write_all_at(&self.frame, self.position)
            .map_err(Failed::Unwritten)?;
        self.file.sync_data().map_err(Failed::Unsynced)?;
        self.position += self.frame.len() as u64;
        self.last = index;
        self.frame.shrink_to(STEP_BYTES as usize);
        Ok(())
    }

    fn grow(&mut self, end: u64) -> std::io::Result<()> {
        if end <= self.grown {
            return Ok(());
        }
        let zeros = vec![0; STEP_BYTES as usize];
        while self.grown < end {
            self.file.write_all_at(&zeros, self.grown)?;
            self.grown += STEP_BYTES;
        }
        Ok(())
    }
}

/// Why a batch is not in the file.
#[derive(Debug)]
pub(super) enum Failed {
    TooLong,
    /// It can be tried again.
    Unwritten(std::io::Error),
    /// Nobody knows what the disk holds.
    Unsynced(std::io::Error),
}

impl Failed {
    pub(super) fn problem(&self) -> Problem {
        let (message, error) = match self {
            Failed::TooLong => return Problem::new(Kind::TooLong, "This is too long to be kept."),
            Failed::Unwritten(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                ("There is no space left to store this.", error)
            }
            Failed::Unwritten(error) | Failed::Unsynced(error) => {
                ("The store cannot be read or written.", error)
            }
        };
        Problem::new(Kind::NoStore, message).because(error.to_string())
    }
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
mod tests {
    use super::*;

    fn line(text: &str) -> Entry {
        let scope = access::Scope::system(access::SystemPurpose::MapMessages);
        let target = access::Target {
            id: Some(text.to_owned()),
            ..access::Target::default()
        };
        Entry::Lines(vec![scope.trace(
            access::Interaction::Read,
            access::Outcome::Success,
            target,
        )])
    }

    fn ids(batches: &[Batch]) -> Vec<(i64, String)> {
        let id = |entry: &Entry| match entry {
            Entry::Lines(lines) => lines[0].target.id.clone().unwrap(),
            Entry::Message { .. } => unreachable!(),
        };
        batches
            .iter()
            .map(|batch| (batch.index, id(&batch.entries[0])))
            .collect()
    }

    #[test]
    fn what_was_appended_is_read_back_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ahead");
        let mut file = File::open(&path).unwrap().unwrap();
        for text in ["a", "b", "c"] {
            file.append(&[line(text)]).unwrap();
        }
        drop(file);
        let mut file = File::open(&path).unwrap().unwrap();
        let expected = [(1, "a"), (2, "b"), (3, "c")].map(|(n, id)| (n, id.to_owned()));
        assert_eq!(ids(&file.read_all().unwrap()), expected);
    }

    #[test]
    fn a_torn_frame_ends_the_reading_and_frames_left_over_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ahead");
        let mut file = File::open(&path).unwrap().unwrap();
        for text in ["a", "b", "c"] {
            file.append(&[line(text)]).unwrap();
        }
        let third = file.used();
        file.restart(3);
        file.append(&[line("d")]).unwrap();
        assert_eq!(ids(&file.read_all().unwrap()), [(4, "d".to_owned())]);
        file.append(&[line("e")]).unwrap();
        let end = file.used();
        assert!(end < third);
        file.file.write_all_at(&[0xFF], end - 1).unwrap();
        assert_eq!(ids(&file.read_all().unwrap()), [(4, "d".to_owned())]);
    }

    #[test]
    fn one_store_at_a_time_has_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ahead");
        let first = File::open(&path).unwrap();
        assert!(first.is_some());
        assert!(File::open(&path).unwrap().is_none());
    }
}
