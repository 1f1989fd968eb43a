//! Passkeys (WebAuthn, <https://www.w3.org/TR/webauthn-3/>): to sign in, to step up, to add and
//! remove one. The page carries the browser's task in an attribute, a script of ours performs it and
//! sends an ordinary form: no address answers scripts.
//!
//! A passkey proves two things at once, the device and its holder (user verification is required), so
//! it is assurance level 2. It proves nobody's identity: for a patient that must have been proved
//! before (P22), and a passkey is added only in a session that proves it.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use http::HeaderMap;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::accounts::passkeys::{PASSKEYS_MAX, PasskeyWrite};
use store::accounts::{Account, SignedIn};
use uuid::Uuid;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, Passkey, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential,
};
use webauthn_rs::{Webauthn, WebauthnBuilder};

use crate::form::Fields;
use crate::node::{Node, Site};
use crate::page::Page;
use crate::page::problem::Refusal;
use crate::secret::Secret;
use crate::sign_in::begin::{self, Address, Door};
use crate::sign_in::step_up::{self, own_account};
use crate::sign_in::{Way, profile};
use crate::visit::Visit;

/// How long one may take with the device, in milliseconds.
const LASTS: i64 = 5 * 60 * 1000;
const USE: &str = "passkey-use";
const ADD: &str = "passkey-add";
/// What a browser may send of a credential, in bytes.
const CREDENTIAL_BYTES_MAX: usize = 32 << 10;

/// A registration under way.
#[derive(Serialize, Deserialize)]
struct Adding {
    account: i64,
    state: PasskeyRegistration,
    /// Whoever came with an invitation is signed in by it.
    invited: bool,
}

#[derive(Serialize)]
struct View<'a> {
    heading: &'static str,
    lead: &'static str,
    button: &'static str,
    /// `get` or `create`.
    kind: &'static str,
    /// The browser's task, as JSON.
    options: String,
    action: &'a str,
    step: &'a str,
    next: Option<&'a str>,
    /// Whether one gives the new passkey a name.
    named: bool,
    error: Option<&'a str>,
    cancel: &'a str,
}

#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    next: String,
}

fn webauthn(site: &Site) -> Result<Webauthn, Problem> {
    let off = |cause: String| {
        let message = "Passkeys cannot be used at this address.";
        Problem::new(Kind::NotSupported, message).because(cause)
    };
    let origin = url::Url::parse(&site.base_url).map_err(|error| off(error.to_string()))?;
    // Browsers give passkeys to names only, not to addresses.
    let host = origin
        .domain()
        .ok_or_else(|| off("an IP address".to_owned()))?;
    let builder = WebauthnBuilder::new(host, &origin).map_err(|error| off(format!("{error:?}")))?;
    let built = builder.rp_name(&site.name).build();
    built.map_err(|error| off(format!("{error:?}")))
}

/// Whether passkeys are on for that door, at an address that can have them.
pub fn is_on(node: &Node, door: Door) -> bool {
    node.sign_in.ways.have(door, Way::Passkey) && webauthn(&node.site).is_ok()
}

fn service(node: &Node, door: Door) -> Result<Webauthn, Problem> {
    if !node.sign_in.ways.have(door, Way::Passkey) {
        let message = "Passkeys are switched off here.";
        return Err(Problem::new(Kind::NotFound, message));
    }
    webauthn(&node.site)
}

/// The user handle that goes onto the device: it follows from the account and says nothing of it.
fn handle(site: &Site, account: i64) -> Uuid {
    let mut digest = Sha256::new();
    digest.update(b"handover passkey\0");
    digest.update(site.organisation.as_str().as_bytes());
    digest.update(account.to_be_bytes());
    let digest: [u8; 32] = digest.finalize().into();
    let half: [u8; 16] = std::array::from_fn(|at| digest.get(at).copied().unwrap_or(0));
    uuid::Builder::from_random_bytes(half).into_uuid()
}

fn written(value: &impl Serialize) -> Result<String, Problem> {
    serde_json::to_string(value).map_err(|error| {
        Problem::new(Kind::Exception, "The passkey's step could not be kept.").because(error)
    })
}

