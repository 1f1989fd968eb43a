//! The door by which an organisation's own app for patients, and where it is set apps that come through the NHS's gateway, see
//! and order a patient's repeat medicines here: GP Connect Patient Facing Prescriptions (FHIR R4, JSON; decisions 0262, 0382).
//! It translates; what may be seen and asked for is what the patient's own page shows and takes.
//!
//! Invariant: nothing is answered before the caller's system is proved, and what it does in the patient's name is decided
//! as for the patient and traced.

mod find;
mod gateway;
#[cfg(test)]
mod gateway_tests;
mod shape;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use access::{AuditEntry, Caller, Interaction, NhsNumber, Purpose, Scope, Who, decide_for};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use exchange::gp_connect::patient_token;
use exchange::prescriptions::order::{self, Ask};
use exchange::prescriptions::task::{self, Step, Taken};
use exchange::prescriptions::written;
use fhir::gp_connect::{Refusal, Trouble};
use fhir::json::{self, Limits};
use fhir::problem::{Kind, Problem};
use fhir::repeats::{Item, State as Due};
use fhir::search::{Clause, Search};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value;
use store::{Expect, Job, Release};

use crate::failure;
use crate::gp_connect::Door;
use crate::node::Node;
use crate::patient::prescriptions::Medicines;
use shape::{Wanted, bundle, read_cancel, read_wanted};

/// Where the door is, below the node's own address.
pub const PATH: &str = "/gpconnect/pfs/FHIR/R4";
/// The largest body taken, in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;
const PEOPLE_MAX: u32 = 10;
const CONTENT_TYPE: &str = "application/fhir+json";

/// Every route of the door.
pub(crate) fn route(node: Arc<Node>) -> Router {
    let at = |path: &str| format!("{PATH}{path}");
    Router::new()
        .route(
            &at("/Patient/{number}/MedicationStatement"),
            get(statements),
        )
        .route(&at("/MedicationRequest/{id}"), get(find::request))
        .route(&at("/Task"), post(place).get(find::tasks))
        .route(&at("/Task/{id}"), get(read).patch(cancel))
        .route(gateway::TOKEN, post(gateway::token))
        .nest(PATH, Router::new().fallback(nothing_here))
        .layer(from_fn_with_state(node.clone(), gateway::certified))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(node)
}

async fn nothing_here() -> Refused {
    no(
        Trouble::NotImplemented,
        "Patient Facing Prescriptions is spoken here, and nothing else.",
    )
}

/// A refusal as an answer.
struct Refused(Refusal);

fn no(trouble: Trouble, words: impl Into<String>) -> Refused {
    Refused(Refusal::new(trouble, words))
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        Refused(refusal)
    }
}

impl From<Problem> for Refused {
    /// The cause is logged here, and told to nobody.
    fn from(problem: Problem) -> Refused {
        failure::log("", &problem);
        let trouble = match problem.kind {
            Kind::NotFound | Kind::Deleted => Trouble::NoRecordFound,
            Kind::Login | Kind::Security | Kind::Forbidden | Kind::Suppressed => {
                Trouble::AccessDenied
            }
            Kind::Duplicate => Trouble::Duplicate,
            Kind::Conflict | Kind::LockError | Kind::BusinessRule => Trouble::InvalidRequestState,
            Kind::Throttled | Kind::Transient | Kind::Timeout | Kind::NoStore => Trouble::Busy,
            Kind::Exception | Kind::Incomplete => Trouble::Internal,
            _ => Trouble::InvalidResource,
        };
        no(trouble, problem.message.to_string())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.trouble.status());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        answer(status, &shape::outcome(&self.0))
    }
}

/// An answer that nothing on the way keeps.
fn answer(status: StatusCode, resource: &Value) -> Response {
    let headers = [
        (header::CONTENT_TYPE, CONTENT_TYPE),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, resource.to_string()).into_response()
}

/// In whose name somebody asks, as it was proved.
struct Named {
    patient: String,
    number: NhsNumber,
    person: String,
    /// The app, where it is one that came through the gateway.
    app: Option<String>,
}

/// A patient in whose name somebody was let in.
struct Admitted {
    caller: Caller,
    patient: String,
    number: String,
    person: String,
    now: i64,
}

