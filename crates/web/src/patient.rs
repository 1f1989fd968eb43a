//! The patients' pages.

pub mod about;
pub mod access_log;
pub mod appointments;
pub mod export;
pub mod home;
pub mod letter;
pub mod letters;
pub mod messages;
pub mod offline;
pub mod online;
pub mod people;
pub mod prescriptions;
pub mod profile;
pub mod questionnaires;
pub mod questions;
pub mod record;
pub mod referrals;
pub mod sharing;
pub mod views;

use access::{Interaction, Who};
use fhir::date::Millis;
use fhir::problem::Problem;
use fhir::search::Search;
use serde_json::Value;

use crate::node::Node;
use crate::page::tongue::Language;
use crate::record::{json, letter as read_letter};
use crate::visit::Visit;

/// The most letters looked through, in steps of a page.
const LETTERS_MAX: usize = 1_000;
const PAGE: u32 = 200;

/// The caller's own released letters, newest first; whether there are more than were looked through.
async fn letters(node: &Node, visit: &Visit) -> Result<(Vec<Found>, bool), Problem> {
    let scope = visit
        .scope(node, Interaction::Record, "DocumentReference")
        .await?;
    let mut search = Search::all("DocumentReference", PAGE);
    let mut found = Vec::new();
    loop {
        let page = node.store.search(&scope, &search).await?;
        for version in &page.entries {
            found.push(Found::new(
                &version.id,
                &json(version)?,
                version.last_updated,
            ));
        }
        search.after = page.next;
        if search.after.is_none() || found.len() >= LETTERS_MAX {
            break;
        }
    }
    found.sort_by(|a, b| b.dated.cmp(&a.dated).then_with(|| b.id.cmp(&a.id)));
    Ok((found, search.after.is_some()))
}

/// A letter of a list.
struct Found {
    id: String,
    title: String,
    from: String,
    dated: Millis,
    is_current: bool,
}

impl Found {
    fn new(id: &str, resource: &Value, last_updated: Millis) -> Found {
        let letter = read_letter(resource);
        Found {
            id: id.to_owned(),
            title: letter.title,
            from: letter.from.unwrap_or_else(|| "Sender not named".to_owned()),
            dated: letter.dated.unwrap_or(last_updated),
            is_current: letter.is_current,
        }
    }

    fn view(&self, node: &Node, language: Language) -> views::Letter {
        views::Letter {
            href: format!("/record/letters/{}", self.id),
            title: self.title.clone(),
            from: language.say_of(&(node.organisation_name)(&self.from)),
            dated: language.date(self.dated),
            withdrawn: !self.is_current,
        }
    }
}

/// The caller's name, if a patient.
fn name(visit: &Visit) -> Option<&str> {
    match visit.caller().map(|caller| &caller.who) {
        Some(Who::Patient { name, .. }) => Some(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod welsh;
