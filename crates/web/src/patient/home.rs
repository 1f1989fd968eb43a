//! `GET /`: the patient's home: what to do next, and the ways to everything.

use std::sync::Arc;

use access::category::ACCESS_LOG;
use access::{Acting, Interaction, NOT_FOR_PROXIES, Standstill, Who};
use axum::extract::State;
use axum::response::Response;
use fhir::problem::Problem;

use crate::node::Node;
use crate::page::problem::Refusal;
use crate::page::tongue::{Language, Tongue};
use crate::page::{Page, see_other};
use crate::patient::appointments::{list, text};
use crate::patient::{
    access_log, letters, messages, name, prescriptions, questionnaires, record, referrals, views,
};
use crate::visit::Visit;

/// Notices on the home page at most.
const TOLD_MAX: usize = 20;

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
    let language = tongue.language;
    // All at once: each reading waits for its line in the log, and they share the waiting.
    let ((found, more), unread, people, result, questionnaires) = tokio::try_join!(
        letters(&node, &visit),
        messages::unread(&node, &visit),
        people(&node, &visit, language),
        record::newest(&node, &visit, language),
        questionnaires::waiting(&node, &visit, language),
    )?;
    let (appointments, prescriptions, referrals, told, moved) = tokio::try_join!(
        tile(&node, &visit, tongue),
        prescriptions::tile(&node, &visit),
        referrals::tile(&node, &visit, language),
        told(&node, &visit),
        moved(&node, &visit, language),
    )?;
    let mut view = views::Home {
        t: language.texts(),
        lang: language.code(),
        heading: language.tell("home-hello", &[("name", name(&visit).unwrap_or_default())]),
        acting: false,
        who_looked: false,
        people,
        letters: count(found.len(), more, language),
        result,
        messages: unread.map(|it| messages::unread_words(it, language)),
        next: Vec::new(),
        questionnaires,
        appointments,
        newest: found
            .iter()
            .take(3)
            .map(|it| it.view(&node, language))
            .collect(),
        prescriptions,
        referrals,
        told,
        moved,
        not_here: None,
        done: None,
    };
    view.next = next(&view, unread.unwrap_or(0), language);
    let title = text(language, "home");
    let page = Page::new("patient/home.jinja", title, view).under("/");
    Ok(page.said_in(language).answer(&node.site, &visit))
}

/// What to do next, the most pressing first.
fn next(view: &views::Home, unread: u32, language: Language) -> Vec<views::TileLink> {
    let link = |href: &str, text: String| views::TileLink {
        href: href.to_owned(),
        text,
    };
    let mut next = Vec::new();
    if unread > 0 {
        next.push(link("/messages", messages::unread_words(unread, language)));
    }
    if let Some(waiting) = &view.questionnaires {
        next.push(link("/questionnaires", waiting.clone()));
    }
    let due = view.prescriptions.as_ref();
    if let Some(due) = due.filter(|it| it.href == "/prescriptions/order") {
        next.push(link(due.href, due.text.clone()));
    }
    if let Some(result) = &view.result {
        let date = result.date.as_ref().map_or("", |it| it.short.as_str());
        // A blood pressure has its values in its parts, and none of its own.
        let what = format!("{} {}", result.title, result.value);
        let with = [("what", what.trim()), ("date", date)];
        next.push(link(
            &result.href,
            language.tell("home-newest-result", &with),
        ));
    }
    if let Some(appointment) = &view.appointments.next {
        next.push(link(&appointment.href, appointment.text.clone()));
    }
    next
}

