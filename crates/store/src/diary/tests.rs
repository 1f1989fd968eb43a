use access::{Scope, SystemPurpose};
use fhir::json::{Limits, parse};
use fhir::problem::Kind;
use serde_json::json;

use super::{Audience, Booking, BookingState, DiaryWrite, Free, Was};
use crate::testing::on_each_database;
use crate::{Change, Effect, Expect, Job, Prepared, Release, Store};

const DAY: i64 = 86_400_000;

fn work() -> Scope {
    Scope::system(SystemPurpose::KeepAppointments)
}

fn slot(store: &Store, id: &str, status: &str, tag: Option<&str>, expect: Expect) -> Change {
    let start = fhir::date::instant(store.now() + DAY);
    let end = fhir::date::instant(store.now() + DAY + 600_000);
    let mut slot = json!({
        "resourceType": "Slot", "status": status, "start": start, "end": end,
        "schedule": { "reference": "Schedule/s", "display": "Dr Rao" },
        "serviceType": [{ "text": "Blood test" }],
    });
    if let Some(tag) = tag {
        slot["meta"] = json!({ "tag": [{ "system": super::BOOKABLE_BY, "code": tag }] });
    }
    let text = slot.to_string();
    let json = parse(text.as_bytes(), &Limits::default()).unwrap();
    Change::Put {
        resource: Prepared::new(&json, id, store.organisation()).unwrap(),
        expect,
        release: Release::Keep,
    }
}

fn booking(slot: &str, state: BookingState) -> Booking {
    Booking {
        id: "a".into(),
        patient: "una".into(),
        holder: "A81001".into(),
        asker: "A81001".into(),
        asked_as: "a".into(),
        slot: slot.into(),
        starts_at: 1,
        state,
        asked_at: 1,
        state_at: 1,
        parcel: String::new(),
        instead_of: String::new(),
        reason: String::new(),
        next: String::new(),
    }
}

fn put(booking: Booking, was: Was) -> Effect {
    let booking = Box::new(booking);
    Effect::Diary(DiaryWrite::Put { booking, was })
}

async fn free(store: &Store, audience: Audience) -> Vec<String> {
    let free = Free {
        from: store.now(),
        until: store.now() + 2 * DAY,
        audience,
        like: Some(("Blood test", "Dr Rao")),
        count: 10,
    };
    let found = store.free_slots(&work(), &free).await.unwrap();
    found.into_iter().map(|it| it.id).collect()
}

#[test]
fn what_is_free_follows_from_slots_and_who_may_take_them() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let mut job = Job::default();
        job.changes
            .push(slot(&store, "staff", "free", None, Expect::Absent));
        let tagged = |id, tag| slot(&store, id, "free", Some(tag), Expect::Absent);
        job.changes.push(tagged("patients", "patients"));
        job.changes.push(tagged("all", "organisations"));
        job.changes.push(slot(
            &store,
            "held",
            "busy-tentative",
            Some("organisations"),
            Expect::Absent,
        ));
        store.commit(&work(), job).await.unwrap();
        assert_eq!(
            free(&store, Audience::Staff).await,
            ["all", "patients", "staff"]
        );
        assert_eq!(free(&store, Audience::Patients).await, ["all", "patients"]);
        assert_eq!(free(&store, Audience::Organisations).await, ["all"]);
        let found = store.slot(&work(), "patients").await.unwrap().unwrap();
        assert_eq!((found.version, found.held_by.as_str()), (1, "Dr Rao"));
    });
}

#[test]
fn what_is_booked_is_made_free_only_with_the_end_of_its_booking() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let mut job = Job::change(slot(&store, "s", "busy", None, Expect::Absent));
        job.effects
            .push(put(booking("s", BookingState::Booked), Was::Nothing));
        store.commit(&work(), job).await.unwrap();
        let system = Scope::system(SystemPurpose::Import);
        let freed = slot(&store, "s", "free", None, Expect::Anything);
        let refused = store.commit(&system, Job::change(freed)).await;
        assert_eq!(refused.unwrap_err().kind, Kind::BusinessRule);
        let gone = Change::Delete {
            ty: "Slot".into(),
            id: "s".into(),
            expect: Expect::Anything,
        };
        assert!(store.commit(&system, Job::change(gone)).await.is_err());
        // Written down twice, it is refused, and with it all else.
        let mut again = Job::change(slot(&store, "t", "busy", None, Expect::Absent));
        again
            .effects
            .push(put(booking("t", BookingState::Booked), Was::Nothing));
        let refused = store.commit(&work(), again).await;
        assert_eq!(refused.unwrap_err().kind, Kind::Conflict);
        assert!(store.slot(&work(), "t").await.unwrap().is_none());
        let mut end = Job::change(slot(&store, "s", "free", None, Expect::Version(1)));
        let cancelled = booking("s", BookingState::Cancelled);
        end.effects
            .push(put(cancelled, Was::In(BookingState::Booked)));
        store.commit(&work(), end).await.unwrap();
        assert_eq!(free(&store, Audience::Staff).await, ["s"]);
    });
}
