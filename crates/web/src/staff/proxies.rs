//! `/staff/people/{patient}`: who may act for a patient, and whether their record is shown online. What
//! is done here has a reason and is on the privacy officer's list.

use std::sync::Arc;

use access::{Interaction, Outcome, Scope, Standstill, Target, birthday, months_later};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use fhir::date::{self, Millis};
use fhir::problem::{Kind, Problem};
use serde::Deserialize;
use store::care::Told;
use store::people::{By, Grant, Leave, PeopleWrite};
use store::{Effect, Job, Reading};

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Done, Fault, Label, Person};
use crate::page::problem::Refusal;
use crate::page::tongue::Language;
use crate::page::{Page, see_other, words};
use crate::patient::people::{choices, sees, term, ticked};
use crate::record;
use crate::sign_in::proof;
use crate::staff::{care, views};
use crate::visit::Visit;

/// What the address may ask for.
#[derive(Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    done: String,
}

/// A field, and what is wrong with it.
type Wrong = (&'static str, &'static str);

/// `GET /staff/people/{patient}`
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(patient): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let done = match asked.done.as_str() {
        "grant" => Some("Recorded. They can act for the patient from now on."),
        "confirm" => Some("Confirmed."),
        "end" => Some("Ended. It has no effect any more."),
        "pause" => Some("The record is not shown online any more."),
        "resume" => Some("The record is shown online again."),
        "show" => Some("The patient's own pages tell of their own use again."),
        _ => None,
    };
    show(&node, &visit, &patient, done, None).await
}

/// The patient, if the caller may know of them.
async fn known(node: &Node, visit: &Visit, patient: &str) -> Result<record::Patient, Problem> {
    care::check(patient)?;
    let scope = visit.scope(node, Interaction::Read, "Patient").await?;
    match node.store.read(&scope, "Patient", patient).await? {
        Reading::Found(version) => Ok(record::patient(&record::json(&version)?)),
        _ => Err(Problem::new(
            Kind::NotFound,
            "There is no such patient here, or nobody has recorded that you care for them.",
        )),
    }
}

async fn show(
    node: &Node,
    visit: &Visit,
    patient: &str,
    done: Option<&'static str>,
    wrong: Option<(&Fields, Wrong)>,
) -> Result<Response, Refusal> {
    let who = known(node, visit, patient).await?;
    let scope = visit.scope(node, Interaction::Proxies, "Patient").await?;
    let leaves = node.store.people_for(&scope, patient).await?;
    let access = node.store.online_access(&scope, patient).await?;
    let typed = |name: &str| wrong.map_or("", |(fields, _)| fields.text(name)).to_owned();
    let paused = access.paused_at.map(|at| {
        let when = words::moment(at, visit.now).short;
        format!("Not shown online since {when} ({}).", access.paused_by)
    });
    let view = views::Proxies {
        done: done.map(|text| Done {
            text,
            href: None,
            link: None,
        }),
        errors: wrong
            .iter()
            .map(|(_, (field, text))| Fault {
                text,
                href: format!("#{field}").into(),
            })
            .collect(),
        patient: Person::new(
            &who.name,
            who.birth_date.as_deref(),
            who.nhs_number.as_deref(),
        ),
        action: format!("/staff/people/{patient}"),
        back: format!("/staff/patient/{patient}"),
        rows: leaves.iter().map(|it| row(node, it, visit.now)).collect(),
        categories: choices(wrong.map(|(fields, _)| fields), Language::English),
        nhs_number: typed("nhs_number"),
        born: typed("born"),
        family: typed("family"),
        until: typed("until"),
        reason: typed("reason"),
        months: node.proxy_months_max,
        ages: [node.store.ages().review, node.store.ages().end],
        paused,
        hidden: access.hidden_at.is_some(),
    };
    let page = Page::new("staff/proxies.jinja", "People and online access", view);
    Ok(page.with_faults(wrong.is_some()).answer(&node.site, visit))
}

fn row(node: &Node, leave: &Leave, now: Millis) -> views::ProxyRow {
    let ages = node.store.ages();
    let standstill = leave.proxy.standstill(ages, now);
    let (text, colour) = match standstill {
        Standstill::No => ("In force", "green"),
        Standstill::Review => ("To be confirmed", "orange"),
        Standstill::Over => ("Over", "grey"),
    };
    let mut by = if leave.is_practices {
        format!("{}: {}", leave.granted_by, leave.reason)
    } else {
        "The patient".to_owned()
    };
    if leave.confirmed_by != leave.granted_by {
        by = format!("{by}; confirmed by {}", leave.confirmed_by);
    }
    views::ProxyRow {
        number: leave.proxy.number,
        name: leave.person_name.clone(),
        sees: sees(leave, Language::English),
        until: words::date(leave.proxy.ends_at(ages).saturating_sub(1)),
        by,
        state: Label {
            text,
            colour: Some(colour),
        },
    }
}

