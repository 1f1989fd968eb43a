//! Nothing that did not go through can hide: it is counted at the head of each page, and stands on the work list.

use access::{Scope, SystemPurpose};
use http::StatusCode;
use store::parcels::{Kind, ParcelWrite, State};
use store::testing::on_each_database;
use store::{Effect, Job, Store};

use crate::testing::letters::{self, Letter};
use crate::testing::{Browser, node};

fn rows(page: &str) -> usize {
    page.matches("data-of=\"Next step\"").count()
}

/// The other side does not take it.
async fn set_aside(store: &Store, pid: i64) {
    let reason = "The other node does not take this.".to_owned();
    let write = ParcelWrite::SetAside { pid, reason };
    let scope = Scope::system(SystemPurpose::Measure);
    let job = Job::effect(Effect::Parcel(write));
    store.commit(&scope, job).await.unwrap();
}

#[test]
fn what_did_not_go_through_is_counted_at_the_work_list_and_stands_there_with_what_to_do() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        let mut ann = Browser::new(&node);
        ann.sign_in("/staff/login", "ann").await;
        let before = ann.get("/staff/inbox").await.text;
        assert!(!before.contains("Work list ("), "{before}");
        letters::refuse_message(&node.store, "M1").await;
        letters::send(&node.store, &Letter::default()).await;
        let mut pids = Vec::new();
        for kind in [
            Kind::Handover,
            Kind::RecordQuestion,
            Kind::Referral,
            Kind::PrescriptionStatus,
            Kind::PracticeMove,
            Kind::SharingPreference,
        ] {
            pids.push(letters::send_as(&node.store, &Letter::default(), kind).await);
        }
        // What is still on its way is tried by itself.
        let waiting = ann.get("/staff/worklist").await.text;
        assert!(waiting.contains("Work list (1)"), "{waiting}");
        letters::give_up(&node.store).await;
        // The last two are never given up by time; the other side refuses them.
        for pid in pids.iter().skip(4).copied() {
            set_aside(&node.store, pid).await;
        }
        let list = ann.get("/staff/worklist").await.text;
        assert!(list.contains("Work list (8)"), "{list}");
        assert!(list.contains("Sent (1)"), "{list}");
        assert_eq!(rows(&list), 8, "each that is counted has its row: {list}");
        for said in [
            "Ambulance handover to FZZ99",
            "Ring the emergency department now",
            "Question of a patient",
            "Referral to FZZ99",
            "Status of a prescription to FZZ99",
            "Step of a patient’s move to FZZ99",
        ] {
            assert!(list.contains(said), "{said}: {list}");
        }
        // A handover is no letter, and is sent again from here.
        let again = format!("/staff/worklist/parcels/{}/again", pids[0]);
        let sent = ann.post(&again, &[]).await;
        assert_eq!(sent.location(), "/staff/worklist?done=parcel-again");
        let list = ann.get(sent.location()).await.text;
        assert!(
            list.contains("Work list (7)") && list.contains("It is sent again."),
            "{list}"
        );
        // Who runs the node sees that something waits, and opens nothing.
        let mut ed = Browser::new(&node);
        ed.sign_in("/staff/login", "ed").await;
        let list = ed.get("/staff/worklist").await.text;
        assert!(list.contains("Work list (7)"), "{list}");
        ed.get("/staff/worklist").await;
        let refused = ed.post(&again, &[]).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
    });
}

