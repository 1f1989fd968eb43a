use serde_json::{Value, json};

use super::examples::EXAMPLES;
use super::*;
use crate::json::{Limits, parse};

fn step(code: &str, more: Value) -> Value {
    let mut step = json!({ "code": [{ "coding": [{ "system": STEP_SYSTEM, "code": code }] }] });
    for (name, value) in more.as_object().unwrap() {
        step[name] = value.clone();
    }
    step
}

fn condition(path: &str) -> Value {
    json!({ "kind": "applicability", "expression": { "language": "text/fhirpath", "expression": path } })
}

fn rule(event: &str, conditions: &[&str], steps: &[Value]) -> Value {
    let conditions: Vec<Value> = conditions.iter().map(|it| condition(it)).collect();
    json!({
        "resourceType": "PlanDefinition",
        "id": "r",
        "title": "A rule",
        "description": "What it is for.",
        "status": "active",
        "type": { "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/plan-definition-type", "code": "eca-rule"
        }] },
        "action": [{
            "trigger": [{ "type": "named-event", "name": event }],
            "condition": conditions,
            "action": steps,
        }],
    })
}

fn filing(conditions: &[&str]) -> Value {
    rule("letter-received", conditions, &[step("file", json!({}))])
}

/// Where and why it is refused.
fn refused(rule: &Value) -> (Kind, String) {
    let problem = Rule::read(rule).unwrap_err();
    (problem.kind, problem.expression.unwrap_or_default())
}

fn judged(rule: &Value, event: Event) -> Result<Vec<StepKind>, Kind> {
    let letter = r#"{"resourceType":"DocumentReference","status":"current","description":"Attendance at clinic"}"#;
    let patient = r#"{"resourceType":"Patient","birthDate":"1950-01-01","active":true}"#;
    let parcel = super::parcel(&Parcel {
        sender: "RX1",
        title: "Attendance at clinic",
        author: "Dr Hall",
        urgent: false,
        received_at: 1_700_000_000_000,
    });
    let parcel = parcel.to_string();
    let limits = Limits::default();
    let letter = parse(letter.as_bytes(), &limits).unwrap();
    let patient = parse(patient.as_bytes(), &limits).unwrap();
    let parcel = parse(parcel.as_bytes(), &limits).unwrap();
    let about = About {
        resource: &letter,
        patient: Some(&patient),
        parcel: Some(&parcel),
        now: 1_700_000_000_000,
    };
    let steps = Rule::read(rule).unwrap().applies(event, &about);
    let kinds = |steps: Vec<Step>| steps.iter().map(|it| it.kind).collect();
    steps
        .map(|it| it.map_or_else(Vec::new, kinds))
        .map_err(|problem| problem.kind)
}

#[test]
fn a_rule_applies_where_all_its_conditions_hold() {
    let files = [StepKind::File];
    for (conditions, holds) in [
        (vec!["description.startsWith('Attendance')"], true),
        (vec!["description.startsWith('Attendance')", "false"], false),
        (vec!["%patient.birthDate < @1960-01-01"], true),
        (vec!["%patient.birthDate > @1960-01-01"], false),
        (vec!["%parcel.sender.identifier.value = 'RX1'"], true),
        (vec!["%parcel.priority = 'urgent'"], false),
        (vec!["%parcel.topic.text = description"], true),
        (vec!["today() = @2023-11-14"], true),
        // What has no answer does not hold.
        (vec!["docStatus = 'final'"], false),
    ] {
        let expected = if holds { files.to_vec() } else { Vec::new() };
        let rule = filing(&conditions);
        assert_eq!(
            judged(&rule, Event::LetterReceived),
            Ok(expected),
            "{conditions:?}"
        );
    }
}

#[test]
fn a_rule_on_another_event_does_nothing() {
    let rule = filing(&["true"]);
    assert_eq!(judged(&rule, Event::ResultReceived), Ok(Vec::new()));
    assert_eq!(Rule::read(&rule).unwrap().events(), [Event::LetterReceived]);
}

