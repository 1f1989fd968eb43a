//! `/staff/profile`, `/profile/sessions`: where one is signed in, and by what.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use fhir::problem::Problem;
use serde::{Deserialize, Serialize};
use store::accounts::factors::FactorWrite;
use store::accounts::identities::Proof;
use store::accounts::sessions::Listed;
use store::accounts::{Account, Holder};
use store::oauth::{Held, OauthWrite};

use crate::form::Fields;
use crate::node::Node;
use crate::oauth::consent::sentences;
use crate::page::problem::Refusal;
use crate::page::tongue::Language;
use crate::page::words::{self, Moment};
use crate::page::{Page, see_other};
use crate::sign_in::begin::Door;
use crate::sign_in::oidc::staff;
use crate::sign_in::step_up::{self, own_account};
use crate::sign_in::{Way, passkey, second};
use crate::visit::Visit;

#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    done: String,
}

#[derive(Serialize)]
struct View {
    name: String,
    login: String,
    role: Option<&'static str>,
    at: &'static str,
    staff: bool,
    /// Whether codes of an app can be set up here.
    codes: bool,
    /// Whether they are, and how many recovery codes are left.
    has_code: bool,
    recovery_left: i64,
    /// For patients: what the identity proved so far opens.
    identity: Option<String>,
    /// Whether this session opens the record.
    opens: bool,
    /// The roles that one may switch to.
    roles: Vec<Item>,
    /// Whether passkeys can be had here, and those that one has.
    passkeys_on: bool,
    passkeys: Vec<Key>,
    sessions: Vec<Row>,
    /// What one allowed apps.
    apps: Vec<App>,
    done: Option<Done>,
}

#[derive(Serialize)]
struct Done {
    text: &'static str,
}

#[derive(Serialize)]
struct Item {
    value: String,
    text: String,
}

#[derive(Serialize)]
struct Key {
    name: String,
    label: String,
    made: Moment,
    used: Option<Moment>,
}

#[derive(Serialize)]
struct Row {
    handle: String,
    device: String,
    method: &'static str,
    began: Moment,
    seen: Moment,
    here: bool,
}

#[derive(Serialize)]
struct App {
    grant: String,
    name: String,
    /// What it may do, a sentence each.
    may: Vec<String>,
    since: Moment,
}

/// `GET /staff/profile`, `GET /profile/sessions`
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let account = own_account(&node, &visit).await?;
    let door = Door::of(&visit);
    if visit.on_staff_pages() != (door == Door::Staff) {
        return Ok(see_other(door.profile()));
    }
    let view = view(&node, &visit, door, &account, &asked.done).await?;
    Ok(Page::new("sign-in/profile.jinja", "Your sign-in", view).answer(&node.site, &visit))
}

async fn view(
    node: &Node,
    visit: &Visit,
    door: Door,
    account: &Account,
    done: &str,
) -> Result<View, Problem> {
    let here = visit.session().map(|secret| secret.digest());
    let (sessions, apps) = own_use(node, visit, account).await?;
    let roles = match here {
        Some(digest) => node.store.session(&digest).await?,
        None => None,
    };
    let roles = staff::switchable(roles.and_then(|it| it.signed_in.roles).as_deref());
    let proofs = node.store.identity_proofs(account.id).await?;
    let role = match visit.caller().map(|caller| &caller.who) {
        Some(access::Who::Staff { role, .. }) => Some(words::role(*role)),
        _ => None,
    };
    let language = visit.reads();
    Ok(View {
        name: account.name.clone(),
        login: account.login.clone(),
        role,
        at: door.profile(),
        staff: door == Door::Staff,
        codes: node.sign_in.ways.have(door, Way::PasswordTotp),
        has_code: node.store.second_factor(account.id).await?.is_some(),
        recovery_left: node.store.recovery_codes_left(account.id).await?,
        identity: matches!(account.holder, Holder::Patient { .. })
            .then(|| identity(language, proofs.first())),
        opens: door == Door::Staff || visit.opens_clinical(node),
        roles: roles
            .into_iter()
            .map(|(value, text)| Item { value, text })
            .collect(),
        passkeys_on: passkey::is_on(node, door),
        passkeys: node
            .store
            .passkeys(account.id)
            .await?
            .into_iter()
            .map(|kept| Key {
                name: passkey::name(&kept.id),
                label: kept.label,
                made: language.moment(kept.made_at, visit.now),
                used: kept.used_at.map(|at| language.moment(at, visit.now)),
            })
            .collect(),
        sessions: sessions
            .iter()
            .map(|listed| row(language, listed, here, visit.now))
            .collect(),
        apps: apps
            .into_iter()
            .map(|held| App {
                may: sentences(&held.scopes, language),
                grant: held.id,
                name: held.name,
                since: language.moment(held.made_at, visit.now),
            })
            .collect(),
        done: said(done).map(|text| Done {
            text: language.say(text),
        }),
    })
}

