//! SIGKILL while a letter is being handed to MESH.

use std::thread;
use std::time::Duration;

use super::{OURS, THEIRS, column, house, post, send, sends, set_up, signed_in, wait_for_states};
use crate::client::proxy::Proxy;
use crate::node::neighbourhood::{Neighbourhood, wait_for};
use crate::opt_out::stand_in::StandIn;

const HELD: Duration = Duration::from_secs(8);

/// Waits until nothing more goes over the link: the mailbox has been looked into.
fn quiet(link: &Proxy) {
    let mut before = 0;
    wait_for("the link to be quiet", 120, || {
        thread::sleep(Duration::from_secs(3));
        let now = link.carried_bytes();
        let is_quiet = now > 0 && now == before;
        before = now;
        is_quiet.then_some(())
    });
}

#[test]
fn f01_a_letter_whose_handing_to_mesh_is_killed_is_not_lost_and_not_sent_again_by_itself() {
    let mut nodes = Neighbourhood::set_up(None);
    let folder = tempfile::tempdir().unwrap();
    let mesh = StandIn::mesh_only(folder.path());
    let link = Proxy::start(mesh.address());
    let there = house(&mesh, folder.path());
    let url = format!("http://{}", link.address);
    let site = &mut nodes.hospital;
    set_up(site, &url, OURS, &sends(3600));
    site.process.start();
    quiet(&link);
    // MESH has it, and its answer is on the way, when the node is killed: MESH is asked, and it is not sent again.
    link.delay(HELD);
    send(site, "K1");
    wait_for_states(site, "itk3_out", &["handing"]);
    let count = |there: &super::House| there.client(THEIRS, &["count"]).as_u64().unwrap();
    wait_for("MESH to have the letter", 60, || {
        (count(&there) == 1).then_some(())
    });
    site.process.kill();
    assert_eq!(column(site, "SELECT state FROM itk3_out"), ["handing"]);
    link.delay(Duration::ZERO);
    site.process.start();
    wait_for_states(site, "itk3_out", &["handed"]);
    quiet(&link);
    assert_eq!(count(&there), 1, "it was sent again by itself");
    // Killed before MESH had it: nobody here can know that, so a person looks.
    link.delay(HELD);
    send(site, "K2");
    wait_for_states(site, "itk3_out", &["handed", "handing"]);
    site.process.kill();
    link.cut();
    thread::sleep(HELD);
    link.delay(Duration::ZERO);
    link.mend();
    site.process.start();
    wait_for_states(site, "itk3_out", &["handed", "unsure"]);
    thread::sleep(Duration::from_secs(3));
    assert_eq!(count(&there), 1, "it was sent again by itself");
    let mut ann = signed_in(site);
    let list = ann.get("/staff/worklist").unwrap().text();
    assert!(
        list.contains("Perhaps sent") && list.contains("local id H1-"),
        "{list}"
    );
    post(
        &mut ann,
        "/staff/worklist",
        "/staff/worklist/itk3/2/again",
        &[],
    );
    wait_for_states(site, "itk3_out", &["handed", "handed"]);
    assert_eq!(count(&there), 2);
}
