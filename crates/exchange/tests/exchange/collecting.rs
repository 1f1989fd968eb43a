//! What comes from MESH, with something among it that cannot be taken.

use std::sync::Arc;
use std::time::Duration;

use access::{Scope, SystemPurpose};
use exchange::itk3::{self, DateOrder, Itk3, SEND_DOCUMENT};
use exchange::mailboxes::{Collecting, Rule};
use exchange::opt_out::{self, Looked, OptOuts, When};
use fhir::problem::Kind;
use store::mesh::MeshState;
use store::{Clock, Store};
use tokio::sync::watch;

use crate::network::{DAY, HOSPITAL, PRACTICE, UNA, mailbox, on_each_database};
use crate::service::{Inbox, MAILBOX, OTHER, Said, Service, Waiting};

/// A service with one mailbox.
async fn started() -> (Service, Arc<Inbox>) {
    let inbox = Arc::new(Inbox::default());
    let answers = inbox.clone();
    let service = Service::start(move |asked| answers.answer(asked)).await;
    (service, inbox)
}

/// A message that says of its plain bytes that they are packed.
fn spoilt(id: &str, workflow: &str, body: &str) -> Waiting {
    Waiting::of(id, workflow, body).with("content-encoding", "gzip")
}

/// The alarms of that kind.
async fn alarms(store: &Store, kind: &str) -> Vec<String> {
    let alarms = store.alarms().await.unwrap().into_iter();
    let of_kind = alarms.filter(|it| it.kind == kind);
    of_kind.map(|it| it.what).collect()
}

#[test]
fn what_is_wrong_with_one_message_at_mesh_keeps_no_other_from_its_mailbox() {
    on_each_database(async |network, grounds| {
        let (service, waiting) = started().await;
        waiting.put(spoilt("SPOILT", "W", "plain bytes"));
        waiting.put(Waiting::of("MANY", "W", "x").with("mex-chunk-range", "1:many"));
        waiting.put(Waiting::said("REFUSED", "W", Said::of(406, "")));
        waiting.put(Waiting::said("STUMBLED", "W", Said::of(500, "")));
        waiting.put(Waiting::of("SOUND", "W", "results"));
        let own = mailbox(network.ods(HOSPITAL).as_str());
        let collecting = Collecting {
            rules: vec![Rule {
                workflow: "*".into(),
                mailbox: own.clone(),
            }],
            left: Vec::new(),
            every_seconds: 1,
            message_bytes_max: 1 << 20,
        };
        network.national = Some((service.mesh(&network.clock), collecting));
        network.crash(HOSPITAL, grounds).await;
        let (_stop, stopped) = watch::channel(false);
        let (node, store) = (&network.nodes[HOSPITAL], network.store(HOSPITAL));
        let told = node.collect_mail(&stopped).await.unwrap_err();
        assert!(told.message.contains("calls the message MANY"), "{told:?}");
        assert_eq!(waiting.taken(), ["SOUND"]);
        let scope = Scope::mailbox(&own, "RZZ01", "r-3".into());
        let here = store.mesh_inbox(&scope, 0, 10).await.unwrap();
        let here: Vec<&str> = here.iter().map(|it| it.id.as_str()).collect();
        assert_eq!(here, ["SOUND"]);
        // What does not unpack is before a person, as it came.
        let worker = Scope::system(SystemPurpose::CarryMail);
        let failed = store.mesh_failed(&worker, 10).await.unwrap();
        let [kept] = failed.as_slice() else {
            panic!("{failed:?}");
        };
        assert_eq!(
            (kept.id.as_str(), kept.recipient.as_str()),
            ("SPOILT", own.as_str())
        );
        assert_eq!((kept.state, kept.spoilt), (MeshState::Undeliverable, true));
        assert!(
            kept.reason.contains("cannot be unpacked"),
            "{}",
            kept.reason
        );
        let chunk = store.mesh_chunk(&scope, kept, 1).await.unwrap().unwrap();
        let piece = store.mesh_piece(&worker, &chunk.upload, -1).await.unwrap();
        assert_eq!(piece, Some((0, b"plain bytes".to_vec())));
        // It is fetched once, and left for MESH to tell its sender.
        assert!(node.collect_mail(&stopped).await.is_err());
        assert_eq!(service.asked("GET /inbox/SPOILT").len(), 1);
        assert_eq!(waiting.taken(), ["SOUND"]);
    });
}

