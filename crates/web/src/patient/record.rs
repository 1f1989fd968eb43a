//! `GET /` and `GET /record`: the patient's home, and their letters.

use std::sync::Arc;

use access::category::ACCESS_LOG;
use access::{Acting, Interaction, NOT_FOR_PROXIES, Standstill, Who};
use axum::extract::{Query, State};
use axum::response::Response;
use fhir::problem::Problem;
use serde::Deserialize;

use crate::node::Node;
use crate::page::problem::Refusal;
use crate::page::tongue::Tongue;
use crate::page::{Page, see_other, words};
use crate::patient::appointments::{self, text};
use crate::patient::{access_log, letters, name, prescriptions, referrals, views};
use crate::visit::Visit;

/// Letters on one page.
const PAGE: usize = 30;
/// Notices on the home page at most.
const TOLD_MAX: usize = 20;

/// What is not here, said on the home page.
const NOT_HERE: &str = "Test results are not shown here yet. Ask your practice for them.";

/// The home page; staff who come here are sent to their own.
pub async fn home(
    State(node): State<Arc<Node>>,
    visit: Visit,
    tongue: Tongue,
) -> Result<Response, Refusal> {
    let caller = visit.known()?;
    if !matches!(caller.who, Who::Patient { .. }) {
        return Ok(see_other(crate::router::home(caller).1));
    }
    if let Some(acting) = visit.acting() {
        return Ok(others_home(&node, &visit, tongue, acting).await?);
    }
    let (found, more) = letters(&node, &visit).await?;
    let view = views::Home {
        heading: format!("Hello, {}", name(&visit).unwrap_or_default()),
        acting: false,
        who_looked: false,
        people: people(&node, &visit).await?,
        letters: count(found.len(), more),
        appointments: tile(&node, &visit, tongue).await?,
        newest: found.iter().take(3).map(|it| it.view(&node)).collect(),
        prescriptions: prescriptions::tile(&node, &visit).await?,
        referrals: referrals::tile(&node, &visit, tongue.language).await?,
        told: told(&node, &visit).await?,
        moved: moved(&node, &visit, tongue).await?,
        not_here: NOT_HERE,
        done: None,
    };
    Ok(Page::new("patient/home.jinja", "Home", view)
        .under("/")
        .answer(&node.site, &visit))
}

/// The home page of who acts for somebody else. What they are not shown is named.
async fn others_home(
    node: &Node,
    visit: &Visit,
    tongue: Tongue,
    acting: &Acting,
) -> Result<Response, Problem> {
    let (found, letters) = match letters(node, visit).await {
        Ok((found, more)) => {
            let letters = count(found.len(), more);
            (found, letters)
        }
        Err(problem) if problem.message == NOT_FOR_PROXIES => (
            Vec::new(),
            "Letters are not among what you may see.".to_owned(),
        ),
        Err(problem) => return Err(problem),
    };
    let standing = node.store.standing(&visit.known()?.who, visit.now).await?;
    let mut proxies = standing.online.proxies.iter();
    let proxy = proxies.find(|it| it.number == acting.proxy);
    let view = views::Home {
        heading: format!("The record of {}", acting.name),
        acting: true,
        who_looked: proxy.is_some_and(|it| it.has(ACCESS_LOG)),
        people: None,
        letters,
        appointments: tile(node, visit, tongue).await?,
        newest: found.iter().take(3).map(|it| it.view(node)).collect(),
        prescriptions: prescriptions::tile(node, visit).await?,
        referrals: referrals::tile(node, visit, tongue.language).await?,
        told: Vec::new(),
        moved: None,
        not_here: NOT_FOR_PROXIES,
        done: None,
    };
    Ok(Page::new("patient/home.jinja", "Home", view)
        .under("/")
        .answer(&node.site, visit))
}

/// Where the patient is registered now, if they were here before.
async fn moved(
    node: &Node,
    visit: &Visit,
    tongue: Tongue,
) -> Result<Option<views::Moved>, Problem> {
    let Who::Patient { patient, .. } = &visit.known()?.who else {
        return Ok(None);
    };
    let Some(practice) = node.store.moved_to(patient).await? else {
        return Ok(None);
    };
    let place = (node.organisation_name)(practice.as_str());
    let language = tongue.language;
    Ok(Some(views::Moved {
        lang: language.code(),
        text: language.tell("moved-away", &[("place", place.as_str())]),
    }))
}

