//! `/staff/handovers/new` and `…/{id}/update`: what a crew writes, on a tablet and a bad line: one page, no script needed, and
//! nothing typed is lost when something is wrong with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use access::{Interaction, NhsNumber, Ods};
use axum::extract::{Path, State};
use axum::response::Response;
use exchange::handovers::{Consciousness, NewHandover, Observations, Sheet, Treatment};
use exchange::manifest::PatientNamed;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::load::{self, as_told};
use super::{DAY, TY, exchange, views};
use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Fault, Person};
use crate::page::problem::Refusal;
use crate::page::{Page, see_other, words};
use crate::sign_in::proof;
use crate::staff::referrals::views::Receiver;
use crate::visit::Visit;

/// Rows for treatments on one form.
const TREATMENT_ROWS: usize = 4;
/// The fields but for treatments.
const FIELDS: [&str; 27] = [
    "to",
    "nhs_number",
    "born",
    "family",
    "given",
    "unknown",
    "as_told",
    "age",
    "sex",
    "crew",
    "happened",
    "found",
    "allergies",
    "pre_alert",
    "due",
    "obs_time",
    "rate",
    "saturation",
    "scale",
    "oxygen",
    "systolic",
    "diastolic",
    "pulse",
    "consciousness",
    "temperature",
    "attempt",
    "seen",
];

/// What is wrong, and at which field.
pub(super) type Wrong = (&'static str, String);

fn wrong<T>(field: &'static str, why: &str) -> Result<T, Wrong> {
    Err((field, why.to_owned()))
}

/// Who can be asked: hospitals first.
pub(super) fn receivers(node: &Node, but: &str) -> Result<Vec<Receiver>, Problem> {
    let own = node.site.organisation.as_str();
    let members = exchange(node)?.book().members();
    let mut found: Vec<(bool, Receiver)> = members
        .iter()
        .filter(|it| it.ods.as_str() != own && it.ods.as_str() != but)
        .map(|it| {
            let is_hospital = it.roles.iter().any(|role| role == "hospital");
            let receiver = Receiver {
                ods: it.ods.to_string(),
                name: it.name.clone(),
                chosen: false,
            };
            (!is_hospital, receiver)
        })
        .collect();
    found.sort_by(|a, b| (a.0, &a.1.name).cmp(&(b.0, &b.1.name)));
    Ok(found.into_iter().map(|it| it.1).collect())
}

/// The moment nearest to now at which it is that time in the UK.
fn near(time: &str, now: Millis) -> Option<Millis> {
    let near = |shift: i64| {
        let there = words::there(now + shift * DAY)?;
        words::moment_of(&there.date().to_string(), time)
    };
    let times = [-1, 0, 1].into_iter().filter_map(near);
    times.min_by_key(|at| (at - now).abs())
}

/// A time of the form `14:05`, or nothing.
fn time(
    fields: &Fields,
    name: &str,
    field: &'static str,
    now: Millis,
) -> Result<Option<Millis>, Wrong> {
    match fields.text(name) {
        "" => Ok(None),
        text if text.len() == 5 => match near(text, now) {
            Some(at) => Ok(Some(at)),
            None => wrong(field, "A time is written as 14:05."),
        },
        _ => wrong(field, "A time is written as 14:05."),
    }
}

fn number(fields: &Fields, name: &'static str) -> Result<Option<u32>, Wrong> {
    match fields.text(name) {
        "" => Ok(None),
        text => match text.parse::<u32>() {
            Ok(it) => Ok(Some(it)),
            Err(_) => wrong(name, "This is a whole number, such as 18."),
        },
    }
}

/// `37.2` as tenths.
fn tenths(text: &str) -> Option<u32> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let whole: u32 = whole.parse().ok()?;
    let part: u32 = part.parse().ok().filter(|_| part.len() == 1)?;
    whole.checked_mul(10)?.checked_add(part)
}

