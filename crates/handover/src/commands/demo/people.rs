//! Settles the neighbourhood's people: staff accounts, registered patients, patients' accounts.

use access::{NhsNumber, Ods, Scope, SystemPurpose};
use anyhow::Context as _;
use fhir::json::{self, Limits};
use store::accounts::Holder;
use store::{Change, Expect, Job, Prepared, Reading, Release, Store};

use super::PASSWORD;
use super::neighbours::Neighbour;
use crate::commands::account::open_account;

/// Makes what is not there yet. Safe to repeat.
///
/// # Errors
/// If the store cannot write.
pub async fn settle(neighbour: &Neighbour, store: &Store) -> anyhow::Result<()> {
    let ods = Ods::parse(neighbour.ods)?;
    register_patients(neighbour, &ods, store).await?;
    for account in neighbour.accounts {
        if store.credentials(account.username).await?.is_none() {
            let holder = Holder::Staff {
                role: account.role,
                organisation: ods.clone(),
            };
            open_account(store, account.username, account.name, holder, PASSWORD).await?;
        }
    }
    if neighbour.has_fax {
        take_fax(store).await?;
    }
    publish_sessions(neighbour, store).await?;
    for patient in neighbour.patients {
        if store.credentials(patient.username).await?.is_none() {
            let holder = Holder::Patient {
                patient: patient.patient.to_owned(),
                nhs_number: NhsNumber::parse(patient.nhs_number)?,
            };
            open_account(store, patient.username, patient.name, holder, PASSWORD).await?;
        }
    }
    Ok(())
}

const DAY_MS: i64 = 86_400_000;
/// Days for which there are sessions, from tomorrow on.
const DAYS_AHEAD: i64 = 14;

/// Publishes what is not published yet.
async fn publish_sessions(neighbour: &Neighbour, store: &Store) -> anyhow::Result<()> {
    let scope = Scope::system(SystemPurpose::Demo);
    let today = store.now() / DAY_MS;
    // The first day of the count was a Thursday.
    let is_working_day = |day: &i64| (day + 3).rem_euclid(7) < 5;
    for day in (today + 1..=today + DAYS_AHEAD).filter(is_working_day) {
        let date = fhir::date::date(day * DAY_MS);
        for one in neighbour.sessions {
            let at = |time| web::uk_moment(&date, time).context("a session's time");
            let session = exchange::booking::Session {
                from: at(one.from)?,
                until: at(one.until)?,
                minutes: one.minutes,
                with: one.with.to_owned(),
                kind: one.kind.to_owned(),
                audience: one.audience,
            };
            match exchange::booking::publish(store, &scope, &session).await {
                Err(problem) if problem.kind == fhir::problem::Kind::Duplicate => {}
                published => {
                    published?;
                }
            }
        }
    }
    Ok(())
}

/// A fax as a fax server would hand it over; the same one at each start.
const FAX: &[u8] = include_bytes!("../../../demo/fax-from-old-mill.tif");

/// Hands over what came by fax. What is here already changes nothing.
async fn take_fax(store: &Store) -> anyhow::Result<()> {
    let said = exchange::fax::Said {
        queue: "demo".into(),
        caller: "0113 496 0001".into(),
        station: "OLD MILL CLINIC".into(),
    };
    let fax = exchange::fax::new_fax(&said, FAX.to_vec(), FAX.len(), 1)?;
    let write = store::fax::FaxWrite::Take(Box::new(fax));
    let scope = Scope::system(SystemPurpose::Demo);
    let job = Job::effect(store::Effect::Fax(write));
    store.commit(&scope, job).await?;
    Ok(())
}

async fn register_patients(neighbour: &Neighbour, ods: &Ods, store: &Store) -> anyhow::Result<()> {
    let patients: Vec<serde_json::Value> = serde_json::from_str(neighbour.registered)?;
    let scope = Scope::system(SystemPurpose::Demo);
    let mut job = Job::default();
    for patient in &patients {
        let id = patient.get("id").and_then(serde_json::Value::as_str);
        let id = id.context("a registered patient without an id")?;
        if matches!(store.read(&scope, "Patient", id).await?, Reading::Found(_)) {
            continue;
        }
        let text = patient.to_string();
        let patient = json::parse(text.as_bytes(), &Limits::default())?;
        fhir::validate::validate(&patient, fhir::definitions::Definitions::r4())?;
        job.changes.push(Change::Put {
            resource: Prepared::new(&patient, id, ods)?,
            expect: Expect::Absent,
            release: Release::At(store.now()),
        });
    }
    if !job.changes.is_empty() {
        store.commit(&scope, job).await?;
    }
    Ok(())
}
