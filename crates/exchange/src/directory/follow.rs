//! A running node follows the directory: a newer one that somebody puts in the file's place, or that any
//! neighbour has, is in force within seconds, and is kept in the file. So it spreads from the node of whoever
//! signed it to all of them, without a place that all must reach; and whoever is struck off is out.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use access::{Interaction, Ods, Outcome, Scope, SystemPurpose, Target};
use fhir::date::{self, Millis};
use fhir::problem::{Kind, Problem};
use rand::seq::IndexedRandom as _;
use store::parcels::ParcelWrite;
use store::{Effect, Job};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::exchange::Exchange;
use crate::mllp::stopped;

/// How often the file and some neighbours are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How many neighbours are asked each time: what one node has, all have after a few rounds.
const ASKED: usize = 3;
/// A neighbour that is slower is asked another time.
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// From so long before the directory ends on, people are warned.
const WARN_MILLIS: Millis = 14 * 86_400_000;
/// The kind of the alarm about a directory that ends soon, or cannot be taken.
pub const ALARM: &str = "directory";

/// What the file looked like when it was last read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    at: Option<SystemTime>,
    bytes: u64,
}

impl Seen {
    fn of(path: &Path) -> Seen {
        let facts = std::fs::metadata(path).ok();
        Seen {
            at: facts.as_ref().and_then(|facts| facts.modified().ok()),
            bytes: facts.map_or(0, |facts| facts.len()),
        }
    }
}

/// Follows until `stop` says true.
pub(crate) async fn run(exchange: Arc<Exchange>, mut stop: watch::Receiver<bool>) {
    let Some(path) = exchange.settings.directory.clone() else {
        return;
    };
    let mut follower = Follower {
        seen: Seen::of(&path),
        kept: exchange.book.version(),
        path,
        told: None,
        exchange,
    };
    // A node that starts with one that has ended says so at once.
    let soon = follower.ends_soon();
    if soon.is_some() {
        follower.tell(soon).await;
    }
    while !*stop.borrow() {
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = follower.look() => {}
        }
    }
}

struct Follower {
    exchange: Arc<Exchange>,
    path: PathBuf,
    seen: Seen,
    /// The version in the file.
    kept: u64,
    /// What the work list says of the directory; `None` before it was first written.
    told: Option<Option<String>>,
}

impl Follower {
    async fn look(&mut self) {
        let mut wrong = None;
        if let Err(problem) = self.look_at_file().await {
            let path = self.path.display().to_string();
            tracing::warn!(%problem, path, "the directory in the file is not taken");
            wrong = Some(format!(
                "What is in the file of the directory is not taken: {}",
                problem.message
            ));
        }
        self.ask_neighbours().await;
        if self.exchange.book.version() > self.kept {
            self.keep();
        }
        if let Err(problem) = self.exchange.renew_keys().await {
            tracing::error!(%problem, "the next keys, which the directory lists, could not be taken up");
            wrong = wrong.or(Some(format!(
                "This node's next keys are listed and could not be taken up: {}",
                problem.message
            )));
        }
        if let Err(problem) = self.exchange.tidy_joining().await {
            tracing::warn!(%problem, "cards that are listed now could not be put away");
        }
        let soon = self.ends_soon();
        self.tell(wrong.or(soon)).await;
    }

    async fn look_at_file(&mut self) -> Result<(), Problem> {
        let seen = Seen::of(&self.path);
        if seen == self.seen {
            return Ok(());
        }
        let text = tokio::fs::read_to_string(&self.path).await;
        let text =
            text.map_err(|error| Problem::new(Kind::NoStore, "It cannot be read.").because(error))?;
        let taken = self.exchange.take_directory(&text, "the file").await;
        if taken
            .as_ref()
            .is_err_and(|problem| problem.kind == Kind::Conflict)
        {
            // With an older one in its place the node would not start again.
            tracing::warn!(
                "the file holds an older directory than the one in force, and gets that one"
            );
            self.keep();
            return Ok(());
        }
        if taken? {
            tracing::info!(
                version = self.exchange.book.version(),
                "a newer directory is in force"
            );
        }
        // What is wrong stays to be told until it is put right.
        self.seen = seen;
        self.kept = self.exchange.book.version();
        Ok(())
    }

