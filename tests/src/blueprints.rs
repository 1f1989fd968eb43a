//! Blueprints between real organisations: one packs, another inspects, applies, and undoes, each by the commands of
//! docs/blueprints.md.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::http::Client;
use crate::faults::people::{account, password};
use crate::node::neighbourhood::{Neighbourhood, Site};
use crate::node::process::{outcome, run};
use crate::setting::{handover, root};

/// How often applying, and undoing, is killed.
const KILLS: u32 = 6;

/// The blueprint about discharge, packed by that organisation; the package.
fn packed(folder: &Path) -> PathBuf {
    let source = root().join("blueprints/discharge");
    let out = folder.join("discharge.tgz");
    let said = run(
        folder,
        &[
            "blueprint",
            "pack",
            source.to_str().unwrap(),
            "--out",
            out.to_str().unwrap(),
        ],
    );
    assert!(said.contains("every rule off"), "{said}");
    out
}

/// Lets a site that does not run read messages by a folder of its own, and be a hospital and a practice in one.
fn prepare(site: &Site) -> PathBuf {
    let mapping = site.folder.join("mapping");
    fs::create_dir(&mapping).unwrap();
    let path = site.folder.join("handover.toml");
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace(
        "roles = [\"hospital\"]",
        "roles = [\"hospital\", \"gp-practice\"]",
    );
    let more =
        "mapping = \"mapping\"\n\n[sign_in]\nstaff = [\"password\"]\npatients = [\"password\"]\n";
    fs::write(&path, format!("{text}{more}")).unwrap();
    mapping
}

/// Applications in force, texts, teams, rules and questionnaires, files of the mapping.
fn there(site: &Site, mapping: &Path) -> [i64; 5] {
    let count = |what: &str| {
        site.rows
            .number(&format!("SELECT CAST(COUNT(*) AS TEXT) FROM {what}"))
    };
    let files = fs::read_dir(mapping).unwrap();
    let files = files.filter(|file| {
        let name = file.as_ref().unwrap().file_name();
        !name.to_string_lossy().starts_with('.')
    });
    [
        count("blueprint_now"),
        count("desk_template"),
        count("desk_team"),
        count(
            "res r JOIN word w ON w.id = r.ty WHERE r.del = 0 AND w.text IN ('PlanDefinition', 'Questionnaire')",
        ),
        i64::try_from(files.count()).unwrap(),
    ]
}

const NOTHING: [i64; 5] = [0; 5];
const ALL: [i64; 5] = [1, 3, 1, 4, 1];

