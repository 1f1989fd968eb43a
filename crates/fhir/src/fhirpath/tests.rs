mod differential;

use super::*;
use crate::json::{Limits, parse};

fn result(expression: &str, resource: &str) -> Result<Vec<String>, String> {
    let r4 = Definitions::r4();
    let json = parse(resource.as_bytes(), &Limits::default()).unwrap();
    let expression = Expression::compile(expression, r4).map_err(|fault| fault.to_string())?;
    let context = Context {
        steps_max: 20_000,
        ..Context::of(Node::resource(&json, r4).unwrap())
    };
    let found = expression.evaluate(&context, r4);
    found
        .map(|items| items.iter().map(|item| format!("{item:?}")).collect())
        .map_err(|fault| fault.to_string())
}

#[test]
fn no_expression_runs_away() {
    let patient = r#"{"resourceType":"Patient","active":true}"#;
    for expression in [
        "(1|2|3|4|5|6|7|8|9|10).repeat($this + 1)",
        "1.repeat($this + 1)",
        "(1|2|3|4|5|6|7|8|9|10).combine(1|2|3|4|5|6|7|8|9|10).aggregate($total.combine($total), 1)",
        "'a'.repeat($this.encode('hex'))",
        "'a'.repeat($this & 'a')",
        "'aaaa'.replace('', 'bbbbbbbbbbbbbbbb').repeat($this + $this)",
    ] {
        assert!(result(expression, patient).is_err(), "{expression}");
    }
    for expression in [
        "(".repeat(5000),
        "-".repeat(5000) + "1",
        "a.".repeat(5000) + "a",
        "1+".repeat(5000) + "1",
        "not(".repeat(3000),
        "'a".to_string(),
        "%nothing".to_string(),
        "@2015-99".to_string(),
        "a b".to_string(),
        "frobnicate()".to_string(),
        "where()".to_string(),
    ] {
        let shown: String = expression.chars().take(20).collect();
        assert!(result(&expression, patient).is_err(), "{shown}");
    }
}

#[test]
fn references_resolve_within_the_container_and_by_their_type() {
    let bundle = r##"{"resourceType":"Bundle","type":"collection","entry":[
        {"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","id":"p","active":true,
          "contained":[{"resourceType":"Organization","id":"o","name":"A"}],
          "managingOrganization":{"reference":"#o"}}},
        {"resource":{"resourceType":"Observation","subject":{"reference":"urn:uuid:1"},
          "encounter":{"reference":"Encounter/9"}}}]}"##;
    let subject = "Bundle.entry.resource.ofType(Observation).subject.resolve().active";
    assert_eq!(result(subject, bundle).unwrap().len(), 1);
    let elsewhere = "Bundle.entry.resource.encounter.resolve() is Encounter";
    assert_eq!(result(elsewhere, bundle).unwrap(), ["Bool(true)"]);
    let patient = r##"{"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"o","name":"A"}],"managingOrganization":{"reference":"#o"}}"##;
    let name = "managingOrganization.resolve().name = 'A'";
    assert_eq!(result(name, patient).unwrap(), ["Bool(true)"]);
}

#[test]
fn an_expression_tells_which_elements_it_reads() {
    let reads = |text: &str| {
        Expression::compile(text, Definitions::r4())
            .unwrap()
            .reads()
    };
    let members =
        |names: &[&str]| Reads::Members(names.iter().map(|name| (*name).to_string()).collect());
    assert_eq!(
        reads("start.hasValue().not() or (start <= end)"),
        members(&["end", "start"])
    );
    assert_eq!(
        reads("name.where(use = 'official').exists()"),
        members(&["name"])
    );
    assert_eq!(reads("name.exists(%resource.active)"), members(&["name"]));
    assert_eq!(
        reads("name.count() > %resource.active.count()"),
        Reads::Anything
    );
    assert_eq!(reads("children().count() > 1"), Reads::Anything);
    assert_eq!(reads("iif(a.exists(), b, c)"), Reads::Anything);
}
