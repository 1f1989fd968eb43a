//! Appointments across organisations: the practice books for Una at the hospital's clinic.

mod ends;

use access::{Caller, Interaction, NhsNumber, Purpose, Scope, SystemPurpose, Who};
use exchange::booking::{Act, BookingText, Came, Ended, Offer, Outcome, Session, Wish, publish};
use exchange::manifest::{ParcelKind, ParcelText, PatientNamed};
use fhir::search::Search;
use serde_json::Value;
use store::diary::{Audience, Booking, BookingState, Slot};
use store::parcels::{Outgoing, ParcelWrite, State};

use crate::link::Fate;
use crate::network::{DAY, HOSPITAL, Network, PHARMACY, PRACTICE, UNA, on_each_database};

const MINUTE: i64 = 60_000;

fn work() -> Scope {
    Scope::system(SystemPurpose::KeepAppointments)
}

/// Una herself, at the practice.
fn una(network: &Network, interaction: Interaction) -> Scope {
    let who = Who::Patient {
        account: 1,
        name: "Una Ash".into(),
        patient: "una".into(),
        nhs_number: NhsNumber::parse(UNA).unwrap(),
    };
    let caller = Caller::new(who, "r-1".into());
    let now = network.clock.now();
    access::decide(
        &caller,
        interaction,
        "Appointment",
        Purpose::PatientRequest,
        now,
    )
    .unwrap()
}

/// A clinic of three slots tomorrow at the hospital, which knows Una.
async fn clinic(network: &Network) {
    network
        .register(HOSPITAL, "una-there", UNA, "Ash", "1980-02-01")
        .await;
    let from = network.clock.now() + DAY;
    let session = Session {
        from,
        until: from + 30 * MINUTE,
        minutes: 10,
        with: "Foot clinic".into(),
        kind: "First visit".into(),
        audience: Audience::Organisations,
    };
    let made = publish(network.store(HOSPITAL), &work(), &session).await;
    assert_eq!(made.unwrap(), 3);
}

async fn offers(network: &Network) -> Result<Vec<Offer>, String> {
    let scope = una(network, Interaction::Slots);
    let there = network.nodes[PRACTICE].free_there(&scope).await.unwrap();
    let [one] = there.as_slice() else {
        panic!("{there:?}")
    };
    assert_eq!(one.organisation, network.ods(HOSPITAL));
    one.offers.clone()
}

async fn ask(network: &Network, offer: &Offer, attempt: &str) -> Came {
    let scope = una(network, Interaction::Book);
    let wish = Wish {
        patient: "una",
        slot: &offer.slot,
        reason: "Sore foot",
        attempt,
        audience: Audience::Patients,
    };
    let wanted = (&network.ods(HOSPITAL), offer);
    let asked = network.nodes[PRACTICE].ask_for(&scope, wanted, &wish, ("Una Ash", None));
    asked.await.unwrap()
}

/// Una asks for the first free slot; the Appointment's id at the practice.
async fn asked(network: &Network) -> String {
    let offers = offers(network).await.unwrap();
    match ask(network, &offers[0], "a").await {
        Came::Asked(id) => id,
        other => panic!("{other:?}"),
    }
}

/// The practice sends, the hospital takes in and answers, the practice takes in.
async fn carry(network: &Network) {
    for (from, to) in [(PRACTICE, HOSPITAL), (HOSPITAL, PRACTICE)] {
        network.nodes[from].serve(&network.ods(to)).await;
        while network.nodes[to].take_in().await.unwrap() > 0 {}
    }
}

async fn booking(network: &Network, id: &str) -> Booking {
    let found = network.store(PRACTICE).booking(&work(), id).await.unwrap();
    found.unwrap()
}

async fn state(network: &Network, id: &str) -> BookingState {
    booking(network, id).await.state
}

/// The status of the Appointment at the practice.
async fn status(network: &Network, id: &str) -> String {
    let store = network.store(PRACTICE);
    let reading = store.read(&work(), "Appointment", id).await.unwrap();
    let store::Reading::Found(version) = reading else {
        panic!("there is no Appointment {id}")
    };
    let read: Value = serde_json::from_slice(&version.body).unwrap();
    read["status"].as_str().unwrap().to_owned()
}

/// The statuses of the Appointments at the hospital.
async fn there(network: &Network) -> Vec<String> {
    let store = network.store(HOSPITAL);
    let page = store
        .search(&work(), &Search::all("Appointment", 100))
        .await;
    let read = |version: &store::Version| {
        let read: Value = serde_json::from_slice(&version.body).unwrap();
        assert_eq!(
            read["participant"][0]["actor"]["reference"],
            "Patient/una-there"
        );
        read["status"].as_str().unwrap().to_owned()
    };
    page.unwrap().entries.iter().map(read).collect()
}