#[test]
fn a_condition_that_runs_away_or_has_no_meaning_is_a_fault_and_no_answer() {
    let product = "(1|2|3|4|5|6|7|8|9|10).select($this).repeat($this + 1).exists()";
    assert_eq!(
        judged(&filing(&[product]), Event::LetterReceived),
        Err(Kind::TooCostly)
    );
    let two = "(1 | 2) and true";
    assert_eq!(
        judged(&filing(&[two]), Event::LetterReceived),
        Err(Kind::BusinessRule)
    );
}

#[test]
fn what_a_rule_may_not_do_is_refused_when_it_is_read() {
    for code in [
        "act-on",
        "acted-on",
        "prescribe",
        "order",
        "send",
        "withdraw",
        "delete",
        "",
    ] {
        let made = rule("letter-received", &["true"], &[step(code, json!({}))]);
        let place = "PlanDefinition.action[0].action[0].code".to_owned();
        assert_eq!(refused(&made), (Kind::CodeInvalid, place), "{code}");
    }
}

#[test]
fn what_is_not_understood_is_refused_with_its_place_and_never_passed_over() {
    let at = |pointer: &str, value: Value| {
        let mut made = filing(&["true"]);
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        made.pointer_mut(parent).unwrap()[name] = value;
        refused(&made)
    };
    for (pointer, value, kind, place) in [
        (
            "/library",
            json!(["x"]),
            Kind::NotSupported,
            "PlanDefinition.library",
        ),
        (
            "/effectivePeriod",
            json!({}),
            Kind::NotSupported,
            "PlanDefinition.effectivePeriod",
        ),
        (
            "/modifierExtension",
            json!([]),
            Kind::NotSupported,
            "PlanDefinition.modifierExtension",
        ),
        (
            "/status",
            json!("unknown"),
            Kind::Value,
            "PlanDefinition.status",
        ),
        ("/title", json!(""), Kind::Required, "PlanDefinition.title"),
        (
            "/description",
            json!("x".repeat(1_001)),
            Kind::TooLong,
            "PlanDefinition.description",
        ),
        (
            "/type",
            json!({}),
            Kind::NotSupported,
            "PlanDefinition.type",
        ),
        (
            "/action",
            json!([]),
            Kind::Required,
            "PlanDefinition.action",
        ),
        (
            "/action/0/timingTiming",
            json!({}),
            Kind::NotSupported,
            "PlanDefinition.action[0].timingTiming",
        ),
        (
            "/action/0/trigger",
            json!([]),
            Kind::Required,
            "PlanDefinition.action[0].trigger",
        ),
        (
            "/action/0/trigger/0/name",
            json!("letter-opened"),
            Kind::CodeInvalid,
            "PlanDefinition.action[0].trigger[0].name",
        ),
        (
            "/action/0/trigger/0/condition",
            json!({}),
            Kind::NotSupported,
            "PlanDefinition.action[0].trigger[0].condition",
        ),
        (
            "/action/0/condition",
            json!([]),
            Kind::Required,
            "PlanDefinition.action[0].condition",
        ),
        (
            "/action/0/condition/0/kind",
            json!("stop"),
            Kind::NotSupported,
            "PlanDefinition.action[0].condition[0].kind",
        ),
        (
            "/action/0/condition/0/expression/language",
            json!("text/cql"),
            Kind::NotSupported,
            "PlanDefinition.action[0].condition[0].expression.language",
        ),
        (
            "/action/0/condition/0/expression/expression",
            json!("%parcels.exists()"),
            Kind::Invalid,
            "PlanDefinition.action[0].condition[0].expression.expression",
        ),
        (
            "/action/0/action/0/dynamicValue",
            json!([]),
            Kind::NotSupported,
            "PlanDefinition.action[0].action[0].dynamicValue",
        ),
        (
            "/action/0/action/0/extension",
            json!([{ "url": "urn:handover:rule-unknown" }]),
            Kind::Value,
            "PlanDefinition.action[0].action[0].extension[0]",
        ),
    ] {
        assert_eq!(at(pointer, value), (kind, place.to_owned()), "{pointer}");
    }
}

