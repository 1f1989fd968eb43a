//! Topics that somebody stored, and what subscriptions to them are held to.

use store::testing::on_each_database;

use super::{BACKPORT, Hook, JANE, StatusCode, observation, ready, status, subscription, work};

/// What subscriptions name the topic by.
pub const URL: &str = "https://example.org/topics/new-observation";

/// A topic of new observations that are final, filtered by `subject`, told with the patient.
pub fn topic(change: impl Fn(String) -> String) -> String {
    let element = "http://hl7.org/fhir/5.0/StructureDefinition/extension-SubscriptionTopic";
    change(format!(
        r#"{{"resourceType":"Basic","id":"t","code":{{"coding":[{{"system":"http://hl7.org/fhir/fhir-types","code":"SubscriptionTopic"}}]}},
        "extension":[{{"url":"{element}.url","valueUri":"{URL}"}},
        {{"url":"{element}.resourceTrigger","extension":[{{"url":"resource","valueUri":"http://hl7.org/fhir/StructureDefinition/Observation"}},
          {{"url":"supportedInteraction","valueCode":"create"}},
          {{"url":"queryCriteria","extension":[{{"url":"current","valueString":"status=final"}}]}}]}},
        {{"url":"{element}.canFilterBy","extension":[{{"url":"resource","valueUri":"Observation"}},{{"url":"filterParameter","valueString":"subject"}}]}},
        {{"url":"{element}.notificationShape","extension":[{{"url":"resource","valueUri":"Observation"}},{{"url":"include","valueString":"Observation:subject"}}]}}]}}"#
    ))
}

pub fn to_topic(url: &str, filter: &str) -> String {
    let channel = format!(
        r#","payload":"application/fhir+json","_payload":{{"extension":[{{"url":"{BACKPORT}payload-content","valueCode":"full-resource"}}]}}"#
    );
    let filter = format!(
        r#","_criteria":{{"extension":[{{"url":"{BACKPORT}filter-criteria","valueString":"{filter}"}}]}},"channel""#
    );
    subscription(URL, url, &channel).replacen(",\"channel\"", &filter, 1)
}

#[test]
fn a_subscription_is_held_to_its_topic() {
    on_each_database(async |ground| {
        let (node, bo) = ready(ground).await;
        let hook = Hook::open(&[]).await;
        let asked = to_topic(&hook.url, "Observation?subject=Patient/jane");
        // There is no such topic yet.
        let refused = bo.put("/Subscription/s", &asked).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert_eq!(refused.issue().1, "Subscription.criteria");
        let made = bo.put("/Basic/t", &topic(|it| it)).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        for wrong in [
            "Observation?code=8480-6",
            "Observation?subject:missing=true",
            "Patient?subject=Patient/jane",
        ] {
            let refused = bo.put("/Subscription/s", &to_topic(&hook.url, wrong)).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{wrong}");
            assert_eq!(refused.issue().1, "Subscription.criteria");
        }
        let made = bo.put("/Subscription/s", &asked).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        work(&node).await;
        assert!(hook.heard()[0].contains("\"handshake\""));
        bo.put("/Patient/john", &JANE.replace("jane", "john")).await;
        for (id, who) in [("o1", "jane"), ("o2", "john")] {
            bo.put(&format!("/Observation/{id}"), &observation(id, who))
                .await;
        }
        let draft = observation("o3", "jane").replace("final", "preliminary");
        bo.put("/Observation/o3", &draft).await;
        work(&node).await;
        // A change of what is known already is no creation.
        let changed = observation("o1", "jane").replace("1.50", "1.60");
        bo.put("/Observation/o1", &changed).await;
        work(&node).await;
        let heard = hook.heard();
        assert_eq!(heard.len(), 2, "{heard:?}");
        assert!(heard[1].contains(URL) && heard[1].contains("Observation/o1"));
        // What the topic's shape says goes with it.
        assert!(heard[1].contains("\"family\":\"Example\""), "{}", heard[1]);
        // Without its topic a subscription does not stop without a word.
        bo.send("DELETE", "/Basic/t", &[], "").await;
        bo.put("/Observation/o4", &observation("o4", "jane")).await;
        work(&node).await;
        assert_eq!(status(&bo).await, "error");
        let told = bo.get("/Subscription/s/$status").await.text();
        assert!(told.contains("Its topic is not there any more."), "{told}");
        node.store.clone().close().await;
    });
}

