//! What goes wrong goes wrong in FHIR's way, and what was not meant to be read is read by nobody.

use fhir::definitions::Definitions;
use fhir::json::{Limits, parse};
use fhir::validate::validate;

use super::{DONE, Found, Statement, matches};
use crate::commands::check::run::{Ask, Rest, Run, Seen, of};
use crate::commands::check::run::{Evidence, Verdict};
use crate::commands::check::shown::encoded;

/// Values that mean something where they are pasted into a query, and nothing that anybody is called.
const ODD: [&str; 9] = [
    "zq'",
    "zq\"",
    "zq' or 'zq'='zq",
    "zq'; drop table handover_check; --",
    "zq\\",
    "zq%",
    "zq){\"$gt\":\"\"}",
    "zq<script>alert(1)</script>",
    "zq\u{0}\u{7f}",
];

pub(super) async fn check(run: &mut Run, statement: &Statement, found: &[Found]) {
    let rest = Box::pin(odd(run, statement, found)).await;
    run.ends(&["fhir-injection"], rest);
    outcomes(run);
    servers(run);
}

async fn odd(run: &mut Run, statement: &Statement, found: &[Found]) -> Rest {
    let mut tries = Vec::new();
    for declared in statement.types.iter().filter(|it| it.has("search-type")) {
        let has = found.iter().any(|it| it.ty == declared.ty);
        for wanted in ["string", "token"] {
            let parameter = declared
                .parameters
                .iter()
                .find(|(name, kind)| kind == wanted && !name.starts_with('_'));
            if let (Some((name, _)), true) = (parameter, has) {
                tries.push((declared.ty.clone(), name.clone()));
            }
        }
    }
    tries.truncate(2);
    let (mut widened, mut last) = (None, None);
    for (ty, name) in &tries {
        for value in ODD {
            let path = format!("/{ty}?{}={}&_count=1", encoded(name), encoded(value));
            let seen = run.ask(Ask::get(path)).await?;
            let told = seen.json().unwrap_or_default();
            if seen.is_ok() && !matches(&told).is_empty() && widened.is_none() {
                widened = Some((seen.clone(), value));
            }
            last = Some(seen);
        }
    }
    let last =
        last.ok_or("No type of which something was found has a parameter to try this with.")?;
    match widened {
        Some((seen, value)) => {
            let found = format!("{value:?} finds what nothing is called");
            run.holds("fhir-injection", false, &seen, found);
        }
        None => {
            let found = format!(
                "{} odd values: each finds nothing or is refused",
                ODD.len() * tries.len()
            );
            run.holds("fhir-injection", true, &last, found);
        }
    }
    DONE
}

/// Of all the errors of this run.
fn outcomes(run: &mut Run) {
    let ids = ["fhir-outcome", "fhir-outcome-valid"];
    let errors = std::mem::take(&mut run.errors);
    let Some(first) = errors.first() else {
        return run.leaves(&ids, "Nothing was refused in this run.");
    };
    let (mut bare, mut wrong) = (Vec::new(), Vec::new());
    for seen in &errors {
        match fault(seen) {
            Ok(()) => {}
            Err(None) => bare.push(of(
                seen,
                format!("{}, no OperationOutcome", seen.media_type()),
            )),
            Err(Some(place)) => wrong.push(of(seen, place)),
        }
    }
    for (id, faults) in [("fhir-outcome", bare), ("fhir-outcome-valid", wrong)] {
        match faults.len() {
            0 => run.holds(
                id,
                true,
                first,
                format!("{} errors were looked at", errors.len()),
            ),
            count => {
                let reason = format!("{count} of {} errors", errors.len());
                run.tell(id, Verdict::NotMet, reason, faults);
            }
        }
    }
    run.errors = errors;
}

/// `None`: it is no OperationOutcome. Otherwise the place that is wrong in it.
fn fault(seen: &Seen) -> Result<(), Option<String>> {
    if !seen.is("OperationOutcome") {
        return Err(None);
    }
    let Ok(json) = parse(&seen.body, &Limits::default()) else {
        return Err(Some("the OperationOutcome does not read".into()));
    };
    validate(&json, Definitions::r4()).map_err(|problem| {
        let place = problem.expression.as_deref().unwrap_or("OperationOutcome");
        Some(format!("{place} ({})", problem.code()))
    })
}

/// The server's own errors, and requests that were not answered at all.
fn servers(run: &mut Run) {
    let failed = run
        .errors
        .iter()
        .filter(|it| matches!(it.status, 500 | 502 | 504..));
    let mut faults: Vec<Evidence> = failed.map(|it| of(it, "the server failed")).collect();
    let unanswered = run.unanswered.iter();
    faults.extend(unanswered.map(|(request, reason)| Evidence {
        request: request.clone(),
        status: None,
        found: reason.clone(),
    }));
    let reason = match faults.len() {
        0 => String::new(),
        count => format!("{count} requests of this run"),
    };
    let verdict = if faults.is_empty() {
        Verdict::Met
    } else {
        Verdict::NotMet
    };
    if faults.is_empty() {
        faults.push(Evidence {
            request: "every request of this run".into(),
            status: None,
            found: "answered, and none with a failure of the server's".into(),
        });
    }
    run.tell("fhir-no-server-error", verdict, reason, faults);
}
