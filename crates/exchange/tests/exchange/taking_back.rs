use access::{Caller, Interaction, NhsNumber, Purpose, Role, Scope, SystemPurpose, Who};
use exchange::manifest::Mark;
use store::parcels::{Action, Show, State};
use store::{Change, Expect, Job, Reading};

use crate::link::Fate;
use crate::network::{DAY, HOSPITAL, Network, PRACTICE, UNA, on_each_database};

/// Someone at the practice deletes a letter's own resources.
async fn delete(network: &Network, names: &[(&str, &str)]) {
    let deletion = |(ty, id): &(&str, &str)| Change::Delete {
        ty: ty.to_string(),
        id: id.to_string(),
        expect: Expect::Exists,
    };
    let job = Job {
        changes: names.iter().map(deletion).collect(),
        ..Job::default()
    };
    let scope = Scope::system(SystemPurpose::Import);
    network.store(PRACTICE).commit(&scope, job).await.unwrap();
}

#[test]
fn the_receipt_of_a_letter_whose_resources_are_gone_is_taken_and_letters_still_go() {
    on_each_database(async |network, _| {
        let pid = network.send(network.letter("p1")).await;
        network.carry().await;
        let letter = network.received().await;
        let document = letter.made.document.clone().unwrap();
        let binary = letter.made.binaries[0].clone();
        delete(network, &[("Binary", &binary)]).await;
        withdraw(network, pid).await;
        network.send(network.letter("p2")).await;
        network.carry().await;
        assert_eq!(network.state(PRACTICE, letter.pid).await, State::Withdrawn);
        assert_eq!(status(network, &document).await, "entered-in-error");
        assert_eq!(network.list(PRACTICE, Show::ToDo).await.len(), 1);
    });
}

#[test]
fn a_letter_whose_resources_are_gone_can_be_filed_and_returned() {
    on_each_database(async |network, _| {
        let mut pids = Vec::new();
        for id in ["p1", "p2"] {
            pids.push(network.send(network.letter(id)).await);
        }
        network.carry().await;
        let letters = network.list(PRACTICE, Show::ToDo).await;
        for letter in &letters {
            let document = letter.made.document.as_deref().unwrap();
            let binary = letter.made.binaries[0].as_str();
            delete(
                network,
                &[("Binary", binary), ("DocumentReference", document)],
            )
            .await;
        }
        network.clerk(letters[0].pid, Action::File).await.unwrap();
        let reason = "not our patient".to_string();
        network
            .clerk(letters[1].pid, Action::Return { reason })
            .await
            .unwrap();
        network.tell().await;
    });
}

async fn withdraw(network: &Network, pid: i64) {
    let scope = network.staff(HOSPITAL, "Cleo", Role::Clerk, Interaction::WithdrawLetter);
    let reason = "written to the wrong patient".to_string();
    network
        .store(HOSPITAL)
        .act(&scope, pid, Action::Withdraw { reason })
        .await
        .unwrap();
}

