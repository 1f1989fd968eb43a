//! Writing what copies hold: files, the database's pages, or rows into a schema.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use access::Ods;
use anyhow::Context as _;
use exchange::copies::Point;
use fhir::Problem;
use fhir::problem::Kind;
use store::copies::{FileBack, Record, RecordKind, RowsBack};
use store::{Database, Settings, Store};

use crate::config::Config;
use crate::node::copies::{OUTSIDE, SETTINGS};

/// The database's name until the settings are known to be whole.
const DATABASE: &str = "restored.sqlite";

/// Where to.
pub enum Into {
    /// Everything is opened, nothing written.
    Nothing,
    Folder {
        folder: PathBuf,
        postgres: Option<PathBuf>,
        schema: Option<String>,
    },
}

/// A state that is being put back, piece by piece.
pub struct PutBack<'p> {
    into: Into,
    organisation: String,
    point: &'p Point,
    database: Option<FileBack>,
    /// The journal's files, which another process copied along.
    journal: BTreeMap<String, FileBack>,
    rows: Option<RowsBack>,
    /// Files by name; the newest of each.
    files: BTreeMap<String, Vec<u8>>,
    pieces: u64,
}

/// What was put back.
pub struct Restored {
    pub pieces: u64,
    /// Paths, without their first `/`, of files that lay elsewhere.
    pub outside: Vec<String>,
    pub settings: Option<Settings>,
}