/// The home page of who acts for somebody else. What they are not shown is named.
async fn others_home(
    node: &Node,
    visit: &Visit,
    tongue: Tongue,
    acting: &Acting,
) -> Result<Response, Problem> {
    let language = tongue.language;
    let (found, letters) = match letters(node, visit).await {
        Ok((found, more)) => {
            let letters = count(found.len(), more, language);
            (found, letters)
        }
        Err(problem) if problem.message == NOT_FOR_PROXIES => {
            (Vec::new(), text(language, "home-letters-hidden").to_owned())
        }
        Err(problem) => return Err(problem),
    };
    let standing = node.store.standing(&visit.known()?.who, visit.now).await?;
    let mut proxies = standing.online.proxies.iter();
    let proxy = proxies.find(|it| it.number == acting.proxy);
    let mut view = views::Home {
        t: language.texts(),
        lang: language.code(),
        heading: language.tell("record-of", &[("name", &acting.name)]),
        result: record::newest(node, visit, language).await?,
        messages: None,
        next: Vec::new(),
        questionnaires: questionnaires::waiting(node, visit, language).await?,
        acting: true,
        who_looked: proxy.is_some_and(|it| it.has(ACCESS_LOG)),
        people: None,
        letters,
        appointments: tile(node, visit, tongue).await?,
        newest: found
            .iter()
            .take(3)
            .map(|it| it.view(node, language))
            .collect(),
        prescriptions: prescriptions::tile(node, visit).await?,
        referrals: referrals::tile(node, visit, language).await?,
        told: Vec::new(),
        moved: None,
        not_here: Some(language.say(NOT_FOR_PROXIES)),
        done: None,
    };
    let forms = view.questionnaires.clone();
    view.next.extend(forms.map(|text| views::TileLink {
        href: "/questionnaires".to_owned(),
        text,
    }));
    let title = text(language, "home");
    let page = Page::new("patient/home.jinja", title, view).under("/");
    Ok(page.said_in(language).answer(&node.site, visit))
}

/// Where the patient is registered now, if they were here before.
async fn moved(
    node: &Node,
    visit: &Visit,
    language: Language,
) -> Result<Option<views::Moved>, Problem> {
    let Who::Patient { patient, .. } = &visit.known()?.who else {
        return Ok(None);
    };
    let Some(practice) = node.store.moved_to(patient).await? else {
        return Ok(None);
    };
    let place = (node.organisation_name)(practice.as_str());
    Ok(Some(views::Moved {
        lang: language.code(),
        text: language.tell("moved-away", &[("place", place.as_str())]),
    }))
}

/// What is said of appointments.
async fn tile(node: &Node, visit: &Visit, tongue: Tongue) -> Result<views::Tile, Problem> {
    let language = tongue.language;
    let (said, next) = list::tile(node, visit, language).await?;
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
async fn people(node: &Node, visit: &Visit, language: Language) -> Result<Option<String>, Problem> {
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
        1 => Some(text(language, "home-one-person").to_owned()),
        many => Some(language.tell("home-people", &[("count", &many.to_string())])),
    })
}

/// Who claimed to care for the patient, opened the record in an emergency, or opened what is sealed.
async fn told(node: &Node, visit: &Visit) -> Result<Vec<views::Told>, Problem> {
    let scope = visit.scope(node, Interaction::AccessLog, "").await?;
    let notices = node.store.patient_notices(&scope).await?;
    let language = visit.reads();
    let told = |notice: &store::care::Notice| {
        let did = match notice.kind.as_str() {
            "self-claimed" => "told-claimed",
            "unseal" => "told-unsealed",
            "whereabouts-team" => "told-team",
            "moved" => "told-moved",
            "whereabouts" => "told-whereabouts",
            _ => "told-emergency",
        };
        let did = language.tell(did, &[]);
        let who = access_log::named(node, &notice.who, Some(&notice.role));
        let who = language.say_of(&who);
        let role = language.say_of(&notice.role.replace('-', " "));
        let place = (node.organisation_name)(&notice.organisation);
        let with = [
            ("who", &*who),
            ("role", &*role),
            ("place", &*place),
            ("did", &*did),
        ];
        views::Told {
            when: language.moment(notice.at, visit.now),
            what: language.tell("told-who", &with),
            why: notice.reason.clone(),
        }
    };
    Ok(notices.iter().take(TOLD_MAX).map(told).collect())
}

fn count(letters: usize, more: bool, language: Language) -> String {
    let with = letters.to_string();
    match letters {
        0 => text(language, "home-no-letters").to_owned(),
        1 => text(language, "home-one-letter").to_owned(),
        _ if more => language.tell("home-more-letters", &[("count", &with)]),
        _ => language.tell("home-letters", &[("count", &with)]),
    }
}
