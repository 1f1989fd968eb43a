//! `/staff/referrals/new`: a structured referral to another organisation of the network.

use std::sync::Arc;

use access::{Interaction, Ods, Role, Scope, Who};
use axum::extract::{Query, State};
use axum::response::Response;
use exchange::LetterContent;
use exchange::referrals::{NewReferral, Request};
use fhir::problem::{Kind, Problem};
use fhir::search::Search;
use serde::Deserialize;
use serde_json::Value;
use store::Reading;

use super::{exchange, form_letters, views};
use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::Fault;
use crate::page::problem::Refusal;
use crate::page::{Page, see_other};
use crate::record::{self, json};
use crate::sign_in::proof;
use crate::staff::prescriptions::load::allergies;
use crate::visit::Visit;

/// Items of each sort in a summary.
const ITEMS_MAX: u32 = 100;

/// What the address may ask for.
#[derive(Default, Deserialize)]
pub struct Asked {
    /// The Patient who is to be referred.
    #[serde(default)]
    patient: String,
}

/// `GET /staff/referrals/new`
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let mut view = blank(&node, &visit)?;
    view.summary = true;
    if !asked.patient.is_empty() {
        let scope = visit.scope(&node, Interaction::Read, "Patient").await?;
        crate::staff::care::check(&asked.patient)?;
        let read = node.store.read(&scope, "Patient", &asked.patient).await?;
        if let Reading::Found(version) = read {
            let resource = json(&version)?;
            let who = record::patient(&resource);
            view.nhs_number = who.nhs_number.unwrap_or_default();
            view.born = who.birth_date.unwrap_or_default();
            let family = resource.pointer("/name/0/family").and_then(Value::as_str);
            view.family = family.unwrap_or_default().to_owned();
            let offered = form_letters::offered(&node, &scope, &asked.patient, (&[], visit.now));
            (view.letters, view.letters_more) = offered.await?;
        }
    }
    show(&node, &visit, view).await
}

/// The form with nothing in it but who may be asked.
fn blank(node: &Node, visit: &Visit) -> Result<views::New, Problem> {
    let mut receivers: Vec<views::Receiver> = exchange(node)?
        .referred_to()
        .into_iter()
        .map(|(ods, name)| views::Receiver {
            ods,
            name,
            chosen: false,
        })
        .collect();
    receivers.sort_by(|a, b| a.name.cmp(&b.name));
    // Who refers is a clinician; a secretary names whom they write for.
    let referrer = match &visit.known()?.who {
        Who::Staff {
            name,
            role: Role::Clinician,
            ..
        } => name.clone(),
        _ => String::new(),
    };
    Ok(views::New {
        errors: Vec::new(),
        said: None,
        attempt: uuid::Uuid::new_v4().to_string(),
        nhs_number: String::new(),
        born: String::new(),
        family: String::new(),
        receivers,
        service: String::new(),
        urgency: "routine".into(),
        referrer,
        reason: String::new(),
        question: String::new(),
        summary: false,
        letters: Vec::new(),
        letters_more: None,
        held_back: false,
    })
}

async fn show(node: &Node, visit: &Visit, view: views::New) -> Result<Response, Refusal> {
    let ty = "ServiceRequest";
    visit.scope(node, Interaction::Refer, ty).await?;
    let faulty = view.said.is_some();
    let page = Page::new("staff/referral-new.jinja", "Refer a patient", view);
    let page = page.under("/staff/referrals").with_faults(faulty);
    Ok(page.answer(&node.site, visit))
}

/// The form as it was sent, with what is wrong with it.
async fn again(
    node: &Node,
    visit: &Visit,
    (fields, said, field): (&Fields, String, &str),
) -> Result<Response, Refusal> {
    let blank = blank(node, visit)?;
    let (letters, letters_more) = letters(node, visit, fields).await?;
    let typed = |name: &str| fields.text(name).to_owned();
    let view = views::New {
        errors: vec![Fault {
            text: "The referral was not sent",
            href: format!("#{field}").into(),
        }],
        said: Some(said),
        attempt: match typed("attempt") {
            attempt if attempt.is_empty() => blank.attempt,
            attempt => attempt,
        },
        nhs_number: typed("nhs_number"),
        born: typed("born"),
        family: typed("family"),
        receivers: blank
            .receivers
            .into_iter()
            .map(|it| views::Receiver {
                chosen: it.ods == fields.text("to"),
                ..it
            })
            .collect(),
        service: typed("service"),
        urgency: typed("urgency"),
        referrer: typed("referrer"),
        reason: typed("reason"),
        question: typed("question"),
        summary: !fields.text("summary").is_empty(),
        letters,
        letters_more,
        held_back: !fields.text("held_back").is_empty(),
    };
    show(node, visit, view).await
}

/// The letters that may go along, once the form says whose they are.
async fn letters(
    node: &Node,
    visit: &Visit,
    fields: &Fields,
) -> Result<(Vec<views::Letter>, Option<String>), Refusal> {
    let typed = ["nhs_number", "born", "family"].map(|it| fields.text(it));
    let Some((patient, ..)) = proof::find(node, visit, typed).await? else {
        return Ok((Vec::new(), None));
    };
    let scope = visit.scope(node, Interaction::Read, "Patient").await?;
    let chosen: Vec<&str> = fields.each("letter").collect();
    let offered = form_letters::offered(node, &scope, &patient, (&chosen, visit.now));
    Ok(offered.await?)
}

