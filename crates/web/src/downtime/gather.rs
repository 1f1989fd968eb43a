//! Who is here today, and what is known of them, as far as any of the staff may see it.

use fhir::members::text;
use std::collections::BTreeMap;

use access::Scope;
use fhir::date::{self, Millis};
use fhir::problem::Problem;
use fhir::search::{Limits, Search};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use store::parcels::{ListFilter, Show, Shown};
use store::visits::VisitState;

use crate::carried::code128::Code;
use crate::carried::record::{self, Carried};
use crate::node::Node;
use crate::page::words;
use crate::record::json;

/// Patients of one pack.
pub const PATIENTS_MAX: usize = 250;
/// Resources of one list that are looked through.
const LISTED_MAX: u32 = 500;
/// Letters that are listed.
const LETTERS_MAX: u32 = 100;
/// Letters and digits of Crockford's base 32: none looks like another.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The forms: what a bar code calls each, the letter in the code, and the heading.
pub const FORMS: [(&str, &str, &str); 2] = [
    ("observations", "O", "Observations"),
    ("care", "C", "Medicines given, and notes"),
];

/// `carried/downtime.jinja`
#[derive(Serialize)]
pub struct View {
    pub made: String,
    pub organisation: String,
    pub left_out: Vec<String>,
    pub patients: Vec<Patient>,
    pub letters: Vec<Letter>,
}

/// Somebody who is here today.
#[derive(Serialize)]
pub struct Patient {
    pub carried: Carried,
    /// Why they are in the pack.
    pub why: Vec<String>,
    pub forms: Vec<Form>,
}

/// A blank form.
#[derive(Serialize)]
pub struct Form {
    pub form: &'static str,
    pub title: &'static str,
    pub code: Code,
}

/// A letter that nobody has filed.
#[derive(Serialize)]
pub struct Letter {
    pub title: String,
    pub from: String,
    pub about: String,
    pub since: String,
    pub urgent: bool,
}

