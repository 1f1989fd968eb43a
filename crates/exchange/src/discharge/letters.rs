//! What each reader is told, under which headings, and the text that a letter is.

use fhir::date::{self, Millis};
use fhir::members::{each, text};
use serde_json::Value;

use super::{Discharge, Fate, Hidden, Medicine, Reader, name_of};

/// One heading with what stands under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    pub heading: String,
    pub text: String,
}

/// The headings, as the Professional Record Standards Body has them, each with its code in
/// `https://fhir.hl7.org.uk/CodeSystem/UKCore-RecordStandardHeadings` and, where one is published, in SNOMED CT.
const HEADINGS: [(&str, &str, &str); 12] = [
    (ADMISSION, "admission-details", ""),
    (DISCHARGED, "discharge-details", ""),
    (DIAGNOSES, "diagnoses", "887161000000102"),
    (PROCEDURES, "procedures", "887171000000109"),
    (COURSE, "clinical-summary", ""),
    (
        ALLERGIES,
        "allergies-and-adverse-reaction",
        "886921000000105",
    ),
    (
        MEDICINES,
        "medications-and-medical-devices",
        "933361000000108",
    ),
    (PLAN, "plan-and-requested-actions", ""),
    (CARE, "individual-requirements", ""),
    (TOLD, "information-and-advice-given", ""),
    (CONTACTS, "contact-for-further-information", ""),
    (OTHERS, "distribution-list", ""),
];
pub(super) const ADMISSION: &str = "Admission details";
pub(super) const DISCHARGED: &str = "Discharge details";
pub(super) const DIAGNOSES: &str = "Diagnoses";
pub(super) const PROCEDURES: &str = "Procedures";
const COURSE: &str = "Clinical summary";
pub(super) const ALLERGIES: &str = "Allergies and adverse reactions";
pub(super) const MEDICINES: &str = "Medications and medical devices";
pub(super) const PLAN: &str = "Plan and requested actions";
pub(super) const CARE: &str = "Care needs";
pub(super) const TOLD: &str = "Information and advice given";
pub(super) const CONTACTS: &str = "Contacts";
/// Of a new version: that it is one, and what became of the medicines since the first.
const AMENDED: &str = "New version";
pub(super) const CHANGED: &str = "Medicines changed since the first version";
pub(super) const OTHERS: &str = "Distribution list";

pub(super) const WITHHELD: &str = "Some of what the hospital's record holds under this heading was withheld from whoever wrote this \
     letter. Ask the hospital before you rely on it.";
const UNWRITTEN: &str = "Nothing was written under this heading.";

/// The codes of a heading: that of UK Core's record standard headings, and SNOMED CT's where one is published; empty
/// for none.
pub fn section_code(heading: &str) -> (&'static str, &'static str) {
    let known = HEADINGS.iter().find(|(it, _, _)| *it == heading);
    known.map_or(("", ""), |(_, own, snomed)| (*own, *snomed))
}

/// What that reader is told. `name` gives an organisation's name.
pub fn sections(
    it: &Discharge,
    reader: Reader,
    hidden: Hidden,
    name: &dyn Fn(&str) -> String,
) -> Vec<Section> {
    let written = |text: &str| match text.trim() {
        "" => UNWRITTEN.to_owned(),
        text => text.to_owned(),
    };
    let but = |is_hidden: bool, text: String| match is_hidden {
        true => format!("{text}\n\n{WITHHELD}"),
        false => text,
    };
    let left = format!("Discharged on {}.", it.discharged);
    let allergies = (ALLERGIES, but(hidden.allergies, written(&it.allergies)));
    let all = match reader {
        Reader::Practice => vec![
            (
                ADMISSION,
                match it.admitted.as_str() {
                    "" => UNWRITTEN.to_owned(),
                    day => format!("Admitted on {day}."),
                },
            ),
            (DISCHARGED, left),
            (DIAGNOSES, but(hidden.diagnoses, written(&it.diagnoses))),
            (PROCEDURES, but(hidden.procedures, written(&it.procedures))),
            (COURSE, written(&it.course)),
            allergies,
            (MEDICINES, but(hidden.medicines, every_medicine(it))),
            (
                PLAN,
                format!(
                    "For the practice: {}\n\nFollow-up: {}",
                    written(&it.gp_actions),
                    written(&it.follow_up)
                ),
            ),
            (CARE, written(&it.care_needs)),
            (TOLD, written(&it.told)),
            (CONTACTS, written(&it.contacts)),
            (OTHERS, others(it, name)),
        ],
        Reader::Pharmacy => vec![
            (DISCHARGED, left),
            allergies,
            (MEDICINES, but(hidden.medicines, changed_medicines(it))),
        ],
        Reader::SocialCare => vec![
            (DISCHARGED, left),
            (CARE, written(&it.care_needs)),
            (CONTACTS, written(&it.contacts)),
        ],
    };
    let section = |(heading, text): (&str, String)| Section {
        heading: heading.to_owned(),
        text,
    };
    let mut all: Vec<Section> = all.into_iter().map(section).collect();
    if let Some(amends) = &it.amends {
        let day = &amends.signed;
        let replaced = format!("This takes the place of the letter of {day}.");
        let said = match reader {
            Reader::Practice => format!("{replaced} Why: {}", amends.why.trim()),
            Reader::Pharmacy | Reader::SocialCare => replaced,
        };
        all.insert(0, section((AMENDED, said)));
        if let Some(at) = all.iter().position(|it| it.heading == MEDICINES) {
            let changes = but(hidden.medicines, amends.changes(&it.medicines));
            all.insert(at + 1, section((CHANGED, changes)));
        }
    }
    all
}

