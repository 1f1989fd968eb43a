//! The fax bridge with real nodes as processes: faxes as a fax server's scripts hand them over, and letters that
//! leave by a stand-in for its program.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::client::http::Client;
use crate::client::message::{AMINA, letter};
use crate::client::mllp::{Sender, code};
use crate::faults::people::{PASSWORD, account, form_token, password};
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood, Site, wait_for};
use crate::node::process::run;
use crate::setting::{handover, python_program};

/// A made-up practice that has a fax machine and no node.
const BY_FAX: &str = "A99990";
const NUMBER: &str = "0113 496 0001";

/// Turns the bridge on at a node that does not run.
fn open(site: &Site, more: &str) {
    let path = site.folder.join("handover.toml");
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str(&format!(
        "\n[sign_in]\nstaff = [\"password\"]\npatients = [\"password\"]\n\n[fax]\nenabled = true\n{more}"
    ));
    std::fs::write(&path, text).unwrap();
    account(site, "ann", "Ann Secretary", "clerk");
    account(site, "bo", "Dr Bo Test", "clinician");
}

fn signed_in(site: &Site, login: &str) -> Client {
    let mut client = Client::new(site.pages);
    let answer = password(&mut client, login);
    assert_eq!(answer.status, 303, "{}", answer.text());
    client
}

/// Posts a form with the token of the page at `from`; where that leads.
fn post(client: &mut Client, from: &str, to: &str, fields: &[(&str, &str)]) -> String {
    let csrf = form_token(&client.get(from).unwrap());
    let mut all = vec![("csrf", csrf.as_str())];
    all.extend(fields);
    let answer = client.post_form(to, &all).unwrap();
    assert_eq!(answer.status, 303, "{to}: {}", answer.text());
    answer.header("location").unwrap().to_owned()
}

/// A stand-in for HylaFAX's sendfax: writes down what it was asked, waits while there is a file `hang`, and
/// answers as sendfax does.
fn stand_in(folder: &Path) {
    let path = folder.join("stand-in-for-sendfax");
    let text = format!(
        "#!/bin/sh\ncd {}\nprintf '%s ' \"$@\" >> asked\necho >> asked\nwhile [ -e hang ]; do sleep 0.1; done\n\
         echo 'request id is 77 (group id 77) for host localhost (2 files)'\n",
        folder.display()
    );
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
}

fn asked(folder: &Path) -> usize {
    let text = std::fs::read_to_string(folder.join("asked")).unwrap_or_default();
    text.lines().count()
}

/// The one letter by fax, as its row says.
fn state(site: &Site) -> String {
    let rows = site.rows.texts("SELECT state FROM fax_out");
    assert!(rows.len() <= 1, "{rows:?}");
    let first = rows.into_iter().flatten().next();
    first.flatten().unwrap_or_default()
}

