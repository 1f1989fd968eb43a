use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::report::Report;
use super::requirement::{Requirement, names, tables};
use super::run::{Evidence, Finding, Verdict};
use super::target::Target;
use super::{html, requirement};

fn all() -> Vec<Requirement> {
    tables(&names(), &[]).unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The Rust sources of the checks, but for tests.
fn sources() -> String {
    fn read(folder: &Path, out: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => read(&path, out),
                false
                    if path.extension().is_some_and(|it| it == "rs")
                        && !path.ends_with("tests.rs") =>
                {
                    out.push_str(&std::fs::read_to_string(&path).unwrap());
                }
                false => {}
            }
        }
    }
    let mut out = String::new();
    read(&root().join("crates/handover/src/commands/check"), &mut out);
    out
}

#[test]
fn every_requirement_is_whole_is_tested_and_has_a_name_of_its_own() {
    let (all, sources) = (all(), sources());
    assert!(all.len() > 100, "{} requirements", all.len());
    let mut known = BTreeSet::new();
    for it in &all {
        let prefix = match it.table {
            "hl7v2" => "hl7",
            table => table,
        };
        assert!(it.id.starts_with(&format!("{prefix}-")), "{}", it.id);
        assert!(known.insert(it.id.clone()), "{} is there twice", it.id);
        assert!(
            sources.contains(&format!("\"{}\"", it.id)),
            "{} is tested by nothing",
            it.id
        );
        assert!(it.link.starts_with("https://"), "{}", it.id);
        for text in [&it.says, &it.check, &it.remedy] {
            assert!(text.len() > 10 && text.ends_with('.'), "{}: {text}", it.id);
        }
    }
}

#[test]
fn the_page_tells_every_requirement() {
    let path = root().join("docs/check.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let mark = "<!-- requirements -->\n";
    let (text, told) = page.split_once(mark).unwrap();
    let mut made = String::new();
    for name in names() {
        let _ = writeln!(
            made,
            "\n### {name}\n\n| id | | requirement | check | source |\n| --- | --- | --- | --- | --- |"
        );
        for it in all().iter().filter(|it| it.table == name) {
            let cell = |text: &str| text.replace('|', "\\|");
            let writes = if it.write { " `--write`" } else { "" };
            let _ = writeln!(
                made,
                "| `{}`{writes} | {} | {} | {} | {}, [{}]({}) |",
                it.id,
                it.level.word(),
                cell(&it.says),
                cell(&it.check),
                cell(&it.specification),
                cell(&it.section),
                it.link
            );
        }
    }
    if std::env::var_os("HANDOVER_WRITE_CHECKS").is_some() {
        std::fs::write(&path, format!("{text}{mark}{made}")).unwrap();
        return;
    }
    assert!(
        told == made,
        "docs/check.md: run the test once with HANDOVER_WRITE_CHECKS=1"
    );
}

#[test]
fn an_address_says_what_is_tested() {
    let target = |url: &str| Target::parse(url, false).map(|it| (it.kind(), it.address()));
    for (url, kind, address) in [
        ("https://a.example/fhir/", "fhir", "https://a.example/fhir"),
        (
            "https://a.example/r4/metadata",
            "fhir",
            "https://a.example/r4",
        ),
        (
            "https://a.example/messageexchange/X26OT001",
            "mesh",
            "https://a.example/messageexchange/X26OT001",
        ),
        (
            "mesh://a.example:8443/X26OT001",
            "mesh",
            "https://a.example:8443/messageexchange/X26OT001",
        ),
        ("mllp://engine:2575", "hl7v2", "mllp://engine:2575"),
        ("mllps://engine:2575", "hl7v2", "mllps://engine:2575"),
    ] {
        let (told, at) = target(url).unwrap();
        assert_eq!((told, at.as_str()), (kind, address), "{url}");
    }
    for wrong in [
        "a.example/fhir",
        "ftp://a.example",
        "mllp://engine",
        "mesh://a.example",
        "https://user:password@a.example/fhir",
        "https://a.example/fhir?x=1",
        "https://a.example/messageexchange/A/inbox",
        "https:///fhir",
    ] {
        assert!(target(wrong).is_err(), "{wrong}");
    }
    assert!(requirement::tables(&["tls", "mesh"], &["fhir".into()]).is_err());
}

fn report(found: &str) -> Report {
    let verdicts = [
        Verdict::NotMet,
        Verdict::Met,
        Verdict::CouldNotBeTold,
        Verdict::NotApplicable,
    ];
    let findings = all()
        .into_iter()
        .zip(verdicts)
        .map(|(requirement, verdict)| Finding {
            requirement,
            verdict: Some(verdict),
            reason: String::new(),
            evidence: vec![Evidence {
                request: "GET /Patient".into(),
                status: Some(200),
                found: found.into(),
            }],
        });
    Report {
        address: "https://a.example/fhir".into(),
        kind: "fhir",
        at: 1_767_603_600_000,
        wrote: true,
        requests: 7,
        reached: true,
        findings: findings.collect(),
        left: vec!["Basic/1".into()],
        unanswered: Vec::new(),
    }
}

#[test]
fn the_page_of_a_report_loads_nothing_and_runs_nothing() {
    let page = html::page(&report("<script>alert(1)</script>\"'"));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;"));
    for outside in ["<script", "src=", "@import", "url(", "<link", "style="] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("Remedy") && page.contains("Basic/1"));
}

#[test]
fn the_json_of_a_report_keeps_its_shape() {
    let told: serde_json::Value = serde_json::from_str(&report("x").json()).unwrap();
    assert_eq!(told["format"], "handover-check/1");
    assert_eq!(told["summary"]["notMet"], 1);
    let first = told["results"][0].as_object().unwrap();
    let names: Vec<&str> = first.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "id",
            "table",
            "level",
            "requirement",
            "verdict",
            "reason",
            "evidence",
            "check",
            "remedy",
            "source"
        ]
    );
    assert_eq!(first["verdict"], "not-met");
    assert_eq!(
        first["source"]["link"]
            .as_str()
            .map(|it| it.starts_with("https://")),
        Some(true)
    );
    assert_eq!(told["notRemoved"][0], "Basic/1");
}
