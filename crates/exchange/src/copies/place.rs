//! Where copies are kept: a folder, or an S3-compatible store. Only three things are ever asked of it: to
//! add an object under a new name, to list names, to read one.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use fhir::problem::{Kind, Problem};

use super::manifest::Name;
use super::object::OBJECT_BYTES_MAX;
use super::s3::S3;

/// Objects of one organisation that are listed at most.
pub(super) const NAMES_MAX: usize = 5_000_000;

/// Where copies are kept.
#[derive(Clone)]
pub enum Place {
    Folder(PathBuf),
    S3(Box<S3>),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Folder(path) => write!(f, "{}", path.display()),
            Place::S3(s3) => write!(f, "{s3}"),
        }
    }
}

impl Place {
    /// Adds an object. What is there is never replaced.
    pub(super) async fn add(&self, name: &Name, bytes: Bytes) -> Result<(), Problem> {
        match self {
            Place::Folder(folder) => {
                let (folder, name) = (folder.clone(), name.text());
                let work = move || add_file(&folder, &name, &bytes);
                tokio::task::spawn_blocking(work).await.map_err(stopped)?
            }
            Place::S3(s3) => s3.add(&name.text(), bytes).await,
        }
    }

    /// The names of an organisation's objects, in order. Other files are left alone.
    pub(super) async fn names(&self, organisation: &str) -> Result<Vec<Name>, Problem> {
        let mut names = match self {
            Place::Folder(folder) => {
                let (folder, organisation) = (folder.clone(), organisation.to_owned());
                let work = move || list_files(&folder, &organisation);
                tokio::task::spawn_blocking(work).await.map_err(stopped)??
            }
            Place::S3(s3) => s3.names(organisation).await?,
        };
        names.sort_unstable();
        Ok(names)
    }

    pub(super) async fn read(&self, name: &Name) -> Result<Bytes, Problem> {
        match self {
            Place::Folder(folder) => {
                let path = folder.join(name.text());
                let read = tokio::task::spawn_blocking(move || read_file(&path));
                read.await.map_err(stopped)?
            }
            Place::S3(s3) => s3.read(&name.text()).await,
        }
    }
}

/// `create_new`: if there is such a file, this fails and the file stays as it is.
fn add_file(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), Problem> {
    let path = folder.join(name);
    let failed = |cause| {
        Problem::new(Kind::NoStore, "The folder of the copies cannot be written.").because(cause)
    };
    let parent = path.parent().unwrap_or(folder);
    if !folder.is_dir() {
        // Perhaps a disk that is not mounted: nothing is written beside it.
        let message = format!(
            "The folder of the copies, {}, is not there.",
            folder.display()
        );
        return Err(Problem::new(Kind::NoStore, message));
    }
    fs::create_dir_all(parent).map_err(failed)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    // The name is to last as the content does.
    for folder in [parent, folder] {
        fs::File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed)?;
    }
    Ok(())
}

fn list_files(folder: &Path, organisation: &str) -> Result<Vec<Name>, Problem> {
    let root = folder.join(organisation);
    if !root.is_dir() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for chain in entries(&root)? {
        if !root.join(&chain).is_dir() {
            continue;
        }
        for file in entries(&root.join(&chain))? {
            names.extend(Name::parse(&format!("{organisation}/{chain}/{file}")));
            if names.len() > NAMES_MAX {
                return Err(too_many());
            }
        }
    }
    Ok(names)
}

pub(super) fn too_many() -> Problem {
    Problem::new(Kind::TooCostly, "There are more copies than can be listed.")
}

fn entries(folder: &Path) -> Result<Vec<String>, Problem> {
    let found = fs::read_dir(folder).map_err(unread)?;
    let names = found.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names.collect::<std::io::Result<_>>().map_err(unread)
}

fn read_file(path: &Path) -> Result<Bytes, Problem> {
    let length = path.metadata().map_err(unread)?.len();
    if length > OBJECT_BYTES_MAX as u64 {
        return Err(Problem::new(Kind::TooLong, "is longer than any copy"));
    }
    fs::read(path).map(Bytes::from).map_err(unread)
}

fn unread(cause: std::io::Error) -> Problem {
    Problem::new(Kind::NoStore, "The folder of the copies cannot be read.").because(cause)
}

fn stopped(cause: tokio::task::JoinError) -> Problem {
    Problem::new(Kind::Exception, "The work on copies stopped.").because(cause)
}