/// What was measured, if anything was.
fn observations(fields: &Fields, now: Millis) -> Result<Option<Observations>, Wrong> {
    let at = time(fields, "obs_time", "obs_time", now)?;
    let temperature = match fields.text("temperature") {
        "" => None,
        text => match tenths(text) {
            Some(it) => Some(it),
            None => return wrong("temperature", "A temperature is written as 37.2."),
        },
    };
    let set = Observations {
        respiratory_rate: number(fields, "rate")?,
        oxygen_saturation: number(fields, "saturation")?,
        scale: match fields.text("scale") {
            "2" => 2,
            _ => 1,
        },
        on_oxygen: match fields.text("oxygen") {
            "oxygen" => Some(true),
            "air" => Some(false),
            _ => None,
        },
        systolic: number(fields, "systolic")?,
        diastolic: number(fields, "diastolic")?,
        pulse: number(fields, "pulse")?,
        consciousness: Consciousness::from_code(fields.text("consciousness")),
        temperature,
        ..Observations::at(at.unwrap_or(now))
    };
    if set.is_empty() {
        return Ok(None);
    }
    if set.at > now + super::MINUTE {
        return wrong("obs_time", "Observations are taken before they are told.");
    }
    match set.check() {
        Ok(()) => Ok(Some(set)),
        Err(problem) => wrong("rate", &problem.message),
    }
}

fn treatments(fields: &Fields, now: Millis) -> Result<Vec<Treatment>, Wrong> {
    let mut found = Vec::new();
    for row in 0..TREATMENT_ROWS {
        let what = fields.text(&format!("what{row}")).to_owned();
        let at = time(fields, &format!("at{row}"), "what0", now)?;
        match (what.is_empty(), at) {
            (true, None) => {}
            (true, Some(_)) => return wrong("what0", "Say what was given or done at that time."),
            (false, at) => found.push(Treatment {
                at: at.unwrap_or(now),
                what,
            }),
        }
    }
    Ok(found)
}

/// The sheet with what was typed added to what stood. What was said of people is left as it was.
pub(super) fn sheet(fields: &Fields, stood: Sheet, now: Millis) -> Result<Sheet, Wrong> {
    let text = |name: &str| fields.text(name).to_owned();
    let due_at = time(fields, "due", "due", now)?;
    let mut sheet = Sheet {
        sex: text("sex"),
        age: number(fields, "age")?,
        crew: text("crew"),
        happened: text("happened"),
        found: text("found"),
        allergies: text("allergies"),
        pre_alert: !fields.text("pre_alert").is_empty(),
        due_at: due_at.or(stood.due_at),
        ..stood
    };
    sheet.treatments.extend(treatments(fields, now)?);
    sheet.observations.extend(observations(fields, now)?);
    match sheet.check() {
        Ok(()) => Ok(sheet),
        Err(problem) => wrong("happened", &problem.message),
    }
}

/// Whom the crew names, where no record here is of them.
fn named(fields: &Fields) -> Result<PatientNamed, Wrong> {
    let text = |name: &str| fields.text(name).to_owned();
    let number = match fields.text("nhs_number") {
        "" => None,
        typed => match NhsNumber::parse(&typed.replace(' ', "")) {
            Ok(number) => Some(number.digits().to_owned()),
            Err(_) => {
                return wrong(
                    "nhs_number",
                    "This is no NHS number: leave it out, or look again.",
                );
            }
        },
    };
    let born = text("born");
    if !born.is_empty() && (born.len() != 10 || fhir::date::span(&born).is_none()) {
        return wrong("born", "A date of birth is written as 1961-02-03.");
    }
    Ok(PatientNamed {
        nhs_number: number,
        birth_date: (!born.is_empty()).then_some(born),
        family: text("family"),
        given: text("given"),
    })
}

/// Whom it is about: the Patient here, or empty with whom the crew names.
async fn person(
    node: &Node,
    visit: &Visit,
    fields: &Fields,
) -> Result<Result<(String, PatientNamed), Wrong>, Problem> {
    let typed = ["nhs_number", "born", "family"].map(|it| fields.text(it));
    let nothing = typed.iter().all(|it| it.is_empty()) && fields.text("given").is_empty();
    if !fields.text("unknown").is_empty() {
        return Ok(match nothing {
            true => Ok((String::new(), PatientNamed::default())),
            false => wrong(
                "unknown",
                "You say both who it is and that nobody knows. Take away one of them.",
            ),
        });
    }
    if nothing {
        let why = "Say who it is, or tick that nobody knows.";
        return Ok(wrong("nhs_number", why));
    }
    // All three together: nobody is found by a number alone.
    if let Some((patient, ..)) = proof::find(node, visit, typed).await? {
        return Ok(Ok((patient, PatientNamed::default())));
    }
    if fields.text("as_told").is_empty() {
        let why = "Nobody here has this NHS number, date of birth and family name together. Look again, or tick that \
                   you send it as told.";
        return Ok(wrong("nhs_number", why));
    }
    Ok(named(fields).map(|named| (String::new(), named)))
}