async fn status(network: &Network, document: &str) -> String {
    let scope = Scope::system(SystemPurpose::Measure);
    match network
        .store(PRACTICE)
        .read(&scope, "DocumentReference", document)
        .await
        .unwrap()
    {
        Reading::Found(found) => {
            let json: serde_json::Value = serde_json::from_slice(&found.body).unwrap();
            json["status"].as_str().unwrap().to_string()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn whoever_opened_a_letter_is_told_that_it_was_withdrawn() {
    on_each_database(async |network, _| {
        let pid = network.send(network.letter("p1")).await;
        network.carry().await;
        let letter = network.received().await;
        network.clerk(letter.pid, Action::Open).await.unwrap();
        let doctor = network.staff(PRACTICE, "Dr Dee", Role::Clinician, Interaction::OpenLetter);
        network
            .store(PRACTICE)
            .act(&doctor, letter.pid, Action::Open)
            .await
            .unwrap();
        withdraw(network, pid).await;
        network.carry().await;
        assert_eq!(network.state(PRACTICE, letter.pid).await, State::Withdrawn);
        let clerk = network.staff(PRACTICE, "Clara Clerk", Role::Clerk, Interaction::Inbox);
        for scope in [&doctor, &clerk] {
            let notices = network.store(PRACTICE).notices(scope).await.unwrap();
            assert_eq!(notices.len(), 1);
            assert_eq!(notices[0].state, State::Withdrawn);
        }
        let other = network.staff(PRACTICE, "Another Clerk", Role::Clerk, Interaction::Inbox);
        assert!(
            network
                .store(PRACTICE)
                .notices(&other)
                .await
                .unwrap()
                .is_empty()
        );
        let document = letter.made.document.unwrap();
        assert_eq!(status(network, &document).await, "entered-in-error");
        let refused = network.clerk(letter.pid, Action::File).await.unwrap_err();
        assert!(refused.message.contains("withdrawn"), "{refused}");
    });
}

#[test]
fn a_letter_withdrawn_before_it_came_is_not_taken_in_by_a_copy_that_comes_late() {
    on_each_database(async |network, _| {
        let pid = network.send(network.letter("p1")).await;
        network.link.set(|_, _| Fate::Late);
        network.nodes[HOSPITAL].serve(&network.ods(PRACTICE)).await;
        withdraw(network, pid).await;
        network.link.set(|_, _| Fate::Fine);
        network.carry().await;
        network.link.let_late_arrive().await;
        network.carry().await;
        assert_eq!(network.taken_in().await, 0);
        assert!(network.list(PRACTICE, Show::ToDo).await.is_empty());
        assert_eq!(network.state(HOSPITAL, pid).await, State::Withdrawn);
    });
}

#[test]
fn a_newer_letter_stands_in_the_place_of_the_one_it_replaces() {
    on_each_database(async |network, _| {
        let first = network.send(network.letter("p1")).await;
        network.carry().await;
        let mut newer = network.letter("p2");
        newer.replaces = Some("D-p1".into());
        let second = network.send(newer).await;
        let mut again = network.letter("p3");
        again.document_number = "D-p2".into();
        let third = network.send(again).await;
        network.carry().await;
        assert_eq!(network.state(HOSPITAL, first).await, State::Superseded);
        assert_eq!(network.state(HOSPITAL, second).await, State::Superseded);
        assert_eq!(network.state(HOSPITAL, third).await, State::Delivered);
        let letters = network.list(PRACTICE, Show::AllIn).await;
        let old = letters.iter().find(|it| it.id == "p1").unwrap();
        assert_eq!(old.state, State::Superseded);
        assert_eq!(
            status(network, old.made.document.as_deref().unwrap()).await,
            "superseded"
        );
        let to_do = network.list(PRACTICE, Show::ToDo).await;
        assert_eq!(
            to_do.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(),
            ["p3"]
        );
    });
}

#[test]
fn a_letter_of_the_same_number_about_another_patient_takes_nobodys_place() {
    on_each_database(async |network, _| {
        let una = network.send(network.letter("p1")).await;
        let mut other = network.letter("p2");
        other.document_number = "D-p1".into();
        other.patient = "bob-there".into();
        let bob = network.send(other).await;
        let mut third = network.letter("p3");
        third.replaces = Some("D-p1".into());
        third.patient = "cyd-there".into();
        network.send(third).await;
        network.carry().await;
        assert_eq!(network.state(HOSPITAL, una).await, State::Delivered);
        assert_eq!(network.state(HOSPITAL, bob).await, State::Delivered);
    });
}

#[test]
fn a_returned_letter_goes_back_with_its_reason_and_is_held_from_the_patient() {
    on_each_database(async |network, _| {
        let pid = network.send(network.letter("p1")).await;
        network.carry().await;
        let letter = network.received().await;
        let empty = Action::Return { reason: " ".into() };
        assert!(network.clerk(letter.pid, empty).await.is_err());
        let reason = "not our patient".to_string();
        network
            .clerk(letter.pid, Action::Return { reason })
            .await
            .unwrap();
        network.tell().await;
        let item = network.item(HOSPITAL, pid).await;
        assert_eq!(item.letter.state, State::Returned);
        assert_eq!(item.events.last().unwrap().note, "not our patient");
        assert_eq!(network.list(HOSPITAL, Show::Failed).await.len(), 1);
        let document = letter.made.document.unwrap();
        assert_eq!(status(network, &document).await, "entered-in-error");
        network.clock.advance(60 * DAY);
        assert!(!una_sees(network, &document).await);
        assert!(network.clerk(letter.pid, Action::File).await.is_err());
    });
}

/// Whether Una sees that document on her own page.
async fn una_sees(network: &Network, document: &str) -> bool {
    let who = Who::Patient {
        account: 7,
        name: "Una Ash".into(),
        patient: "una".into(),
        nhs_number: NhsNumber::parse(UNA).unwrap(),
    };
    let caller = Caller {
        who,
        request_id: "r-1".into(),
        granted: None,
        acting: None,
    };
    let ty = "DocumentReference";
    let now = network.clock.now();
    let purpose = Purpose::PatientRequest;
    let scope = access::decide(&caller, Interaction::Read, ty, purpose, now).unwrap();
    let read = network.store(PRACTICE).read(&scope, ty, document).await;
    matches!(read.unwrap(), Reading::Found(_))
}

#[test]
fn a_superseded_letter_that_nobody_filed_never_reaches_the_patient_and_can_be_withdrawn() {
    on_each_database(async |network, _| {
        let first = network.send(network.letter("p1")).await;
        let filed = network.send(network.letter("f1")).await;
        network.carry().await;
        let letters = network.list(PRACTICE, Show::ToDo).await;
        let of = |id: &str| {
            let letter = letters.iter().find(|it| it.id == id).unwrap();
            (letter.pid, letter.made.document.clone().unwrap())
        };
        let ((old_pid, old), (filed_pid, read)) = (of("p1"), of("f1"));
        network.clerk(filed_pid, Action::File).await.unwrap();
        for (id, replaces) in [("p2", "D-p1"), ("f2", "D-f1")] {
            let mut newer = network.letter(id);
            newer.replaces = Some(replaces.into());
            newer.marks = vec![Mark::SeriousHarm];
            network.send(newer).await;
        }
        network.carry().await;
        assert_eq!(network.state(PRACTICE, old_pid).await, State::Superseded);
        network.clock.advance(60 * DAY);
        assert!(!una_sees(network, &old).await, "nobody released it");
        assert!(una_sees(network, &read).await, "she has had it already");
        for pid in [first, filed] {
            withdraw(network, pid).await;
        }
        network.carry().await;
        assert_eq!(network.state(PRACTICE, old_pid).await, State::Withdrawn);
        assert_eq!(status(network, &read).await, "entered-in-error");
        assert!(!una_sees(network, &read).await);
    });
}