/// A header's text.
fn header<'h>(headers: &'h HeaderMap, name: &str) -> Result<&'h str, Refused> {
    let value = headers.get(name).and_then(|it| it.to_str().ok());
    let value = value.map(str::trim);
    let value = value.filter(|it| (1..=8192).contains(&it.len()));
    value.ok_or_else(|| {
        let words = format!("The header {name} is missing, or is no text.");
        no(Trouble::BadRequest, words)
    })
}

/// What is set for the door, where it is open.
fn door_of(node: &Node) -> Result<&Door, Refused> {
    // Where another system holds the medicines, that system is asked, and this one is not.
    let exchange = node.exchange.as_ref();
    let elsewhere = exchange.is_some_and(|it| it.has_medicines_there());
    let door = node.gp_connect.as_ref();
    let door = door.filter(|_| node.site.is_practice() && !elsewhere);
    let closed = "No medicines are ordered here under GP Connect.";
    door.ok_or_else(|| no(Trouble::NotImplemented, closed))
}

/// In whose name a known system asks, as its token proves.
fn proved(
    node: &Node,
    door: &Door,
    headers: &HeaderMap,
    (writes, now): (bool, i64),
) -> Result<patient_token::PatientAsks, Refused> {
    let from = header(headers, "Ssp-From")?;
    let mut known = door.consumers.iter();
    let known = known.find(|it| it.asid == from && it.patients);
    let unknown = "Ssp-From may not ask in patients' names here.";
    let known = known.ok_or_else(|| no(Trouble::AsidCheckFailed, unknown))?;
    let keys = known.keys.as_ref();
    let keys = keys.ok_or_else(|| no(Trouble::AccessDenied, "This system has no keys here."))?;
    let token = header(headers, "Authorization")?.strip_prefix("Bearer ");
    let bears = "The header Authorization bears a JWT.";
    let token = token.ok_or_else(|| no(Trouble::BadRequest, bears))?;
    let mut there = vec![format!("{}{PATH}", node.site.base_url)];
    there.extend(node.oauth.mtls_url.iter().map(|url| format!("{url}{PATH}")));
    let asks = patient_token::read(token, keys, (&there, writes), now);
    let asks = asks.map_err(|wrong| no(Trouble::BadRequest, wrong))?;
    match asks.organisation == known.ods {
        true => Ok(asks),
        false => {
            let words = "The token is another organisation's.";
            Err(no(Trouble::AccessDenied, words))
        }
    }
}

/// Lets in who may ask in a patient's name. `writes`: whether something is to be changed.
async fn admit(node: &Node, headers: &HeaderMap, writes: bool) -> Result<Admitted, Refused> {
    let request = header(headers, "X-Request-ID")?;
    let request: String = request.chars().take(100).collect();
    let now = node.store.now();
    let door = door_of(node)?;
    let named = match gateway::comes(door, headers) {
        Some(gateway) => gateway::named(node, gateway, headers, now).await?,
        None => {
            let asks = proved(node, door, headers, (writes, now))?;
            Named {
                patient: one_of(node, &asks.nhs_number).await?,
                number: asks.nhs_number,
                person: asks.person,
                app: None,
            }
        }
    };
    Ok(Admitted::new(named, request.into(), now))
}

/// The one patient here with that number; neither of two.
async fn one_of(node: &Node, number: &NhsNumber) -> Result<String, Refused> {
    let scope = Scope::system(access::SystemPurpose::SignIn);
    let mut search = Search::all("Patient", PEOPLE_MAX);
    search
        .clauses
        .push(Clause::identifier(NhsNumber::SYSTEM, number.digits()));
    let found = node.store.search(&scope, &search).await?;
    match found.entries.as_slice() {
        [one] => Ok(one.id.clone()),
        _ => Err(no(
            Trouble::PatientNotFound,
            "There is no such patient here.",
        )),
    }
}

impl Admitted {
    fn new(named: Named, request: Arc<str>, now: i64) -> Admitted {
        let name = match &named.app {
            Some(app) => format!("{} (with the app {app})", named.person),
            None => named.person.clone(),
        };
        let who = Who::Patient {
            // Nobody's account: it is proved by the system that asks.
            account: 0,
            name,
            patient: named.patient.clone(),
            nhs_number: named.number.clone(),
        };
        Admitted {
            caller: Caller::new(who, request),
            patient: named.patient,
            number: named.number.digits().to_string(),
            person: named.person,
            now,
        }
    }

