//! Lines of the audit log that are verified in a second: read, hashed, compared with the tree and with
//! what a witness signed.

use std::time::Instant;

use access::{Interaction, Ods, Outcome, Scope, SystemPurpose, Target};
use anyhow::{Result, ensure};
use store::{Database, Job, Settings, Store, Witnessed};

use crate::measure::median;
use crate::report::{Report, Wanted};

const LINES: usize = 1_000_000;
const LINES_AT_ONCE: usize = 10_000;
const TIMES: usize = 3;
const WANTED: f64 = 200_000.0;

pub fn measure(report: &mut Report) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let rate = runtime.block_on(rate())?;
    report.figure(
        "audit verification",
        "entries/s",
        rate,
        Wanted::AtLeast(WANTED),
    );
    Ok(())
}

async fn rate() -> Result<f64> {
    let folder = tempfile::tempdir()?;
    let database = Database::Sqlite(folder.path().join("handover.sqlite"));
    let store = Store::open(Settings::new(database, Ods::parse("A81001")?)).await?;
    write(&store).await?;
    let head = store.grow_audit_tree().await?;
    let signed = Witnessed {
        size: head.size,
        root: head.root,
        by: "RZZ01".into(),
    };
    let mut rates = Vec::new();
    for _ in 0..TIMES {
        let began = Instant::now();
        let check = store.check_audit(vec![signed.clone()]).await?;
        let seconds = began.elapsed().as_secs_f64();
        ensure!(
            check.findings.is_empty() && check.agreed.is_some(),
            "the log does not verify"
        );
        rates.push(check.lines as f64 / seconds);
    }
    store.close().await;
    Ok(median(&rates))
}

/// Lines as reads over FHIR leave them.
async fn write(store: &Store) -> Result<()> {
    let scope =
        Scope::system(SystemPurpose::Measure).for_request("0199a1c2-1f00-7000-8000-000000000000");
    let line = |number: usize| {
        let target = Target {
            ty: "Observation".into(),
            id: Some(format!("observation-{number:032}")),
            version: Some(1),
            patient: Some(format!("patient-{:028}", number % 10_000)),
            query: None,
        };
        scope.trace(Interaction::Read, Outcome::Success, target)
    };
    for start in (0..LINES).step_by(LINES_AT_ONCE) {
        let job = Job {
            traces: (start..start + LINES_AT_ONCE).map(line).collect(),
            ..Job::default()
        };
        store.commit(&scope, job).await?;
    }
    Ok(())
}
