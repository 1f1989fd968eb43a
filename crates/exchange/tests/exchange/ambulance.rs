//! Ambulance handovers between organisations: a crew (at the pharmacy's node, which is an ambulance service today) brings Una to
//! the hospital, and her practice gets a letter.

use access::{Interaction, Role, Scope, SystemPurpose};
use exchange::handovers::{
    Consciousness, HandoverText, NO_PRACTICE, NewHandover, Observations, Sheet, Treatment, read,
    standing,
};
use exchange::manifest::PatientNamed;
use fhir::problem::Kind;
use fhir::search::Search;
use serde_json::Value;
use store::handovers::{Board, Handover, HandoverState};
use store::parcels::{Action, ParcelWrite, Show, State};
use store::{Effect, Job};

use crate::link::Fate;
use crate::network::{HOSPITAL, Network, PHARMACY as CREW, PRACTICE, UNA, on_each_database};

fn work() -> Scope {
    Scope::system(SystemPurpose::KeepHandovers)
}

fn medic(network: &Network) -> Scope {
    network.staff(CREW, "Paula Medic", Role::Clinician, Interaction::HandOver)
}

fn shah(network: &Network, interaction: Interaction) -> Scope {
    network.staff(HOSPITAL, "Dr Ravi Shah", Role::Clinician, interaction)
}

fn una() -> PatientNamed {
    PatientNamed {
        nhs_number: Some(UNA.into()),
        birth_date: Some("1980-02-01".into()),
        family: "Ash".into(),
        given: "Una".into(),
    }
}

fn set(at: i64, pulse: u32) -> Observations {
    Observations {
        respiratory_rate: Some(22),
        oxygen_saturation: Some(95),
        on_oxygen: Some(true),
        systolic: Some(105),
        diastolic: Some(70),
        pulse: Some(pulse),
        consciousness: Some(Consciousness::Alert),
        temperature: Some(372),
        ..Observations::at(at)
    }
}

fn sheet(network: &Network, person: PatientNamed) -> Sheet {
    let now = network.clock.now();
    Sheet {
        person,
        crew: "A204".into(),
        happened: "Chest pain at home".into(),
        found: "Grey, sweating".into(),
        allergies: "Penicillin".into(),
        treatments: vec![Treatment {
            at: now - 60_000,
            what: "Aspirin 300 mg".into(),
        }],
        observations: vec![set(now - 120_000, 120)],
        pre_alert: true,
        due_at: Some(now + 600_000),
        ..Sheet::default()
    }
}

async fn hand_over(network: &Network, to: usize, person: PatientNamed, attempt: &str) -> String {
    let to = network.ods(to);
    let new = NewHandover {
        patient: "",
        to: &to,
        sheet: sheet(network, person),
        attempt,
    };
    let handed = network.nodes[CREW].hand_over(&medic(network), new).await;
    handed.unwrap()
}

/// What one side has to say goes to the other, and the other way; and to the practice.
async fn carry(network: &Network) {
    for (from, to) in [
        (CREW, HOSPITAL),
        (HOSPITAL, CREW),
        (HOSPITAL, PRACTICE),
        (CREW, PRACTICE),
    ] {
        network.nodes[from].serve(&network.ods(to)).await;
        while network.nodes[to].take_in().await.unwrap() > 0 {}
    }
}

async fn knows_una(network: &Network) {
    network
        .register(HOSPITAL, "una-there", UNA, "Ash", "1980-02-01")
        .await;
}

async fn here(network: &Network, id: &str) -> Handover {
    let found = network.store(CREW).handover(&work(), id).await;
    found.unwrap().unwrap()
}

async fn on_board(network: &Network, at: usize) -> Vec<Handover> {
    let store = network.store(at);
    let mut found = store.handovers(&work(), Board::Open, 100).await.unwrap();
    found.extend(
        store
            .handovers(&work(), Board::Ended(0), 100)
            .await
            .unwrap(),
    );
    found
}

async fn said(network: &Network, at: usize, of: &Handover) -> Vec<HandoverText> {
    read(&network.store(at).handover_steps(&work(), of).await.unwrap())
}

async fn found(network: &Network, at: usize, ty: &str) -> Vec<Value> {
    let search = Search::all(ty, 100);
    let page = network.store(at).search(&work(), &search).await.unwrap();
    let read = |it: &store::Version| serde_json::from_slice(&it.body).unwrap();
    page.entries.iter().map(read).collect()
}

async fn told(network: &Network, id: &str) -> Vec<(State, String)> {
    let row = here(network, id).await;
    let receipts = network.store(CREW).handover_receipts(&row).await.unwrap();
    receipts.into_iter().map(|it| (it.state, it.who)).collect()
}

