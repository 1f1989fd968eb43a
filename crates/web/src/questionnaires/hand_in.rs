//! Answers are handed in: the response is written and the Task done in one commit; handing in again changes nothing.

use access::{Scope, Who};
use exchange::prescriptions::written;
use fhir::date;
use fhir::members::set;
use fhir::problem::Problem;
use fhir::questionnaire::{Answers, Head};
use serde_json::{Value, json};
use store::desk::TaskState;
use store::{Expect, Job, Release};

use super::sheet::{Draft, Sheet};
use super::writer;
use crate::node::Node;
use crate::page::words;
use crate::staff::desk::tasks::asked::over;
use crate::visit::Visit;

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandedIn {
    Now,
    /// It had been before, or the questionnaire was withdrawn or changed meanwhile.
    Before,
}

/// Hands in these answers, which have no fault.
///
/// # Errors
/// Those of the store.
pub(crate) async fn hand_in(
    node: &Node,
    visit: &Visit,
    scope: &Scope,
    sheet: &Sheet,
    (draft, answers): (&Draft, &Answers),
) -> Result<HandedIn, Problem> {
    let is_staff = visit.on_staff_pages();
    let (author, source) = who(visit)?;
    let at = date::instant(visit.now);
    let head = Head {
        // One Task has one response: whoever hands in again finds it there.
        id: &sheet.id,
        status: if sheet.response.is_some() {
            "amended"
        } else {
            "completed"
        },
        task: &sheet.id,
        patient: &sheet.ask.patient,
        author,
        source,
        authored: &at,
    };
    let unchanged = sheet.unchanged(draft, answers);
    let response = sheet.form.response(&head, answers, &unchanged);
    let task = done(sheet, &at);
    let release = match is_staff {
        true => Release::At(node.release_at(visit.now)),
        false => Release::At(visit.now),
    };
    let expect = match &sheet.response {
        Some((_, version)) => Expect::Version(*version),
        None => Expect::Absent,
    };
    let organisation = &node.site.organisation;
    let release = if sheet.response.is_some() {
        Release::Keep
    } else {
        release
    };
    let job = Job {
        changes: vec![
            written(&response, organisation, (expect, release))?,
            written(
                &task,
                organisation,
                (Expect::Version(sheet.version), Release::Keep),
            )?,
        ],
        effects: match is_staff {
            true => {
                let done = (sheet.id.as_str(), TaskState::Done);
                over(node, visit, scope, done).await?.into_iter().collect()
            }
            false => Vec::new(),
        },
        traces: vec![sheet.trace(scope)],
        ..Job::default()
    };
    match node.store.commit(scope, job).await {
        Ok(_) => Ok(HandedIn::Now),
        Err(problem) if problem.came_between() => Ok(HandedIn::Before),
        Err(problem) => Err(problem),
    }
}

/// The Task, done.
fn done(sheet: &Sheet, at: &str) -> Value {
    let mut task = sheet.task.clone();
    set(&mut task, "status", "completed".into());
    set(&mut task, "lastModified", at.into());
    let reference = format!("QuestionnaireResponse/{}", sheet.id);
    let output = json!([{
        "type": { "text": "answers" },
        "valueReference": { "reference": reference },
    }]);
    set(&mut task, "output", output);
    task
}

/// Who wrote the answers down, and whose they are. Somebody who acts for the patient is named, and not the patient.
fn who(visit: &Visit) -> Result<(Value, Value), Problem> {
    let (_, name) = writer(visit)?;
    let caller = visit.known()?;
    Ok(match (&caller.who, visit.acting()) {
        (Who::Patient { .. }, Some(acting)) => {
            let said = json!({ "type": "RelatedPerson", "display": format!("{name}, for {}", acting.name) });
            (said.clone(), said)
        }
        (Who::Patient { patient, .. }, None) => {
            let said = json!({ "reference": format!("Patient/{patient}"), "display": name });
            (said.clone(), said)
        }
        _ => {
            let said = json!({ "type": "Practitioner", "display": words::caller(caller) });
            (said.clone(), said)
        }
    })
}
