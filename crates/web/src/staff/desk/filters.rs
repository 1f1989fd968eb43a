//! Views of the inbox that somebody narrowed and keeps: `POST /staff/inbox/filters`.

use std::sync::Arc;

use access::Interaction;
use axum::extract::State;
use axum::response::Response;
use fhir::problem::Problem;
use store::desk::{DeskWrite, SavedFilter};

use super::views::Saved;
use super::{account, job};
use crate::form::Fields;
use crate::node::Node;
use crate::page::problem::Refusal;
use crate::page::see_other;
use crate::visit::Visit;

/// What of an address belongs to a view, in this order.
const PARTS: [&str; 4] = ["show", "from", "urgent", "who"];

/// The query of a view with only what belongs to it.
pub fn query(of: &str) -> String {
    let given: Vec<(String, String)> = form_urlencoded::parse(of.as_bytes()).into_owned().collect();
    let mut out = form_urlencoded::Serializer::new(String::new());
    for part in PARTS {
        let found = given.iter().find(|(name, _)| name == part);
        if let Some((name, value)) = found.filter(|(_, value)| !value.is_empty()) {
            out.append_pair(name, value);
        }
    }
    out.finish()
}

/// The views of who is signed in, and which of them is open.
pub async fn saved(node: &Node, visit: &Visit, open: &str) -> Result<Vec<Saved>, Problem> {
    let filters = node.store.saved_filters(account(visit)).await?;
    let saved = |it: SavedFilter| Saved {
        current: it.query == open,
        href: format!("/staff/inbox?{}", it.query),
        name: it.name,
    };
    Ok(filters.into_iter().map(saved).collect())
}

/// `POST /staff/inbox/filters`: keeps a view under a name, or takes that name away.
pub async fn keep(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit
        .scope(&node, Interaction::Inbox, "DocumentReference")
        .await?;
    let account = account(&visit);
    let name = fields.text("name").to_owned();
    let query = query(fields.text("query"));
    let back = format!("/staff/inbox?{query}");
    let write = match fields.text("do") {
        "drop" => DeskWrite::DropFilter { account, name },
        _ => DeskWrite::KeepFilter {
            account,
            name,
            query,
        },
    };
    let job = job(&scope, Interaction::Inbox, write, "saved-view".to_owned());
    node.store.commit(&scope, job).await?;
    Ok(see_other(&back))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_what_narrows_the_list_and_nothing_else() {
        assert_eq!(
            query("after=1.2&who=me&show=open&evil=%3Cb%3E&done=filed"),
            "show=open&who=me"
        );
        assert_eq!(query("//evil.example"), "");
    }
}
