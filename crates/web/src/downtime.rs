//! The downtime pack (`docs/downtime.md`): what staff need of today's patients when everything is off, sealed under a
//! passphrase and written into a folder every few minutes.
//!
//! Invariant: what stands in the folder under the pack's name is whole: the last one, or the one before. Invariant: what
//! is left out is said in the pack.

mod gather;
mod print;
mod write;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use access::{Interaction, Ods, Outcome, Scope, SystemPurpose, Target};
use fhir::date::Millis;
use fhir::problem::Problem;
use parking_lot::Mutex;
use store::downtime::{DowntimeWrite, PaperKind};
use store::visits::VisitWrite;
use store::{Effect, Job, Store};
use tokio::sync::watch;

use crate::carried::seal::Facts;
use crate::carried::sheet;
use crate::node::Node;

const HOUR: Millis = 3_600_000;
const MINUTE: Millis = 60_000;

/// Where and how packs are written, as the settings say.
pub struct Downtime {
    pub folder: PathBuf,
    pub passphrase: String,
    pub every_minutes: u32,
    /// For how long one opens.
    pub opens_hours: u32,
    /// Why the last one could not be written.
    pub failed: Mutex<Option<String>>,
}

impl Downtime {
    pub fn new(
        folder: PathBuf,
        passphrase: String,
        (every_minutes, opens_hours): (u32, u32),
    ) -> Downtime {
        Downtime {
            folder,
            passphrase,
            every_minutes,
            opens_hours,
            failed: Mutex::new(None),
        }
    }

    /// The file of an organisation's pack.
    pub fn file(&self, ods: &str) -> PathBuf {
        self.folder.join(format!("handover-downtime-{ods}.html"))
    }

    /// Whether a pack of that time is too old to be relied on.
    pub fn is_overdue(&self, made_at: Millis, now: Millis) -> bool {
        let limit = i64::from(self.every_minutes).saturating_mul(3 * MINUTE);
        now.saturating_sub(made_at) > limit
    }
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    pub file: PathBuf,
    pub patients: usize,
    pub left_out: Vec<String>,
}

/// Makes one and writes it. It is written down before the file appears.
///
/// # Errors
/// Those of the store; `Exception` naming the file that could not be written.
pub async fn make(node: &Node, settings: &Downtime, by: &str) -> Result<Made, Problem> {
    let now = node.store.now();
    let standing = node.store.standing_of_nobody(now).await?;
    let scope = Scope::downtime(&node.site.organisation, &standing, now);
    let gathered = Box::pin(gather::gather(node, &scope, now)).await?;
    let id = uuid::Uuid::new_v4().to_string();
    let left_out = gathered.view.left_out.clone();
    let patients = gathered.view.patients.len();
    let written = DowntimeWrite::Made {
        id: id.clone(),
        made_by: by.to_owned(),
        patients: i64::try_from(patients).unwrap_or(i64::MAX),
        left_out: left_out.join(" "),
        codes: gathered.codes,
    };
    let target = Target {
        query: Some(format!("downtime pack {id} of {patients} patients, made by {by}").into()),
        ..Target::default()
    };
    let job = Job {
        traces: vec![scope.trace(Interaction::Downtime, Outcome::Success, target)],
        ..Job::effect(Effect::Downtime(written))
    };
    node.store.commit(&scope, job).await?;
    let facts = Facts {
        kind: "downtime".to_owned(),
        id,
        organisation: node.site.name.clone(),
        title: "Downtime pack".to_owned(),
        made: now,
        expires: now.saturating_add(i64::from(settings.opens_hours).saturating_mul(HOUR)),
    };
    let paper = print::sheet(&gathered.view, &facts);
    let html = sheet::inside("carried/downtime.jinja", gathered.view)?;
    let file = settings.file(node.site.organisation.as_str());
    let passphrase = settings.passphrase.clone();
    let to = file.clone();
    let written = tokio::task::spawn_blocking(move || {
        let text = sheet::make(&facts, &html, (), &passphrase)?;
        write::atomically(&to, text.as_bytes())?;
        write::atomically(&to.with_extension("pdf"), &paper.locked(&passphrase)?)
    });
    written.await.map_err(|cause| {
        let message = "The downtime pack could not be made.";
        Problem::new(fhir::problem::Kind::Exception, message).because(cause)
    })??;
    Ok(Made {
        file,
        patients,
        left_out,
    })
}

/// Writes down that an operator opened a pack on the node's own machine.
///
/// # Errors
/// Those of the store.
pub async fn opened(store: &Store, own: &Ods, facts: &Facts) -> Result<(), Problem> {
    let now = store.now();
    let scope = Scope::downtime(own, &store.standing_of_nobody(now).await?, now);
    let made = fhir::date::instant(facts.made);
    let target = Target {
        query: Some(
            format!(
                "downtime pack {} of {made}: opened by an operator",
                facts.id
            )
            .into(),
        ),
        ..Target::default()
    };
    let did = DowntimeWrite::Did {
        kind: PaperKind::Opened,
        pack: format!("{made} ({})", facts.organisation),
        who: "an operator".to_owned(),
        note: "By `handover downtime open`".to_owned(),
    };
    let job = Job {
        traces: vec![scope.trace(Interaction::Downtime, Outcome::Success, target)],
        ..Job::effect(Effect::Downtime(did))
    };
    store.commit(&scope, job).await.map(|_| ())
}

/// Writes a pack every few minutes where the settings name a folder, and writes down which day packs are over.
pub async fn run(node: Arc<Node>, mut stopped: watch::Receiver<bool>) {
    let minutes = node.downtime.as_ref().map_or(5, |it| it.every_minutes);
    let every = Duration::from_secs(u64::from(minutes.max(1)) * 60);
    while !*stopped.borrow() {
        if let Some(settings) = &node.downtime {
            let made = Box::pin(make(&node, settings, "this node")).await;
            let failed = made.err().map(|problem| {
                tracing::warn!(?problem, "the downtime pack was not written");
                problem.message.to_string()
            });
            *settings.failed.lock() = failed;
        }
        if let Err(problem) = expire(&node).await {
            tracing::warn!(?problem, "day packs that are over were not looked at");
        }
        tokio::select! {
            _ = tokio::time::sleep(every) => {}
            changed = stopped.changed() => if changed.is_err() { return },
        }
    }
}

/// Writes down which day packs show nothing more of patients.
///
/// # Errors
/// Those of the store.
pub async fn expire(node: &Node) -> Result<usize, Problem> {
    let scope = Scope::system(SystemPurpose::KeepDowntime);
    let over = node.store.packs_to_expire(&scope).await?;
    let count = over.len();
    for pack in over {
        let query = format!(
            "day pack {} of {} is over, and not back",
            pack.id, pack.nurse
        );
        let target = Target {
            query: Some(query.into()),
            ..Target::default()
        };
        let job = Job {
            traces: vec![scope.trace(Interaction::TakeAlong, Outcome::Success, target)],
            ..Job::effect(Effect::Visit(VisitWrite::Expire { pack: pack.id }))
        };
        match node.store.commit(&scope, job).await {
            Ok(_) => {}
            // It came back just now.
            Err(problem) if problem.kind == fhir::problem::Kind::Conflict => {}
            Err(problem) => return Err(problem),
        }
    }
    Ok(count)
}
