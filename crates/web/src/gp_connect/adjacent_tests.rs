//! Appointments over several slots, as another system books them.

use exchange::booking::{self, Session, publish};
use fhir::gp_connect::Call;
use http::Method;
use serde_json::{Value, json};
use store::diary::Audience;
use store::testing::on_each_database;
use store::{Expect, Job, Prepared, Release};

use super::tests::{Setting, code, set_up, work};

const MINUTE: i64 = 60_000;

/// A request for these slots, in the order in which they are given.
fn request(it: &Setting, slots: &[&fhir::gp_connect::Offered]) -> Value {
    let first = slots.iter().min_by_key(|it| it.starts).unwrap();
    let last = slots.iter().max_by_key(|it| it.starts).unwrap();
    let mut asked = it.request(first);
    let named = slots
        .iter()
        .map(|it| json!({ "reference": format!("Slot/{}", it.slot) }));
    asked["slot"] = Value::Array(named.collect());
    asked["end"] = json!(fhir::gp_connect::local(last.ends));
    asked
}

#[test]
fn adjacent_slots_are_booked_as_one_appointment_and_freed_with_it() {
    on_each_database(async |ground| {
        let it = set_up(ground).await;
        let slots = it.offered().await;
        let (first, second) = (&slots[0], &slots[1]);
        let (status, headers, booked) = it.book(&request(&it, &[second, first])).await;
        assert_eq!(status, 201, "{booked}");
        let names = [first, second].map(|it| json!({ "reference": format!("Slot/{}", it.slot) }));
        assert_eq!(booked["slot"], json!(names), "in the order of their times");
        assert_eq!(booked["start"], fhir::gp_connect::local(first.starts));
        assert_eq!(booked["end"], fhir::gp_connect::local(second.ends));
        assert!(it.offered().await.is_empty(), "both are taken");
        // Neither is to be had a second time, nor made free by anything but the end of the booking.
        let (status, _, again) = it.book(&request(&it, &[second])).await;
        assert_eq!((status.as_u16(), code(&again)), (409, "DUPLICATE_REJECTED"));
        for slot in [first, second] {
            let free = json!({
                "resourceType": "Slot", "status": "free",
                "schedule": { "reference": "Schedule/x" },
                "start": fhir::date::instant(slot.starts), "end": fhir::date::instant(slot.ends),
            })
            .to_string();
            let json = fhir::json::parse(free.as_bytes(), &fhir::json::Limits::default()).unwrap();
            let own = it.node.store.organisation().clone();
            let change = store::Change::Put {
                resource: Prepared::new(&json, &slot.slot, &own).unwrap(),
                expect: Expect::Anything,
                release: Release::Keep,
            };
            let import = access::Scope::system(access::SystemPurpose::Import);
            let done = it.node.store.commit(&import, Job::change(change)).await;
            assert!(done.is_err(), "{}", slot.slot);
        }
        // It is not squeezed into one slot.
        let id = booked["id"].as_str().unwrap().to_owned();
        let booking = it.node.store.booking(&work(), &id).await.unwrap().unwrap();
        let to = (first.slot.as_str(), Audience::Staff);
        let other = booking::move_to(&it.node.store, &work(), &booking, to).await;
        assert!(
            matches!(other, Ok(booking::Came::Booked(_))),
            "it is there already"
        );
        let to = ("none", Audience::Staff);
        let moved = booking::move_to(&it.node.store, &work(), &booking, to).await;
        assert!(moved.unwrap_err().message.contains("longer than one slot"));
        let tag = headers["etag"].to_str().unwrap();
        let ended = fhir::gp_connect::cancel(&booked, "Better now");
        let version = tag.trim_start_matches("W/").trim_matches('"');
        let (status, ended) = it.put(Call::Cancel, version, &ended).await;
        assert_eq!(status, 200, "{ended}");
        assert_eq!(it.offered().await.len(), 2, "both are free again");
        // And each may be taken by itself.
        let (status, _, alone) = it.book(&request(&it, &[second])).await;
        assert_eq!(status, 201, "{alone}");
        assert_eq!(it.offered().await.len(), 1);
    });
}

#[test]
fn slots_that_are_not_adjacent_are_not_booked_together() {
    on_each_database(async |ground| {
        let it = set_up(ground).await;
        let nurse = it.offered().await;
        let (from, until) = (nurse[0].starts, nurse[1].ends);
        for (with, from) in [
            ("Nurse Obi", until + 10 * MINUTE),
            ("Nurse Two", from + 10 * MINUTE),
        ] {
            let session = Session {
                from,
                until: from + 10 * MINUTE,
                minutes: 10,
                with: with.into(),
                kind: "Blood test".into(),
                audience: Audience::Organisations,
            };
            publish(&it.node.store, &work(), &session).await.unwrap();
        }
        let all = it.offered().await;
        assert_eq!(all.len(), 4);
        let later = all.iter().find(|it| it.starts > until).unwrap();
        let other = all.iter().find(|it| it.with == "Nurse Two").unwrap();
        for pair in [
            [&nurse[1], later],
            [&nurse[0], later],
            // Right after it, and with somebody else.
            [&nurse[0], other],
            [&nurse[0], &nurse[0]],
        ] {
            let (status, _, refused) = it.book(&request(&it, &pair)).await;
            assert_eq!(
                (status.as_u16(), code(&refused)),
                (422, "INVALID_RESOURCE"),
                "{refused}"
            );
        }
        // The times are those of all of them.
        let mut short = request(&it, &[&nurse[0], &nurse[1]]);
        short["end"] = json!(fhir::gp_connect::local(nurse[0].ends));
        let (status, _, refused) = it.book(&short).await;
        assert_eq!((status.as_u16(), code(&refused)), (422, "INVALID_RESOURCE"));
        assert_eq!(it.offered().await.len(), 4, "nothing was taken");
        let path = it.slots();
        let headers = it.headers(Call::FindSlots);
        let (_, _, found) = it.send((Method::GET, &path), &headers, &Value::Null).await;
        assert!(found["entry"].as_array().is_some_and(|it| it.len() >= 4));
    });
}
