//! The files of a release: folders and archives, looked at as one list.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};

use super::archive::{self, Member};

/// Folders within each other, and files in all.
const DEPTH_MAX: u32 = 12;
const FILES_MAX: usize = 100_000;
/// A line of a text file, at most.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// All files of the paths given.
pub struct Source {
    files: Vec<Place>,
}

/// Where one file is.
#[derive(Clone, Debug)]
pub enum Place {
    File(PathBuf),
    Member(PathBuf, Member),
}

impl Place {
    /// The file's name, without folders.
    pub fn name(&self) -> &str {
        let full = match self {
            Place::File(path) => path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default(),
            Place::Member(_, member) => &member.name,
        };
        full.rsplit(['/', '\\']).next().unwrap_or_default()
    }

    /// Its content.
    ///
    /// # Errors
    /// If it cannot be opened; the file is named.
    pub fn open(&self) -> anyhow::Result<BufReader<Box<dyn Read + Send>>> {
        let content: anyhow::Result<Box<dyn Read + Send>> = match self {
            Place::File(path) => File::open(path)
                .map(|file| Box::new(file) as _)
                .map_err(Into::into),
            Place::Member(path, member) => archive::open(path, member),
        };
        Ok(BufReader::with_capacity(
            1 << 16,
            content.with_context(|| self.name().to_owned())?,
        ))
    }

    /// Calls with each line and its number, without its end. A byte order mark is passed over.
    ///
    /// # Errors
    /// What `each` refuses, with file and line; lines over a mebibyte, and what is no UTF-8.
    pub fn lines(
        &self,
        mut each: impl FnMut(u64, &str) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut content = self.open()?;
        let mut line = Vec::new();
        for number in 1u64.. {
            let place = || format!("{}, line {number}", self.name());
            line.clear();
            let length = content
                .by_ref()
                .take(LINE_BYTES_MAX)
                .read_until(b'\n', &mut line)
                .with_context(place)?;
            if length == 0 {
                break;
            }
            ensure!(
                line.ends_with(b"\n") || line.len() < LINE_BYTES_MAX as usize,
                "{}: the line is too long",
                place()
            );
            let text = std::str::from_utf8(&line)
                .with_context(place)?
                .trim_end_matches(['\r', '\n']);
            each(number, text.trim_start_matches('\u{feff}')).with_context(place)?;
        }
        Ok(())
    }
}

impl Source {
    /// # Errors
    /// Names the path that is neither a folder nor a .zip file.
    pub fn open(paths: &[PathBuf]) -> anyhow::Result<Source> {
        let mut files = Vec::new();
        for path in paths {
            let told = || path.display().to_string();
            if path.is_dir() {
                walk(path, DEPTH_MAX, &mut files).with_context(told)?;
            } else if path.is_file()
                && path
                    .extension()
                    .is_some_and(|end| end.eq_ignore_ascii_case("zip"))
            {
                let members = archive::members(path).with_context(told)?;
                files.extend(
                    members
                        .into_iter()
                        .map(|member| Place::Member(path.clone(), member)),
                );
            } else if path.is_file() {
                files.push(Place::File(path.clone()));
            } else {
                bail!("{} is neither a folder nor a file", path.display());
            }
        }
        ensure!(
            files.len() <= FILES_MAX,
            "there are more than {FILES_MAX} files"
        );
        files.sort_by(|a, b| a.name().cmp(b.name()));
        Ok(Source { files })
    }

    /// The files whose name passes.
    pub fn named(&self, passes: impl Fn(&str) -> bool) -> Vec<&Place> {
        self.files
            .iter()
            .filter(|place| passes(place.name()))
            .collect()
    }

    /// The one file whose name passes.
    ///
    /// # Errors
    /// If there is none, or more than one; `what` says what it should be.
    pub fn only(&self, what: &str, passes: impl Fn(&str) -> bool) -> anyhow::Result<&Place> {
        match self.named(passes).as_slice() {
            [one] => Ok(one),
            [] => bail!("there is no {what} among the files"),
            [one, other, ..] => bail!(
                "there are two {what}: {} and {}; give one release at a time",
                one.name(),
                other.name()
            ),
        }
    }
}

fn walk(folder: &Path, depth: u32, files: &mut Vec<Place>) -> anyhow::Result<()> {
    ensure!(depth > 0, "the folders are nested too deep");
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&entry.path(), depth - 1, files)?;
        } else if kind.is_file() {
            files.push(Place::File(entry.path()));
        }
    }
    Ok(())
}
