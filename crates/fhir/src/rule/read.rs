//! From a PlanDefinition to a rule, or to why it is none.

use serde_json::{Map, Value};

use super::members::{self, description, list, object, required, text, title};
use super::{
    ACTIONS_MAX, ANSWERED_BY, Action, AnsweredBy, CONDITIONS_MAX, Condition, DAYS, DAYS_MAX,
    EXPRESSION_BYTES_MAX, Event, GIVEN, Rule, SERVICE, STEP_SYSTEM, STEPS_MAX, Step, StepKind,
    TEAM, TEXT_CHARS_MAX, TITLE_CHARS_MAX,
};
use crate::definitions::Definitions;
use crate::fhirpath::Expression;
use crate::members::text as at;
use crate::problem::{Kind, Problem};

const TYPE_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/plan-definition-type";
const ROOT: &str = "PlanDefinition";
const ADDRESS_CHARS_MAX: usize = 500;
/// The longest name of a team, in characters.
const TEAM_CHARS_MAX: usize = 60;
/// The longest kind of appointment, in characters, as the diary has it.
const SERVICE_CHARS_MAX: usize = 100;

impl Rule {
    /// Reads a rule.
    ///
    /// # Errors
    /// Whatever is missing, too much or not understood, with its place.
    pub fn read(resource: &Value) -> Result<Rule, Problem> {
        if at(resource, "/resourceType") != ROOT {
            let message = "A rule is a PlanDefinition.";
            return Err(Problem::new(Kind::Value, message).at("resourceType"));
        }
        let members = object(resource, members::RULE, ROOT)?;
        check_type(resource)?;
        let short = |name| text(members, (name, ADDRESS_CHARS_MAX), ROOT);
        let retired = match short("status")? {
            "draft" | "active" => false,
            "retired" => true,
            _ => {
                let message = "A rule is draft, active or retired.";
                return Err(Problem::new(Kind::Value, message).at("PlanDefinition.status"));
            }
        };
        let given = list(members, ("action", ACTIONS_MAX), ROOT)?;
        if given.is_empty() {
            let message = "A rule says when it acts and what it does.";
            return Err(Problem::new(Kind::Required, message).at("PlanDefinition.action"));
        }
        let mut actions = Vec::new();
        let mut count = 0;
        for (number, value) in given.iter().enumerate() {
            let place = format!("{ROOT}.action[{number}]");
            actions.push(action(value, &place, &mut count)?);
        }
        Ok(Rule {
            id: short("id")?.to_owned(),
            url: short("url")?.to_owned(),
            version: short("version")?.to_owned(),
            title: required(members, ("title", TITLE_CHARS_MAX), ROOT)?.to_owned(),
            description: required(members, ("description", TEXT_CHARS_MAX), ROOT)?.to_owned(),
            retired,
            actions,
        })
    }
}

fn check_type(resource: &Value) -> Result<(), Problem> {
    let mut codings = crate::members::each(resource, "/type/coding");
    let is_rule = |it: &Value| at(it, "/system") == TYPE_SYSTEM && at(it, "/code") == "eca-rule";
    if codings.any(is_rule) {
        return Ok(());
    }
    let message =
        "A rule has the type eca-rule: when this happens, and if that holds, then these steps.";
    Err(Problem::new(Kind::NotSupported, message).at("PlanDefinition.type"))
}

fn action(value: &Value, place: &str, count: &mut u16) -> Result<Action, Problem> {
    let members = object(value, members::ACTION, place)?;
    let events = triggers(members, place)?;
    let mut conditions = Vec::new();
    let given = list(members, ("condition", CONDITIONS_MAX), place)?;
    for (number, value) in given.iter().enumerate() {
        let place = format!("{place}.condition[{number}]");
        conditions.push(condition(value, &place)?);
    }
    let given = list(members, ("action", STEPS_MAX), place)?;
    if given.is_empty() {
        let message = "Say what is to be done, as actions within this one.";
        return Err(Problem::new(Kind::Required, message).at(format!("{place}.action")));
    }
    let mut steps = Vec::new();
    for (number, value) in given.iter().enumerate() {
        let place = format!("{place}.action[{number}]");
        if usize::from(*count) >= STEPS_MAX {
            let message = format!("A rule has at most {STEPS_MAX} steps.");
            return Err(Problem::new(Kind::TooCostly, message).at(place));
        }
        let step = step(value, *count, &place)?;
        check_events(&step, &events, &place)?;
        steps.push(step);
        *count += 1;
    }
    // Everything that comes: for giving work to somebody that may be meant, for putting letters away it never is.
    if conditions.is_empty() && steps.iter().any(|it| it.kind == StepKind::File) {
        let message = "A rule that files says by a condition which letters it files.";
        return Err(Problem::new(Kind::Required, message).at(format!("{place}.condition")));
    }
    Ok(Action {
        title: title(members, place)?.to_owned(),
        events,
        conditions,
        steps,
    })
}