async fn slot(network: &Network, id: &str) -> Slot {
    let found = network.store(HOSPITAL).slot(&work(), id).await.unwrap();
    found.unwrap()
}

async fn free(network: &Network) -> usize {
    offers(network).await.unwrap().len()
}

#[test]
fn a_booking_elsewhere_is_asked_for_until_its_holder_has_said_so_and_then_booked_on_both_sides() {
    on_each_database(async |network, _| {
        clinic(network).await;
        assert_eq!(free(network).await, 3);
        let id = asked(network).await;
        assert_eq!(state(network, &id).await, BookingState::Asked);
        assert_eq!(
            status(network, &id).await,
            "pending",
            "never booked before the hospital said so"
        );
        let again = offers(network).await.unwrap();
        assert_eq!(
            ask(network, &again[0], "a").await,
            Came::Asked(id.clone()),
            "the same form"
        );
        carry(network).await;
        assert_eq!(state(network, &id).await, BookingState::Booked);
        assert_eq!(status(network, &id).await, "booked");
        assert_eq!(there(network).await, ["booked"]);
        assert_eq!(free(network).await, 2);
        let slot = slot(network, &booking(network, &id).await.slot).await;
        assert_eq!(slot.status, "busy");

        let scope = una(network, Interaction::CancelAppointment);
        let practice = &network.nodes[PRACTICE];
        let why = ("I am better", "Una Ash");
        let ended = practice.cancel_booking(&scope, &id, why).await.unwrap();
        assert_eq!(ended, Ended::AskedFor);
        assert_eq!(state(network, &id).await, BookingState::Cancelling);
        assert_eq!(
            status(network, &id).await,
            "booked",
            "until the hospital has said so"
        );
        carry(network).await;
        assert_eq!(state(network, &id).await, BookingState::Cancelled);
        assert_eq!(status(network, &id).await, "cancelled");
        assert_eq!(there(network).await, ["cancelled"]);
        assert_eq!(free(network).await, 3);
        let scope = una(network, Interaction::CancelAppointment);
        let again = practice.cancel_booking(&scope, &id, why).await.unwrap();
        assert_eq!(again, Ended::Now);
    });
}

#[test]
fn f13_a_booking_whose_parcels_come_twice_late_or_after_a_crash_is_made_once_and_answered() {
    on_each_database(async |network, grounds| {
        clinic(network).await;
        for fate in [Fate::Doubled, Fate::AnswerLost, Fate::Late] {
            let id = match ask(
                network,
                &offers(network).await.unwrap()[0],
                &format!("{fate:?}"),
            )
            .await
            {
                Came::Asked(id) => id,
                other => panic!("{other:?}"),
            };
            let mut first = true;
            network.link.set(move |from, _| {
                let fate = if first && from.as_str() == "A81001" {
                    fate
                } else {
                    Fate::Fine
                };
                first &= from.as_str() != "A81001";
                fate
            });
            let before = there(network).await.len();
            network.nodes[PRACTICE].serve(&network.ods(HOSPITAL)).await;
            network.crash(HOSPITAL, grounds).await;
            network.link.let_late_arrive().await;
            while network.nodes[HOSPITAL].take_in().await.unwrap() > 0 {}
            network.crash(HOSPITAL, grounds).await;
            network.crash(PRACTICE, grounds).await;
            for _ in 0..3 {
                network.clock.advance(61_000);
                carry(network).await;
            }
            assert_eq!(state(network, &id).await, BookingState::Booked, "{fate:?}");
            assert_eq!(there(network).await.len(), before + 1, "{fate:?}: once");
        }
        assert_eq!(free(network).await, 0);
    });
}

#[test]
fn what_somebody_else_took_meanwhile_is_answered_with_what_is_free_next_and_nothing_is_booked() {
    on_each_database(async |network, _| {
        clinic(network).await;
        let id = asked(network).await;
        let slot_id = booking(network, &id).await.slot;
        network
            .register(HOSPITAL, "bo", "9990000018", "Bee", "1970-02-03")
            .await;
        let wish = Wish {
            patient: "bo",
            slot: &slot_id,
            reason: "",
            attempt: "b",
            audience: Audience::Staff,
        };
        let store = network.store(HOSPITAL);
        let first = exchange::booking::book(store, &work(), &wish)
            .await
            .unwrap();
        assert!(matches!(first, Came::Booked(_)));
        carry(network).await;
        let booking = booking(network, &id).await;
        assert_eq!(booking.state, BookingState::Taken);
        let next: Vec<Offer> = serde_json::from_str(&booking.next).unwrap();
        assert_eq!(next.len(), 2, "what is free instead");
        assert_eq!(status(network, &id).await, "cancelled");
        let store = network.store(HOSPITAL);
        let all = store
            .search(&work(), &Search::all("Appointment", 9))
            .await
            .unwrap();
        assert_eq!(all.entries.len(), 1, "the other's alone");
    });
}

