//! Fills in everybody's history behind the running nodes, some people at a time.

mod sign_ins;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use access::{Ods, Scope, SystemPurpose};
use anyhow::Context as _;
use fhir::json::{self, Limits};
use parking_lot::Mutex;
use serde_json::Value;
use store::{Change, Expect, Job, Prepared, Reading, Release, Store};
use web::neighbourhood::SignIn;

use super::population::Person;
use super::population::stories::tell;

/// People whose histories are stored together.
const AT_ONCE: usize = 25;

/// How far it is.
pub struct Filling {
    pub people: Arc<Vec<Person>>,
    done: AtomicU32,
    stopped: Mutex<Option<String>>,
    sign_ins: Mutex<BTreeMap<&'static str, Vec<SignIn>>>,
}

impl Filling {
    pub fn of(people: Vec<Person>) -> Filling {
        Filling {
            people: Arc::new(people),
            done: AtomicU32::new(0),
            stopped: Mutex::default(),
            sign_ins: Mutex::default(),
        }
    }

    /// People whose history is there, and all.
    pub fn progress(&self) -> (u32, u32) {
        let all = u32::try_from(self.people.len()).unwrap_or(u32::MAX);
        (self.done.load(Ordering::Relaxed), all)
    }

    /// Why it stopped, if it did.
    pub fn stopped(&self) -> Option<String> {
        self.stopped.lock().clone()
    }

    /// The patients of a practice who can sign in, of those who are filled in.
    pub fn sign_ins(&self, ods: &str) -> Vec<SignIn> {
        self.sign_ins.lock().get(ods).cloned().unwrap_or_default()
    }

    /// Fills in what is not there yet; what stops it is shown on the neighbourhood's pages.
    pub async fn run(self: Arc<Filling>, stores: BTreeMap<String, Store>) {
        if let Err(problem) = self.fill(&stores).await {
            tracing::error!(?problem, "histories could not be filled in");
            *self.stopped.lock() = Some(format!("{problem:#}."));
        }
    }

    async fn fill(&self, stores: &BTreeMap<String, Store>) -> anyhow::Result<()> {
        let people = self.people.clone();
        for (number, _) in people.chunks(AT_ONCE).enumerate() {
            self.piece(stores, number * AT_ONCE).await?;
        }
        Ok(())
    }

    /// Stores the histories of the people from that number on. The organisation that keeps the last one's record is
    /// written last, so that its Patient there says that the piece is done.
    async fn piece(&self, stores: &BTreeMap<String, Store>, from: usize) -> anyhow::Result<()> {
        let some = |all: &[Person]| -> Vec<Person> {
            all.iter().skip(from).take(AT_ONCE).cloned().collect()
        };
        let some = some(&self.people);
        let Some(last) = some.last() else {
            return Ok(());
        };
        let (home, id) = (last.practice, last.id.clone());
        let scope = Scope::system(SystemPurpose::Demo);
        let home_store = stores.get(home).context("a practice has no node")?;
        if !matches!(
            home_store.read(&scope, "Patient", &id).await?,
            Reading::Found(_)
        ) {
            let today = home_store.now() / super::people::DAY_MS;
            let now = home_store.now();
            let told = some.clone();
            let jobs = tokio::task::spawn_blocking(move || jobs(&told, today, now)).await??;
            let (own, others): (Vec<_>, Vec<_>) =
                jobs.into_iter().partition(|(ods, _)| *ods == home);
            for (ods, job) in others.into_iter().chain(own) {
                let store = stores
                    .get(ods)
                    .with_context(|| format!("{ods} has no node"))?;
                store.let_others_first().await;
                store.commit(&scope, job).await?;
            }
        }
        for person in &some {
            let store = stores.get(person.practice);
            let store = store.context("a practice has no node")?;
            let there = self.sign_ins(person.practice);
            let opened = sign_ins::let_in(store, person, &self.people, &there).await?;
            if let Some(opened) = opened {
                self.sign_ins
                    .lock()
                    .entry(person.practice)
                    .or_default()
                    .push(opened);
            }
        }
        let count = u32::try_from(some.len()).unwrap_or(0);
        self.done.fetch_add(count, Ordering::Relaxed);
        Ok(())
    }
}

/// What is to be stored at each organisation.
fn jobs(people: &[Person], today: i64, now: i64) -> anyhow::Result<BTreeMap<&'static str, Job>> {
    let mut jobs: BTreeMap<&'static str, Job> = BTreeMap::new();
    for person in people {
        for (ods, kept) in tell(person, today).kept {
            let organisation = Ods::parse(ods)?;
            let job = jobs.entry(ods).or_default();
            for resource in &kept {
                job.changes.push(change(resource, &organisation, now)?);
            }
        }
    }
    Ok(jobs)
}

fn change(resource: &Value, organisation: &Ods, now: i64) -> anyhow::Result<Change> {
    let id = resource.get("id").and_then(Value::as_str);
    let id = id.context("a made-up resource has no id")?;
    let text = resource.to_string();
    let read = json::parse(text.as_bytes(), &Limits::default())?;
    // What carries a label is shown to the patient only when somebody releases it.
    let release = match resource.pointer("/meta/security") {
        Some(_) => Release::Keep,
        None => Release::At(now),
    };
    Ok(Change::Put {
        resource: Prepared::new(&read, id, organisation)?,
        expect: Expect::Anything,
        release,
    })
}
