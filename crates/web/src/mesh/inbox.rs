//! `GET /messageexchange/{mailbox}/inbox`: the messages that wait, the oldest first.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use http::StatusCode;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Map, json};

use super::Door;
use super::answer::Refused;
use super::caller::Caller;

const RESULTS: u32 = 500;
const RESULTS_MIN: u32 = 10;
const RESULTS_MAX: u32 = 5000;

#[derive(Default, Deserialize)]
pub(super) struct Asked {
    max_results: Option<String>,
    continue_from: Option<String>,
    workflow_filter: Option<String>,
}

pub(super) async fn list(
    State(door): State<Arc<Door>>,
    caller: Caller,
    asked: Query<Asked>,
) -> Response {
    let work = page(&door, &caller, &asked);
    caller.answer(&door, Box::pin(work)).await
}

async fn page(door: &Door, caller: &Caller, asked: &Asked) -> Result<Response, Refused> {
    let count = match asked.max_results.as_deref().map(str::parse::<u32>) {
        None => RESULTS,
        Some(Ok(count)) if (RESULTS_MIN..=RESULTS_MAX).contains(&count) => count,
        Some(_) => {
            let words = format!("Input should be from {RESULTS_MIN} to {RESULTS_MAX}");
            return Err(Refused::parameter("max_results", &words));
        }
    };
    let after = match asked.continue_from.as_deref().map(str::parse::<i64>) {
        None => 0,
        Some(Ok(after)) if after >= 0 => after,
        Some(_) => {
            let words = "Input should be what links.next holds";
            return Err(Refused::parameter("continue_from", words));
        }
    };
    let store = door.exchange.store();
    let found = store.mesh_inbox(&caller.scope, after, count).await?;
    let approximate = store.mesh_inbox_count(&caller.scope).await?;
    let filter = asked.workflow_filter.as_deref().map(Filter::read);
    let is_wanted = |workflow: &str| filter.as_ref().is_none_or(|it| it.takes(workflow));
    let ids: Vec<&str> = found
        .iter()
        .filter(|it| is_wanted(&it.workflow))
        .map(|it| it.id.as_str())
        .collect();
    let mut links = Map::new();
    links.insert("self".into(), link(caller, asked, None).into());
    let full = u32::try_from(found.len()).is_ok_and(|length| length == count);
    if let Some(last) = found.last().filter(|_| full) {
        let next = link(caller, asked, Some(last.number));
        links.insert("next".into(), next.into());
    }
    let one = json!({ "messages": ids });
    let two = json!({ "messages": ids, "links": links, "approx_inbox_count": approximate });
    Ok(caller.version.answer(StatusCode::OK, one, two))
}

/// The address of a page, with what it was asked for.
fn link(caller: &Caller, asked: &Asked, after: Option<i64>) -> String {
    let mut parts = Vec::new();
    if let Some(count) = &asked.max_results {
        parts.push(format!("max_results={}", escaped(count)));
    }
    let after = after.map(|it| it.to_string());
    if let Some(after) = after.as_ref().or(asked.continue_from.as_ref()) {
        parts.push(format!("continue_from={}", escaped(after)));
    }
    if let Some(filter) = &asked.workflow_filter {
        parts.push(format!("workflow_filter={}", escaped(filter)));
    }
    let query = match parts.is_empty() {
        true => String::new(),
        false => format!("?{}", parts.join("&")),
    };
    format!("/messageexchange/{}/inbox{query}", caller.mailbox)
}

fn escaped(text: &str) -> impl std::fmt::Display {
    const PLAIN: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC
        .remove(b'_')
        .remove(b'-')
        .remove(b'.')
        .remove(b'~');
    utf8_percent_encode(text, PLAIN)
}

/// A condition on the workflow id: `X`, `X*`, `*X`, `*X*`, and each with `!` before it for what is
/// not so.
struct Filter<'f> {
    not: bool,
    starts_open: bool,
    ends_open: bool,
    text: &'f str,
}

impl<'f> Filter<'f> {
    fn read(text: &'f str) -> Filter<'f> {
        let bare = text.strip_prefix('!');
        let text = bare.unwrap_or(text);
        let (not, starts_open) = (bare.is_some(), text.starts_with('*'));
        let text = text.strip_prefix('*').unwrap_or(text);
        let ends_open = text.ends_with('*');
        let text = text.strip_suffix('*').unwrap_or(text);
        Filter {
            not,
            starts_open,
            ends_open,
            text,
        }
    }

    fn takes(&self, workflow: &str) -> bool {
        let fits = match (self.starts_open, self.ends_open) {
            (false, false) => workflow == self.text,
            (false, true) => workflow.starts_with(self.text),
            (true, false) => workflow.ends_with(self.text),
            (true, true) => workflow.contains(self.text),
        };
        fits != self.not
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_takes_what_its_stars_and_its_mark_say() {
        for (filter, taken) in [
            ("TOC", [true, false, false]),
            ("!TOC", [false, true, true]),
            ("TOC*", [true, true, false]),
            ("!TOC*", [false, false, true]),
            ("*_ACK", [false, true, false]),
            ("*C_A*", [false, true, false]),
            ("!*_ACK*", [true, false, true]),
            ("*", [true, true, true]),
        ] {
            let read = Filter::read(filter);
            let found = ["TOC", "TOC_ACK", "OTHER"].map(|it| read.takes(it));
            assert_eq!(found, taken, "{filter}");
        }
    }
}
