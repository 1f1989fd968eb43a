//! What was written on a visit to somebody at home, as a letter to their practice (`docs/visits.md`; decision 388).

use access::{NhsNumber, Ods};
use fhir::date::Millis;
use fhir::members::{each, set, text};
use fhir::problem::Problem;
use serde_json::{Value, json};
use store::{Change, Effect, Expect, Release};

use crate::discharge::{Section, name_of, under_headings};
use crate::exchange::Exchange;
use crate::kept::{Kept, PLAIN};
use crate::letter::{Letter, LetterContent};
use crate::prescriptions::put;

const TITLE: &str = "Visit by the community nurse";

/// What a practice is told of a visit.
#[derive(Clone, Debug)]
pub struct VisitLetter<'v> {
    /// The id that it was given where it was written; the letter's own follows from it, so that it is sent once.
    pub entry: &'v str,
    pub to: &'v Ods,
    /// Whether who reads the letter here may not know which practice it is: it tells where the patient lives.
    pub hides: bool,
    /// This organisation's name.
    pub from: &'v str,
    /// The Patient as stored here, and its id.
    pub patient: &'v Value,
    pub patient_id: &'v str,
    /// Who wrote it on the visit.
    pub author: &'v str,
    pub sections: &'v [Section],
    /// The id of the Encounter that is made of it, if one is.
    pub encounter: Option<&'v str>,
    /// When the patient is shown it here.
    pub release_at: Millis,
    pub now: Millis,
}

impl Exchange {
    /// The changes that keep the letter in the record here, and the effect that accepts it for the practice: for its node,
    /// else as an ITK3 document or a fax, and where no way leads to it onto the work list.
    ///
    /// # Errors
    /// `BusinessRule` for a letter to this organisation itself; `Value`, `TooLong` for what the protocol does not carry.
    pub fn visit_letter(&self, it: &VisitLetter<'_>) -> Result<(Vec<Change>, Effect), Problem> {
        let to = format!("{} ({})", self.book.name(it.to.as_str()), it.to);
        let from = format!("{} ({})", it.from, self.organisation());
        let by = format!("Written on the visit by: {}", it.author);
        let said = under_headings((TITLE, &to, &from), (it.patient, &by), it.sections);
        let mut changes = Vec::new();
        let here = match it.hides {
            true => "Their practice",
            false => &to,
        };
        let here = under_headings((TITLE, here, &from), (it.patient, &by), it.sections);
        for resource in kept(it, here.as_bytes(), self.organisation()) {
            let how = (Expect::Absent, Release::At(it.release_at));
            changes.push(put(&resource, self.organisation(), how)?);
        }
        let effect = self.post_letter(letter(it, said.into_bytes()))?;
        Ok((changes, effect))
    }
}

fn id(it: &VisitLetter<'_>, what: &str) -> String {
    Letter::parcel_id(&["visit", it.entry, what])
}

fn document_number(it: &VisitLetter<'_>) -> String {
    format!("visit-{}", it.entry)
}

fn letter(it: &VisitLetter<'_>, bytes: Vec<u8>) -> Letter {
    // What is no NHS number, or not the whole of a date, is left out: the practice then finds by hand whose the letter is.
    let number = each(it.patient, "/identifier")
        .find(|one| text(one, "/system") == NhsNumber::SYSTEM)
        .and_then(|one| NhsNumber::parse(text(one, "/value")).ok());
    let born = text(it.patient, "/birthDate");
    let (family, given) = name_of(it.patient);
    Letter {
        id: id(it, "parcel"),
        to: it.to.clone(),
        made_at: it.now,
        title: TITLE.to_owned(),
        author: it.author.to_owned(),
        urgent: false,
        marks: Vec::new(),
        document_number: document_number(it),
        replaces: None,
        nhs_number: number,
        birth_date: (born.len() == 10).then(|| born.to_owned()),
        family,
        given,
        contents: vec![LetterContent {
            content_type: PLAIN.to_owned(),
            bytes,
        }],
        patient: it.patient_id.to_owned(),
        document: id(it, "document"),
    }
}

/// The letter as it stands in the record here: Binary and DocumentReference.
fn kept(it: &VisitLetter<'_>, bytes: &[u8], own: &Ods) -> [Value; 2] {
    let kept = Kept {
        binary: id(it, "binary"),
        document: id(it, "document"),
        number: document_number(it),
        ty: json!({ "text": "Visit at home" }),
        patient: it.patient_id,
        at: it.now,
        author: it.author,
        own,
        title: TITLE,
        bytes,
    };
    let [content, mut document] = kept.resources();
    if let Some(encounter) = it.encounter {
        let reference = format!("Encounter/{encounter}");
        let context = json!({ "encounter": [{ "reference": reference }] });
        set(&mut document, "context", context);
    }
    [content, document]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told<'v>(patient: &'v Value, to: &'v Ods) -> VisitLetter<'v> {
        VisitLetter {
            entry: "0d6c3f4e-1111-4222-8333-444455556666",
            to,
            hides: false,
            from: "Anytown Community",
            patient,
            patient_id: "jane",
            author: "Nura Nurse",
            sections: &[],
            encounter: None,
            release_at: 2,
            now: 1,
        }
    }

    #[test]
    fn what_a_record_does_not_say_rightly_is_left_out_of_the_letter_and_keeps_it_from_nobody() {
        let to = Ods::parse("A99998").unwrap();
        let patient = json!({
            "name": [{"family": "Example", "given": ["Jane"]}], "birthDate": "1961",
            "identifier": [{"system": NhsNumber::SYSTEM, "value": "12"}],
        });
        let it = letter(&told(&patient, &to), b"said".to_vec());
        assert_eq!((it.nhs_number, it.birth_date), (None, None));
        assert_eq!(
            (it.family.as_str(), it.patient.as_str()),
            ("Example", "jane")
        );
        let whole = json!({
            "birthDate": "1961-02-03",
            "identifier": [{"system": NhsNumber::SYSTEM, "value": "9434765919"}],
        });
        let it = letter(&told(&whole, &to), b"said".to_vec());
        assert_eq!(it.birth_date.as_deref(), Some("1961-02-03"));
        assert_eq!(it.nhs_number.unwrap().digits(), "9434765919");
    }

    #[test]
    fn the_same_entry_makes_the_same_letter_and_another_one_another() {
        let to = Ods::parse("A99998").unwrap();
        let patient = json!({});
        let one = letter(&told(&patient, &to), b"said".to_vec());
        let again = letter(&told(&patient, &to), b"said".to_vec());
        let other = VisitLetter {
            entry: "another",
            ..told(&patient, &to)
        };
        let other = letter(&other, b"said".to_vec());
        assert_eq!((&one.id, &one.document), (&again.id, &again.document));
        assert_ne!(one.id, other.id);
        assert_ne!(one.document, other.document);
        let mut done = told(&patient, &to);
        done.encounter = Some("e");
        let [_, document] = kept(&done, b"said", &to);
        assert_eq!(
            text(&document, "/context/encounter/0/reference"),
            "Encounter/e"
        );
    }
}
