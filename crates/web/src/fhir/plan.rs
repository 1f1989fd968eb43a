//! What a Bundle asks for, read and prepared: pure work, done apart from the threads that serve.

use access::Ods;
use axum::body::Bytes;
use fhir::Body;
use fhir::bundle::{self, Condition, Entry, Method, Mode, Question};
use fhir::date::Millis;
use fhir::definitions::Definitions;
use fhir::json::parse;
use fhir::problem::{Kind, Problem};
use fhir::validate::validate;
use store::{Change, Expect, Prepared};

use super::Bounds;
use super::fetch::Look;
use super::incoming::{release_of_changed, release_of_new};
use super::patch::Patch;

/// What a Bundle turns out to be.
pub enum Read {
    /// A batch: its entries, each as a transaction.
    Batch(Vec<Bytes>),
    /// A transaction that needs answers first.
    Open(Vec<Question>),
    /// A transaction that can be done, in this order.
    Ready(Vec<Planned>),
}

/// An entry, ready to be done.
pub struct Planned {
    /// Where it stood in the Bundle.
    pub index: usize,
    pub ty: String,
    pub id: String,
    /// Whether the caller chose the id, which may not be there yet.
    pub is_chosen: bool,
    pub action: Action,
}

pub enum Action {
    /// A create or an update, and the resource as it will be answered.
    Put(Box<Change>, Body),
    Delete(Change),
    /// A patch of what is there, and what must be there.
    Patch(Patch, Expect),
    /// A conditional create that finds its resource.
    AlreadyThere,
    /// A conditional delete that finds none.
    NothingThere,
    /// Something to look at, or an operation to call, once the changes are made.
    Look(Look),
}

/// What reading a Bundle needs to know of the node.
#[derive(Clone)]
pub struct Place {
    pub base_url: String,
    pub bounds: Bounds,
    pub organisation: Ods,
    pub now: Millis,
    /// When the patient may see what is new and nobody releases.
    pub release_at: Millis,
}

impl Place {
    /// Reads a Bundle; `answers` are those to the questions of the reading before, in their order.
    ///
    /// # Errors
    /// What `parse`, `validate` and `bundle::parse` find, with the entry.
    pub fn read(&self, bytes: &[u8], answers: &[Option<String>]) -> Result<Read, Problem> {
        let bundle = parse(bytes, &self.bounds.of_bundle())?;
        if bundle.items("entry").len() > self.bounds.entries_max {
            let message = format!("A Bundle has at most {} entries.", self.bounds.entries_max);
            return Err(Problem::new(Kind::TooCostly, message).at("Bundle.entry"));
        }
        if bundle::mode(&bundle)? == Mode::Batch {
            let entries = bundle::split(bundle)?;
            return Ok(Read::Batch(
                entries
                    .iter()
                    .map(|entry| entry.to_bytes().into())
                    .collect(),
            ));
        }
        validate(&bundle, Definitions::r4())?;
        let draft = bundle::parse(bundle, &self.base_url)?;
        if draft.questions().len() != answers.len() {
            return Ok(Read::Open(draft.questions().to_vec()));
        }
        let transaction = draft.resolve(answers, &mut || uuid::Uuid::new_v4().to_string())?;
        let planned = transaction
            .entries
            .into_iter()
            .map(|entry| self.planned(entry));
        planned.collect::<Result<_, _>>().map(Read::Ready)
    }

    fn planned(&self, entry: Entry<'_>) -> Result<Planned, Problem> {
        let own_id = entry.resource.as_ref().and_then(|it| it.text("id"));
        let is_chosen = entry.method == Method::Put && own_id == Some(entry.id.as_str());
        let expect = match entry.condition {
            Condition::Version(version) => Expect::Version(version),
            Condition::Absent => Expect::Absent,
            _ if entry.method == Method::Post => Expect::Absent,
            _ => Expect::Anything,
        };
        let action = match entry.method {
            _ if entry.condition == Condition::AlreadyThere => Action::AlreadyThere,
            _ if entry.condition == Condition::NothingThere => Action::NothingThere,
            Method::Get | Method::Head | Method::Call => Action::Look(Look {
                method: entry.method,
                url: entry.url.clone(),
                known: entry.known.clone(),
                given: entry.resource.map(|given| given.to_bytes().into()),
            }),
            Method::Patch => Action::Patch(Patch::of_entry(entry.resource.as_ref())?, expect),
            Method::Delete => {
                let (ty, id) = (entry.ty.clone(), entry.id.clone());
                Action::Delete(Change::Delete { ty, id, expect })
            }
            Method::Post | Method::Put => self.put(&entry, expect)?,
        };
        Ok(Planned {
            is_chosen,
            index: entry.index,
            ty: entry.ty,
            id: entry.id,
            action,
        })
    }

    fn put(&self, entry: &Entry<'_>, expect: Expect) -> Result<Action, Problem> {
        let resource = entry
            .resource
            .as_ref()
            .ok_or_else(|| Problem::new(Kind::Required, "The entry has no resource."))?;
        let release = match entry.method {
            Method::Post => release_of_new(&entry.ty, self.now, self.release_at),
            _ => release_of_changed(&entry.ty, self.now),
        };
        let prepared = Prepared::new(resource, &entry.id, &self.organisation)?;
        let put = Change::Put {
            resource: prepared,
            expect,
            release,
        };
        Ok(Action::Put(Box::new(put), Body::new(resource, &entry.id)))
    }
}
