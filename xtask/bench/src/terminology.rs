//! Finding concepts by text among 500,000, through the FHIR door.

mod release;

use std::time::Instant;

use anyhow::{Result, ensure};

use crate::http::Connection;
use crate::measure::quantile;
use crate::node::{self, Node};
use crate::report::{Report, Wanted};

const CONCEPTS: u64 = 500_000;
const MS_MAX: f64 = 20.0;
/// How often each question is asked.
const TIMES: usize = 40;

pub fn measure(report: &mut Report) -> Result<()> {
    let folder = node::folder()?;
    let words = release::write(folder.path(), CONCEPTS)?;
    let node = Node::start("A99997", "gp-practice", "before-answer")?;
    let path = folder.path().canonicalize()?;
    let began = Instant::now();
    node.command(&[
        "terminology",
        "load",
        "--system",
        "snomed",
        &path.to_string_lossy(),
    ])?;
    // The load waits before it removes an old release; there is none here.
    report.figure(
        "loading 500,000 concepts of SNOMED CT RF2",
        "s",
        began.elapsed().as_secs_f64(),
        Wanted::Nothing,
    );
    let all = "http://snomed.info/sct?fhir_vs";
    let below = format!("{all}=isa/{}", release::id(2));
    let [rare, common] = &words;
    let questions = [
        ("a rare word", all, rare.clone()),
        (
            "two words, one of them in every name",
            all,
            format!("{rare} disorder"),
        ),
        (
            "the beginnings of two words",
            all,
            format!("{} {}", start(common, 3), start(rare, 4)),
        ),
        ("a word in many names", all, common.clone()),
        ("two letters", all, start(common, 2)),
        ("a word, below one concept", below.as_str(), common.clone()),
    ];
    let mut connection = Connection::open(node.pages)?;
    for (told, set, filter) in questions {
        let path = format!(
            "/fhir/ValueSet/$expand?url={}&filter={}&count=20",
            encoded(set),
            encoded(&filter)
        );
        let times = ask(&mut connection, &node.token, &path)?;
        report.figure(
            &format!("$expand with text, {told}, the middle"),
            "ms",
            quantile(&times, 0.5),
            Wanted::Below(MS_MAX),
        );
        report.figure(
            &format!("$expand with text, {told}, 95 of 100"),
            "ms",
            quantile(&times, 0.95),
            Wanted::Nothing,
        );
    }
    Ok(())
}

/// Milliseconds of each answer; what it finds must be there.
fn ask(connection: &mut Connection, token: &str, path: &str) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    for _ in 0..TIMES {
        let began = Instant::now();
        let (status, body) = connection.send("GET", path, Some(token), &[])?;
        times.push(began.elapsed().as_secs_f64() * 1000.0);
        let text = String::from_utf8_lossy(&body);
        ensure!(
            status == 200 && text.contains("\"contains\""),
            "{path} was answered {status}: {text}"
        );
    }
    Ok(times)
}

fn start(word: &str, letters: usize) -> String {
    word.chars().take(letters).collect()
}

/// Percent-encoded, as far as these texts need it.
fn encoded(text: &str) -> String {
    text.replace('%', "%25")
        .replace(' ', "%20")
        .replace('?', "%3F")
        .replace('=', "%3D")
        .replace('&', "%26")
}