#[test]
fn f01_a_letter_by_fax_whose_handing_over_is_killed_is_not_lost_and_not_sent_again_by_itself() {
    let mut nodes = Neighbourhood::set_up(None);
    let site = &mut nodes.hospital;
    let folder = site.folder.clone();
    stand_in(&folder);
    open(
        site,
        "sendfax = \"stand-in-for-sendfax\"\ncontact = \"0113 496 0999\"\n",
    );
    site.process.start();
    // Two people put the number onto the list.
    let mut ann = signed_in(site, "ann");
    let page = "/staff/fax-numbers";
    let add = [
        ("do", "add"),
        ("ods", BY_FAX),
        ("name", "Old Mill Practice"),
        ("number", NUMBER),
    ];
    post(&mut ann, page, page, &add);
    let mut bo = signed_in(site, "bo");
    post(
        &mut bo,
        page,
        page,
        &[("do", "confirm"), ("number", NUMBER)],
    );
    let told = run(&folder, &["fax", "numbers"]);
    assert!(
        told.contains("in force, asked for by Ann Secretary and confirmed by Dr Bo Test"),
        "{told}"
    );
    // The worker looks at the list once a second.
    thread::sleep(Duration::from_millis(2500));
    std::fs::write(folder.join("hang"), "").unwrap();
    let message = letter(HOSPITAL, BY_FAX, "F1", AMINA);
    let ack = Sender::connect(site.mllp).unwrap().send(&message).unwrap();
    assert_eq!(code(&ack), "AA");
    wait_for("the stand-in to be asked", 20, || {
        (asked(&folder) == 1).then_some(())
    });
    assert_eq!(state(site), "handing");
    site.process.kill();
    std::fs::remove_file(folder.join("hang")).unwrap();
    site.process.start();
    wait_for("the letter to stand before a person", 20, || {
        (state(site) == "unsure").then_some(())
    });
    thread::sleep(Duration::from_secs(3));
    assert_eq!(asked(&folder), 1, "it was sent again by itself");
    let mut ann = signed_in(site, "ann");
    let list = ann.get("/staff/worklist").unwrap().text();
    assert!(
        list.contains("Perhaps sent") && list.contains("handover-1-1"),
        "{list}"
    );
    // She has looked: it is not there.
    post(
        &mut ann,
        "/staff/worklist",
        "/staff/worklist/faxes/1/again",
        &[],
    );
    wait_for("the fax server to have it", 20, || {
        (state(site) == "handed").then_some(())
    });
    assert_eq!(asked(&folder), 2);
    let asked = std::fs::read_to_string(folder.join("asked")).unwrap();
    assert!(asked.contains("-d +441134960001"), "{asked}");
    // Beside the running node, as HylaFAX's FaxNotify calls it.
    let noted = run(
        &folder,
        &[
            "fax", "done", "--job", "77", "--status", "done", "--pages", "2", "--of", "2",
        ],
    );
    assert!(noted.contains("noted"), "{noted}");
    assert_eq!(state(site), "sent");
    let pages = site
        .rows
        .texts("SELECT CAST(page AS TEXT) FROM fax_page ORDER BY page");
    assert_eq!(pages.len(), 2, "a receipt a page");
    let board = ann.get("/staff/sent").unwrap().text();
    assert!(board.contains("Faxed"), "{board}");
    let other = run(
        &folder,
        &["fax", "done", "--job", "78", "--status", "failed"],
    );
    assert!(other.contains("none of this node's"), "{other}");
    let month = site.rows.texts("SELECT CAST(made_at AS TEXT) FROM fax_out");
    let at: i64 = month[0][0].as_deref().unwrap().parse().unwrap();
    let month = fhir::date::date(at)[..7].to_owned();
    let count = run(&folder, &["fax", "count", "--month", &month]);
    assert!(
        count.contains("out  0113 496 0001, Old Mill Practice (A99990): 1 faxes, 2 pages"),
        "{count}"
    );
}

/// A fax of two pages as libtiff writes it.
fn scanned(folder: &Path) -> PathBuf {
    let file = folder.join("fax000000123.tif");
    let script = "import sys\nfrom PIL import Image, ImageDraw\npages = []\nfor number in (1, 2):\n    \
                  page = Image.new('1', (1728, 1100), 1)\n    ImageDraw.Draw(page).text((99, 99), 'Page %d' % number, fill=0)\n    \
                  pages.append(page)\npages[0].save(sys.argv[1], save_all=True, append_images=pages[1:], \
                  compression='group3', dpi=(204, 98))\n";
    let made = Command::new(python_program("python"))
        .args(["-c", script])
        .arg(&file)
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    file
}

