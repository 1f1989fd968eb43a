//! Settles the neighbourhood's people: staff accounts, registered patients, patients' accounts.

use access::{NhsNumber, Ods, Scope, SystemPurpose};
use anyhow::Context as _;
use fhir::json::{self, Limits};
use parking_lot::Mutex;
use store::accounts::{Holder, NewAccount};
use store::care::CareWrite;
use store::prescriptions::PrescriptionWrite;
use store::{Change, Expect, Job, Prepared, Reading, Release, Store};

use super::PASSWORD;
use super::neighbours::Neighbour;
use super::population::Person;
use super::population::writing::{CRISIS_TEAM, MENTAL_HEALTH};

/// The made-up people as the stand-in of PDS knows them: all registered patients, each at their practice.
pub fn known_to_pds(people: &[Person]) -> String {
    let mut known: Vec<_> = people.iter().map(|it| it.patient(&it.id)).collect();
    for neighbour in super::neighbours::NEIGHBOURS {
        let registered: Vec<serde_json::Value> =
            serde_json::from_str(neighbour.registered).unwrap_or_default();
        for mut person in registered {
            let practice = exchange::pds::said::practice_reference(neighbour.ods);
            if let Some(members) = person.as_object_mut() {
                members.insert(
                    "generalPractitioner".to_owned(),
                    [practice].as_slice().into(),
                );
            }
            known.push(person);
        }
    }
    serde_json::Value::Array(known).to_string()
}

/// Makes what is not there yet. Safe to repeat.
///
/// # Errors
/// If the store cannot write.
pub async fn settle(neighbour: &Neighbour, store: &Store) -> anyhow::Result<()> {
    let ods = Ods::parse(neighbour.ods)?;
    register(neighbour.registered, &ods, store).await?;
    register(neighbour.medicines, &ods, store).await?;
    register(neighbour.records, &ods, store).await?;
    if neighbour
        .patients
        .iter()
        .any(|it| it.username == "margaret")
    {
        ask_margaret(&ods, store).await?;
    }
    nominate(neighbour, store).await?;
    for account in neighbour.accounts {
        let holder = Holder::Staff {
            role: account.role,
            organisation: ods.clone(),
        };
        open_once(store, account.username, account.name, holder).await?;
    }
    if neighbour.has_fax {
        take_fax(store).await?;
    }
    publish_sessions(neighbour, store).await?;
    for patient in neighbour.patients {
        let holder = Holder::Patient {
            patient: patient.patient.to_owned(),
            nhs_number: NhsNumber::parse(patient.nhs_number)?,
        };
        open_once(store, patient.username, patient.name, holder).await?;
    }
    make_workgroups(neighbour, store).await
}

/// Opens an account with the demo's password, unless it is there; whether it is new.
pub async fn open_once(
    store: &Store,
    username: &str,
    name: &str,
    holder: Holder,
) -> anyhow::Result<bool> {
    if store.credentials(username).await?.is_some() {
        return Ok(false);
    }
    store
        .open_account(NewAccount {
            login: username.to_owned(),
            name: name.to_owned(),
            holder,
            password_hash: Some(hashed()?),
        })
        .await?;
    Ok(true)
}

/// The demo's one password, hashed once: hashing is slow on purpose.
fn hashed() -> anyhow::Result<String> {
    static HASHED: Mutex<Option<String>> = Mutex::new(None);
    let mut hashed = HASHED.lock();
    if let Some(hash) = hashed.as_ref() {
        return Ok(hash.clone());
    }
    let hash = web::sign_in::password::hash(PASSWORD)?;
    *hashed = Some(hash.clone());
    Ok(hash)
}

/// Workgroups: whose, which, and who is in it. Crisis plans are sealed to the first; to the second is released where somebody lives
/// whose address is secret.
const WORKGROUPS: [(&str, &str, &str); 2] = [
    (MENTAL_HEALTH, CRISIS_TEAM, "nurse"),
    ("Z99002", "Home visits", "doctor"),
];