/// What is said of appointments.
async fn tile(node: &Node, visit: &Visit, tongue: Tongue) -> Result<views::Tile, Problem> {
    let language = tongue.language;
    let (said, next) = appointments::tile(node, visit, language).await?;
    let next = next.map(|(href, text)| views::TileLink { href, text });
    Ok(views::Tile {
        lang: language.code(),
        heading: text(language, "appointments"),
        said,
        next,
        book: text(language, "appointments-book"),
    })
}

/// How many people may act for the patient, so that nobody's leave is forgotten.
async fn people(node: &Node, visit: &Visit) -> Result<Option<String>, Problem> {
    let Who::Patient { patient, .. } = &visit.known()?.who else {
        return Ok(None);
    };
    let scope = visit.scope(node, Interaction::Proxies, "Patient").await?;
    let leaves = node.store.people_for(&scope, patient).await?;
    let ages = node.store.ages();
    let live = leaves
        .iter()
        .filter(|it| it.proxy.standstill(ages, visit.now) != Standstill::Over)
        .count();
    Ok(match live {
        0 => None,
        1 => Some("1 person can act for you".to_owned()),
        many => Some(format!("{many} people can act for you")),
    })
}

/// Who claimed to care for the patient, opened the record in an emergency, or opened what is sealed.
async fn told(node: &Node, visit: &Visit) -> Result<Vec<views::Told>, Refusal> {
    let scope = visit.scope(node, Interaction::AccessLog, "").await?;
    let notices = node.store.patient_notices(&scope).await?;
    let told = |notice: &store::care::Notice| {
        let did = match notice.kind.as_str() {
            "self-claimed" => "said that they care for you, to see your record",
            "unseal" => "opened what is sealed in your record",
            "whereabouts-team" => {
                "let a team that visits you see where you live, which is restricted"
            }
            "moved" => {
                "asked your practice for your record, since it says that you registered with it"
            }
            "whereabouts" => "looked up where you live, which is restricted",
            _ => "opened your record in an emergency",
        };
        let who = access_log::named(node, &notice.who, Some(&notice.role));
        let (role, at) = (
            notice.role.replace('-', " "),
            (node.organisation_name)(&notice.organisation),
        );
        views::Told {
            when: words::moment(notice.at, visit.now),
            what: format!("{who}, {role} at {at}, {did}"),
            why: notice.reason.clone(),
        }
    };
    Ok(notices.iter().take(TOLD_MAX).map(told).collect())
}

fn count(letters: usize, more: bool) -> String {
    match letters {
        0 => "There is no letter to show you yet.".to_owned(),
        1 => "1 letter".to_owned(),
        many if more => format!("More than {many} letters"),
        many => format!("{many} letters"),
    }
}

/// What the address may ask for.
#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    page: usize,
}

/// The list of letters.
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    visit
        .scope(&node, Interaction::Record, "DocumentReference")
        .await?;
    let (found, more) = letters(&node, &visit).await?;
    let start = asked.page.saturating_mul(PAGE);
    let shown = found.iter().skip(start).take(PAGE);
    let next = (found.len() > start.saturating_add(PAGE)).then(|| asked.page + 1);
    let mut not_shown = not_shown(&node, more && next.is_none());
    let (heading, title) = match visit.acting() {
        Some(_) => {
            not_shown.insert(0, NOT_FOR_PROXIES.to_owned());
            ("Letters", "Letters")
        }
        None => ("Your letters", "Your letters"),
    };
    let view = views::Record {
        heading,
        letters: shown.map(|it| it.view(&node)).collect(),
        not_shown,
        older: next.map(|page| format!("/record?page={page}")),
        newest: (asked.page > 0).then(|| "/record".to_owned()),
    };
    let page = Page::new("patient/record.jinja", title, view).under("/record");
    Ok(page.answer(&node.site, &visit))
}

fn not_shown(node: &Node, more: bool) -> Vec<String> {
    let (practice, days) = (&node.site.name, node.release_after_days);
    let mut sentences = vec![
        format!(
            "A letter appears here when {practice} has filed it, or at the latest {days} days \
             after it came in."
        ),
        "Some letters are held back: those that tell something about another person, or that \
         could do serious harm. You can ask the practice about this."
            .to_owned(),
        format!("Letters that were not sent to {practice} through this service are not here."),
        NOT_HERE.to_owned(),
    ];
    if more {
        let oldest = "You have so many letters that the oldest are not listed. Ask the practice.";
        sentences.insert(0, oldest.to_owned());
    }
    sentences
}
