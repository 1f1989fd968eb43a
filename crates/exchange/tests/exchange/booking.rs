//! Appointments across organisations: the practice books for Una at the hospital's clinic.

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
fn f08_a_booking_waits_while_its_holder_is_down_and_one_that_is_given_up_is_before_a_person() {
    on_each_database(async |network, _| {
        clinic(network).await;
        let id = asked(network).await;
        network.link.set(|_, _| Fate::Lost);
        assert!(!network.nodes[PRACTICE].serve(&network.ods(HOSPITAL)).await);
        let silent = offers(network).await.unwrap_err();
        assert!(silent.contains("cannot be reached"), "{silent}");
        assert_eq!(state(network, &id).await, BookingState::Asked);
        let stuck = async |network: &Network| {
            let clerk = network.staff(
                PRACTICE,
                "Clara",
                access::Role::Clerk,
                Interaction::WorkList,
            );
            let before = network.clock.now() - DAY;
            let store = network.store(PRACTICE);
            store.stuck_bookings(&clerk, before, 10).await.unwrap()
        };
        assert!(stuck(network).await.is_empty(), "it is on its way");
        network.clock.advance(DAY + MINUTE);
        let late = stuck(network).await;
        assert_eq!(late.len(), 1, "nobody has answered for a day");
        assert_eq!(late[0].parcel, Some(State::Waiting));
        network.clock.advance(5 * DAY);
        network.nodes[PRACTICE].tidy().await;
        let given_up = stuck(network).await;
        assert_eq!(given_up[0].parcel, Some(State::Undeliverable));
        network.link.set(|_, _| Fate::Fine);
        carry(network).await;
        assert_eq!(
            state(network, &id).await,
            BookingState::Asked,
            "it is a person's now"
        );
        let again = store::diary::DiaryWrite::SendAgain { id: id.clone() };
        let job = store::Job::effect(store::Effect::Diary(again));
        network.store(PRACTICE).commit(&work(), job).await.unwrap();
        carry(network).await;
        let answered = booking(network, &id).await;
        assert_eq!(answered.state, BookingState::Taken, "its time is over");
        assert!(stuck(network).await.is_empty());
    });
}

#[test]
fn a_booking_that_staff_settle_ends_here_and_there_whatever_still_arrives() {
    on_each_database(async |network, _| {
        clinic(network).await;
        let id = asked(network).await;
        network.link.set(|_, _| Fate::Lost);
        network.nodes[PRACTICE].serve(&network.ods(HOSPITAL)).await;
        let clerk = network.staff(
            PRACTICE,
            "Clara",
            access::Role::Clerk,
            Interaction::CancelAppointment,
        );
        let practice = &network.nodes[PRACTICE];
        let why = ("It was not answered", "Clara");
        practice.settle_booking(&clerk, &id, why).await.unwrap();
        assert_eq!(state(network, &id).await, BookingState::Cancelled);
        assert_eq!(status(network, &id).await, "cancelled");
        network.link.set(|_, _| Fate::Fine);
        for _ in 0..2 {
            network.clock.advance(61_000);
            carry(network).await;
        }
        assert_eq!(
            state(network, &id).await,
            BookingState::Cancelled,
            "a late answer is not believed"
        );
        assert_eq!(there(network).await, ["cancelled"]);
        assert_eq!(free(network).await, 3);
        assert!(practice.settle_booking(&clerk, &id, why).await.is_err());
    });
}

#[test]
fn a_cancellation_that_overtakes_its_booking_leaves_nothing_booked() {
    on_each_database(async |network, _| {
        clinic(network).await;
        let id = asked(network).await;
        network.link.set(|_, _| Fate::Late);
        network.nodes[PRACTICE].serve(&network.ods(HOSPITAL)).await;
        let scope = una(network, Interaction::CancelAppointment);
        let why = ("I am better", "Una Ash");
        let practice = &network.nodes[PRACTICE];
        practice.cancel_booking(&scope, &id, why).await.unwrap();
        network.clock.advance(61_000);
        network.nodes[PRACTICE].serve(&network.ods(HOSPITAL)).await;
        network.link.set(|_, _| Fate::Fine);
        // The last that was sent comes first.
        network.link.let_late_arrive().await;
        for _ in 0..3 {
            network.clock.advance(61_000);
            carry(network).await;
        }
        assert_eq!(state(network, &id).await, BookingState::Cancelled);
        assert_eq!(status(network, &id).await, "cancelled");
        assert_eq!(free(network).await, 3);
        assert!(there(network).await.iter().all(|it| it == "cancelled"));
    });
}