impl<'p> PutBack<'p> {
    pub fn new(into: Into, organisation: &str, point: &'p Point) -> PutBack<'p> {
        PutBack {
            into,
            organisation: organisation.to_owned(),
            point,
            database: None,
            journal: BTreeMap::new(),
            rows: None,
            files: BTreeMap::new(),
            pieces: 0,
        }
    }

    /// Takes an object's pieces.
    ///
    /// # Errors
    /// The disk's or the database's; `Security` for a name that leads out of the folder.
    pub async fn take(&mut self, pieces: Vec<Record>) -> Result<(), Problem> {
        for piece in pieces {
            self.pieces += 1;
            if piece.kind == RecordKind::File && !piece.name.starts_with("store-ahead") {
                check_name(&piece.name)?;
                self.files.insert(piece.name, piece.bytes);
                continue;
            }
            if !matches!(self.into, Into::Nothing) {
                self.write(piece).await?;
            }
        }
        Ok(())
    }

    async fn write(&mut self, piece: Record) -> Result<(), Problem> {
        let Into::Folder { folder, .. } = &self.into else {
            return Ok(());
        };
        make_private(folder)?;
        match piece.kind {
            RecordKind::Pages => {
                let path = folder.join(DATABASE);
                let file = match self.database.take() {
                    Some(file) => file,
                    None => FileBack::create(&path)?,
                };
                self.database.insert(file).put(&piece)
            }
            RecordKind::File => {
                let end = piece.name.trim_start_matches("store").to_owned();
                let path = folder.join(format!("{DATABASE}{end}"));
                let file = match self.journal.remove(&end) {
                    Some(file) => file,
                    None => FileBack::create(&path)?,
                };
                let put = file.put(&piece);
                self.journal.insert(end, file);
                put
            }
            RecordKind::Rows => {
                if self.rows.is_none() {
                    let settings = self.postgres_settings()?;
                    self.rows = Some(RowsBack::begin(settings).await?);
                }
                match &mut self.rows {
                    Some(rows) => rows.take(piece).await,
                    None => Ok(()),
                }
            }
        }
    }

    fn postgres_settings(&self) -> Result<Settings, Problem> {
        let missing = |what: &str| Problem::new(Kind::Required, what.to_owned());
        let Into::Folder {
            postgres: Some(path),
            schema,
            ..
        } = &self.into
        else {
            return Err(missing(
                "These copies are of a node on PostgreSQL: give --postgres.",
            ));
        };
        let url = std::fs::read_to_string(path)
            .map_err(|cause| missing("The file of --postgres cannot be read.").because(cause))?;
        let schema = match schema {
            Some(schema) => schema.clone(),
            None => {
                self.config()
                    .map_err(|_| missing("Give --schema."))?
                    .store
                    .schema
            }
        };
        let ods = Ods::parse(&self.organisation)?;
        let url = url.trim().to_owned();
        Ok(Settings::new(Database::Postgres { url, schema }, ods))
    }

    /// The settings that came along.
    fn config(&self) -> anyhow::Result<Config> {
        let text = self.files.get(SETTINGS).context("no settings came along")?;
        Config::parse(std::str::from_utf8(text)?)
    }

    /// Writes the files, gives the database its length and its name, and makes all of it durable.
    ///
    /// # Errors
    /// The disk's or the database's.
    pub async fn end(mut self) -> anyhow::Result<Restored> {
        let mut restored = Restored {
            pieces: self.pieces,
            outside: Vec::new(),
            settings: None,
        };
        let Into::Folder { folder, .. } = &self.into else {
            return Ok(restored);
        };
        let folder = folder.clone();
        make_private(&folder)?;
        for (name, bytes) in &self.files {
            let path = folder.join(name);
            make_private(path.parent().unwrap_or(&folder))?;
            let file = FileBack::create(&path)?;
            let piece = Record {
                kind: RecordKind::File,
                name: name.clone(),
                at: 0,
                bytes: bytes.clone(),
            };
            file.put(&piece)?;
            file.end(None)?;
            if let Some(outside) = name.strip_prefix(OUTSIDE) {
                restored
                    .outside
                    .push(outside.trim_start_matches('/').to_owned());
            }
        }
        let ods = Ods::parse(&self.organisation)?;
        for file in std::mem::take(&mut self.journal).into_values() {
            file.end(None)?;
        }
        if let Some(rows) = self.rows.take() {
            rows.end().await?;
            restored.settings = Some(self.postgres_settings()?);
        }
        if let Some(database) = self.database.take() {
            database.end(Some(self.point.database_bytes))?;
            let path = self.database_path(&folder);
            make_private(path.parent().unwrap_or(&folder))?;
            for end in ["", "-ahead", "-ahead2"] {
                let from = folder.join(format!("{DATABASE}{end}"));
                let to = PathBuf::from(format!("{}{end}", path.display()));
                if from.exists() {
                    std::fs::rename(&from, &to).with_context(|| to.display().to_string())?;
                }
            }
            restored.settings = Some(Settings::new(Database::Sqlite(path), ods));
        }
        Ok(restored)
    }

    /// Where the settings say that the database is, if that is in the folder.
    fn database_path(&self, folder: &Path) -> PathBuf {
        let named = self.config().map(|config| config.store.sqlite);
        match named {
            Ok(named) if check_name(&named.to_string_lossy()).is_ok() => folder.join(named),
            _ => folder.join("handover.sqlite"),
        }
    }
}

impl Restored {
    /// Opens the store, which moves the journal that came along, if any.
    ///
    /// # Errors
    /// If it does not open.
    pub async fn open(&self) -> anyhow::Result<Store> {
        let settings = self
            .settings
            .clone()
            .context("the copies hold no database")?;
        Store::open(settings)
            .await
            .context("the restored store does not open")
    }
}

/// Names lead into the folder, and nowhere else.
fn check_name(name: &str) -> Result<(), Problem> {
    let is_plain = |part| matches!(part, Component::Normal(_));
    if !name.is_empty() && Path::new(name).components().all(is_plain) {
        return Ok(());
    }
    let message = format!("A file in the copies is named {name:?}, which leads elsewhere.");
    Err(Problem::new(Kind::Security, message))
}

/// Makes a folder that only its owner can enter, if it is not there.
fn make_private(folder: &Path) -> Result<(), Problem> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder);
    made.map_err(|cause| {
        let message = format!("{} cannot be made.", folder.display());
        Problem::new(Kind::NoStore, message).because(cause)
    })
}