/// `POST /staff/referrals/new`
pub async fn send(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    let ty = "ServiceRequest";
    let scope = visit.scope(&node, Interaction::Refer, ty).await?;
    let exchange = exchange(&node)?;
    let typed = ["nhs_number", "born", "family"].map(|it| fields.text(it));
    // All three together: nobody is referred by a number alone.
    let Some((patient, ..)) = proof::find(&node, &visit, typed).await? else {
        let said = "Nobody here has this NHS number, date of birth and family name together.";
        return again(&node, &visit, (&fields, said.to_owned(), "nhs_number")).await;
    };
    let Ok(to) = Ods::parse(fields.text("to")) else {
        let said = "Choose who is asked.".to_owned();
        return again(&node, &visit, (&fields, said, "to")).await;
    };
    let text = |name: &str| fields.text(name).to_owned();
    let request = Request {
        service: text("service"),
        urgency: text("urgency"),
        reason: text("reason"),
        question: text("question"),
        referrer: text("referrer"),
    };
    let summary = match fields.text("summary") {
        "" => None,
        _ => Some(summary(&node, &scope, &patient).await?),
    };
    let chosen: Vec<&str> = fields.each("letter").collect();
    let mut letters = match form_letters::read(&node, &scope, (&patient, &chosen)).await {
        Ok(letters) => letters,
        Err(problem) if matches!(problem.kind, Kind::Value | Kind::TooLong) => {
            let said = problem.message.to_string();
            return again(&node, &visit, (&fields, said, "service")).await;
        }
        Err(problem) => return Err(problem.into()),
    };
    let attempt = fields.text("attempt");
    let new = NewReferral {
        patient: &patient,
        to: &to,
        request: &request,
        enclosed: letters.parts(summary),
        large: &letters.large,
        documents: &letters.documents,
        held_back: !fields.text("held_back").is_empty(),
        attempt,
    };
    if attempt.is_empty() {
        let said = "Send the form once more.".to_owned();
        return again(&node, &visit, (&fields, said, "service")).await;
    }
    match exchange.refer(&scope, new).await {
        Ok(_) => Ok(see_other("/staff/referrals?show=sent&done=sent")),
        Err(problem)
            if matches!(
                problem.kind,
                Kind::Required | Kind::Value | Kind::TooLong | Kind::BusinessRule | Kind::NotFound
            ) =>
        {
            let said = problem.message.to_string();
            again(&node, &visit, (&fields, said, "service")).await
        }
        Err(problem) => Err(problem.into()),
    }
}

/// What the practice holds that who is asked must know: allergies, medicines, problems. What the sender may not see is said to
/// be withheld, never left out.
async fn summary(node: &Node, scope: &Scope, patient: &str) -> Result<LetterContent, Problem> {
    let mut lines = vec!["Summary of the record, as held where the referral is from.".to_owned()];
    let known = allergies(node, scope, patient).await?;
    lines.push(format!("\nAllergies\n{}", known.say()));
    for (ty, heading, none) in [
        ("MedicationRequest", "Medicines", "No medicine is recorded."),
        ("Condition", "Problems", "No problem is recorded."),
    ] {
        lines.push(format!("\n{heading}"));
        let search = Search::all(ty, ITEMS_MAX).within_patient(patient);
        let page = node.store.search(scope, &search).await?;
        let mut listed = 0u32;
        for version in &page.entries {
            let resource = json(version)?;
            if let Some(line) = item(&resource) {
                lines.push(line);
                listed += 1;
            }
        }
        if page.next.is_some() {
            lines.push("There are more than are listed here.".to_owned());
        }
        let withheld = node.store.withheld_of(scope, patient, Some(ty)).await?;
        match withheld.count {
            0 if listed == 0 => lines.push(none.to_owned()),
            0 => {}
            count => lines.push(format!("{count} withheld from who wrote this.")),
        }
    }
    Ok(LetterContent {
        content_type: "text/plain; charset=utf-8".into(),
        bytes: lines.join("\n").into_bytes(),
    })
}

/// One medicine or problem that still holds, in a line.
fn item(resource: &Value) -> Option<String> {
    let text = |place: &str| {
        let found = resource.pointer(place).and_then(Value::as_str);
        found.filter(|it| !it.is_empty()).map(str::to_owned)
    };
    let is_over = matches!(
        text("/status").as_deref(),
        Some("stopped" | "cancelled" | "completed" | "entered-in-error" | "draft")
    ) || matches!(
        text("/clinicalStatus/coding/0/code").as_deref(),
        Some("inactive" | "resolved" | "remission")
    ) || text("/verificationStatus/coding/0/code").as_deref()
        == Some("entered-in-error");
    if is_over {
        return None;
    }
    let name = text("/medicationCodeableConcept/text")
        .or_else(|| text("/medicationCodeableConcept/coding/0/display"))
        .or_else(|| text("/code/text"))
        .or_else(|| text("/code/coding/0/display"))
        .unwrap_or_else(|| "an entry without a name".to_owned());
    Some(match text("/dosageInstruction/0/text") {
        Some(dose) => format!("- {name}: {dose}"),
        None => format!("- {name}"),
    })
}
