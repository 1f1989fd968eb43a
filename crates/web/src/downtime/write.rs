//! A file that is there whole or as it was before.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use fhir::problem::{Kind, Problem};

/// Writes beside it, to the disk, and then over it.
///
/// # Errors
/// `Exception`, naming what could not be written.
pub fn atomically(path: &Path, bytes: &[u8]) -> Result<(), Problem> {
    try_to(path, bytes).map_err(|cause| {
        let message = format!(
            "{} could not be written: {cause}. Look whether the folder is there and has room.",
            path.display()
        );
        Problem::new(Kind::Exception, message)
    })
}

fn try_to(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".being-written");
    let beside = PathBuf::from(beside);
    let written = (|| {
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&beside, path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&beside);
        return written;
    }
    // The name is on the disk as well.
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_or_stays_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pack.html");
        atomically(&path, b"one").unwrap();
        atomically(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        // What stands in the way of writing beside it leaves it as it was.
        fs::create_dir(folder.path().join("pack.html.being-written")).unwrap();
        let problem = atomically(&path, b"three").unwrap_err();
        assert!(problem.message.contains("could not be written"));
        assert_eq!(fs::read(&path).unwrap(), b"two");
        let nowhere = folder.path().join("not-there/pack.html");
        assert!(atomically(&nowhere, b"x").is_err());
    }
}
