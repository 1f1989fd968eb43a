//! What a prescriber must see, read under their own scope. What is withheld is told as withheld.

use access::{Scope, SystemPurpose};
use exchange::prescriptions::approve::Before;
use exchange::prescriptions::task::{Item, Step};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use fhir::repeats::{self, ORDER_CODE, State as Due, TASK_CODES};
use fhir::search::{Clause, Criterion, Search, System};
use serde_json::Value;
use sha2::{Digest, Sha256};
use store::Reading;

use crate::node::Node;
use crate::record::{self, json};

/// Items looked through for the queue, and requests shown of them.
const TASKS_MAX: u32 = 200;
const REQUESTS_MAX: usize = 50;
/// MedicationRequests and allergies read of one patient.
const OF_ONE_MAX: u32 = 200;
/// A request's items at most.
const ITEMS_MAX: usize = 60;

/// One order of one patient.
pub struct Request {
    pub order: String,
    pub patient: String,
    pub who: record::Patient,
    /// The Patient as stored.
    pub resource: Value,
    /// What is to be decided.
    pub items: Vec<Asked>,
    /// What was decided already.
    pub decided: Vec<Item>,
    /// The same as stored.
    resources: Vec<Value>,
    pub allergies: Allergies,
    /// Medicines of the patient that are withheld from the reader.
    pub requests_withheld: u64,
    /// Nobody is to learn where the patient is, nor so where they collect their medicines (P13).
    pub is_restricted: bool,
}

/// One item of it.
pub struct Asked {
    pub task: Item,
    resource: Value,
    /// What allows it, as it stands now without regard to this very request.
    pub plan: Option<repeats::Item>,
    plan_resource: Value,
    plan_version: u64,
}

/// What is known of allergies.
#[derive(Default)]
pub struct Allergies {
    pub listed: Vec<String>,
    pub withheld: u64,
    /// Somebody recorded that none is known.
    pub none_known: bool,
    /// Ids and versions of what was read.
    seen: Vec<String>,
}

impl Allergies {
    /// In words: never empty.
    pub fn say(&self) -> String {
        let withheld = match self.withheld {
            0 => "",
            1 => "1 allergy is withheld from you.",
            _ => "Allergies are withheld from you.",
        };
        let listed = self.listed.join(", ");
        match (self.listed.is_empty(), self.withheld, self.none_known) {
            (false, 0, _) => listed,
            (false, _, _) => format!("{listed}. {withheld}"),
            (true, 0, true) => "None known, as recorded.".to_owned(),
            (true, 0, false) => "Nothing is recorded here about allergies.".to_owned(),
            (true, _, _) => withheld.to_owned(),
        }
    }
}

impl Asked {
    /// Why it must be looked at more closely.
    pub fn doubt(&self) -> Option<&'static str> {
        if self.task.step() == Step::EpsRefused {
            return Some("EPS did not take it: see the work list, or refuse it.");
        }
        let Some(plan) = &self.plan else {
            return Some(
                "What allows this medicine is withheld from you, or is no repeat any more.",
            );
        };
        match plan.state {
            Due::Due => None,
            Due::TooEarly(_) => Some("The last supply still lasts."),
            Due::ReviewNeeded(_) => Some("The review is over due."),
            Due::NoneLeft => Some("No issue is left."),
            Due::Stopped => Some("It was stopped, or is on hold."),
            Due::Labelled => Some("It carries a security label: prescribe it in your own system."),
            Due::AskedFor(_) => Some("It was asked for in another order too."),
        }
    }

    fn before(&self) -> Before {
        Before {
            task: self.resource.clone(),
            item: self.task.clone(),
            plan: self.plan_resource.clone(),
            plan_version: self.plan_version,
        }
    }
}

impl Request {
    pub fn asked_at(&self) -> Millis {
        let all = self.items.iter().map(|it| &it.task).chain(&self.decided);
        all.map(Item::asked_at).max().unwrap_or(0)
    }

