//! One decision, as each request of a member of staff asks for it: what is known of them, and the scope
//! that follows.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use access::{Caller, Interaction, Ods, Purpose, Relationships, Role, Who};
use anyhow::Result;
use store::{Database, Settings, Store};

use crate::measure::median;
use crate::report::{Report, Wanted};

const DECISIONS: u32 = 200_000;
const TIMES: usize = 5;
const MICROSECONDS_MAX: f64 = 20.0;

pub fn measure(report: &mut Report) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let microseconds = runtime.block_on(microseconds())?;
    report.figure(
        "a decision",
        "µs",
        microseconds,
        Wanted::Below(MICROSECONDS_MAX),
    );
    Ok(())
}

async fn microseconds() -> Result<f64> {
    let folder = tempfile::tempdir()?;
    let organisation = Ods::parse("A81001")?;
    let database = Database::Sqlite(folder.path().join("handover.sqlite"));
    let mut settings = Settings::new(database, organisation.clone());
    settings.relationships = Relationships::Required;
    let store = Store::open(settings).await?;
    let who = Who::Staff {
        account: 7,
        name: "Ann Secretary".into(),
        role: Role::Clinician,
        organisation,
    };
    let caller = Caller::new(who, Arc::from("0199a1c2-1f00-7000-8000-000000000000"));
    let mut each = Vec::new();
    for _ in 0..TIMES {
        let began = Instant::now();
        for _ in 0..DECISIONS {
            let now = store.now();
            let standing = store.standing(&caller.who, now).await?;
            let scope = access::decide_for(
                black_box(&caller),
                Interaction::Read,
                "Observation",
                Purpose::DirectCare,
                (&standing, now),
            )?;
            black_box(scope);
        }
        each.push(began.elapsed().as_secs_f64() * 1e6 / f64::from(DECISIONS));
    }
    store.close().await;
    Ok(median(&each))
}
