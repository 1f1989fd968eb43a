//! What forms can do: groups that repeat, scores, words in Welsh, answers from a value set; all through the doors.

use super::*;
use crate::fhir::tests::Client;

/// Puts a Questionnaire in the place of the one that `ask` asks by, over the FHIR door.
async fn asks_by(node: &Arc<Node>, mut asked: Value) -> Client {
    let system = Client::system(node).await;
    for (name, value) in [
        ("resourceType", json!("Questionnaire")),
        ("id", json!("asthma")),
        ("status", json!("active")),
        (
            "url",
            json!("https://handover.example/Questionnaire/asthma"),
        ),
        ("version", json!("2")),
    ] {
        asked[name] = value;
    }
    let put = system
        .put("/Questionnaire/asthma", &asked.to_string())
        .await;
    assert!(put.status.is_success(), "{}", put.text());
    system
}

const CALCULATED: &str =
    "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-calculatedExpression";
const ORDINAL: &str = "http://hl7.org/fhir/StructureDefinition/ordinalValue";
const TRANSLATION: &str = "http://hl7.org/fhir/StructureDefinition/translation";

fn translated(words: &str) -> Value {
    json!({ "extension": [{ "url": TRANSLATION, "extension": [
        { "url": "lang", "valueCode": "cy" },
        { "url": "content", "valueString": words },
    ] }] })
}

/// Medicines that somebody takes, and a score.
fn medicines() -> Value {
    let option = |code: &str, score: u32| json!({ "valueCoding": { "code": code, "display": code, "extension": [{ "url": ORDINAL, "valueDecimal": score }] } });
    let total = "%resource.item.answer.value.extension('http://hl7.org/fhir/StructureDefinition/ordinalValue')\
        .value.aggregate($this + $total, 0)";
    json!({
        "title": "Medicines", "_title": translated("Meddyginiaethau"),
        "item": [
            { "linkId": "m", "type": "group", "text": "A medicine", "repeats": true, "item": [
                { "linkId": "what", "type": "string", "text": "Which?", "required": true,
                  "_text": translated("Pa un?") }] },
            { "linkId": "pain", "type": "choice", "text": "Pain", "required": true,
              "answerOption": [option("None", 0), option("Some", 2)] },
            { "linkId": "sleep", "type": "choice", "text": "Bad sleep", "required": true,
              "answerOption": [option("No", 0), option("Yes", 3)] },
            { "linkId": "total", "type": "integer", "text": "Score", "extension": [{ "url": CALCULATED,
              "valueExpression": { "language": "text/fhirpath", "expression": total } }] },
        ],
    })
}

