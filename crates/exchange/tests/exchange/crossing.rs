use access::{Caller, Interaction, NhsNumber, Purpose, Role, Scope, SystemPurpose, Who};
use exchange::directory::Directory;
use exchange::jws::{self, Statement};
use exchange::manifest::Mark;
use exchange::receipt::Receipts;
use store::Reading;
use store::parcels::{Action, Show, State};

use crate::link::Fate;
use crate::network::{DAY, HOSPITAL, Network, PRACTICE, UNA, on_each_database};

/// Una reads on her own page.
fn una(network: &Network) -> Scope {
    let who = Who::Patient {
        account: 7,
        name: "Una Ash".into(),
        patient: "una".into(),
        nhs_number: NhsNumber::parse(UNA).unwrap(),
    };
    let caller = Caller {
        who,
        request_id: "r-2".into(),
        granted: None,
        acting: None,
    };
    let now = network.clock.now();
    access::decide(
        &caller,
        Interaction::Read,
        "DocumentReference",
        Purpose::PatientRequest,
        now,
    )
    .unwrap()
}

async fn sees(network: &Network, document: &str) -> bool {
    let scope = una(network);
    let store = network.store(PRACTICE);
    let read = store
        .read(&scope, "DocumentReference", document)
        .await
        .unwrap();
    let journey = !store.journey(&scope, document).await.unwrap().is_empty();
    let seen = matches!(read, Reading::Found(_));
    assert_eq!(
        seen, journey,
        "the letter and its journey are shown together"
    );
    seen
}

#[test]
fn a_letter_crosses_and_each_step_is_told_with_a_signature_that_verifies() {
    on_each_database(async |network, _| {
        let sent = network.send(network.letter("p1")).await;
        assert_eq!(network.state(HOSPITAL, sent).await, State::Accepted);
        network.carry().await;
        assert_eq!(network.state(HOSPITAL, sent).await, State::Delivered);
        let letter = network.received().await;
        assert_eq!(letter.made.patient.as_deref(), Some("una"));
        network.clerk(letter.pid, Action::Open).await.unwrap();
        network.clerk(letter.pid, Action::Open).await.unwrap();
        network.clerk(letter.pid, Action::File).await.unwrap();
        let clinician = network.staff(
            PRACTICE,
            "Dr Dee",
            Role::Clinician,
            Interaction::ActOnLetter,
        );
        let outcome = "Tablets changed as asked.".to_string();
        let act = Action::ActOn {
            outcome: outcome.clone(),
        };
        network
            .store(PRACTICE)
            .act(&clinician, letter.pid, act)
            .await
            .unwrap();
        network.tell().await;
        let item = network.item(HOSPITAL, sent).await;
        let states: Vec<State> = item.events.iter().filter_map(|event| event.state).collect();
        let expected = [
            State::Accepted,
            State::Delivered,
            State::Opened,
            State::Filed,
            State::ActedOn,
        ];
        assert_eq!(states, expected);
        assert_eq!(item.letter.state, State::ActedOn);
        let last = item.events.last().unwrap();
        assert_eq!(
            (last.who.as_str(), last.role.as_str()),
            ("Dr Dee", "clinician")
        );
        assert_eq!(
            (&last.note, last.organisation.as_str()),
            (&outcome, "A81001")
        );
        let key = network.identity(PRACTICE).signing().public().clone();
        for event in item.events.iter().skip(1) {
            let proof = event.proof.as_deref().unwrap();
            let receipts: Receipts =
                jws::verify(proof, Statement::Receipts, |_| Some(key.clone())).unwrap();
            assert!(receipts.receipts.iter().any(|it| it.state == event.event));
        }
    });
}

#[test]
fn a_letter_that_was_accepted_is_proved_so_before_anybody_has_it_and_after() {
    on_each_database(async |network, _| {
        let sent = network.send(network.letter("p1")).await;
        let hospital = network.nodes[HOSPITAL].clone();
        let book = hospital.book();
        let directory = Directory::verify(&book.text(), book.stewards(), 0).unwrap();
        let item = network.item(HOSPITAL, sent).await;
        let accepted_at = item.events[0].at;
        let file = |item: store::parcels::Item| hospital.receipt_file(item.text, item.events);
        let before = file(item).unwrap();
        let proved = before.check(&directory).unwrap();
        let steps = |checked: &exchange::receipt::offline::Checked| {
            let steps = checked.steps.iter();
            let said = steps.map(|it| (it.step.state.clone(), it.by.clone(), it.step.at));
            said.collect::<Vec<_>>()
        };
        let accepted = ("accepted".to_string(), "RZZ01".to_string(), accepted_at);
        assert_eq!(steps(&proved), std::slice::from_ref(&accepted));
        network.clock.advance(60_000);
        network.carry().await;
        let after = file(network.item(HOSPITAL, sent).await).unwrap();
        let proved = after.check(&directory).unwrap();
        assert_eq!(
            steps(&proved)[0],
            accepted,
            "the time is that of its commit"
        );
        assert_eq!(steps(&proved)[1].0, "delivered");
        assert_eq!(
            after.statements[0], before.statements[0],
            "said again, it is the same"
        );
        // The receiver cannot say it, and it is not about another text.
        let item = network.item(HOSPITAL, sent).await;
        let other = network.nodes[PRACTICE]
            .receipt_file(item.text, item.events)
            .unwrap();
        assert_eq!(other.statements.len(), 1);
        let altered = exchange::receipt::offline::ReceiptFile {
            parcel: after.parcel.replace("p1", "p2"),
            ..after
        };
        assert!(altered.check(&directory).is_err());
    });
}