#[test]
fn a_crew_knows_that_it_is_seen_and_taken_over_only_by_receipts_and_the_practice_gets_one_letter() {
    on_each_database(async |network, grounds| {
        knows_una(network).await;
        let id = hand_over(network, HOSPITAL, una(), "a").await;
        assert_eq!(
            hand_over(network, HOSPITAL, una(), "a").await,
            id,
            "the same form"
        );
        let sent = network
            .store(CREW)
            .handover_sent(&here(network, &id).await)
            .await;
        assert_eq!(sent.unwrap().unwrap().state, State::Accepted);
        carry(network).await;
        assert_eq!(
            told(network, &id).await,
            [(State::Delivered, String::new())]
        );
        let board = on_board(network, HOSPITAL).await;
        assert_eq!(board.len(), 1);
        let there = board[0].clone();
        assert_eq!(
            (there.patient.as_str(), there.pre_alert),
            ("una-there", true)
        );

        let encounters = found(network, HOSPITAL, "Encounter").await;
        assert_eq!(encounters[0]["status"], "planned");
        let observations = found(network, HOSPITAL, "Observation").await;
        let mut codes: Vec<&str> = observations
            .iter()
            .map(|it| it["code"]["coding"][0]["code"].as_str().unwrap())
            .collect();
        codes.sort_unstable();
        assert_eq!(
            codes,
            [
                "1104051000000101",
                "2708-6",
                "67775-7",
                "8310-5",
                "85354-9",
                "8867-4",
                "9279-1"
            ]
        );
        assert!(
            observations
                .iter()
                .all(|it| it["subject"]["reference"] == "Patient/una-there")
        );

        let opens = shah(network, Interaction::OpenLetter);
        network.nodes[HOSPITAL]
            .open_handover(&opens, &there.id)
            .await
            .unwrap();
        network.nodes[CREW]
            .crew_arrived(&medic(network), &id)
            .await
            .unwrap();
        carry(network).await;
        assert!(
            told(network, &id)
                .await
                .contains(&(State::Opened, "Dr Ravi Shah".into()))
        );
        let there = on_board(network, HOSPITAL).await[0].clone();
        assert_eq!(there.state, HandoverState::Arrived);

        let takes = shah(network, Interaction::TakeOver);
        let clerk = network.staff(
            HOSPITAL,
            "Clara Clerk",
            Role::Clerk,
            Interaction::MatchLetter,
        );
        let refused = network.nodes[HOSPITAL]
            .receive_handover(&clerk, &there.id, "")
            .await;
        assert_eq!(refused.unwrap_err().kind, Kind::Forbidden);
        network.nodes[HOSPITAL]
            .begin_handover(&takes, &there.id)
            .await
            .unwrap();
        network.nodes[HOSPITAL]
            .receive_handover(&takes, &there.id, "To resus")
            .await
            .unwrap();
        let twice = network.nodes[HOSPITAL]
            .receive_handover(&takes, &there.id, "")
            .await;
        assert_eq!(twice.unwrap_err().kind, Kind::BusinessRule);
        assert!(
            !told(network, &id)
                .await
                .iter()
                .any(|it| it.0 == State::ActedOn)
        );
        // The hospital stops between its commit and the receipt.
        network.crash(HOSPITAL, grounds).await;
        carry(network).await;
        let receipts = told(network, &id).await;
        let acted = receipts.iter().filter(|it| it.0 == State::ActedOn);
        assert_eq!(acted.count(), 1, "{receipts:?}");
        assert_eq!(here(network, &id).await.begun_by, "Dr Ravi Shah");
        let letters = network.list(PRACTICE, Show::AllIn).await;
        assert_eq!(letters.len(), 1);
        assert_eq!(letters[0].made.patient.as_deref(), Some("una"));
        assert_eq!(letters[0].author, "Dr Ravi Shah");
    });
}