/// What was gathered.
pub struct Gathered {
    pub view: View,
    /// Code, form, patient.
    pub codes: Vec<(String, &'static str, String)>,
}

/// Who is here and why, and what was left out of that.
#[derive(Default)]
struct Here {
    why: BTreeMap<String, Vec<(Millis, String)>>,
    left_out: Vec<String>,
}

impl Here {
    fn add(&mut self, patient: &str, at: Millis, why: String) {
        let patient = patient.to_owned();
        self.why.entry(patient).or_default().push((at, why));
    }
}

/// Gathers what goes into a pack.
///
/// # Errors
/// Those of the store.
pub async fn gather(node: &Node, scope: &Scope, now: Millis) -> Result<Gathered, Problem> {
    let mut here = Here::default();
    appointments(node, scope, now, &mut here).await?;
    visits(node, scope, now, &mut here).await?;
    inpatients(node, scope, &mut here).await?;
    let letters = letters(node, scope, now, &mut here).await?;
    let mut people: Vec<(String, Vec<(Millis, String)>)> = here.why.into_iter().collect();
    people.sort_by_key(|(_, why)| why.iter().map(|it| it.0).min());
    let mut left_out = here.left_out;
    let over = people.len().saturating_sub(PATIENTS_MAX);
    if over > 0 {
        left_out.push(format!(
            "{over} of today's patients are not in this pack: it holds {PATIENTS_MAX}."
        ));
    }
    let (mut patients, mut codes, mut unseen) = (Vec::new(), Vec::new(), 0_usize);
    for (id, why) in people.into_iter().take(PATIENTS_MAX) {
        let Some(carried) = record::of(node, scope, &id).await? else {
            unseen += 1;
            continue;
        };
        let mut forms = Vec::new();
        for (form, letter, title) in FORMS {
            let code = code(node.site.organisation.as_str(), (form, letter), &id);
            codes.push((code.clone(), form, id.clone()));
            let code = Code::of(&code);
            forms.push(Form { form, title, code });
        }
        patients.push(Patient {
            carried,
            why: why.into_iter().map(|(_, why)| why).collect(),
            forms,
        });
    }
    if unseen > 0 {
        left_out.push(format!(
            "{unseen} of today's patients are not in this pack: their records are withheld."
        ));
    }
    left_out.push(
        "Sealed items, items with a label, and where restricted patients live are in no pack."
            .to_owned(),
    );
    let view = View {
        made: words::moment(now, now).full,
        organisation: node.site.name.clone(),
        left_out,
        patients,
        letters,
    };
    Ok(Gathered { view, codes })
}

/// What a form's bar code says: `H`, the form's letter, and 60 bits that follow from form and patient.
fn code(organisation: &str, (form, letter): (&str, &str), patient: &str) -> String {
    let digest = Sha256::digest(format!(
        "handover downtime\0{organisation}\0{form}\0{patient}"
    ));
    let mut bits = digest
        .iter()
        .take(8)
        .fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
    let mut text = format!("H{letter}-");
    for _ in 0..12 {
        let place = usize::try_from(bits & 31).unwrap_or_default();
        text.push(DIGITS.get(place).map_or('0', |it| char::from(*it)));
        bits >>= 5;
    }
    text
}

async fn found(
    node: &Node,
    scope: &Scope,
    (ty, query): (&str, &[(&str, String)]),
    (here, what): (&mut Here, &str),
) -> Result<Vec<Value>, Problem> {
    let query: Vec<(String, String)> = query
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    let registry = node.store.registry();
    let limits = Limits::default();
    let mut search = Search::parse_with(&registry, ty, &query, &node.site.fhir_url(), &limits)?;
    search.count = LISTED_MAX;
    let page = node.store.search(scope, &search).await?;
    if page.next.is_some() {
        here.left_out.push(format!(
            "There are more {what} than were looked through: some of today's patients may not be in this pack."
        ));
    }
    page.entries.iter().map(json).collect()
}

fn at(value: &Value, place: &str) -> Option<Millis> {
    date::span(text(value, place)).map(|it| it.low)
}

/// Today in the UK: its first moment, and the next day's.
fn today(now: Millis) -> (String, Millis, Millis) {
    let day = words::there(now).map(|it| it.date());
    let next = day.and_then(|it| it.tomorrow().ok());
    let text = day.map(|it| it.to_string()).unwrap_or_default();
    let next = next.map(|it| it.to_string()).unwrap_or_default();
    let begins = |day: &str| words::moment_of(day, "00:00").unwrap_or(now);
    (text.clone(), begins(&text), begins(&next))
}

async fn appointments(
    node: &Node,
    scope: &Scope,
    now: Millis,
    here: &mut Here,
) -> Result<(), Problem> {
    let (_, from, until) = today(now);
    let query = [
        ("date", format!("ge{}", date::instant(from))),
        ("date", format!("lt{}", date::instant(until))),
    ];
    let all = found(
        node,
        scope,
        ("Appointment", &query),
        (&mut *here, "appointments"),
    )
    .await?;
    for it in &all {
        let over = ["cancelled", "noshow", "entered-in-error"];
        if over.contains(&text(it, "/status")) {
            continue;
        }
        let Some(starts) = at(it, "/start") else {
            continue;
        };
        let people = it.get("participant").and_then(Value::as_array);
        for person in people.into_iter().flatten() {
            let reference = text(person, "/actor/reference");
            if let Some(patient) = reference.strip_prefix("Patient/") {
                let time = words::moment(starts, now).short;
                let what = text(it, "/description");
                here.add(patient, starts, format!("Appointment {time} {what}"));
            }
        }
    }
    Ok(())
}

async fn visits(node: &Node, scope: &Scope, now: Millis, here: &mut Here) -> Result<(), Problem> {
    let (day, ..) = today(now);
    let (all, more) = node.store.visits_on(scope, &day, None).await?;
    for it in all.iter().filter(|it| it.state == VisitState::Planned) {
        let time = words::moment(it.at, now).short;
        here.add(&it.patient, it.at, format!("Visit {time} by {}", it.nurse));
    }
    if more {
        here.left_out.push(
            "There are more visits than were looked through: some of today's patients may not be in this pack."
                .to_owned(),
        );
    }
    Ok(())
}

async fn inpatients(node: &Node, scope: &Scope, here: &mut Here) -> Result<(), Problem> {
    let query = [("status", "in-progress".to_owned())];
    let all = found(node, scope, ("Encounter", &query), (&mut *here, "stays")).await?;
    for it in all.iter().filter(|it| text(it, "/class/code") == "IMP") {
        let Some(patient) = text(it, "/subject/reference").strip_prefix("Patient/") else {
            continue;
        };
        let since = at(it, "/period/start");
        let place = text(it, "/location/0/location/display");
        let since_said = since.map(|it| words::date(it).short).unwrap_or_default();
        // Whoever lies here is here all day: first of all.
        here.add(patient, 0, format!("Inpatient since {since_said} {place}"));
    }
    Ok(())
}

async fn letters(
    node: &Node,
    scope: &Scope,
    now: Millis,
    here: &mut Here,
) -> Result<Vec<Letter>, Problem> {
    let filter = ListFilter {
        count: LETTERS_MAX,
        ..ListFilter::new(Show::ToDo)
    };
    let page = node.store.letters(scope, &filter).await?;
    let is_whole = |it: &store::parcels::Letter| it.shown == Shown::Whole && !it.marked;
    let hidden = page.letters.iter().filter(|it| !is_whole(it));
    let hidden = hidden.count();
    if hidden > 0 {
        here.left_out.push(format!(
            "{hidden} letters that nobody has filed are withheld and not listed."
        ));
    }
    if page.next.is_some() {
        here.left_out
            .push("There are more letters that nobody has filed than are listed.".to_owned());
    }
    let whole = page.letters.into_iter();
    let whole = whole.filter(is_whole);
    let letter = |it: store::parcels::Letter| Letter {
        from: (node.organisation_name)(&it.sender),
        about: format!(
            "{}, {}, born {}",
            it.named.family.to_uppercase(),
            it.named.given,
            it.named.birth_date.as_deref().unwrap_or("not given")
        ),
        since: words::moment(it.stored_at, now).short,
        urgent: it.urgent,
        title: it.title,
    };
    Ok(whole.map(letter).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_names_form_and_patient_and_tells_nothing_of_either() {
        let of = |form, patient| code("A81001", form, patient);
        let one = of(("observations", "O"), "jane");
        assert_eq!(one, of(("observations", "O"), "jane"));
        assert_ne!(one, of(("observations", "O"), "una"));
        assert_ne!(one[3..], of(("care", "C"), "jane")[3..]);
        assert!(one.starts_with("HO-") && one.len() == 15, "{one}");
        assert!(Code::of(&one).width < 250);
    }

    #[test]
    fn today_is_the_day_in_the_uk() {
        // 2026-06-22T23:30Z is 23 June there.
        let (day, from, until) = today(1_782_171_000_000);
        assert_eq!(day, "2026-06-23");
        assert_eq!(until - from, 86_400_000);
        assert_eq!(date::instant(from), "2026-06-22T23:00:00.000Z");
    }
}
