//! A discharge goes from the hospital to the practice and the pharmacy in one act, to each what it needs.

use access::{Interaction, Role, Scope, SystemPurpose};
use exchange::discharge::{Amends, Discharge, Earlier, Fate, Hidden, KIND, Medicine, Signing};
use serde_json::{Value, json};
use store::Reading;
use store::drafts::{DraftWrite, NewDraft};
use store::parcels::{Action, ListFilter, Show, State};
use store::{Effect, Job};

use crate::network::{HOSPITAL, Network, PHARMACY, PRACTICE, UNA, on_each_database};

fn scope() -> Scope {
    Scope::system(SystemPurpose::Measure)
}

/// A clerk looks at the board.
fn board_scope(network: &Network) -> Scope {
    network.staff(HOSPITAL, "ann", Role::Clerk, Interaction::Sent)
}

fn written() -> Discharge {
    let medicine = |name: &str, fate, reason: &str| Medicine {
        name: name.into(),
        dose: "one a day".into(),
        fate,
        reason: reason.into(),
    };
    Discharge {
        admitted: "2026-01-02".into(),
        discharged: "2026-01-05".into(),
        diagnoses: "Canary-diagnosis".into(),
        course: "Canary-course".into(),
        allergies: "Canary-allergy".into(),
        medicines: vec![
            medicine("Canary-stopped", Fate::Stopped, "rash"),
            medicine("Canary-continued", Fate::Continued, ""),
        ],
        gp_actions: "Canary-action".into(),
        care_needs: "Canary-care".into(),
        contacts: "Canary-contact".into(),
        told: "Canary-told".into(),
        practice: "A81001".into(),
        pharmacy: "FZZ01".into(),
        // It has no node.
        social_care: "8AA01".into(),
        ..Discharge::default()
    }
}

fn una() -> Value {
    json!({
        "resourceType": "Patient", "id": "una-there", "birthDate": "1980-02-01",
        "identifier": [{ "system": "https://fhir.nhs.uk/Id/nhs-number", "value": UNA }],
        "name": [{ "family": "Ash", "given": ["Una"] }],
    })
}

/// The hospital knows Una, and somebody has begun a draft.
async fn begun(network: &Network) {
    for (at, id) in [(HOSPITAL, "una-there"), (PHARMACY, "una-p")] {
        network.register(at, id, UNA, "Ash", "1980-02-01").await;
    }
    let begin = DraftWrite::Begin(Box::new(NewDraft {
        id: "d1".into(),
        kind: KIND,
        patient: "una-there".into(),
        account: 7,
        author: "Dr Bo".into(),
        body: serde_json::to_string(&written()).unwrap(),
    }));
    let job = Job::effect(Effect::Draft(begin));
    let store = network.store(HOSPITAL);
    store.commit(&scope(), job).await.unwrap();
}

fn signed(network: &Network, version: i64) -> Job {
    signed_as(network, &written(), version)
}

fn signed_as(network: &Network, discharge: &Discharge, version: i64) -> Job {
    let now = network.clock.now();
    let by = Signing {
        draft: "d1",
        version,
        patient: &una(),
        signer: "Dr Bo",
        from: "The hospital",
        hidden: Hidden::default(),
        earlier: Earlier::default(),
        release_at: now + 86_400_000,
        now,
    };
    let node = &network.nodes[HOSPITAL];
    node.sign_discharge(discharge, &by).unwrap()
}

/// All that one organisation holds of Una, and of parcels for it.
async fn held(network: &Network, at: usize, patient: &str) -> String {
    let store = network.store(at);
    let search = fhir::search::Search::all(fhir::search::ALL_TYPES, 100).within_patient(patient);
    let page = store.search(&scope(), &search).await.unwrap();
    let mut all = String::new();
    for version in &page.entries {
        let body: Value = serde_json::from_slice(&version.body).unwrap();
        all.push_str(&body.to_string());
        if let Some(data) = body["data"].as_str() {
            use base64::Engine as _;
            let bytes = base64::engine::general_purpose::STANDARD.decode(data);
            all.push_str(&String::from_utf8(bytes.unwrap()).unwrap());
        }
    }
    all
}