#[test]
fn an_older_observation_is_never_shown_as_the_newest_in_whatever_order_and_however_often_steps_come()
 {
    on_each_database(async |network, _| {
        knows_una(network).await;
        let id = hand_over(network, HOSPITAL, una(), "a").await;
        let now = network.clock.now();
        // Everything arrives twice. The first step does not get there until the later ones are taken in.
        network.link.set(|_, _| Fate::Doubled);
        let delivers = Scope::system(SystemPurpose::DeliverParcels);
        let (store, hospital) = (network.store(CREW), network.ods(HOSPITAL));
        let due = store.to_deliver(&delivers, &hospital, 10).await.unwrap();
        let first = due[0].pid;
        let reason = "held up".to_string();
        let aside = ParcelWrite::SetAside { pid: first, reason };
        let aside = Job::effect(Effect::Parcel(aside));
        store.commit(&delivers, aside).await.unwrap();
        for pulse in [60, 70] {
            let row = here(network, &id).await;
            let said = said(network, CREW, &row).await;
            let mut sheet = standing(&said).unwrap().clone();
            sheet.observations.push(set(now + i64::from(pulse), pulse));
            let seen = (id.as_str(), row.crew_told);
            let node = &network.nodes[CREW];
            node.update_handover(&medic(network), seen, sheet.clone())
                .await
                .unwrap();
            let stale = node.update_handover(&medic(network), seen, sheet).await;
            assert_eq!(
                stale.unwrap_err().kind,
                Kind::Conflict,
                "written upon what is old"
            );
        }
        carry(network).await;
        assert_eq!(on_board(network, HOSPITAL).await[0].crew_told, 3);
        let sends = network.staff(
            CREW,
            "Paula Medic",
            Role::Clinician,
            Interaction::WithdrawLetter,
        );
        store.act(&sends, first, Action::SendAgain).await.unwrap();
        carry(network).await;
        let board = on_board(network, HOSPITAL).await;
        assert_eq!(board.len(), 1);
        let there = &board[0];
        assert_eq!(there.crew_told, 3);
        let said = said(network, HOSPITAL, there).await;
        let numbers: Vec<u32> = said.iter().map(|it| it.number).collect();
        assert_eq!(numbers, [1, 2, 3], "each is kept");
        let newest = standing(&said).unwrap().newest().unwrap();
        assert_eq!(newest.pulse, Some(70));
        let rates = found(network, HOSPITAL, "Observation").await;
        let pulses = rates
            .iter()
            .filter(|it| it["code"]["coding"][0]["code"] == "8867-4");
        assert_eq!(pulses.count(), 3, "each measurement once");

        // After the taking over an update is kept and shown, and takes nothing back.
        let takes = shah(network, Interaction::TakeOver);
        network.nodes[HOSPITAL]
            .receive_handover(&takes, &there.id, "")
            .await
            .unwrap();
        let row = here(network, &id).await;
        let mut late = standing(&said).unwrap().clone();
        late.found = "The wife says: since yesterday".into();
        let seen = (id.as_str(), row.crew_told);
        network.nodes[CREW]
            .update_handover(&medic(network), seen, late)
            .await
            .unwrap();
        network.nodes[CREW]
            .withdraw_handover(&medic(network), &id, "Sent by mistake")
            .await
            .unwrap();
        carry(network).await;
        let there = on_board(network, HOSPITAL).await[0].clone();
        assert_eq!(there.state, HandoverState::Received);
        assert_eq!((there.crew_told, there.news), (5, true));
    });
}

#[test]
fn who_is_diverted_leaves_the_first_board_whoever_opened_it_is_told_and_the_second_has_all() {
    on_each_database(async |network, _| {
        knows_una(network).await;
        let id = hand_over(network, HOSPITAL, una(), "a").await;
        carry(network).await;
        let there = on_board(network, HOSPITAL).await[0].clone();
        let opens = shah(network, Interaction::OpenLetter);
        network.nodes[HOSPITAL]
            .open_handover(&opens, &there.id)
            .await
            .unwrap();
        let second = network.ods(PRACTICE);
        let node = &network.nodes[CREW];
        let same = (id.as_str(), &network.ods(HOSPITAL));
        let wrong = node.divert_handover(&medic(network), same, "Full").await;
        assert_eq!(wrong.unwrap_err().kind, Kind::BusinessRule);
        let to = (id.as_str(), &second);
        let silent = node.divert_handover(&medic(network), to, " ").await;
        assert_eq!(silent.unwrap_err().kind, Kind::Required);
        let next = node
            .divert_handover(&medic(network), to, "Full")
            .await
            .unwrap();
        let again = node.divert_handover(&medic(network), to, "Full").await;
        assert_eq!(
            again.unwrap_err().kind,
            Kind::BusinessRule,
            "it was diverted"
        );
        carry(network).await;
        let there = on_board(network, HOSPITAL).await[0].clone();
        assert_eq!(there.state, HandoverState::Withdrawn);
        let last = said(network, HOSPITAL, &there).await.pop().unwrap();
        assert!(
            last.words.contains("Diverted to") && last.words.contains("Full"),
            "{}",
            last.words
        );
        let reads = shah(network, Interaction::Inbox);
        let notices = network.store(HOSPITAL).notices(&reads).await.unwrap();
        assert_eq!(notices.len(), 1);
        assert!(notices[0].is_handover);
        let takes = shah(network, Interaction::TakeOver);
        let late = network.nodes[HOSPITAL]
            .receive_handover(&takes, &there.id, "")
            .await;
        assert_eq!(late.unwrap_err().kind, Kind::BusinessRule);
        let board = on_board(network, PRACTICE).await;
        assert_eq!((board.len(), board[0].state), (1, HandoverState::Coming));
        assert_eq!(board[0].asked_as, next);
        let said = said(network, PRACTICE, &board[0]).await;
        assert_eq!(standing(&said).unwrap().observations.len(), 1);
        assert_eq!(
            found(network, HOSPITAL, "Encounter").await[0]["status"],
            "cancelled"
        );
    });
}

