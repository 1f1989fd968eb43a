//! Rules on events: what a practice manager switches on so that routine work does itself. A rule is a PlanDefinition
//! (<https://hl7.org/fhir/R4/plandefinition.html>) of the type `eca-rule`: when something comes (`trigger`), and if that holds
//! (`condition`, in FHIRPath), these steps are taken (`action`).
//!
//! Reading is strict: what a rule says and is not understood is refused with its place, never passed over, since a condition that
//! were passed over would make the rule do more than its writer meant. Whether a rule is on stands nowhere in it.
//!
//! Invariant: a rule may file; no step that it can have acts on anything clinically.
//! Invariant: no clock and no I/O, and judging is bounded: so many conditions, so many steps of FHIRPath each.

pub mod examples;
mod members;
mod read;
#[cfg(test)]
mod tests;

use crate::date::Millis;
use crate::definitions::Definitions;
use crate::fhirpath::{Context, Expression, Node};
use crate::json::Json;
use crate::problem::{Kind, Problem};

/// The code system of the steps.
pub const STEP_SYSTEM: &str = "urn:handover:rule-step";
/// Extensions of a step: the name of a team (`valueString`), in how many days something is due (`valuePositiveInt`).
pub const TEAM: &str = "urn:handover:rule-team";
pub const DAYS: &str = "urn:handover:rule-days";
/// Of `book`: the kind of appointment, as slots of the diary have it (`valueString`).
pub const SERVICE: &str = "urn:handover:rule-service";
/// Of `ask`: who answers, `patient` or `staff` (`valueCode`).
pub const ANSWERED_BY: &str = "urn:handover:rule-answered-by";

/// Actions of a rule, conditions and triggers of an action, and steps of a rule.
pub const ACTIONS_MAX: usize = 8;
pub const CONDITIONS_MAX: usize = 10;
pub const STEPS_MAX: usize = 12;
/// The longest expression, in bytes, and what evaluating one may take.
pub const EXPRESSION_BYTES_MAX: usize = 2_000;
pub const EXPRESSION_STEPS_MAX: u32 = 20_000;
/// The longest title, and the longest description or text of a step, in characters.
pub const TITLE_CHARS_MAX: usize = 120;
pub const TEXT_CHARS_MAX: usize = 1_000;
/// The most days after which something can be due.
pub const DAYS_MAX: u32 = 730;

/// The variables that a condition knows beside FHIRPath's own.
const GIVEN: [&str; 2] = ["patient", "parcel"];

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A letter was taken in and is in somebody's record: judged is its DocumentReference.
    LetterReceived,
    /// A DiagnosticReport was stored.
    ResultReceived,
    /// A ServiceRequest came from another organisation.
    ReferralReceived,
    /// An Appointment was made, or was missed.
    AppointmentBooked,
    AppointmentMissed,
    /// A Task was not done by its day.
    TaskOverdue,
    /// A QuestionnaireResponse was stored.
    QuestionnaireAnswered,
}

impl Event {
    pub const ALL: [Event; 7] = [
        Event::LetterReceived,
        Event::ResultReceived,
        Event::ReferralReceived,
        Event::AppointmentBooked,
        Event::AppointmentMissed,
        Event::TaskOverdue,
        Event::QuestionnaireAnswered,
    ];