    /// The decision, as for the patient themselves. A refusal is in the audit log.
    async fn scope(
        &self,
        node: &Node,
        interaction: Interaction,
        ty: &str,
    ) -> Result<Scope, Refused> {
        let standing = node.store.standing(&self.caller.who, self.now).await?;
        let purpose = Purpose::PatientRequest;
        match decide_for(
            &self.caller,
            interaction,
            ty,
            purpose,
            (&standing, self.now),
        ) {
            Ok(scope) => Ok(scope),
            Err(problem) => {
                let line = AuditEntry::refused(&self.caller, interaction, purpose, ty, None);
                node.store.refused(line).await?;
                Err(problem.into())
            }
        }
    }

    async fn medicines(&self, node: &Node) -> Result<Medicines, Refused> {
        let scope = self
            .scope(node, Interaction::Record, "MedicationRequest")
            .await?;
        Ok(Medicines::read(node, &scope, &self.patient, self.now).await?)
    }
}

/// `GET Patient/[NHS number]/MedicationStatement`: the repeat medicines, each with what allows its issues.
async fn statements(
    State(node): State<Arc<Node>>,
    Path(number): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let admitted = admit(&node, &headers, false).await?;
    if NhsNumber::parse(&number).is_err() {
        return Err(no(Trouble::InvalidNhsNumber, "This is no NHS number."));
    }
    if number != admitted.number {
        return Err(no(Trouble::AccessDenied, "The token is another patient's."));
    }
    let medicines = admitted.medicines(&node).await?;
    let mut entries: Vec<(Value, bool)> = Vec::new();
    for item in &medicines.items {
        let request = medicines
            .requests
            .iter()
            .find(|it| it["id"] == item.id.as_str());
        let Some(request) = request else { continue };
        entries.push((shape::statement(item, request, &admitted.number), true));
        entries.push((shape::request(request, &admitted.number), false));
        let on = format!("MedicationRequest/{}", item.id);
        let issues = medicines.requests.iter().filter(|it| {
            let mut based = it["basedOn"].as_array().into_iter().flatten();
            based.any(|it| it["reference"] == on.as_str())
        });
        entries.extend(issues.map(|it| (shape::request(it, &admitted.number), false)));
    }
    Ok(answer(StatusCode::OK, &bundle(&entries)))
}

/// `GET Task/[id]`
async fn read(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let admitted = admit(&node, &headers, false).await?;
    let medicines = admitted.medicines(&node).await?;
    told(StatusCode::OK, &medicines, &id, &admitted)
}

fn told(
    status: StatusCode,
    medicines: &Medicines,
    id: &str,
    admitted: &Admitted,
) -> Result<Response, Refused> {
    let tasks = medicines.orders_as_tasks();
    let found = tasks.iter().find(|it| it["id"] == id);
    let shown = found.and_then(|it| shape::task(it, &admitted.number));
    let shown = shown.ok_or_else(|| {
        no(
            Trouble::NoRecordFound,
            "There is no such request of this patient's.",
        )
    })?;
    Ok(answer(status, &shown))
}

fn body(headers: &HeaderMap, bytes: &[u8]) -> Result<Value, Refused> {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|it| it.to_str().ok()).unwrap_or_default();
    if !kind.contains("json") {
        return Err(no(
            Trouble::UnsupportedMediaType,
            "Content-Type is application/fhir+json.",
        ));
    }
    let wrong = || {
        no(
            Trouble::BadRequest,
            "The body is not JSON, or has a member twice.",
        )
    };
    json::parse(bytes, &Limits::default()).map_err(|_| wrong())?;
    serde_json::from_slice(bytes).map_err(|_| wrong())
}

