//! The form of a discharge: what was typed into it, and how it is shown.

use axum::response::Response;
use exchange::discharge::{Discharge, Fate, Fault, MEDICINES_MAX, Medicine};
use serde_json::Value;
use store::drafts::Draft;

use super::views;
use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{self, Done, Person};
use crate::page::{Page, words};
use crate::record;
use crate::visit::Visit;

/// Empty lines for medicines below those that are listed.
const BLANK_LINES: usize = 3;

/// What a form shows.
pub struct Shown<'a> {
    pub who: record::Patient,
    /// The Patient's id.
    pub patient: &'a str,
    /// The draft that it writes over; none where it begins one.
    pub draft: Option<&'a Draft>,
    /// The name of the draft that it begins.
    pub attempt: String,
    pub typed: Discharge,
    pub notes: Vec<String>,
    pub faults: &'a [Fault],
    pub done: &'a str,
}

impl<'a> Shown<'a> {
    /// A form of which nothing is kept yet.
    pub fn unkept(
        who: &Value,
        patient: &'a str,
        typed: Discharge,
        notes: Vec<String>,
    ) -> Shown<'a> {
        Shown {
            who: record::patient(who),
            patient,
            draft: None,
            attempt: uuid::Uuid::new_v4().to_string(),
            typed,
            notes,
            faults: &[],
            done: "",
        }
    }
}

/// What was typed. Lines of medicines without a word in them are none.
pub fn typed(fields: &Fields) -> Discharge {
    let of = |name: &str| fields.text(name).replace("\r\n", "\n");
    let code = |name: &str| fields.text(name).to_ascii_uppercase();
    let medicine = |number: usize| Medicine {
        name: of(&format!("m{number}-name")),
        dose: of(&format!("m{number}-dose")),
        fate: Fate::parse(fields.text(&format!("m{number}-fate"))),
        reason: of(&format!("m{number}-reason")),
    };
    let medicines = (0..MEDICINES_MAX + BLANK_LINES).map(medicine);
    let is_some = |it: &Medicine| {
        it.fate != Fate::Open
            || [&it.name, &it.dose, &it.reason]
                .iter()
                .any(|it| !it.is_empty())
    };
    Discharge {
        admitted: of("admitted"),
        discharged: of("discharged"),
        diagnoses: of("diagnoses"),
        procedures: of("procedures"),
        course: of("course"),
        allergies: of("allergies"),
        medicines: medicines.filter(is_some).collect(),
        no_medicines: fields.text("no-medicines") == "yes",
        gp_actions: of("gp-actions"),
        follow_up: of("follow-up"),
        care_needs: of("care-needs"),
        contacts: of("contacts"),
        told: of("told"),
        practice: code("practice"),
        pharmacy: code("pharmacy"),
        social_care: code("social-care"),
        urgent: fields.text("urgent") == "yes",
        mark: of("mark"),
        amends: None,
    }
}

/// The page.
pub fn answer(node: &Node, visit: &Visit, shown: Shown<'_>) -> Response {
    let faults = shown.faults;
    let error = |field: &str| {
        let found = faults.iter().find(|(at, _)| *at == field);
        found.map(|(_, said)| *said)
    };
    let view = views::Form {
        done: done(shown.done),
        errors: faults.iter().map(|it| fault(*it)).collect(),
        patient: Person::new(
            &shown.who.name,
            shown.who.birth_date.as_deref(),
            shown.who.nhs_number.as_deref(),
        ),
        record: format!("/staff/patient/{}", shown.patient),
        notes: shown.notes,
        action: match shown.draft {
            Some(draft) => format!("/staff/discharges/{}", draft.id),
            None => "/staff/discharges/new".to_owned(),
        },
        patient_id: shown.patient.to_owned(),
        attempt: shown.attempt,
        version: shown.draft.map(|it| it.version.to_string()),
        kept: shown.draft.map(|it| views::Kept {
            at: words::moment(it.changed_at, visit.now),
            by: it.author.clone(),
        }),
        amends: shown.typed.amends.as_ref().map(|it| views::Amends {
            draft: it.draft.clone(),
            signed: it.signed.clone(),
            why: views::Text {
                field: "why",
                label: "Why there is a new version",
                hint: "The practice reads it, and so may the patient.",
                value: it.why.clone(),
                error: error("why"),
            },
        }),
        days: days(&shown.typed, &error),
        before: texts(&shown.typed, &BEFORE, &error),
        after: texts(&shown.typed, &AFTER, &error),
        medicines: medicines(&shown.typed),
        medicines_error: error("medicines"),
        no_medicines: shown.typed.no_medicines,
        readers: readers(node, &shown.typed, &error),
        urgent: shown.typed.urgent,
        marks: marks(&shown.typed.mark),
    };
    let title = format!("Discharge of {}", shown.who.name);
    Page::new("staff/discharge.jinja", title, view)
        .under("/staff/unsigned")
        .with_faults(!faults.is_empty())
        .answer(&node.site, visit)
}

