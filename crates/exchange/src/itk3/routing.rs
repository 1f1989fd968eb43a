//! To which mailbox a letter goes, and MESH's own way to a patient's practice: a name made of the NHS number, date of
//! birth and surname, by which MESH asks PDS where the patient is registered.

use access::Ods;
use fhir::problem::{Kind, Problem};
use store::parcels::Named;

use super::SEND_DOCUMENT;
use crate::letter::Letter;

const BEGINS: &str = "GPPROVIDER_";
/// All parts of a letter together, in bytes: as base64 they are a third more.
const BYTES_MAX: usize = 15 << 20;

/// In which order a date of birth stands in such a name. Both are told in public.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DateOrder {
    /// `YYYYMMDD`
    #[default]
    YearFirst,
    /// `DDMMYYYY`
    DayFirst,
}

/// A receiver with a mailbox that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    pub ods: Ods,
    pub mailbox: String,
    pub workflow: String,
    /// The workflow of the Transfer of Care document as which a discharge goes there; without one it goes as any letter.
    pub discharge: Option<String>,
}

/// Who can be sent to as an ITK3 document.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    pub receivers: Vec<Receiver>,
    /// Whether letters to others go to whatever practice MESH finds for the patient.
    pub automatic: bool,
    /// As `Receiver::discharge`, of a discharge that goes to whatever practice MESH finds.
    pub discharge: Option<String>,
}

/// Where a letter goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routed {
    /// Empty where MESH is to find the patient's practice.
    pub mailbox: String,
    pub workflow: String,
}

impl Routes {
    /// Where a letter goes; `None` if it cannot go so. Only what is a discharge by its headings may go as one.
    pub(crate) fn to(&self, letter: &Letter, is_discharge: bool) -> Option<Routed> {
        let carried = letter.contents.iter().all(|it| carries(&it.content_type));
        let bytes: usize = letter.contents.iter().map(|it| it.bytes.len()).sum();
        if !carried || bytes > BYTES_MAX {
            return None;
        }
        let workflow = |usual: &str, discharge: Option<&str>| {
            let own = discharge.filter(|_| is_discharge);
            own.unwrap_or(usual).to_owned()
        };
        if let Some(known) = self.receivers.iter().find(|it| it.ods == letter.to) {
            return Some(Routed {
                mailbox: known.mailbox.clone(),
                workflow: workflow(&known.workflow, known.discharge.as_deref()),
            });
        }
        let named =
            letter.nhs_number.is_some() && letter.birth_date.is_some() && is_plain(&letter.family);
        (self.automatic && named).then(|| Routed {
            mailbox: String::new(),
            workflow: workflow(SEND_DOCUMENT, self.discharge.as_deref()),
        })
    }
}

/// Whether a part of that type may be an attachment.
fn carries(content_type: &str) -> bool {
    let first = content_type.split(';').next().unwrap_or_default();
    matches!(
        first.trim().to_ascii_lowercase().as_str(),
        "application/pdf" | "text/plain" | "text/html"
    )
}

/// Whether a surname can stand in a header without a change of its letters.
fn is_plain(family: &str) -> bool {
    let plain = |it: u8| it.is_ascii_alphabetic() || b" '-".contains(&it);
    !family.trim().is_empty() && family.bytes().all(plain)
}

/// The name by which MESH finds the practice of a patient.
///
/// # Errors
/// `Value` if something of it is missing, or cannot stand in one.
pub(super) fn mailbox_of(named: &Named, order: DateOrder) -> Result<String, Problem> {
    let wrong = || {
        let message = "The letter has no NHS number, date of birth or plain surname, by which MESH finds a practice.";
        Problem::new(Kind::Value, message)
    };
    let number = named.nhs_number.as_deref().ok_or_else(wrong)?;
    let born = named.birth_date.as_deref().ok_or_else(wrong)?;
    let mut parts = born.split('-');
    let (Some(year), Some(month), Some(day)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(wrong());
    };
    if !is_plain(&named.family) {
        return Err(wrong());
    }
    let born = match order {
        DateOrder::YearFirst => format!("{year}{month}{day}"),
        DateOrder::DayFirst => format!("{day}{month}{year}"),
    };
    Ok(format!("{BEGINS}{number}_{born}_{}", named.family.trim()))
}

/// Whom such a name means, with each date of birth that it can be read as; `None` for another mailbox.
pub fn patient_of(mailbox: &str) -> Option<(String, Vec<String>, String)> {
    let rest = mailbox.strip_prefix(BEGINS)?;
    let mut parts = rest.splitn(3, '_');
    let (number, born, family) = (parts.next()?, parts.next()?, parts.next()?);
    let is_digits = |it: &str| it.bytes().all(|byte| byte.is_ascii_digit());
    if number.len() != 10 || born.len() != 8 || !is_digits(number) || !is_digits(born) {
        return None;
    }
    let part = |from: usize, to: usize| born.get(from..to).unwrap_or_default();
    let year_first = format!("{}-{}-{}", part(0, 4), part(4, 6), part(6, 8));
    let day_first = format!("{}-{}-{}", part(4, 8), part(2, 4), part(0, 2));
    let is_day = |day: &String| {
        let year = day.get(..4).and_then(|it| it.parse::<u32>().ok());
        fhir::date::span(day).is_some() && year.is_some_and(|year| (1850..=2150).contains(&year))
    };
    let born = [year_first, day_first].into_iter().filter(is_day).collect();
    Some((number.to_owned(), born, family.to_owned()))
}

