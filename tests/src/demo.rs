//! `handover demo` as a newcomer meets it.

use std::time::Duration;

use crate::client::http::Client;
use crate::node::demo::Demo;

const READY_MAX: Duration = Duration::from_secs(3);

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
