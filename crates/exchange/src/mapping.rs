//! The mapping from HL7 v2 that is in force: over the tables that are built in, layers that come with the program and are named in
//! the settings, and over these a site's own, one JSON file of a folder each, read anew when they change.
//!
//! Invariant: a folder that cannot be read as a whole changes nothing; what held before holds on.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use fhir::problem::{Kind, Problem};
use hl7v2::to_fhir::{Layer, Mapping};
use store::Store;
use tokio::sync::watch;

use crate::blueprints;
use crate::mllp::stopped;

/// The kind of the alarm about a mapping that is refused.
pub const ALARM: &str = "mapping";
/// How often the folder is looked at.
const LOOK_SECONDS: u64 = 5;
/// The most files of a folder, and the largest.
const FILES_MAX: usize = 200;
const FILE_BYTES_MAX: u64 = 4 << 20;

/// A file as it was when it was last looked at: name, length, time of change.
type Seen = Vec<(String, u64, Option<SystemTime>)>;

/// The mapping in force, for all who map.
#[derive(Debug, Default)]
pub struct Mappings {
    shipped: Vec<Layer>,
    folder: Option<PathBuf>,
    now: RwLock<Arc<Mapping>>,
    seen: Mutex<Seen>,
}

impl Mappings {
    /// The tables that are built in, alone.
    pub fn built_in() -> Mappings {
        Mappings::default()
    }

    /// With the layers of a folder: its files that end in `.json`, in the order of their names.
    ///
    /// # Errors
    /// `Invalid` if a file cannot be read, or changes what is not there; it names the file.
    pub fn open(folder: &Path) -> Result<Mappings, Problem> {
        Mappings::with(&[], Some(folder))
    }

    /// With layers that come with the program, by their names, and those of a folder over them.
    ///
    /// # Errors
    /// `NotFound` if no layer of a name comes with the program; those of `open`.
    pub fn with(shipped: &[String], folder: Option<&Path>) -> Result<Mappings, Problem> {
        let shipped = shipped.iter().map(|name| Layer::shipped(name));
        let shipped: Vec<Layer> = shipped.collect::<Result<_, _>>()?;
        let mappings = Mappings {
            now: RwLock::new(Arc::new(Mapping::with(&shipped)?)),
            shipped,
            folder: folder.map(Path::to_owned),
            ..Mappings::default()
        };
        mappings.reload()?;
        Ok(mappings)
    }

    /// The mapping to use for what comes now.
    pub fn current(&self) -> Arc<Mapping> {
        let now = self.now.read().unwrap_or_else(PoisonError::into_inner);
        now.clone()
    }

    /// Reads the folder anew if a file of it has changed; whether it had.
    ///
    /// # Errors
    /// As `open`; then what was in force before still is, and the files are not looked at again
    /// before they change.
    pub fn reload(&self) -> Result<bool, Problem> {
        let Some(folder) = &self.folder else {
            return Ok(false);
        };
        let files = files(folder)?;
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if *seen == files {
                return Ok(false);
            }
            seen.clone_from(&files);
        }
        let mut layers = self.shipped.clone();
        for (name, bytes, _) in files {
            if bytes > FILE_BYTES_MAX {
                return Err(unreadable(&name, "is longer than 4 MiB"));
            }
            let text = std::fs::read_to_string(folder.join(&name))
                .map_err(|cause| unreadable(&name, "cannot be read").because(cause))?;
            layers.push(Layer { name, text });
        }
        let mapping = Arc::new(Mapping::with(&layers)?);
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = mapping;
        Ok(true)
    }

    /// Takes changes of the folder in until `stop` says true. What is refused stands on the work list until it is put right.
    pub async fn follow(self: Arc<Self>, store: Store, mut stop: watch::Receiver<bool>) {
        // The node has started, so what is in the folder reads.
        show(&store, None).await;
        loop {
            tokio::select! {
                () = stopped(&mut stop) => return,
                () = tokio::time::sleep(Duration::from_secs(LOOK_SECONDS)) => {}
            }
            if let Some(folder) = &self.folder
                && let Err(problem) = blueprints::settle(&store, folder).await
            {
                tracing::error!(%problem, "a blueprint's file could not be put in place");
            }
            let mappings = self.clone();
            let reloaded = tokio::task::spawn_blocking(move || mappings.reload()).await;
            match reloaded {
                Ok(Ok(true)) => {
                    tracing::warn!("a changed mapping from HL7 v2 is in force");
                    show(&store, None).await;
                }
                Ok(Ok(false)) => {}
                Ok(Err(problem)) => {
                    tracing::error!(
                        %problem,
                        "the changed mapping from HL7 v2 is refused; the one before stays in force"
                    );
                    show(&store, Some(problem.message)).await;
                }
                Err(error) => tracing::error!(%error, "the mapping from HL7 v2 could not be read"),
            }
        }
    }
}

