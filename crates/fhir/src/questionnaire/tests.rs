mod copies;
mod worked_out;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::definitions::Definitions;
use crate::json::{Limits, parse};
use crate::problem::{Kind, Problem};

fn questionnaire(items: Value) -> Value {
    json!({
        "resourceType": "Questionnaire", "id": "f", "status": "active", "title": "Asthma review",
        "url": "https://handover.example/Questionnaire/asthma", "version": "1", "item": items,
    })
}

fn form(items: Value) -> Form {
    Form::read(&questionnaire(items)).unwrap()
}

fn refused(items: Value) -> Problem {
    Form::read(&questionnaire(items)).unwrap_err()
}

fn utc(_: &str) -> String {
    "Z".into()
}

fn as_it_is(text: &str) -> String {
    text.trim_end_matches('Z').chars().take(16).collect()
}

fn fields(pairs: &[(&str, &str)]) -> Fields {
    let mut fields = Fields::new();
    for (name, text) in pairs {
        fields
            .entry((*name).into())
            .or_default()
            .push((*text).into());
    }
    fields
}

fn posted(form: &Form, pairs: &[(&str, &str)]) -> Posted {
    form.read_fields(&fields(pairs), &Answers::new(), (&utc, 0))
}

fn coding(code: &str) -> Value {
    json!({ "valueCoding": { "system": "urn:x", "code": code, "display": code.to_uppercase() } })
}

/// One question of each type that can be answered.
fn every_type() -> Form {
    form(json!([
        { "linkId": "g", "type": "group", "text": "All", "item": [
            { "linkId": "d", "type": "display", "text": "Read this" },
            { "linkId": "bool", "type": "boolean", "text": "Yes?" },
            { "linkId": "dec", "type": "decimal" },
            { "linkId": "int", "type": "integer", "required": true },
            { "linkId": "date", "type": "date" },
            { "linkId": "when", "type": "dateTime" },
            { "linkId": "time", "type": "time" },
            { "linkId": "str", "type": "string", "maxLength": 5, "repeats": true },
            { "linkId": "text", "type": "text" },
            { "linkId": "url", "type": "url" },
            { "linkId": "one", "type": "choice", "answerOption": [coding("a"), coding("b")] },
            { "linkId": "some", "type": "open-choice", "repeats": true,
              "answerOption": [coding("a"), coding("b")] },
            { "linkId": "much", "type": "quantity", "extension": [
                { "url": "http://hl7.org/fhir/StructureDefinition/minValue", "valueInteger": 0 },
                { "url": "http://hl7.org/fhir/StructureDefinition/questionnaire-unitOption",
                  "valueCoding": { "system": "http://unitsofmeasure.org", "code": "kg", "display": "kg" } },
                { "url": "http://hl7.org/fhir/StructureDefinition/questionnaire-unitOption",
                  "valueCoding": { "system": "http://unitsofmeasure.org", "code": "g", "display": "g" } },
            ] },
        ] },
    ]))
}

fn whole() -> Vec<(&'static str, &'static str)> {
    vec![
        ("q2", "yes"),
        ("q3", "1.50"),
        ("q4", "7"),
        ("q5-day", "3"),
        ("q5-month", "5"),
        ("q5-year", "2026"),
        ("q6-day", "3"),
        ("q6-month", "5"),
        ("q6-year", "2026"),
        ("q6-time", "09:30"),
        ("q7", "09:30"),
        ("q8", "abc"),
        ("q8", "def"),
        ("q9", "Two\nlines"),
        ("q10", "https://example.org"),
        ("q11", "1"),
        ("q12", "0"),
        ("q12", "other"),
        ("q12-other", "something else"),
        ("q13", "72.5"),
        ("q13-unit", "0"),
    ]
}