    /// Why it is not clean, each reason once.
    pub fn doubts(&self) -> Vec<&'static str> {
        let mut doubts: Vec<&str> = self.items.iter().filter_map(Asked::doubt).collect();
        doubts.extend(self.doubts_besides());
        doubts.dedup();
        doubts
    }

    /// The reasons that lie in no item.
    pub fn doubts_besides(&self) -> Vec<&'static str> {
        let mut doubts = Vec::new();
        if self.allergies.withheld > 0 {
            doubts.push("Allergies are withheld from you.");
        }
        if self.requests_withheld > 0 {
            doubts.push("Some of the patient's medicines are withheld from you.");
        }
        doubts
    }

    pub fn is_clean(&self) -> bool {
        !self.items.is_empty() && self.doubts().is_empty()
    }

    /// A digest of all that the decision rests on: an approval is of what was seen.
    pub fn seen(&self) -> String {
        let mut hash = Sha256::new();
        for item in &self.items {
            hash.update(format!("{}/{};", item.task.id, item.task.version));
            hash.update(format!("{}/{};", item.task.request, item.plan_version));
            hash.update(item.doubt().unwrap_or_default());
        }
        for allergy in &self.allergies.seen {
            hash.update(format!("{allergy};"));
        }
        hash.update(format!(
            "{};{}",
            self.allergies.withheld, self.requests_withheld
        ));
        hash.finalize()
            .iter()
            .map(|it| format!("{it:02x}"))
            .collect()
    }

    /// What is to be approved.
    ///
    /// # Errors
    /// `BusinessRule` where what allows an item is not there for the reader.
    pub fn before(&self) -> Result<Vec<Before>, Problem> {
        if self.items.iter().any(|it| it.plan_resource.is_null()) {
            let message =
                "What allows one of the medicines is not shown to you, so you cannot approve it.";
            return Err(Problem::new(Kind::Forbidden, message));
        }
        let asked = |it: &Before| it.item.step() == Step::Asked;
        Ok(self.tasks_before().into_iter().filter(asked).collect())
    }

    /// What is to be refused: for that nobody needs to see more than what was asked.
    pub fn tasks_before(&self) -> Vec<Before> {
        self.items.iter().map(Asked::before).collect()
    }

    /// What was decided of that item, as it is stored.
    pub fn decided_before(&self, task: &str) -> Option<Before> {
        let mut all = self.decided.iter().zip(&self.resources);
        let (item, resource) = all.find(|(it, _)| it.id == task)?;
        Some(Before {
            task: resource.clone(),
            item: item.clone(),
            plan: Value::Null,
            plan_version: 0,
        })
    }

    /// The pharmacy that the patient chose when they asked, in words.
    pub fn pharmacy(&self, node: &Node) -> String {
        match self.asked_pharmacy() {
            _ if self.is_restricted => {
                "The pharmacy is restricted, as is where the patient lives.".to_owned()
            }
            "" => "No pharmacy was chosen: any can fetch it.".to_owned(),
            ods => format!("For {}.", (node.organisation_name)(ods)),
        }
    }

    fn asked_pharmacy(&self) -> &str {
        let mut items = self.items.iter().map(|it| &it.task).chain(&self.decided);
        items.next().map_or("", |it| it.pharmacy.as_str())
    }

    /// Its ODS code: the one that was shown with the request, or, if none was, the one chosen since.
    pub async fn pharmacy_code(
        &self,
        node: &Node,
        scope: &Scope,
    ) -> Result<Option<String>, Problem> {
        match self.asked_pharmacy() {
            "" => node.store.nominated_pharmacy(scope, &self.patient).await,
            ods => Ok(Some(ods.to_owned())),
        }
    }
}

fn token(name: &str, system: System, code: &str) -> Clause {
    let criterion = Criterion::Token {
        system,
        code: Some(code.to_owned()),
    };
    Clause::one(name, criterion)
}

fn of_code(code: &str) -> Clause {
    token("code", System::Is(TASK_CODES.to_owned()), code)
}