fn every_medicine(it: &Discharge) -> String {
    if it.no_medicines {
        return "The patient takes no medicines, says whoever signed this letter.".to_owned();
    }
    listed(it, &Fate::CHOICES)
}

fn changed_medicines(it: &Discharge) -> String {
    let [started, changed, stopped, _] = Fate::CHOICES;
    match listed(it, &[started, changed, stopped]).as_str() {
        "" => "No medicine was started, changed or stopped.".to_owned(),
        said => format!("{said}\n\nMedicines that were not changed are not listed here."),
    }
}

/// The medicines of these fates, each group under its word.
fn listed(it: &Discharge, fates: &[(Fate, &str)]) -> String {
    let group = |(fate, word): &(Fate, &str)| {
        let of = it.medicines.iter().filter(|it| it.fate == *fate);
        let lines: Vec<String> = of.map(line).collect();
        (!lines.is_empty()).then(|| format!("{word}:\n{}", lines.join("\n")))
    };
    let groups: Vec<String> = fates.iter().filter_map(group).collect();
    groups.join("\n\n")
}

fn line(it: &Medicine) -> String {
    let one = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut line = format!("* {}", one(&it.name));
    if !it.dose.is_empty() {
        line.push_str(&format!(", {}", one(&it.dose)));
    }
    if !it.reason.is_empty() {
        line.push_str(&format!(". Why: {}", one(&it.reason)));
    }
    line
}

/// Who else was written to, and what about.
fn others(it: &Discharge, name: &dyn Fn(&str) -> String) -> String {
    let told = |(reader, what): (Reader, &str)| {
        let code = it.recipient(reader)?;
        Some(format!("{} ({code}): {what}.", name(code)))
    };
    let all = [
        (Reader::Practice, "this letter"),
        (
            Reader::Pharmacy,
            "what changed in the medicines, and allergies",
        ),
        (Reader::SocialCare, "care needs and contacts"),
    ];
    let lines: Vec<String> = all.into_iter().filter_map(told).collect();
    lines.join("\n")
}

/// The letter as plain text: every way that a letter can go carries it. Each heading has a line of dashes beneath it.
pub fn letter(
    (reader, to, from): (Reader, &str, &str),
    patient: &Value,
    sections: &[Section],
    signed: (&str, Millis),
) -> String {
    let by = format!("Signed by: {}, {}", signed.0, date::instant(signed.1));
    under_headings((reader.title(), to, from), (patient, &by), sections)
}