#[test]
fn what_is_moved_keeps_its_old_time_until_the_new_one_is_confirmed() {
    on_each_database(async |network, _| {
        clinic(network).await;
        let id = asked(network).await;
        carry(network).await;
        let offers_now = offers(network).await.unwrap();
        let old = booking(network, &id).await;
        let scope = una(network, Interaction::Book);
        let wish = Wish {
            patient: "una",
            slot: &offers_now[1].slot,
            reason: "",
            attempt: "m",
            audience: Audience::Patients,
        };
        let wanted = (&network.ods(HOSPITAL), &offers_now[1]);
        let practice = &network.nodes[PRACTICE];
        let moved = practice.ask_for(&scope, wanted, &wish, ("Una Ash", Some(&old)));
        let Came::Asked(new) = moved.await.unwrap() else {
            panic!("it is asked for")
        };
        assert_eq!(state(network, &id).await, BookingState::Booked);
        carry(network).await;
        assert_eq!(state(network, &new).await, BookingState::Booked);
        assert_eq!(state(network, &id).await, BookingState::Cancelled);
        assert_eq!(slot(network, &old.slot).await.status, "free");
        assert_eq!(free(network).await, 2);
        let mut there = there(network).await;
        there.sort();
        assert_eq!(there, ["booked", "cancelled"]);
    });
}

#[test]
fn what_its_holder_cancels_is_told_to_who_booked_it() {
    on_each_database(async |network, _| {
        clinic(network).await;
        let id = asked(network).await;
        carry(network).await;
        let hospital = network.store(HOSPITAL);
        let theirs = hospital.bookings_of(&work(), "una-there").await.unwrap();
        let clerk = network.staff(
            HOSPITAL,
            "Carol Ward",
            access::Role::Clerk,
            Interaction::CancelAppointment,
        );
        let why = ("The clinic is closed", "Carol Ward");
        let node = &network.nodes[HOSPITAL];
        node.cancel_booking(&clerk, &theirs[0].id, why)
            .await
            .unwrap();
        carry(network).await;
        let told = booking(network, &id).await;
        assert_eq!(told.state, BookingState::Cancelled);
        assert_eq!(told.reason, "The clinic is closed");
        assert_eq!(status(network, &id).await, "cancelled");
    });
}

#[test]
fn what_staff_book_for_another_practices_patient_is_on_the_patients_list_there_and_ended_there() {
    on_each_database(async |network, _| {
        clinic(network).await;
        let offer = offers(network).await.unwrap().remove(0);
        let clerk = network.staff(
            HOSPITAL,
            "Carol Ward",
            access::Role::Clerk,
            Interaction::Book,
        );
        let wish = Wish {
            patient: "una-there",
            slot: &offer.slot,
            reason: "Follow-up",
            attempt: "c",
            audience: Audience::Staff,
        };
        let hospital = &network.nodes[HOSPITAL];
        let came = hospital.book_here(&clerk, &wish).await.unwrap();
        assert!(matches!(came, Came::Booked(_)));
        assert_eq!(
            hospital.book_here(&clerk, &wish).await.unwrap(),
            came,
            "once"
        );
        carry(network).await;
        carry(network).await;
        let store = network.store(PRACTICE);
        let known = store.bookings_of(&work(), "una").await.unwrap();
        let [booked] = known.as_slice() else {
            panic!("{known:?}")
        };
        assert_eq!(
            (booked.state, booked.holder.as_str()),
            (BookingState::Booked, "RZZ01")
        );
        assert_eq!(status(network, &booked.id).await, "booked");
        let scope = una(network, Interaction::CancelAppointment);
        let why = ("I am better", "Una Ash");
        let practice = &network.nodes[PRACTICE];
        practice
            .cancel_booking(&scope, &booked.id, why)
            .await
            .unwrap();
        carry(network).await;
        assert_eq!(state(network, &booked.id).await, BookingState::Cancelled);
        assert_eq!(there(network).await, ["cancelled"]);
        assert_eq!(free(network).await, 3);
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
        from: network.ods(PHARMACY).to_string(),
        to: network.ods(PRACTICE).to_string(),
        kind: ParcelKind::Booking,
        made_at: network.clock.now(),
        title: String::new(),
        author: String::new(),
        urgent: true,
        marks: Vec::new(),
        document: String::new(),
        replaces: None,
        patient: PatientNamed {
            nhs_number: Some(UNA.into()),
            birth_date: Some("1980-02-01".into()),
            family: "Ash".into(),
            given: String::new(),
        },
        contents: Vec::new(),
        statement: None,
        tell: Vec::new(),
        mesh: None,
        pointer: None,
        prescription: None,
        booking: Some(Box::new(booking)),
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