/// The Tasks of that code and status, oldest first, as far as the scope shows them; how many more there are
/// that it does not; and whether there are more than were looked through.
pub(in crate::staff) async fn tasks(
    node: &Node,
    scope: &Scope,
    (code, status): (&str, &str),
) -> Result<(Vec<(Value, Item)>, u64, bool), Problem> {
    let mut search = Search::all("Task", TASKS_MAX);
    search.clauses.push(of_code(code));
    search.clauses.push(token("status", System::Any, status));
    let page = node.store.search(scope, &search).await?;
    // That something is withheld is told; whose and what is not.
    let own = Scope::system(SystemPurpose::CarryPrescriptions);
    let all = node.store.search(&own, &search).await?;
    let withheld = all.entries.len().saturating_sub(page.entries.len());
    let mut found = Vec::new();
    for version in &page.entries {
        let resource = json(version)?;
        if let Some(mut item) = Item::read(&resource) {
            item.version = version.version;
            found.push((resource, item));
        }
    }
    let withheld = u64::try_from(withheld).unwrap_or(u64::MAX);
    Ok((found, withheld, page.next.is_some()))
}

/// The queue: clean requests first, then the oldest.
pub async fn queue(
    node: &Node,
    scope: &Scope,
    now: Millis,
) -> Result<(Vec<Request>, u64, bool), Problem> {
    let (mut open, mut withheld, mut more) = tasks(node, scope, (ORDER_CODE, "requested")).await?;
    // What EPS refused is the prescriber's again.
    let (held, hidden, further) = tasks(node, scope, (ORDER_CODE, "on-hold")).await?;
    open.extend(held);
    withheld += hidden;
    more |= further;
    let mut groups: Vec<Vec<(Value, Item)>> = Vec::new();
    for (resource, item) in open {
        let of = |group: &&mut Vec<(Value, Item)>| {
            let first = group.first();
            first.is_some_and(|(_, it)| it.order == item.order && it.patient == item.patient)
        };
        match groups.iter_mut().find(of) {
            Some(group) => group.push((resource, item)),
            None => groups.push(vec![(resource, item)]),
        }
    }
    more |= groups.len() > REQUESTS_MAX;
    let mut requests = Vec::new();
    for group in groups.into_iter().take(REQUESTS_MAX) {
        requests.extend(request(node, scope, group, now).await?);
    }
    requests.sort_by_key(|it| (!it.is_clean(), it.asked_at()));
    Ok((requests, withheld, more))
}

/// One request by its order's name.
///
/// # Errors
/// `NotFound` if there is none that the scope shows.
pub async fn one(node: &Node, scope: &Scope, order: &str, now: Millis) -> Result<Request, Problem> {
    let gone = || {
        Problem::new(
            Kind::NotFound,
            "There is no such request here, or it is withheld.",
        )
    };
    let mut search = Search::all("Task", OF_ONE_MAX);
    search.clauses.push(of_code(ORDER_CODE));
    let group = System::Is(exchange::prescriptions::task::ORDER.to_owned());
    search.clauses.push(token("group-identifier", group, order));
    let page = node.store.search(scope, &search).await?;
    let mut found = Vec::new();
    for version in page.entries.iter().take(ITEMS_MAX) {
        let resource = json(version)?;
        if let Some(mut item) = Item::read(&resource) {
            item.version = version.version;
            found.push((resource, item));
        }
    }
    request(node, scope, found, now).await?.ok_or_else(gone)
}

