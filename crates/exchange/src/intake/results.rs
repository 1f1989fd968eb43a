//! Results on their way to the patient's practice, where the settings say so: each final report as a letter. One that is corrected
//! stands in the place of the one before, and one that was declared wrong calls it back; whoever opened it is told, as with
//! letters, and where it left by fax or by MESH the work list says whom to ring.

use access::{NhsNumber, Ods};
use fhir::date;
use fhir::members::{each, text};
use fhir::practice;
use fhir::problem::{Kind, Problem};
use hl7v2::to_fhir::{Made, Mapped};
use serde_json::Value;
use store::hl7_inbox::WorkNote;
use store::parcels::ParcelWrite;
use store::{Effect, Reading};

use super::post::note;
use super::{Intake, Plan};
use crate::manifest::Mark;
use crate::{Letter, LetterContent};

/// Lines of one result's letter; how many there are beyond is said.
const LINES_MAX: usize = 2_000;

/// What became of the results of a message.
#[derive(Default)]
pub(super) struct Results {
    pub effects: Vec<Effect>,
    pub note: Option<WorkNote>,
    /// What is here of them is newer: nothing of the message's results counts.
    pub is_older: bool,
}

impl Intake {
    /// What is sent, superseded and withdrawn of a message's results.
    pub(super) async fn results(&self, plan: &Plan, mapped: &Mapped) -> Result<Results, Problem> {
        let mut results = Results::default();
        let is_skipped =
            !self.sends_results || mapped.letter.is_some() || plan.waiting.mapped_before;
        if is_skipped {
            return Ok(results);
        }
        for report in mapped
            .resources
            .iter()
            .filter(|it| it.ty == "DiagnosticReport")
        {
            if self.is_overtaken(plan, report).await? {
                results.is_older = true;
                results.note = Some(note(
                    "An older state of a result came after a newer one. Nothing was changed, and nothing was sent.",
                    "Nothing, if the newer one is right; else ask the laboratory.",
                ));
                return Ok(Results {
                    effects: Vec::new(),
                    ..results
                });
            }
            let (effect, said) = self.result(plan, mapped, report).await?;
            results.effects.extend(effect);
            results.note = results.note.or(said);
        }
        Ok(results)
    }

    /// Whether what is here of the report is newer than what came: by the time that the laboratory gave it, or, of a message
    /// that is mapped late, by the time at which it was written here.
    pub(super) async fn is_overtaken(&self, plan: &Plan, report: &Made) -> Result<bool, Problem> {
        let read = self.store.read(&self.scope, "DiagnosticReport", &report.id);
        let Reading::Found(here) = read.await? else {
            return Ok(false);
        };
        if plan.waiting.late && here.last_updated > plan.waiting.received_at {
            return Ok(true);
        }
        let stored: Value = serde_json::from_slice(&here.body).unwrap_or_default();
        let issued = |it: &Value| date::span(text(it, "/issued")).map(|span| span.low);
        Ok(match (issued(&stored), issued(&report.resource)) {
            (Some(here), Some(came)) => here > came,
            _ => false,
        })
    }

