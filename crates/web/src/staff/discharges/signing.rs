//! `/staff/discharges/{id}/sign`: what each reader will get, word for word, and the act.

use std::sync::Arc;

use access::Interaction;
use axum::extract::{Path, State};
use axum::response::Response;
use exchange::discharge::{Discharge, KIND, Reader, Signing, sections};
use fhir::problem::Kind;
use store::drafts::Draft;

use super::{DRAFTS, load, scope, show, views};
use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::Person;
use crate::page::problem::Refusal;
use crate::page::{Page, words};
use crate::record::{self, json};
use crate::staff::drafting::{exchange, may_sign, named, read, version};
use crate::visit::Visit;

const NEWER: &str =
    "Somebody has signed a newer version of this discharge. Discard this draft, and amend that one";

/// `GET /staff/discharges/{id}/sign`: the letters as they would leave. What is missing leads back to the form.
pub async fn look(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let scope = scope(&node, &visit, Interaction::WriteLetter).await?;
    let draft = node.store.draft(&scope, KIND, &id).await?;
    let written: Discharge = read(&draft)?;
    let faults = written.check();
    if !faults.is_empty() {
        return show(&node, &visit, &scope, &draft, (written, &faults, "")).await;
    }
    let who = json(&draft.patient)?;
    let found = load::record(&node, &scope, &draft.patient.id, &who).await?;
    let name = |ods: &str| (node.organisation_name)(ods);
    let letter = |reader: Reader| {
        let code = written.recipient(reader)?;
        let told = sections(&written, reader, found.hidden, &name);
        Some(views::Letter {
            title: reader.title(),
            to: format!("{} ({code})", name(code)),
            sections: told.into_iter().map(|it| (it.heading, it.text)).collect(),
        })
    };
    let who = record::patient(&who);
    let view = views::Sign {
        patient: Person::new(
            &who.name,
            who.birth_date.as_deref(),
            who.nhs_number.as_deref(),
        ),
        letters: Reader::ALL.into_iter().filter_map(letter).collect(),
        nobody: nobody(&written),
        notes: found.notes(),
        release: release(&node, &written),
        back: format!("/staff/discharges/{id}"),
        action: format!("/staff/discharges/{id}/sign"),
        version: draft.version.to_string(),
        may: may_sign(&visit),
        me: visit.caller().map(words::caller).unwrap_or_default(),
    };
    let title = format!("Sign the discharge of {}", who.name);
    Ok(Page::new("staff/discharge-sign.jinja", title, view)
        .under("/staff/unsigned")
        .answer(&node.site, &visit))
}

/// Who is not written to, in words.
fn nobody(written: &Discharge) -> Vec<&'static str> {
    let missing = |reader: &Reader| written.recipient(*reader).is_none();
    let say = |reader: Reader| match reader {
        Reader::Practice => "Nothing goes to a GP practice.",
        Reader::Pharmacy => "Nothing goes to a pharmacy.",
        Reader::SocialCare => "Nothing goes to social care.",
    };
    Reader::ALL.into_iter().filter(missing).map(say).collect()
}

fn release(node: &Node, written: &Discharge) -> String {
    match written.mark.as_str() {
        "" => format!(
            "The patient reads it when the practice has filed it, and here after {} days.",
            node.release_after_days
        ),
        _ => "It is marked, and stays hidden from the patient.".to_owned(),
    }
}

/// `POST /staff/discharges/{id}/sign`: as it was seen, and no other.
pub async fn sign(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = scope(&node, &visit, Interaction::SignLetter).await?;
    let exchange = exchange(&node)?;
    let draft: Draft = node.store.draft(&scope, KIND, &id).await?;
    if draft.version != version(&fields) {
        return Ok(DRAFTS.moved(&id));
    }
    let written: Discharge = read(&draft)?;
    let faults = written.check();
    if !faults.is_empty() {
        return show(&node, &visit, &scope, &draft, (written, &faults, "")).await;
    }
    let who = named(&draft)?;
    let found = load::record(&node, &scope, &draft.patient.id, &who).await?;
    let amends = written.amends.as_deref();
    let earlier = match exchange.earlier_discharge(&scope, amends).await {
        Ok(earlier) => earlier,
        // Somebody has signed a newer version: the draft says so, and its writer decides.
        Err(problem) if problem.kind == Kind::BusinessRule => {
            let faults = [("why", NEWER)];
            return show(&node, &visit, &scope, &draft, (written, &faults, "")).await;
        }
        Err(problem) => return Err(problem.into()),
    };
    let job = exchange.sign_discharge(
        &written,
        &Signing {
            draft: &id,
            version: draft.version,
            patient: &who,
            signer: &scope.agent().name,
            from: &node.site.name,
            hidden: found.hidden,
            earlier,
            release_at: node.release_at(visit.now),
            now: visit.now,
        },
    )?;
    DRAFTS.sign(&node, &scope, &id, job).await
}
