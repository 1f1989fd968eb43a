//! Documents that a local system points at through the record locator's producer API.

use store::ask::{AskWrite, DocumentPointer, LocateWrite};
use store::{Effect, Job};

use super::*;

fn pointer(network: &Network) -> DocumentPointer {
    let own = network.ods(PHARMACY).to_string();
    let id = format!("{own}-plan-1");
    let body = json!({
        "resourceType": "DocumentReference", "id": id, "status": "current",
        "type": { "text": "Care plan" },
        "subject": { "identifier": { "system": "https://fhir.nhs.uk/Id/nhs-number", "value": UNA } },
        "custodian": { "identifier": { "value": own } },
        "content": [{ "attachment": { "contentType": "application/pdf", "url": "https://a.example/plan.pdf" } }],
    });
    DocumentPointer {
        id,
        custodian: own,
        nhs_number: UNA.into(),
        kind: "http://snomed.info/sct|736253002".into(),
        version: 1,
        at: 0,
        body: body.to_string(),
    }
}

/// What the producer API commits; `known` are those on record whom it finds by the number.
async fn locate(network: &Network, write: LocateWrite, known: &[&str]) {
    let mut job = Job::effect(Effect::Ask(AskWrite::Locate(write)));
    if !known.is_empty() {
        let patients = known.iter().map(|it| (*it).to_string()).collect();
        let located = AskWrite::Located { patients };
        job.effects.push(Effect::Ask(located));
    }
    network.store(PHARMACY).commit(&scope(), job).await.unwrap();
}

async fn create(network: &Network, known: &[&str]) {
    let write = LocateWrite::Create {
        pointer: Box::new(pointer(network)),
        replaces: Vec::new(),
    };
    locate(network, write, known).await;
}

async fn held(network: &Network) -> Vec<access::Ods> {
    let practice = network.store(PRACTICE);
    practice.pointers_held(UNA, BORN, "Ash").await.unwrap()
}

#[test]
fn a_document_that_a_system_points_at_is_told_to_the_practice_and_taken_back_with_it() {
    on_each_database(async |network, _| {
        network.register(PHARMACY, "una-p", UNA, "Ash", BORN).await;
        network
            .register(HOSPITAL, "una-there", UNA, "Ash", BORN)
            .await;
        point(network).await;
        assert!(held(network).await.is_empty(), "nothing is held of her yet");
        create(network, &["una-p"]).await;
        point(network).await;
        assert_eq!(held(network).await, [network.ods(PHARMACY)]);
        // A change of the document's pointer is nobody's news.
        let sent = *network.link.sent.lock();
        let mut changed = pointer(network);
        changed.body = changed.body.replace("plan.pdf", "plan-2.pdf");
        let write = LocateWrite::Update {
            pointer: Box::new(changed),
        };
        locate(network, write, &["una-p"]).await;
        point(network).await;
        assert_eq!(*network.link.sent.lock(), sent, "it is told once");
        // Whoever asks is told where it is.
        let shared = ask(network).await;
        let source = source(network, &shared, PHARMACY);
        assert_eq!((&source.state, source.count), (&SourceState::Answered, 1));
        let plan = shared.items.iter().find(|it| it.ty == "DocumentReference");
        let url = plan.unwrap().resource["content"][0]["attachment"]["url"].clone();
        assert_eq!(url, "https://a.example/plan-2.pdf");
        // Gone with the pointer, and not after an hour.
        let own = pointer(network);
        let write = LocateWrite::Delete {
            id: own.id,
            custodian: own.custodian,
        };
        locate(network, write, &["una-p"]).await;
        point(network).await;
        assert!(held(network).await.is_empty(), "it is withdrawn");
    });
}

#[test]
fn a_pointer_to_whom_is_not_on_record_yet_is_told_once_they_are() {
    on_each_database(async |network, _| {
        create(network, &[]).await;
        point(network).await;
        assert!(held(network).await.is_empty());
        network.register(PHARMACY, "una-p", UNA, "Ash", BORN).await;
        point(network).await;
        assert_eq!(held(network).await, [network.ods(PHARMACY)]);
    });
}

#[test]
fn p18_a_preference_of_before_comes_back_to_who_points_now_and_is_obeyed_in_its_answers() {
    on_each_database(async |network, _| {
        network.register(PHARMACY, "una-p", UNA, "Ash", BORN).await;
        network
            .register(HOSPITAL, "una-there", UNA, "Ash", BORN)
            .await;
        let text = crate::sharing::consent("una", "active", &["DocumentReference"]);
        network.put(PRACTICE, "wish", &text).await;
        let practice = network.nodes[PRACTICE].clone();
        practice.tell_sharing().await.unwrap();
        create(network, &["una-p"]).await;
        point(network).await;
        assert_eq!(practice.tell_sharing().await.unwrap(), 1, "it is due again");
        practice.serve(&network.ods(PHARMACY)).await;
        let store = network.store(PRACTICE);
        let told = store.tellings(&scope(), "una").await.unwrap();
        let pharmacy = network.ods(PHARMACY);
        let it = told.iter().find(|it| it.organisation == pharmacy.as_str());
        assert!(it.is_some_and(|it| it.told_at.is_some()), "{told:?}");
        // The hospital, which she does not want to see documents, is not told of it.
        let shared = ask(network).await;
        assert!(!shared.items.iter().any(|it| it.ty == "DocumentReference"));
        let source = source(network, &shared, PHARMACY);
        assert_eq!(source.withheld, ["DocumentReference"]);
    });
}