#[test]
fn a_fax_handed_over_beside_a_running_node_is_matched_filed_and_on_the_patients_page() {
    let mut nodes = Neighbourhood::set_up(None);
    open(&nodes.practice, "");
    nodes.practice.process.start();
    nodes.register_patient();
    let site = &mut nodes.practice;
    let file = scanned(&site.folder);
    let file_name = file.to_str().unwrap();
    let take = [
        "fax",
        "take",
        file_name,
        "--queue",
        "000000456",
        "--from",
        NUMBER,
        "--station",
        "OLD MILL",
    ];
    let taken = run(&site.folder, &take);
    assert!(taken.contains("Fax 1 is here: 2 pages"), "{taken}");
    // Durable before it ended well; and handed over again, also by standard input, it is the same one.
    site.process.kill();
    site.process.start();
    let again = run(&site.folder, &take);
    assert!(again.contains("Fax 1 was here already"), "{again}");
    let mut piped = Command::new(handover())
        .args(["fax", "take", "-", "--queue", "000000456"])
        .current_dir(&site.folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let bytes = std::fs::read(&file).unwrap();
    piped.stdin.take().unwrap().write_all(&bytes).unwrap();
    let told = piped.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&told.stdout).contains("Fax 1 was here already"));
    let mut ann = signed_in(site, "ann");
    let inbox = ann.get("/staff/inbox").unwrap().text();
    assert!(inbox.contains("Faxes"), "{inbox}");
    let fields = [
        ("nhs_number", "999 000 0018"),
        ("born", "1951-03-04"),
        ("family", "Tester"),
        ("title", "Letter from Old Mill"),
    ];
    let item = post(
        &mut ann,
        "/staff/fax-in/1",
        "/staff/fax-in/1/match",
        &fields,
    );
    let item = item.split('?').next().unwrap().to_owned();
    let shown = ann.get(&format!("{item}/content/0")).unwrap();
    assert!(shown.text().starts_with("%PDF-1.4"));
    post(&mut ann, &item, &format!("{item}/file"), &[]);
    let found = site
        .client()
        .get("/fhir/Patient?family=Tester")
        .unwrap()
        .json();
    let patient = found["entry"][0]["resource"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    patient_account(site, &patient);
    let mut amina = Client::new(site.pages);
    let csrf = form_token(&amina.get("/login").unwrap());
    let fields = [
        ("csrf", csrf.as_str()),
        ("login", "amina"),
        ("password", PASSWORD),
    ];
    assert_eq!(amina.post_form("/login", &fields).unwrap().status, 303);
    let record = amina.get("/record").unwrap().text();
    assert!(record.contains("Letter from Old Mill"), "{record}");
    // Its provenance names who said whose it is.
    let provenance = site.client().get("/fhir/Provenance").unwrap().text();
    assert!(
        provenance.contains("Ann Secretary") && provenance.contains("0113 496 0001"),
        "{provenance}"
    );
}

fn patient_account(site: &Site, patient: &str) {
    let mut command = Command::new(handover())
        .args([
            "account",
            "add-patient",
            "--username",
            "amina",
            "--name",
            "Amina Tester",
        ])
        .args(["--patient", patient, "--nhs-number", "9990000018"])
        .current_dir(&site.folder)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut typed = command.stdin.take().unwrap();
    typed.write_all(format!("{PASSWORD}\n").as_bytes()).unwrap();
    drop(typed);
    assert!(command.wait().unwrap().success());
}

#[test]
fn what_is_not_turned_on_or_not_whole_is_refused_with_the_reason() {
    let nodes = Neighbourhood::set_up(None);
    let site = &nodes.practice;
    let failed = |arguments: &[&str]| {
        let output = Command::new(handover())
            .args(arguments)
            .current_dir(&site.folder)
            .output()
            .unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    std::fs::write(site.folder.join("f.tif"), "x").unwrap();
    assert!(failed(&["fax", "take", "f.tif", "--queue", "1"]).contains("fax.enabled"));
    open(site, "file_bytes_max = 3\n");
    std::fs::write(site.folder.join("f.tif"), "long").unwrap();
    assert!(failed(&["fax", "take", "f.tif", "--queue", "1"]).contains("fax.file_bytes_max"));
    assert!(failed(&["fax", "take", "nowhere.tif", "--queue", "1"]).contains("nowhere.tif"));
    assert!(failed(&["fax", "take", "f.tif", "--queue", ""]).contains("--queue"));
    assert!(failed(&["fax", "done", "--job", "1;2", "--status", "done"]).contains("--job"));
    let too_many = [
        "fax", "done", "--job", "1", "--status", "done", "--pages", "3", "--of", "2",
    ];
    assert!(failed(&too_many).contains("--pages"));
    assert!(failed(&["fax", "count", "--month", "2026"]).contains("--month"));
}
