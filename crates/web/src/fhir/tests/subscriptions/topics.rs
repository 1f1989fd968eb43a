//! Topics that somebody stored, and what subscriptions to them are held to.

use store::testing::on_each_database;

use super::{BACKPORT, Hook, JANE, StatusCode, observation, ready, status, subscription, work};

const URL: &str = "https://example.org/topics/new-observation";

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
