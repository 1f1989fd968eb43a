//! Letters that are written here (`docs/workbench.md`): a text, merged from what the record says and what somebody wrote, signed
//! once for several readers.
//!
//! Invariant: a field that has no value is a gap, and a letter with a gap is not signed: nothing is sent empty. Invariant: what
//! is withheld from the writer is said to be withheld. Invariant: what is previewed is what is sent, to the letter.

use access::{NhsNumber, Ods};
use fhir::date::{self, Millis};
use fhir::members::{each, set, text};
use fhir::problem::{Kind, Problem};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::drafts::{DraftWrite, End};
use store::{Effect, Expect, Job, Release};

use crate::discharge::name_of;
use crate::exchange::Exchange;
use crate::kept::{Kept, PLAIN};
use crate::letter::{Letter, LetterContent};
use crate::manifest::Mark;
use crate::prescriptions::put;

/// The word of its drafts in tables.
pub const KIND: &str = "letter";
/// Organisations that one letter goes to.
pub const RECIPIENTS_MAX: usize = 8;
/// The longest text, and title, in characters.
pub const TEXT_CHARS_MAX: usize = 20_000;
const TITLE_CHARS_MAX: usize = 150;

const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
const MARKS: &str = "urn:handover:mark";

/// What a text may name in braces, with what it stands for.
pub const FIELDS: [(&str, &str); 10] = [
    ("patient", "the patient’s name"),
    ("born", "their date of birth"),
    ("nhs number", "their NHS number"),
    ("problems", "problems and diagnoses, one a line"),
    ("medicines", "medicines with their doses, one a line"),
    ("allergies", "allergies, one a line"),
    ("my name", "who begins the letter"),
    ("organisation", "this organisation’s name"),
    ("today", "the day"),
    ("own text", "a place for what is written each time"),
];

/// What a field comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merged {
    Value(String),
    /// It has no value; why.
    Gap(String),
}

/// A text with its fields merged in: `{nhs number}` becomes the number, and what has no value, or is no field, becomes a gap such
/// as `[[allergies: nothing is recorded]]`, which somebody must fill or take out before the letter can be signed.
pub fn merge(body: &str, value: &dyn Fn(&str) -> Merged) -> String {
    let mut out = String::new();
    let mut rest = body;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((name, behind)) = after.split_once('}') else {
            out.push('{');
            rest = after;
            continue;
        };
        let field = name.trim().to_lowercase();
        let is_field = FIELDS.iter().any(|(known, _)| *known == field);
        match is_field.then(|| value(&field)) {
            Some(Merged::Value(said)) if !said.trim().is_empty() => out.push_str(said.trim()),
            Some(Merged::Value(_)) => out.push_str(&gap(&field, "nothing is recorded")),
            Some(Merged::Gap(why)) => out.push_str(&gap(&field, &why)),
            None => out.push_str(&gap(name.trim(), "there is no field of this name")),
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

fn gap(field: &str, why: &str) -> String {
    format!("[[{field}: {why}]]")
}

/// The gaps of a text, as they stand in it; an opened one that is not closed is a gap too.
pub fn gaps(body: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = body;
    while let Some(start) = rest.find("[[") {
        let from = rest.get(start..).unwrap_or_default();
        let end = from.find("]]").map_or(from.len(), |at| at + 2);
        found.push(from.get(..end).unwrap_or(from));
        rest = from.get(end..).unwrap_or_default();
    }
    found
}

/// Fields that stand in a text unmerged.
fn unmerged(body: &str) -> bool {
    let low = body.to_lowercase();
    FIELDS
        .iter()
        .any(|(field, _)| low.contains(&format!("{{{field}}}")))
}

/// What is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Written {
    pub title: String,
    pub body: String,
    /// ODS codes.
    pub to: Vec<String>,
    /// Whether the patient gets it too.
    pub to_patient: bool,
    pub urgent: bool,
    /// Why the patient must not read it: `third-party`, `serious-harm`, or empty.
    pub mark: String,
}

/// Something that must be mended before it can be signed: the field, and a sentence.
pub type Fault = (&'static str, &'static str);

impl Written {
    /// What is too long to be kept as a draft.
    pub fn check_size(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.title.chars().count() > TITLE_CHARS_MAX {
            faults.push(("title", "The subject is more than 150 characters"));
        }
        if self.body.chars().count() > TEXT_CHARS_MAX {
            faults.push(("body", "The letter is more than 20,000 characters"));
        }
        if self.to.len() > RECIPIENTS_MAX {
            faults.push(("to-0", "A letter goes to 8 organisations at most"));
        }
        faults
    }

    /// What keeps it from being signed.
    pub fn check(&self) -> Vec<Fault> {
        let mut faults = self.check_size();
        let mut fault = |is: bool, field, said| {
            if is {
                faults.push((field, said));
            }
        };
        fault(
            self.title.trim().is_empty(),
            "title",
            "Enter what the letter is about",
        );
        fault(self.body.trim().is_empty(), "body", "Write the letter");
        fault(
            !gaps(&self.body).is_empty(),
            "body",
            "The letter has gaps: put in what is missing, or take out what stands in [[double brackets]]",
        );
        fault(
            unmerged(&self.body),
            "body",
            "A field in {braces} was not filled: write what belongs there",
        );
        fault(
            self.to.is_empty() && !self.to_patient,
            "to-0",
            "Enter to whom the letter goes",
        );
        fault(
            self.to.iter().any(|it| Ods::parse(it).is_err()),
            "to-0",
            "Each organisation is an ODS code, such as RZZ01",
        );
        let mut seen = self.to.clone();
        seen.sort();
        seen.dedup();
        fault(
            seen.len() < self.to.len(),
            "to-0",
            "An organisation is named twice",
        );
        fault(
            self.to_patient && !self.mark.is_empty(),
            "mark",
            "A letter that is held back from the patient cannot go to the patient",
        );
        faults
    }
}

/// Who signs which draft of whom.
#[derive(Clone, Debug)]
pub struct Signing<'a> {
    /// The draft and the version that its signer saw.
    pub draft: &'a str,
    pub version: i64,
    /// The Patient as stored here, with their id.
    pub patient: &'a Value,
    pub signer: &'a str,
    /// This organisation's name.
    pub from: &'a str,
    /// When the patient is shown organisations' copies, if nothing keeps them from them.
    pub release_at: Millis,
    pub now: Millis,
}