/// Puts onto the work list why a mapping is refused, or takes it off.
async fn show(store: &Store, why: Option<String>) {
    if let Err(problem) = store.set_alarm(ALARM, why).await {
        tracing::error!(%problem, "what came of a changed mapping could not be put on the work list");
    }
}

/// The layers of a folder, in the order of their names.
fn files(folder: &Path) -> Result<Seen, Problem> {
    let shown = folder.display().to_string();
    let broken = |cause| unreadable(&shown, "cannot be read").because(cause);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(broken)? {
        let entry = entry.map_err(broken)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let meta = entry.metadata().map_err(broken)?;
        if !name.ends_with(".json") || name.starts_with('.') || !meta.is_file() {
            continue;
        }
        if files.len() == FILES_MAX {
            return Err(unreadable(&shown, "holds more than 200 files"));
        }
        files.push((name, meta.len(), meta.modified().ok()));
    }
    files.sort();
    Ok(files)
}

fn unreadable(what: &str, why: &str) -> Problem {
    Problem::new(Kind::Invalid, format!("{what} {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knows(mappings: &Mappings, trigger: &str) -> bool {
        mappings.current().supports(&hl7v2::Header {
            message_type: "ADT".into(),
            trigger: trigger.into(),
            ..hl7v2::Header::default()
        })
    }

    #[test]
    fn a_changed_file_is_in_force_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("readme.txt", "no layer");
        let mappings = Mappings::open(folder.path()).unwrap();
        assert!(!knows(&mappings, "Z01"));
        write("a.json", r#"{"structures": {"ADT^Z01": "ADT_A01"}}"#);
        assert!(mappings.reload().unwrap());
        assert!(!mappings.reload().unwrap());
        assert!(knows(&mappings, "Z01"));
        write("b.json", r#"{"structures": {"ADT^Z02": "NONE"}}"#);
        let problem = mappings.reload().unwrap_err();
        assert!(problem.message.starts_with("b.json: "), "{problem}");
        assert!(knows(&mappings, "Z01") && !knows(&mappings, "Z02"));
        write("b.json", r#"{"structures": {"ADT^Z02": "ADT_A01"}}  "#);
        assert!(mappings.reload().unwrap());
        assert!(knows(&mappings, "Z01") && knows(&mappings, "Z02"));
        assert!(Mappings::open(&folder.path().join("none")).is_err());
    }

    #[test]
    fn a_layer_that_comes_with_the_program_lies_under_those_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let cdc = ["cdc".to_owned()];
        // What is changed here is a row of the layer's: without it the change would lead nowhere.
        let over = r#"{"changes": [{"map": "ORC[ServiceRequest]", "from": 29, "to": "locationCode", "take": false, "why": "a try"}]}"#;
        std::fs::write(folder.path().join("over.json"), over).unwrap();
        assert!(Mappings::with(&cdc, Some(folder.path())).is_ok());
        assert!(Mappings::open(folder.path()).is_err());
        assert!(Mappings::with(&cdc, None).is_ok());
        let unknown = Mappings::with(&["nhs".to_owned()], None).unwrap_err();
        assert!(unknown.message.contains("there is: cdc"), "{unknown}");
    }
}
