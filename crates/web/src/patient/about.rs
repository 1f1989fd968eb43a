//! `/help` and `/accessibility`: what to do when something does not work, and how this service can be used by everybody.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

use crate::node::Node;
use crate::page::Page;
use crate::page::tongue::Tongue;
use crate::patient::appointments::text;
use crate::patient::record::views::Texts;
use crate::visit::Visit;

/// `patient/about.jinja`
#[derive(Serialize)]
pub struct About {
    pub t: Texts,
    pub lang: &'static str,
    pub heading: &'static str,
    /// Urgent help comes before all else.
    pub is_help: bool,
    /// Question and answer, or heading and text.
    pub parts: Vec<(&'static str, String)>,
}

/// `GET /help`: also for who cannot sign in.
pub async fn help(State(node): State<Arc<Node>>, visit: Visit, tongue: Tongue) -> Response {
    let parts = [
        ("help-sign-in", "help-sign-in-said"),
        ("help-missing", "help-missing-said"),
        ("help-wrong", "help-wrong-said"),
        ("help-look", "help-look-said"),
        ("help-take", "help-take-said"),
        ("help-down", "help-down-said"),
    ];
    show(&node, &visit, tongue, ("help", true, &parts))
}

/// `GET /accessibility`
pub async fn accessibility(
    State(node): State<Arc<Node>>,
    visit: Visit,
    tongue: Tongue,
) -> Response {
    let parts = [
        ("access-can", "access-can-said"),
        ("access-tested", "access-tested-said"),
        ("access-known", "access-known-said"),
        ("access-tell", "access-tell-said"),
    ];
    show(&node, &visit, tongue, ("accessibility", false, &parts))
}

fn show(
    node: &Node,
    visit: &Visit,
    tongue: Tongue,
    (id, is_help, parts): (&str, bool, &[(&str, &str)]),
) -> Response {
    let language = tongue.language;
    let heading = text(language, id);
    let with = [("place", node.site.name.as_str())];
    let view = About {
        t: language.texts(),
        lang: language.code(),
        heading,
        is_help,
        parts: parts
            .iter()
            .map(|(heading, said)| (text(language, heading), language.tell(said, &with)))
            .collect(),
    };
    let page = Page::new("patient/about.jinja", heading, view).said_in(language);
    page.answer(&node.site, visit)
}
