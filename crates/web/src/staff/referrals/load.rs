//! A referral as its reader may see it: read under their own scope.

use access::Scope;
use exchange::referrals::{Act, Request, Said, requested, said};
use fhir::problem::{Kind, Problem};
use serde_json::Value;
use store::Reading;
use store::referrals::Referral;

use crate::node::Node;
use crate::page::content::part;
use crate::page::parts::{Content, Person};
use crate::record::{self, json};

/// Parts of what is enclosed that are shown.
const PARTS_MAX: usize = 20;

/// What there is to be seen of one.
pub struct Loaded {
    pub request: Request,
    pub said: Vec<Said>,
    resource: Value,
    who: Option<record::Patient>,
}

pub fn gone() -> Problem {
    let message = "There is no such referral here, or it is withheld from you.";
    Problem::new(Kind::NotFound, message)
}

/// Reads it. `None` if it is withheld from the reader, or what it was about is not here.
pub async fn one(
    node: &Node,
    scope: &Scope,
    referral: &Referral,
) -> Result<Option<Loaded>, Problem> {
    let read = node
        .store
        .read(scope, "ServiceRequest", &referral.id)
        .await?;
    let Reading::Found(version) = read else {
        return Ok(None);
    };
    let resource = json(&version)?;
    let who = match node.store.read(scope, "Patient", &referral.patient).await? {
        Reading::Found(version) => Some(record::patient(&json(&version)?)),
        _ => None,
    };
    Ok(Some(Loaded {
        request: requested(&resource),
        said: said(&resource),
        resource,
        who,
    }))
}

impl Loaded {
    pub fn person(&self) -> Person {
        match &self.who {
            Some(who) => Person::new(
                &who.name,
                who.birth_date.as_deref(),
                who.nhs_number.as_deref(),
            ),
            None => Person::new(crate::staff::NOT_SHOWN, None, None),
        }
    }

    /// The last step of that sort.
    pub fn last(&self, act: Act) -> Option<&Said> {
        self.said.iter().rev().find(|it| it.act == act)
    }

    /// What was enclosed, to be shown.
    pub async fn enclosed(&self, node: &Node, scope: &Scope) -> Result<Vec<Content>, Problem> {
        let mut shown = Vec::new();
        for id in self.binaries(node, scope).await? {
            let found = match record::content(node, scope, &id).await? {
                Some(found) => found,
                None => {
                    shown.push(Content {
                        missing: Some("This part is withheld from you, or no longer kept here."),
                        ..Content::default()
                    });
                    continue;
                }
            };
            let href = format!("/fhir/Binary/{id}");
            shown.push(part(&found, "", href));
        }
        Ok(shown)
    }

    async fn binaries(&self, node: &Node, scope: &Scope) -> Result<Vec<String>, Problem> {
        let listed = self
            .resource
            .get("supportingInfo")
            .and_then(Value::as_array);
        let mut binaries = Vec::new();
        for one in listed.into_iter().flatten() {
            let reference = one.get("reference").and_then(Value::as_str);
            let document = reference.and_then(|it| it.strip_prefix("DocumentReference/"));
            let Some(document) = document else { continue };
            let read = node
                .store
                .read(scope, "DocumentReference", document)
                .await?;
            match read {
                Reading::Found(version) => {
                    let letter = record::letter(&json(&version)?);
                    binaries.extend(letter.attachments.into_iter().map(|(id, _)| id));
                }
                // No Binary has this id: it is shown as withheld.
                _ => binaries.push("withheld".to_owned()),
            }
        }
        binaries.truncate(PARTS_MAX);
        Ok(binaries)
    }
}
