use access::{Interaction, Ods, Role};
use exchange::jws::{self, Statement};
use exchange::manifest::Manifest;
use exchange::receipt::{Receipt, Receipts};
use exchange::wire::{Inline, Parcels, SendParcels, SendReceipts, write};
use fhir::problem::Kind;
use store::parcels::{Action, Show, State};

use crate::network::{HOSPITAL, Network, PHARMACY, PRACTICE, on_each_database};

const CONTENT: &[u8] = b"A letter.";

fn text(id: &str, from: &str, to: &str) -> String {
    serde_json::json!({
        "id": id, "from": from, "to": to, "kind": "letter",
        "made_at": "2026-01-05T09:00:00.000Z", "title": "A letter", "author": "Dr A Bee",
        "urgent": false, "marks": [], "document": "D1",
        "patient": {"nhs_number": "9434765919", "birth_date": "1980-02-01",
            "family": "Ash", "given": "Una"},
        "contents": [{"sha256": exchange::keys::sha256_hex(CONTENT), "size": CONTENT.len(),
            "content_type": "text/plain"}]
    })
    .to_string()
}

/// A request signed by one node.
fn request(network: &Network, signer: usize, from: &str, to: &str, texts: &[String]) -> Vec<u8> {
    let manifest = Manifest {
        protocol: 1,
        from: from.into(),
        to: to.into(),
        parcels: texts.to_vec(),
    };
    let key = network.identity(signer).signing();
    let manifest = jws::sign(&key, Statement::Manifest, &manifest).unwrap();
    let digest = exchange::keys::sha256_hex(CONTENT);
    let contents = vec![Inline::new(&digest, CONTENT)];
    write(&SendParcels { manifest, contents }).unwrap()
}

async fn receipts(network: &Network, peer: &Ods, body: &[u8]) -> Vec<Receipt> {
    let answer = network.nodes[PRACTICE]
        .take_parcels(peer, body)
        .await
        .unwrap();
    let answer: Parcels = serde_json::from_slice(&answer).unwrap();
    let key = network.identity(PRACTICE).signing().public().clone();
    let receipts: Receipts =
        jws::verify(&answer.receipts, Statement::Receipts, |_| Some(key)).unwrap();
    receipts.receipts
}

/// A23 of the adversaries.
#[test]
fn a23_a_member_who_sends_as_another_or_relabels_is_refused() {
    on_each_database(async |network, _| {
        let (pharmacy, hospital) = (network.ods(PHARMACY), network.ods(HOSPITAL));
        let practice = &network.nodes[PRACTICE];
        let hospitals = [text("p1", "RZZ01", "A81001")];
        let theirs = request(network, HOSPITAL, "RZZ01", "A81001", &hospitals);
        // A manifest that the hospital signed, on the pharmacy's connection.
        let refused = practice.take_parcels(&pharmacy, &theirs).await.unwrap_err();
        assert_eq!(refused.kind, Kind::Security);
        // The pharmacy signs in the hospital's name.
        let forged = request(network, PHARMACY, "RZZ01", "A81001", &hospitals);
        for peer in [&pharmacy, &hospital] {
            let refused = practice.take_parcels(peer, &forged).await.unwrap_err();
            assert_eq!(refused.kind, Kind::Security);
        }
        // The pharmacy puts the hospital's parcel under its own manifest.
        let relabelled = request(network, PHARMACY, "FZZ01", "A81001", &hospitals);
        let told = receipts(network, &pharmacy, &relabelled).await;
        assert_eq!(told[0].state, "refused");
        // A parcel for another receiver.
        let elsewhere = request(network, HOSPITAL, "RZZ01", "FZZ01", &hospitals);
        let refused = practice
            .take_parcels(&hospital, &elsewhere)
            .await
            .unwrap_err();
        assert_eq!(refused.kind, Kind::Security);
        assert!(network.list(PRACTICE, Show::AllIn).await.is_empty());
        practice.take_parcels(&hospital, &theirs).await.unwrap();
        assert_eq!(network.list(PRACTICE, Show::AllIn).await.len(), 1);
    });
}