/// `POST /staff/people/{patient}`: does what the pressed button says.
pub async fn take(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(patient): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let who = known(&node, &visit, &patient).await?;
    let what = fields.text("do");
    let interaction = match what {
        "pause" | "resume" | "show" => Interaction::OnlineAccess,
        _ => Interaction::Proxies,
    };
    let scope = visit.scope(&node, interaction, "Patient").await?;
    let told = care::told(&visit, &patient, &fields)?;
    if told.reason.chars().count() < care::REASON_LETTERS_MIN {
        let field = if what == "grant" { "reason" } else { "why" };
        let wrong = (field, "Say why, in at least 10 letters");
        return show(&node, &visit, &patient, None, Some((&fields, wrong))).await;
    }
    let number = || {
        let number = fields.text("number").parse();
        number.map_err(|_| Problem::new(Kind::Value, "The form names nobody."))
    };
    let write = match what {
        "grant" => match grant(&node, &visit, &who, told, &fields).await? {
            Ok(grant) => PeopleWrite::Grant(Box::new(grant)),
            Err(wrong) => {
                return show(&node, &visit, &patient, None, Some((&fields, wrong))).await;
            }
        },
        "confirm" => PeopleWrite::Confirm {
            number: number()?,
            told,
        },
        "end" => PeopleWrite::End {
            number: number()?,
            by: By::Practice(told),
        },
        "pause" => PeopleWrite::Pause { told },
        "resume" => PeopleWrite::Resume { told },
        "show" => PeopleWrite::Show { told },
        _ => return Err(Problem::new(Kind::Value, "There is no such button.").into()),
    };
    change(&node, &scope, &patient, (interaction, write)).await?;
    let address = format!("/staff/people/{patient}?done={what}");
    Ok(see_other(&address))
}

/// What is to be recorded, or what is wrong with the form.
async fn grant(
    node: &Node,
    visit: &Visit,
    who: &record::Patient,
    told: Told,
    fields: &Fields,
) -> Result<Result<Grant, Wrong>, Problem> {
    let wrong = |field, text| Ok(Err((field, text)));
    let born = who.birth_date.as_deref().and_then(date::span);
    let Some(born) = born.map(|span| span.low) else {
        return wrong(
            "nhs_number",
            "The record has no date of birth. Put it right first",
        );
    };
    let grown_up = birthday(born, node.store.ages().end);
    let is_childs = visit.now < grown_up;
    let latest = if is_childs {
        grown_up
    } else {
        months_later(visit.now, node.proxy_months_max)
    };
    let Some(ends_at) = term(fields.text("until"), visit.now, latest) else {
        return wrong(
            "until",
            "Give the last day as 2027-03-31, not too far ahead",
        );
    };
    let categories = ticked(fields);
    if categories.is_empty() {
        return wrong("see", "Choose what they may see");
    }
    let typed = [
        fields.text("nhs_number"),
        fields.text("born"),
        fields.text("family"),
    ];
    let Some((person, number, person_name)) = proof::find(node, visit, typed).await? else {
        return wrong(
            "nhs_number",
            "Nobody is registered here with this NHS number, date of birth and family name",
        );
    };
    if person == told.patient {
        return wrong("nhs_number", "Everybody acts for themselves already");
    }
    // Nobody lets themselves in.
    let own = visit.own_nhs_number();
    if own.is_some_and(|own| *own == number || who.nhs_number.as_deref() == Some(own.digits())) {
        return wrong(
            "nhs_number",
            "What is about yourself is for somebody else to record",
        );
    }
    Ok(Ok(Grant {
        patient_name: who.name.clone(),
        person,
        person_name,
        categories,
        ends_at,
        is_childs,
        told,
    }))
}

async fn change(
    node: &Node,
    scope: &Scope,
    patient: &str,
    (interaction, write): (Interaction, PeopleWrite),
) -> Result<(), Problem> {
    let target = Target {
        ty: "Patient".into(),
        id: Some(patient.to_owned()),
        patient: Some(patient.to_owned()),
        ..Target::default()
    };
    let mut job = Job::effect(Effect::People(write));
    let line = scope.trace(interaction, Outcome::Success, target);
    job.traces.push(line);
    node.store.commit(scope, job).await.map(|_| ())
}

#[cfg(test)]
mod tests;