fn done(word: &str) -> Option<Done> {
    let text = match word {
        "kept" => "The draft is kept. Nobody is sent anything before it is signed.",
        "moved" => {
            "Somebody has changed this draft since you saw it. Nothing was signed, sent or discarded; look at it again."
        }
        _ => return None,
    };
    Some(Done {
        text,
        href: None,
        link: None,
    })
}

fn fault((field, text): Fault) -> parts::Fault {
    parts::Fault {
        text,
        href: format!("#{field}").into(),
    }
}

/// A text: its field, label and hint.
type Asked = (&'static str, &'static str, &'static str);

const BEFORE: [Asked; 4] = [
    ("diagnoses", "Diagnoses", "One a line."),
    ("procedures", "Procedures", "Those of this stay."),
    ("course", "What happened in hospital", ""),
    (
        "allergies",
        "Allergies and adverse reactions",
        "With the reaction. If nothing is known, write so: an empty field cannot be signed.",
    ),
];
const AFTER: [Asked; 5] = [
    ("gp-actions", "What the practice is to do", "With dates."),
    (
        "follow-up",
        "Follow-up",
        "What the hospital does, and when.",
    ),
    (
        "care-needs",
        "Care needs",
        "Social care reads this and the contacts, and nothing else.",
    ),
    (
        "contacts",
        "Contacts",
        "Who helps at home, and how to reach them.",
    ),
    ("told", "What the patient was told", ""),
];

fn texts(
    typed: &Discharge,
    asked: &[Asked],
    error: &dyn Fn(&str) -> Option<&'static str>,
) -> Vec<views::Text> {
    let value = |field: &str| match field {
        "diagnoses" => &typed.diagnoses,
        "procedures" => &typed.procedures,
        "course" => &typed.course,
        "allergies" => &typed.allergies,
        "gp-actions" => &typed.gp_actions,
        "follow-up" => &typed.follow_up,
        "care-needs" => &typed.care_needs,
        "contacts" => &typed.contacts,
        _ => &typed.told,
    };
    let text = |&(field, label, hint): &Asked| views::Text {
        field,
        label,
        hint,
        value: value(field).clone(),
        error: error(field),
    };
    asked.iter().map(text).collect()
}

fn days(typed: &Discharge, error: &dyn Fn(&str) -> Option<&'static str>) -> Vec<views::Text> {
    let day = |field, label, value: &String| views::Text {
        field,
        label,
        hint: "",
        value: value.clone(),
        error: error(field),
    };
    vec![
        day("admitted", "Admitted, such as 2026-02-03", &typed.admitted),
        day(
            "discharged",
            "Discharged, such as 2026-02-03",
            &typed.discharged,
        ),
    ]
}

fn medicines(typed: &Discharge) -> Vec<views::Medicine> {
    let blank = std::iter::repeat_n(Medicine::default(), BLANK_LINES);
    let all = typed.medicines.iter().cloned().chain(blank);
    let line = |(number, it): (usize, Medicine)| views::Medicine {
        number,
        fates: Fate::CHOICES
            .iter()
            .map(|(fate, text)| views::Choice {
                value: fate.code(),
                text,
                chosen: *fate == it.fate,
            })
            .collect(),
        name: it.name,
        dose: it.dose,
        reason: it.reason,
    };
    all.enumerate().map(line).collect()
}

/// Who can be written to: a field for each, with the organisations that the directory names for it.
fn readers(
    node: &Node,
    typed: &Discharge,
    error: &dyn Fn(&str) -> Option<&'static str>,
) -> Vec<views::Reader> {
    let known = |role: &str| {
        let members = node.exchange.as_ref().map(|it| it.book().members());
        let members = members.unwrap_or_default();
        let of_role = members
            .iter()
            .filter(|it| it.roles.iter().any(|own| own == role));
        of_role
            .map(|it| (it.ods.clone(), it.name.clone()))
            .collect::<Vec<_>>()
    };
    let reader = |field, label, role: &str, value: &String| views::Reader {
        field,
        label,
        name: match value.as_str() {
            "" => String::new(),
            code => (node.organisation_name)(code),
        },
        value: value.clone(),
        error: error(field),
        known: known(role),
    };
    vec![
        reader(
            "practice",
            "GP practice: the whole letter",
            "gp-practice",
            &typed.practice,
        ),
        reader(
            "pharmacy",
            "Pharmacy: changed medicines and allergies",
            "pharmacy",
            &typed.pharmacy,
        ),
        reader(
            "social-care",
            "Social care: care needs and contacts",
            "social-care",
            &typed.social_care,
        ),
    ]
}

fn marks(chosen: &str) -> Vec<views::Choice> {
    let choice = |(value, text): (&'static str, &'static str)| views::Choice {
        value,
        text,
        chosen: value == chosen,
    };
    [
        ("", "Yes"),
        ("third-party", "No: it tells of somebody else"),
        ("serious-harm", "No: it could do serious harm"),
    ]
    .into_iter()
    .map(choice)
    .collect()
}
