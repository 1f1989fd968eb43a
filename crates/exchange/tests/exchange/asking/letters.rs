//! A letter that another organisation holds is opened here.

use exchange::ask::{Closed, LetterState, SharedLetter};
use serde_json::json;

use super::{asking, log, person, stocked};
use crate::link::Fate;
use crate::network::{HOSPITAL, Network, PRACTICE, on_each_database};
use crate::sharing::consent;

/// The practice's letter about Una, of a text and a PDF; and one part of it that is somebody else's.
async fn written(network: &Network) {
    let binary = |patient: &str, content_type: &str, data: &str| {
        json!({ "resourceType": "Binary", "contentType": content_type, "data": data,
            "securityContext": { "reference": format!("Patient/{patient}") } })
        .to_string()
    };
    network
        .put(
            PRACTICE,
            "text",
            &binary("una", "text/plain", "RGVhciBjb2xsZWFndWU="),
        )
        .await;
    network
        .put(
            PRACTICE,
            "pdf",
            &binary("una", "application/pdf", "JVBERi0xLjQ="),
        )
        .await;
    network
        .put(PRACTICE, "otto", &binary("otto", "text/plain", "T3R0bw=="))
        .await;
    let part = |id: &str| json!({ "attachment": { "url": format!("Binary/{id}") } });
    let letter = json!({
        "resourceType": "DocumentReference",
        "status": "current",
        "description": "Advice about iron",
        "subject": { "reference": "Patient/una" },
        "content": [part("text"), part("pdf"), part("otto")],
    });
    network.put(PRACTICE, "advice", &letter.to_string()).await;
}

async fn open(network: &Network, id: &str) -> SharedLetter {
    let scope = asking(network).await;
    let source = network.ods(PRACTICE);
    let node = &network.nodes[HOSPITAL];
    let opened = node.shared_letter(&scope, ("una-there", person()), (&source, id));
    opened.await.unwrap()
}

#[test]
fn p28_a_letter_elsewhere_is_opened_with_its_content_and_both_sides_log_who_opened_it() {
    on_each_database(async |network, _| {
        stocked(network).await;
        written(network).await;
        let letter = open(network, "advice").await;
        assert_eq!(letter.state, LetterState::Answered);
        assert_eq!(letter.entry.unwrap()["description"], "Advice about iron");
        let parts: Vec<(&str, &[u8])> = letter
            .parts
            .iter()
            .map(|it| (it.content_type.as_str(), it.bytes.as_slice()))
            .collect();
        assert_eq!(
            parts,
            [
                ("text/plain", &b"Dear colleague"[..]),
                ("application/pdf", b"%PDF-1.4")
            ]
        );
        assert!(
            letter.is_cut,
            "the part of somebody else's does not come, and that is said"
        );
        for at in [HOSPITAL, PRACTICE] {
            let lines = log(network, at).await;
            let query = lines[0].target.query.as_deref().unwrap_or_default();
            assert!(query.contains("advice"), "{query}");
            assert_eq!(lines[0].agent.name, "Nura Nurse");
        }
        assert_eq!(open(network, "nothing").await.state, LetterState::Gone);
        // A letter under a seal is as one that is not there.
        let scope = asking(network).await;
        let own = network.ods(HOSPITAL);
        let itself =
            network.nodes[HOSPITAL].shared_letter(&scope, ("una-there", person()), (&own, "x"));
        assert!(itself.await.is_err());
    });
}

#[test]
fn p18_a_letter_that_the_patient_keeps_back_is_withheld_and_no_copy_of_it_is_shown() {
    on_each_database(async |network, _| {
        stocked(network).await;
        written(network).await;
        assert_eq!(open(network, "advice").await.state, LetterState::Answered);
        let wish = consent("una", "active", &["DocumentReference"]);
        network.put(PRACTICE, "wish", &wish).await;
        let letter = open(network, "advice").await;
        assert_eq!(
            (letter.state, letter.parts.len()),
            (LetterState::Withheld, 0)
        );
        // It was withheld: what was kept of before is shown no more, should the practice be silent now.
        network.link.set(|_, _| Fate::Lost);
        let letter = open(network, "advice").await;
        assert!(
            matches!(
                letter.state,
                LetterState::Silent {
                    copy_from: None,
                    ..
                }
            ),
            "{:?}",
            letter.state
        );
        assert!(letter.parts.is_empty());
        // And where the wish is known here, nobody is asked.
        network.link.set(|_, _| Fate::Fine);
        network.send(network.letter("1")).await;
        network.carry().await;
        network.nodes[PRACTICE].tell_sharing().await.unwrap();
        network.nodes[PRACTICE].serve(&network.ods(HOSPITAL)).await;
        let letter = open(network, "advice").await;
        assert_eq!(letter.state, LetterState::Closed(Closed::Unwanted));
    });
}

#[test]
fn a_letter_whose_source_is_silent_is_shown_as_it_was_and_says_so() {
    on_each_database(async |network, _| {
        stocked(network).await;
        written(network).await;
        let at = network.clock.now();
        assert_eq!(open(network, "advice").await.parts.len(), 2);
        network.link.set(|_, _| Fate::Lost);
        let letter = open(network, "advice").await;
        match letter.state {
            LetterState::Silent { copy_from, .. } => assert_eq!(copy_from, Some(at)),
            other => panic!("{other:?}"),
        }
        assert_eq!(letter.parts.len(), 2);
        // Not for longer than answers are kept.
        network.clock.advance(25 * 3_600_000);
        let letter = open(network, "advice").await;
        assert!(letter.parts.is_empty());
    });
}