#[test]
fn an_unknown_person_is_on_the_board_at_once_without_a_record_until_a_person_says_who_it_is() {
    on_each_database(async |network, _| {
        knows_una(network).await;
        hand_over(network, HOSPITAL, PatientNamed::default(), "a").await;
        // The number alone, with another name, fits nobody either.
        let other = PatientNamed {
            family: "Oak".into(),
            ..una()
        };
        hand_over(network, HOSPITAL, other, "b").await;
        carry(network).await;
        let board = on_board(network, HOSPITAL).await;
        assert_eq!(board.len(), 2);
        assert!(board.iter().all(|it| it.patient.is_empty()));
        assert!(found(network, HOSPITAL, "Observation").await.is_empty());
        let first = said(network, HOSPITAL, &board[0]).await;
        let (there, second) = match standing(&first).unwrap().is_unknown() {
            true => (&board[0], &board[1]),
            false => (&board[1], &board[0]),
        };
        let takes = shah(network, Interaction::TakeOver);
        network.nodes[HOSPITAL]
            .receive_handover(&takes, &there.id, "")
            .await
            .unwrap();
        carry(network).await;
        assert!(
            network.list(PRACTICE, Show::AllIn).await.is_empty(),
            "whose would it be?"
        );
        let matches = shah(network, Interaction::MatchLetter);
        let node = &network.nodes[HOSPITAL];
        let nobody = node.match_handover(&matches, &there.id, "nobody").await;
        assert_eq!(nobody.unwrap_err().kind, Kind::NotFound);
        node.match_handover(&matches, &there.id, "una-there")
            .await
            .unwrap();
        let twice = node.match_handover(&matches, &there.id, "una-there").await;
        assert_eq!(twice.unwrap_err().kind, Kind::NotFound, "it is settled");
        assert_eq!(found(network, HOSPITAL, "Observation").await.len(), 7);
        carry(network).await;
        assert_eq!(network.list(PRACTICE, Show::AllIn).await.len(), 1);
        // Nobody of the other's names is here: a record is made, which names no practice.
        let settled = node.register_for_handover(&matches, &there.id).await;
        assert_eq!(settled.unwrap_err().kind, Kind::NotFound);
        node.receive_handover(&takes, &second.id, "").await.unwrap();
        node.register_for_handover(&matches, &second.id)
            .await
            .unwrap();
        let row = network.store(HOSPITAL).handover(&work(), &second.id).await;
        let row = row.unwrap().unwrap();
        assert_eq!(row.letter, NO_PRACTICE);
        assert_ne!(row.patient, "una-there");
    });
}

#[test]
fn a_crew_that_is_not_waited_for_any_longer_is_told_and_back_on_the_board_when_it_says_something() {
    on_each_database(async |network, _| {
        knows_una(network).await;
        let id = hand_over(network, HOSPITAL, una(), "a").await;
        carry(network).await;
        let there = on_board(network, HOSPITAL).await[0].clone();
        let takes = shah(network, Interaction::TakeOver);
        let node = &network.nodes[HOSPITAL];
        let silent = node.close_handover(&takes, &there.id, " ").await;
        assert_eq!(silent.unwrap_err().kind, Kind::Required);
        node.close_handover(&takes, &there.id, "Not here after six hours")
            .await
            .unwrap();
        carry(network).await;
        let row = here(network, &id).await;
        assert_eq!(
            (row.state, row.news),
            (HandoverState::Coming, true),
            "the crew says whether it comes"
        );
        let told = said(network, CREW, &row).await.pop().unwrap();
        assert_eq!(told.words, "Not here after six hours");
        let there = on_board(network, HOSPITAL).await[0].clone();
        assert_eq!(there.state, HandoverState::Withdrawn);
        network.nodes[CREW]
            .crew_arrived(&medic(network), &id)
            .await
            .unwrap();
        carry(network).await;
        let there = on_board(network, HOSPITAL).await[0].clone();
        assert_eq!(there.state, HandoverState::Arrived);
    });
}