/// Who reads one copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reader {
    Organisation(Ods),
    Patient,
}

/// One copy, as it leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    pub reader: Reader,
    /// The reader's name as the letter says it.
    pub to: String,
    /// By which way it goes.
    pub way: &'static str,
    pub text: String,
}

impl Reader {
    fn code(&self) -> String {
        match self {
            Reader::Organisation(ods) => ods.to_string(),
            Reader::Patient => "patient".to_owned(),
        }
    }
}

impl Exchange {
    /// Every copy as it leaves once it is signed.
    ///
    /// # Errors
    /// `Value` for what is no ODS code; `TooLong`.
    pub fn copies_of(&self, it: &Written, by: &Signing<'_>) -> Result<Vec<Copy>, Problem> {
        let mut copies = Vec::new();
        for code in &it.to {
            let ods = Ods::parse(code)?;
            let to = format!("{} ({ods})", self.book().name(code));
            let text = whole(it, by, (&to, self.organisation()));
            let reader = Reader::Organisation(ods.clone());
            let letter = self.written_letter(it, by, (&reader, ods), text.clone())?;
            copies.push(Copy {
                way: self.way_in_words(&letter),
                reader,
                to,
                text,
            });
        }
        if it.to_patient {
            let (family, given) = name_of(by.patient);
            let to = format!("{given} {}", family.to_uppercase());
            copies.push(Copy {
                reader: Reader::Patient,
                way: "On the patient’s own page, at once. Print it for who does not use it.",
                text: whole(it, by, (to.trim(), self.organisation())),
                to: to.trim().to_owned(),
            });
        }
        Ok(copies)
    }

    /// The job that ends the draft, keeps each copy in the record here, and sends each organisation its own: by its node, else
    /// as an ITK3 document or by fax, and where no way leads to it onto the work list.
    ///
    /// # Errors
    /// `BusinessRule` for what `check` finds, and for a letter to this organisation itself; `TooLong` for names that the
    /// protocol does not carry.
    pub fn sign_written(&self, it: &Written, by: &Signing<'_>) -> Result<Job, Problem> {
        if let Some((_, said)) = it.check().first() {
            return Err(Problem::new(Kind::BusinessRule, *said));
        }
        let mut job = Job::default();
        for copy in self.copies_of(it, by)? {
            let release = match (&copy.reader, Mark::parse(&it.mark)) {
                (_, Some(_)) => Release::Never,
                (Reader::Patient, None) => Release::At(by.now),
                (Reader::Organisation(_), None) => Release::At(by.release_at),
            };
            for resource in kept(it, by, &copy, self.organisation()) {
                let how = (Expect::Absent, release);
                job.changes.push(put(&resource, self.organisation(), how)?);
            }
            if let Reader::Organisation(to) = copy.reader.clone() {
                let letter = self.written_letter(it, by, (&copy.reader, to), copy.text)?;
                job.effects.push(self.post_letter(letter)?);
            }
        }
        job.effects.push(Effect::Draft(DraftWrite::End {
            id: by.draft.to_owned(),
            version: by.version,
            end: End::Signed,
            by: by.signer.to_owned(),
        }));
        Ok(job)
    }