/// Where one is signed in, and what one allowed. A patient who hides it sees what somebody does who is
/// signed in here alone and has allowed no app (P25).
async fn own_use(
    node: &Node,
    visit: &Visit,
    account: &Account,
) -> Result<(Vec<Listed>, Vec<Held>), Problem> {
    let mut sessions = node.store.sessions(account.id).await?;
    let mut apps = node.store.oauth_held(account.id, visit.now).await?;
    if let Holder::Patient { patient, .. } = &account.holder
        && node.store.hides_own_use(patient).await?
    {
        let here = visit.session().map(|secret| secret.digest());
        sessions.retain(|it| here.is_some_and(|digest| it.digest == digest));
        apps.clear();
    }
    Ok((sessions, apps))
}

fn said(done: &str) -> Option<&'static str> {
    match done {
        "ended" => Some("Signed out there."),
        "app" => Some("The app has no access any more. What it took before, it may still have."),
        "others" => Some("Signed out everywhere else."),
        "no-code" => Some("Codes are switched off for you."),
        "passkey" => Some("The passkey was added."),
        "no-passkey" => Some("The passkey was removed."),
        "stepped-up" => Some("Thank you. You can go on."),
        _ => None,
    }
}

fn identity(language: Language, proof: Option<&(i64, Proof)>) -> String {
    let Some((at, proof)) = proof else {
        return language.tell("sessions-unchecked", &[]);
    };
    let when = language.date(*at).short;
    let id = match (proof.how.as_str(), proof.identity) {
        (_, ..9) => "sessions-known",
        ("nhs-login", _) => "sessions-by-nhs-login",
        ("in-person", _) => "sessions-in-person",
        _ => "sessions-at-opening",
    };
    language.tell(id, &[("when", &when), ("who", &proof.by_name)])
}

fn row(language: Language, listed: &Listed, here: Option<[u8; 32]>, now: i64) -> Row {
    Row {
        handle: listed.handle(),
        device: if listed.device.is_empty() {
            language.say("Not known").to_owned()
        } else {
            language.say_of(&listed.device)
        },
        method: language.say(method(&listed.method)),
        began: language.moment(listed.began_at, now),
        seen: language.moment(listed.seen_at, now),
        here: here.is_some_and(|digest| listed.digest == digest),
    }
}

/// A way to sign in, in words.
pub fn method(code: &str) -> &'static str {
    match code {
        "password-totp" => "Password and code",
        "passkey" => "Passkey",
        "nhs-login" => "NHS login",
        "oidc" => "Care identity",
        _ => "Password",
    }
}

/// `POST /staff/profile/end`, `POST /profile/sessions/end`: signs out one of one's own sessions.
pub async fn end(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    let account = own_account(&node, &visit).await?;
    let sessions = node.store.sessions(account.id).await?;
    let wanted = fields.text("session");
    let found = sessions.iter().find(|listed| listed.handle() == wanted);
    if let Some(digest) = found.and_then(|it| <[u8; 32]>::try_from(it.digest.as_slice()).ok()) {
        node.store.end_session(&digest).await?;
        node.sign_in.forget_all();
    }
    Ok(on(&visit, "ended"))
}

/// `POST /staff/profile/app/end`, `POST /profile/sessions/app/end`: takes back what one allowed an app.
pub async fn end_app(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    let account = own_account(&node, &visit).await?;
    let take_back = OauthWrite::TakeBack {
        grant: fields.text("grant").to_string(),
        account: account.id,
    };
    node.store.write_oauth(take_back).await?;
    Ok(on(&visit, "app"))
}

/// `POST /staff/profile/end-others`, `POST /profile/sessions/end-others`
pub async fn end_others(
    State(node): State<Arc<Node>>,
    visit: Visit,
    _: Fields,
) -> Result<Response, Refusal> {
    let account = own_account(&node, &visit).await?;
    let here = visit.session().map(|secret| secret.digest());
    node.store.end_other_sessions(account.id, here).await?;
    node.sign_in.forget_all();
    Ok(on(&visit, "others"))
}

/// `POST /staff/profile/second-factor`: begins to set codes up, or sets them up anew.
pub async fn set_up_code(
    State(node): State<Arc<Node>>,
    visit: Visit,
    _: Fields,
) -> Result<Response, Refusal> {
    let account = own_account(&node, &visit).await?;
    let door = Door::of(&visit);
    if let Some(first) = step_up::first(&visit, door) {
        return Ok(first);
    }
    Ok(second::set_up(&node, &visit, door, &account, door.profile()).await?)
}

/// `POST /staff/profile/second-factor/off`
pub async fn forget_code(
    State(node): State<Arc<Node>>,
    visit: Visit,
    _: Fields,
) -> Result<Response, Refusal> {
    let account = own_account(&node, &visit).await?;
    if let Some(first) = step_up::first(&visit, Door::of(&visit)) {
        return Ok(first);
    }
    let account = account.id;
    let forget = FactorWrite::Forget { account };
    node.store.write_factor(forget).await?;
    // What was begun with a code is worth less now.
    let here = visit.session().map(|secret| secret.digest());
    node.store.end_other_sessions(account, here).await?;
    node.sign_in.forget_all();
    Ok(on(&visit, "no-code"))
}

pub(super) fn on(visit: &Visit, done: &str) -> Response {
    see_other(&format!("{}?done={done}", Door::of(visit).profile()))
}