#[test]
fn the_letter_becomes_the_practices_own_with_the_same_content() {
    on_each_database(async |network, _| {
        network.send(network.letter("p1")).await;
        network.carry().await;
        let made = network.received().await.made;
        let scope = network.staff(PRACTICE, "Clara Clerk", Role::Clerk, Interaction::Read);
        let store = network.store(PRACTICE);
        let read = async |ty: &str, id: &str| match store.read(&scope, ty, id).await.unwrap() {
            Reading::Found(found) => {
                serde_json::from_slice::<serde_json::Value>(&found.body).unwrap()
            }
            other => panic!("{other:?}"),
        };
        let document = read("DocumentReference", made.document.as_deref().unwrap()).await;
        let url = format!("Binary/{}", made.binaries[0]);
        assert_eq!(document["content"][0]["attachment"]["url"], url.as_str());
        assert_eq!(document["subject"]["reference"], "Patient/una");
        let binary = read("Binary", &made.binaries[0]).await;
        // "Letter p1: she may go home."
        assert_eq!(binary["data"], "TGV0dGVyIHAxOiBzaGUgbWF5IGdvIGhvbWUu");
        for resource in [document, binary] {
            let text = resource.to_string();
            let json = fhir::json::parse(text.as_bytes(), &fhir::json::Limits::default()).unwrap();
            fhir::validate::validate(&json, fhir::definitions::Definitions::r4()).unwrap();
        }
    });
}

#[test]
fn a_letter_reaches_the_patient_once_filed_or_after_fourteen_days_and_never_past_a_mark() {
    on_each_database(async |network, _| {
        network.send(network.letter("filed")).await;
        network.send(network.letter("waits")).await;
        let mut marked = network.letter("marked");
        marked.marks = vec![Mark::ThirdParty];
        network.send(marked).await;
        network.carry().await;
        let letters = network.list(PRACTICE, Show::ToDo).await;
        let of = |id: &str| letters.iter().find(|it| it.id == id).unwrap().clone();
        let document = |id: &str| of(id).made.document.unwrap();
        assert!(!sees(network, &document("filed")).await);
        network.clerk(of("filed").pid, Action::File).await.unwrap();
        network.clerk(of("marked").pid, Action::File).await.unwrap();
        assert!(sees(network, &document("filed")).await);
        assert!(!sees(network, &document("waits")).await);
        network.clock.advance(15 * DAY);
        assert!(sees(network, &document("waits")).await);
        assert!(!sees(network, &document("marked")).await);
    });
}

/// A number between 0 and `below`, the next of a sequence that the seed sets.
fn next(seed: &mut u64, below: u64) -> u64 {
    *seed = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % below
}

#[test]
fn whatever_the_link_does_and_whoever_crashes_no_letter_is_lost_and_none_is_taken_in_twice() {
    on_each_database(async |network, grounds| {
        let mut seed = 20_260_105;
        let mut pids = Vec::new();
        for round in 0..40 {
            let mut fates = seed ^ round;
            network.link.set(move |_, _| match next(&mut fates, 7) {
                0 => Fate::Lost,
                1 => Fate::AnswerLost,
                2 => Fate::Doubled,
                3 => Fate::Late,
                _ => Fate::Fine,
            });
            match next(&mut seed, 8) {
                0 | 1 => pids.push(network.send(network.letter(&format!("p{round}"))).await),
                2 => network.crash(HOSPITAL, grounds).await,
                3 => network.crash(PRACTICE, grounds).await,
                4 => network.link.let_late_arrive().await,
                5 => {
                    let to_do = network.list(PRACTICE, Show::ToDo).await;
                    if let Some(letter) = to_do.first() {
                        network.clerk(letter.pid, Action::File).await.unwrap();
                    }
                }
                _ => {
                    // Cut off in the middle, wherever that is.
                    let (node, to) = (network.nodes[HOSPITAL].clone(), network.ods(PRACTICE));
                    let work = tokio::spawn(async move { node.serve(&to).await });
                    let micros = next(&mut seed, 3000);
                    tokio::time::sleep(std::time::Duration::from_micros(micros)).await;
                    work.abort();
                    let _ = work.await;
                }
            }
            let _ = network.nodes[PRACTICE].take_in().await;
            network.nodes[PRACTICE].serve(&network.ods(HOSPITAL)).await;
        }
        network.link.set(|_, _| Fate::Fine);
        network.link.let_late_arrive().await;
        network.clock.advance(120_000);
        network.carry().await;
        network.tell().await;
        let here = network.list(PRACTICE, Show::AllIn).await;
        assert!(pids.len() > 3, "the story sends letters");
        assert_eq!(here.len(), pids.len(), "each came once");
        assert_eq!(
            network.taken_in().await,
            pids.len(),
            "each was taken in once"
        );
        for pid in pids {
            let sent = network.item(HOSPITAL, pid).await;
            let received = here.iter().find(|it| it.id == sent.letter.id).unwrap();
            assert_eq!(sent.letter.state, received.state, "both sides agree");
            let delivered = sent
                .events
                .iter()
                .filter(|it| it.state == Some(State::Delivered));
            assert_eq!(delivered.count(), 1, "one receipt, once");
        }
    });
}

#[test]
fn making_the_same_letter_again_sends_it_once() {
    on_each_database(async |network, _| {
        let first = network.send(network.letter("p1")).await;
        assert_eq!(network.send(network.letter("p1")).await, first);
        network.carry().await;
        assert_eq!(network.send(network.letter("p1")).await, first);
        network.carry().await;
        assert_eq!(network.taken_in().await, 1);
        let mut other = network.letter("p1");
        other.title = "Another".into();
        let effect = network.nodes[HOSPITAL].send_letter(other).unwrap();
        let scope = Scope::system(SystemPurpose::MapMessages);
        let job = store::Job::effect(effect);
        assert!(network.store(HOSPITAL).commit(&scope, job).await.is_err());
    });
}
