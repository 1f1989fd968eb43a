//! Bookings that wait, move and end.

use super::*;

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
        assert!(there(network).await.iter().all(|it| it == "cancelled"));
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
