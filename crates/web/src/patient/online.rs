//! `/profile/privacy`: for a patient whom somebody may force to show their record (P25). What is done
//! here is undone by the practice alone, and no page tells that it was done: the buttons are always
//! there, and a record that is not shown looks like one that cannot be shown.

use std::sync::Arc;

use access::Interaction;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use store::care::Told;
use store::people::PeopleWrite;

use crate::form::Fields;
use crate::node::Node;
use crate::page::problem::Refusal;
use crate::page::{Page, see_other};
use crate::patient::people::{change, own};
use crate::visit::Visit;

/// `patient/online.jinja`
#[derive(Serialize)]
pub struct View {
    pub organisation: String,
}

/// `GET /profile/privacy`
pub async fn page(State(node): State<Arc<Node>>, visit: Visit) -> Result<Response, Refusal> {
    own(&visit)?;
    let view = View {
        organisation: node.site.name.clone(),
    };
    let page = Page::new("patient/online.jinja", "Privacy of this service", view);
    Ok(page.answer(&node.site, &visit))
}

/// `POST /profile/privacy/pause`: the record is shown online no more. The answer is what everybody
/// sees from now on who asks for it.
pub async fn pause(
    State(node): State<Arc<Node>>,
    visit: Visit,
    _: Fields,
) -> Result<Response, Refusal> {
    let own = own(&visit)?;
    let scope = visit.scope(&node, Interaction::OnlineAccess, "").await?;
    let told = Told {
        patient: own.patient.clone(),
        organisation: node.site.organisation.to_string(),
        account: own.account,
        name: own.name.clone(),
        role: "patient".to_owned(),
        code: String::new(),
        reason: "The patient paused it from their own pages.".to_owned(),
    };
    change(&node, &scope, &own.patient, PeopleWrite::Pause { told }).await?;
    Ok(see_other("/"))
}

/// `POST /profile/privacy/hide`: the patient's own pages tell no more of their own use.
pub async fn hide(
    State(node): State<Arc<Node>>,
    visit: Visit,
    _: Fields,
) -> Result<Response, Refusal> {
    let own = own(&visit)?;
    let scope = visit.scope(&node, Interaction::OnlineAccess, "").await?;
    let patient = own.patient.clone();
    change(&node, &scope, &own.patient, PeopleWrite::Hide { patient }).await?;
    Ok(see_other("/profile/sessions"))
}

#[cfg(test)]
mod tests;
