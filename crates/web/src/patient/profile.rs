//! `/profile`: who the record says the patient is and how they are reached, and the ways to their sign-in, devices and privacy.

use std::sync::Arc;

use access::{Interaction, NOT_FOR_PROXIES, Who};
use axum::extract::State;
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use serde::Serialize;
use store::Reading;

use crate::node::Node;
use crate::page::problem::Refusal;
use crate::page::tongue::Tongue;
use crate::page::{Page, words};
use crate::patient::appointments::text;
use crate::patient::record::views::Texts;
use crate::record;
use crate::visit::Visit;

/// `patient/profile.jinja`
#[derive(Serialize)]
pub struct Profile {
    pub t: Texts,
    pub lang: &'static str,
    pub name: String,
    pub born: Option<String>,
    pub nhs_number: Option<String>,
    /// Addresses and telephone numbers as the record has them.
    pub reached: Vec<String>,
    /// The details are not released to the patient.
    pub hidden: bool,
    pub wrong: String,
    /// Whether messages are written here.
    pub may_write: bool,
}

/// The page.
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    tongue: Tongue,
) -> Result<Response, Refusal> {
    if visit.acting().is_some() {
        return Err(Problem::new(Kind::Suppressed, NOT_FOR_PROXIES).into());
    }
    let Who::Patient { patient, name, .. } = &visit.known()?.who else {
        let message = "This page is the patient's own.";
        return Err(Problem::new(Kind::Forbidden, message).into());
    };
    let language = tongue.language;
    let scope = visit.scope(&node, Interaction::Record, "Patient").await?;
    let read = node.store.read(&scope, "Patient", patient).await?;
    let resource = match &read {
        Reading::Found(version) => Some(record::json(version)?),
        Reading::Deleted { .. } | Reading::Absent => None,
    };
    let who = resource.as_ref().map(record::patient).unwrap_or_default();
    let view = Profile {
        t: language.texts(),
        lang: language.code(),
        name: match who.name.is_empty() {
            true => name.clone(),
            false => who.name,
        },
        born: who.birth_date.as_deref().map(words::day),
        nhs_number: who.nhs_number.as_deref().map(words::nhs_number),
        reached: resource
            .as_ref()
            .map(record::whereabouts)
            .unwrap_or_default(),
        hidden: resource.is_none(),
        wrong: language.tell("profile-wrong", &[("place", &node.site.name)]),
        may_write: node.site.is_practice(),
    };
    let title = text(language, "profile");
    let page = Page::new("patient/profile.jinja", title, view).said_in(language);
    Ok(page.answer(&node.site, &visit))
}
