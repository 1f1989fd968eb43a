//! What a trial plays: events for each rule, questionnaires and texts filled in for each person, messages for each mapping.

use std::collections::BTreeMap;

use exchange::correspondence::{Merged, gaps, merge};
use fhir::date::{self, Millis};
use fhir::definitions::Definitions;
use fhir::fhirpath::Expression;
use fhir::json::{self, Limits};
use fhir::members::{set, text};
use fhir::questionnaire::Form;
use fhir::rule::{About, Event, Parcel, Rule, Step, parcel};
use hl7v2::time::Zone;
use hl7v2::to_fhir::{Context, Mapping, Outcome, Unidentified, map_by};
use serde_json::{Value, json};
use store::blueprints::PartKind;

use super::super::content::{Blueprint, Thing};
use super::super::form::{Sample, is_for};
use super::{Somebody, Trial, segments};

/// What expressions in a questionnaire know beside FHIRPath's own.
const GIVEN: [&str; 2] = ["patient", "context"];
/// From this age on somebody is an adult, in years.
const ADULT: i64 = 18;
/// What the ledger says of a field for which nobody gave a reason.
const UNEXPLAINED: [&str; 3] = [
    "HL7's mapping has no target for it",
    "a local segment, for which HL7 has no mapping",
    "the segment has no place in this kind of message",
];

fn ours<'b>(
    blueprint: &'b Blueprint,
    kind: PartKind,
    roles: &'b [String],
) -> impl Iterator<Item = &'b Thing> {
    let of = blueprint.of(kind);
    of.filter(move |it| is_for(&it.fors, roles))
}

/// Each rule on what is known of everybody, and on its samples for everybody.
pub fn rules(
    blueprint: &Blueprint,
    roles: &[String],
    (people, now): (&[Somebody], Millis),
    trial: &mut Trial,
) -> anyhow::Result<()> {
    for thing in ours(blueprint, PartKind::Rule, roles) {
        let rule = Rule::read(&serde_json::from_str(&thing.body)?)?;
        let mut tally = Tally::default();
        for somebody in people {
            for event in rule.events() {
                let theirs = somebody.record.iter();
                let theirs = theirs.filter(|it| text(it, "/resourceType") == event.resource());
                for resource in theirs {
                    tally.judge(&rule, event, (resource, somebody), now);
                }
            }
        }
        for (sample, content) in &blueprint.samples {
            let Some(event) = Event::from_name(&sample.event).filter(|_| sample.of == thing.file)
            else {
                continue;
            };
            let resource: Value = serde_json::from_slice(content)?;
            let mut is_expected = true;
            for somebody in people {
                let resource = about(&resource, somebody);
                let steps = tally.judge(&rule, event, (&resource, somebody), now);
                // What the blueprint says of a sample is about an adult; one of them speaks for all.
                if is_expected && somebody.person.age >= ADULT {
                    expected(sample, thing, &steps, trial);
                    is_expected = false;
                }
            }
        }
        trial.said.push(tally.said(&thing.title));
        let faults = tally.faults.iter();
        let faults = faults.map(|(what, count)| format!("{}: {what} ({count} times)", thing.title));
        trial.faults.extend(faults);
    }
    Ok(())
}

/// Whether a sample did what the blueprint says of it.
fn expected(sample: &Sample, thing: &Thing, steps: &[Step], trial: &mut Trial) {
    let did: Vec<&str> = steps.iter().map(|it| it.kind.code()).collect();
    if did != sample.does {
        let or_nothing = |all: String| {
            if all.is_empty() {
                "nothing".to_owned()
            } else {
                all
            }
        };
        trial.faults.push(format!(
            "{}: on {} it would {}, and the blueprint says {}",
            thing.title,
            sample.file,
            or_nothing(did.join(", ")),
            or_nothing(sample.does.join(", "))
        ));
    }
}

/// A sample as if it were about that person.
fn about(sample: &Value, somebody: &Somebody) -> Value {
    let mut resource = sample.clone();
    let reference = json!({ "reference": format!("Patient/{}", somebody.person.id) });
    for member in ["subject", "patient", "for"] {
        if resource.get(member).is_some() {
            set(&mut resource, member, reference.clone());
        }
    }
    resource
}

