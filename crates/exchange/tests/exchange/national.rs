//! Messages that leave by the national service, and what it does not take.

use std::sync::Arc;

use exchange::mailboxes::Collecting;
use store::mesh::{COLLECT_MILLIS, MeshState, MeshWrite, Sending, Stored, Way};
use store::testing::Ground;

use crate::mailboxes::{inbox, sent, write};
use crate::network::{HOSPITAL, Network, UNA, mailbox, on_each_database};
use crate::service::{Asked, Said, Service};

/// Takes what is for any mailbox but one that is busy, and those that are called after a refusal's status. The 55th is
/// collected by its recipient.
fn answer(asked: &Asked) -> Said {
    if let Some(id) = asked.call.strip_prefix("GET /outbox/tracking?messageID=") {
        let status = if id == "OUT-N55" {
            "acknowledged"
        } else {
            "accepted"
        };
        let told = format!(r#"{{"message_id":"{id}","status":"{status}"}}"#);
        return Said::of(200, &told);
    }
    let to = asked.header("mex-to");
    match (asked.call.as_str(), to.strip_prefix("REFUSED")) {
        ("POST /outbox", Some(status)) => {
            let told = r#"{"errorCode":"06","errorDescription":"Malformed control file"}"#;
            Said::of(status.parse().unwrap(), told)
        }
        ("POST /outbox", None) if to == "BUSY" => Said::of(500, ""),
        ("POST /outbox", None) => {
            let id = asked.header("mex-localid");
            Said::of(202, &format!(r#"{{"message_id":"OUT-{id}"}}"#))
        }
        _ => Said::of(404, ""),
    }
}

/// Starts the hospital's node again with a way to the national service.
async fn with_national(network: &mut Network, grounds: &[Ground]) -> Service {
    let service = Service::start(answer).await;
    let mesh = service.mesh(&network.clock);
    network.national = Some((mesh, Collecting::default()));
    network.crash(HOSPITAL, grounds).await;
    service
}

/// A system of the hospital sends a message to that recipient.
async fn send(network: &Network, id: &str, to: &str) {
    let upload = format!("upload-{id}");
    let bytes = b"content".to_vec();
    let size = bytes.len() as u64;
    let pieces = MeshWrite::Pieces {
        upload: upload.clone(),
        first: 0,
        bytes: Arc::new(bytes),
    };
    write(network, HOSPITAL, pieces).await;
    let route = network.nodes[HOSPITAL].route(to, "W").await.unwrap();
    assert_eq!(route.way, Way::National);
    let sending = Sending {
        id: id.to_owned(),
        sender: mailbox(network.ods(HOSPITAL).as_str()),
        recipient: route.mailbox,
        local_id: format!("L-{id}"),
        workflow: "W".into(),
        envelope: "{}".into(),
        encoding: String::new(),
        chunks: 1,
        way: route.way,
        organisation: route.organisation,
        first: Stored {
            upload,
            size,
            plain: size,
            sha256: String::new(),
        },
    };
    write(network, HOSPITAL, MeshWrite::Accept(Box::new(sending))).await;
}

/// Hands over all that can be; how many requests that took of those that begin so.
async fn carry(network: &Network, service: &Service, begin: &str) -> usize {
    while network.nodes[HOSPITAL].carry_mail().await.unwrap() > 0 {}
    service.asked(begin).len()
}

#[test]
fn what_mesh_refuses_is_reported_at_once_with_its_reason_and_keeps_nothing_from_leaving() {
    on_each_database(async |network, grounds| {
        let service = with_national(network, grounds).await;
        let refusals = [400, 406, 413, 422];
        for status in refusals {
            send(network, &format!("N{status}"), &format!("REFUSED{status}")).await;
        }
        send(network, "N1", "TAKEN").await;
        assert_eq!(carry(network, &service, "POST /outbox").await, 5);
        assert_eq!(sent(network, "N1").await.outside, "OUT-N1");
        let reports = inbox(network, HOSPITAL).await;
        assert_eq!(reports.len(), refusals.len());
        for (report, status) in reports.iter().zip(refusals) {
            assert!(report.is_report);
            assert_eq!(report.linked, format!("N{status}"));
            assert_eq!(report.local_id, format!("L-N{status}"));
            assert_eq!(report.status_code, "06");
            let said = format!("answered {status} (06 Malformed control file)");
            assert!(report.reason.contains(&said), "{}", report.reason);
            let failed = sent(network, &report.linked).await;
            assert_eq!(failed.state, MeshState::Undeliverable);
        }
        // And none is tried again.
        network.clock.advance(3_600_000);
        assert_eq!(carry(network, &service, "POST /outbox").await, 5);
    });
}

#[test]
fn what_mesh_stumbles_over_waits_behind_others_longer_each_time_and_is_given_up() {
    on_each_database(async |network, grounds| {
        let service = with_national(network, grounds).await;
        send(network, "N1", "BUSY").await;
        assert_eq!(carry(network, &service, "POST /outbox").await, 1);
        send(network, "N2", "TAKEN").await;
        send(network, "N3", "TAKEN").await;
        network.clock.advance(30_000);
        assert_eq!(carry(network, &service, "POST /outbox").await, 4);
        let tried = service.asked("POST /outbox");
        let tried: Vec<&str> = tried.iter().map(|it| it.header("mex-localid")).collect();
        assert_eq!(tried, ["N1", "N2", "N3", "N1"]);
        network.clock.advance(30_000);
        assert_eq!(carry(network, &service, "POST /outbox").await, 4);
        network.clock.advance(30_000);
        assert_eq!(carry(network, &service, "POST /outbox").await, 5);
        let waiting = sent(network, "N1").await;
        assert_eq!(waiting.state, MeshState::Accepted);
        assert!(waiting.reason.contains("answered 500"), "{waiting:?}");
        network.clock.advance(COLLECT_MILLIS);
        network.nodes[HOSPITAL].sweep_mail().await.unwrap();
        let reports = inbox(network, HOSPITAL).await;
        assert_eq!(reports.len(), 1);
        assert_eq!(reports[0].linked, "N1");
        for told in ["did not take the message in 5 days", "answered 500"] {
            assert!(reports[0].reason.contains(told), "{}", reports[0].reason);
        }
    });
}

#[test]
fn each_message_that_mesh_has_is_asked_after_in_its_turn() {
    on_each_database(async |network, grounds| {
        let service = with_national(network, grounds).await;
        for number in 1..=60 {
            send(network, &format!("N{number}"), "TAKEN").await;
        }
        let begin = "GET /outbox/tracking?";
        assert_eq!(carry(network, &service, begin).await, 0);
        network.clock.advance(30_000);
        assert_eq!(carry(network, &service, begin).await, 50);
        assert_eq!(sent(network, "N55").await.state, MeshState::Accepted);
        network.clock.advance(30_000);
        assert_eq!(carry(network, &service, begin).await, 60);
        assert_eq!(sent(network, "N55").await.state, MeshState::Acknowledged);
        // And the oldest once more.
        network.clock.advance(30_000);
        assert_eq!(carry(network, &service, begin).await, 110);
    });
}

#[test]
fn a_person_whose_practice_has_no_mailbox_here_is_left_to_the_national_service_unchanged() {
    on_each_database(async |network, grounds| {
        let service = with_national(network, grounds).await;
        network
            .register(HOSPITAL, "una-there", UNA, "Ash", "1980-02-01")
            .await;
        let node = network.nodes[HOSPITAL].clone();
        let known = "GPPROVIDER_9434765919_19800201_Ash";
        let unknown = "GPPROVIDER_9434765919_01021980_Elm";
        // Two mailboxes of her practice could be meant: neither is guessed at, and they are not passed over.
        assert!(node.route(known, "W").await.is_err());
        for (to, workflow) in [(known, "OTHER"), (unknown, "W")] {
            let route = node.route(to, workflow).await.unwrap();
            assert_eq!((route.way, route.mailbox.as_str()), (Way::National, to));
        }
        let no_number = "GPPROVIDER_9434765918_01021980_Elm";
        assert!(node.route(no_number, "W").await.is_err());
        send(network, "N1", unknown).await;
        assert_eq!(carry(network, &service, "POST /outbox").await, 1);
        let out = service.asked("POST /outbox");
        assert_eq!(out[0].header("mex-to"), unknown);
        assert_eq!(sent(network, "N1").await.outside, "OUT-N1");
    });
}