    async fn result(
        &self,
        plan: &Plan,
        mapped: &Mapped,
        report: &Made,
    ) -> Result<(Option<Effect>, Option<WorkNote>), Problem> {
        let Some(patient) = mapped.resources.iter().find(|it| it.ty == "Patient") else {
            return Ok((None, None));
        };
        let parts = parts(mapped, report);
        let is_gone = |it: &Value| matches!(text(it, "/status"), "cancelled" | "entered-in-error");
        let all_gone = !parts.is_empty() && parts.iter().all(|it| is_gone(it));
        if is_gone(&report.resource) || all_gone {
            let cancel = ParcelWrite::Cancel {
                sender: self.organisation.clone(),
                document_number: report.id.clone(),
                patient: patient.id.clone(),
                reason: "The laboratory has declared the result wrong (OBR-25 or OBX-11).".into(),
            };
            return Ok((Some(Effect::Parcel(cancel)), None));
        }
        let is_final = ["final", "corrected", "amended", "appended"];
        if !is_final.contains(&text(&report.resource, "/status")) {
            return Ok((None, None));
        }
        let stored = match self.store.read(&self.scope, "Patient", &patient.id).await? {
            Reading::Found(version) => serde_json::from_slice(&version.body).unwrap_or_default(),
            _ => Value::Null,
        };
        let who = [&patient.resource, &stored];
        let home = match practice(mapped, &patient.resource).or_else(|| practice(mapped, &stored)) {
            Some(home) => Some(home),
            None => self.store.home_of(&patient.id).await?,
        };
        // A result for nobody's practice is for those who ordered it.
        let Some(practice) = home.and_then(|it| Ods::parse(&it).ok()) else {
            return Ok((None, None));
        };
        let written = written(report, &parts);
        let letter = match letter(plan, (report, &patient.id), &who, (practice, written)) {
            Ok(letter) => letter,
            Err(why) => return Ok((None, Some(why))),
        };
        let own = self.organisation.as_str();
        let known = self.store.made_of(&self.scope, own, &letter.id).await?;
        if known.is_some() {
            // The same once more, under another message's id.
            return Ok((None, None));
        }
        self.posted(letter)
    }

    fn posted(&self, letter: Letter) -> Result<(Option<Effect>, Option<WorkNote>), Problem> {
        let practice = letter.to.clone();
        Ok(match self.post.send(letter, &[]) {
            Ok(effect) => (Some(effect), None),
            // To one's own organisation: it is where it should be.
            Err(problem) if problem.kind == Kind::BusinessRule => (None, None),
            Err(problem) => {
                let reason = format!(
                    "The result was kept but not sent to the practice {practice}: {}",
                    problem.message
                );
                let next =
                    "Send it by the way used so far. When that is mended, map the message again.";
                (None, Some(note(reason, next)))
            }
        })
    }
}

/// The report's own results, as the message has them.
fn parts<'m>(mapped: &'m Mapped, report: &Made) -> Vec<&'m Value> {
    let named: Vec<&str> = each(&report.resource, "/result")
        .filter_map(|it| text(it, "/reference").strip_prefix("Observation/"))
        .collect();
    let results = mapped.resources.iter().filter(|it| it.ty == "Observation");
    let of_report = results.filter(|it| named.contains(&it.id.as_str()));
    of_report.map(|it| &it.resource).collect()
}

/// The ODS code of the practice that a patient's record names, by its code or as an organisation of the message.
fn practice(mapped: &Mapped, patient: &Value) -> Option<String> {
    if let Some(code) = practice::code_beside(patient) {
        return Some(code.to_string());
    }
    each(patient, "/generalPractitioner").find_map(|it| {
        let id = text(it, "/reference").strip_prefix("Organization/")?;
        let mut made = mapped.resources.iter();
        let made = made.find(|it| it.ty == "Organization" && it.id == id)?;
        practice::code_in(&made.resource).map(str::to_string)
    })
}

/// Whether anything of it was corrected.
fn is_corrected(report: &Made, parts: &[&Value]) -> bool {
    let corrected = |it: &Value| matches!(text(it, "/status"), "corrected" | "amended");
    corrected(&report.resource) || parts.iter().any(|it| corrected(it))
}

fn called(concept: &Value, place: &str) -> String {
    let at = |rest: &str| text(concept, &format!("{place}{rest}"));
    let names = [at("/text"), at("/coding/0/display"), at("/coding/0/code")];
    let found = names.into_iter().find(|it| !it.is_empty());
    found.unwrap_or("Result").to_string()
}

fn value_of(result: &Value) -> String {
    if let Some(value) = result.pointer("/valueQuantity/value") {
        let comparator = text(result, "/valueQuantity/comparator");
        let unit = text(result, "/valueQuantity/unit");
        return format!("{comparator}{value} {unit}").trim().to_string();
    }
    let places = ["/valueString", "/valueDateTime", "/valueTime"];
    if let Some(found) = places
        .iter()
        .map(|it| text(result, it))
        .find(|it| !it.is_empty())
    {
        return found.to_string();
    }
    match result.get("valueCodeableConcept") {
        Some(_) => called(result, "/valueCodeableConcept"),
        None => "no value".to_string(),
    }
}