/// What a rule would have done.
#[derive(Default)]
struct Tally {
    events: usize,
    applied: usize,
    steps: BTreeMap<(u16, String), usize>,
    faults: BTreeMap<String, usize>,
}

impl Tally {
    fn judge(
        &mut self,
        rule: &Rule,
        event: Event,
        (resource, somebody): (&Value, &Somebody),
        now: Millis,
    ) -> Vec<Step> {
        self.events += 1;
        let title = text(resource, "/description");
        let came = parcel(&Parcel {
            sender: "RZZ99",
            title,
            author: "A made-up hospital",
            urgent: false,
            received_at: now,
        });
        let patient = somebody.record.first().cloned().unwrap_or_default();
        let texts = [resource.to_string(), patient.to_string(), came.to_string()];
        let read = |text: &str| json::parse(text.as_bytes(), &Limits::default()).is_ok();
        let [Ok(resource), Ok(patient), Ok(came)] = texts
            .each_ref()
            .map(|text| json::parse(text.as_bytes(), &Limits::default()))
        else {
            let broken = texts.iter().filter(|text| !read(text)).count();
            *self
                .faults
                .entry(format!("{broken} resources do not read"))
                .or_default() += 1;
            return Vec::new();
        };
        let about = About {
            resource: &resource,
            patient: Some(&patient),
            parcel: (event == Event::LetterReceived).then_some(&came),
            now,
        };
        match rule.applies(event, &about) {
            Ok(steps) => {
                let steps = steps.unwrap_or_default();
                self.applied += usize::from(!steps.is_empty());
                for step in &steps {
                    *self.steps.entry((step.number, said(step))).or_default() += 1;
                }
                steps
            }
            Err(problem) => {
                *self.faults.entry(problem.to_string()).or_default() += 1;
                Vec::new()
            }
        }
    }

    fn said(&self, title: &str) -> String {
        let steps = self.steps.iter();
        let steps: Vec<String> = steps
            .map(|((_, step), count)| format!("{step} ({count} times)"))
            .collect();
        let would = match steps.is_empty() {
            true => "nothing".to_owned(),
            false => steps.join("; "),
        };
        format!(
            "Rule “{title}”: of {} made-up events it would have acted on {}: {would}.",
            self.events, self.applied
        )
    }
}

/// A step in words.
fn said(step: &Step) -> String {
    let mut said = step.kind.code().to_owned();
    if !step.team.is_empty() {
        said.push_str(&format!(" to {}", step.team));
    }
    if step.days > 0 {
        said.push_str(&format!(" within {} days", step.days));
    }
    said
}

/// Each questionnaire begun for everybody.
pub fn questionnaires(
    blueprint: &Blueprint,
    roles: &[String],
    (people, now): (&[Somebody], Millis),
    trial: &mut Trial,
) -> anyhow::Result<()> {
    for thing in ours(blueprint, PartKind::Questionnaire, roles) {
        let form = Form::read(&serde_json::from_str(&thing.body)?)?;
        let asks = form.questions.iter().filter(|it| it.sort.asks());
        let questions = asks.count();
        for question in form.questions.iter().filter(|it| !it.expression.is_empty()) {
            let path = &question.expression;
            if let Err(reason) = Expression::compile_with(path, Definitions::r4(), &GIVEN) {
                trial.faults.push(format!(
                    "{}: question {}: initialExpression: {reason}",
                    thing.title, question.link
                ));
            }
        }
        let begun = people.iter().map(|it| form.prefill(&it.record, now).len());
        let begun: usize = begun.sum();
        trial.said.push(format!(
            "Questionnaire “{}”: {questions} questions; begun for {} people, with {begun} answers from the record.",
            thing.title,
            people.len()
        ));
    }
    Ok(())
}

