use std::time::Duration;

use access::{Scope, SystemPurpose};
use store::Store;
use store::testing::on_each_database;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::*;

struct Running {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    door: JoinHandle<()>,
}

async fn start(store: &Store, settings: Settings) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopping) = watch::channel(false);
    let door = Arc::new(Door::new(store.clone(), Arc::default()));
    let door = tokio::spawn(serve(listener, None, door, settings, stopping));
    Running {
        address,
        stop,
        door,
    }
}

impl Running {
    async fn end(self) {
        let _ = self.stop.send(true);
        tokio::time::timeout(Duration::from_secs(5), self.door)
            .await
            .unwrap()
            .unwrap();
    }
}

async fn answer(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(&[0x1c, 0x0d]) {
        let read = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut byte)).await;
        if read.unwrap().unwrap() == 0 {
            return "closed".into();
        }
        bytes.push(byte[0]);
    }
    String::from_utf8(bytes).unwrap()
}

async fn send(stream: &mut TcpStream, message: &[u8]) -> String {
    stream
        .write_all(&hl7v2::mllp::frame(message))
        .await
        .unwrap();
    answer(stream).await
}

fn admission(id: &str, name: &str) -> String {
    format!("MSH|^~\\&|PAS|RXX01|HO|RXX01|20240601||ADT^A01|{id}|P|2.4\rPID|1||H1||{name}\r")
}

fn scope() -> Scope {
    Scope::system(SystemPurpose::MapMessages)
}

#[test]
fn messages_are_answered_once_kept_and_alike_when_they_come_again() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let running = start(&store, Settings::default()).await;
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        let first = send(&mut stream, admission("1", "SMITH").as_bytes()).await;
        assert!(first.contains("MSA|AA|1"), "{first}");
        for _ in 0..20 {
            ground.clock().advance(1000);
            assert_eq!(
                send(&mut stream, admission("1", "SMITH").as_bytes()).await,
                first
            );
        }
        let other = send(&mut stream, admission("1", "JONES").as_bytes()).await;
        assert!(
            other.contains("MSA|AE|1") && other.contains("205"),
            "{other}"
        );
        assert_eq!(store.hl7_counts(&scope()).await.unwrap(), (1, 1));
        running.end().await;
        store.close().await;
    });
}

#[test]
fn what_cannot_be_taken_is_answered_with_place_and_reason_and_kept() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let running = start(&store, Settings::default()).await;
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        let many = format!("{}{}", admission("2", "A"), "NTE|1\r".repeat(30_000));
        let wrong = [admission("3", "").as_bytes(), b"NTE|1|\xff\xfe\r"].concat();
        let long = admission("4", &"x".repeat(70_000));
        for (message, told) in [
            (many.as_bytes(), "20000 segments"),
            (&wrong[..], "MSH-18"),
            (long.as_bytes(), "PID-5"),
            (b"garbage", "does not start with the segment MSH"),
            (
                &b"MSH|^~\\&|A|B|||2024||BAR^P01|5|P|2.4\r"[..],
                "BAR\\S\\P01 are not taken",
            ),
            (b"MSH|^~^&|A|B", "encoding characters"),
        ] {
            let told_back = send(&mut stream, message).await;
            assert!(told_back.contains("MSA|AR"), "{told_back}");
            assert!(told_back.contains(told), "{told}: {told_back}");
        }
        assert_eq!(store.hl7_counts(&scope()).await.unwrap(), (0, 6));
        let mended = send(&mut stream, admission("4", "SMITH").as_bytes()).await;
        assert!(mended.contains("MSA|AA|4"), "{mended}");
        running.end().await;
        store.close().await;
    });
}

#[test]
fn a_message_without_end_is_cut_answered_and_the_connection_closed() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let settings = Settings {
            message_bytes_max: 2000,
            ..Settings::default()
        };
        let running = start(&store, settings).await;
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        let endless = format!("\x0b{}{}", admission("1", ""), "x".repeat(5000));
        stream.write_all(endless.as_bytes()).await.unwrap();
        let told = answer(&mut stream).await;
        assert!(
            told.contains("MSA|AR|1") && told.contains("longer than 2000 bytes"),
            "{told}"
        );
        assert_eq!(store.hl7_counts(&scope()).await.unwrap(), (0, 1));
        let mut garbage = TcpStream::connect(running.address).await.unwrap();
        garbage.write_all(&[b'g'; 6000]).await.unwrap();
        assert!(answer(&mut garbage).await.contains("outside an MLLP frame"));
        running.end().await;
        store.close().await;
    });
}

#[test]
fn slow_and_too_many_senders_are_let_go() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let settings = Settings {
            message_seconds: 1,
            connections_max: 2,
            ..Settings::default()
        };
        let running = start(&store, settings).await;
        let mut slow = TcpStream::connect(running.address).await.unwrap();
        slow.write_all(b"\x0bMSH|").await.unwrap();
        let mut quiet = TcpStream::connect(running.address).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        let mut third = TcpStream::connect(running.address).await.unwrap();
        assert_eq!(answer(&mut third).await, "closed");
        assert_eq!(answer(&mut slow).await, "closed");
        // The quiet one is still served, and its place was never taken.
        assert!(
            send(&mut quiet, admission("1", "A").as_bytes())
                .await
                .contains("MSA|AA|1")
        );
        running.end().await;
        store.close().await;
    });
}

#[test]
fn a_message_under_way_is_answered_before_the_door_closes() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let running = start(&store, Settings::default()).await;
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        let message = hl7v2::mllp::frame(admission("1", "A").as_bytes());
        let (head, tail) = message.split_at(30);
        stream.write_all(head).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        running.stop.send(true).unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        stream.write_all(tail).await.unwrap();
        assert!(answer(&mut stream).await.contains("MSA|AA|1"));
        assert_eq!(answer(&mut stream).await, "closed");
        running.end().await;
        store.close().await;
    });
}

#[test]
fn times_of_a_diary_are_refused_and_the_work_list_says_why() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let running = start(&store, Settings::default()).await;
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        for trigger in ["S23", "S24"] {
            let message = format!(
                "MSH|^~\\&|PAS|RXX01|HO|RXX01|20240601||SIU^{trigger}|{trigger}|P|2.4\rSCH|P5|F7\rRGS|1\r"
            );
            let answer = send(&mut stream, message.as_bytes()).await;
            assert!(answer.contains("MSA|AR|"), "{answer}");
            assert!(
                answer.contains("they close or open times of a diary"),
                "{answer}"
            );
        }
        let list = store.hl7_work_list(&scope(), 0, 10).await.unwrap();
        let kinds: Vec<&str> = list.iter().map(|it| it.kind.as_str()).collect();
        assert_eq!(kinds, ["SIU^S23", "SIU^S24"]);
        assert!(
            list[0].reason.contains("free times are told by FHIR"),
            "{list:?}"
        );
        running.end().await;
        store.close().await;
    });
}