#[test]
fn an_answer_of_every_type_goes_into_a_valid_response_and_comes_back() {
    let form = every_type();
    let posted = posted(&form, &whole());
    assert_eq!(posted.faults, []);
    assert_eq!(
        posted.answers["dec"],
        [json!({ "valueDecimal": serde_json::from_str::<Value>("1.50").unwrap() })]
    );
    assert_eq!(
        posted.answers["when"],
        [json!({ "valueDateTime": "2026-05-03T09:30:00Z" })]
    );
    assert_eq!(posted.answers["one"], [coding("b")]);
    assert_eq!(
        posted.answers["some"],
        [coding("a"), json!({ "valueString": "something else" })]
    );
    assert_eq!(posted.answers["much"][0]["valueQuantity"]["code"], "kg");
    let response = response(&form, &posted.answers);
    let text = response.to_string();
    assert!(text.contains("1.50"), "digits are kept: {text}");
    let json = parse(text.as_bytes(), &Limits::default()).unwrap();
    crate::validate::validate(&json, Definitions::r4()).unwrap();
    assert_eq!(conforms(&form, &response), []);
    assert_eq!(Answered::read(&form, &response).answers, posted.answers);
    let again = form.fields_of(&posted.answers, &as_it_is);
    let reread = form.read_fields(&again, &Answers::new(), (&utc, 0));
    assert_eq!(reread, posted);
}

fn response(form: &Form, answers: &Answers) -> Value {
    let head = Head {
        id: "r1",
        status: "completed",
        task: "t1",
        patient: "jane",
        author: json!({ "reference": "Patient/jane" }),
        source: json!({ "reference": "Patient/jane" }),
        authored: "2026-05-03T09:30:00Z",
    };
    form.response(
        &head,
        answers,
        &BTreeMap::from([("int".to_owned(), "Your record".to_owned())]),
    )
}

#[test]
fn what_is_wrong_is_told_of_the_question_that_it_is_wrong_with() {
    let form = every_type();
    let wrong = [
        ("q2", "maybe", 2, Fault::NotChoice),
        ("q3", "1e3", 3, Fault::NotNumber),
        ("q4", "1.5", 4, Fault::NotWhole),
        ("q4", "x", 4, Fault::NotNumber),
        ("q5-year", "26", 5, Fault::NotDate),
        ("q7", "25:00", 7, Fault::NotTime),
        ("q8", "abcdef", 8, Fault::TooLong(5)),
        ("q10", "javascript:alert(1)", 10, Fault::NotUrl),
        ("q11", "2", 11, Fault::NotChoice),
        ("q13", "-1", 13, Fault::NotUnit),
    ];
    for (name, text, place, fault) in wrong {
        let found = posted(
            &form,
            &[("q4", "1"), (name, text)][usize::from(name == "q4")..],
        );
        assert_eq!(found.faults, [(place, fault)], "{name}={text}");
    }
    let small = posted(&form, &[("q4", "1"), ("q13", "-1"), ("q13-unit", "1")]);
    assert_eq!(small.faults, [(13, Fault::TooSmall("0".into()))]);
    assert_eq!(posted(&form, &[]).faults, [(4, Fault::Missing)]);
    let year = posted(
        &form,
        &[
            ("q4", "1"),
            ("q5-year", "2020"),
            ("q5-month", "13"),
            ("q5-day", "1"),
        ],
    );
    assert_eq!(year.faults, [(5, Fault::NotDate)]);
}

#[test]
fn what_cannot_be_answered_here_is_refused_by_name() {
    for ty in ["attachment", "reference"] {
        let problem = refused(json!([{ "linkId": "x1", "type": ty }]));
        assert_eq!(problem.kind, Kind::NotSupported);
        assert!(problem.message.contains(ty) && problem.expression.unwrap().contains("x1"));
    }
    let text = |id: &str| json!({ "linkId": id, "type": "text" });
    assert_eq!(refused(json!([text("a"), text("a")])).kind, Kind::Value);
    assert_eq!(refused(json!([{ "type": "text" }])).kind, Kind::Required);
    assert_eq!(
        refused(json!([{ "linkId": "a", "type": "display" }])).kind,
        Kind::Required
    );
    assert_eq!(
        refused(json!([{ "linkId": "a", "type": "text", "enableWhen": [
        { "question": "b", "operator": "exists", "answerBoolean": true }] }]))
        .kind,
        Kind::Value
    );
    let many: Vec<Value> = (0..=QUESTIONS_MAX)
        .map(|it| text(&it.to_string()))
        .collect();
    assert_eq!(refused(many.into()).kind, Kind::TooLong);
    let mut deep = text("z");
    for depth in 0..=DEPTH_MAX {
        deep = json!({ "linkId": format!("d{depth}"), "type": "group", "item": [deep] });
    }
    assert_eq!(refused(json!([deep])).kind, Kind::TooLong);
}