/// `POST Task`: asks for one repeat medicine. The same again is a duplicate, and asks for nothing.
async fn place(
    State(node): State<Arc<Node>>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, Refused> {
    let admitted = admit(&node, &headers, true).await?;
    let wanted = read_wanted(&body(&headers, &bytes)?, &admitted.number)?;
    let scope = admitted
        .scope(&node, Interaction::OrderMedicines, "Task")
        .await?;
    let medicines = admitted.medicines(&node).await?;
    let item = to_order(&medicines, &wanted)?;
    let pharmacy = match &wanted.pharmacy {
        Some(ods) if (node.pharmacies)().iter().any(|(known, _)| known == ods) => Some(ods.clone()),
        Some(_) => {
            let words =
                "The pharmacy of input is none that prescriptions can be sent to from here.";
            return Err(no(Trouble::ReferenceNotFound, words));
        }
        None => {
            node.store
                .nominated_pharmacy(&scope, &admitted.patient)
                .await?
        }
    };
    let ask = Ask {
        patient: &admitted.patient,
        by: &admitted.person,
        pharmacy: pharmacy.as_deref(),
        practice: &node.site.organisation,
        now: admitted.now,
        there: None,
        named: &wanted.identifier,
    };
    let (order, job) = order::order(&ask, &[item], &medicines.tasks)?;
    node.store.commit(&scope, job).await?;
    let medicines = admitted.medicines(&node).await?;
    let tasks = medicines.orders_as_tasks();
    let made = tasks.iter().find(|it| {
        it.pointer("/groupIdentifier/value")
            .is_some_and(|it| it == order.as_str())
    });
    let id = made.and_then(|it| it["id"].as_str()).unwrap_or_default();
    let mut response = told(StatusCode::CREATED, &medicines, id, &admitted)?;
    let there = format!("{}{PATH}/Task/{id}", node.site.base_url);
    if let Ok(there) = HeaderValue::try_from(there) {
        response.headers_mut().insert(header::LOCATION, there);
    }
    Ok(response)
}

/// The medicine that is wanted, if it may be asked for.
fn to_order<'m>(medicines: &'m Medicines, wanted: &Wanted) -> Result<&'m Item, Refused> {
    let known = medicines.orders_as_tasks();
    if known
        .iter()
        .any(|it| shape::identifier(it) == wanted.identifier)
    {
        return Err(no(
            Trouble::Duplicate,
            "A Task with this identifier was taken before.",
        ));
    }
    let item = medicines.items.iter().find(|it| it.id == wanted.request);
    let item = item.ok_or_else(|| {
        let words = format!("Reference to MedicationRequest/{}: there is no such repeat medicine of this patient's.", wanted.request);
        no(Trouble::ReferenceNotFound, words)
    })?;
    match &item.state {
        Due::Due => Ok(item),
        Due::AskedFor(_) => Err(no(
            Trouble::Duplicate,
            "It has been asked for, and that is under way.",
        )),
        _ => Err(no(Trouble::InvalidResource, shape::why_not(item))),
    }
}

/// `PATCH Task/[id]`: takes back what nobody has looked at yet.
async fn cancel(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, Refused> {
    let admitted = admit(&node, &headers, true).await?;
    read_cancel(&body(&headers, &bytes)?)?;
    let scope = admitted
        .scope(&node, Interaction::OrderMedicines, "Task")
        .await?;
    let medicines = admitted.medicines(&node).await?;
    let found = medicines.tasks.iter().find(|it| it["id"] == id.as_str());
    let asked = found.and_then(task::Item::read);
    let (Some(found), Some(asked)) = (found, asked) else {
        return Err(no(
            Trouble::NoRecordFound,
            "There is no such request of this patient's.",
        ));
    };
    match asked.step() {
        Step::Withdrawn => return told(StatusCode::OK, &medicines, &id, &admitted),
        Step::Asked => {}
        _ => {
            let words =
                "The practice has worked on it already: only what is requested can be cancelled.";
            return Err(no(Trouble::InvalidRequestState, words));
        }
    }
    let mut changed = found.clone();
    let person = admitted.person.as_str();
    let taken = Taken::new(Step::Withdrawn, admitted.now, person, "");
    task::take(&mut changed, &taken);
    let how = (Expect::Version(asked.version), Release::Keep);
    let change = written(&changed, &node.site.organisation, how)?;
    node.store.commit(&scope, Job::change(change)).await?;
    let medicines = admitted.medicines(&node).await?;
    told(StatusCode::OK, &medicines, &id, &admitted)
}