#[tokio::test]
async fn a_list_is_followed_to_its_end_past_pages_that_hold_nothing() {
    let service = Service::start(|asked| {
        let page = |ids: &str, next: Option<&str>| {
            let next =
                next.map(|from| format!("/messageexchange/{MAILBOX}/inbox?continue_from={from}"));
            let body = format!(
                r#"{{"messages":[{ids}],"links":{}}}"#,
                serde_json::json!({ "next": next })
            );
            Said::of(200, &body)
        };
        let from = asked.call.rsplit_once("continue_from=");
        match (asked.call.contains("workflow_filter=W"), from) {
            (false, _) => page("", Some("a")),
            (true, None) => page("", Some("a")),
            (true, Some((_, "a"))) => page(r#""M1""#, Some("b")),
            (true, Some(_)) => page(r#""M2""#, None),
        }
    });
    let service = service.await;
    let mesh = service.mesh(&Clock::system());
    assert_eq!(mesh.inbox("W").await.unwrap(), ["M1", "M2"]);
    assert_eq!(service.asked("GET /inbox").len(), 3);
    // One that never ends is left at its bound, and a person is told.
    let endless = mesh.inbox("NONE").await.unwrap_err();
    assert_eq!(endless.kind, Kind::TooCostly);
    assert_eq!(service.asked("GET /inbox").len(), 103);
    assert_eq!(mesh.whole_inbox().await.unwrap(), (Vec::new(), true));
}

fn documents() -> itk3::Settings {
    itk3::Settings {
        name: "The practice".into(),
        telephone: String::new(),
        tries_max: 3,
        infrastructure_hours: 24,
        business_hours: 120,
        keep_days: 30,
        message_bytes_max: 1 << 20,
        look_seconds: 60,
        date_order: DateOrder::YearFirst,
        discharge_definition: None,
    }
}

#[test]
fn an_itk3_message_that_does_not_unpack_is_kept_as_it_came_and_ends_no_round() {
    on_each_database(async |network, _| {
        let (service, waiting) = started().await;
        waiting.put(spoilt("SPOILT", SEND_DOCUMENT, "no document"));
        waiting.put(Waiting::said("REFUSED", SEND_DOCUMENT, Said::of(406, "")));
        waiting.put(Waiting::of("SOUND", "TOC_FHIR_OP_ATTEN", "none either"));
        let store = network.store(PRACTICE).clone();
        let worker = Itk3::new(store.clone(), service.mesh(&network.clock), documents());
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(worker.run(stopped));
        let mut told = Vec::new();
        for _ in 0..200 {
            told = alarms(&store, itk3::ALARM).await;
            if !told.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        stop.send(true).unwrap();
        running.await.unwrap();
        assert!(
            told.concat().contains("calls the message REFUSED"),
            "{told:?}"
        );
        assert_eq!(waiting.taken(), ["SOUND", "SPOILT"]);
        // Neither is a document: both are kept, refused, and before a person.
        let scope = Scope::system(SystemPurpose::CarryItk3);
        let mut kept = Vec::new();
        for row in store.itk3_work_list(&scope, 9).await.unwrap() {
            assert_eq!(row.state, "refused");
            kept.push(store.itk3_came(&scope, row.number).await.unwrap().bytes);
        }
        kept.sort();
        assert_eq!(kept, [b"no document".to_vec(), b"none either".to_vec()]);
    });
}

#[test]
fn a_message_that_does_not_read_keeps_no_answer_about_opt_outs_from_being_read() {
    on_each_database(async |network, _| {
        let (service, waiting) = started().await;
        let store = network.store(PRACTICE).clone();
        let settings = opt_out::Settings {
            mailbox: OTHER.into(),
            answers_from: OTHER.into(),
            request_workflow: "ASK".into(),
            answer_workflow: "ASK".into(),
            every_hours: 24,
            answer_hours: 24,
            piece_bytes: 24,
        };
        let opt_outs = OptOuts::new(store.clone(), service.mesh(&network.clock), settings);
        let Looked::Sent(check) = opt_outs.look(When::Due).await.unwrap() else {
            panic!("nothing was sent");
        };
        waiting.put(Waiting::of("MANY", "ASK", "x").with("mex-chunk-range", "1:many"));
        let looked = opt_outs.look_and_show().await.unwrap();
        assert!(matches!(looked, Looked::Waiting(_)), "{looked:?}");
        let told = alarms(&store, opt_out::ALARM).await;
        assert!(told.concat().contains("calls the message MANY"), "{told:?}");
        let answer = Waiting::of("ANSWER", "ASK", &format!("{UNA},\n"));
        waiting.put(answer.with("mex-localid", &check.reference));
        let looked = opt_outs.look_and_show().await.unwrap();
        assert!(matches!(looked, Looked::Answered(_)), "{looked:?}");
        assert!(alarms(&store, opt_out::ALARM).await.is_empty());
        // An answer that does not unpack is the answer all the same: the check failed.
        network.clock.advance(DAY);
        let Looked::Sent(check) = opt_outs.look(When::Due).await.unwrap() else {
            panic!("nothing was sent");
        };
        let answer = spoilt("SPOILT", "ASK", &format!("{UNA},\n"));
        waiting.put(answer.with("mex-localid", &check.reference));
        let Looked::Failed(failed) = opt_outs.look(When::Due).await.unwrap() else {
            panic!("it was taken");
        };
        assert!(
            failed.reason.contains("cannot be unpacked"),
            "{}",
            failed.reason
        );
        assert_eq!(waiting.taken(), ["ANSWER", "SPOILT"]);
    });
}
