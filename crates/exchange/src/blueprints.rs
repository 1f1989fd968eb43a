//! Files that a blueprint brings into the mapping's folder (`docs/blueprints.md`).
//!
//! Invariant: a file is put in place as a whole, after the commit that says so. Invariant: what somebody changed there is not
//! written over.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use access::{Scope, SystemPurpose};
use fhir::problem::{Kind, Problem};
use store::blueprints::{BlueprintWrite, DueFile};
use store::{Effect, Job, Store};

/// What a name of such a file begins with.
pub const PREFIX: &str = "blueprint.";

/// Puts the files in place that wait for it, and takes away those that go; how many. Safe to repeat, and to be cut off.
///
/// # Errors
/// If the folder cannot be written, or the store. What was done stays done.
pub async fn settle(store: &Store, folder: &Path) -> Result<usize, Problem> {
    let due = store.blueprint_files_due().await?;
    let count = due.len();
    for file in due {
        let (folder, placed) = (folder.to_owned(), file.clone());
        let done = tokio::task::spawn_blocking(move || place(&folder, &placed)).await;
        done.map_err(|cause| {
            Problem::new(Kind::Exception, "A file could not be put in place.").because(cause)
        })??;
        let scope = Scope::system(SystemPurpose::KeepBlueprints);
        let job = Job::effect(Effect::Blueprint(BlueprintWrite::FileDone(file)));
        store.commit(&scope, job).await?;
    }
    Ok(count)
}

/// What lies there; `None` for nothing.
///
/// # Errors
/// If it cannot be read.
pub fn lying(folder: &Path, name: &str) -> Result<Option<String>, Problem> {
    match fs::read(folder.join(name)) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(broken(name).because(cause)),
    }
}

fn broken(name: &str) -> Problem {
    Problem::new(
        Kind::NoStore,
        format!("{name}: cannot be read or written in the folder of [hl7v2] mapping"),
    )
}

fn place(folder: &Path, file: &DueFile) -> Result<(), Problem> {
    let there = lying(folder, &file.name)?.unwrap_or_default();
    if there == file.body {
        return Ok(());
    }
    // Somebody here wrote it anew: theirs stays.
    if there != file.over && !there.is_empty() {
        tracing::warn!(file = %file.name, "a file of the mapping was changed here and stays as it is");
        return Ok(());
    }
    let wrong = |cause: std::io::Error| broken(&file.name).because(cause);
    if file.body.is_empty() {
        fs::remove_file(folder.join(&file.name)).map_err(wrong)?;
    } else {
        // Its name begins with a full stop, so that nobody reads it before it is whole.
        let beside = folder.join(format!(".{}.part", file.name));
        let mut written = fs::File::create(&beside).map_err(wrong)?;
        written.write_all(file.body.as_bytes()).map_err(wrong)?;
        written.sync_all().map_err(wrong)?;
        fs::rename(&beside, folder.join(&file.name)).map_err(wrong)?;
    }
    let folder = fs::File::open(folder).map_err(wrong)?;
    folder.sync_all().map_err(wrong)
}

#[cfg(test)]
mod tests {
    use store::testing::on_each_database;

    use super::*;

    async fn due(store: &Store, body: &str, over: &str) {
        let file = DueFile {
            name: "blueprint.x.pas.json".into(),
            body: body.into(),
            over: over.into(),
        };
        let scope = Scope::system(SystemPurpose::KeepBlueprints);
        let job = Job::effect(Effect::Blueprint(BlueprintWrite::File(file)));
        store.commit(&scope, job).await.unwrap();
    }

    #[test]
    fn a_file_is_put_in_place_changed_and_taken_away_unless_somebody_changed_it() {
        on_each_database(async |ground| {
            let store = ground.open().await;
            let folder = tempfile::tempdir().unwrap();
            let at = folder.path();
            let there = || lying(at, "blueprint.x.pas.json").unwrap();
            due(&store, "{}", "").await;
            assert_eq!(settle(&store, at).await.unwrap(), 1);
            assert_eq!(there().as_deref(), Some("{}"));
            assert_eq!(settle(&store, at).await.unwrap(), 0);
            due(&store, "{ }", "{}").await;
            settle(&store, at).await.unwrap();
            assert_eq!(there().as_deref(), Some("{ }"));
            due(&store, "", "{ }").await;
            settle(&store, at).await.unwrap();
            assert_eq!(there(), None);
            std::fs::write(at.join("blueprint.x.pas.json"), "mine").unwrap();
            due(&store, "{}", "").await;
            settle(&store, at).await.unwrap();
            assert_eq!(there().as_deref(), Some("mine"));
            assert_eq!(std::fs::read_dir(at).unwrap().count(), 1);
            store.close().await;
        });
    }

    #[test]
    fn a_folder_that_is_not_there_leaves_the_file_to_be_put_in_place() {
        on_each_database(async |ground| {
            let store = ground.open().await;
            let folder = tempfile::tempdir().unwrap();
            due(&store, "{}", "").await;
            assert!(settle(&store, &folder.path().join("none")).await.is_err());
            settle(&store, folder.path()).await.unwrap();
            assert!(
                lying(folder.path(), "blueprint.x.pas.json")
                    .unwrap()
                    .is_some()
            );
            store.close().await;
        });
    }
}
