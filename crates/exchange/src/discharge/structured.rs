//! The practice's letter as a Transfer of Care document (`docs/itk3.md`): its own words, at the places where that
//! standard has them.
//!
//! Invariant: of the patient nothing stands in the document that does not stand in the letter, and nothing of the letter
//! is left out.

use fhir::date;
use fhir::itk3::Care;
use fhir::itk3::care::{About, Block, Heading, Section as Placed, Structure, headings};

use super::Fate;
use super::letters::{
    ADMISSION, ALLERGIES, CARE, CHANGED, CONTACTS, DIAGNOSES, DISCHARGED, MEDICINES, OTHERS, PLAN,
    PROCEDURES, Section, TOLD, WITHHELD, read_sections,
};

/// The headings of a medicines table.
const COLUMNS: [&str; 3] = ["What became of it", "Medicine and dose", "Why"];
/// In a cell about which nothing was said.
const NOTHING: &str = "-";
const NO_COMPLAINT: &str =
    "Nothing was written under a heading of its own: see the clinical narrative.";

/// What a letter that `letter` wrote for a practice is as such a document; `None` for any other text. The practice is
/// named by its ODS code, the sender by its telephone number, which may be empty.
pub(crate) fn structure(
    letter: &str,
    care: Care,
    (practice, telephone): (&str, &str),
) -> Option<Structure> {
    let sections = read_sections(letter);
    let (head, told) = sections.split_first()?;
    let of = |what: &str| {
        let mut lines = head.text.lines();
        lines.find_map(|line| line.strip_prefix(what)?.strip_prefix(": "))
    };
    let said = |heading: &str| told.iter().find(|it| it.heading == heading);
    // What each letter for a practice has.
    let discharged = said(DISCHARGED)?;
    let (to, from, signed) = (of("To")?, of("From")?, of("Signed by")?);
    let mut places = Places::default();
    for what in ["Patient", "NHS number", "Born"] {
        places.line(headings::PATIENT, format!("{what}: {}", of(what)?));
    }
    places.line(headings::PRACTICE, to.to_owned());
    for section in told {
        places.put(place(care, &section.heading), section);
    }
    if care == Care::Emergency {
        places.line(headings::PRESENTING, NO_COMPLAINT.to_owned());
    }
    for line in [format!("Signed by: {signed}"), format!("Of: {from}")] {
        places.line(headings::COMPLETING, line);
    }
    // That it is one is held where it is signed.
    places.line(headings::COMPLETING, "Role: clinician".to_owned());
    if !telephone.is_empty() {
        places.line(headings::COMPLETING, format!("Telephone: {telephone}"));
    }
    let code = format!(" ({practice})");
    let name = to.strip_suffix(code.as_str()).unwrap_or(to);
    let admitted = said(ADMISSION).map(|it| day(&it.text, "Admitted on "));
    Some(Structure {
        care,
        practice_name: name.to_owned(),
        admitted: admitted.unwrap_or_default(),
        discharged: day(&discharged.text, "Discharged on "),
        sections: places.done(care),
    })
}

/// Where what stands under one of our headings stands there. What has no place of its own is part of the summary.
fn place(care: Care, heading: &str) -> Heading {
    match heading {
        ADMISSION => headings::arrival(care),
        DISCHARGED => headings::discharge(care),
        DIAGNOSES => headings::DIAGNOSES,
        PROCEDURES => headings::PROCEDURES,
        ALLERGIES => headings::ALLERGIES,
        MEDICINES | CHANGED => headings::MEDICINES,
        PLAN => headings::PLAN,
        CARE => headings::requirements(care),
        TOLD => headings::TOLD,
        CONTACTS => headings::contacts(care),
        OTHERS => headings::others(care),
        _ => headings::summary(care),
    }
}

/// The sections in the making: one for each heading, however many of ours stand under it.
#[derive(Default)]
struct Places(Vec<Placed>);

