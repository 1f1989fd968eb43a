//! A resource on its way in: read, checked against R4, prepared for the writer.

use axum::body::Bytes;
use fhir::Body;
use fhir::date::Millis;
use fhir::definitions::Definitions;
use fhir::json::{Json, parse};
use fhir::problem::{Kind, Problem};
use fhir::resource::type_and_id;
use fhir::validate::validate;
use store::{Prepared, Release, Written};

use crate::node::Node;

/// Which id a resource gets.
pub enum IdOf {
    /// A new one, whatever the body says.
    New,
    /// This one, which the body names too.
    Address(String),
    /// That of the resource that a condition found, which the body may name too; where it found
    /// none, the body's or a new one.
    Found(Option<String>),
}

/// A resource that can be written.
pub struct Incoming {
    pub prepared: Prepared,
    /// The resource as it will be answered, but for its version.
    pub body: Body,
    /// Whether it would be created under an id that the caller chose.
    pub is_chosen: bool,
}

impl Incoming {
    /// Reads a body as a resource of type `ty` to be stored under that id.
    ///
    /// # Errors
    /// What `parse` and `validate` find; `Invalid` if type or id are not those of the address.
    pub async fn read(node: &Node, bytes: Bytes, ty: &str, id: IdOf) -> Result<Incoming, Problem> {
        super::validate::enforce(node, &bytes).await?;
        let (organisation, length) = (node.site.organisation.clone(), bytes.len());
        let limits = node.fhir.bounds.of_resource();
        let ty = ty.to_string();
        let work = move || {
            let resource = parse(&bytes, &limits)?;
            validate(&resource, Definitions::r4())?;
            let may_be_new = !matches!(id, IdOf::New | IdOf::Found(Some(_)));
            let id = id.settled(&resource, &ty)?;
            Ok(Incoming {
                is_chosen: may_be_new && resource.text("id") == Some(id.as_str()),
                prepared: Prepared::new(&resource, &id, &organisation)?,
                body: Body::new(&resource, &id),
            })
        };
        node.fhir.work(length, work).await
    }

    /// When the patient may see a resource that is new: themselves at once, all else after a while.
    /// The store holds back what is labelled.
    pub fn release_of_new(&self, node: &Node) -> Release {
        let now = node.store.now();
        release_of_new(self.prepared.ty(), now, node.release_at(now))
    }

    /// As before.
    pub fn release_of_changed(&self, now: Millis) -> Release {
        release_of_changed(self.prepared.ty(), now)
    }
}

/// `later` is when the patient may see what nobody has released.
pub fn release_of_new(ty: &str, now: Millis, later: Millis) -> Release {
    match ty {
        "Patient" => Release::At(now),
        _ => Release::At(later),
    }
}

pub fn release_of_changed(ty: &str, now: Millis) -> Release {
    match ty {
        "Patient" => Release::At(now),
        _ => Release::Keep,
    }
}

/// The resource as answered.
pub fn rendered(body: &Body, written: &Written) -> Vec<u8> {
    Body::render(
        &body.bytes,
        body.splice,
        written.version,
        written.last_updated,
    )
}

/// What the store must have said and did not.
pub fn lost() -> Problem {
    Problem::new(
        Kind::Exception,
        "The change was made, but what came of it is not known.",
    )
}

impl IdOf {
    fn settled(self, resource: &Json<'_>, ty: &str) -> Result<String, Problem> {
        let (found_ty, own) = type_and_id(resource)?;
        if found_ty != ty {
            let message = "The resource's type is not the one in the address.";
            return Err(Problem::new(Kind::Invalid, message).at(found_ty));
        }
        let new_id = || uuid::Uuid::new_v4().to_string();
        let message = match (self, own) {
            (IdOf::New, _) | (IdOf::Found(None), None) => return Ok(new_id()),
            (IdOf::Found(None), Some(own)) => return Ok(own.to_string()),
            (IdOf::Found(Some(id)), None) => return Ok(id),
            (IdOf::Address(id) | IdOf::Found(Some(id)), Some(own)) if own == id => return Ok(id),
            (IdOf::Address(_), _) => "The resource must have the id that is in the address.",
            (IdOf::Found(Some(_)), Some(_)) => {
                "The condition finds another resource than the one that is sent."
            }
        };
        Err(Problem::new(Kind::Invalid, message).at(format!("{ty}.id")))
    }
}