#[test]
fn a_status_for_a_practice_that_is_gone_is_given_up_by_time_and_sent_again_by_a_person() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        let store = &node.store;
        let status = letters::send_as(store, &Letter::default(), Kind::PrescriptionStatus).await;
        letters::send_as(store, &Letter::default(), Kind::PracticeMove).await;
        letters::fail_to_send(store, store.now() + 60_000).await;
        let mut ann = Browser::new(&node);
        ann.sign_in("/staff/login", "ann").await;
        let list = ann.get("/staff/worklist").await.text;
        assert_eq!(list.matches("Nothing yet").count(), 2, "{list}");
        assert!(!list.contains("Work list ("), "{list}");
        letters::give_up(store).await;
        let list = ann.get("/staff/worklist").await.text;
        assert!(list.contains("Work list (1)"), "{list}");
        assert!(
            list.contains("Ring the practice if the patient waits for it, then send again."),
            "{list}"
        );
        assert_eq!(
            list.matches("Nothing yet").count(),
            1,
            "the move goes on: {list}"
        );
        let again = format!("/staff/worklist/parcels/{status}/again");
        let sent = ann.post(&again, &[]).await;
        assert_eq!(sent.location(), "/staff/worklist?done=parcel-again");
        let list = ann.get(sent.location()).await.text;
        assert!(
            !list.contains("Work list (") && !list.contains("Ring the practice"),
            "{list}"
        );
        // It is due anew, and its time begins again.
        let peer = access::Ods::parse("FZZ99").unwrap();
        let work = Scope::system(SystemPurpose::DeliverParcels);
        let due = store.to_deliver(&work, &peer, 10).await.unwrap();
        assert!(due.iter().any(|it| it.pid == status), "{due:?}");
    });
}

#[test]
fn a_letter_that_came_back_is_counted_until_somebody_has_seen_to_it() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        let pid = letters::send(&node.store, &Letter::default()).await;
        letters::told(&node.store, State::Returned, "Not our patient").await;
        let mut ann = Browser::new(&node);
        ann.sign_in("/staff/login", "ann").await;
        let list = ann.get("/staff/worklist").await.text;
        for said in [
            "Work list (1)",
            "Sent (1)",
            "Letters that came back",
            "Not our patient",
        ] {
            assert!(list.contains(said), "{said}: {list}");
        }
        assert_eq!(rows(&list), 1, "{list}");
        let settled = format!("/staff/worklist/came-back/{pid}/settled");
        let mut ed = Browser::new(&node);
        ed.sign_in("/staff/login", "ed").await;
        let seen = ed.get("/staff/worklist").await.text;
        assert!(
            seen.contains("Not our patient") && !seen.contains("came-back&#x2f;"),
            "{seen}"
        );
        let refused = ed.post(&settled, &[]).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        let done = ann.post(&settled, &[]).await;
        assert_eq!(done.location(), "/staff/worklist?done=back-settled");
        let list = ann.get(done.location()).await.text;
        assert!(
            !list.contains("Work list (") && !list.contains("Sent ("),
            "{list}"
        );
        assert_eq!(rows(&list), 0, "{list}");
    });
}

#[test]
fn what_waits_for_a_dead_neighbour_is_one_row_and_hides_nothing_that_needs_somebody() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        let mut pids = Vec::new();
        for _ in 0..120 {
            pids.push(letters::send(&node.store, &Letter::default()).await);
        }
        letters::fail_to_send(&node.store, node.store.now() + 60_000).await;
        // Behind more of what waits than one page of the list could show.
        let refused = pids[119];
        set_aside(&node.store, refused).await;
        let mut ann = Browser::new(&node);
        ann.sign_in("/staff/login", "ann").await;
        let list = ann.get("/staff/worklist").await.text;
        assert_eq!(rows(&list), 2, "{list}");
        let again = format!("&#x2f;staff&#x2f;sent&#x2f;{refused}&#x2f;send-again");
        for said in [again.as_str(), "Letter to FZZ99, the oldest of 119"] {
            assert!(list.contains(said), "{said}: {list}");
        }
        // Of what needs somebody, too, nothing hides behind the first hundred.
        for pid in &pids[..105] {
            set_aside(&node.store, *pid).await;
        }
        let first = ann.get("/staff/worklist").await.text;
        assert_eq!(rows(&first), 101, "{first}");
        assert!(!first.contains(&again), "{first}");
        assert!(first.contains("There are 6 more behind these."), "{first}");
        let (_, rest) = first.split_once("worklist?after=").unwrap();
        let (place, _) = rest.split_once('#').unwrap();
        let last = ann.get(&format!("/staff/worklist?after={place}")).await;
        assert_eq!(rows(&last.text), 7, "{}", last.text);
        for said in [again.as_str(), "These are the last.", "Back to the first"] {
            assert!(last.text.contains(said), "{said}: {}", last.text);
        }
        let wrong = ann.get("/staff/worklist?after=nowhere").await;
        assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    });
}