#[test]
fn a_group_is_filled_in_twice_by_buttons_alone_and_a_score_is_worked_out() {
    on_each_database(async |ground| {
        let node = practice(ground).await;
        asks_by(&node, medicines()).await;
        let task = ask(&node, "patient").await;
        let mut jane = signed_in(&node, "/login", "jane").await;
        let here = format!("/questionnaires/{task}");
        let page = jane.get(&here).await.text;
        let of = field(&page, "of");
        assert!(page.contains("Worked out from your answers"), "{page}");
        let base = [("of", of.as_str()), ("shown", "0,1,2,3,4")];
        let press = async |jane: &mut Browser, more: &[(&str, &str)]| {
            let mut fields = base.to_vec();
            fields.extend(more);
            jane.post(&here, &fields).await
        };
        let added = press(
            &mut jane,
            &[("q0", "1"), ("q1", "Ramipril"), ("do", "add:q0")],
        )
        .await;
        assert_eq!(added.status, StatusCode::OK);
        for shown in [
            "name=\"q1_2\"",
            "value=\"Ramipril\"",
            "A medicine (2)",
            "value=\"remove:q0:1\"",
        ] {
            assert!(added.text.contains(shown), "{shown}: {}", added.text);
        }
        // It is kept, as all that is written is.
        let again = jane.get(&here).await.text;
        assert!(again.contains("name=\"q1_2\""), "{again}");
        let added = press(
            &mut jane,
            &[("q0", "2"), ("q1", "a"), ("q1_2", "b"), ("do", "add:q0")],
        )
        .await;
        assert!(added.text.contains("name=\"q1_3\""), "{}", added.text);
        let three = [
            ("q0", "3"),
            ("q1", "Ramipril"),
            ("q1_2", "b"),
            ("q1_3", "Salbutamol"),
        ];
        let mut removes = three.to_vec();
        removes.push(("do", "remove:q0:2"));
        let removed = press(&mut jane, &removes).await;
        assert!(
            removed.text.contains("value=\"Salbutamol\"") && !removed.text.contains("q1_3"),
            "{}",
            removed.text
        );
        // A copy that lacks an answer is named by its own field.
        let lacks = [
            ("q0", "2"),
            ("q1", "Ramipril"),
            ("q1_2", ""),
            ("q2", "1"),
            ("q3", "1"),
            ("do", "check"),
        ];
        let lacks = press(&mut jane, &lacks).await;
        assert_eq!(lacks.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(lacks.text.contains("href=\"#q1_2\""), "{}", lacks.text);
        let whole = [
            ("q0", "2"),
            ("q1", "Ramipril"),
            ("q1_2", "Salbutamol"),
            ("q2", "1"),
            ("q3", "1"),
            ("q4", "77"),
            ("do", "check"),
        ];
        let mut fields = vec![("of", of.as_str()), ("shown", "0,1,2,3,4,5,6")];
        fields.extend(whole);
        let checked = jane.post(&here, &fields).await;
        assert_eq!(
            checked.location(),
            format!("{here}/check"),
            "{}",
            checked.text
        );
        let check = jane.get(&format!("{here}/check")).await.text;
        for shown in ["Ramipril", "Salbutamol", "A medicine (2)", ">5<"] {
            assert!(check.contains(shown), "{shown}: {check}");
        }
        let of = field(&check, "of");
        let sent = jane.post(&format!("{here}/check"), &[("of", &of)]).await;
        assert_eq!(sent.location(), format!("{here}?done=handed-in"));
        let (made, _) = response(&node, &task).await.unwrap();
        let links: Vec<&str> = made["item"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["linkId"].as_str().unwrap())
            .collect();
        assert_eq!(links, ["m", "m", "pain", "sleep", "total"]);
        assert_eq!(
            made["item"][1]["item"][0]["answer"][0]["valueString"],
            "Salbutamol"
        );
        assert_eq!(made["item"][4]["answer"][0]["valueInteger"], 5);
        // Read, and changed, with both.
        let read = jane.get(&here).await.text;
        assert!(read.contains("Salbutamol"), "{read}");
        let change = jane.get(&format!("{here}?change=yes")).await.text;
        assert!(
            change.contains("name=\"q1_2\"") && change.contains("Salbutamol"),
            "{change}"
        );
    });
}

#[test]
fn a_questionnaire_is_read_in_welsh_and_what_is_not_translated_is_marked_as_english() {
    on_each_database(async |ground| {
        let node = practice(ground).await;
        asks_by(&node, medicines()).await;
        let task = ask(&node, "patient").await;
        let mut jane = signed_in(&node, "/login", "jane").await;
        jane.get("/language?to=cy&next=/questionnaires").await;
        let list = jane.get("/questionnaires").await.text;
        assert!(list.contains(">Meddyginiaethau<"), "{list}");
        let here = format!("/questionnaires/{task}");
        let page = jane.get(&here).await.text;
        for shown in [
            "Meddyginiaethau",
            "Pa un?",
            "<span lang=\"en\">A medicine</span>",
            "lang=\"en\"",
            "Ychwanegu un arall",
        ] {
            assert!(page.contains(shown), "{shown}: {page}");
        }
        let legend = page.split("Bad sleep").next().unwrap();
        let legend = legend.rsplit('<').next().unwrap();
        assert!(legend.contains("lang=\"en\""), "{legend}");
        let option = page.split("None").next().unwrap();
        let option = option.rsplit('<').next().unwrap();
        assert!(option.contains("lang=\"en\""), "{option}");
        // Staff read what the Questionnaire itself says.
        let mut bo = signed_in(&node, "/staff/login", "bo").await;
        let preview = bo.get("/staff/questionnaires/asthma").await.text;
        assert!(
            preview.contains("Which?") && !preview.contains("lang=\"en\">A"),
            "{preview}"
        );
    });
}

const ANIMALS: &str = r#"{"resourceType":"CodeSystem","id":"animals","url":"urn:animals","version":"1","name":"Animals",
    "status":"active","content":"complete","valueSet":"urn:animals:all","concept":[
    {"code":"cat","display":"Cat"},{"code":"dog","display":"Dog"}]}"#;

