//! Rules in plain words.

use std::collections::BTreeMap;

use exchange::forms;
use fhir::members::text;
use fhir::problem::Problem;
use fhir::rule::{Action, AnsweredBy, Rule, Step, StepKind};
use store::Store;
use store::parcels::Left;
use store::rules::{Act, ActState};

use super::views::{Condition, Part, StepLine};

/// What questionnaires are called, with the way to each, by the canonical that a rule has.
#[derive(Default)]
pub struct Titles(BTreeMap<String, (String, String)>);

impl Titles {
    /// Those that rules ask by.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn of(store: &Store, rules: &[&Rule]) -> Result<Titles, Problem> {
        let mut titles = BTreeMap::new();
        for step in rules.iter().flat_map(|it| it.steps()) {
            let asked = &step.questionnaire;
            if asked.is_empty() || titles.contains_key(asked) {
                continue;
            }
            if let Some(found) = forms::of_canonical(store, asked).await? {
                let href = format!("/staff/questionnaires/{}", found.id);
                let title = fhir::questionnaire::title(&found.resource).to_owned();
                let title = match text(&found.resource, "/status") {
                    "active" => title,
                    status => format!("{title} ({status})"),
                };
                titles.insert(asked.clone(), (title, href));
            }
        }
        Ok(Titles(titles))
    }

    /// In quotation marks, or that there is none.
    fn said(&self, canonical: &str) -> String {
        match self.0.get(canonical) {
            Some((title, _)) => format!("“{title}”"),
            None => "that is not here".to_owned(),
        }
    }
}

/// Each "when, if, then" of it.
pub fn parts(rule: &Rule, titles: &Titles) -> Vec<Part> {
    let part = |it| part(it, titles);
    rule.actions.iter().map(part).collect()
}

fn part(action: &Action, titles: &Titles) -> Part {
    Part {
        title: action.title.clone(),
        when: action.events.iter().map(|it| it.said()).collect(),
        conditions: action
            .conditions
            .iter()
            .map(|it| Condition {
                said: match it.said.as_str() {
                    "" => "what the rule writes in FHIRPath holds".to_owned(),
                    said => said.to_owned(),
                },
                path: it.text.clone(),
            })
            .collect(),
        steps: action.steps.iter().map(|it| line(it, titles)).collect(),
    }
}

/// A step, with the questionnaire that it asks by one press away.
fn line(it: &Step, titles: &Titles) -> StepLine {
    StepLine {
        said: step(it, titles),
        canonical: it.questionnaire.clone(),
        form: titles
            .0
            .get(&it.questionnaire)
            .map(|(_, href)| href.clone()),
    }
}

fn days(count: u32) -> String {
    match count {
        0 => "today".to_owned(),
        1 => "within 1 day".to_owned(),
        more => format!("within {more} days"),
    }
}

/// What a step does.
fn step(step: &Step, titles: &Titles) -> String {
    let who = match step.team.as_str() {
        "" => "Nobody in particular".to_owned(),
        team => format!("The team {team}"),
    };
    let (text, due) = (&step.text, days(step.days));
    match step.kind {
        StepKind::File => "The letter is filed. It can be put back for three days; until then neither the sender nor \
                           the patient is told."
            .to_owned(),
        StepKind::Route => format!("The letter becomes the work of the team {}.", step.team),
        StepKind::Assign => format!("{who} is given a task, due {due}: “{text}”"),
        StepKind::Book => {
            let kind = match step.service.as_str() {
                "" => String::new(),
                service => format!(" ({service})"),
            };
            format!(
                "{who} is given the task to book{kind}, due {due}: “{text}” The task is done once they have booked."
            )
        }
        StepKind::Remind => match step.days {
            1 => format!("{who} is reminded in 1 day: “{text}”"),
            days => format!("{who} is reminded in {days} days: “{text}”"),
        },
        StepKind::Ask => {
            let whom = match step.answered_by {
                AnsweredBy::Patient => "The patient is asked".to_owned(),
                AnsweredBy::Staff => format!("{who} is asked"),
            };
            let asked = titles.said(&step.questionnaire);
            format!("{whom} to fill in the questionnaire {asked}, {due}.")
        }
    }
}

/// What a step does, in few words.
pub fn short(kind: StepKind) -> &'static str {
    match kind {
        StepKind::File => "Filed",
        StepKind::Route => "Given to a team",
        StepKind::Assign => "Task made",
        StepKind::Book => "Task to book made",
        StepKind::Ask => "Questionnaire asked for",
        StepKind::Remind => "Reminder made",
    }
}

/// What a step would have done, in few words.
pub fn would(step: &Step, titles: &Titles) -> String {
    match step.kind {
        StepKind::Ask => format!("{}: {}", short(step.kind), titles.said(&step.questionnaire)),
        kind => short(kind).to_owned(),
    }
}

/// Why a rule leaves a letter.
pub fn left(why: Left) -> &'static str {
    match why {
        Left::Urgent => "it is urgent",
        Left::NotSigned => "it came by fax or over MESH",
        Left::Withheld => "something of it is withheld or marked",
        Left::Correction => "it stands in an earlier letter’s place",
        Left::Touched => "somebody is at work on it",
        Left::Asks => "it asks for something, or cannot be read without a person",
    }
}

/// What a rule did, in few words.
pub fn did(act: &Act) -> String {
    if act.state == ActState::Left {
        let why = Left::from_code(&act.note).map_or("it must not be touched", left);
        return format!("Left for a person: {why}");
    }
    short(act.kind).to_owned()
}

/// What undoing many came to.
pub fn undone(undone: &str, stay: &str) -> Option<String> {
    let undone: u64 = undone.parse().ok()?;
    let stay: u64 = stay.parse().unwrap_or_default();
    let mut said = match undone {
        0 => "Nothing was undone.".to_owned(),
        1 => "1 act was undone.".to_owned(),
        more => format!("{more} acts were undone."),
    };
    if stay > 0 {
        let words = match stay {
            1 => "1 stays".to_owned(),
            more => format!("{more} stay"),
        };
        said.push_str(&format!(
            " {words}: their time is over, somebody has worked on them since, or they are withheld from you."
        ));
    }
    Some(said)
}