#[test]
fn a_condition_looks_at_answers_by_every_operator() {
    let of = |operator: &str, answer: (&str, Value)| {
        form(json!([
            { "linkId": "n", "type": "integer" },
            { "linkId": "x", "type": "text", "enableWhen": [
                { "question": "n", "operator": operator, answer.0: answer.1 }] },
        ]))
    };
    let asked = |form: &Form, n: Option<i64>| {
        let answers = n.map(|it| ("n".to_owned(), vec![json!({ "valueInteger": it })]));
        form.enabled(&answers.into_iter().collect())[1]
    };
    let five = || ("answerInteger", json!(5));
    let table = [
        ("=", [false, false, true, false]),
        ("!=", [false, true, false, true]),
        (">", [false, false, false, true]),
        ("<", [false, true, false, false]),
        (">=", [false, false, true, true]),
        ("<=", [false, true, true, false]),
    ];
    for (operator, expected) in table {
        let form = of(operator, five());
        let found = [None, Some(4), Some(5), Some(6)].map(|it| asked(&form, it));
        assert_eq!(found, expected, "{operator}");
    }
    let exists = of("exists", ("answerBoolean", true.into()));
    assert!(!asked(&exists, None) && asked(&exists, Some(1)));
    let exists = of("exists", ("answerBoolean", false.into()));
    assert!(asked(&exists, None) && !asked(&exists, Some(1)));
}

#[test]
fn what_is_not_asked_any_more_is_not_answered_either() {
    let form = form(json!([
        { "linkId": "a", "type": "boolean" },
        { "linkId": "g", "type": "group", "enableWhen": [
            { "question": "a", "operator": "=", "answerBoolean": true }], "item": [
            { "linkId": "b", "type": "string", "required": true }] },
        { "linkId": "c", "type": "string", "required": true, "enableBehavior": "all", "enableWhen": [
            { "question": "b", "operator": "exists", "answerBoolean": true },
            { "question": "a", "operator": "=", "answerBoolean": true }] },
    ]));
    let no = posted(&form, &[("q0", "no"), ("q2", "left over"), ("q3", "too")]);
    assert_eq!((no.faults.len(), no.answers.len()), (0, 1));
    let yes = posted(&form, &[("q0", "yes"), ("q2", "x")]);
    assert_eq!(yes.faults, [(3, Fault::Missing)]);
    // A response that answers them all the same does not conform.
    let mut answers = no.answers;
    answers.insert("b".into(), vec![json!({ "valueString": "x" })]);
    let made = response(&form, &answers);
    assert_eq!(conforms(&form, &made), [("b".into(), Fault::NotAsked)]);
}