#[cfg(test)]
mod tests {
    use access::NhsNumber;

    use super::super::CONSULTATION_REPORT;
    use super::*;
    use crate::letter::LetterContent;

    fn letter(to: &str) -> Letter {
        Letter {
            id: "l1".into(),
            to: Ods::parse(to).unwrap(),
            made_at: 0,
            title: "Letter".into(),
            author: "Dr Bo".into(),
            urgent: false,
            marks: Vec::new(),
            document_number: "d1".into(),
            replaces: None,
            nhs_number: Some(NhsNumber::parse("9434765919").unwrap()),
            birth_date: Some("1980-02-01".into()),
            family: "Ash".into(),
            given: "Una".into(),
            contents: vec![LetterContent {
                content_type: "text/plain; charset=utf-8".into(),
                bytes: b"Dear colleague".to_vec(),
            }],
            patient: "una".into(),
            document: "doc".into(),
        }
    }

    #[test]
    fn only_a_discharge_goes_as_one_and_only_to_who_takes_it() {
        let receiver = |ods: &str, workflow: &str, discharge: Option<&str>| Receiver {
            ods: Ods::parse(ods).unwrap(),
            mailbox: format!("{ods}OT001"),
            workflow: workflow.into(),
            discharge: discharge.map(str::to_owned),
        };
        let mental_health = Some("TOC_FHIR_MH_DISCH");
        let mut routes = Routes {
            receivers: vec![
                receiver("A81001", SEND_DOCUMENT, Some("TOC_FHIR_IP_DISCH")),
                receiver("A81002", SEND_DOCUMENT, None),
                receiver("A81003", CONSULTATION_REPORT, mental_health),
            ],
            automatic: true,
            discharge: None,
        };
        let goes = |routes: &Routes, ods: &str, is_discharge| {
            let routed = routes.to(&letter(ods), is_discharge).unwrap();
            (routed.mailbox, routed.workflow)
        };
        for (ods, plain, discharge) in [
            ("A81001", SEND_DOCUMENT, "TOC_FHIR_IP_DISCH"),
            ("A81002", SEND_DOCUMENT, SEND_DOCUMENT),
            ("A81003", CONSULTATION_REPORT, "TOC_FHIR_MH_DISCH"),
        ] {
            let mailbox = format!("{ods}OT001");
            assert_eq!(goes(&routes, ods, false), (mailbox.clone(), plain.into()));
            assert_eq!(goes(&routes, ods, true), (mailbox, discharge.into()));
        }
        let found = |workflow: &str| (String::new(), workflow.to_owned());
        assert_eq!(goes(&routes, "A81004", true), found(SEND_DOCUMENT));
        routes.discharge = Some("TOC_FHIR_EC_DISCH".into());
        assert_eq!(goes(&routes, "A81004", true), found("TOC_FHIR_EC_DISCH"));
        assert_eq!(goes(&routes, "A81004", false), found(SEND_DOCUMENT));
    }

    #[test]
    fn a_practice_is_named_by_its_patient_in_either_order_of_the_date() {
        let named = Named {
            nhs_number: Some("9434765919".into()),
            birth_date: Some("1955-01-09".into()),
            family: "O'Brien".into(),
            given: String::new(),
        };
        for (order, text) in [
            (
                DateOrder::YearFirst,
                "GPPROVIDER_9434765919_19550109_O'Brien",
            ),
            (
                DateOrder::DayFirst,
                "GPPROVIDER_9434765919_09011955_O'Brien",
            ),
        ] {
            assert_eq!(mailbox_of(&named, order).unwrap(), text);
            let (number, born, family) = patient_of(text).unwrap();
            assert_eq!(
                (number.as_str(), family.as_str()),
                ("9434765919", "O'Brien")
            );
            assert_eq!(born, ["1955-01-09"]);
        }
        // No name reads both ways: of one, the year of the other would be before 1850, or its month none.
        let (_, born, _) = patient_of("GPPROVIDER_9434765919_20101920_A").unwrap();
        assert_eq!(born, ["1920-10-20"]);
        let (_, born, _) = patient_of("GPPROVIDER_9434765919_19112012_A_B").unwrap();
        assert_eq!(born, ["2012-11-19"]);
        let (_, born, _) = patient_of("GPPROVIDER_9434765919_20011912_A").unwrap();
        assert_eq!(born, ["1912-01-20"]);
        let (_, born, _) = patient_of("GPPROVIDER_9434765919_20112011_A").unwrap();
        assert_eq!(born, ["2011-11-20"]);
        let (_, born, _) = patient_of("GPPROVIDER_9434765919_20122012_A").unwrap();
        assert_eq!(born, ["2012-12-20"]);
        let (_, born, _) = patient_of("GPPROVIDER_9434765919_19121912_A").unwrap();
        assert_eq!(born, ["1912-12-19"]);
        let (_, born, _) = patient_of("GPPROVIDER_9434765919_19101211_A").unwrap();
        assert_eq!(born, ["1910-12-11"]);
        for other in [
            "RZZ01OT001",
            "GPPROVIDER_943_19550109_A",
            "GPPROVIDER_9434765919_1955_A",
        ] {
            assert_eq!(patient_of(other), None, "{other}");
        }
        let mut odd = named.clone();
        odd.family = "\u{17b}uk".into();
        assert!(mailbox_of(&odd, DateOrder::YearFirst).is_err());
    }
}