/// A letter as plain text: its title, the ends, whom it is about, a line that says who wrote it, and what stands under headings.
pub(crate) fn under_headings(
    (title, to, from): (&str, &str, &str),
    (patient, by): (&Value, &str),
    sections: &[Section],
) -> String {
    let (family, given) = name_of(patient);
    let number = each(patient, "/identifier")
        .find(|it| text(it, "/system") == access::NhsNumber::SYSTEM)
        .map_or("not known", |it| text(it, "/value"));
    let born = match text(patient, "/birthDate") {
        "" => "not known",
        day => day,
    };
    let mut out = format!(
        "{title}\n\nTo: {to}\nFrom: {from}\nPatient: {}, {given}\nNHS number: {number}\nBorn: {born}\n{by}\n",
        family.to_uppercase(),
    );
    for section in sections {
        let dashes = "-".repeat(section.heading.chars().count());
        out.push_str(&format!("\n{}\n{dashes}\n", section.heading));
        for line in section.text.lines() {
            // What somebody wrote makes no heading.
            let is_rule = !line.is_empty() && line.chars().all(|it| it == '-');
            out.push_str(if is_rule { " " } else { "" });
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// The sections of a letter that `letter` wrote: what stands before the first heading comes first, under no heading.
pub fn read_sections(letter: &str) -> Vec<Section> {
    let lines: Vec<&str> = letter.lines().collect();
    let is_rule = |at: usize| {
        let rule = lines.get(at).copied().unwrap_or_default();
        let above = at.checked_sub(1).and_then(|at| lines.get(at));
        let long = above.map_or(0, |it| it.chars().count());
        long > 0 && rule.len() == long && rule.bytes().all(|it| it == b'-')
    };
    let mut sections = vec![Section {
        heading: String::new(),
        text: String::new(),
    }];
    for (at, line) in lines.iter().enumerate() {
        if is_rule(at) {
            continue;
        }
        if is_rule(at + 1) {
            sections.push(Section {
                heading: (*line).to_owned(),
                text: String::new(),
            });
        } else if let Some(last) = sections.last_mut() {
            last.text.push_str(line);
            last.text.push('\n');
        }
    }
    for section in &mut sections {
        section.text = section.text.trim().to_owned();
    }
    sections
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::whole;
    use super::*;

    fn names(ods: &str) -> String {
        format!("The {ods}")
    }

    fn told(it: &Discharge, reader: Reader, hidden: Hidden) -> String {
        let patient = json!({
            "name": [{"family": "Ash", "given": ["Una"]}], "birthDate": "1980-02-01",
            "identifier": [{"system": access::NhsNumber::SYSTEM, "value": "9434765919"}],
            "address": [{"line": ["1 Canary Row"]}],
        });
        let all = sections(it, reader, hidden, &names);
        letter((reader, "them", "us"), &patient, &all, ("Dr Bo", 0))
    }

    #[test]
    fn each_reader_is_told_what_it_needs_and_no_more() {
        let canaries = [
            ("diagnoses", [true, false, false]),
            ("procedures", [true, false, false]),
            ("course", [true, false, false]),
            ("allergies", [true, true, false]),
            ("stopped", [true, true, false]),
            ("continued", [true, false, false]),
            ("gp-actions", [true, false, false]),
            ("follow-up", [true, false, false]),
            ("care-needs", [true, false, true]),
            ("contacts", [true, false, true]),
            ("told", [true, false, false]),
        ];
        let canary = |word: &str| format!("canary-{word}");
        let it = Discharge {
            diagnoses: canary("diagnoses"),
            procedures: canary("procedures"),
            course: canary("course"),
            allergies: canary("allergies"),
            gp_actions: canary("gp-actions"),
            follow_up: canary("follow-up"),
            care_needs: canary("care-needs"),
            contacts: canary("contacts"),
            told: canary("told"),
            medicines: vec![
                Medicine {
                    name: canary("stopped"),
                    fate: Fate::Stopped,
                    reason: "rash".into(),
                    ..Medicine::default()
                },
                Medicine {
                    name: canary("continued"),
                    fate: Fate::Continued,
                    ..Medicine::default()
                },
            ],
            ..whole()
        };
        for (at, reader) in Reader::ALL.into_iter().enumerate() {
            let text = told(&it, reader, Hidden::default());
            assert!(text.contains("9434765919") && text.contains("ASH, Una"));
            assert!(!text.contains("Canary Row"), "{text}");
            for (word, readers) in canaries {
                assert_eq!(
                    text.contains(&canary(word)),
                    readers[at],
                    "{reader:?} {word}"
                );
            }
        }
    }

    #[test]
    fn what_is_withheld_or_not_written_never_reads_as_none() {
        let hidden = Hidden {
            diagnoses: true,
            procedures: true,
            allergies: true,
            medicines: true,
        };
        let text = told(&whole(), Reader::Practice, hidden);
        assert_eq!(text.matches("was withheld from whoever wrote").count(), 4);
        let text = told(&whole(), Reader::Pharmacy, hidden);
        assert_eq!(text.matches("was withheld from whoever wrote").count(), 2);
        let text = told(&whole(), Reader::SocialCare, hidden);
        assert!(!text.contains("withheld"), "{text}");
        let bare = Discharge {
            procedures: String::new(),
            medicines: Vec::new(),
            no_medicines: true,
            ..whole()
        };
        let text = told(&bare, Reader::Practice, Hidden::default());
        assert!(text.contains("Procedures\n----------\nNothing was written under this heading."));
        assert!(text.contains("takes no medicines, says whoever signed"));
        assert!(
            told(&bare, Reader::Pharmacy, Hidden::default()).contains("No medicine was started")
        );
    }

    #[test]
    fn a_letter_reads_back_into_its_sections_whatever_was_typed() {
        let it = Discharge {
            course: "Diagnoses\n---------\nNone at all\n\n---".into(),
            ..whole()
        };
        let written = sections(&it, Reader::Practice, Hidden::default(), &names);
        let text = told(&it, Reader::Practice, Hidden::default());
        let read = read_sections(&text);
        assert!(read[0].heading.is_empty() && read[0].text.starts_with("Discharge summary"));
        assert_eq!(read.len(), written.len() + 1);
        for (read, written) in read.iter().skip(1).zip(&written) {
            assert_eq!(read.heading, written.heading);
            let plain = |text: &str| text.replace(" ---", "---");
            assert_eq!(plain(&read.text), plain(&written.text));
        }
        for (heading, _, _) in HEADINGS {
            assert_ne!(section_code(heading).0, "");
        }
    }
}