async fn keep(
    node: &Node,
    kind: &'static str,
    state: &impl Serialize,
    now: i64,
) -> Result<Secret, Problem> {
    let step = Secret::random();
    let until = now.saturating_add(LASTS);
    node.store
        .keep_step(step.digest(), kind, written(state)?, until)
        .await?;
    Ok(step)
}

async fn take<T: DeserializeOwned>(
    node: &Node,
    kind: &'static str,
    fields: &Fields,
) -> Result<Option<T>, Problem> {
    let Some(step) = Secret::presented(fields.exact("step")) else {
        return Ok(None);
    };
    let data = node.store.take_step(step.digest(), kind).await?;
    Ok(data.and_then(|data| serde_json::from_str(&data).ok()))
}

fn credential<T: DeserializeOwned>(fields: &Fields) -> Option<T> {
    let text = fields.exact("credential");
    (text.len() <= CREDENTIAL_BYTES_MAX)
        .then(|| serde_json::from_str(text).ok())
        .flatten()
}

fn door(visit: &Visit) -> Door {
    if visit.on_staff_pages() {
        Door::Staff
    } else {
        Door::Patient
    }
}

/// `GET /login/passkey`, `GET /staff/login/passkey`
pub async fn sign_in_page(
    State(node): State<Arc<Node>>,
    mut visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let fresh = visit.prepare_form();
    let door = door(&visit);
    let next = begin::local(&asked.next);
    let mut response = ask(&node, &visit, door, false, next, None).await?;
    if let Some(secret) = fresh {
        let name = node.site.form_cookie_name();
        let secure = node.site.is_secure();
        crate::cookie::set(response.headers_mut(), &name, &secret, secure);
    }
    Ok(response)
}

/// The page that asks for a passkey, to sign in or to step up.
async fn ask(
    node: &Node,
    visit: &Visit,
    door: Door,
    again: bool,
    next: Option<&str>,
    error: Option<&str>,
) -> Result<Response, Problem> {
    let (mut options, state) = service(node, door)?
        .start_discoverable_authentication()
        .map_err(|error| failed(&error))?;
    // One presses a button here; browsers would else only offer it in a field.
    options.mediation = None;
    let step = keep(node, USE, &state, visit.now).await?;
    let say = |english| visit.reads().say(english);
    let (heading, action) = match again {
        true => (
            say("Confirm that it is you"),
            format!("{}/passkey", door.step_up()),
        ),
        false => (
            say("Sign in with a passkey"),
            format!("{}/passkey", door.address()),
        ),
    };
    let view = View {
        heading,
        lead: say(USE_SAID),
        button: say("Use a passkey"),
        kind: "get",
        options: written(&options)?,
        action: &action,
        step: step.reveal(),
        next,
        named: false,
        error,
        cancel: if again {
            door.profile()
        } else {
            door.address()
        },
    };
    Ok(page(view).answer(&node.site, visit))
}

