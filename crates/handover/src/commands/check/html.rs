//! The report as one page that loads nothing from outside, and prints.

use std::fmt::Write as _;

use fhir::date;

use super::report::Report;
use super::run::{Finding, Verdict};

const STYLE: &str = include_str!("report.css");

pub(super) fn page(report: &Report) -> String {
    let mut out = String::new();
    let address = escaped(&report.address);
    let _ = write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Check of {address}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>Check of {address}</h1>\n<p>By Handover {} on {}, with {} requests. {}</p>\n",
        env!("CARGO_PKG_VERSION"),
        date::instant(report.at),
        report.requests,
        match report.wrote {
            true => "It was allowed to create and change made-up things (--write).",
            false => "Nothing was created or changed: requirements that need it could not be told.",
        }
    );
    summary(&mut out, report);
    left(&mut out, report);
    for verdict in Verdict::ALL {
        section(&mut out, report, verdict);
    }
    out.push_str(
        "<p>This page holds no patient's data: ids are cut short, and of what was answered there are places and codes \
         only. It is what one run saw, and approves nothing.</p>\n</main>\n</body>\n</html>\n",
    );
    out
}

fn summary(out: &mut String, report: &Report) {
    out.push_str("<h2>Result</h2>\n<ul class=\"counts\">\n");
    for verdict in Verdict::ALL {
        let count = report.count(verdict);
        let (code, words) = (verdict.code(), verdict.words());
        let told = match count {
            0 => words.to_owned(),
            _ => format!("<a href=\"#{code}\">{words}</a>"),
        };
        let _ = writeln!(out, "<li class=\"{code}\"><b>{count}</b> {told}</li>");
    }
    out.push_str("</ul>\n");
}

fn left(out: &mut String, report: &Report) {
    if report.left.is_empty() {
        return;
    }
    out.push_str("<h2>Made by this run and not removed</h2>\n<p>Remove these by hand:</p>\n<ul>\n");
    for it in &report.left {
        let _ = writeln!(out, "<li>{}</li>", escaped(it));
    }
    out.push_str("</ul>\n");
}

fn section(out: &mut String, report: &Report, verdict: Verdict) {
    let found: Vec<&Finding> = report
        .findings
        .iter()
        .filter(|it| it.verdict == Some(verdict))
        .collect();
    if found.is_empty() {
        return;
    }
    let (code, words) = (verdict.code(), verdict.words());
    let _ = writeln!(out, "<h2 id=\"{code}\">{words}</h2>");
    for finding in found {
        requirement(out, finding, verdict);
    }
}

fn requirement(out: &mut String, finding: &Finding, verdict: Verdict) {
    let it = &finding.requirement;
    let _ = write!(
        out,
        "<section class=\"{}\">\n<h3>{}</h3>\n<p><span class=\"tag\">{}</span> \
         <span class=\"tag\">{}</span> <code>{}</code></p>\n<dl>\n",
        verdict.code(),
        escaped(&it.says),
        verdict.words(),
        it.level.word(),
        escaped(&it.id),
    );
    if !finding.reason.is_empty() {
        entry(out, "Why", &escaped(&finding.reason));
    }
    for seen in &finding.evidence {
        let status = seen.status.map_or(String::new(), |it| format!(" → {it}"));
        let told = format!(
            "<code>{}{status}</code><br>{}",
            escaped(&seen.request),
            escaped(&seen.found)
        );
        entry(out, "Seen", &told);
    }
    if verdict == Verdict::NotMet {
        entry(out, "Remedy", &escaped(&it.remedy));
    }
    entry(out, "Check", &escaped(&it.check));
    let link = escaped(&it.link);
    let source = format!(
        "{}, <a href=\"{link}\">{}</a>",
        escaped(&it.specification),
        escaped(&it.section)
    );
    entry(out, "Source", &source);
    out.push_str("</dl>\n</section>\n");
}

fn entry(out: &mut String, name: &str, html: &str) {
    let _ = writeln!(out, "<dt>{name}</dt><dd>{html}</dd>");
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
