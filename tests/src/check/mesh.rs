//! A mailbox at a node of ours, and the same with faults.

use std::net::SocketAddr;

use exchange::mesh::{Credentials, Shown};
use serde_json::{Value, json};

use super::door::{Asked, Door, change, instead, set_header};
use super::{Checked, check, each};
use crate::client::http::Answer;
use crate::mesh::House;
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood};

const MAILBOX: &str = "RZZ98OT001";
const PASSWORD: &str = "password";
const KEY: &str = "TestKey";

fn opened(tls: bool) -> (Neighbourhood, House) {
    let mut nodes = Neighbourhood::set_up(None);
    let house = House::open(&nodes.hospital, &[(MAILBOX, HOSPITAL)], tls);
    nodes.hospital.process.start();
    (nodes, house)
}

fn run(house: &House, address: &str, more: &[&str]) -> Checked {
    let url = format!("{address}/messageexchange/{MAILBOX}");
    let [password, key] = ["mailbox", "mesh-server-shared-key"]
        .map(|name| house.folder.join("keys").join(name).display().to_string());
    let mut arguments = vec![url.as_str(), "--password", &password, "--shared-key", &key];
    arguments.extend(more);
    check(&arguments)
}

#[test]
fn a_checked_mailbox_of_a_node_meets_mesh_over_tls_and_is_left_empty() {
    let (_nodes, house) = opened(true);
    let file = |name: &str| house.folder.join(name).display().to_string();
    let (ca, certificate, key) = (
        file("authority.crt"),
        file("client.crt"),
        file("client.key"),
    );
    let address = format!("https://{}", house.address);
    let ways = [
        "--ca",
        &ca,
        "--client-cert",
        &certificate,
        "--client-key",
        &key,
    ];
    let checked = run(&house, &address, &[&ways[..], &["--write"]].concat());
    println!("{}", checked.said);
    // The certificate of the test is good for two days.
    let told = checked.with("not-met");
    assert_eq!(
        told.into_iter().collect::<Vec<_>>(),
        ["tls-expiry"],
        "{}",
        checked.told()
    );
    let untold = checked.with("could-not-be-told");
    assert!(untold.is_empty(), "{untold:?}");
    assert_eq!(checked.report()["notRemoved"], json!([]));
    assert!(checked.with("met").contains("tls-old-refused"));
    let all = checked.report().to_string();
    // The password is a word of the report's own.
    assert!(!all.contains("NHSMESH") && !all.contains(KEY));
    // With an authority that it does not come from, the certificate is not believed, and nothing more is told.
    let checked = run(&house, &address, &["--ca", &certificate]);
    assert!(
        checked.with("not-met").contains("tls-trusted"),
        "{}",
        checked.said
    );
    assert_eq!(checked.code, 1);
}

fn fresh() -> String {
    let credentials = Credentials::new(MAILBOX, PASSWORD, KEY).unwrap();
    credentials.token(now())
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.unwrap().as_millis()).unwrap()
}

/// What is wrong with the token of a request.
fn token(asked: &Asked) -> &'static str {
    let Some(shown) = asked.header("authorization").and_then(Shown::read) else {
        return "none";
    };
    let credentials = Credentials::new(MAILBOX, PASSWORD, KEY).unwrap();
    let late = shown.at().map_or(0, |at| now() - at);
    match (shown.mailbox == MAILBOX, credentials.proves(&shown)) {
        (false, _) => "other",
        (true, false) => "wrong",
        (true, true) if late > 3_600_000 => "past",
        (true, true) if late < -3_600_000 => "future",
        (true, true) => "good",
    }
}

struct Fault {
    name: &'static str,
    breaks: &'static [&'static str],
    asks: fn(&mut Asked),
    answers: fn(&Asked, &mut Answer),
}

fn asks(name: &'static str, breaks: &'static [&'static str], asks: fn(&mut Asked)) -> Fault {
    Fault {
        name,
        breaks,
        asks,
        answers: |_, _| {},
    }
}

fn answers(
    name: &'static str,
    breaks: &'static [&'static str],
    answers: fn(&Asked, &mut Answer),
) -> Fault {
    Fault {
        name,
        breaks,
        asks: |_| {},
        answers,
    }
}

/// A token of that kind is taken for a good one.
macro_rules! takes {
    ($name:literal, $breaks:literal, $kind:literal) => {
        asks($name, &[$breaks], |asked| {
            if token(asked) == $kind {
                asked.set("authorization", &fresh());
            }
        })
    };
}