/// What is to be seen of these Tasks, which are of one order. `None` if the patient is not shown.
async fn request(
    node: &Node,
    scope: &Scope,
    tasks: Vec<(Value, Item)>,
    now: Millis,
) -> Result<Option<Request>, Problem> {
    let Some((order, patient)) = tasks
        .first()
        .map(|(_, it)| (it.order.clone(), it.patient.clone()))
    else {
        return Ok(None);
    };
    let Reading::Found(version) = node.store.read(scope, "Patient", &patient).await? else {
        return Ok(None);
    };
    let resource = json(&version)?;
    let search = Search::all("MedicationRequest", OF_ONE_MAX).within_patient(&patient);
    let page = node.store.search(scope, &search).await?;
    let mut requests = Vec::new();
    for version in &page.entries {
        requests.push((json(version)?, version.version));
    }
    let bodies: Vec<Value> = requests.iter().map(|(body, _)| body.clone()).collect();
    // The request itself is no reason against it.
    let plans = repeats::items(&bodies, &[], now);
    let withheld = node
        .store
        .withheld_of(scope, &patient, Some("MedicationRequest"))
        .await?;
    let (open, decided): (Vec<_>, Vec<_>) = tasks
        .into_iter()
        .filter(|(_, it)| it.patient == patient)
        .partition(|(_, it)| matches!(it.step(), Step::Asked | Step::EpsRefused));
    let (resources, decided) = decided.into_iter().unzip();
    let items = open.into_iter().map(|(resource, task)| {
        let stored = requests
            .iter()
            .find(|(body, _)| body["id"].as_str() == Some(&task.request));
        Asked {
            plan: plans.iter().find(|it| it.id == task.request).cloned(),
            plan_resource: stored.map_or(Value::Null, |(body, _)| body.clone()),
            plan_version: stored.map_or(0, |(_, version)| *version),
            task,
            resource,
        }
    });
    Ok(Some(Request {
        order,
        who: record::patient(&resource),
        items: items.collect(),
        decided,
        resources,
        allergies: allergies(node, scope, &patient).await?,
        is_restricted: node.store.keeps_whereabouts(&patient).await?,
        requests_withheld: withheld.count + withheld.sealed,
        resource,
        patient,
    }))
}

fn said<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name).and_then(Value::as_str)
}

/// SNOMED CT's concept that somebody has no known allergy.
const NO_KNOWN_ALLERGY: &str = "716186003";

pub(in crate::staff) async fn allergies(
    node: &Node,
    scope: &Scope,
    patient: &str,
) -> Result<Allergies, Problem> {
    let search = Search::all("AllergyIntolerance", OF_ONE_MAX).within_patient(patient);
    let page = node.store.search(scope, &search).await?;
    let withheld = node
        .store
        .withheld_of(scope, patient, Some("AllergyIntolerance"))
        .await?;
    let mut found = Allergies {
        // More than are read are as good as withheld.
        withheld: withheld.count + withheld.sealed + u64::from(page.next.is_some()),
        ..Allergies::default()
    };
    for version in &page.entries {
        found
            .seen
            .push(format!("{}/{}", version.id, version.version));
        let allergy = json(version)?;
        let of = |place: &str| {
            let coding = allergy.pointer(place).and_then(Value::as_array);
            coding
                .into_iter()
                .flatten()
                .next()
                .cloned()
                .unwrap_or(Value::Null)
        };
        let is_over = |place: &str, words: &[&str]| {
            let coding = of(place);
            said(&coding, "code").is_some_and(|it| words.contains(&it))
        };
        if is_over(
            "/verificationStatus/coding",
            &["entered-in-error", "refuted"],
        ) || is_over("/clinicalStatus/coding", &["inactive", "resolved"])
        {
            continue;
        }
        let coding = of("/code/coding");
        if said(&coding, "code") == Some(NO_KNOWN_ALLERGY) {
            found.none_known = true;
            continue;
        }
        let words = allergy.pointer("/code/text").and_then(Value::as_str);
        let words = words.or(said(&coding, "display"));
        let words = words.unwrap_or("an allergy without a name").trim();
        found.listed.push(words.to_owned());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_allergies_known_and_allergies_withheld_do_not_look_alike() {
        let said = |listed: &[&str], withheld, none_known| {
            Allergies {
                listed: listed.iter().map(|it| (*it).to_owned()).collect(),
                withheld,
                none_known,
                seen: Vec::new(),
            }
            .say()
        };
        let all = [
            said(&[], 0, false),
            said(&[], 0, true),
            said(&[], 1, false),
            said(&[], 2, true),
            said(&["Penicillin"], 0, false),
            said(&["Penicillin"], 1, false),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(!one.is_empty());
            assert!(all.iter().skip(at + 1).all(|other| other != one), "{one}");
        }
        assert!(all[2].contains("withheld") && all[3].contains("withheld"));
    }
}