async fn make_workgroups(neighbour: &Neighbour, store: &Store) -> anyhow::Result<()> {
    for (_, name, login) in WORKGROUPS.iter().filter(|it| it.0 == neighbour.ods) {
        let member = store
            .credentials(login)
            .await?
            .with_context(|| format!("{} has no {login}", neighbour.name))?;
        let account = member.account.id;
        let members = store.workgroup_members(Some(name)).await?;
        if members.iter().any(|(_, member)| member.id == account) {
            continue;
        }
        let join = CareWrite::Join {
            account,
            workgroup: (*name).to_owned(),
        };
        crate::commands::workgroup::commit(store, join, name, account).await?;
    }
    Ok(())
}

pub const DAY_MS: i64 = 86_400_000;
/// Days for which there are sessions, from tomorrow on.
const DAYS_AHEAD: i64 = 14;

/// Two questionnaires that are made up, and Margaret is asked to answer both.
async fn ask_margaret(ods: &Ods, store: &Store) -> anyhow::Result<()> {
    register(
        include_str!("../../../demo/questionnaires.json"),
        ods,
        store,
    )
    .await?;
    let now = store.now();
    let due = fhir::date::date(now + 14 * DAY_MS);
    let asks = [
        (
            "before-hospital",
            "Before your hospital appointment",
            "You have been referred to the hospital",
        ),
        (
            "asthma-review",
            "Asthma review",
            "Your yearly review is due",
        ),
    ];
    let tasks = asks.map(|(name, title, why)| {
        let mut task = fhir::questionnaire::task(
            &format!("margaret-{name}"),
            "Patient/margaret-hill",
            &format!("https://handover.example/Questionnaire/{name}|1"),
            fhir::questionnaire::Answerer::Patient,
            why,
            now,
            Some(&due),
        );
        fhir::members::set(&mut task, "description", title.into());
        task
    });
    let tasks = serde_json::Value::from(tasks.to_vec());
    register(&tasks.to_string(), ods, store).await
}

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

/// The pharmacy of the neighbourhood.
const PHARMACY: &str = "FZZ01";
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

/// Lets the patients who can sign in have chosen the corner pharmacy, unless they have chosen.
async fn nominate(neighbour: &Neighbour, store: &Store) -> anyhow::Result<()> {
    for patient in neighbour.patients {
        choose_pharmacy(store, patient.patient, patient.name).await?;
    }
    Ok(())
}

/// Lets a patient have chosen the corner pharmacy, unless they have chosen.
pub async fn choose_pharmacy(store: &Store, patient: &str, name: &str) -> anyhow::Result<()> {
    let scope = Scope::system(SystemPurpose::Demo);
    let chosen = store.nominated_pharmacy(&scope, patient).await?;
    if chosen.is_none() {
        let write = PrescriptionWrite::Nominate {
            patient: patient.to_owned(),
            pharmacy: PHARMACY.to_owned(),
            by: name.to_owned(),
        };
        let job = Job::effect(store::Effect::Prescription(write));
        store.commit(&scope, job).await?;
    }
    Ok(())
}

/// Stores those resources that are not there.
async fn register(resources: &str, ods: &Ods, store: &Store) -> anyhow::Result<()> {
    let resources: Vec<serde_json::Value> = serde_json::from_str(resources)?;
    let scope = Scope::system(SystemPurpose::Demo);
    let mut job = Job::default();
    for resource in &resources {
        let member = |name: &str| resource.get(name).and_then(serde_json::Value::as_str);
        let id = member("id").context("a resource of the demo without an id")?;
        let ty = member("resourceType").context("a resource of the demo without a type")?;
        if matches!(store.read(&scope, ty, id).await?, Reading::Found(_)) {
            continue;
        }
        let text = resource.to_string();
        let resource = json::parse(text.as_bytes(), &Limits::default())?;
        fhir::validate::validate(&resource, fhir::definitions::Definitions::r4())?;
        job.changes.push(Change::Put {
            resource: Prepared::new(&resource, id, ods)?,
            expect: Expect::Absent,
            release: Release::At(store.now()),
        });
    }
    if !job.changes.is_empty() {
        store.commit(&scope, job).await?;
    }
    Ok(())
}
