use super::{Condition, Method, Question, Transaction, parse, split};
use crate::bundle::{Found, Outcome, Past, history, response, searchset};
use crate::definitions::Definitions;
use crate::json::{Json, Limits};
use crate::problem::{Kind, Problem};
use crate::search::Search;
use crate::validate::validate;

const BASE: &str = "https://gp.example/fhir";

fn json(text: &str) -> Json<'_> {
    crate::json::parse(text.as_bytes(), &Limits::default()).unwrap()
}

fn bundle(entries: &str) -> String {
    format!(r#"{{"resourceType":"Bundle","type":"transaction","entry":[{entries}]}}"#)
}

/// Reads and resolves with ids `new-1`, `new-2`, …
fn resolved<'a>(text: &'a str, answers: &[Option<&str>]) -> Result<Transaction<'a>, Problem> {
    let answers: Vec<Option<String>> = answers.iter().map(|id| id.map(str::to_string)).collect();
    let mut count = 0;
    parse(json(text), BASE)?.resolve(&answers, &mut || {
        count += 1;
        format!("new-{count}")
    })
}

fn fault(entries: &str) -> (Kind, String) {
    let text = bundle(entries);
    let problem = resolved(&text, &[]).unwrap_err();
    (problem.kind, problem.expression.unwrap_or_default())
}

fn text(json: &Option<Json<'_>>) -> String {
    String::from_utf8(json.as_ref().unwrap().to_bytes()).unwrap()
}

#[test]
fn links_follow_their_targets_and_all_else_stays_exact() {
    let text_in = bundle(
        r##"{"fullUrl":"urn:uuid:11111111-1111-4111-8111-111111111111","resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}},
        {"fullUrl":"urn:uuid:22222222-2222-4222-8222-222222222222","resource":{"resourceType":"Binary","contentType":"text/plain"},"request":{"method":"POST","url":"Binary"}},
        {"fullUrl":"https://a.example/Practitioner/9","resource":{"resourceType":"Practitioner"},"request":{"method":"POST","url":"Practitioner"}},
        {"fullUrl":"https://a.example/DocumentReference/8","resource":{"resourceType":"DocumentReference","status":"current","contained":[{"resourceType":"Practitioner","id":"in"}],
          "text":{"status":"generated","div":"<div xmlns='http://www.w3.org/1999/xhtml'><a href=\"urn:uuid:11111111-1111-4111-8111-111111111111\">é</a><img src='urn:uuid:22222222-2222-4222-8222-222222222222'/></div>"},
          "subject":{"reference":"urn:uuid:11111111-1111-4111-8111-111111111111"},
          "author":[{"reference":"Practitioner/9"},{"reference":"https://a.example/Practitioner/9"},{"reference":"#in"}],
          "description":"urn:uuid:11111111-1111-4111-8111-111111111111",
          "content":[{"attachment":{"url":"urn:uuid:22222222-2222-4222-8222-222222222222","size":10}}],
          "extension":[{"url":"http://e.example","valueDecimal":1.50},{"url":"http://e.example","valueCanonical":"urn:uuid:22222222-2222-4222-8222-222222222222"},{"url":"http://e.example","valueUuid":"urn:uuid:33333333-3333-4333-8333-333333333333"}]},
         "request":{"method":"POST","url":"DocumentReference"}}"##,
    );
    assert_eq!(validate(&json(&text_in), Definitions::r4()), Ok(()));
    let transaction = resolved(&text_in, &[]).unwrap();
    assert_eq!(
        text(&transaction.entries[3].resource),
        r##"{"resourceType":"DocumentReference","status":"current","contained":[{"resourceType":"Practitioner","id":"in"}],"text":{"status":"generated","div":"<div xmlns='http://www.w3.org/1999/xhtml'><a href=\"Patient/new-1\">é</a><img src='Binary/new-2'/></div>"},"subject":{"reference":"Patient/new-1"},"author":[{"reference":"Practitioner/new-3"},{"reference":"Practitioner/new-3"},{"reference":"#in"}],"description":"urn:uuid:11111111-1111-4111-8111-111111111111","content":[{"attachment":{"url":"Binary/new-2","size":10}}],"extension":[{"url":"http://e.example","valueDecimal":1.50},{"url":"http://e.example","valueCanonical":"urn:uuid:22222222-2222-4222-8222-222222222222"},{"url":"http://e.example","valueUuid":"urn:uuid:33333333-3333-4333-8333-333333333333"}]}"##
    );
}

