//! New keys in the place of a node's present ones, without a restart: they are made beside them, listed by the directory
//! beside them, and taken up once it lists them. Whatever stops in between, the folder holds one whole set.

use std::fs;
use std::path::{Path, PathBuf};

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::{
    Identity, Keys, SIGNING_KEY, TLS_CERTIFICATE, TLS_KEY, could_not, make_folder, write_private,
};

/// Where the keys are that are to be taken up, inside the folder of the present ones.
const NEXT: &str = "next";
/// Among them once they are in force: what is left to do is to move them.
const IN_FORCE: &str = "in-force";
const FILES: [&str; 3] = [SIGNING_KEY, TLS_KEY, TLS_CERTIFICATE];

impl Identity {
    /// Makes the keys that are to follow, beside the present ones.
    ///
    /// # Errors
    /// `Duplicate` if some are made already; `NoStore` if they cannot be written.
    pub fn make_next(&self) -> Result<Identity, Problem> {
        let folder = self.folder.join(NEXT);
        if folder.exists() {
            let message = "The next keys are made already: have a steward sign the card.";
            return Err(Problem::new(Kind::Duplicate, message));
        }
        Identity::create(&folder, &self.organisation)
    }

    /// The keys that are to follow, if some are made.
    ///
    /// # Errors
    /// As `Identity::open`.
    pub fn next(&self) -> Result<Option<Identity>, Problem> {
        let folder = self.folder.join(NEXT);
        match Identity::exists(&folder) && !folder.join(IN_FORCE).exists() {
            true => Identity::open(&folder, &self.organisation).map(Some),
            false => Ok(None),
        }
    }

    /// Takes up the keys that are to follow: from now on everything is signed with them, and their certificate shown. The
    /// present ones are kept beside, under the time.
    ///
    /// # Errors
    /// `NoStore` if the disk fails; then the present ones stay in force.
    pub fn take_up_next(&self, now: Millis) -> Result<(), Problem> {
        let next = self.folder.join(NEXT);
        let keys = Keys::read(&next)?;
        let old = self.folder.join(format!("old-{now}"));
        make_folder(&old)?;
        for file in FILES {
            fs::copy(self.folder.join(file), old.join(file)).map_err(unmoved)?;
        }
        sync(&old)?;
        write_private(&next.join(IN_FORCE), b"")?;
        sync(&next)?;
        *self.keys.write() = keys;
        finish(&self.folder)
    }
}

/// Moves keys that are in force into their place, if a stop has left some.
///
/// # Errors
/// `NoStore` if they cannot be moved.
pub(super) fn finish(folder: &Path) -> Result<(), Problem> {
    let next: PathBuf = folder.join(NEXT);
    if !next.join(IN_FORCE).exists() {
        return Ok(());
    }
    for file in FILES {
        if next.join(file).exists() {
            fs::rename(next.join(file), folder.join(file)).map_err(unmoved)?;
        }
    }
    sync(folder)?;
    fs::remove_file(next.join(IN_FORCE)).map_err(unmoved)?;
    fs::remove_dir(&next).map_err(unmoved)
}

fn sync(folder: &Path) -> Result<(), Problem> {
    fs::File::open(folder)
        .and_then(|it| it.sync_all())
        .map_err(unmoved)
}

fn unmoved(cause: std::io::Error) -> Problem {
    could_not("The next keys could not be moved into their place.").because(cause)
}

#[cfg(test)]
mod tests {
    use access::Ods;

    use super::*;

    fn identity(folder: &Path) -> Identity {
        Identity::create(folder, &Ods::parse("RZZ01").unwrap()).unwrap()
    }

    fn opened(folder: &Path) -> Identity {
        Identity::open(folder, &Ods::parse("RZZ01").unwrap()).unwrap()
    }

    #[test]
    fn the_next_keys_are_in_force_once_they_are_taken_up_and_after_a_start_too() {
        let folder = tempfile::tempdir().unwrap();
        let node = identity(folder.path());
        let before = node.certificate_sha256();
        assert!(node.next().unwrap().is_none());
        let next = node.make_next().unwrap();
        assert!(node.make_next().is_err(), "a second set would be lost");
        assert_eq!(node.certificate_sha256(), before);
        node.take_up_next(7).unwrap();
        for node in [&node, &opened(folder.path())] {
            assert_eq!(node.certificate_sha256(), next.certificate_sha256());
            assert_eq!(node.signing().public(), next.signing().public());
            assert!(node.next().unwrap().is_none());
        }
        assert_eq!(
            opened(&folder.path().join("old-7")).certificate_sha256(),
            before
        );
    }

    #[test]
    fn f01_a_stop_at_any_moment_leaves_one_whole_set_of_keys() {
        for moved in 0..=FILES.len() {
            let folder = tempfile::tempdir().unwrap();
            let node = identity(folder.path());
            let next = node.make_next().unwrap().certificate_sha256();
            let beside = folder.path().join(NEXT);
            // Before the mark nothing has happened.
            assert_ne!(opened(folder.path()).certificate_sha256(), next);
            write_private(&beside.join(IN_FORCE), b"").unwrap();
            for file in &FILES[..moved] {
                fs::rename(beside.join(file), folder.path().join(file)).unwrap();
            }
            assert_eq!(opened(folder.path()).certificate_sha256(), next, "{moved}");
            assert!(!beside.exists());
        }
    }
}
