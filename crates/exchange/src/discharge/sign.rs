//! The act: a draft is signed, and all that it says leaves, in one job.

use access::{NhsNumber, Ods};
use fhir::date::{self, Millis};
use fhir::members::{each, set, text};
use fhir::problem::{Kind, Problem};
use serde_json::{Value, json};
use store::drafts::{DraftWrite, End};
use store::{Effect, Expect, Job, Release};

use super::amend::composition_id;
use super::{Discharge, Earlier, Hidden, Reader, Section, letter, name_of, section_code, sections};
use crate::exchange::Exchange;
use crate::kept::{Kept, PLAIN};
use crate::letter::{Letter, LetterContent};
use crate::manifest::Mark;
use crate::prescriptions::put;

const SNOMED: &str = "http://snomed.info/sct";
const HEADINGS: &str = "https://fhir.hl7.org.uk/CodeSystem/UKCore-RecordStandardHeadings";
const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
const MARKS: &str = "urn:handover:mark";

/// Who signs which draft of whom.
#[derive(Clone, Debug)]
pub struct Signing<'a> {
    /// The draft and the version that its signer saw.
    pub draft: &'a str,
    pub version: i64,
    /// The Patient as stored here.
    pub patient: &'a Value,
    pub signer: &'a str,
    /// This organisation's name.
    pub from: &'a str,
    pub hidden: Hidden,
    /// What stands in the record of the version that it amends.
    pub earlier: Earlier,
    /// When the patient is shown it here, if nothing keeps it from them.
    pub release_at: Millis,
    pub now: Millis,
}

impl Exchange {
    /// The job that ends the draft, keeps what was signed in the record here, and sends each reader its letter: by its
    /// node, else as an ITK3 document or by fax, and where no way leads to it onto the work list.
    ///
    /// # Errors
    /// `BusinessRule` for what `check` finds, and for a letter to this organisation itself; `TooLong` for names that the
    /// protocol does not carry.
    pub fn sign_discharge(&self, it: &Discharge, by: &Signing<'_>) -> Result<Job, Problem> {
        if let Some((_, said)) = it.check().first() {
            return Err(Problem::new(Kind::BusinessRule, *said));
        }
        let mut job = Job::default();
        let name = |ods: &str| self.book.name(ods);
        let everything = sections(it, Reader::Practice, by.hidden, &name);
        let whole = composition(it, by, &everything);
        job.changes.push(match &by.earlier.composition {
            None => self.kept(it, by, &whole)?,
            Some((_, version)) => {
                let release = match Mark::parse(&it.mark) {
                    Some(_) => Release::Never,
                    None => Release::Keep,
                };
                let over = (Expect::Version(*version), release);
                put(&whole, self.organisation(), over)?
            }
        });
        job.changes.extend(self.superseded(by)?);
        for reader in Reader::ALL {
            let Some(code) = it.recipient(reader) else {
                continue;
            };
            let to = Ods::parse(code)?;
            let told = sections(it, reader, by.hidden, &name);
            let ends = (
                reader,
                &*format!("{} ({to})", name(code)),
                &*format!("{} ({})", by.from, self.organisation()),
            );
            let bytes = letter(ends, by.patient, &told, (by.signer, by.now)).into_bytes();
            let [binary, document] = made(it, by, (reader, self.organisation()), &bytes);
            job.changes.push(self.kept(it, by, &binary)?);
            job.changes.push(self.kept(it, by, &document)?);
            let letter = self.letter(it, by, (reader, to), bytes)?;
            job.effects.push(match reader {
                Reader::Practice => self.post_discharge(letter)?,
                Reader::Pharmacy | Reader::SocialCare => self.post_letter(letter)?,
            });
        }
        job.effects.push(Effect::Draft(DraftWrite::End {
            id: by.draft.to_owned(),
            version: by.version,
            end: End::Signed,
            by: by.signer.to_owned(),
        }));
        Ok(job)
    }

    /// The letters of the earlier version, which are current no more.
    fn superseded(&self, by: &Signing<'_>) -> Result<Vec<store::Change>, Problem> {
        let change = |(document, version): &(Value, u64)| {
            let mut document = document.clone();
            set(&mut document, "status", "superseded".into());
            if let Some(meta) = document.get_mut("meta").and_then(Value::as_object_mut) {
                meta.remove("versionId");
                meta.remove("lastUpdated");
            }
            let over = (Expect::Version(*version), Release::Keep);
            put(&document, self.organisation(), over)
        };
        by.earlier.documents.iter().map(change).collect()
    }

    fn kept(
        &self,
        it: &Discharge,
        by: &Signing<'_>,
        resource: &Value,
    ) -> Result<store::Change, Problem> {
        let release = match Mark::parse(&it.mark) {
            Some(_) => Release::Never,
            None => Release::At(by.release_at),
        };
        put(resource, self.organisation(), (Expect::Absent, release))
    }