/// The references of the entries' `subject`, in the order of the entries; none of those without.
fn subjects(transaction: &Transaction<'_>) -> Vec<String> {
    let resources = transaction
        .entries
        .iter()
        .filter_map(|it| it.resource.as_ref());
    let subjects = resources.filter_map(|it| it.get("subject")?.text("reference"));
    subjects.map(str::to_string).collect()
}

#[test]
fn a_relative_reference_is_one_of_the_server_that_its_entry_comes_from() {
    let patient = |full_url: &str| {
        format!(
            r#"{{"fullUrl":"{full_url}","resource":{{"resourceType":"Patient"}},"request":{{"method":"POST","url":"Patient"}}}}"#
        )
    };
    let observation = |full_url: &str, subject: &str| {
        format!(
            r#"{{{full_url}"resource":{{"resourceType":"Observation","subject":{{"reference":"{subject}"}}}},"request":{{"method":"POST","url":"Observation"}}}}"#
        )
    };
    let text_in = bundle(
        &[
            patient("https://a/Patient/1"),
            patient("https://b/Patient/1"),
            observation(r#""fullUrl":"https://a/Observation/1","#, "Patient/1"),
            observation(r#""fullUrl":"https://b/Observation/1","#, "Patient/1"),
            observation(
                r#""fullUrl":"https://a/Observation/2","#,
                "https://b/Patient/1",
            ),
            // These mean the Patient that is here already: nothing says that it is another server's.
            observation(r#""fullUrl":"https://c/Observation/1","#, "Patient/1"),
            observation(
                r#""fullUrl":"urn:uuid:11111111-1111-4111-8111-111111111111","#,
                "Patient/1",
            ),
            observation("", "Patient/1"),
        ]
        .join(","),
    );
    assert_eq!(
        subjects(&resolved(&text_in, &[]).unwrap()),
        [
            "Patient/new-1",
            "Patient/new-2",
            "Patient/new-2",
            "Patient/1",
            "Patient/1",
            "Patient/1"
        ]
    );
}

#[test]
fn only_a_reference_is_a_conditional_reference() {
    let text_in = bundle(
        r#"{"resource":{"resourceType":"Bundle","type":"searchset","link":[{"relation":"self","url":"Patient?name=x"}]},"request":{"method":"POST","url":"Bundle"}},
        {"resource":{"resourceType":"Procedure","instantiatesUri":["Patient?name=y"],"subject":{"reference":"Patient?name=z"}},"request":{"method":"POST","url":"Procedure"}}"#,
    );
    let draft = parse(json(&text_in), BASE).unwrap();
    assert_eq!(
        draft.questions(),
        [Question {
            ty: "Patient".to_string(),
            query: "name=z".to_string(),
        }]
    );
    let found = resolved(&text_in, &[Some("p")]).unwrap();
    assert_eq!(subjects(&found), ["Patient/p"]);
    assert!(text(&found.entries[0].resource).contains(r#""url":"Patient?name=x""#));
}

#[test]
fn entries_are_done_in_the_order_of_their_methods() {
    let text = bundle(
        r#"{"request":{"method":"GET","url":"Patient/1"}},
        {"resource":{"resourceType":"Patient","id":"2"},"request":{"method":"PUT","url":"Patient/2","ifMatch":"W/\"3\""}},
        {"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}},
        {"request":{"method":"DELETE","url":"https://gp.example/fhir/Patient/4"}}"#,
    );
    let transaction = resolved(&text, &[]).unwrap();
    let order: Vec<_> = transaction
        .entries
        .iter()
        .map(|e| (e.method, e.index, e.id.as_str()))
        .collect();
    assert_eq!(
        order,
        [
            (Method::Delete, 3, "4"),
            (Method::Post, 2, "new-1"),
            (Method::Put, 1, "2"),
            (Method::Get, 0, "")
        ]
    );
    assert_eq!(transaction.entries[2].condition, Condition::Version(3));
    assert_eq!(transaction.entries[3].url, "Patient/1");
}

#[test]
fn what_cannot_be_done_is_refused_with_its_entry() {
    let patient = r#"{"resourceType":"Patient"}"#;
    let patient_1 = r#"{"resourceType":"Patient","id":"1"}"#;
    for (entries, kind, expression) in [
        (
            r#"{}"#.to_string(),
            Kind::Required,
            "Bundle.entry[0].request",
        ),
        (
            r#"{"request":{"method":"BREW","url":"Patient/1"}}"#.into(),
            Kind::NotSupported,
            "Bundle.entry[0].request.method",
        ),
        (
            r#"{"request":{"method":"PATCH","url":"Patient?identifier=1"}}"#.into(),
            Kind::Required,
            "Bundle.entry[0].resource",
        ),
        (
            r#"{"request":{"method":"DELETE","url":"Patient"}}"#.into(),
            Kind::Value,
            "Bundle.entry[0].request.url",
        ),
        (
            r#"{"request":{"method":"DELETE","url":"Nobody/1"}}"#.into(),
            Kind::Value,
            "Bundle.entry[0].request.url",
        ),
        (
            r#"{"request":{"method":"POST","url":"Patient"}}"#.into(),
            Kind::Required,
            "Bundle.entry[0].resource",
        ),
        (
            format!(r#"{{"resource":{patient},"request":{{"method":"POST","url":"Group"}}}}"#),
            Kind::Invalid,
            "Bundle.entry[0].request.url",
        ),
        (
            format!(r#"{{"resource":{patient},"request":{{"method":"PUT","url":"Patient/1"}}}}"#),
            Kind::Invalid,
            "Bundle.entry[0].request.url",
        ),
        (
            format!(
                r#"{{"resource":{patient_1},"request":{{"method":"PUT","url":"Patient/1","ifMatch":"x"}}}}"#
            ),
            Kind::Value,
            "Bundle.entry[0].request.ifMatch",
        ),
        (
            format!(
                r#"{{"resource":{patient_1},"request":{{"method":"PUT","url":"Patient/1"}}}},{{"request":{{"method":"DELETE","url":"Patient/1"}}}}"#
            ),
            Kind::Duplicate,
            "Bundle.entry[1].request.url",
        ),
        (
            format!(
                r#"{{"fullUrl":"urn:a","resource":{patient},"request":{{"method":"POST","url":"Patient"}}}},{{"fullUrl":"urn:a","resource":{patient},"request":{{"method":"POST","url":"Patient"}}}}"#
            ),
            Kind::Duplicate,
            "Bundle.entry[1].fullUrl",
        ),
    ] {
        assert_eq!(fault(&entries), (kind, expression.to_string()), "{entries}");
    }
    assert!(
        parse(
            json(r#"{"resourceType":"Bundle","type":"searchset"}"#),
            BASE
        )
        .is_err()
    );
}

#[test]
fn conditional_references_and_creates_ask_the_store() {
    let text_in = bundle(
        r#"{"fullUrl":"urn:a","resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient","ifNoneExist":"identifier=x"}},
        {"resource":{"resourceType":"Observation","subject":{"reference":"urn:a"},"performer":[{"reference":"Practitioner?identifier=y"},{"reference":"Practitioner?identifier=y"}]},"request":{"method":"POST","url":"Observation"}}"#,
    );
    let question = |ty: &str, query: &str| Question {
        ty: ty.to_string(),
        query: query.to_string(),
    };
    let draft = parse(json(&text_in), BASE).unwrap();
    assert_eq!(
        draft.questions(),
        [
            question("Patient", "identifier=x"),
            question("Practitioner", "identifier=y")
        ]
    );
    let there = resolved(&text_in, &[Some("p"), Some("q")]).unwrap();
    assert_eq!(there.entries[0].condition, Condition::AlreadyThere);
    let observation = text(&there.entries[1].resource);
    assert!(observation.contains(
        r#""subject":{"reference":"Patient/p"},"performer":[{"reference":"Practitioner/q"},"#
    ));
    let absent = resolved(&text_in, &[None, Some("q")]).unwrap();
    assert_eq!(
        (absent.entries[0].id.as_str(), &absent.entries[0].condition),
        ("new-1", &Condition::Nothing)
    );
    let fault = resolved(&text_in, &[None, None]);
    assert_eq!(fault.unwrap_err().kind, Kind::NotFound);
}

#[test]
fn conditional_changes_are_about_what_the_store_finds() {
    let text_in = bundle(
        r#"{"resource":{"resourceType":"Patient","id":"own"},"request":{"method":"PUT","url":"Patient?identifier=a"}},
        {"request":{"method":"DELETE","url":"Patient?identifier=b"}},
        {"resource":{"resourceType":"Parameters"},"request":{"method":"PATCH","url":"Patient?identifier=c","ifMatch":"W/\"2\""}}"#,
    );
    let found = resolved(&text_in, &[Some("own"), Some("q"), Some("r")]).unwrap();
    let about: Vec<_> = found
        .entries
        .iter()
        .map(|entry| (entry.method, entry.id.as_str(), &entry.condition))
        .collect();
    assert_eq!(
        about,
        [
            (Method::Delete, "q", &Condition::Nothing),
            (Method::Put, "own", &Condition::Nothing),
            (Method::Patch, "r", &Condition::Version(2)),
        ]
    );
    let nothing = resolved(&text_in, &[None, None, Some("r")]).unwrap();
    assert_eq!(nothing.entries[0].condition, Condition::NothingThere);
    assert_eq!(nothing.entries[1].id, "own");
    assert_eq!(nothing.entries[1].condition, Condition::Absent);
    let kind = |answers: &[Option<&str>]| resolved(&text_in, answers).unwrap_err().kind;
    assert_eq!(kind(&[None, None, None]), Kind::NotFound);
    assert_eq!(kind(&[Some("other"), None, Some("r")]), Kind::Invalid);
    assert_eq!(
        kind(&[Some("own"), Some("own"), Some("r")]),
        Kind::Duplicate
    );
}

#[test]
fn a_conditional_reference_finds_what_its_own_bundle_makes() {
    let practitioner = |number: &str, value: &str| {
        format!(
            r#"{{"resource":{{"resourceType":"Practitioner","identifier":[{{"system":"urn:s","value":"{value}"}}]}},"request":{{"method":"POST","url":"Practitioner","ifNoneExist":"name={number}"}}}}"#
        )
    };
    let observation = |query: &str| {
        format!(
            r#"{{"resource":{{"resourceType":"Observation","performer":[{{"reference":"Practitioner?{query}"}}]}},"request":{{"method":"POST","url":"Observation"}}}}"#
        )
    };
    let answer = |query: &str| {
        let entries = [
            practitioner("a", "1"),
            practitioner("b", "2"),
            practitioner("c", "2"),
            observation(query),
        ];
        let text_in = bundle(&entries.join(","));
        let resolved = resolved(&text_in, &[None, None, None, None]);
        resolved.map(|done| text(&done.entries[3].resource))
    };
    for query in ["identifier=urn:s|1", "identifier=urn:s%7C1", "identifier=1"] {
        let found = answer(query).unwrap();
        assert!(
            found.contains(r#""reference":"Practitioner/new-1""#),
            "{query}: {found}"
        );
    }
    // Two, another system, another parameter.
    for query in [
        "identifier=urn:s|2",
        "identifier=urn:t|1",
        "identifier=|1",
        "family=x",
    ] {
        assert_eq!(answer(query).unwrap_err().kind, Kind::NotFound, "{query}");
    }
}

#[test]
fn two_entries_that_ask_the_same_make_one_resource() {
    let entry = r#"{"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient","ifNoneExist":"identifier=x"}}"#;
    let text_in = bundle(&format!("{entry},{entry}"));
    let made = resolved(&text_in, &[None]).unwrap();
    assert_eq!(made.entries[0].condition, Condition::Nothing);
    assert_eq!(made.entries[1].condition, Condition::AlreadyThere);
    assert_eq!(made.entries[0].id, made.entries[1].id);
}

#[test]
fn one_condition_in_two_spellings_makes_one_resource() {
    let entry = |condition: &str| {
        format!(
            r#"{{"resource":{{"resourceType":"Patient","identifier":[{{"system":"urn:s","value":"1"}}]}},"request":{{"method":"POST","url":"Patient","ifNoneExist":"{condition}"}}}}"#
        )
    };
    let observation = r#"{"resource":{"resourceType":"Observation","subject":{"reference":"Patient?active=true&identifier=urn%3As%7C1"}},"request":{"method":"POST","url":"Observation"}}"#;
    let entries = [
        entry("identifier=urn:s|1&active=true"),
        entry("active=true&identifier=urn:s%7C1"),
        observation.to_string(),
    ];
    let text_in = bundle(&entries.join(","));
    let draft = parse(json(&text_in), BASE).unwrap();
    assert_eq!(draft.questions().len(), 1);
    let made = resolved(&text_in, &[None]).unwrap();
    assert_eq!(made.entries[0].condition, Condition::Nothing);
    assert_eq!(made.entries[1].condition, Condition::AlreadyThere);
    assert_eq!(made.entries[0].id, made.entries[1].id);
    assert_eq!(subjects(&made), ["Patient/new-1"]);
}

#[test]
fn a_batch_is_split_into_transactions() {
    let batch = r#"{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Patient/1"}},{"request":{"method":"GET","url":"Patient/2"}}]}"#;
    let single = split(json(batch)).unwrap();
    assert_eq!(single.len(), 2);
    assert!(parse(single[1].clone(), BASE).is_ok());
}

#[test]
fn what_is_built_is_valid() {
    let patient = br#"{"resourceType":"Patient","id":"1"}"#;
    let mut search = Search::all("Patient", 10);
    search.ignored.push("frobnicate".to_string());
    let found = Found {
        ty: "Patient",
        id: "1",
        resource: patient,
    };
    let other = Found { id: "2", ..found };
    let past = Past {
        ty: "Patient",
        id: "1",
        version: 2,
        at: 0,
        resource: Some(patient),
    };
    let gone = Past {
        version: 3,
        resource: None,
        ..past
    };
    let outcome = Outcome {
        status: "201 Created".to_string(),
        location: Some("Patient/1/_history/1".to_string()),
        version: Some(1),
        last_updated: Some(0),
        resource: Some(patient.to_vec()),
        outcome: Some(
            Problem::new(Kind::Processing, "x")
                .operation_outcome()
                .to_string()
                .into_bytes(),
        ),
    };
    for built in [
        searchset(
            &search,
            BASE,
            [found, other].into_iter(),
            Some("c"),
            Some(2),
        ),
        searchset(
            &Search::all("Patient", 0),
            BASE,
            std::iter::empty(),
            None,
            None,
        ),
        history(
            BASE,
            &[("self", "https://gp.example/fhir/Patient/1/_history")],
            [gone, past].into_iter(),
            Some(2),
        ),
        response(
            "transaction-response",
            &[
                outcome,
                Outcome {
                    status: "204".to_string(),
                    ..Outcome::default()
                },
            ],
        ),
    ] {
        let text = String::from_utf8(built).unwrap();
        assert_eq!(validate(&json(&text), Definitions::r4()), Ok(()), "{text}");
    }
}