    /// The name in a trigger.
    pub fn name(self) -> &'static str {
        match self {
            Event::LetterReceived => "letter-received",
            Event::ResultReceived => "result-received",
            Event::ReferralReceived => "referral-received",
            Event::AppointmentBooked => "appointment-booked",
            Event::AppointmentMissed => "appointment-missed",
            Event::TaskOverdue => "task-overdue",
            Event::QuestionnaireAnswered => "questionnaire-answered",
        }
    }

    pub fn from_name(name: &str) -> Option<Event> {
        Event::ALL.into_iter().find(|it| it.name() == name)
    }

    /// The type of the resource that is judged.
    pub fn resource(self) -> &'static str {
        match self {
            Event::LetterReceived => "DocumentReference",
            Event::ResultReceived => "DiagnosticReport",
            Event::ReferralReceived => "ServiceRequest",
            Event::AppointmentBooked | Event::AppointmentMissed => "Appointment",
            Event::TaskOverdue => "Task",
            Event::QuestionnaireAnswered => "QuestionnaireResponse",
        }
    }

    /// For people: "When …".
    pub fn said(self) -> &'static str {
        match self {
            Event::LetterReceived => "a letter comes in and is in somebody’s record",
            Event::ResultReceived => "a result comes in",
            Event::ReferralReceived => "a referral comes in",
            Event::AppointmentBooked => "an appointment is booked",
            Event::AppointmentMissed => "an appointment is missed",
            Event::TaskOverdue => "a task is overdue",
            Event::QuestionnaireAnswered => "a questionnaire is answered",
        }
    }
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StepKind {
    /// Puts a letter away, with a time in which that is undone. Nothing else is ever filed.
    File,
    /// Makes a letter a team's work.
    Route,
    /// Gives a team, or nobody in particular, a task.
    Assign,
    /// Gives them the task to book an appointment, which is done once it is booked: the rule itself touches nobody's diary.
    Book,
    /// Asks for a questionnaire to be filled in.
    Ask,
    /// Reminds of it by a task on a later day.
    Remind,
}

impl StepKind {
    pub const ALL: [StepKind; 6] = [
        StepKind::File,
        StepKind::Route,
        StepKind::Assign,
        StepKind::Book,
        StepKind::Ask,
        StepKind::Remind,
    ];

    pub fn code(self) -> &'static str {
        match self {
            StepKind::File => "file",
            StepKind::Route => "route",
            StepKind::Assign => "assign",
            StepKind::Book => "book",
            StepKind::Ask => "ask",
            StepKind::Remind => "remind",
        }
    }

    pub fn from_code(code: &str) -> Option<StepKind> {
        StepKind::ALL.into_iter().find(|it| it.code() == code)
    }

    /// Whether it is about a letter itself.
    fn is_of_letters(self) -> bool {
        matches!(self, StepKind::File | StepKind::Route)
    }
}

/// Who fills in a questionnaire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AnsweredBy {
    Patient,
    #[default]
    Staff,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its number in the rule, from 0: what was done of it is known by that.
    pub number: u16,
    pub kind: StepKind,
    /// What is to be done, for people; empty for none.
    pub text: String,
    /// A team's name; empty for nobody in particular.
    pub team: String,
    /// In how many days it is due.
    pub days: u32,
    /// Of `book`: the kind of appointment; empty for any.
    pub service: String,
    /// Of `ask`: the Questionnaire's canonical address, and who answers it.
    pub questionnaire: String,
    pub answered_by: AnsweredBy,
}

/// A condition, compiled.
#[derive(Clone, Debug)]
pub struct Condition {
    /// As the rule writes it.
    pub text: String,
    /// For people: what `condition.expression.description` says; empty for none.
    pub said: String,
    expression: Expression,
}

/// When something happens, and all of it holds, these steps.
#[derive(Clone, Debug)]
pub struct Action {
    /// For people; may be empty.
    pub title: String,
    pub events: Vec<Event>,
    pub conditions: Vec<Condition>,
    pub steps: Vec<Step>,
}

/// A rule as it was read.
#[derive(Clone, Debug)]
pub struct Rule {
    pub id: String,
    pub url: String,
    /// The version that its writer gives it, beside FHIR's own.
    pub version: String,
    pub title: String,
    pub description: String,
    /// Whether its writer has retired it.
    pub retired: bool,
    pub actions: Vec<Action>,
}