    fn written_letter(
        &self,
        it: &Written,
        by: &Signing<'_>,
        (reader, to): (&Reader, Ods),
        text_: String,
    ) -> Result<Letter, Problem> {
        let number = each(by.patient, "/identifier")
            .find(|it| text(it, "/system") == NhsNumber::SYSTEM)
            .map(|it| NhsNumber::parse(text(it, "/value")));
        let born = text(by.patient, "/birthDate");
        let (family, given) = name_of(by.patient);
        Ok(Letter {
            id: Letter::parcel_id(&[KIND, by.draft, &reader.code()]),
            to,
            made_at: by.now,
            title: it.title.trim().to_owned(),
            author: by.signer.to_owned(),
            urgent: it.urgent,
            marks: Mark::parse(&it.mark).into_iter().collect(),
            document_number: format!("{}-{}", by.draft, reader.code()),
            replaces: None,
            nhs_number: number.transpose()?,
            birth_date: (!born.is_empty()).then(|| born.to_owned()),
            family,
            given,
            contents: vec![LetterContent {
                content_type: PLAIN.to_owned(),
                bytes: text_.into_bytes(),
            }],
            patient: text(by.patient, "/id").to_owned(),
            document: id(by, reader, "document"),
        })
    }
}

fn id(by: &Signing<'_>, reader: &Reader, what: &str) -> String {
    Letter::parcel_id(&[KIND, by.draft, &reader.code(), what])
}

/// The letter to one reader, as plain text: every way that a letter can go carries it.
fn whole(it: &Written, by: &Signing<'_>, (to, own): (&str, &Ods)) -> String {
    let (family, given) = name_of(by.patient);
    let number = each(by.patient, "/identifier")
        .find(|it| text(it, "/system") == NhsNumber::SYSTEM)
        .map_or("not known", |it| text(it, "/value"));
    let born = match text(by.patient, "/birthDate") {
        "" => "not known",
        day => day,
    };
    let day = date::instant(by.now);
    format!(
        "{}\n\nTo: {to}\nFrom: {} ({own})\nDate: {}\nPatient: {}, {given}\nNHS number: {number}\nBorn: {born}\n\n{}\n\n\
         Signed by {}\n",
        it.title.trim(),
        by.from,
        day.get(..10).unwrap_or_default(),
        family.to_uppercase(),
        it.body.trim(),
        by.signer,
    )
}

/// A copy as it stands in the record here: Binary and DocumentReference.
fn kept(it: &Written, by: &Signing<'_>, copy: &Copy, own: &Ods) -> [Value; 2] {
    let kept = Kept {
        binary: id(by, &copy.reader, "binary"),
        document: id(by, &copy.reader, "document"),
        number: format!("{}-{}", by.draft, copy.reader.code()),
        ty: json!({ "text": "Letter" }),
        patient: text(by.patient, "/id"),
        at: by.now,
        author: by.signer,
        own,
        title: it.title.trim(),
        bytes: copy.text.as_bytes(),
    };
    let [content, mut document] = kept.resources();
    if let Some(mark) = Mark::parse(&it.mark) {
        let why = match mark {
            Mark::ThirdParty => "third-party",
            Mark::SeriousHarm => "serious-harm",
        };
        let labels = json!([
            { "coding": [{ "system": CONFIDENTIALITY, "code": "R" }] },
            { "coding": [{ "system": MARKS, "code": why }] },
        ]);
        set(&mut document, "securityLabel", labels);
    }
    [content, document]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(field: &str) -> Merged {
        match field {
            "patient" => Merged::Value("Jane Example".into()),
            "problems" => Merged::Value("  ".into()),
            "medicines" => Merged::Gap("withheld from you".into()),
            _ => Merged::Value(format!("<{field}>")),
        }
    }

    fn merged(body: &str) -> String {
        merge(body, &value)
    }

    #[test]
    fn a_field_without_a_value_is_a_gap_and_never_silently_empty() {
        assert_eq!(merged("Dear {Patient},"), "Dear Jane Example,");
        assert_eq!(
            merged("{problems}|{medicines}|{ unknown }"),
            "[[problems: nothing is recorded]]|[[medicines: withheld from you]]|[[unknown: there is no field of this name]]"
        );
        assert_eq!(merged("a { b"), "a { b");
        // What the record says is not merged once more.
        let twice = merge("{patient}", &|_| Merged::Value("{medicines}".into()));
        assert_eq!(twice, "{medicines}");
    }

    #[test]
    fn a_letter_with_a_gap_or_an_unmerged_field_is_not_signed() {
        let letter = |body: &str| Written {
            title: "Clinic".into(),
            body: body.into(),
            to: vec!["RZZ01".into()],
            ..Written::default()
        };
        assert_eq!(letter("All is well.").check(), []);
        for body in [
            "[[allergies: nothing]]",
            "an open [[ gap",
            "{Medicines}",
            "  ",
        ] {
            assert_eq!(letter(body).check().len(), 1, "{body}");
        }
        assert_eq!(gaps("a [[b]] c [[d"), ["[[b]]", "[[d"]);
    }

    #[test]
    fn a_letter_goes_to_somebody_and_to_nobody_twice() {
        let mut letter = Written {
            title: "Clinic".into(),
            body: "All is well.".into(),
            ..Written::default()
        };
        assert_eq!(letter.check().len(), 1);
        letter.to_patient = true;
        assert!(letter.check().is_empty());
        letter.mark = "third-party".into();
        assert_eq!(letter.check()[0].0, "mark");
        letter.to_patient = false;
        letter.to = vec!["RZZ01".into(), "RZZ01".into()];
        assert_eq!(letter.check().len(), 1);
    }
}