fn triggers(members: &Map<String, Value>, place: &str) -> Result<Vec<Event>, Problem> {
    let given = list(members, ("trigger", Event::ALL.len()), place)?;
    if given.is_empty() {
        let message = "Say by a trigger when this is done.";
        return Err(Problem::new(Kind::Required, message).at(format!("{place}.trigger")));
    }
    let mut events = Vec::new();
    for (number, value) in given.iter().enumerate() {
        let place = format!("{place}.trigger[{number}]");
        let members = object(value, members::TRIGGER, &place)?;
        if required(members, ("type", ADDRESS_CHARS_MAX), &place)? != "named-event" {
            let message = "Only triggers of the type named-event are known.";
            return Err(Problem::new(Kind::NotSupported, message).at(format!("{place}.type")));
        }
        let name = required(members, ("name", ADDRESS_CHARS_MAX), &place)?;
        let Some(event) = Event::from_name(name) else {
            let known: Vec<&str> = Event::ALL.iter().map(|it| it.name()).collect();
            let message = format!("There is no such event; known are {}.", known.join(", "));
            return Err(Problem::new(Kind::CodeInvalid, message).at(format!("{place}.name")));
        };
        if !events.contains(&event) {
            events.push(event);
        }
    }
    Ok(events)
}

fn condition(value: &Value, place: &str) -> Result<Condition, Problem> {
    let members = object(value, members::CONDITION, place)?;
    if required(members, ("kind", ADDRESS_CHARS_MAX), place)? != "applicability" {
        let message = "Only conditions of the kind applicability are known.";
        return Err(Problem::new(Kind::NotSupported, message).at(format!("{place}.kind")));
    }
    let place = format!("{place}.expression");
    let missing = || Problem::new(Kind::Required, "Say what must hold.").at(place.clone());
    let value = members.get("expression").ok_or_else(missing)?;
    let members = object(value, members::EXPRESSION, &place)?;
    if required(members, ("language", ADDRESS_CHARS_MAX), &place)? != "text/fhirpath" {
        let message = "Only conditions in FHIRPath (text/fhirpath) are known.";
        return Err(Problem::new(Kind::NotSupported, message).at(format!("{place}.language")));
    }
    let path = required(members, ("expression", EXPRESSION_BYTES_MAX), &place)?;
    let wrong =
        |kind, message: String| Err(Problem::new(kind, message).at(format!("{place}.expression")));
    if path.len() > EXPRESSION_BYTES_MAX {
        return wrong(
            Kind::TooLong,
            format!("A condition has at most {EXPRESSION_BYTES_MAX} bytes."),
        );
    }
    match Expression::compile_with(path, Definitions::r4(), &GIVEN) {
        Ok(expression) => Ok(Condition {
            text: path.to_owned(),
            said: description(members, &place)?.to_owned(),
            expression,
        }),
        Err(reason) => wrong(
            Kind::Invalid,
            format!("The condition does not read: {reason}."),
        ),
    }
}

fn step(value: &Value, number: u16, place: &str) -> Result<Step, Problem> {
    if value.get("action").is_some() {
        let message = "A step has no further steps within it.";
        return Err(Problem::new(Kind::NotSupported, message).at(format!("{place}.action")));
    }
    let members = object(value, members::STEP, place)?;
    let kind = kind(members, place)?;
    let mut step = Step {
        number,
        kind,
        text: match description(members, place)? {
            "" => title(members, place)?.to_owned(),
            text => text.to_owned(),
        },
        team: String::new(),
        days: 0,
        service: String::new(),
        questionnaire: text(members, ("definitionCanonical", ADDRESS_CHARS_MAX), place)?.to_owned(),
        answered_by: AnsweredBy::default(),
    };
    for (number, value) in list(members, ("extension", 8), place)?.iter().enumerate() {
        let place = format!("{place}.extension[{number}]");
        if at(value, "/url") == ANSWERED_BY && kind != StepKind::Ask {
            let message = "Only the step ask says who answers; whom it asks is reminded by itself.";
            return Err(Problem::new(Kind::Value, message).at(place));
        }
        extension(value, &mut step, &place)?;
    }
    check(&step, place)?;
    Ok(step)
}