/// `GET /staff/handovers/new`
pub async fn page(State(node): State<Arc<Node>>, visit: Visit) -> Result<Response, Refusal> {
    visit.scope(&node, Interaction::HandOver, TY).await?;
    let mut view = blank(&node, &visit)?;
    let attempt = uuid::Uuid::new_v4().to_string();
    view.attempt = attempt;
    Ok(show(&node, &visit, view))
}

fn blank(node: &Node, visit: &Visit) -> Result<views::New, Problem> {
    let mut typed: BTreeMap<&'static str, String> = BTreeMap::new();
    if let Some(there) = words::there(visit.now) {
        typed.insert("obs_time", there.strftime("%H:%M").to_string());
    }
    Ok(views::New {
        errors: Vec::new(),
        said: None,
        heading: "Hand over to a hospital",
        back: "/staff/handovers".to_owned(),
        action: "/staff/handovers/new".to_owned(),
        attempt: String::new(),
        seen: String::new(),
        about: None,
        receivers: receivers(node, "")?,
        typed,
        treatments: vec![(String::new(), String::new()); TREATMENT_ROWS],
        told: Vec::new(),
    })
}

fn show(node: &Node, visit: &Visit, view: views::New) -> Response {
    let faulty = view.said.is_some();
    let page = Page::new("staff/handover-new.jinja", view.heading, view);
    let page = page.under("/staff/handover-board").with_faults(faulty);
    page.answer(&node.site, visit)
}

/// The form as it was sent, with what is wrong with it.
fn again(
    node: &Node,
    visit: &Visit,
    view: views::New,
    (fields, (field, said)): (&Fields, Wrong),
) -> Response {
    let typed = |name: &&'static str| (*name, fields.text(name).to_owned());
    let chosen = |it: Receiver| Receiver {
        chosen: it.ods == fields.text("to"),
        ..it
    };
    let treatment = |row: usize| {
        (
            fields.text(&format!("at{row}")).to_owned(),
            fields.text(&format!("what{row}")).to_owned(),
        )
    };
    let view = views::New {
        errors: vec![Fault {
            text: "Nothing was sent",
            href: format!("#{field}").into(),
        }],
        said: Some(said),
        attempt: fields.text("attempt").to_owned(),
        seen: fields.text("seen").to_owned(),
        receivers: view.receivers.into_iter().map(chosen).collect(),
        typed: FIELDS.iter().map(typed).collect(),
        treatments: (0..TREATMENT_ROWS).map(treatment).collect(),
        ..view
    };
    show(node, visit, view)
}

/// What is the fault of who filled in the form.
fn is_theirs(problem: &Problem) -> bool {
    matches!(
        problem.kind,
        Kind::Required
            | Kind::Value
            | Kind::TooLong
            | Kind::BusinessRule
            | Kind::NotFound
            | Kind::Conflict
    )
}

/// `POST /staff/handovers/new`
pub async fn hand_over(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::HandOver, TY).await?;
    let exchange = exchange(&node)?;
    let wrong = |wrong: Wrong| {
        let view = blank(&node, &visit)?;
        Ok(again(&node, &visit, view, (&fields, wrong)))
    };
    let (patient, named) = match person(&node, &visit, &fields).await? {
        Ok(found) => found,
        Err(why) => return wrong(why),
    };
    let Ok(to) = Ods::parse(fields.text("to")) else {
        return wrong(("to", "Choose the hospital.".to_owned()));
    };
    let stood = Sheet {
        person: named,
        ..Sheet::default()
    };
    let sheet = match sheet(&fields, stood, visit.now) {
        Ok(sheet) => sheet,
        Err(why) => return wrong(why),
    };
    let attempt = fields.text("attempt");
    if attempt.is_empty() {
        return wrong(("happened", "Send the form once more.".to_owned()));
    }
    let new = NewHandover {
        patient: &patient,
        to: &to,
        sheet,
        attempt,
    };
    match exchange.hand_over(&scope, new).await {
        Ok(id) => Ok(see_other(&format!("/staff/handovers/{id}?done=sent"))),
        Err(problem) if is_theirs(&problem) => wrong(("happened", problem.message.to_string())),
        Err(problem) => Err(problem.into()),
    }
}