fn page(view: View<'_>) -> Page<View<'_>> {
    let is_faulty = view.error.is_some();
    Page::new("sign-in/passkey.jinja", view.heading, view).with_faults(is_faulty)
}

fn failed(error: &impl std::fmt::Debug) -> Problem {
    Problem::new(Kind::Exception, "The passkey could not be asked for.")
        .because(format!("{error:?}"))
}

const USE_SAID: &str = "Your browser will ask for the screen lock of your phone or computer, or for your security key.";
const ADD_SAID: &str = "A passkey lets you sign in with the screen lock of your phone or computer, or with a security key. \
                        It stays on your device; we keep only its public half.";
const WRONG: &str = "The passkey was not accepted. Try again, or sign in another way.";

/// `POST /login/passkey`, `POST /staff/login/passkey`
pub async fn sign_in(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Address(address): Address,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, Refusal> {
    let door = door(&visit);
    let next = fields.text("next");
    if !node.sign_in.attempts.admit_from(&address, visit.now) {
        let message = "Too many attempts.";
        return Err(Problem::new(Kind::Throttled, message).into());
    }
    let found = proved(&node, door, &fields).await?;
    let Some(account) = found.filter(|account| door.takes(account)) else {
        // One answer for an unknown passkey, a closed account and the wrong door.
        return Ok(ask(&node, &visit, door, false, begin::local(next), Some(WRONG)).await?);
    };
    node.sign_in.attempts.forgive("passkey", &address);
    let signed_in = by_passkey(&account, &headers);
    Ok(begin::begin(&node, &visit, &account, signed_in, next).await?)
}

fn by_passkey(account: &Account, headers: &HeaderMap) -> SignedIn {
    SignedIn {
        method: "passkey".to_owned(),
        device: begin::device(headers),
        aal: 2,
        identity: account.identity,
        ..SignedIn::default()
    }
}

/// Whose passkey answered the page's task.
async fn proved(node: &Node, door: Door, fields: &Fields) -> Result<Option<Account>, Problem> {
    let service = service(node, door)?;
    let state: Option<DiscoverableAuthentication> = take(node, USE, fields).await?;
    let (Some(state), Some(given)) = (state, credential::<PublicKeyCredential>(fields)) else {
        return Ok(None);
    };
    let Ok((user, id)) = service.identify_discoverable_authentication(&given) else {
        return Ok(None);
    };
    let Some(kept) = node.store.passkey(id).await? else {
        return Ok(None);
    };
    let Ok(mut passkey) = serde_json::from_str::<Passkey>(&kept.data) else {
        return Ok(None);
    };
    if user != handle(&node.site, kept.account) {
        return Ok(None);
    }
    let checked = service.finish_discoverable_authentication_v2(&given, state, &passkey);
    let Ok(result) = checked else {
        return Ok(None);
    };
    if !result.user_verified() {
        return Ok(None);
    }
    passkey.update_credential(&result);
    let data = written(&passkey)?;
    let id = kept.id;
    node.store
        .write_passkey(PasskeyWrite::Used { id, data })
        .await?;
    node.store.account(kept.account).await
}

/// `GET /step-up/passkey`, `GET /staff/step-up/passkey`
pub async fn step_up_page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    own_account(&node, &visit).await?;
    let next = begin::local(&asked.next);
    Ok(ask(&node, &visit, Door::of(&visit), true, next, None).await?)
}

/// `POST /step-up/passkey`, `POST /staff/step-up/passkey`
pub async fn step_up(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    let own = own_account(&node, &visit).await?;
    let (door, next) = (Door::of(&visit), fields.text("next"));
    let found = proved(&node, door, &fields).await?;
    if found.is_none_or(|account| account.id != own.id) {
        return Ok(ask(&node, &visit, door, true, begin::local(next), Some(WRONG)).await?);
    }
    let aal = i64::from(visit.assurance().aal).max(2);
    Ok(step_up::done(&node, &visit, aal, next).await?)
}

/// Whether a passkey may be added in this session: staff lately proved who they are; a patient's
/// session proves all that the passkey will (P22).
fn may_add(node: &Node, visit: &Visit, account: &Account) -> Result<Option<Response>, Problem> {
    let door = Door::of(visit);
    if door == Door::Staff {
        return Ok(step_up::first(visit, door));
    }
    let now = visit.assurance();
    let plain = node.sign_in.ways.have(door, Way::Password);
    let enough = i64::from(now.identity) >= account.identity && (now.aal >= 2 || plain);
    if enough {
        return Ok(None);
    }
    let message = "Sign in with NHS login and prove your identity there before you add a passkey.";
    Err(Problem::new(Kind::Forbidden, message))
}

/// `GET /profile/sessions/passkey`, `GET /staff/profile/passkey`
pub async fn add_page(State(node): State<Arc<Node>>, visit: Visit) -> Result<Response, Refusal> {
    let account = own_account(&node, &visit).await?;
    if let Some(first) = may_add(&node, &visit, &account)? {
        return Ok(first);
    }
    let door = Door::of(&visit);
    Ok(add_to(&node, &visit, door, &account, false).await?)
}

/// The page that adds a passkey to the account.
///
/// # Errors
/// `BusinessRule` if it has as many as it may; whatever the store answers.
pub async fn add_to(
    node: &Node,
    visit: &Visit,
    door: Door,
    account: &Account,
    invited: bool,
) -> Result<Response, Problem> {
    let known = node.store.passkeys(account.id).await?;
    if known.len() >= usize::try_from(PASSKEYS_MAX).unwrap_or(usize::MAX) {
        let message = "You have as many passkeys as one can have; remove one first.";
        return Err(Problem::new(Kind::BusinessRule, message));
    }
    let known = known.iter().map(|it| it.id.clone()).collect();
    let user = handle(&node.site, account.id);
    let (options, state) = service(node, door)?
        .start_passkey_registration(user, &account.name, &account.name, Some(known))
        .map_err(|error| failed(&error))?;
    let adding = Adding {
        account: account.id,
        state,
        invited,
    };
    let step = keep(node, ADD, &adding, visit.now).await?;
    let action = if invited {
        "/login/invitation/passkey".to_owned()
    } else {
        format!("{}/passkey", door.profile())
    };
    let say = |english| visit.reads().say(english);
    let view = View {
        heading: say("Add a passkey"),
        lead: say(ADD_SAID),
        button: say("Add a passkey"),
        kind: "create",
        options: written(&options)?,
        action: &action,
        step: step.reveal(),
        next: None,
        named: true,
        error: None,
        cancel: if invited {
            door.address()
        } else {
            door.profile()
        },
    };
    Ok(page(view).answer(&node.site, visit))
}

/// Takes the new passkey; whose it is.
async fn added(node: &Node, door: Door, fields: &Fields) -> Result<Option<(i64, bool)>, Problem> {
    let service = service(node, door)?;
    let adding: Option<Adding> = take(node, ADD, fields).await?;
    let given = credential::<RegisterPublicKeyCredential>(fields);
    let (Some(adding), Some(given)) = (adding, given) else {
        return Ok(None);
    };
    let Ok(passkey) = service.finish_passkey_registration(&given, &adding.state) else {
        return Ok(None);
    };
    let label: String = fields.text("label").chars().take(60).collect();
    let write = PasskeyWrite::Add {
        id: passkey.cred_id().to_vec(),
        account: adding.account,
        label: if label.is_empty() {
            "Passkey".to_owned()
        } else {
            label
        },
        data: written(&passkey)?,
    };
    let is_new = node.store.write_passkey(write).await?;
    Ok(is_new.then_some((adding.account, adding.invited)))
}

fn not_added() -> Problem {
    let message = "The passkey was not added. Load the page again and repeat it.";
    Problem::new(Kind::Value, message)
}

/// `POST /profile/sessions/passkey`, `POST /staff/profile/passkey`
pub async fn add(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    let own = own_account(&node, &visit).await?;
    if let Some(first) = may_add(&node, &visit, &own)? {
        return Ok(first);
    }
    match added(&node, Door::of(&visit), &fields).await? {
        Some((account, false)) if account == own.id => Ok(profile::on(&visit, "passkey")),
        _ => Err(not_added().into()),
    }
}

/// `POST /login/invitation/passkey`: the first passkey of a patient whose identity was proved at the
/// practice signs them in.
pub async fn add_invited(
    State(node): State<Arc<Node>>,
    visit: Visit,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, Refusal> {
    let Some((id, true)) = added(&node, Door::Patient, &fields).await? else {
        return Err(not_added().into());
    };
    let account = node.store.account(id).await?.ok_or_else(not_added)?;
    let signed_in = by_passkey(&account, &headers);
    Ok(begin::begin(&node, &visit, &account, signed_in, "").await?)
}

/// `POST /profile/sessions/passkey/remove`, `POST /staff/profile/passkey/remove`
pub async fn remove(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    let own = own_account(&node, &visit).await?;
    if let Some(first) = may_add(&node, &visit, &own)? {
        return Ok(first);
    }
    let wanted = fields.text("passkey");
    let known = node.store.passkeys(own.id).await?;
    if let Some(found) = known.iter().find(|it| name(&it.id) == wanted) {
        let (id, account) = (found.id.clone(), own.id);
        node.store
            .write_passkey(PasskeyWrite::Drop { id, account })
            .await?;
    }
    Ok(profile::on(&visit, "no-passkey"))
}

/// What a passkey is called in its owner's form.
pub fn name(id: &[u8]) -> String {
    let digest: [u8; 32] = Sha256::digest(id).into();
    digest.iter().take(8).map(|b| format!("{b:02x}")).collect()
}