/// The letter's title and text.
fn written(report: &Made, parts: &[&Value]) -> (String, String) {
    let name = called(&report.resource, "/code");
    let corrected = is_corrected(report, parts);
    let title = match corrected {
        true => format!("Corrected result: {name}"),
        false => format!("Result: {name}"),
    };
    let mut lines = vec![title.clone()];
    if corrected {
        lines.push("CORRECTED. It stands in the place of what was sent before.".to_string());
    }
    for (word, place) in [("Taken", "/effectiveDateTime"), ("Reported", "/issued")] {
        let at = text(&report.resource, place);
        if !at.is_empty() {
            lines.push(format!("{word}: {at}"));
        }
    }
    lines.push(String::new());
    for result in parts.iter().take(LINES_MAX) {
        lines.push(line_of(result));
    }
    if parts.len() > LINES_MAX {
        lines.push(format!(
            "{} results more: ask the laboratory.",
            parts.len() - LINES_MAX
        ));
    }
    let conclusion = text(&report.resource, "/conclusion");
    if !conclusion.is_empty() {
        lines.push(String::new());
        lines.push(conclusion.to_string());
    }
    (title, lines.join("\n"))
}

fn line_of(result: &Value) -> String {
    let mut line = format!("{}: {}", called(result, "/code"), value_of(result));
    let range = text(result, "/referenceRange/0/text");
    if !range.is_empty() {
        line.push_str(&format!(" (range {range})"));
    }
    if result.get("interpretation").is_some() {
        line.push_str(&format!(" [{}]", called(result, "/interpretation/0")));
    }
    match text(result, "/status") {
        "corrected" | "amended" => line.push_str(" CORRECTED"),
        "entered-in-error" | "cancelled" => line.push_str(" DECLARED WRONG: do not act on it"),
        "preliminary" | "registered" => line.push_str(" not final"),
        _ => {}
    }
    for said in each(result, "/note") {
        line.push_str(&format!("\n  {}", text(said, "/text")));
    }
    line
}

/// The letter that carries it, or why there can be none.
fn letter(
    plan: &Plan,
    (report, patient): (&Made, &str),
    who: &[&Value; 2],
    (to, (title, written)): (Ods, (String, String)),
) -> Result<Letter, WorkNote> {
    let number = who.iter().find_map(|it| {
        let mut all = each(it, "/identifier");
        let found =
            all.find(|it| text(it, "/system") == NhsNumber::SYSTEM && text(it, "/use") != "old");
        NhsNumber::parse(text(found?, "/value")).ok()
    });
    let said = |place: &str| {
        let found = who
            .iter()
            .map(|it| text(it, place))
            .find(|it| !it.is_empty());
        found.unwrap_or_default().to_string()
    };
    let (born, family) = (said("/birthDate"), said("/name/0/family"));
    let Some(number) = number.filter(|_| born.len() == 10 && !family.is_empty()) else {
        return Err(note(
            "The result was kept but not sent: the NHS number, date of birth or family name is missing, without which the \
             practice cannot match the patient.",
            "Have the sender's record mended, and send again.",
        ));
    };
    let restricted =
        each(&report.resource, "/meta/security").any(|it| matches!(text(it, "/code"), "R" | "V"));
    let text_bytes = written.into_bytes();
    // The same result gives the same parcel, whichever message it comes in.
    let digest = crate::keys::sha256_hex(&text_bytes);
    Ok(Letter {
        id: Letter::parcel_id(&["result", &report.id, to.as_str(), &digest]),
        to,
        made_at: plan.waiting.received_at,
        title,
        author: String::new(),
        urgent: false,
        marks: if restricted {
            vec![Mark::SeriousHarm]
        } else {
            Vec::new()
        },
        document_number: report.id.clone(),
        replaces: None,
        nhs_number: Some(number),
        birth_date: Some(born),
        family,
        given: said("/name/0/given/0"),
        contents: vec![LetterContent {
            content_type: "text/plain; charset=utf-8".into(),
            bytes: text_bytes,
        }],
        patient: patient.to_string(),
        document: String::new(),
    })
}