#[test]
fn a_response_is_held_against_its_questionnaire() {
    let form = form(json!([
        { "linkId": "a", "type": "integer", "required": true },
        { "linkId": "g", "type": "group", "repeats": true, "item": [{ "linkId": "b", "type": "string" }] },
    ]));
    let of = |status: &str, items: Value| {
        conforms(
            &form,
            &json!({ "resourceType": "QuestionnaireResponse", "status": status, "item": items }),
        )
    };
    let a = json!({ "linkId": "a", "answer": [{ "valueInteger": 1 }] });
    let group =
        json!({ "linkId": "g", "item": [{ "linkId": "b", "answer": [{ "valueString": "x" }] }] });
    assert_eq!(of("completed", json!([a, group, group])), []);
    assert_eq!(of("completed", json!([])), [("a".into(), Fault::Missing)]);
    assert_eq!(of("in-progress", json!([])), []);
    assert_eq!(
        of("completed", json!([a, a]))[0],
        ("a".into(), Fault::TooMany(1))
    );
    assert_eq!(
        of("completed", json!([a, { "linkId": "z" }])),
        [("z".into(), Fault::Unknown)]
    );
    let text = json!({ "linkId": "a", "answer": [{ "valueString": "1" }] });
    assert_eq!(
        of("completed", json!([text])),
        [("a".into(), Fault::WrongType)]
    );
}

const INITIAL: &str =
    "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-initialExpression";

fn begins(ty: &str, expression: &str) -> Value {
    json!({ "linkId": expression, "type": ty, "extension": [{ "url": INITIAL,
        "valueExpression": { "language": "text/fhirpath", "expression": expression } }] })
}

