//! The two files of the journal, written by turns: one is begun again once all that it holds is in the
//! tables, so that under a load that does not end neither grows, and nobody waits for the mover.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use fhir::problem::{Kind, Problem};

use super::part::{Part, Place, STEP_BYTES};
use super::record::{Batch, Entry};

/// From here on the other file takes over as soon as it can.
const TURN_BYTES: u64 = 8 << 20;
/// From here on it must: some 3 s of as much as a small machine can acknowledge.
const PART_BYTES_MAX: u64 = 96 << 20;

#[derive(Debug)]
pub(crate) struct File {
    now: Part,
    other: Part,
    /// The number of the last batch.
    last: i64,
    frame: Vec<u8>,
}

/// Whether there is room for another batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Room {
    There,
    /// There will be once that batch has been moved.
    After(i64),
}

impl File {
    /// Opens the files, or makes them. `None` if another process (or another store of this one) has
    /// them.
    ///
    /// # Errors
    /// `NoStore` if they cannot be opened.
    pub(crate) fn open(path: &Path) -> Result<Option<File>, Problem> {
        let now = Part::open(path)?;
        if !now.lock()? {
            return Ok(None);
        }
        Ok(Some(File {
            now,
            other: Part::open(&File::second(path))?,
            last: 0,
            frame: Vec::new(),
        }))
    }

    /// Keeps room for so many bytes, half of it in each file.
    ///
    /// # Errors
    /// `NoStore` if there is none.
    pub(crate) fn reserve(&mut self, bytes: u64) -> Result<(), Problem> {
        let kept = self.now.reserve(bytes / 2);
        kept.and_then(|()| self.other.reserve(bytes / 2))
            .map_err(|error| Failed::Unwritten(error).problem())
    }

    /// The second file beside that one.
    pub(super) fn second(path: &Path) -> PathBuf {
        let mut name: OsString = path.into();
        name.push("2");
        name.into()
    }

    /// The batches they hold, in order; those of before the last turn but one may be among them.
    ///
    /// # Errors
    /// `NoStore` if one cannot be read; `Exception` if a whole frame does not read as a batch.
    pub(crate) fn read_all(&self) -> Result<Vec<Batch>, Problem> {
        let mut batches = self.now.read_all()?;
        batches.extend(self.other.read_all()?);
        batches.sort_by_key(|batch| batch.index);
        Ok(batches)
    }

    /// Begins again at a file's start; the next batch has the number after `last`. Only when all
    /// that they hold has been moved.
    pub(crate) fn restart(&mut self, last: i64) {
        self.last = last.max(self.last);
        self.now.restart();
        self.other.restart();
    }

    /// Makes room for another batch, where all up to `moved` is in the tables.
    pub(super) fn make_room(&mut self, moved: i64) -> Room {
        if self.now.used() > 0 && self.last <= moved {
            self.now.restart();
        } else if self.now.used() > TURN_BYTES && self.other.last() <= moved {
            self.other.restart();
            std::mem::swap(&mut self.now, &mut self.other);
        } else if self.now.used() > PART_BYTES_MAX {
            return Room::After(self.other.last());
        }
        Room::There
    }

    /// The number of the last batch.
    pub(super) fn last(&self) -> i64 {
        self.last
    }

    /// Writes a batch; durable when this returns where it stands.
    ///
    /// # Errors
    /// Those of `Part::append`.
    pub(super) fn append(&mut self, entries: &[Entry]) -> Result<Place, Failed> {
        let index = self.last + 1;
        let place = self.now.append(index, entries, &mut self.frame)?;
        self.last = index;
        self.frame.shrink_to(STEP_BYTES as usize);
        Ok(place)
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
        let file = File::open(&path).unwrap().unwrap();
        let expected = [(1, "a"), (2, "b"), (3, "c")].map(|(n, id)| (n, id.to_owned()));
        assert_eq!(ids(&file.read_all().unwrap()), expected);
    }

    #[test]
    fn a_batch_is_read_back_from_its_place_until_another_stands_there() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = File::open(&folder.path().join("ahead")).unwrap().unwrap();
        let places = ["a", "b"].map(|text| file.append(&[line(text)]).unwrap());
        let second = places[1].read(2).unwrap();
        assert_eq!(ids(&[second]), [(2, "b".to_owned())]);
        assert_eq!(places[1].read(1).unwrap_err().kind, Kind::Exception);
        file.restart(2);
        file.append(&[line("c")]).unwrap();
        assert_eq!(places[0].read(1).unwrap_err().kind, Kind::Exception);
    }

    #[test]
    fn f03_a_torn_frame_ends_the_reading_and_frames_left_over_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ahead");
        let mut file = File::open(&path).unwrap().unwrap();
        for text in ["a", "b", "c"] {
            file.append(&[line(text)]).unwrap();
        }
        let third = file.now.used();
        file.restart(3);
        file.append(&[line("d")]).unwrap();
        assert_eq!(ids(&file.read_all().unwrap()), [(4, "d".to_owned())]);
        file.append(&[line("e")]).unwrap();
        assert!(file.now.used() < third);
        file.now.tear();
        assert_eq!(ids(&file.read_all().unwrap()), [(4, "d".to_owned())]);
    }

    /// A batch a little longer than half of what a turn takes.
    fn long(text: &str) -> [Entry; 1] {
        [line(&format!("{text}{}", " ".repeat(5 << 20)))]
    }

    fn held(file: &File) -> Vec<i64> {
        let batches = file.read_all().unwrap();
        batches.iter().map(|batch| batch.index).collect()
    }

    #[test]
    fn the_files_take_turns_and_what_was_not_moved_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ahead");
        let mut file = File::open(&path).unwrap().unwrap();
        for (number, moved) in [(1, 0), (2, 0), (3, 0), (4, 1), (5, 1)] {
            assert_eq!(file.make_room(moved), Room::There);
            file.append(&long(&number.to_string())).unwrap();
        }
        // The first file has 1 and 2, the second 3, 4 and 5.
        assert_eq!(file.last(), 5);
        assert_eq!(held(&file), [1, 2, 3, 4, 5]);
        assert_eq!(file.make_room(2), Room::There);
        file.append(&long("6")).unwrap();
        assert_eq!(held(&file), [3, 4, 5, 6]);
        // Nothing of the second file has been moved: the first goes on, up to its bound.
        for number in 7..=25 {
            assert_eq!(file.make_room(2), Room::There);
            file.append(&long(&number.to_string())).unwrap();
        }
        assert_eq!(file.make_room(2), Room::After(5));
        drop(file);
        let mut file = File::open(&path).unwrap().unwrap();
        assert_eq!(held(&file), (3..=25).collect::<Vec<_>>());
        file.restart(25);
        file.append(&[line("26")]).unwrap();
        assert!(held(&file).ends_with(&[26]));
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