    fn letter(
        &self,
        it: &Discharge,
        by: &Signing<'_>,
        (reader, to): (Reader, Ods),
        bytes: Vec<u8>,
    ) -> Result<Letter, Problem> {
        let number = each(by.patient, "/identifier")
            .find(|it| text(it, "/system") == NhsNumber::SYSTEM)
            .map(|it| NhsNumber::parse(text(it, "/value")));
        let born = text(by.patient, "/birthDate");
        let (family, given) = name_of(by.patient);
        Ok(Letter {
            id: Letter::parcel_id(&["discharge", by.draft, reader.code()]),
            to,
            made_at: by.now,
            title: reader.title().to_owned(),
            author: by.signer.to_owned(),
            urgent: it.urgent,
            marks: Mark::parse(&it.mark).into_iter().collect(),
            document_number: format!("{}-{}", by.draft, reader.code()),
            replaces: replaced(it, reader),
            nhs_number: number.transpose()?,
            birth_date: (!born.is_empty()).then(|| born.to_owned()),
            family,
            given,
            contents: vec![LetterContent {
                content_type: PLAIN.to_owned(),
                bytes,
            }],
            patient: text(by.patient, "/id").to_owned(),
            document: id(by, reader.code(), "document"),
        })
    }
}

fn id(by: &Signing<'_>, reader: &str, what: &str) -> String {
    Letter::parcel_id(&["discharge", by.draft, reader, what])
}

/// The number of the letter that the one to this reader takes the place of.
fn replaced(it: &Discharge, reader: Reader) -> Option<String> {
    let amends = it.amends.as_ref()?;
    amends.recipient(reader)?;
    Some(format!("{}-{}", amends.draft, reader.code()))
}

fn subject(by: &Signing<'_>) -> Value {
    json!({ "reference": format!("Patient/{}", text(by.patient, "/id")) })
}

fn summary_type() -> Value {
    json!({ "coding": [{ "system": SNOMED, "code": "373942005", "display": "Discharge summary" }] })
}

/// The Composition's id: that of the first version.
fn composition_of(it: &Discharge, by: &Signing<'_>) -> String {
    composition_id(it.amends.as_ref().map_or(by.draft, |it| &it.first))
}

/// All that was signed, by its headings (<https://hl7.org/fhir/R4/composition.html>).
fn composition(it: &Discharge, by: &Signing<'_>, sections: &[Section]) -> Value {
    let section = |it: &Section| {
        let (own, snomed) = section_code(&it.heading);
        let codes = [(HEADINGS, own), (SNOMED, snomed)];
        let codes = codes.into_iter().filter(|(_, code)| !code.is_empty());
        let coding = codes.map(|(system, code)| json!({ "system": system, "code": code }));
        let coding: Vec<Value> = coding.collect();
        let mut code = json!({ "text": it.heading });
        if !coding.is_empty() {
            set(&mut code, "coding", coding.into());
        }
        json!({
            "title": it.heading,
            "code": code,
            "text": { "status": "generated", "div": division(&it.text) },
        })
    };
    let mut made = json!({
        "resourceType": "Composition",
        "id": composition_of(it, by),
        "identifier": { "system": "urn:handover:discharge", "value": by.draft },
        "status": if it.amends.is_some() { "amended" } else { "final" },
        "type": summary_type(),
        "subject": subject(by),
        "date": date::instant(by.now),
        "author": [{ "display": by.signer }],
        "title": Reader::Practice.title(),
        "section": sections.iter().map(section).collect::<Value>(),
    });
    if Mark::parse(&it.mark).is_some() {
        let restricted = json!({ "security": [{ "system": CONFIDENTIALITY, "code": "R" }] });
        set(&mut made, "meta", restricted);
    }
    made
}

pub(crate) fn division(said: &str) -> String {
    let mut div = String::from("<div xmlns=\"http://www.w3.org/1999/xhtml\">");
    for line in said.lines().filter(|it| !it.trim().is_empty()) {
        div.push_str("<p>");
        for character in line.chars() {
            match character {
                '&' => div.push_str("&amp;"),
                '<' => div.push_str("&lt;"),
                '>' => div.push_str("&gt;"),
                it if it < ' ' => div.push(' '),
                it => div.push(it),
            }
        }
        div.push_str("</p>");
    }
    div.push_str("</div>");
    div
}

/// The letter to one reader as it stands in the record here: Binary and DocumentReference.
fn made(
    it: &Discharge,
    by: &Signing<'_>,
    (reader, own): (Reader, &Ods),
    bytes: &[u8],
) -> [Value; 2] {
    let kept = Kept {
        binary: id(by, reader.code(), "binary"),
        document: id(by, reader.code(), "document"),
        number: format!("{}-{}", by.draft, reader.code()),
        ty: summary_type(),
        patient: text(by.patient, "/id"),
        at: by.now,
        author: by.signer,
        own,
        title: reader.title(),
        bytes,
    };
    let [content, mut document] = kept.resources();
    let composition = format!("Composition/{}", composition_of(it, by));
    let context = json!({ "related": [{ "reference": composition }] });
    set(&mut document, "context", context);
    if let Some(amends) = &it.amends
        && amends.recipient(reader).is_some()
    {
        let replaced = Letter::parcel_id(&["discharge", &amends.draft, reader.code(), "document"]);
        let target = json!({ "reference": format!("DocumentReference/{replaced}") });
        let relation = json!([{ "code": "replaces", "target": target }]);
        set(&mut document, "relatesTo", relation);
    }
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