#[test]
fn a_discharge_reaches_each_reader_with_what_it_needs_and_waits_for_who_has_no_node() {
    on_each_database(async |network, _| {
        begun(network).await;
        let job = signed(network, 1);
        let store = network.store(HOSPITAL);
        store.commit(&scope(), job).await.unwrap();
        network.carry().await;
        let pharmacy = network.ods(PHARMACY);
        assert!(network.nodes[HOSPITAL].serve(&pharmacy).await);
        network.nodes[PHARMACY].take_in().await.unwrap();
        let practice = held(network, PRACTICE, "una").await;
        let pharmacy = held(network, PHARMACY, "una-p").await;
        for (canary, told_practice, told_pharmacy) in [
            ("Canary-diagnosis", true, false),
            ("Canary-course", true, false),
            ("Canary-allergy", true, true),
            ("Canary-stopped", true, true),
            ("Canary-continued", true, false),
            ("Canary-action", true, false),
            ("Canary-care", true, false),
            ("Canary-contact", true, false),
            ("Canary-told", true, false),
        ] {
            assert_eq!(practice.contains(canary), told_practice, "{canary}");
            assert_eq!(pharmacy.contains(canary), told_pharmacy, "{canary}");
        }
        // Who has no node is not forgotten: it stands on the work list, with the reason.
        network.nodes[HOSPITAL]
            .serve(&access::Ods::parse("8AA01").unwrap())
            .await;
        let waits = store.waits(&scope(), 10).await.unwrap();
        let [waiting] = waits.as_slice() else {
            panic!("{waits:?}")
        };
        assert_eq!(waiting.other, "8AA01");
        assert!(!waiting.reason.is_empty(), "{waiting:?}");
        let board = ListFilter::new(Show::AllOut);
        let letters = store.letters(&board_scope(network), &board).await.unwrap();
        assert_eq!(letters.letters.len(), 3);
    });
}

#[test]
fn social_care_with_a_node_gets_the_care_needs_and_nothing_else_of_a_discharge() {
    on_each_database(async |network, _| {
        begun(network).await;
        // The third node is social care's this time, and the pharmacy has none.
        let discharge = Discharge {
            pharmacy: "FZZ99".into(),
            social_care: "FZZ01".into(),
            ..written()
        };
        let job = signed_as(network, &discharge, 1);
        let store = network.store(HOSPITAL);
        store.commit(&scope(), job).await.unwrap();
        network.carry().await;
        let care = network.ods(PHARMACY);
        assert!(network.nodes[HOSPITAL].serve(&care).await);
        network.nodes[PHARMACY].take_in().await.unwrap();
        let care = held(network, PHARMACY, "una-p").await;
        let practice = held(network, PRACTICE, "una").await;
        for (canary, is_told) in [
            ("Canary-care", true),
            ("Canary-contact", true),
            ("Canary-diagnosis", false),
            ("Canary-course", false),
            ("Canary-allergy", false),
            ("Canary-stopped", false),
            ("Canary-continued", false),
            ("Canary-action", false),
            ("Canary-told", false),
        ] {
            assert_eq!(care.contains(canary), is_told, "{canary}: {care}");
            assert!(practice.contains(canary), "{canary}");
        }
    });
}

/// One commit or none: what cannot end its draft leaves nothing, wherever it is cut off.
#[test]
fn nothing_of_a_discharge_leaves_that_was_not_signed_as_it_stands() {
    on_each_database(async |network, grounds| {
        begun(network).await;
        let wrong = signed(network, 2);
        let committed = network.store(HOSPITAL).commit(&scope(), wrong).await;
        assert_eq!(committed.unwrap_err().kind, fhir::problem::Kind::Conflict);
        let board = ListFilter::new(Show::AllOut);
        let store = network.store(HOSPITAL);
        let letters = store.letters(&board_scope(network), &board).await.unwrap();
        assert!(letters.letters.is_empty(), "{letters:?}");
        assert!(
            !held(network, HOSPITAL, "una-there")
                .await
                .contains("Canary")
        );
        // A crash after the commit loses nothing, and the same press again sends nothing twice.
        let job = signed(network, 1);
        store.commit(&scope(), job).await.unwrap();
        network.crash(HOSPITAL, grounds).await;
        let again = signed(network, 1);
        let store = network.store(HOSPITAL);
        assert!(store.commit(&scope(), again).await.is_err());
        let letters = store.letters(&board_scope(network), &board).await.unwrap();
        assert_eq!(letters.letters.len(), 3);
        assert!(
            held(network, HOSPITAL, "una-there")
                .await
                .contains("Canary-course")
        );
        assert!(store.unsigned(&scope()).await.unwrap().0.is_empty());
    });
}