impl Places {
    fn at(&mut self, heading: Heading) -> Option<&mut Placed> {
        if !self.0.iter().any(|it| it.heading == heading) {
            self.0.push(Placed {
                heading,
                blocks: Vec::new(),
                about: None,
            });
        }
        self.0.iter_mut().find(|it| it.heading == heading)
    }

    fn line(&mut self, heading: Heading, line: String) {
        if let Some(place) = self.at(heading) {
            place.blocks.push(Block::Line(line));
        }
    }

    /// Adds a section of ours, under its own heading where that is not the place's, or something stands there already.
    fn put(&mut self, heading: Heading, section: &Section) {
        let pieces = match section.heading.as_str() {
            MEDICINES => medicines(&section.text),
            ALLERGIES => allergies(&section.text),
            _ => lines(&section.text).map(line).collect(),
        };
        let Some(place) = self.at(heading) else {
            return;
        };
        if pieces.is_empty() {
            return;
        }
        if section.heading != heading.0 || !place.blocks.is_empty() {
            place.blocks.push(Block::Heading(section.heading.clone()));
        }
        place.blocks.extend(pieces);
    }

    /// What says something, each with the resource that it is about.
    fn done(self, care: Care) -> Vec<Placed> {
        let about = |heading: Heading| match heading {
            headings::PATIENT => Some(About::Patient),
            headings::PRACTICE => Some(About::Practice),
            headings::COMPLETING => Some(About::Author),
            it if it == headings::arrival(care) || it == headings::discharge(care) => {
                Some(About::Stay)
            }
            _ => None,
        };
        let told = self.0.into_iter().filter(|it| !it.blocks.is_empty());
        told.map(|it| Placed {
            about: about(it.heading),
            ..it
        })
        .collect()
    }
}

/// The lines that say something.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|it| !it.is_empty())
}

fn line(line: &str) -> Block {
    Block::Line(line.to_owned())
}

/// The table that every medicine stands in: what became of it, the medicine, and why.
fn medicines(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut fate = None;
    for it in lines(text) {
        let named = Fate::CHOICES
            .into_iter()
            .map(|(_, word)| word)
            .find(|word| it.strip_suffix(':') == Some(*word));
        if named.is_some() {
            fate = named;
            continue;
        }
        match (fate, it.strip_prefix("* ")) {
            (Some(fate), Some(medicine)) => {
                let (what, why) = medicine
                    .split_once(". Why: ")
                    .unwrap_or((medicine, NOTHING));
                rows.push(Vec::from([fate, what, why].map(str::to_owned)));
            }
            _ => {
                end(&mut blocks, &mut rows, &COLUMNS);
                blocks.push(line(it));
            }
        }
    }
    end(&mut blocks, &mut rows, &COLUMNS);
    blocks
}

/// The table of allergies, a row for each line that was written; that some are withheld stands below.
fn allergies(text: &str) -> Vec<Block> {
    let (withheld, known): (Vec<&str>, Vec<&str>) = lines(text).partition(|it| *it == WITHHELD);
    let mut blocks = Vec::new();
    let mut rows: Vec<Vec<String>> = known.iter().map(|it| vec![(*it).to_owned()]).collect();
    end(&mut blocks, &mut rows, &["Allergy or adverse reaction"]);
    blocks.extend(withheld.into_iter().map(line));
    blocks
}

/// The rows so far as a table, if there is one.
fn end(blocks: &mut Vec<Block>, rows: &mut Vec<Vec<String>>, columns: &[&str]) {
    if rows.is_empty() {
        return;
    }
    rows.insert(0, columns.iter().map(|it| (*it).to_owned()).collect());
    blocks.push(Block::Table(std::mem::take(rows)));
}

/// The day that a sentence of ours names; empty for none.
fn day(text: &str, before: &str) -> String {
    let mut lines = text.lines();
    let day = lines.find_map(|it| it.strip_prefix(before)?.strip_suffix('.'));
    let day = day.filter(|it| it.len() == 10 && date::span(it).is_some());
    day.unwrap_or_default().to_owned()
}
