//! The demo's neighbourhood: histories are filled in behind, and its switches cut real sockets.

use crate::client::http::Client;
use crate::node::demo::Demo;
use crate::node::neighbourhood::wait_for;

fn client(address: &str) -> Client {
    Client::new(address.strip_prefix("http://").unwrap().parse().unwrap())
}

/// What the network's page counts: sent, arrived, waiting, lost.
fn totals(network: &mut Client) -> [u64; 4] {
    let page = network.get("/demo").unwrap().text();
    let count = |name: &str| -> u64 {
        let (_, rest) = page
            .split_once(&format!("<dt>{name}</dt><dd>"))
            .expect(&page);
        rest.split('<').next().unwrap().parse().unwrap()
    };
    ["sent", "arrived", "waiting", "lost"].map(count)
}

fn switch(network: &mut Client, fields: &[(&str, &str)]) {
    let page = network.get("/demo").unwrap().text();
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
    let csrf = rest.split('"').next().unwrap().to_owned();
    let fields = [&[("csrf", csrf.as_str())][..], fields].concat();
    let answer = network.post_form("/demo/act", &fields).unwrap();
    assert_eq!(answer.status, 303, "{}", answer.text());
}

/// The hospital's system sends a letter for the practice.
fn say(demo: &Demo, number: u32) {
    let message = format!(
        "MSH|^~\\&|ANYTOWN-PAS|RZZ01|HANDOVER|RZZ01|20261120111500||MDM^T02|CUT{number}|P|2.4|||AL|NE|GBR|UNICODE UTF-8|EN\r\
         EVN|T02|20261120111500\r\
         PID|1||H100115^^^RZZ01^MR~9990000115^^^NHS^NH||OKORO^Samuel^^^Mr||19830902|M\r\
         PD1||||Z99001^^^^^^^^ODS\r\
         TXA|1|CLINIC^Clinic^L|TX|20261120111500|C9900022^Byrne^Aoife^^^Dr|20261120111500|||C9900022^Byrne^Aoife^^^Dr|||CUT-{number}|||||AU||AV\r\
         OBX|1|TX|CLINIC^Clinic^L||Seen while the line was cut.||||||F\r"
    );
    let mut sender = crate::client::mllp::Sender::connect(demo.mllp()).unwrap();
    let answer = sender.send(&message).unwrap();
    assert!(answer.contains("MSA|AA"), "{answer}");
}

#[test]
fn what_is_sent_over_a_cut_line_or_to_a_stopped_node_waits_and_arrives_and_none_is_lost() {
    let mut demo = Demo::with(&["--people", "0", "--quiet"]);
    demo.process.start();
    let mut network = client(&demo.network());
    wait_for("the network's page", 30, || network.get("/demo").ok());
    assert_eq!(totals(&mut network)[2..], [0, 0]);

    let line = ("line", "RZZ01 Z99001");
    switch(&mut network, &[("act", "cut"), line]);
    (1..=3).for_each(|number| say(&demo, number));
    let waiting = wait_for("letters that wait", 30, || {
        let counted = totals(&mut network);
        (counted[2] >= 3).then_some(counted)
    });
    assert_eq!(waiting[3], 0);
    switch(&mut network, &[("act", "mend"), line]);
    let settled = |network: &mut Client, at_least: u64| {
        wait_for("all to arrive", 60, || {
            let counted = totals(network);
            (counted[1] >= at_least && counted[2] == 0).then_some(counted)
        })
    };
    let mended = settled(&mut network, 3);
    assert_eq!((mended[0], mended[3]), (mended[1], 0));

    let node = ("node", "Z99001");
    switch(&mut network, &[("act", "stop"), node]);
    assert!(
        client(&demo.practice()).get("/login").is_err(),
        "its listeners are closed"
    );
    (4..=6).for_each(|number| say(&demo, number));
    wait_for("letters that wait", 30, || {
        (totals(&mut network)[2] >= 3).then_some(())
    });
    switch(&mut network, &[("act", "start"), node]);
    let started = settled(&mut network, mended[1] + 3);
    assert_eq!((started[0], started[3]), (started[1], 0));
    assert_eq!(client(&demo.practice()).get("/login").unwrap().status, 200);
    demo.process.interrupt();
}

#[test]
fn histories_are_filled_in_while_the_pages_work_and_fresh_starts_over() {
    let mut demo = Demo::with(&["--people", "60", "--quiet"]);
    demo.process.start();
    let mut network = client(&demo.network());
    wait_for("the network's page", 30, || network.get("/").ok());
    wait_for("the histories", 60, || {
        demo.process
            .log()
            .contains("Histories are there for 60 of 60 people")
            .then_some(())
    });
    let page = network.get("/").unwrap().text();
    assert!(!page.contains("being filled in"), "{page}");
    let count = |demo: &Demo| {
        let rows = demo
            .rows("practice")
            .texts("SELECT id FROM res WHERE id LIKE 'person-%-%'");
        rows.len()
    };
    assert!(count(&demo) > 100, "{}", count(&demo));
    // What each of the others holds is pointed to at the practices, by parcels like any other.
    wait_for("pointers", 60, || {
        let counted = totals(&mut network);
        (counted[1] > 0 && counted[2] == 0 && counted[3] == 0).then_some(())
    });
    // A second start finds them, and fills in nothing twice.
    let before = count(&demo);
    demo.process.interrupt();
    demo.process.start();
    wait_for("the second start", 60, || {
        (demo
            .process
            .log()
            .matches("Histories are there for 60 of 60 people")
            .count()
            >= 2)
            .then_some(())
    });
    assert_eq!(count(&demo), before);
    demo.process.interrupt();
}

#[test]
fn a_switch_needs_the_page_s_own_token() {
    let mut demo = Demo::with(&["--people", "0", "--quiet"]);
    demo.process.start();
    let mut network = client(&demo.network());
    wait_for("the network's page", 30, || network.get("/demo").ok());
    let forged = [("csrf", "guessed"), ("act", "stop"), ("node", "Z99001")];
    let answer = network.post_form("/demo/act", &forged).unwrap();
    assert_eq!(answer.status, 422);
    assert!(
        answer.text().contains("Nothing was changed"),
        "{}",
        answer.text()
    );
    assert_eq!(
        client(&demo.practice()).get("/login").unwrap().status,
        200,
        "it runs on"
    );
    demo.process.interrupt();
}