fn is_adopted(postgres: Option<&str>) {
    let mut nodes = Neighbourhood::set_up(postgres);
    let package = packed(&nodes.practice.folder);
    let file = package.to_str().unwrap();
    let site = &mut nodes.hospital;
    let mapping = prepare(site);
    account(site, "ed", "Ed Engineer", "engineer");
    let inspected = run(&site.folder, &["blueprint", "inspect", file]);
    for said in [
        "Signed by Anytown gp-practice (A99998); the directory names that key.",
        "+ Rule          Discharge letters go to the pharmacists: would be added",
        "+ Letter text   Medicines changed in hospital: would be added",
        "the team Pharmacists (it is begun, with nobody in it)",
        "NOT HERE  somebody with the role clinician",
    ] {
        assert!(inspected.contains(said), "{said}: {inspected}");
    }
    let json = run(&site.folder, &["blueprint", "inspect", file, "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["signer"]["standing"], "known");
    assert_eq!(json["can_be_applied"], true);
    for how in [None, Some("--dry-run"), Some("--try")] {
        let mut apply = vec!["blueprint", "apply", file];
        apply.extend(how);
        let said = run(&site.folder, &apply);
        assert!(said.contains("Nothing was changed."), "{said}");
        assert_eq!(there(site, &mapping), NOTHING, "{how:?}");
    }
    let nameless = outcome(&site.folder, &["blueprint", "apply", file, "--yes"]);
    assert!(!nameless.0 && nameless.1.contains("--by"), "{}", nameless.1);
    let apply = ["blueprint", "apply", file, "--yes", "--by", "Ann Test"];
    let undo = [
        "blueprint",
        "undo",
        "handover.discharge",
        "--yes",
        "--by",
        "Ben Test",
    ];
    let said = run(&site.folder, &apply);
    assert!(said.contains("Its rules are off."), "{said}");
    assert_eq!(there(site, &mapping), ALL);
    let audit = "audit WHERE query LIKE '%blueprint=handover.discharge&version=1.0.0&change=apply&by=Ann Test%'";
    let lines = format!("SELECT CAST(COUNT(*) AS TEXT) FROM {audit}");
    assert_eq!(site.rows.number(&lines), 1);
    // The node reads by the new mapping, shows what was applied, and people sign in there.
    site.process.start();
    let mut ed = Client::new(site.pages);
    assert_eq!(password(&mut ed, "ed").status, 303);
    let page = ed.get("/staff/blueprints").unwrap().text();
    for said in [
        "Discharge to GP, pharmacy and social care",
        "Ann Test",
        "In force",
        "Anytown gp-practice",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    let listed = run(&site.folder, &["blueprint", "list"]);
    assert!(listed.contains("applied by Ann Test"), "{listed}");
    let (went, said) = outcome(&site.folder, &undo);
    if postgres.is_none() {
        assert!(!went && said.contains("stop it first"), "{said}");
        assert_eq!(there(site, &mapping), ALL);
        site.process.interrupt();
        run(&site.folder, &undo);
    } else {
        assert!(went, "{said}");
        let page = ed.get("/staff/blueprints").unwrap().text();
        assert!(page.contains("Undone by Ben Test"), "{page}");
    }
    assert_eq!(there(site, &mapping), NOTHING);
}

#[test]
fn a_blueprint_goes_from_one_organisation_to_another_and_can_be_undone() {
    is_adopted(None);
    if let Some(url) = store::testing::postgres_url() {
        is_adopted(Some(&url));
    }
}

#[test]
fn a_changed_file_and_a_stranger_s_signature_are_refused() {
    let nodes = Neighbourhood::set_up(None);
    let package = packed(&nodes.practice.folder);
    let site = &nodes.hospital;
    let mapping = prepare(site);
    // Packed anew by everybody's tar it is the same; with one word changed it is not.
    let work = site.folder.join("unpacked");
    fs::create_dir(&work).unwrap();
    let tar = |arguments: &[&str]| {
        let done = Command::new("tar")
            .args(arguments)
            .current_dir(&work)
            .status();
        assert!(done.unwrap().success());
    };
    tar(&["-xzf", package.to_str().unwrap()]);
    tar(&["-czf", "again.tgz", "package"]);
    let again = work.join("again.tgz");
    let inspect = ["blueprint", "inspect", again.to_str().unwrap()];
    run(&site.folder, &inspect);
    // What was signed is what sha256sum prints.
    let sums = "cd package/.. && find package -type f ! -name signature.jws | LC_ALL=C sort | xargs sha256sum | sha256sum";
    let sums = Command::new("sh")
        .args(["-c", sums])
        .current_dir(&work)
        .output()
        .unwrap();
    let sums = String::from_utf8(sums.stdout).unwrap();
    let digest = sums.split(' ').next().unwrap();
    let inspected = run(&site.folder, &inspect);
    assert!(
        inspected.contains(&format!("SHA-256 of what was signed: {digest}")),
        "{digest} {inspected}"
    );
    let text = work.join("package/Basic-to-practice.json");
    let changed = fs::read_to_string(&text)
        .unwrap()
        .replace("Dear colleague", "Dear all");
    fs::write(&text, changed).unwrap();
    tar(&["-czf", "again.tgz", "package"]);
    let apply = [
        "blueprint",
        "apply",
        inspect[2],
        "--yes",
        "--by",
        "Ann Test",
    ];
    let (went, said) = outcome(&site.folder, &apply);
    assert!(
        !went && said.contains("something was changed, added or taken out"),
        "{said}"
    );
    fs::remove_file(work.join("package/signature.jws")).unwrap();
    tar(&["-czf", "again.tgz", "package"]);
    let (went, said) = outcome(&site.folder, &apply);
    assert!(!went && said.contains("nobody signed it"), "{said}");
    // An organisation that no directory knows.
    let outside = site.folder.join("outside");
    run(
        &site.folder,
        &[
            "init",
            "--ods",
            "RZZ97",
            "--name",
            "Elsewhere",
            "--role",
            "hospital",
            "--folder",
            "outside",
        ],
    );
    let theirs = packed(&outside);
    let apply = [
        "blueprint",
        "apply",
        theirs.to_str().unwrap(),
        "--yes",
        "--by",
        "Ann Test",
    ];
    let (went, said) = outcome(&site.folder, &apply);
    assert!(!went && said.contains("a stranger signed it"), "{said}");
    assert_eq!(there(site, &mapping), NOTHING);
    let mut apply = apply.to_vec();
    apply.push("--signed-by-a-stranger");
    let said = run(&site.folder, &apply);
    assert!(
        said.contains("somebody who says that they are Elsewhere (RZZ97)"),
        "{said}"
    );
    assert_eq!(there(site, &mapping), ALL);
}

/// Without this repository and without a package: what comes with the program is listed, looked at, tried, applied and undone by name.
#[test]
fn f01_what_comes_with_the_program_is_applied_by_its_name() {
    let nodes = Neighbourhood::set_up(None);
    let site = &nodes.hospital;
    let mapping = prepare(site);
    let empty = site.folder.join("empty");
    fs::create_dir(&empty).unwrap();
    let listed = run(&empty, &["blueprint", "list", "--shipped"]);
    for said in [
        "discharge\n  handover.discharge 1.0.0: Discharge to GP, pharmacy and social care",
        "two-week-wait\n",
        "handover blueprint inspect NAME",
    ] {
        assert!(listed.contains(said), "{said}: {listed}");
    }
    let inspected = run(&site.folder, &["blueprint", "inspect", "discharge"]);
    for said in [
        "It comes with this program, and nobody signed it apart from that.",
        "+ Rule          Discharge letters go to the pharmacists: would be added",
    ] {
        assert!(inspected.contains(said), "{said}: {inspected}");
    }
    let json = run(
        &site.folder,
        &["blueprint", "inspect", "discharge", "--json"],
    );
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["signer"]["standing"], "shipped");
    let tried = run(&site.folder, &["blueprint", "apply", "discharge", "--try"]);
    assert!(tried.contains("Nothing was changed."), "{tried}");
    assert_eq!(there(site, &mapping), NOTHING);
    let apply = [
        "blueprint",
        "apply",
        "discharge",
        "--yes",
        "--by",
        "Ann Test",
    ];
    let said = run(&site.folder, &apply);
    assert!(said.contains("Its rules are off."), "{said}");
    assert_eq!(there(site, &mapping), ALL);
    let said = run(&site.folder, &apply);
    assert!(said.contains("nothing is to be done"), "{said}");
    run(
        &site.folder,
        &["blueprint", "undo", "--yes", "--by", "Ben Test"],
    );
    assert_eq!(there(site, &mapping), NOTHING);
    let (went, said) = outcome(&site.folder, &["blueprint", "inspect", "no-such"]);
    assert!(!went && said.contains("no-such"), "{said}");
}

/// Runs a command, and kills it after that time; whether it had ended by itself.
fn killed_after(folder: &Path, arguments: &[&str], after: Duration) -> bool {
    let mut child = Command::new(handover())
        .args(arguments)
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    thread::sleep(after);
    let ended = child.try_wait().unwrap().is_some();
    let _ = child.kill();
    child.wait().unwrap();
    ended
}

fn is_whole_or_nothing(postgres: Option<&str>) {
    let nodes = Neighbourhood::set_up(postgres);
    let package = packed(&nodes.practice.folder);
    let site = &nodes.hospital;
    let mapping = prepare(site);
    let apply = [
        "blueprint",
        "apply",
        package.to_str().unwrap(),
        "--yes",
        "--by",
        "Ann Test",
    ];
    let undo = ["blueprint", "undo", "--yes", "--by", "Ben Test"];
    let mut took = [Duration::ZERO; 2];
    for (number, command) in [&apply[..], &undo[..]].into_iter().enumerate() {
        let began = Instant::now();
        run(&site.folder, command);
        took[number] = began.elapsed();
    }
    for round in 0..KILLS {
        // The commit is near the end.
        let share = |whole: Duration| whole * (100 - 4 * round) / 100;
        killed_after(&site.folder, &apply, share(took[0]));
        let rows = there(site, &mapping);
        assert!(
            rows[..4] == NOTHING[..4] || rows[..4] == ALL[..4],
            "{rows:?}"
        );
        if rows[0] == 0 {
            assert_eq!(rows[4], 0, "a file without its blueprint");
            run(&site.folder, &apply);
        } else {
            // Whoever looks next finishes what was cut off.
            run(&site.folder, &apply);
        }
        assert_eq!(there(site, &mapping), ALL);
        killed_after(&site.folder, &undo, share(took[1]));
        let rows = there(site, &mapping);
        assert!(
            rows[..4] == NOTHING[..4] || rows[..4] == ALL[..4],
            "{rows:?}"
        );
        if rows[0] == 1 {
            run(&site.folder, &undo);
        } else {
            // The file goes before anything is applied again.
            run(&site.folder, &apply);
            run(&site.folder, &undo);
        }
        assert_eq!(there(site, &mapping), NOTHING);
    }
}

#[test]
fn f01_a_blueprint_that_is_killed_while_it_is_applied_or_undone_is_there_whole_or_not_at_all() {
    is_whole_or_nothing(None);
    if let Some(url) = store::testing::postgres_url() {
        is_whole_or_nothing(Some(&url));
    }
}