#[test]
fn the_same_request_gets_the_same_answer_to_the_letter() {
    on_each_database(async |network, _| {
        let hospital = network.ods(HOSPITAL);
        let texts = [text("p1", "RZZ01", "A81001"), text("p2", "RZZ01", "A81001")];
        let body = request(network, HOSPITAL, "RZZ01", "A81001", &texts);
        let first = network.nodes[PRACTICE]
            .take_parcels(&hospital, &body)
            .await
            .unwrap();
        network.clock.advance(60_000);
        let (again, and_again) = tokio::join!(
            network.nodes[PRACTICE].take_parcels(&hospital, &body),
            network.nodes[PRACTICE].take_parcels(&hospital, &body)
        );
        assert_eq!(first, again.unwrap());
        assert_eq!(first, and_again.unwrap());
        while network.nodes[PRACTICE].take_in().await.unwrap() > 0 {}
        let after = network.nodes[PRACTICE]
            .take_parcels(&hospital, &body)
            .await
            .unwrap();
        assert_eq!(first, after);
        assert_eq!(network.taken_in().await, 2);
    });
}

#[test]
fn a_known_id_with_another_text_is_refused_and_the_first_stays() {
    on_each_database(async |network, _| {
        let hospital = network.ods(HOSPITAL);
        let first = text("p1", "RZZ01", "A81001");
        let other = first.replace("A letter", "Another letter");
        let body = request(network, HOSPITAL, "RZZ01", "A81001", &[first]);
        assert_eq!(
            receipts(network, &hospital, &body).await[0].state,
            "delivered"
        );
        let body = request(network, HOSPITAL, "RZZ01", "A81001", &[other]);
        let told = receipts(network, &hospital, &body).await;
        assert_eq!((told[0].state.as_str(), told[0].seq), ("refused", 0));
        let letter = network.received().await;
        assert_eq!(letter.title, "A letter");
        assert_eq!(network.item(PRACTICE, letter.pid).await.tampered, 1);
    });
}

#[test]
fn one_bad_parcel_does_not_hold_up_the_others_and_its_sender_is_told_why() {
    on_each_database(async |network, _| {
        let hospital = network.ods(HOSPITAL);
        let good = text("good", "RZZ01", "A81001");
        let bad = text("bad", "RZZ01", "A81001").replace("\"letter\"", "\"prescription\"");
        let body = request(network, HOSPITAL, "RZZ01", "A81001", &[bad, good]);
        let told = receipts(network, &hospital, &body).await;
        let state = |id: &str| {
            told.iter()
                .find(|it| it.parcel == id)
                .unwrap()
                .state
                .clone()
        };
        assert_eq!(state("good"), "delivered");
        assert_eq!(state("bad"), "refused");
        let nameless = request(network, HOSPITAL, "RZZ01", "A81001", &["{}".to_string()]);
        assert!(
            network.nodes[PRACTICE]
                .take_parcels(&hospital, &nameless)
                .await
                .is_err()
        );
    });
}

#[test]
fn a_content_that_is_not_what_its_digest_says_is_refused() {
    on_each_database(async |network, _| {
        let hospital = network.ods(HOSPITAL);
        let texts = [text("p1", "RZZ01", "A81001")];
        let body = request(network, HOSPITAL, "RZZ01", "A81001", &texts);
        let mut request: SendParcels = serde_json::from_slice(&body).unwrap();
        let digest = request.contents[0].sha256.clone();
        request.contents[0] = Inline::new(&digest, b"Other words.");
        let body = write(&request).unwrap();
        let refused = network.nodes[PRACTICE]
            .take_parcels(&hospital, &body)
            .await
            .unwrap_err();
        assert_eq!(refused.kind, Kind::Value);
        assert!(network.list(PRACTICE, Show::AllIn).await.is_empty());
    });
}

