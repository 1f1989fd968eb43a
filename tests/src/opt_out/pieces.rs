//! Questions and answers in several pieces, and what else may stand in the mailbox.

use access::{Ods, Scope, SystemPurpose};
use bytes::Bytes;
use exchange::mesh::{Credentials, Envelope, Mesh, tls};
use exchange::opt_out::{ALARM, Looked, OptOuts, Settings, When};
use fhir::json::{Limits, parse};
use store::testing::on_each_database;
use store::{Change, Clock, Expect, Job, Prepared, Release, Store};

use super::PEOPLE;
use super::stand_in::{MAILBOX, PASSWORD, SERVICE, SHARED_KEY, StandIn, WORKFLOW};

async fn people(store: &Store) {
    let organisation = Ods::parse("RZZ98").unwrap();
    for (id, number, family, given) in PEOPLE {
        let text = format!(
            r#"{{"resourceType":"Patient","id":"{id}","name":[{{"family":"{family}","given":["{given}"]}}],
            "identifier":[{{"system":"{}","value":"{number}"}},{{"system":"urn:mrn","value":"7"}}]}}"#,
            super::SYSTEM
        );
        let json = parse(text.as_bytes(), &Limits::default()).unwrap();
        let change = Change::Put {
            resource: Prepared::new(&json, id, &organisation).unwrap(),
            expect: Expect::Anything,
            release: Release::Keep,
        };
        let scope = Scope::system(SystemPurpose::Demo);
        store.commit(&scope, Job::change(change)).await.unwrap();
    }
}

/// A mailbox of the stand-in, under the time of this machine, which its tokens are held to.
fn mailbox(mesh: &StandIn, name: &str) -> Mesh {
    let credentials = Credentials::new(name, PASSWORD, SHARED_KEY).unwrap();
    let tls = tls::client(tls::Pem::default()).unwrap();
    Mesh::new(&mesh.url(), tls, credentials, Clock::system()).unwrap()
}

fn opt_outs(store: &Store, mesh: &StandIn) -> OptOuts {
    let settings = Settings {
        mailbox: SERVICE.into(),
        answers_from: SERVICE.into(),
        request_workflow: WORKFLOW.into(),
        answer_workflow: WORKFLOW.into(),
        every_hours: 24,
        answer_hours: 24,
        // Two people a piece.
        piece_bytes: 24,
    };
    OptOuts::new(store.clone(), mailbox(mesh, MAILBOX), settings)
}

/// Looks until something came of the check that is under way.
async fn outcome(opt_outs: &OptOuts) -> Looked {
    for _ in 0..100 {
        match opt_outs.look(When::Due).await.unwrap() {
            Looked::Waiting(_) => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
            looked => return looked,
        }
    }
    panic!("nothing came of it");
}

#[test]
fn p20_questions_and_answers_go_in_pieces_and_once_a_day() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        people(&store).await;
        let folder = tempfile::tempdir().unwrap();
        let mesh = StandIn::start(folder.path());
        mesh.opted_out(&[PEOPLE[1].1]);
        let opt_outs = opt_outs(&store, &mesh);
        let Looked::Sent(check) = opt_outs.look(When::Due).await.unwrap() else {
            panic!("nothing was sent");
        };
        assert_eq!(check.asked, 6);
        let Looked::Answered(check) = outcome(&opt_outs).await else {
            panic!("no answer: {}", mesh.log());
        };
        assert_eq!((check.asked, check.usable), (6, 5));
        let bar = store.opt_out_bar(None, 21).await.unwrap();
        assert_eq!((bar.patients(), bar.removed()), (6, 1));
        // What was acknowledged is gone, and nobody asks again before a day is over.
        let own = mailbox(&mesh, MAILBOX);
        assert!(own.inbox(WORKFLOW).await.unwrap().is_empty());
        assert_eq!(opt_outs.look(When::Due).await.unwrap(), Looked::Idle);
        ground.clock().advance(24 * 3_600_000);
        assert!(matches!(
            opt_outs.look(When::Due).await.unwrap(),
            Looked::Sent(_)
        ));
        assert!(matches!(outcome(&opt_outs).await, Looked::Answered(_)));
        store.close().await;
    });
}