fn kind(members: &Map<String, Value>, place: &str) -> Result<StepKind, Problem> {
    let place = format!("{place}.code");
    let wrong = |kind, message: String| Err(Problem::new(kind, message).at(place.clone()));
    let codes = members.get("code").and_then(Value::as_array);
    let Some([code]) = codes.map(Vec::as_slice) else {
        return wrong(Kind::Required, "A step has exactly one code.".to_owned());
    };
    let mut codings = crate::members::each(code, "/coding");
    let first = codings.next();
    let Some(coding) = first.filter(|it| at(it, "/system") == STEP_SYSTEM) else {
        return wrong(
            Kind::CodeInvalid,
            format!("A step’s code is of {STEP_SYSTEM}."),
        );
    };
    if codings.next().is_some() {
        return wrong(
            Kind::CodeInvalid,
            "A step’s code has exactly one coding.".to_owned(),
        );
    }
    match StepKind::from_code(at(coding, "/code")) {
        Some(kind) => Ok(kind),
        None => {
            let known: Vec<&str> = StepKind::ALL.iter().map(|it| it.code()).collect();
            let known = known.join(", ");
            let message = format!(
                "A rule may {known}, and nothing else: it never acts on anything in a clinician’s stead."
            );
            wrong(Kind::CodeInvalid, message)
        }
    }
}

fn extension(value: &Value, step: &mut Step, place: &str) -> Result<(), Problem> {
    let wrong = |message: &str| Err(Problem::new(Kind::Value, message).at(place));
    match at(value, "/url") {
        TEAM => match at(value, "/valueString").trim() {
            "" => wrong("Name the team, as valueString."),
            name if name.chars().count() > TEAM_CHARS_MAX => {
                wrong("A team’s name has at most 60 characters.")
            }
            name => {
                step.team = name.to_owned();
                Ok(())
            }
        },
        DAYS => match value.get("valuePositiveInt").and_then(Value::as_u64) {
            Some(days) if (1..=u64::from(DAYS_MAX)).contains(&days) => {
                step.days = u32::try_from(days).unwrap_or(DAYS_MAX);
                Ok(())
            }
            _ => wrong("Say between 1 and 730 days, as valuePositiveInt."),
        },
        SERVICE => match at(value, "/valueString").trim() {
            "" => wrong("Name the kind of appointment, as valueString."),
            name if name.chars().count() > SERVICE_CHARS_MAX => {
                wrong("A kind of appointment has at most 100 characters.")
            }
            name => {
                step.service = name.to_owned();
                Ok(())
            }
        },
        ANSWERED_BY => match at(value, "/valueCode") {
            "patient" => {
                step.answered_by = AnsweredBy::Patient;
                Ok(())
            }
            "staff" => Ok(()),
            _ => wrong("Say patient or staff, as valueCode."),
        },
        _ => wrong("This extension of a step is not known, and so not passed over."),
    }
}

/// What each step needs.
fn check(step: &Step, place: &str) -> Result<(), Problem> {
    let missing = |message: &str| Err(Problem::new(Kind::Required, message).at(place));
    let unfit = |message: &str| Err(Problem::new(Kind::Value, message).at(place));
    match step.kind {
        StepKind::Route if step.team.is_empty() => {
            missing("Name the team whose work the letter becomes.")
        }
        StepKind::Ask if step.questionnaire.is_empty() => {
            missing("Name the questionnaire, as definitionCanonical.")
        }
        StepKind::Remind if step.days == 0 => missing("Say in how many days to remind."),
        StepKind::Assign | StepKind::Book | StepKind::Remind if step.text.is_empty() => {
            missing("Say what is to be done, as the step’s description.")
        }
        kind if kind != StepKind::Ask && !step.questionnaire.is_empty() => {
            unfit("Only the step ask has a questionnaire.")
        }
        kind if kind != StepKind::Book && !step.service.is_empty() => {
            unfit("Only the step book has a kind of appointment.")
        }
        StepKind::File if !step.team.is_empty() || step.days != 0 => {
            unfit("What is filed is nobody’s work and due on no day.")
        }
        _ => Ok(()),
    }
}

fn check_events(step: &Step, events: &[Event], place: &str) -> Result<(), Problem> {
    if !step.kind.is_of_letters() || events.iter().all(|it| *it == Event::LetterReceived) {
        return Ok(());
    }
    let message = "Only letters are filed or made a team’s work; on other events, give the team a task by the step assign.";
    Err(Problem::new(Kind::NotSupported, message).at(place))
}