#[test]
fn what_is_refused_for_good_goes_before_a_person_and_is_refused_again_when_sent_again() {
    on_each_database(async |network, _| {
        let hospital = network.ods(HOSPITAL);
        let first = [text("p1", "RZZ01", "A81001")];
        let body = request(network, HOSPITAL, "RZZ01", "A81001", &first);
        assert_eq!(
            receipts(network, &hospital, &body).await[0].state,
            "delivered"
        );
        let pid = network.send(network.letter("p1")).await;
        for refusals in 1..=2 {
            network.carry().await;
            let item = network.item(HOSPITAL, pid).await;
            assert_eq!(item.letter.state, State::Undeliverable);
            let reason = item.letter.reason.unwrap();
            assert!(reason.contains("under this id"), "{reason}");
            let refused = item.events.iter().filter(|it| it.event == "refused");
            assert_eq!(refused.count(), refusals);
            let scope = network.staff(HOSPITAL, "Cleo", Role::Clerk, Interaction::SendLetter);
            network
                .store(HOSPITAL)
                .act(&scope, pid, Action::SendAgain)
                .await
                .unwrap();
        }
    });
}

#[test]
fn a_parcel_that_the_other_side_calls_malformed_does_not_hold_up_the_rest() {
    on_each_database(async |network, _| {
        let mut pids = Vec::new();
        for id in ["a", "b", "bad", "c", "d"] {
            pids.push(network.send(network.letter(id)).await);
        }
        *network.link.poison.lock() = Some("D-bad".into());
        network.carry().await;
        let mut states = Vec::new();
        for pid in pids {
            states.push(network.state(HOSPITAL, pid).await);
        }
        let (fine, bad) = (State::Delivered, State::Undeliverable);
        assert_eq!(states, [fine, fine, bad, fine, fine]);
        let letter = network.list(HOSPITAL, Show::Failed).await.remove(0);
        assert_eq!(
            letter.reason.as_deref(),
            Some("The other node answered 400: no.")
        );
    });
}

/// Receipts as one node might make them up.
fn made_up(network: &Network, signer: usize, state: &str, digest: &str) -> Vec<u8> {
    let ods = network.ods(signer).to_string();
    let receipt = Receipt {
        sender: "RZZ01".into(),
        parcel: "p1".into(),
        digest: digest.into(),
        state: state.into(),
        at: network.clock.now(),
        seq: 9,
        who: String::new(),
        role: String::new(),
        note: String::new(),
    };
    let receipts = Receipts {
        protocol: 1,
        from: ods,
        to: "RZZ01".into(),
        receipts: vec![receipt],
    };
    let key = network.identity(signer).signing();
    let receipts = jws::sign(&key, Statement::Receipts, &receipts).unwrap();
    write(&SendReceipts { receipts }).unwrap()
}

#[test]
fn only_the_receiver_tells_what_became_of_a_parcel_and_only_of_that_one() {
    on_each_database(async |network, _| {
        let pid = network.send(network.letter("p1")).await;
        network.carry().await;
        let digest = network.store(HOSPITAL);
        let scope = access::Scope::system(access::SystemPurpose::Measure);
        assert!(
            digest
                .made_of(&scope, "RZZ01", "p1")
                .await
                .unwrap()
                .is_some()
        );
        let (pharmacy, practice) = (network.ods(PHARMACY), network.ods(PRACTICE));
        let digest = "0".repeat(64);
        for (signer, peer, state) in [
            (PHARMACY, &pharmacy, "filed"),
            (PRACTICE, &practice, "filed"),
            (PRACTICE, &practice, "withdrawn"),
            (PRACTICE, &practice, "undeliverable"),
        ] {
            let body = made_up(network, signer, state, &digest);
            let answer = network.nodes[HOSPITAL]
                .take_receipts(peer, &body)
                .await
                .unwrap();
            let answer = String::from_utf8(answer).unwrap();
            assert!(answer.contains("\"refused\""), "{state}: {answer}");
        }
        let body = made_up(network, PHARMACY, "filed", &digest);
        let refused = network.nodes[HOSPITAL]
            .take_receipts(&practice, &body)
            .await
            .unwrap_err();
        assert_eq!(refused.kind, Kind::Security);
        assert_eq!(network.state(HOSPITAL, pid).await, State::Delivered);
    });
}

