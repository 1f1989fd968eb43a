//! Room on the disk that is kept for what must be written when there is none left: a file of zeros
//! beside a SQLite database. When the disk is full and a record is to be opened in an emergency, it
//! is given up; what is freed is used for such writes alone, until there is room for it again.
//!
//! The lines of the audit log have a reserve of their own, within the journal's files.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::journal::zeros;

/// Opening a record takes a few pages of the database and of its log.
const BYTES: u64 = 4 << 20;
/// So much must be free beside it before all may write again.
const FREE_BYTES_MIN: u64 = 4 << 20;
/// How often it is looked whether there is room again.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Reserve {
    file: File,
    given_up: bool,
    looked: Instant,
}

impl Reserve {
    /// The reserve's file of that database.
    pub(crate) fn path(database: &Path) -> PathBuf {
        let mut name = database.as_os_str().to_owned();
        name.push("-reserve");
        PathBuf::from(name)
    }

    /// Keeps the room, as far as there is any.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn keep(path: &Path) -> io::Result<Reserve> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path)?;
        let held = file.metadata()?.len();
        let kept = zeros(&file, held, BYTES).and_then(|()| file.sync_all());
        if let Err(error) = kept {
            let _ = file.set_len(0);
            return Err(error);
        }
        Ok(Reserve {
            file,
            given_up: false,
            looked: Instant::now(),
        })
    }

    pub(crate) fn is_given_up(&self) -> bool {
        self.given_up
    }

    /// Frees the room.
    pub(crate) fn give_up(&mut self) {
        self.looked = Instant::now();
        self.given_up = self.file.set_len(0).is_ok();
        tracing::error!("the disk is full; only records in emergencies are still opened");
    }

    /// Whether there was room to keep it again, and some to spare. Looks now and then only.
    pub(crate) fn take_back(&mut self) -> bool {
        if self.looked.elapsed() < LOOK_EVERY {
            return false;
        }
        self.looked = Instant::now();
        let spare = zeros(&self.file, 0, BYTES + FREE_BYTES_MIN);
        let kept = spare.and_then(|()| self.file.set_len(BYTES));
        if kept.and_then(|()| self.file.sync_all()).is_err() {
            let _ = self.file.set_len(0);
            return false;
        }
        self.given_up = false;
        tracing::warn!("there is room on the disk again");
        true
    }

    #[cfg(test)]
    pub(crate) fn held_bytes(&self) -> u64 {
        self.file.metadata().map_or(0, |it| it.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_is_kept_given_up_and_kept_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = Reserve::path(&folder.path().join("store"));
        let mut reserve = Reserve::keep(&path).unwrap();
        assert_eq!(
            (reserve.held_bytes(), reserve.is_given_up()),
            (BYTES, false)
        );
        reserve.give_up();
        assert_eq!((reserve.held_bytes(), reserve.is_given_up()), (0, true));
        assert!(!reserve.take_back(), "it was looked just now");
        reserve.looked = Instant::now().checked_sub(LOOK_EVERY).unwrap();
        assert!(reserve.take_back());
        assert_eq!(
            (reserve.held_bytes(), reserve.is_given_up()),
            (BYTES, false)
        );
        drop(reserve);
        assert_eq!(Reserve::keep(&path).unwrap().held_bytes(), BYTES);
    }
}