/// What an event is judged by.
#[derive(Clone, Copy, Debug)]
pub struct About<'r> {
    /// The event's main resource, of the type that `Event::resource` says.
    pub resource: &'r Json<'r>,
    /// `%patient`: whose record it is in; empty in a condition where there is none.
    pub patient: Option<&'r Json<'r>>,
    /// `%parcel`: of a letter, how it came, as `parcel` makes it.
    pub parcel: Option<&'r Json<'r>>,
    /// What `now()` and `today()` are.
    pub now: Millis,
}

impl Rule {
    /// Whether any action is on that event.
    pub fn is_on(&self, event: Event) -> bool {
        self.actions.iter().any(|it| it.events.contains(&event))
    }

    /// The events that it is on, each once.
    pub fn events(&self) -> Vec<Event> {
        let is_on = |event: &Event| self.is_on(*event);
        Event::ALL.into_iter().filter(is_on).collect()
    }

    /// Every step that it can take.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.actions.iter().flat_map(|action| &action.steps)
    }

    /// The steps to take, if it applies: those of every action on that event whose conditions all hold. A condition without an
    /// answer does not hold.
    ///
    /// # Errors
    /// `BusinessRule` or `TooCostly`, naming the condition, where one cannot be evaluated; `Value` for a resource that R4 does
    /// not know.
    pub fn applies(&self, event: Event, about: &About<'_>) -> Result<Option<Vec<Step>>, Problem> {
        let mut steps = Vec::new();
        for (number, action) in self.actions.iter().enumerate() {
            if action.events.contains(&event) && action.holds(number, about)? {
                steps.extend(action.steps.iter().cloned());
            }
        }
        Ok((!steps.is_empty()).then_some(steps))
    }
}

impl Action {
    fn holds(&self, number: usize, about: &About<'_>) -> Result<bool, Problem> {
        for (at, condition) in self.conditions.iter().enumerate() {
            let holds = condition.holds(about);
            let place = format!("PlanDefinition.action[{number}].condition[{at}].expression");
            if !holds.map_err(|problem| problem.at(place))? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Condition {
    fn holds(&self, about: &About<'_>) -> Result<bool, Problem> {
        let definitions = Definitions::r4();
        let unknown = || Problem::new(Kind::Value, "What the event is about is no resource.");
        let focus = Node::resource(about.resource, definitions).ok_or_else(unknown)?;
        let known = [("patient", about.patient), ("parcel", about.parcel)];
        let given = known.into_iter().filter_map(|(name, json)| {
            let node = json.and_then(|json| Node::resource(json, definitions));
            node.map(|node| (name, node))
        });
        let given: Vec<(&'static str, Node<'_>)> = given.collect();
        let context = Context {
            now: about.now,
            steps_max: EXPRESSION_STEPS_MAX,
            given: &given,
            ..Context::of(focus)
        };
        let held = self.expression.holds(&context, definitions);
        let kind = |fault: &crate::fhirpath::Fault| match fault {
            crate::fhirpath::Fault::TooCostly => Kind::TooCostly,
            crate::fhirpath::Fault::Invalid(_) => Kind::BusinessRule,
        };
        held.map(|it| it == Some(true)).map_err(|fault| {
            Problem::new(
                kind(&fault),
                format!("The condition has no answer: {fault}."),
            )
        })
    }
}

/// How a letter came, for `%parcel`: a Communication (<https://hl7.org/fhir/R4/communication.html>).
#[derive(Clone, Copy, Debug)]
pub struct Parcel<'p> {
    /// The sender's ODS code.
    pub sender: &'p str,
    pub title: &'p str,
    pub author: &'p str,
    pub urgent: bool,
    pub received_at: Millis,
}

/// That Communication: `sender.identifier.value`, `topic.text`, `priority`, `received`.
pub fn parcel(it: &Parcel<'_>) -> serde_json::Value {
    serde_json::json!({
        "resourceType": "Communication",
        "status": "completed",
        "priority": if it.urgent { "urgent" } else { "routine" },
        "topic": { "text": it.title },
        "received": crate::date::instant(it.received_at),
        "sender": {
            "identifier": { "system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": it.sender },
            "display": it.author,
        },
    })
}
