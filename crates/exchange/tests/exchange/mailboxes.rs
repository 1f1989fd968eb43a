//! Messages for mailboxes, from node to node.

use std::sync::Arc;

use access::{Scope, SystemPurpose};
use store::mesh::{COLLECT_MILLIS, MeshDone, MeshState, MeshWrite, Message, Sending, Stored, Way};
use store::{Done, Effect, Job};

use crate::link::Fate;
use crate::network::{DAY, HOSPITAL, Network, PRACTICE, mailbox, on_each_database};

fn of(network: &Network, at: usize) -> Scope {
    let ods = network.ods(at);
    Scope::mailbox(&mailbox(ods.as_str()), ods.as_str(), "r-3".into())
}

pub async fn write(network: &Network, at: usize, write: MeshWrite) -> MeshDone {
    let scope = Scope::system(SystemPurpose::CarryMail);
    let job = Job::effect(Effect::Mesh(write));
    let done = network.store(at).commit(&scope, job).await.unwrap().done;
    match done.into_iter().next() {
        Some(Done::Mesh(done)) => done,
        other => panic!("{other:?}"),
    }
}

/// The hospital's system sends a message of so many bytes to that mailbox; its id.
async fn send(network: &Network, to: &str, size: usize) -> String {
    let upload = uuid_like(size);
    let pieces = MeshWrite::Pieces {
        upload: upload.clone(),
        first: 0,
        bytes: Arc::new(content(size)),
    };
    write(network, HOSPITAL, pieces).await;
    let route = network.nodes[HOSPITAL].route(to, "W").await.unwrap();
    assert_eq!(route.way, Way::Member);
    let sending = Sending {
        id: format!("M{size}"),
        sender: mailbox(network.ods(HOSPITAL).as_str()),
        recipient: route.mailbox,
        local_id: "L-1".into(),
        workflow: "W".into(),
        envelope: r#"{"mex-subject":"For you"}"#.into(),
        encoding: String::new(),
        chunks: 1,
        way: route.way,
        organisation: route.organisation,
        first: Stored {
            upload,
            size: size as u64,
            plain: size as u64,
            sha256: String::new(),
        },
    };
    match write(network, HOSPITAL, MeshWrite::Accept(Box::new(sending))).await {
        MeshDone::Taken { id, known: false } => id,
        other => panic!("{other:?}"),
    }
}

fn uuid_like(size: usize) -> String {
    format!("upload-{size}")
}

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|it| (it * 31 % 251) as u8).collect()
}

/// What waits in the mailbox of a node.
pub async fn inbox(network: &Network, at: usize) -> Vec<Message> {
    let scope = of(network, at);
    network.store(at).mesh_inbox(&scope, 0, 10).await.unwrap()
}

pub async fn sent(network: &Network, id: &str) -> Message {
    let scope = of(network, HOSPITAL);
    network
        .store(HOSPITAL)
        .mesh_message(&scope, id)
        .await
        .unwrap()
}

async fn carry(network: &Network) {
    while network.nodes[HOSPITAL].carry_mail().await.unwrap() > 0 {}
    network.carry().await;
}

