//! The files that go along with a copy: settings, keys, the directory. What is a way to others' secrets
//! stays out: the file with the database's password and the store's access key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::bail;
use exchange::copies::Secret;
use exchange::keys::sha256_hex;
use fhir::Problem;
use fhir::problem::Kind;
use store::copies::{Record, RecordKind};

use crate::config::Config;

/// A longer file is none of those that are meant.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Where files go that lie outside the folder of the settings.
pub const OUTSIDE: &str = "outside";
/// The name that the settings have in a copy.
pub const SETTINGS: &str = "handover.toml";

/// What goes along, and what of it is in the copies already.
pub struct Files {
    /// Names in the copy, and where the files are.
    wanted: Vec<(String, PathBuf)>,
    keys: PathBuf,
    folder: PathBuf,
    left_out: Vec<PathBuf>,
    kept: BTreeMap<String, String>,
    taken: BTreeMap<String, String>,
}

impl Files {
    pub fn new(config: &Config) -> Files {
        let folder = config.file.parent().unwrap_or(Path::new(".")).to_owned();
        let paths = [
            Some(&config.exchange.directory),
            Some(&config.exchange.steward_key),
            config.pages.tls_certificate.as_ref(),
            config.pages.tls_key.as_ref(),
            Some(&config.nhs_login.key),
            Some(&config.staff_oidc.key),
            Some(&config.staff_oidc.role_table),
            Some(&config.backup.key),
        ];
        let mut wanted = vec![(SETTINGS.to_owned(), config.file.clone())];
        let paths = paths.into_iter().flatten();
        wanted.extend(paths.map(|path| (name(&folder, path), path.clone())));
        Files {
            wanted,
            keys: config.exchange.keys.clone(),
            folder,
            left_out: left_out(config),
            kept: BTreeMap::new(),
            taken: BTreeMap::new(),
        }
    }

    /// The files that are not in the copies as they are now; all of them when `all` says so.
    ///
    /// # Errors
    /// `NoStore` if one is there and cannot be read.
    pub fn changed(&mut self, all: bool) -> Result<Vec<Record>, Problem> {
        let mut files: BTreeMap<String, PathBuf> = self.wanted.iter().cloned().collect();
        for path in files_in(&self.keys) {
            files.insert(name(&self.folder, &path), path);
        }
        files.retain(|_, path| !self.left_out.contains(path));
        let mut records = Vec::new();
        self.taken.clear();
        for (name, path) in files {
            let Some(bytes) = read(&path)? else { continue };
            let digest = sha256_hex(&bytes);
            if all || self.kept.get(&name) != Some(&digest) {
                records.push(Record {
                    kind: RecordKind::File,
                    name: name.clone(),
                    at: 0,
                    bytes,
                });
            }
            self.taken.insert(name, digest);
        }
        Ok(records)
    }

    /// What was given last is in the copies.
    pub fn keep(&mut self) {
        self.kept = self.taken.clone();
    }
}

/// What is not in a copy, and must come from elsewhere.
pub fn left_out(config: &Config) -> Vec<PathBuf> {
    let credentials = config.backup.s3_credentials.clone();
    config
        .store
        .postgres
        .clone()
        .into_iter()
        .chain([credentials])
        .collect()
}

/// Stops the start if the secret key of the copies lies among the node's: whoever takes the node would
/// have the copies too.
///
/// # Errors
/// Names the file.
pub fn refuse_offline_key(config: &Config) -> anyhow::Result<()> {
    let folder = config.file.parent().unwrap_or(Path::new(".")).to_owned();
    for path in files_in(&config.exchange.keys)
        .into_iter()
        .chain(files_in(&folder))
    {
        if Secret::open(&path).is_ok() {
            bail!(
                "{} is the secret key of the copies; it is kept offline: move it to another place",
                path.display()
            );
        }
    }
    Ok(())
}

/// A path as a copy names it: from the settings' folder, or whole below `outside`.
fn name(folder: &Path, path: &Path) -> String {
    let inside = path
        .strip_prefix(folder)
        .unwrap_or(path)
        .to_string_lossy()
        .into_owned();
    let is_inside = !Path::new(&inside).is_absolute() && !inside.split('/').any(|it| it == "..");
    match is_inside {
        true => inside,
        false => {
            let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            format!(
                "{OUTSIDE}/{}",
                whole.to_string_lossy().trim_start_matches('/')
            )
        }
    }
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = paths.filter(|path| path.is_file()).collect();
    files.sort_unstable();
    files
}

/// A file's bytes, if it is there.
fn read(path: &Path) -> Result<Option<Vec<u8>>, Problem> {
    let failed = |cause| {
        let message = format!("{} cannot be read, so it is in no copy.", path.display());
        Problem::new(Kind::NoStore, message).because(cause)
    };
    match path.metadata() {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(failed(cause)),
        Ok(about) if about.len() > FILE_BYTES_MAX => {
            let message = format!("{} is too long to be a key or settings.", path.display());
            return Err(Problem::new(Kind::TooLong, message));
        }
        Ok(_) => {}
    }
    std::fs::read(path).map(Some).map_err(failed)
}
