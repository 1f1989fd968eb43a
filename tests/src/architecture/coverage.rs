//! `docs/safety/coverage.md`: which of the named privacy requirements, adversaries and faults have a
//! test, found by the tests' names (`p03_…`, `a04_…`). `HANDOVER_WRITE_COVERAGE=1` writes it anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::tracked_files;
use crate::setting::root;

const FILE: &str = "docs/safety/coverage.md";

/// A kind: its letter, what it is, and its numbers with a title of our own words.
type Kind = (char, &'static str, &'static [(u8, &'static str)]);

const KINDS: &[Kind] = &[
    (
        'p',
        "Privacy",
        &[
            (
                1,
                "A stranger cannot tell a record from none; staff are told what is withheld",
            ),
            (
                2,
                "Care relationships have a kind, a start, an end and a source",
            ),
            (
                3,
                "A self-claimed relationship needs a reason and goes to the privacy officer at once",
            ),
            (
                4,
                "Emergency access: reason, second authentication, one patient, a few hours",
            ),
            (
                5,
                "Emergency access widens no write, export, audit or administration",
            ),
            (6, "Emergency access works cut off from everything else"),
            (
                7,
                "The privacy officer works the list, and closes nothing of their own",
            ),
            (
                8,
                "National roles grant by a signed table; unknown codes grant nothing",
            ),
            (
                9,
                "One role a session; a change of role ends what the old one held",
            ),
            (10, "One's own record, and those of family and colleagues"),
            (
                11,
                "Sealed items: that they exist is shown, what they say is not",
            ),
            (
                12,
                "Sealed and locked items leave no trace outside their team",
            ),
            (13, "Where a restricted patient lives is in no output"),
            (
                14,
                "A patient who becomes restricted is so everywhere within a minute",
            ),
            (15, "Labels go with copies"),
            (16, "Labels are not lost by an update"),
            (
                17,
                "Search leaks nothing by count, order, page, chain or error",
            ),
            (18, "The patient's dissent is in force within seconds"),
            (
                19,
                "Dissent does not lock out what the law or an emergency needs",
            ),
            (20, "National data opt-out on every use beyond care"),
            (
                21,
                "Opted-out patients appear in no export, log or manifest",
            ),
            (22, "Clinical data needs a proved identity and two factors"),
            (
                23,
                "Third-party and serious-harm marks hold data back from the patient",
            ),
            (24, "Acting for someone: explicit, scoped, expiring"),
            (25, "A pause against coercion"),
            (26, "Right of access in one click"),
            (27, "The patient sees who looked, when and why"),
            (28, "Every access and refusal is one audit event"),
            (29, "The trace is durable before the answer leaves"),
            (30, "Logs and addresses hold nothing personal"),
            (31, "Retention and disposal"),
            (32, "Wrong numbers, merges and those who got wrong data"),
            (
                33,
                "What is disclosed to a peer carries purpose, user and labels",
            ),
            (34, "The facts of a DPIA from the running configuration"),
        ],
    ),
    (
        'a',
        "Adversaries",
        &[
            (1, "One patient's token reaches another's record"),
            (2, "A scope is escaped"),
            (
                3,
                "Tokens with the wrong audience, issuer, algorithm or key",
            ),
            (4, "An authorisation code is used twice"),
            (6, "PKCE missing, plain or wrong"),
            (7, "A refresh token is used twice"),
            (8, "DPoP proofs replayed or made for something else"),
            (9, "Client assertions replayed, misaddressed or too long"),
            (10, "Answers of another issuer"),
            (11, "Session fixation, forged requests, weak cookies"),
            (12, "SQL by every search parameter"),
            (13, "Scripts in letters, narratives, names and files"),
            (15, "Requests to addresses inside by addresses from outside"),
            (20, "Administrators who read, roles granted by one person"),
            (21, "The audit log altered by hand"),
            (23, "A peer who sends as another"),
            (24, "A stolen backup credential"),
            (25, "Ransomware"),
        ],
    ),
    (
        'x',
        "Parsers",
        &[
            (1, "JSON nested 100,000 deep"),
            (
                3,
                "JSON with duplicate keys, lone surrogates, NUL, BOM, broken UTF-8",
            ),
            (4, "XML entities, external files, processing instructions"),
            (
                6,
                "HL7 v2 beyond measure, odd delimiters, wrong character sets",
            ),
            (7, "Compressed bodies that unpack a thousandfold"),
            (8, "Archives that unpack too far or outside their folder"),
            (9, "Images beyond measure"),
            (10, "PDF with scripts or files inside"),
        ],
    ),
    (
        'f',
        "Faults",
        &[
            (1, "Killed at any point"),
            (2, "Power cut"),
            (3, "Torn writes"),
            (4, "fsync fails"),
            (5, "Disk full"),
            (7, "The clock jumps"),
            (8, "The network is cut"),
            (10, "A third of packets lost"),
            (11, "A thin line"),
            (13, "The same message a thousand times"),
            (14, "A peer restored from an old backup"),
            (15, "Out of memory"),
            (
                16,
                "Killed within an upgrade; old and new binaries together",
            ),
        ],
    ),
    (
        'l',
        "Load",
        &[
            (1, "Clients that send and read slowly"),
            (2, "Ten thousand idle connections"),
            (5, "TLS misused"),
        ],
    ),
];

/// The tests by their number, such as `p03`, and the files that they are in.
fn found() -> BTreeMap<String, Vec<(String, String)>> {
    let mut all: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for (path, text) in tracked_files() {
        if !path.ends_with(".rs") {
            continue;
        }
        for line in text.lines() {
            let line = line.trim_start();
            let line = line.strip_prefix("async ").unwrap_or(line);
            let Some((name, _)) = line.strip_prefix("fn ").and_then(|it| it.split_once('(')) else {
                continue;
            };
            for number in name.split('_').take_while(|word| is_number(word)) {
                let tests = all.entry(number.to_owned()).or_default();
                tests.push((name.to_owned(), path.clone()));
            }
        }
    }
    for tests in all.values_mut() {
        tests.sort();
    }
    all
}

/// A test's name may begin with several.
fn is_number(word: &str) -> bool {
    word.len() == 3
        && word.starts_with(['p', 'a', 'x', 'f', 'l'])
        && word.bytes().skip(1).all(|byte| byte.is_ascii_digit())
}

fn numbers() -> impl Iterator<Item = (String, &'static str)> {
    KINDS.iter().flat_map(|(letter, _, numbers)| {
        numbers
            .iter()
            .map(move |(number, title)| (format!("{letter}{number:02}"), *title))
    })
}

fn written(found: &BTreeMap<String, Vec<(String, String)>>) -> String {
    let mut text = String::from(
        "# What is covered by which test\n\n\
         Made from the names of the tests: run the architecture tests with HANDOVER_WRITE_COVERAGE=1. A number with a test\n\
         is shown by it as far as the test's name says, not whole.\n",
    );
    let covered = numbers().filter(|(number, _)| found.contains_key(number));
    let _ = write!(
        text,
        "\n{} of {} numbers have a test.\n",
        covered.count(),
        numbers().count()
    );
    for (letter, kind, of_kind) in KINDS {
        let _ = write!(
            text,
            "\n## {kind}\n\n| number | what | tests |\n|---|---|---|\n"
        );
        for (number, title) in *of_kind {
            let key = format!("{letter}{number:02}");
            let tests = match found.get(&key) {
                None => "not yet".to_owned(),
                Some(tests) => {
                    let names = tests.iter().map(|(name, _)| name.replace('_', " "));
                    names.collect::<Vec<_>>().join("; ")
                }
            };
            let number = key.to_uppercase();
            let _ = writeln!(text, "| {number} | {title} | {tests} |");
        }
    }
    text
}

#[test]
fn the_coverage_page_lists_every_number_and_names_only_tests_that_there_are() {
    let found = found();
    for number in found.keys() {
        assert!(
            numbers().any(|(known, _)| known == *number),
            "{number} is no number of ours: {:?}",
            found[number]
        );
    }
    if std::env::var_os("HANDOVER_WRITE_COVERAGE").is_some() {
        std::fs::write(root().join(FILE), written(&found)).unwrap();
    }
    let page = std::fs::read_to_string(root().join(FILE)).unwrap();
    let names: Vec<String> = found
        .values()
        .flatten()
        .map(|(name, _)| name.replace('_', " "))
        .collect();
    for (number, title) in numbers() {
        let row = format!("| {} | {title} | ", number.to_uppercase());
        let row = page.lines().find_map(|line| line.strip_prefix(&row));
        let tests = row.unwrap_or_else(|| panic!("{FILE} has no row for {number}"));
        for test in tests.trim_end_matches(" |").split("; ") {
            assert!(
                test == "not yet" || names.iter().any(|name| name == test),
                "{FILE}: there is no test {test:?}; run with HANDOVER_WRITE_COVERAGE=1"
            );
        }
    }
}
