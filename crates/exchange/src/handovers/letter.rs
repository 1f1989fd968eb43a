//! The letter to the patient's practice that goes with the taking over. The department writes it, not the crew: it is sent for
//! what happened and for nothing that was diverted or withdrawn, it names who took over, and the department knows whose it is
//! even where the crew did not.

use access::{NhsNumber, Ods};
use fhir::date::Millis;
use fhir::members::{each, set, text};
use fhir::problem::Problem;
use serde_json::{Value, json};
use store::handovers::Handover;
use store::{Expect, Job, Release};

use super::news2::{self, Total};
use super::resource::{moment, sections};
use super::text::{Observations, Sheet};
use super::{DAY_MILLIS, NO_PRACTICE};
use crate::exchange::Exchange;
use crate::kept::{Kept, PLAIN};
use crate::letter::{Letter, LetterContent};
use crate::prescriptions::put;

const TITLE: &str = "Brought to the emergency department by ambulance";

impl Exchange {
    /// Adds the letter to the job, as a document of the record here and to the practice; and to the row that it was sent or why
    /// not. While nobody knows whose it is nothing is written: it goes with the commit that says so.
    pub(super) async fn tell_practice(
        &self,
        row: &mut Handover,
        (sheet, words): (&Sheet, &str),
        job: &mut Job,
    ) -> Result<(), Problem> {
        if row.patient.is_empty() || !row.letter.is_empty() {
            return Ok(());
        }
        let work = access::Scope::system(access::SystemPurpose::KeepHandovers);
        let patient = self.patient_of_handover(&work, &row.patient).await?;
        let home = self.store.home_of(&row.patient).await?;
        let home = home.and_then(|it| Ods::parse(&it).ok());
        let home = home.filter(|it| it != self.organisation());
        let now = self.store.now();
        let said = said(&self.book.name(&row.other), row, (sheet, words));
        let days = i64::from(self.settings.release_after_days);
        let release = Release::At(now.saturating_add(days * DAY_MILLIS));
        for resource in kept(row, (now, said.as_bytes()), self.organisation()) {
            let change = put(&resource, self.organisation(), (Expect::Absent, release))?;
            job.changes.push(change);
        }
        let (Some(to), Some(patient)) = (home, patient) else {
            row.letter = NO_PRACTICE.into();
            return Ok(());
        };
        let letter = letter(row, (&patient, to), (now, said.into_bytes()))?;
        row.letter.clone_from(&letter.id);
        job.effects.push(self.post_letter(letter)?);
        Ok(())
    }
}

/// What the practice reads.
fn said(crew: &str, row: &Handover, (sheet, words): (&Sheet, &str)) -> String {
    let mut lines = vec![format!(
        "Brought to the emergency department by {crew}. {} took over at {}.",
        row.ended_by,
        moment(row.ended_at),
    )];
    if !words.is_empty() {
        lines.push(words.to_string());
    }
    for (heading, text) in sections(sheet) {
        let text = match text.is_empty() {
            true => "Not said.",
            false => text.as_str(),
        };
        lines.push(format!("\n{heading}\n{text}"));
    }
    lines.push("\nObservations, the newest first".to_string());
    let mut sets: Vec<&Observations> = sheet.observations.iter().collect();
    sets.sort_by_key(|it| std::cmp::Reverse(it.at));
    if sets.is_empty() {
        lines.push("None were told.".to_string());
    }
    lines.extend(sets.into_iter().map(|it| measured(it, sheet)));
    lines.join("\n")
}

/// One set in a line.
fn measured(it: &Observations, sheet: &Sheet) -> String {
    let score = news2::score(it, sheet.age_at(it.at));
    let parts = score.parts.iter();
    let parts: Vec<String> = parts
        .map(|it| format!("{} {}", it.name.to_lowercase(), it.value))
        .collect();
    let total = match score.total {
        Total::Whole { points, .. } => format!("NEWS2 {points}"),
        Total::Incomplete { missing, .. } => {
            format!(
                "NEWS2 incomplete: {} not measured",
                missing.join(", ").to_lowercase()
            )
        }
        Total::NotForChildren => "NEWS2 is not for children under 16".to_string(),
    };
    format!("{}: {}; {total}", moment(it.at), parts.join(", "))
}

pub(super) fn document(row: &Handover) -> String {
    Letter::parcel_id(&["handover-letter", &row.record, "document"])
}

fn letter(
    row: &Handover,
    (patient, to): (&Value, Ods),
    (now, bytes): (Millis, Vec<u8>),
) -> Result<Letter, Problem> {
    let number = each(patient, "/identifier")
        .find(|it| text(it, "/system") == NhsNumber::SYSTEM)
        .map(|it| NhsNumber::parse(text(it, "/value")));
    let born = text(patient, "/birthDate");
    let given: Vec<&str> = each(patient, "/name/0/given")
        .filter_map(Value::as_str)
        .collect();
    Ok(Letter {
        id: Letter::parcel_id(&["handover-letter", &row.record]),
        to,
        made_at: now,
        title: TITLE.to_string(),
        author: row.ended_by.clone(),
        urgent: false,
        marks: Vec::new(),
        document_number: document_number(row),
        replaces: None,
        nhs_number: number.transpose()?,
        birth_date: (!born.is_empty()).then(|| born.to_string()),
        family: text(patient, "/name/0/family").to_string(),
        given: given.join(" "),
        contents: vec![LetterContent {
            content_type: PLAIN.to_string(),
            bytes,
        }],
        patient: row.patient.clone(),
        document: document(row),
    })
}

fn document_number(row: &Handover) -> String {
    format!("handover-{}", row.asked_as)
}

/// The letter as it stands in the record here: Binary and DocumentReference.
fn kept(row: &Handover, (now, bytes): (Millis, &[u8]), own: &Ods) -> [Value; 2] {
    let kept = Kept {
        binary: Letter::parcel_id(&["handover-letter", &row.record, "binary"]),
        document: document(row),
        number: document_number(row),
        ty: json!({ "text": "Ambulance handover" }),
        patient: &row.patient,
        at: now,
        author: &row.ended_by,
        own,
        title: TITLE,
        bytes,
    };
    let [content, mut document] = kept.resources();
    let reference = format!("Encounter/{}", row.record);
    let context = json!({ "encounter": [{ "reference": reference }] });
    set(&mut document, "context", context);
    [content, document]
}
