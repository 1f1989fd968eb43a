//! A task to book an appointment: the way from it to the diary with its patient, and done in the commit that books.

use access::Interaction;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use serde_json::Value;
use store::Job;
use store::desk::{Task, TaskState, TaskWas};

use super::{Expect, People, gone, job, loaded, me, owner, person, resource};
use crate::node::Node;
use crate::page::parts::Person;
use crate::record;
use crate::visit::Visit;

/// A task to book that is still to be done, as far as who works it is shown it.
pub(crate) struct ToBook {
    task: Task,
    resource: Value,
    version: u64,
    who: record::Patient,
    /// The kind of appointment; empty for any.
    pub service: String,
}

/// The task that an address names by `task=`; `None` where it names none.
///
/// # Errors
/// `NotFound` where it is not shown; `BusinessRule` where it is not to book, or over.
pub(crate) async fn to_book(
    node: &Node,
    visit: &Visit,
    id: &str,
) -> Result<Option<ToBook>, Problem> {
    if id.is_empty() {
        return Ok(None);
    }
    let scope = visit.scope(node, Interaction::Tasks, "Task").await?;
    let task = node.store.task(&scope, id).await?;
    let (resource, version, who) = loaded(node, &scope, &task).await?.ok_or_else(gone)?;
    let service = exchange::rules::to_book(&resource);
    let Some(service) = service.filter(|_| task.state == TaskState::Open) else {
        let message = "This task is not to book an appointment, or it is over.";
        return Err(Problem::new(Kind::BusinessRule, message));
    };
    Ok(Some(ToBook {
        task,
        resource,
        version,
        who,
        service,
    }))
}

impl ToBook {
    pub fn id(&self) -> &str {
        &self.task.id
    }

    pub fn patient(&self) -> &str {
        &self.task.patient
    }

    pub fn person(&self) -> Person {
        person(&self.who)
    }

    pub fn what(&self) -> &str {
        resource::what(&self.resource)
    }

    pub fn href(&self) -> String {
        format!("/staff/tasks/{}", self.task.id)
    }

    /// What the form of a booking says of its patient: NHS number, date of birth, family name.
    pub fn proof(&self) -> [String; 3] {
        let who = &self.who;
        [
            who.nhs_number.clone().unwrap_or_default(),
            who.birth_date.clone().unwrap_or_default(),
            self.family(),
        ]
    }

    fn family(&self) -> String {
        let name = self.who.name.as_str();
        name.split(',').next().unwrap_or(name).to_owned()
    }

    /// What is to be done beside the booking: the task is done, and says what was booked.
    pub async fn done(
        &self,
        node: &Node,
        visit: &Visit,
        note: &str,
        now: Millis,
    ) -> Result<Job, Problem> {
        let scope = visit.scope(node, Interaction::WorkTask, "Task").await?;
        let was = TaskWas::At(self.task.version);
        let mut task = self.task.clone();
        let mut resource = self.resource.clone();
        let by = me(visit)?.who;
        task.state = TaskState::Done;
        task.state_by.clone_from(&by);
        let people = People::of(node, &scope).await?;
        let owner = owner(&people, &task.whose);
        resource::step(&mut resource, &task, &owner, (&by, note), now);
        let expect = Expect::Version(self.version);
        job(node, &scope, (&task, was), (&resource, expect))
    }
}
