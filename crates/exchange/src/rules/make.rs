//! What a rule makes: whose work a letter is, and tasks.

use access::Ods;
use fhir::date::{self, Millis};
use fhir::members::{each, set, text};
use fhir::problem::{Kind, Problem};
use fhir::questionnaire::{self, Answerer};
use fhir::rule::{AnsweredBy, Event, Rule, Step, StepKind};
use serde_json::{Value, json};
use store::desk::{DeskWrite, Task, TaskState, TaskWas, Team, Whose};
use store::{Effect, Expect, Job, Release};

use super::DAY;
use super::weigh::Subject;
use crate::keys::sha256_hex;
use crate::prescriptions::put;

/// Hexadecimal digits of a digest that make an id.
const ID_DIGITS: usize = 40;
/// Work that people here give each other: the system of such a Task's codes, and the code of one to book an appointment.
const WORK: &str = "urn:handover:work";
const BOOK: &str = "book";
/// The type of the input that says which kind of appointment.
const SERVICE: &str = "service";

/// One rule about one event.
pub(super) struct Making<'m> {
    pub rule: &'m Rule,
    pub key: &'m str,
    pub subject: &'m Subject,
    /// The event, and the id of its main resource.
    pub event: (Event, &'m str),
    pub teams: &'m [Team],
    pub organisation: &'m Ods,
    pub now: Millis,
}

/// By whom a rule's act is said to be.
pub fn by(title: &str) -> String {
    format!("Rule: {title}")
}

/// Of a Task to book an appointment the kind of it, empty for any; `None` of every other.
pub fn to_book(task: &Value) -> Option<String> {
    let is_one = |it: &Value| text(it, "/system") == WORK && text(it, "/code") == BOOK;
    each(task, "/code/coding").find(|it| is_one(it))?;
    let mut inputs = each(task, "/input").filter(|it| text(it, "/type/text") == SERVICE);
    let service = inputs.next().map_or("", |it| text(it, "/valueString"));
    Some(service.to_owned())
}

impl Making<'_> {
    fn by(&self) -> String {
        by(&self.rule.title)
    }

    /// The team that a step names.
    fn team(&self, step: &Step) -> Result<Option<&Team>, Problem> {
        if step.team.is_empty() {
            return Ok(None);
        }
        match self.teams.iter().find(|it| it.name == step.team) {
            Some(team) => Ok(Some(team)),
            None => {
                let message = format!("There is no team “{}” here.", step.team);
                Err(Problem::new(Kind::BusinessRule, message))
            }
        }
    }

    fn whose(&self, step: &Step) -> Result<Whose, Problem> {
        let team = self.team(step)?;
        Ok(Whose {
            account: 0,
            team: team.map(|it| it.id.clone()).unwrap_or_default(),
        })
    }

    /// The letter becomes the team's work.
    pub fn route(&self, step: &Step) -> Result<Effect, Problem> {
        let missing = || Problem::new(Kind::BusinessRule, "There is no letter to hand on.");
        let letter = self.subject.letter.as_ref().ok_or_else(missing)?;
        Ok(Effect::Desk(DeskWrite::Assign {
            pid: letter.pid,
            to: self.whose(step)?,
            by: self.by(),
        }))
    }

    /// Adds the Task of a step to the job; gives its id. The same event gives the same id.
    pub fn task(&self, step: &Step, job: &mut Job) -> Result<String, Problem> {
        if self.subject.patient.is_empty() {
            let message = "The event is about nobody on record here, so no task can be made of it.";
            return Err(Problem::new(Kind::BusinessRule, message));
        }
        let name = format!("{} {} {}", self.rule.id, self.key, step.number);
        let digest = sha256_hex(name.as_bytes());
        let id = format!("rule-{}", digest.get(..ID_DIGITS).unwrap_or(&digest));
        let due = self.now - self.now.rem_euclid(DAY) + Millis::from(step.days) * DAY;
        let (resource, is_work) = match step.kind {
            StepKind::Ask => (
                self.asking(step, &id, due),
                step.answered_by == AnsweredBy::Staff,
            ),
            _ => (self.work(step, &id, due)?, true),
        };
        // What a patient is asked they see; what people here are to do is theirs.
        let release = match is_work {
            true => Release::Keep,
            false => Release::At(self.now),
        };
        let how = (Expect::Absent, release);
        job.changes.push(put(&resource, self.organisation, how)?);
        if is_work {
            let task = Task {
                id: id.clone(),
                patient: self.subject.patient.clone(),
                pid: self.subject.letter.as_ref().map_or(0, |it| it.pid),
                whose: self.whose(step)?,
                person: String::new(),
                team: String::new(),
                due,
                urgent: false,
                state: TaskState::Open,
                made_at: self.now,
                made_by: self.by(),
                state_at: self.now,
                state_by: self.by(),
                version: 1,
            };
            job.effects.push(Effect::Desk(DeskWrite::Task {
                task: Box::new(task),
                was: TaskWas::Nothing,
            }));
        }
        Ok(id)
    }

    /// Work for people here.
    fn work(&self, step: &Step, id: &str, due: Millis) -> Result<Value, Problem> {
        let now = date::instant(self.now);
        let day = date::instant(due);
        let mut made = json!({
            "resourceType": "Task",
            "id": id,
            "status": "requested",
            "intent": "order",
            "code": { "coding": [{ "system": WORK, "code": "work" }] },
            "for": { "reference": format!("Patient/{}", self.subject.patient) },
            "authoredOn": now,
            "lastModified": now,
            "restriction": { "period": { "end": day.get(..10).unwrap_or_default() } },
        });
        self.mark(&mut made);
        let said = match step.kind {
            StepKind::Book => {
                let coding = |code: &str| json!({ "system": WORK, "code": code });
                let codes = json!({ "coding": [coding("work"), coding(BOOK)] });
                set(&mut made, "code", codes);
                if !step.service.is_empty() {
                    let ty = json!({ "text": SERVICE });
                    let input = json!([{ "type": ty, "valueString": step.service }]);
                    set(&mut made, "input", input);
                }
                format!("Book: {}", step.text)
            }
            _ => step.text.clone(),
        };
        set(&mut made, "description", json!(said));
        let (event, resource) = self.event;
        let focus = format!("{}/{resource}", event.resource());
        set(&mut made, "focus", json!({ "reference": focus }));
        if let Some(team) = self.team(step)? {
            let identifier = json!({ "system": "urn:handover:team", "value": team.id });
            let owner = json!({ "identifier": identifier, "display": team.name });
            set(&mut made, "owner", owner);
        }
        Ok(made)
    }

    /// Asks for a questionnaire to be filled in.
    fn asking(&self, step: &Step, id: &str, due: Millis) -> Value {
        let said = match step.text.as_str() {
            "" => "Fill in a questionnaire.",
            said => said,
        };
        let by = match step.answered_by {
            AnsweredBy::Patient => Answerer::Patient,
            AnsweredBy::Staff => Answerer::Staff,
        };
        let patient = format!("Patient/{}", self.subject.patient);
        let day = date::instant(due);
        let (day, asked) = (day.get(..10), &step.questionnaire);
        let mut made = questionnaire::task(id, &patient, asked, by, said, self.now, day);
        set(&mut made, "description", json!(said));
        self.mark(&mut made);
        made
    }

    /// By which rule a Task was made, for other systems too.
    fn mark(&self, made: &mut Value) {
        set(made, "priority", json!("routine"));
        set(made, "requester", json!({ "display": self.by() }));
        if !self.rule.url.is_empty() {
            set(made, "instantiatesCanonical", json!(self.rule.url));
        }
    }
}