/// Each text merged for everybody.
pub fn templates(blueprint: &Blueprint, roles: &[String], people: &[Somebody], trial: &mut Trial) {
    for thing in ours(blueprint, PartKind::Template, roles) {
        let read: Value = serde_json::from_str(&thing.body).unwrap_or_default();
        let body = text(&read, "/body");
        let mut whole = 0;
        let mut missing: BTreeMap<String, usize> = BTreeMap::new();
        for somebody in people {
            let merged = merge(body, &|field| value(field, somebody));
            let gaps = gaps(&merged);
            whole += usize::from(gaps.is_empty());
            for gap in gaps {
                *missing.entry(gap.to_owned()).or_default() += 1;
            }
        }
        let unknown = missing.keys().find(|it| it.contains("there is no field"));
        if let Some(unknown) = unknown {
            trial.faults.push(format!("{}: {unknown}", thing.title));
        }
        let missing = missing
            .iter()
            .map(|(gap, count)| format!("{gap} for {count}"));
        let missing: Vec<String> = missing.collect();
        let gaps = match missing.is_empty() {
            true => String::new(),
            false => format!("; a person fills in {}", missing.join(", ")),
        };
        trial.said.push(format!(
            "Letter text “{}”: whole for {whole} of {} people{gaps}.",
            thing.title,
            people.len()
        ));
    }
}

/// What a field comes to for a made-up person.
fn value(field: &str, somebody: &Somebody) -> Merged {
    let of = |ty: &str, place: &str| {
        let all = somebody
            .record
            .iter()
            .filter(|it| text(it, "/resourceType") == ty);
        let said: Vec<&str> = all
            .map(|it| text(it, place))
            .filter(|it| !it.is_empty())
            .collect();
        Merged::Value(said.join("\n"))
    };
    match field {
        "patient" => Merged::Value(somebody.person.name()),
        "born" => Merged::Value(date::date(somebody.person.born * super::DAY_MS)),
        "nhs number" => Merged::Value(somebody.person.nhs_number.clone()),
        "problems" => of("Condition", "/code/text"),
        "medicines" => of("MedicationRequest", "/medicationCodeableConcept/text"),
        "allergies" => of("AllergyIntolerance", "/code/text"),
        "own text" => Merged::Gap("write here".to_owned()),
        _ => Merged::Value("made up".to_owned()),
    }
}

/// Each sample message read by its mapping.
pub fn mappings(
    blueprint: &Blueprint,
    roles: &[String],
    (mapping, now): (&Mapping, Millis),
    trial: &mut Trial,
) {
    for thing in ours(blueprint, PartKind::Mapping, roles) {
        let of = blueprint
            .samples
            .iter()
            .filter(|(it, _)| it.of == thing.file);
        for (sample, content) in of {
            match mapped(sample, content, mapping, now) {
                Ok(said) => trial
                    .said
                    .push(format!("Mapping “{}”: {said}", thing.title)),
                Err(why) => trial.faults.push(format!("{}: {why}", sample.file)),
            }
        }
    }
}

fn mapped(
    sample: &Sample,
    content: &[u8],
    mapping: &Mapping,
    now: Millis,
) -> Result<String, String> {
    let context = Context {
        received_at: now,
        zone: Zone::London,
        organisation: "RZZ99".to_owned(),
        unidentified: Unidentified::Refuse,
    };
    let bytes = segments(content);
    let message = hl7v2::parse(&bytes).map_err(|fault| fault.to_string())?;
    let mapped = map_by(mapping, &message, &context).map_err(|problem| problem.message)?;
    let mut unexplained = Vec::new();
    for field in &mapped.account {
        match &field.outcome {
            Outcome::Ignored(rule) if UNEXPLAINED.iter().any(|it| rule.starts_with(it)) => {
                unexplained.push(format!("{} ({rule})", field.field));
            }
            _ => unexplained.extend(
                field
                    .notes
                    .iter()
                    .map(|note| format!("{}: {note}", field.field)),
            ),
        }
    }
    if !unexplained.is_empty() {
        return Err(format!("not explained: {}", unexplained.join("; ")));
    }
    let made: Vec<&str> = mapped.resources.iter().map(|it| it.ty.as_str()).collect();
    if let Some(missing) = sample
        .becomes
        .iter()
        .find(|it| !made.contains(&it.as_str()))
    {
        return Err(format!(
            "no {missing} comes of it, only {}",
            made.join(", ")
        ));
    }
    Ok(format!(
        "{} becomes {}; each of its {} fields is mapped, kept, or left out for a reason.",
        sample.file,
        made.join(", "),
        mapped.account.len()
    ))
}
