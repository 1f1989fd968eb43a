//! Answers that are worked out of others.

use super::*;

const CALCULATED: &str =
    "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-calculatedExpression";
const ORDINAL: &str = "http://hl7.org/fhir/StructureDefinition/ordinalValue";
const SUM: &str = "%resource.item.answer.value.extension('http://hl7.org/fhir/StructureDefinition/ordinalValue')\
    .value.aggregate($this + $total, 0)";

fn calculated(expression: &str) -> Value {
    json!([{ "url": CALCULATED, "valueExpression": { "language": "text/fhirpath", "expression": expression } }])
}

fn scored(link: &str) -> Value {
    let option = |score: u32| {
        json!({ "valueCoding": { "code": score.to_string(), "display": format!("Score {score}"),
        "extension": [{ "url": ORDINAL, "valueDecimal": score }] } })
    };
    // Some write the score beside the coding.
    let beside = json!({ "valueCoding": { "code": "3" }, "extension": [{ "url": ORDINAL, "valueDecimal": 3 }] });
    json!({ "linkId": link, "type": "choice", "answerOption": [option(0), option(1), option(2), beside] })
}

fn scores() -> Form {
    form(json!([
        scored("a"),
        scored("b"),
        { "linkId": "total", "type": "integer", "text": "Total", "extension": calculated(SUM) },
        { "linkId": "high", "type": "boolean", "extension": calculated("%resource.item.where(linkId = 'total').answer.value > 4") },
        { "linkId": "help", "type": "string", "required": true,
          "enableWhen": [{ "question": "high", "operator": "=", "answerBoolean": true }] },
    ]))
}

#[test]
fn a_total_of_scores_is_worked_out_and_what_follows_from_it_is_asked() {
    let form = scores();
    let low = posted(
        &form,
        &[("q0", "1"), ("q1", "2"), ("q2", "99"), ("q3", "yes")],
    );
    assert_eq!(
        low.faults,
        [],
        "what somebody writes in its place counts for nothing"
    );
    assert_eq!(low.answers["total"], [json!({ "valueInteger": 3 })]);
    assert_eq!(low.answers["high"], [json!({ "valueBoolean": false })]);
    let high = posted(&form, &[("q0", "2"), ("q1", "3")]);
    assert_eq!(high.answers["total"], [json!({ "valueInteger": 5 })]);
    assert_eq!(high.faults, [(4, Fault::Missing)]);
    assert!(form.questions[2].is_fixed() && form.calculates());
    let made = response(&form, &low.answers);
    let text = made.to_string();
    let json = parse(text.as_bytes(), &Limits::default()).unwrap();
    crate::validate::validate(&json, Definitions::r4()).unwrap();
    assert_eq!(conforms(&form, &made), []);
}

#[test]
fn what_fails_or_is_no_answer_is_left_empty_and_what_does_not_read_is_refused() {
    let of = |ty: &str, expression: &str| {
        Form::read(&questionnaire(json!([
            { "linkId": "n", "type": "integer" },
            { "linkId": "t", "type": ty, "extension": calculated(expression) },
        ])))
    };
    for expression in [
        "'many'",
        "1 / 0",
        "%resource.item.answer.value + (1 | 2)",
        "2.5",
        "repeat(item).select(repeat(item).select(repeat(item)))",
    ] {
        let form = of("integer", expression).unwrap();
        let read = posted(&form, &[("q0", "1")]);
        assert_eq!(
            (read.answers.get("t"), read.faults.len()),
            (None, 0),
            "{expression}"
        );
    }
    let form = of(
        "decimal",
        "%resource.item.where(linkId = 'n').answer.value / 4",
    )
    .unwrap();
    let read = posted(&form, &[("q0", "3")]);
    assert_eq!(read.answers["t"][0]["valueDecimal"].to_string(), "0.75");
    for (ty, expression) in [("integer", "%nothing"), ("integer", "1 +"), ("group", "1")] {
        let refused = of(ty, expression).unwrap_err();
        assert_eq!(refused.kind, Kind::NotSupported, "{expression}");
        assert_eq!(refused.expression.unwrap(), "Questionnaire.item(linkId=t)");
    }
}