#[test]
fn a_step_without_what_it_needs_is_refused() {
    let team = json!([{ "url": TEAM, "valueString": "Results" }]);
    let days = |days: i64| json!([{ "url": DAYS, "valuePositiveInt": days }]);
    let refusal = |event: &str, step: Value| {
        Rule::read(&rule(event, &["true"], &[step]))
            .err()
            .map(|it| it.kind)
    };
    let letter = "letter-received";
    assert_eq!(
        refusal(letter, step("route", json!({}))),
        Some(Kind::Required)
    );
    assert_eq!(
        refusal(letter, step("route", json!({ "extension": team }))),
        None
    );
    assert_eq!(
        refusal(letter, step("remind", json!({ "description": "Look." }))),
        Some(Kind::Required)
    );
    assert_eq!(
        refusal(
            letter,
            step(
                "remind",
                json!({ "description": "Look.", "extension": days(14) })
            )
        ),
        None
    );
    assert_eq!(
        refusal(
            letter,
            step(
                "remind",
                json!({ "description": "Look.", "extension": days(1_000) })
            )
        ),
        Some(Kind::Value)
    );
    assert_eq!(
        refusal(letter, step("assign", json!({}))),
        Some(Kind::Required)
    );
    assert_eq!(
        refusal(letter, step("ask", json!({}))),
        Some(Kind::Required)
    );
    assert_eq!(
        refusal(
            letter,
            step("ask", json!({ "definitionCanonical": "urn:q" }))
        ),
        None
    );
    assert_eq!(
        refusal(letter, step("file", json!({ "extension": team }))),
        Some(Kind::Value)
    );
    // Only letters are filed.
    assert_eq!(
        refusal("result-received", step("file", json!({}))),
        Some(Kind::NotSupported)
    );
}

#[test]
fn a_rule_has_a_bound() {
    let many = vec!["true"; CONDITIONS_MAX + 1];
    assert_eq!(refused(&filing(&many)).0, Kind::TooCostly);
    let steps = vec![step("ask", json!({ "definitionCanonical": "urn:q" })); STEPS_MAX + 1];
    assert_eq!(
        refused(&rule("letter-received", &[], &steps)).0,
        Kind::TooCostly
    );
    let long = format!("'{}' = ''", "x".repeat(EXPRESSION_BYTES_MAX));
    assert_eq!(refused(&filing(&[&long])).0, Kind::TooLong);
    let mut made = filing(&["true"]);
    let action = made["action"][0].clone();
    made["action"] = Value::Array(vec![action; ACTIONS_MAX + 1]);
    assert_eq!(refused(&made).0, Kind::TooCostly);
}

#[test]
fn steps_are_numbered_through_the_whole_rule() {
    let ask = || step("ask", json!({ "definitionCanonical": "urn:q" }));
    let mut made = rule("letter-received", &["true"], &[ask(), ask()]);
    let action = made["action"][0].clone();
    made["action"].as_array_mut().unwrap().push(action);
    let read = Rule::read(&made).unwrap();
    let numbers: Vec<u16> = read.steps().map(|it| it.number).collect();
    assert_eq!(numbers, [0, 1, 2, 3]);
}

#[test]
fn every_example_reads_and_says_what_it_is_for() {
    for text in EXAMPLES {
        let rule = Rule::read(&serde_json::from_str(text).unwrap()).unwrap();
        assert!(
            rule.steps().count() == 1 && !rule.description.is_empty(),
            "{}",
            rule.id
        );
    }
    let first: Value = serde_json::from_str(EXAMPLES[0]).unwrap();
    assert_eq!(
        judged(&first, Event::LetterReceived),
        Ok(vec![StepKind::File])
    );
}
