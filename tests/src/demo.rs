//! `handover demo` as a newcomer meets it.

use std::time::Duration;

use crate::client::http::Client;
use crate::node::demo::Demo;
use crate::node::neighbourhood::wait_for;
use crate::node::process::outcome;

const READY_MAX: Duration = Duration::from_secs(5);

#[test]
fn the_demo_is_ready_soon_tells_where_to_look_and_finds_its_data_again() {
    let mut demo = Demo::new();
    let took = demo.process.start();
    println!("ready after {took:?}");
    // A debug build is slower than the release binary that the bench times.
    assert!(took < READY_MAX * 2, "ready after {took:?}");
    demo.wait_for_the_day();
    let log = demo.process.log();
    for address in [demo.hospital(), demo.practice(), demo.pharmacy()] {
        assert!(log.contains(&address), "{address} is not told:\n{log}");
        let mut client = Client::new(address.strip_prefix("http://").unwrap().parse().unwrap());
        assert_eq!(client.get("/fhir/metadata").unwrap().status, 200);
    }
    let status = demo.process.interrupt();
    assert!(
        status.success(),
        "Ctrl-C ended it with {status}:\n{}",
        demo.process.log()
    );
    let letters = |demo: &Demo| demo.rows("practice").parcels(false).len();
    let before = letters(&demo);
    demo.process.start();
    assert!(letters(&demo) >= before, "a second start finds its data");
    demo.process.interrupt();
    for node in ["hospital", "practice", "pharmacy"] {
        demo.rows(node).assert_sound();
    }
}

/// Signs a member of staff in with the demo's password.
fn sign_in(client: &mut Client, login: &str) {
    let page = client.get("/staff/login").unwrap().text();
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
    let csrf = rest.split('"').next().unwrap();
    let fields = [
        ("csrf", csrf),
        ("login", login),
        ("password", "handover-demo"),
    ];
    let answer = client.post_form("/staff/login", &fields).unwrap();
    assert_eq!(answer.status, 303, "{}", answer.text());
}

/// The stand-in of PDS says where the practice's patients are registered, and the page says as of when.
#[test]
fn the_demo_s_people_are_traced_in_the_stand_in_of_pds() {
    let mut demo = Demo::new();
    demo.process.start();
    demo.wait_for_the_day();
    let address = demo.practice();
    let mut client = Client::new(address.strip_prefix("http://").unwrap().parse().unwrap());
    sign_in(&mut client, "doctor");
    wait_for("the trace", 60, || {
        let page = client.get("/staff/patient/margaret-hill").unwrap();
        let text = page.text();
        (text.contains("As PDS had it") && text.contains("Agrees")).then_some(())
    });
    demo.process.interrupt();
}

#[test]
fn receipts_are_downloaded_and_checked_without_asking_a_node() {
    let mut demo = Demo::new();
    demo.process.start();
    demo.wait_for_the_day();
    let address = demo.hospital();
    let mut client = Client::new(address.strip_prefix("http://").unwrap().parse().unwrap());
    sign_in(&mut client, "clerk");
    let delivered = demo.rows("hospital").texts(
        "SELECT CAST(e.pid AS TEXT) FROM parcel_event e JOIN parcel p ON p.pid = e.pid \
         WHERE e.event = 'delivered' AND p.direction = 0 AND p.kind = 'letter' ORDER BY e.pid",
    );
    let pid = delivered[0][0].clone().unwrap();
    let page = client.get(&format!("/staff/sent/{pid}")).unwrap().text();
    let href = format!("/staff/sent/{pid}/receipts");
    assert!(page.contains("Download the signed receipts"), "{page}");
    let file = client.get(&href).unwrap().text();
    demo.process.interrupt();

    // No node runs any more.
    let folder = demo.folder.path();
    std::fs::write(folder.join("receipts.json"), &file).unwrap();
    let data = folder.join("demo-data");
    let (directory, steward) = (
        data.join("hospital/directory.jws"),
        data.join("steward/steward.pub"),
    );
    let verify = |name: &str| {
        let with = [
            "receipt",
            "verify",
            name,
            "--directory",
            directory.to_str().unwrap(),
        ];
        outcome(
            folder,
            &[&with[..], &["--steward-key", steward.to_str().unwrap()]].concat(),
        )
    };
    let (passed, printed) = verify("receipts.json");
    assert!(passed, "{printed}");
    assert!(
        printed.contains("delivered") && printed.contains("Every signature fits."),
        "{printed}"
    );
    assert!(
        printed.contains("signed by Z99001 (High Street Surgery)"),
        "{printed}"
    );
    // That it was accepted is the sender's own word, and bears its signature.
    let accepted = printed.split_once("  accepted").map(|(_, rest)| rest);
    let signed = accepted.and_then(|rest| rest.lines().nth(1));
    assert!(
        signed.is_some_and(|it| it.starts_with("  signed by RZZ01 ")),
        "{printed}"
    );
    std::fs::write(
        folder.join("altered.json"),
        file.replacen("Emergency", "Planned", 1),
    )
    .unwrap();
    let (passed, printed) = verify("altered.json");
    assert!(!passed, "{printed}");
    assert!(
        printed.contains("Statement 1: It is not about this text"),
        "{printed}"
    );
}