/// A parcel about the patient of that number, or of that name where it is none, with one content.
fn parcel(id: &str, (whose, urgent): (&str, bool), (sha256, size): (&str, u64)) -> String {
    let mut parcel: serde_json::Value = serde_json::from_str(&text(id, "RZZ01", "A81001")).unwrap();
    let patient = parcel["patient"].as_object_mut().unwrap();
    if whose.len() == 10 {
        patient.insert("nhs_number".into(), whose.into());
    } else {
        patient.remove("nhs_number");
        patient.insert("family".into(), whose.into());
    }
    parcel["urgent"] = urgent.into();
    parcel["contents"][0]["sha256"] = sha256.into();
    parcel["contents"][0]["size"] = size.into();
    parcel.to_string()
}

#[test]
fn what_follows_about_a_patient_waits_for_a_parcel_that_could_not_be_stored() {
    on_each_database(async |network, _| {
        let hospital = network.ods(HOSPITAL);
        let una = crate::network::UNA;
        let words = |id: &str| format!("Words of {id}.");
        let digest = |id: &str| exchange::keys::sha256_hex(words(id).as_bytes());
        let sent = |id: &str, whose: (&str, bool)| {
            parcel(id, whose, (&digest(id), words(id).len() as u64))
        };
        let inline = |id: &str| Inline::new(&digest(id), words(id).as_bytes());
        // As much is begun and not finished as a neighbour may have: what is missing now cannot be asked for.
        let filling: Vec<String> = (0..11)
            .map(|n| {
                let size = if n == 10 { 24 << 20 } else { 100 << 20 };
                let whose = format!("Oak {n}");
                parcel(
                    &format!("f{n}"),
                    (&whose, true),
                    (&format!("{n:064x}"), size),
                )
            })
            .collect();
        let body = request(network, HOSPITAL, "RZZ01", "A81001", &filling);
        assert!(receipts(network, &hospital, &body).await.is_empty());
        let all = [
            sent("first", (una, false)),
            sent("second", (una, false)),
            sent("third", (una, false)),
            sent("urgent", (una, true)),
            sent("another", ("9990000026", false)),
        ];
        let body = request(network, HOSPITAL, "RZZ01", "A81001", &all);
        let mut whole: SendParcels = serde_json::from_slice(&body).unwrap();
        whole.contents = ["second", "third", "urgent", "another"]
            .map(inline)
            .to_vec();
        let body = write(&whole).unwrap();
        let told = receipts(network, &hospital, &body).await;
        let stored: Vec<&str> = told.iter().map(|it| it.parcel.as_str()).collect();
        assert_eq!(stored, ["urgent", "another"]);
        // What comes again whole is stored, in its order.
        whole.contents.push(inline("first"));
        let told = receipts(network, &hospital, &write(&whole).unwrap()).await;
        assert!(told.iter().all(|it| it.state == "delivered"), "{told:?}");
        let mut stored: Vec<&str> = told.iter().map(|it| it.parcel.as_str()).collect();
        stored.sort_unstable();
        assert_eq!(stored, ["another", "first", "second", "third", "urgent"]);
        let mut letters = network.list(PRACTICE, Show::AllIn).await;
        letters.sort_by_key(|it| it.pid);
        assert_eq!(letters.len(), 5);
    });
}