    async fn ask_neighbours(&mut self) {
        let own = self.exchange.organisation();
        let members = self.exchange.book.members();
        let others = members
            .iter()
            .filter_map(|member| member.organisation().ok());
        let others: Vec<Ods> = others.filter(|ods| ods != own).collect();
        let mut asked = JoinSet::new();
        for ods in others.sample(&mut rand::rng(), ASKED).cloned() {
            let exchange = self.exchange.clone();
            asked.spawn(async move {
                let version = exchange.book.version();
                let asked = exchange.transport.directory(&ods, version);
                let answer = tokio::time::timeout(ANSWER_MAX, asked).await;
                (ods, answer)
            });
        }
        while let Some(answer) = asked.join_next().await {
            // Who does not answer, or has nothing newer, is no news.
            let Ok((from, Ok(Ok(Some(text))))) = answer else {
                continue;
            };
            match self.exchange.take_directory(&text, from.as_str()).await {
                Ok(true) => {
                    let version = self.exchange.book.version();
                    tracing::info!(version, %from, "a newer directory is in force");
                }
                Ok(false) => {}
                Err(problem) => {
                    tracing::warn!(%problem, %from, "a neighbour's directory is not taken")
                }
            }
        }
    }

    /// Puts the one in force into the file's place, for the next start.
    fn keep(&mut self) {
        let version = self.exchange.book.version();
        match replace(&self.path, &self.exchange.book.text()) {
            Ok(()) => {
                self.seen = Seen::of(&self.path);
                self.kept = version;
            }
            Err(error) => {
                let path = self.path.display().to_string();
                tracing::error!(%error, path, "the newer directory could not be written");
            }
        }
    }

    fn ends_soon(&self) -> Option<String> {
        let end = self.exchange.book.valid_until();
        let now = self.exchange.store.now();
        (now >= end - WARN_MILLIS).then(|| match now >= end {
            true => format!(
                "The directory ended on {}: no neighbour is believed, and what is for them waits. They are asked for a newer one.",
                date::instant(end)
            ),
            false => format!("The directory ends on {}.", date::instant(end)),
        })
    }

    /// Puts onto the work list what a person should see to, and takes it off when it is over.
    async fn tell(&mut self, what: Option<String>) {
        if self.told.as_ref() == Some(&what) {
            return;
        }
        match self.exchange.store.set_alarm(ALARM, what.clone()).await {
            Ok(()) => self.told = Some(what),
            Err(problem) => tracing::error!(%problem, "the directory's alarm could not be written"),
        }
    }
}

impl Exchange {
    /// Puts a directory into force if it is newer than the one that is; gives whether it was. `from` says where it
    /// came from, for the audit log.
    ///
    /// # Errors
    /// As `Book::reload`; those of the store, when it is in force already.
    pub async fn take_directory(&self, text: &str, from: &str) -> Result<bool, Problem> {
        if !self.book.reload(text, self.store.now())? {
            return Ok(false);
        }
        let version = self.book.version();
        let scope = Scope::system(SystemPurpose::DeliverParcels);
        let mut job = Job::effect(Effect::Parcel(ParcelWrite::Directory { version }));
        let target = Target {
            query: Some(format!("directory-version={version}&from={from}").into()),
            ..Target::default()
        };
        job.traces
            .push(scope.trace(Interaction::System, Outcome::Success, target));
        self.store.commit(&scope, job).await?;
        Ok(true)
    }

    /// Takes up this node's next keys once the directory lists them; gives whether it did. The follower does this by
    /// itself.
    ///
    /// # Errors
    /// `NoStore` if they cannot be moved into their place; those of the store, when they are in force already.
    pub async fn renew_keys(&self) -> Result<bool, Problem> {
        let Some(next) = self.identity.next()? else {
            return Ok(false);
        };
        let now = self.store.now();
        let own = self.book.member(self.organisation(), now);
        let kid = next.signing().public().kid().to_owned();
        let is_listed = own.is_some_and(|own| {
            own.has_certificate(&next.certificate_sha256(), now) && own.key(&kid, now).is_some()
        });
        if !is_listed {
            return Ok(false);
        }
        self.identity.take_up_next(now)?;
        tracing::info!(key = kid, "this node's next keys are in force");
        let scope = Scope::system(SystemPurpose::DeliverParcels);
        let target = Target {
            query: Some(format!("keys-taken-up={kid}").into()),
            ..Target::default()
        };
        let job = Job {
            traces: vec![scope.trace(Interaction::System, Outcome::Success, target)],
            ..Job::default()
        };
        self.store.commit(&scope, job).await?;
        Ok(true)
    }

    /// The directory in force, if it is newer than that version.
    pub fn newer_directory(&self, above: u64) -> Option<Arc<str>> {
        (self.book.version() > above).then(|| self.book.text())
    }
}

/// Puts a text in a file's place as a whole, or not at all.
///
/// # Errors
/// The disk's.
pub fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = PathBuf::from(name);
    let mut file = std::fs::File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    std::fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