/// The form of an update, with what stands.
async fn standing(node: &Node, visit: &Visit, id: &str) -> Result<(views::New, Sheet), Problem> {
    let scope = visit.scope(node, Interaction::Handovers, TY).await?;
    let handover = node.store.handover(&scope, id).await?;
    let handover = handover.filter(|it| !it.inward).ok_or_else(load::gone)?;
    let loaded = load::one(node, &scope, &handover).await?;
    let loaded = loaded.ok_or_else(load::gone)?;
    let sheet = loaded.sheet().cloned().unwrap_or_default();
    let mut view = blank(node, visit)?;
    view.heading = "Say what is new";
    view.back = format!("/staff/handovers/{id}");
    view.action = format!("/staff/handovers/{id}/update");
    view.seen = handover.crew_told.to_string();
    view.about = Some(about(&loaded, &sheet, visit.now));
    let told = |it: &Treatment| (words::moment(it.at, visit.now), it.what.clone());
    view.told = sheet.treatments.iter().map(told).collect();
    for (name, value) in [
        ("happened", sheet.happened.clone()),
        ("found", sheet.found.clone()),
        ("allergies", sheet.allergies.clone()),
        ("crew", sheet.crew.clone()),
        ("sex", sheet.sex.clone()),
        (
            "age",
            sheet.age.map(|it| it.to_string()).unwrap_or_default(),
        ),
        (
            "pre_alert",
            match sheet.pre_alert {
                true => "yes".to_owned(),
                false => String::new(),
            },
        ),
    ] {
        view.typed.insert(name, value);
    }
    Ok((view, sheet))
}

fn about(loaded: &load::Loaded, sheet: &Sheet, now: Millis) -> Person {
    match &loaded.patient {
        Some(_) => loaded.person(now),
        None => as_told(sheet, now),
    }
}

/// `GET /staff/handovers/{id}/update`
pub async fn more(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    visit.scope(&node, Interaction::HandOver, TY).await?;
    let (view, _) = standing(&node, &visit, &id).await?;
    Ok(show(&node, &visit, view))
}

/// `POST /staff/handovers/{id}/update`
pub async fn update(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::HandOver, TY).await?;
    let exchange = exchange(&node)?;
    let (view, stood) = standing(&node, &visit, &id).await?;
    let is_unknown = stood.is_unknown();
    let mut sheet = match sheet(&fields, stood, visit.now) {
        Ok(sheet) => sheet,
        Err(why) => return Ok(again(&node, &visit, view, (&fields, why))),
    };
    if is_unknown {
        // Who it is may have been found out since.
        match named(&fields) {
            Ok(named) => sheet.person = named,
            Err(why) => return Ok(again(&node, &visit, view, (&fields, why))),
        }
    }
    let seen = fields.text("seen").parse::<u32>().unwrap_or_default();
    match exchange.update_handover(&scope, (&id, seen), sheet).await {
        Ok(()) => Ok(see_other(&format!("/staff/handovers/{id}?done=updated"))),
        Err(problem) if is_theirs(&problem) && problem.kind != Kind::NotFound => {
            let wrong = ("happened", problem.message.to_string());
            Ok(again(&node, &visit, view, (&fields, wrong)))
        }
        Err(problem) => Err(problem.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_a_day_is_the_nearest_one_and_a_temperature_is_in_tenths() {
        // 2026-01-05 00:10 in the UK.
        let now = words::moment_of("2026-01-05", "00:10").unwrap();
        let at = |text| near(text, now).unwrap();
        assert_eq!(at("23:55"), now - 15 * 60_000, "yesterday");
        assert_eq!(at("00:30"), now + 20 * 60_000);
        assert_eq!(near("25:00", now), None);
        assert_eq!(tenths("37.2"), Some(372));
        assert_eq!(tenths("37"), Some(370));
        for text in ["37,2", "37.25", "", "warm", "37."] {
            assert_eq!(tenths(text), None, "{text}");
        }
    }
}