#[test]
fn answers_come_from_a_value_set_of_the_nodes_and_responses_are_validated_against_it() {
    on_each_database(async |ground| {
        let node = practice(ground).await;
        let asked = json!({ "title": "Pets", "item": [
            { "linkId": "pet", "type": "choice", "text": "Which pet?", "required": true,
              "answerValueSet": "urn:animals:all" },
            { "linkId": "name", "type": "string", "text": "Its name",
              "enableWhen": [{ "question": "pet", "operator": "=", "answerCoding": { "system": "urn:animals", "code": "dog" } }] },
        ] });
        let system = asks_by(&node, asked).await;
        let put = system.put("/CodeSystem/animals", ANIMALS).await;
        assert!(put.status.is_success(), "{}", put.text());
        let task = ask(&node, "patient").await;
        let mut jane = signed_in(&node, "/login", "jane").await;
        let here = format!("/questionnaires/{task}");
        let page = jane.get(&here).await.text;
        assert!(page.contains("Cat") && page.contains("Dog"), "{page}");
        let wrong = write(&mut jane, &task, &[("q0", "7")]).await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
        let checked = write(&mut jane, &task, &[("q0", "1"), ("q1", "Rex")]).await;
        assert_eq!(
            checked.location(),
            format!("{here}/check"),
            "{}",
            checked.text
        );
        let of = field(&jane.get(&format!("{here}/check")).await.text, "of");
        jane.post(&format!("{here}/check"), &[("of", &of)]).await;
        let (made, _) = response(&node, &task).await.unwrap();
        assert_eq!(
            made["item"][0]["answer"][0]["valueCoding"],
            json!({ "system": "urn:animals", "code": "dog", "display": "Dog" })
        );

        let validate = async |response: &Value| {
            let path = "/QuestionnaireResponse/$validate";
            let answer = system.post(path, &response.to_string()).await;
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
            let told = answer.json();
            let issues = told["issue"].as_array().unwrap().iter();
            let errors = issues.filter(|it| it["severity"] == "error");
            let place = |it: &Value| it["expression"][0].as_str().unwrap_or_default().to_owned();
            errors.map(place).collect::<Vec<String>>()
        };
        assert_eq!(validate(&made).await, [""; 0]);
        let of = |item: Value| {
            json!({
                "resourceType": "QuestionnaireResponse", "status": "completed",
                "questionnaire": "https://handover.example/Questionnaire/asthma|2", "item": item,
            })
        };
        let coding =
            |code: &str| json!([{ "valueCoding": { "system": "urn:animals", "code": code } }]);
        let pet = "QuestionnaireResponse.item(linkId=pet)";
        let name = "QuestionnaireResponse.item(linkId=name)";
        for (item, places) in [
            (
                json!([{ "linkId": "pet", "answer": coding("hen") }]),
                vec![pet],
            ),
            (
                json!([{ "linkId": "pet", "answer": [{ "valueString": "dog" }] }]),
                vec![pet],
            ),
            (json!([{ "linkId": "pet" }]), vec![pet]),
            (
                json!([{ "linkId": "pet", "answer": coding("cat") }, { "linkId": "name", "answer": [{ "valueString": "Tom" }] }]),
                vec![name],
            ),
            (
                json!([{ "linkId": "pet", "answer": coding("cat") }, { "linkId": "other", "answer": [{ "valueString": "x" }] }]),
                vec!["QuestionnaireResponse.item(linkId=other)"],
            ),
        ] {
            let found = validate(&of(item.clone())).await;
            assert_eq!(found, places, "{item}");
        }
        // One that is to be finished later lacks nothing yet.
        let mut begun = of(json!([{ "linkId": "pet" }]));
        begun["status"] = json!("in-progress");
        assert_eq!(validate(&begun).await, [""; 0]);
    });
}