#[test]
fn a_message_for_a_members_mailbox_crosses_in_parts_and_its_steps_come_back() {
    on_each_database(async |network, _| {
        let practice = mailbox(network.ods(PRACTICE).as_str());
        // Three parts, over a link that says everything twice.
        network.link.set(|_, _| Fate::Doubled);
        let size = 17 << 20;
        let id = send(network, &practice, size).await;
        while inbox(network, PRACTICE).await.is_empty() {
            carry(network).await;
        }
        let message = inbox(network, PRACTICE).await.remove(0);
        assert_eq!(
            (message.id.as_str(), message.way),
            (id.as_str(), Way::Arrived)
        );
        assert_eq!(message.sender, mailbox(network.ods(HOSPITAL).as_str()));
        assert!(message.envelope.contains("For you"));
        let scope = of(network, PRACTICE);
        let store = network.store(PRACTICE);
        let chunk = store
            .mesh_chunk(&scope, &message, 1)
            .await
            .unwrap()
            .unwrap();
        let mut bytes = Vec::new();
        let mut after = -1;
        while let Some((part, piece)) = store
            .mesh_piece(&scope, &chunk.upload, after)
            .await
            .unwrap()
        {
            bytes.extend(piece);
            after = part;
        }
        assert!(bytes == content(size), "what came is not what was sent");
        assert_eq!(sent(network, &id).await.state, MeshState::Accepted);
        assert!(
            !sent(network, &id).await.kept,
            "the sender keeps the content twice"
        );
        let acknowledge = MeshWrite::Acknowledge {
            number: message.number,
        };
        write(network, PRACTICE, acknowledge).await;
        network.tell().await;
        assert_eq!(sent(network, &id).await.state, MeshState::Acknowledged);
    });
}

#[test]
fn what_a_member_does_not_collect_or_does_not_know_is_reported_to_the_sender() {
    on_each_database(async |network, _| {
        let practice = mailbox(network.ods(PRACTICE).as_str());
        let id = send(network, &practice, 10).await;
        carry(network).await;
        network.clock.advance(COLLECT_MILLIS + 1);
        network.nodes[PRACTICE].sweep_mail().await.unwrap();
        assert_eq!(inbox(network, PRACTICE).await, []);
        network.tell().await;
        let failed = sent(network, &id).await;
        assert_eq!(failed.state, MeshState::Undeliverable);
        let report = inbox(network, HOSPITAL).await.remove(0);
        assert_eq!(
            (report.linked.as_str(), report.status_code.as_str()),
            (id.as_str(), "14")
        );
        // A mailbox that the directory names and the node does not have.
        let gone = format!("{practice}X");
        let id = send(network, &gone, 11).await;
        carry(network).await;
        let failed = sent(network, &id).await;
        assert_eq!(failed.state, MeshState::Undeliverable);
        assert_eq!(failed.reason, "There is no such mailbox here.");
        let reports = inbox(network, HOSPITAL).await;
        assert_eq!(reports[1].status_code, "12");
    });
}

#[test]
fn what_a_member_cannot_be_reached_for_is_given_up_and_not_delivered_later() {
    on_each_database(async |network, _| {
        let practice = mailbox(network.ods(PRACTICE).as_str());
        let id = send(network, &practice, 10).await;
        while network.nodes[HOSPITAL].carry_mail().await.unwrap() > 0 {}
        network.clock.advance(COLLECT_MILLIS + 1);
        network.nodes[HOSPITAL].sweep_mail().await.unwrap();
        assert_eq!(sent(network, &id).await.state, MeshState::Undeliverable);
        let report = inbox(network, HOSPITAL).await.remove(0);
        assert!(report.reason.contains("could not be reached"));
        network.clock.advance(DAY);
        network.nodes[HOSPITAL].serve(&network.ods(PRACTICE)).await;
        network.nodes[PRACTICE].take_in().await.unwrap();
        assert_eq!(inbox(network, PRACTICE).await, []);
    });
}

#[test]
fn a_person_is_routed_to_the_mailbox_of_their_practice() {
    on_each_database(async |network, _| {
        let node = &network.nodes[PRACTICE];
        let to = |birth: &str, family: &str| format!("GPPROVIDER_9434765919_{birth}_{family}");
        for birth in ["19800201", "01021980"] {
            let route = node.route(&to(birth, "ASH"), "W").await.unwrap();
            assert_eq!(route.way, Way::Here);
            assert_eq!(route.mailbox, mailbox(network.ods(PRACTICE).as_str()));
        }
        for (birth, family, workflow) in [
            ("01021980", "Elm", "W"),
            ("02021980", "Ash", "W"),
            ("01021980", "Ash", "OTHER"),
        ] {
            assert!(node.route(&to(birth, family), workflow).await.is_err());
        }
        assert!(node.route("NOWHERE", "W").await.is_err());
    });
}
