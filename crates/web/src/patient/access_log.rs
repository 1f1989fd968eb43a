//! `GET /access-log`: who looked at the patient's record, when and why (P27). Every line of the log
//! about them counts; what one request did is one row.

use std::sync::Arc;

use access::{AgentKind, AuditEntry, Interaction, Outcome, Who};
use axum::extract::{Query, State};
use axum::response::Response;
use fhir::date::Millis;
use serde::Deserialize;
use store::AuditFilter;

use crate::node::Node;
use crate::page::Page;
use crate::page::parts::Label;
use crate::page::problem::Refusal;
use crate::page::tongue::Language;
use crate::patient::views;
use crate::visit::Visit;

/// Lines of the log on one page.
const LINES: u32 = 200;

/// What the address may ask for.
#[derive(Deserialize)]
pub struct Asked {
    before: Option<i64>,
}

/// The page.
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let scope = visit
        .scope(&node, Interaction::AccessLog, "AuditEvent")
        .await?;
    let filter = AuditFilter {
        patient: None,
        before: asked.before,
        count: LINES,
    };
    let log = node.store.audit_page(&scope, &filter).await?;
    let same = |a: &AuditEntry, b: &AuditEntry| {
        a.request_id == b.request_id
            && a.agent == b.agent
            && a.outcome == b.outcome
            && a.interaction == b.interaction
    };
    let rows = log.entries.chunk_by(same);
    let reader = match &visit.known()?.who {
        Who::Patient { patient, .. } => patient.as_str(),
        _ => "",
    };
    let is_own = visit.acting().is_none();
    let language = visit.reads();
    let view = views::AccessLog {
        rows: rows
            .filter_map(|lines| row(&node, (reader, is_own), lines, (visit.now, language)))
            .collect(),
        organisation: node.site.name.clone(),
        older: log
            .next
            .map(|before| format!("/access-log?before={before}")),
        newest: asked.before.map(|_| "/access-log".to_owned()),
    };
    let page = Page::new("patient/access-log.jinja", "Who looked", view).under("/access-log");
    Ok(page.answer(&node.site, &visit))
}

fn row(
    node: &Node,
    (reader, is_own): (&str, bool),
    lines: &[AuditEntry],
    (now, language): (Millis, Language),
) -> Option<views::Look> {
    let first = lines.first()?;
    let about = lines.iter().map(|line| category(&line.target.ty));
    let mut about: Vec<String> = about.map(|it| language.say_of(it)).collect();
    about.sort_unstable();
    about.dedup();
    let called = |name: &str| {
        let called = named(node, name, first.agent.role.as_deref());
        language.say_of(&called)
    };
    let (who, role) = who(node, (reader, language), first, called);
    Some(views::Look {
        when: language.moment(first.at, now),
        who,
        role,
        did: language.say_of(&did(&first.interaction)),
        about: about.join(", "),
        why: if acts(first) {
            language.tell("look-leave", &[])
        } else {
            language.say_of(&why(&first.purpose))
        },
        label: label(first).map(|it| Label {
            text: language.say(it.text),
            ..it
        }),
        ask: (is_own && first.agent.kind != AgentKind::Node && first.agent.patient.is_none())
            .then(|| format!("/record/query/look~{}", first.seq)),
        entries: lines.len(),
    })
}

/// How a member of staff is called to patients: by name, but for roles whose holders must be safe from
/// the people whom they look after. That somebody looked is told all the same.
pub(super) fn named(node: &Node, name: &str, role: Option<&str>) -> String {
    let is_withheld =
        role.is_some_and(|role| node.unnamed_roles.iter().any(|it| it.code() == role));
    if is_withheld {
        "A member of staff (name withheld for their safety)".to_owned()
    } else {
        name.to_owned()
    }
}

/// The name, that of staff as `named` gives it; then the role and organisation.
/// `reader` is the patient who reads it; empty for staff.
pub(crate) fn who(
    node: &Node,
    (reader, language): (&str, Language),
    entry: &AuditEntry,
    named: impl Fn(&str) -> String,
) -> (String, String) {
    let agent = &entry.agent;
    let organisation = match &agent.organisation {
        Some(ods) => (node.organisation_name)(ods),
        None => node.site.name.clone(),
    };
    let role = agent.role.as_deref().unwrap_or_default().replace('-', " ");
    let role = language.say_of(&role);
    let tell = |id| language.tell(id, &[]);
    match agent.kind {
        AgentKind::Patient if acts(entry) => {
            (patients(reader, entry, language), tell("look-own-sign-in"))
        }
        AgentKind::Patient => (patients(reader, entry, language), agent.name.clone()),
        AgentKind::Node => (tell("look-service"), organisation),
        AgentKind::Peer if agent.name.is_empty() => (organisation, tell("look-system")),
        AgentKind::Peer => (named(&agent.name), format!("{role}, {organisation}")),
        AgentKind::Staff if role.is_empty() => (named(&agent.name), organisation),
        AgentKind::Staff => (named(&agent.name), format!("{role}, {organisation}")),
    }
}

/// Whether somebody did it who acts for the patient.
fn acts(entry: &AuditEntry) -> bool {
    entry.agent.kind == AgentKind::Patient && entry.agent.patient != entry.target.patient
}

/// A patient, or somebody who acts for them, as the reader is one or the other.
fn patients(reader: &str, entry: &AuditEntry, language: Language) -> String {
    let (by, about) = (
        entry.agent.patient.as_deref(),
        entry.target.patient.as_deref(),
    );
    let is_readers = about == Some(reader);
    let id = match (by == about, by == Some(reader)) {
        (true, true) => "look-you",
        (true, false) => "look-patient",
        (false, true) => "look-you-for-them",
        (false, false) if is_readers => "look-for-you",
        (false, false) => "look-for-them",
    };
    language.tell(id, &[("name", &entry.agent.name)])
}