#[test]
fn a_topic_that_the_node_cannot_hold_to_is_refused_when_it_is_stored() {
    on_each_database(async |ground| {
        let (node, bo) = ready(ground).await;
        for (from, to) in [
            ("\"create\"", "\"frob\""),
            (
                r#""current","valueString":"status=final""#,
                r#""previous","valueString":"subject.name=x""#,
            ),
            (
                r#"{"url":"current","#,
                r#"{"url":"resultForCreate","valueCode":"perhaps"},{"url":"current","#,
            ),
            (
                r#"{"url":"queryCriteria","#,
                r#"{"url":"fhirPathCriteria","valueString":"%previous.frob("},{"url":"queryCriteria","#,
            ),
            ("status=final", "frob=final"),
            (
                "StructureDefinition/Observation\"}",
                "StructureDefinition/Nonsense\"}",
            ),
            ("Observation:subject", "Observation:frob"),
            (URL, "nowhere"),
            ("resourceTrigger", "eventTrigger"),
        ] {
            let wrong = topic(|it| it.replace(from, to));
            let refused = bo.put("/Basic/t", &wrong).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{to}");
            assert_eq!(refused.issue().1, "Basic.extension");
        }
        assert_eq!(
            bo.put("/Basic/t", &topic(|it| it)).await.status,
            StatusCode::CREATED
        );
        // An address is one topic's.
        let second = topic(|it| it.replace("\"id\":\"t\"", "\"id\":\"u\""));
        let refused = bo.put("/Basic/u", &second).await;
        assert!(refused.status.is_client_error(), "{}", refused.status);
        node.store.clone().close().await;
    });
}

/// A topic of an event that HL7 v2 has a name for: a record was given up for another one (A40).
fn of_merges() -> String {
    let element = "http://hl7.org/fhir/5.0/StructureDefinition/extension-SubscriptionTopic";
    format!(
        r#"{{"resourceType":"Basic","id":"t","code":{{"coding":[{{"system":"http://hl7.org/fhir/fhir-types","code":"SubscriptionTopic"}}]}},
        "extension":[{{"url":"{element}.url","valueUri":"{URL}"}},
        {{"url":"{element}.eventTrigger","extension":[
          {{"url":"event","valueCodeableConcept":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/v2-0003","code":"A40"}}]}}}},
          {{"url":"resource","valueUri":"http://hl7.org/fhir/StructureDefinition/Patient"}}]}}]}}"#
    )
}

#[test]
fn a_topic_of_an_event_tells_of_that_event_alone() {
    on_each_database(async |ground| {
        let (node, bo) = ready(ground).await;
        let hook = Hook::open(&[]).await;
        let unknown = bo.put("/Basic/t", &of_merges().replace("A40", "Z99")).await;
        assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
        assert!(unknown.text().contains("A40"), "{}", unknown.text());
        let made = bo.put("/Basic/t", &of_merges()).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        let channel = format!(
            r#","payload":"application/fhir+json","_payload":{{"extension":[{{"url":"{BACKPORT}payload-content","valueCode":"id-only"}}]}}"#
        );
        let asked = subscription(URL, &hook.url, &channel);
        let made = bo.put("/Subscription/s", &asked).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        work(&node).await;
        // New people and changes of people are other events.
        bo.put("/Patient/john", &JANE.replace("jane", "john")).await;
        bo.put("/Patient/jane", &JANE.replace("Example", "Other"))
            .await;
        work(&node).await;
        assert_eq!(hook.heard().len(), 1, "the handshake: {:?}", hook.heard());
        let mut given_up: serde_json::Value = serde_json::from_str(JANE).unwrap();
        given_up["link"] = serde_json::json!([
            { "other": { "reference": "Patient/john" }, "type": "replaced-by" },
        ]);
        let put = bo.put("/Patient/jane", &given_up.to_string()).await;
        assert_eq!(put.status, StatusCode::OK, "{}", put.text());
        work(&node).await;
        let heard = hook.heard();
        assert_eq!(heard.len(), 2, "{heard:?}");
        assert!(heard[1].contains(URL) && heard[1].contains("Patient/jane"));
        node.store.clone().close().await;
    });
}