fn looks() -> Vec<Fault> {
    vec![
        answers(
            "a ping that wants a token",
            &["mesh-ping"],
            |asked, answer| {
                if asked.path.ends_with("/_ping") {
                    answer.status = 401;
                }
            },
        ),
        answers("no handshake", &["mesh-handshake"], |asked, answer| {
            if asked.header("mex-clientversion").is_some() {
                answer.status = 405;
            }
        }),
        asks("any handshake", &["mesh-handshake-headers"], |asked| {
            if asked.method == "POST" && asked.path.ends_with(MAILBOX) {
                for name in ["mex-clientversion", "mex-osname", "mex-osversion"] {
                    asked.set(name, "x");
                }
            }
        }),
        answers("a count that is text", &["mesh-count"], |asked, answer| {
            if asked.path.ends_with("/count") {
                change(answer, |it| it["count"] = "none".into());
            }
        }),
        answers("an inbox without list", &["mesh-inbox"], |asked, answer| {
            if asked.path.ends_with("/inbox") {
                change(answer, |it| it["messages"] = Value::Null);
            }
        }),
        answers(
            "version 1 where 2 was asked for",
            &["mesh-inbox-v2"],
            |asked, answer| {
                if asked.path.ends_with("/inbox") {
                    set_header(answer, "content-type", "application/json");
                }
            },
        ),
        answers(
            "max_results ignored",
            &["mesh-inbox-max"],
            |asked, answer| {
                if asked.path.contains("max_results") {
                    let ids: Vec<String> = (0..11).map(|it| format!("MADEUP{it}")).collect();
                    change(answer, |it| it["messages"] = json!(ids));
                }
            },
        ),
        takes!("no token is needed", "mesh-no-token", "none"),
        takes!("a wrong HMAC is taken", "mesh-wrong-hmac", "wrong"),
        takes!(
            "another mailbox's token is taken",
            "mesh-other-mailbox",
            "other"
        ),
        takes!("a replayed token is taken", "mesh-replay", "good"),
        takes!("a token of long ago is taken", "mesh-skew-past", "past"),
        takes!(
            "a token of far ahead is taken",
            "mesh-skew-future",
            "future"
        ),
        asks("any version is good", &["mesh-accept"], |asked| {
            if asked
                .header("accept")
                .is_some_and(|it| it.contains("vx+json"))
            {
                asked.set("accept", "application/vnd.mesh.v2+json");
            }
        }),
        answers(
            "an unknown message is tracked",
            &["mesh-tracking-unknown"],
            |asked, answer| {
                if asked.path.contains("messageID=HANDOVERCHECK0") {
                    instead(answer, 200, &json!({ "status": "accepted" }));
                }
            },
        ),
        answers(
            "an unknown message is empty",
            &["mesh-message-unknown"],
            |asked, answer| {
                if asked.path.ends_with("/inbox/HANDOVERCHECK0") {
                    instead(answer, 200, &json!({}));
                }
            },
        ),
        answers(
            "refusals without a word",
            &["mesh-refusal-shape"],
            |_, answer| {
                if answer.status == 403 {
                    answer.body.clear();
                }
            },
        ),
    ]
}

fn writes() -> Vec<Fault> {
    vec![
        answers("200 for a message", &["mesh-send"], |asked, answer| {
            if asked.is("POST", "/outbox") && answer.status == 202 {
                answer.status = 200;
            }
        }),
        answers(
            "a message without recipient is taken",
            &["mesh-send-headers"],
            |asked, answer| {
                if asked.is("POST", "/outbox")
                    && asked.header("mex-to").is_none()
                    && !asked.path.ends_with("/2")
                {
                    answer.status = 202;
                }
            },
        ),
        answers("another content", &["mesh-fetch"], |asked, answer| {
            if asked.is("GET", "/inbox/")
                && answer.status == 200
                && asked.path.split('/').count() == 5
            {
                answer.body.push(b' ');
            }
        }),
        answers(
            "another sender",
            &["mesh-fetch-headers"],
            |asked, answer| {
                if asked.is("GET", "/inbox/") {
                    set_header(answer, "mex-from", "SOMEBODY");
                }
            },
        ),
        answers(
            "a state that does not move",
            &["mesh-tracked"],
            |asked, answer| {
                if asked.path.contains("/tracking") {
                    change(answer, |it| it["status"] = "accepted".into());
                }
            },
        ),
        answers(
            "a message that was acknowledged is listed",
            &["mesh-acknowledge"],
            |asked, answer| {
                if asked.is("PUT", "/status/acknowledged") {
                    answer.status = 500;
                }
            },
        ),
        answers(
            "a message to nobody is taken",
            &["mesh-unregistered"],
            |_, answer| {
                if answer.status == 417 && answer.text().contains("Unregistered") {
                    answer.status = 202;
                }
            },
        ),
        answers(
            "200 for the first of two chunks",
            &["mesh-chunks"],
            |_, answer| {
                if answer.status == 206 {
                    answer.status = 200;
                }
            },
        ),
        asks("any range is good", &["mesh-chunk-range"], |asked| {
            if asked.header("mex-chunk-range") == Some("2:1") {
                asked.set("mex-chunk-range", "1:1");
            }
        }),
    ]
}

fn each_of(faults: &[Fault], more: &[&str]) {
    let (_nodes, house) = opened(false);
    let at: SocketAddr = house.address;
    let through = |fault: &Fault| {
        let door = Door::open(at, Box::new(fault.asks), Box::new(fault.answers));
        run(&house, &format!("http://{}", door.address), more)
    };
    let none = through(&asks("none", &[], |_| {}));
    assert_eq!((none.told().as_str(), none.code), ("", 0), "{}", none.said);
    each(faults, |fault| (fault.name, fault.breaks), through);
}

#[test]
fn each_fault_of_a_mailbox_is_named_and_no_other() {
    each_of(&looks(), &["--only", "mesh"]);
}

#[test]
fn each_fault_of_a_mailbox_that_is_sent_to_is_named_and_no_other() {
    each_of(&writes(), &["--only", "mesh", "--write"]);
}