#[test]
fn p21_a_check_that_fails_stands_on_the_work_list_until_one_is_answered() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        people(&store).await;
        let folder = tempfile::tempdir().unwrap();
        let gone = StandIn::mesh_only(folder.path());
        let unreachable = opt_outs(&store, &gone);
        drop(gone);
        unreachable.look_and_show().await.unwrap_err();
        let alarms = store.alarms().await.unwrap();
        assert_eq!(alarms.len(), 1);
        assert_eq!(alarms[0].kind, ALARM);
        assert!(!alarms[0].what.is_empty());

        let folder = tempfile::tempdir().unwrap();
        let mesh = StandIn::start(folder.path());
        let reached = opt_outs(&store, &mesh);
        for _ in 0..600 {
            if let Looked::Answered(_) = reached.look_and_show().await.unwrap() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        assert_eq!(store.alarms().await.unwrap(), []);
        store.close().await;
    });
}

/// What the service, or somebody else, may put into the mailbox instead of an answer.
#[test]
fn p20_only_the_services_answer_to_an_open_question_counts() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        people(&store).await;
        let folder = tempfile::tempdir().unwrap();
        let mesh = StandIn::mesh_only(folder.path());
        let opt_outs = opt_outs(&store, &mesh);
        let Looked::Sent(check) = opt_outs.look(When::Due).await.unwrap() else {
            panic!("nothing was sent");
        };
        let all: String = PEOPLE.map(|it| format!("{},\n", it.1)).concat();
        let send = async |from: &str, name: &str, body: &str| {
            let envelope = Envelope {
                to: MAILBOX,
                workflow: WORKFLOW,
                local_id: name,
                subject: name,
                file_name: name,
            };
            let from = mailbox(&mesh, from);
            from.send(&envelope, 1, Bytes::from(body.to_owned()))
                .await
                .unwrap()
        };
        // Another mailbox says that all may be used; another system's answer; a receipt.
        let forged = send("X26ABC3", &check.reference, &all).await;
        let others = send(SERVICE, "X26ABC1-281126-0001", &all).await;
        let receipt = send(SERVICE, &check.reference, r#"{"status": "pending"}"#).await;
        assert!(matches!(
            opt_outs.look(When::Due).await.unwrap(),
            Looked::Waiting(_)
        ));
        let left = mailbox(&mesh, MAILBOX).inbox(WORKFLOW).await.unwrap();
        assert!(left.contains(&forged) && left.contains(&others), "{left:?}");
        assert!(!left.contains(&receipt), "{left:?}");
        assert!(store.opt_out_bar(None, 21).await.is_err());
        // Numbers that nobody asked about: another question's answer.
        send(SERVICE, &check.reference, "9434765919,\n").await;
        let Looked::Failed(failed) = opt_outs.look(When::Due).await.unwrap() else {
            panic!("it was taken");
        };
        assert!(
            failed.reason.contains("not asked about"),
            "{}",
            failed.reason
        );
        // After a failure an hour is waited; then the next question, and the answer that it is no good.
        assert_eq!(opt_outs.look(When::Due).await.unwrap(), Looked::Idle);
        ground.clock().advance(3_600_000);
        let Looked::Sent(check) = opt_outs.look(When::Due).await.unwrap() else {
            panic!("nothing was sent");
        };
        send(
            SERVICE,
            &check.reference,
            "The file contains one or more invalid NHS Numbers.",
        )
        .await;
        let Looked::Failed(failed) = opt_outs.look(When::Due).await.unwrap() else {
            panic!("it was taken");
        };
        assert!(
            failed.reason.contains("no NHS number and a comma"),
            "{}",
            failed.reason
        );
        // One that never comes.
        ground.clock().advance(3_600_000);
        assert!(matches!(
            opt_outs.look(When::Due).await.unwrap(),
            Looked::Sent(_)
        ));
        ground.clock().advance(24 * 3_600_000 + 1);
        let Looked::Failed(failed) = opt_outs.look(When::Due).await.unwrap() else {
            panic!("it waits for ever");
        };
        assert!(
            failed.reason.contains("within 24 hours"),
            "{}",
            failed.reason
        );
        assert!(store.opt_out_bar(None, 21).await.is_err());
        store.close().await;
    });
}