#[test]
fn who_is_not_known_there_or_whose_diary_is_elsewhere_is_refused_with_the_reason() {
    on_each_database(async |network, grounds| {
        clinic(network).await;
        network
            .register(PRACTICE, "una", UNA, "Ashworth", "1980-02-01")
            .await;
        let id = asked(network).await;
        carry(network).await;
        let refused = booking(network, &id).await;
        assert_eq!(refused.state, BookingState::Refused);
        assert!(
            refused.reason.contains("Nobody with this NHS number"),
            "{}",
            refused.reason
        );
        assert_eq!(free(network).await, 3, "nothing is taken");
        network
            .register(PRACTICE, "una", UNA, "Ash", "1980-02-01")
            .await;
        let offer = offers(network).await.unwrap().remove(0);
        network.keeps_diary = false;
        network.crash(HOSPITAL, grounds).await;
        assert_eq!(
            free(network).await,
            0,
            "another system's diary is not offered from here"
        );
        let Came::Asked(id) = ask(network, &offer, "b").await else {
            panic!("it is asked for")
        };
        carry(network).await;
        let refused = booking(network, &id).await;
        assert_eq!(refused.state, BookingState::Refused);
        assert!(
            refused.reason.contains("a system of our own"),
            "{}",
            refused.reason
        );
        assert_eq!(status(network, &id).await, "cancelled");
    });
}

#[test]
fn who_does_not_answer_is_named_within_the_set_time() {
    on_each_database(async |network, _| {
        clinic(network).await;
        network.link.mute.lock().push(network.ods(HOSPITAL));
        let began = std::time::Instant::now();
        let silent = offers(network).await.unwrap_err();
        assert!(silent.contains("No answer came within 1.5 s"), "{silent}");
        assert!(began.elapsed().as_millis() < 2_500, "{:?}", began.elapsed());
    });
}

/// The pharmacy sends the practice a parcel of that kind about Una.
async fn send_as_pharmacy(network: &Network, booking: BookingText) {
    let text = ParcelText {
        id: "forged".into(),
        made_at: network.clock.now(),
        urgent: true,
        patient: PatientNamed {
            nhs_number: Some(UNA.into()),
            birth_date: Some("1980-02-01".into()),
            family: "Ash".into(),
            given: String::new(),
        },
        booking: Some(Box::new(booking)),
        ..ParcelText::of(
            ParcelKind::Booking,
            &network.ods(PHARMACY),
            &network.ods(PRACTICE),
        )
    };
    let written = serde_json::to_string(&text).unwrap();
    let outgoing = Outgoing {
        parcel: text.to_parcel(written).unwrap(),
        patient: String::new(),
        document: String::new(),
        contents: Vec::new(),
    };
    let accept = store::Effect::Parcel(ParcelWrite::Accept(Box::new(outgoing)));
    let job = store::Job::effect(accept);
    network.store(PHARMACY).commit(&work(), job).await.unwrap();
    assert!(network.nodes[PHARMACY].serve(&network.ods(PRACTICE)).await);
}

#[test]
fn a23_a_member_asks_for_slots_and_books_only_in_its_own_name() {
    on_each_database(async |network, _| {
        clinic(network).await;
        let id = asked(network).await;
        carry(network).await;
        // An answer from who does not hold the diary changes nothing, and is before a person.
        let booking = BookingText {
            act: Act::Answer,
            booking: id.clone(),
            offer: None,
            instead_of: None,
            reason: "It is off".into(),
            by: String::new(),
            outcome: Some(Outcome::Cancelled),
            next: Vec::new(),
        };
        send_as_pharmacy(network, booking).await;
        while network.nodes[PRACTICE].take_in().await.unwrap() > 0 {}
        assert_eq!(state(network, &id).await, BookingState::Booked);
        assert_eq!(status(network, &id).await, "booked");
        let clerk = network.staff(
            PRACTICE,
            "Clara",
            access::Role::Clerk,
            Interaction::WorkList,
        );
        let aside = network.store(PRACTICE).bookings_set_aside(&clerk, 10).await;
        let aside = aside.unwrap();
        assert_eq!((aside.len(), aside[0].1.as_str()), (1, "FZZ01"));
        // A question about slots is its peer's, for this node and of now.
        let stranger = network.ods(PHARMACY);
        let refused = network.nodes[HOSPITAL].answer_slots(&stranger, b"{}").await;
        assert!(refused.is_err());
    });
}