/// What was done, in plain words; the log's own word where there is none.
pub(crate) fn did(interaction: &str) -> String {
    let plain = match interaction {
        "read" | "vread" => "Read",
        "history-instance" | "history-type" | "history-system" => "Read older versions",
        "search-type" => "Looked for",
        "create" => "Added",
        "update" | "patch" | "remove-label" => "Changed",
        "delete" => "Deleted",
        "everything" | "document" => "Took out the whole record",
        "ask" | "ask-for-oneself" => "Asked for the record across organisations",
        "export" => "Took out in bulk",
        "match" => "Looked for a person",
        "inbox" | "unmatched" | "sent" => "Saw in a list of letters",
        "item" | "open-letter" => "Opened",
        "file-letter" => "Filed",
        "match-letter" => "Put into a record",
        "return-letter" => "Sent back",
        "act-on-letter" => "Acted on",
        "send-letter" => "Sent",
        "hold-back-letter" | "release-letter" => "Decided what you are shown",
        "withdraw-letter" => "Took back",
        "record" => "Looked at the record",
        "access-log" => "Looked at who looked",
        "set-sharing" => "Said what may be shared",
        "slots" => "Looked for free appointments",
        "keep-diary" => "Changed the diary",
        "book-appointment" => "Booked or moved an appointment",
        "cancel-appointment" => "Cancelled an appointment",
        "order-medicines" => "Ordered medicines, or chose a pharmacy",
        "prescriptions" => "Saw in a list of prescriptions",
        "write-letter" => "Wrote a letter about you",
        "sign-letter" => "Signed and sent letters about you",
        "prescribe" => "Decided about a prescription",
        "tasks" => "Saw in a list of work to do",
        "work-task" => "Gave or did work that is about you",
        "rules" => "Saw in a list of what rules do",
        "keep-rules" => "Undid what a rule did",
        "referrals" => "Saw in a list of referrals",
        "messages" => "Read messages",
        "write-message" => "Wrote or opened a message",
        "ask-about" => "Asked about the record",
        "record-questions" => "Saw in a list of questions",
        "answer-question" => "Opened or answered a question",
        "refer" => "Referred you, or took that back",
        "triage-referral" => "Decided about a referral",
        "hand-over" => "Handed over from an ambulance",
        "take-over" => "Took over from an ambulance",
        "handovers" => "Looked at an ambulance’s handover",
        "dispense" => "Dispensed, or told about a prescription",
        "proxies" => "Looked at who may act for you, or changed it",
        other => other,
    };
    plain.to_owned()
}

/// What sort of thing it was about.
pub(crate) fn category(ty: &str) -> &str {
    match ty {
        "" => "the record",
        "Patient" => "name, address and other details",
        "DocumentReference" | "Binary" | "Composition" => "letters",
        "Observation" | "DiagnosticReport" => "results and measurements",
        "MedicationRequest" | "MedicationStatement" | "MedicationDispense" => "medicines",
        "Task" => "requests for medicines, and other work to do",
        "Communication" => "messages and questions",
        "AllergyIntolerance" => "allergies",
        "Condition" | "Procedure" => "conditions and treatments",
        "Appointment" | "Encounter" | "ServiceRequest" => "visits and referrals",
        "Immunization" => "vaccinations",
        "AuditEvent" => "who looked",
        "Consent" => "what may be shared",
        "Provenance" => "where something came from",
        "PlanDefinition" => "what a rule did",
        other => other,
    }
}

/// The reason, in plain words; the log's own word where there is none.
pub(crate) fn why(purpose: &str) -> String {
    let plain = match purpose {
        "TREAT" => "Your care",
        "ETREAT" | "BTG" => "An emergency",
        "PATRQT" => "You asked for it",
        "HOPERAT" => "Running the service",
        "HCOMPL" => "Checking who looked, and why",
        "map-messages" => "Taking in a message from a hospital's system",
        "deliver-parcels" | "report-parcels" => "Delivering a letter",
        "take-in-parcels" => "Taking in a letter",
        "keep-sharing" => "Keeping to what you want shared",
        "keep-pointers" => "Telling your practice where there is something about you",
        "answer-asks" => "Finding whom another organisation asks about",
        "keep-appointments" => "Keeping appointments",
        "keep-referrals" => "Taking in or carrying a referral",
        "keep-handovers" => "Taking in or carrying an ambulance’s handover",
        "keep-questions" => "Carrying a question about your record",
        "carry-prescriptions" => "Carrying a prescription to the pharmacy",
        "follow-rules" => "Doing routine work by a rule that staff switched on",
        "import" => "Taking in records from a file",
        "trace-people" => "Comparing who you are with the national record",
        "keep-whereabouts" => "Keeping secret where you live",
        "keep-familiar" => "Checking that nobody looks at records of people whom they know",
        "open-account" => "Opening your account",
        "answer-who-looked" => "Answering who looked",
        other => other,
    };
    plain.to_owned()
}

pub(crate) fn label(entry: &AuditEntry) -> Option<Label> {
    let (text, colour) = match (entry.outcome, &*entry.purpose) {
        (Outcome::Success, "ETREAT" | "BTG") => ("Emergency access", "red"),
        (Outcome::Success, _) => return None,
        (Outcome::Absent, _) => ("Found nothing", "grey"),
        (Outcome::Withheld, _) => ("Was not shown", "orange"),
        (Outcome::Refused, _) => ("Refused", "orange"),
    };
    Some(Label {
        text,
        colour: Some(colour),
    })
}