fn record() -> Vec<Value> {
    let weight = |value: f64, day: &str| {
        json!({ "resourceType": "Observation", "status": "final", "effectiveDateTime": day,
            "code": { "coding": [{ "system": "http://loinc.org", "code": "29463-7" }] },
            "valueQuantity": { "value": value, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg" } })
    };
    vec![
        json!({ "resourceType": "Patient", "birthDate": "1961-02-03", "gender": "female",
            "telecom": [{ "system": "phone", "value": "07700 900123" }] }),
        weight(71.5, "2026-05-03"),
        weight(90.0, "2020-01-01"),
        json!({ "resourceType": "Condition", "recordedDate": "2019-01-01", "code": { "text": "Asthma" } }),
    ]
}

#[test]
fn questions_begin_with_what_the_record_says_and_where_it_says_so_is_known() {
    let weight = "%context.ofType(Observation).where(code.coding.code = '29463-7').first().value";
    let form = form(json!([
        begins("date", "%patient.birthDate"),
        begins("string", "%patient.telecom.where(system = 'phone').value"),
        begins("quantity", weight),
        begins("integer", "%context.ofType(Condition).count()"),
        begins("boolean", "%context.ofType(Condition).where(code.text = '%patient').exists()"),
        begins("text", "%context.ofType(Condition).code"),
        begins("integer", "%patient.birthDate.nonsense("),
        begins("integer", "%patient.gender"),
        { "linkId": "own", "type": "string", "initial": [{ "valueString": "x" }] },
    ]));
    let begun = form.prefill(&record(), 0);
    let of = |link: &str| {
        begun
            .get(link)
            .map(|it| (display(&it.answers[0]), it.source.clone()))
    };
    assert_eq!(
        of("%patient.birthDate"),
        Some(("1961-02-03".into(), Source::Details))
    );
    assert_eq!(
        of("%patient.telecom.where(system = 'phone').value")
            .unwrap()
            .0,
        "07700 900123"
    );
    let entry = |ty: &str, date: &str| Source::Entry {
        ty: ty.into(),
        date: date.into(),
    };
    assert_eq!(
        of(weight),
        Some(("71.5 kg".into(), entry("Observation", "2026-05-03")))
    );
    assert_eq!(
        of("%context.ofType(Condition).count()"),
        Some(("1".into(), Source::Record))
    );
    assert_eq!(
        of("%context.ofType(Condition).where(code.text = '%patient').exists()")
            .unwrap()
            .0,
        "No"
    );
    assert_eq!(
        of("%context.ofType(Condition).code"),
        Some(("Asthma".into(), entry("Condition", "2019-01-01")))
    );
    assert_eq!(of("%patient.birthDate.nonsense("), None);
    assert_eq!(of("%patient.gender"), None);
    assert_eq!(of("own"), Some(("x".into(), Source::Form)));
}

#[test]
fn what_nobody_may_change_is_not_taken_from_the_form() {
    let form = form(json!([
        { "linkId": "a", "type": "string", "readOnly": true },
        { "linkId": "b", "type": "string" },
    ]));
    let fixed = Answers::from([("a".to_owned(), vec![json!({ "valueString": "kept" })])]);
    let read = form.read_fields(&fields(&[("q0", "forged"), ("q1", "x")]), &fixed, (&utc, 0));
    assert_eq!(read.answers["a"], [json!({ "valueString": "kept" })]);
}

#[test]
fn a_task_says_whom_it_asks_and_what() {
    let made = task(
        "t1",
        "Patient/jane",
        "https://x/q|1",
        Answerer::Patient,
        "Review",
        0,
        Some("2026-05-03"),
    );
    let json = parse(made.to_string().as_bytes(), &Limits::default()).map(|_| ());
    json.unwrap();
    let text = made.to_string();
    crate::validate::validate(
        &parse(text.as_bytes(), &Limits::default()).unwrap(),
        Definitions::r4(),
    )
    .unwrap();
    let read = ask(&made).unwrap();
    assert_eq!(
        (read.patient.as_str(), read.canonical.as_str()),
        ("jane", "https://x/q|1")
    );
    assert!(read.by == Answerer::Patient && read.is_open() && read.due == Some(1_777_766_400_000));
    let staff = task(
        "t2",
        "Patient/jane",
        "https://x/q",
        Answerer::Staff,
        "",
        0,
        None,
    );
    assert_eq!(ask(&staff).unwrap().by, Answerer::Staff);
    assert_eq!(
        ask(&json!({ "resourceType": "Task", "status": "requested" })),
        None
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever a form says, it is either a valid response or the questions that are wrong are named.
    #[test]
    fn whatever_a_form_says_it_is_a_response_that_conforms_or_its_faults_name_questions(
        pairs in prop::collection::vec((0..16_usize, 0..7_usize, "[0-9a-z:./ \u{e9}\u{1f600}-]{0,12}"), 0..40),
    ) {
        let form = every_type();
        let parts = ["", "-day", "-month", "-year", "-time", "-unit", "-other"];
        let given: Vec<(String, String)> = pairs.into_iter()
            .map(|(place, part, text)| (format!("q{place}{}", parts[part]), text))
            .collect();
        let own = form.own_fields(given.iter().map(|(name, text)| (name.as_str(), text.as_str())));
        let read = form.read_fields(&own, &Answers::new(), (&utc, 0));
        for (place, _) in &read.faults {
            prop_assert!(form.questions[*place].sort.asks());
        }
        if read.faults.is_empty() {
            let made = response(&form, &read.answers);
            prop_assert_eq!(conforms(&form, &made), vec![]);
            let text = made.to_string();
            let json = parse(text.as_bytes(), &Limits::default()).unwrap();
            prop_assert!(crate::validate::validate(&json, Definitions::r4()).is_ok(), "{}", text);
        }
    }

    /// Whatever stands in a Questionnaire or a response, reading ends and names a place.
    #[test]
    fn whatever_a_questionnaire_or_response_says_reading_it_ends(
        kinds in prop::collection::vec((0..18_usize, any::<bool>(), "[a-c]{1,2}"), 0..30),
    ) {
        let names = ["group", "display", "boolean", "decimal", "integer", "date", "dateTime", "time", "string", "text",
            "url", "choice", "open-choice", "quantity", "attachment", "reference", "", "other"];
        let items: Vec<Value> = kinds.iter().enumerate().map(|(at, (kind, required, to))| json!({
            "linkId": format!("{at}"), "type": names[*kind], "required": required,
            "enableWhen": [{ "question": to, "operator": "exists", "answerBoolean": true }],
        })).collect();
        match Form::read(&questionnaire(json!(items))) {
            Ok(form) => {
                let made = json!({ "resourceType": "QuestionnaireResponse", "status": "completed", "item": items });
                let _ = conforms(&form, &made);
            }
            Err(problem) => prop_assert!(!problem.message.is_empty()),
        }
    }
}