/// A new version of `d1` as the draft `draft`.
async fn amended(network: &Network, draft: &str) -> Discharge {
    let mut it = written();
    it.medicines[1].dose = "two a day".into();
    it.amends = Some(Box::new(Amends {
        why: "The dose was wrong.".into(),
        ..Amends::of("d1", "2026-01-05", &written())
    }));
    let begin = DraftWrite::Begin(Box::new(NewDraft {
        id: draft.into(),
        kind: KIND,
        patient: "una-there".into(),
        account: 7,
        author: "Dr Bo".into(),
        body: serde_json::to_string(&it).unwrap(),
    }));
    let job = Job::effect(Effect::Draft(begin));
    network.store(HOSPITAL).commit(&scope(), job).await.unwrap();
    it
}

fn signed_anew(network: &Network, (draft, it): (&str, &Discharge), earlier: Earlier) -> Job {
    let now = network.clock.now();
    let by = Signing {
        draft,
        version: 1,
        patient: &una(),
        signer: "Dr Bo",
        from: "The hospital",
        hidden: Hidden::default(),
        earlier,
        release_at: now + 86_400_000,
        now,
    };
    network.nodes[HOSPITAL].sign_discharge(it, &by).unwrap()
}

#[test]
fn an_amended_discharge_takes_the_earlier_ones_place_at_each_reader_and_whoever_opened_it_is_told()
{
    on_each_database(async |network, _| {
        begun(network).await;
        let store = network.store(HOSPITAL);
        store.commit(&scope(), signed(network, 1)).await.unwrap();
        network.carry().await;
        let first = network.received().await;
        network.clerk(first.pid, Action::Open).await.unwrap();

        let (second, third) = (amended(network, "d2").await, amended(network, "d3").await);
        let node = &network.nodes[HOSPITAL];
        let seen =
            async |it: &Discharge| node.earlier_discharge(&scope(), it.amends.as_deref()).await;
        let (earlier, crossing) = (seen(&second).await.unwrap(), seen(&third).await.unwrap());
        let job = signed_anew(network, ("d2", &second), earlier);
        store.commit(&scope(), job).await.unwrap();
        // Of two new versions of the same one is signed; the other is told before and after.
        let job = signed_anew(network, ("d3", &third), crossing);
        let late = store.commit(&scope(), job).await.unwrap_err();
        assert_eq!(late.kind, fhir::problem::Kind::Conflict);
        let late = seen(&third).await.unwrap_err();
        assert_eq!(late.kind, fhir::problem::Kind::BusinessRule);

        network.carry().await;
        network.tell().await;
        assert_eq!(network.state(PRACTICE, first.pid).await, State::Superseded);
        let opener = network.staff(PRACTICE, "Clara Clerk", Role::Clerk, Interaction::Inbox);
        let notices = network.store(PRACTICE).notices(&opener).await.unwrap();
        assert_eq!(notices.len(), 1);
        assert_eq!(notices[0].state, State::Superseded);
        let practice = held(network, PRACTICE, "una").await;
        for words in [
            "The dose was wrong.",
            "was continued, one a day; now continued, two a day",
        ] {
            assert!(practice.contains(words), "{words}");
        }
        network.nodes[HOSPITAL].serve(&network.ods(PHARMACY)).await;
        while network.nodes[PHARMACY].take_in().await.unwrap() > 0 {}
        let pharmacy = held(network, PHARMACY, "una-p").await;
        assert!(pharmacy.contains("now continued, two a day"));
        assert!(
            !pharmacy.contains("The dose was wrong."),
            "only the practice is told why"
        );

        // One Composition with both its versions; the earlier letters are current no more, and all is there still.
        let search = fhir::search::Search::all("Composition", 10).within_patient("una-there");
        let found = store.search(&scope(), &search).await.unwrap();
        assert_eq!(found.entries.len(), 1);
        let it: Value = serde_json::from_slice(&found.entries[0].body).unwrap();
        assert_eq!(
            (it["status"].as_str(), found.entries[0].version),
            (Some("amended"), 2)
        );
        let search = fhir::search::Search::all("DocumentReference", 10).within_patient("una-there");
        let found = store.search(&scope(), &search).await.unwrap();
        let mut statuses = Vec::new();
        for version in &found.entries {
            let it: Value = serde_json::from_slice(&version.body).unwrap();
            let status = it["status"].as_str().unwrap().to_owned();
            if let Some(replaced) = it["relatesTo"][0]["target"]["reference"].as_str() {
                let id = replaced.strip_prefix("DocumentReference/").unwrap();
                let read = store.read(&scope(), "DocumentReference", id).await.unwrap();
                assert!(matches!(read, Reading::Found(_)), "{replaced}");
            }
            statuses.push(status);
        }
        statuses.sort_unstable();
        let current = ["current"; 3].into_iter().chain(["superseded"; 3]);
        assert_eq!(statuses, current.collect::<Vec<_>>());
    });
}
