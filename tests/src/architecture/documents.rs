//! What the documents name is there: commands, paths, settings.

use std::collections::BTreeSet;

use super::tracked_files;
use crate::setting::root;

/// The documents and the code spans in each (`like this`, and lines of shell blocks).
fn documents() -> Vec<(String, String)> {
    let documents: Vec<_> = tracked_files()
        .into_iter()
        .filter(|(path, _)| path.ends_with(".md"))
        .collect();
    assert!(documents.len() > 5);
    documents
}

/// What stands between single backticks.
fn code_spans(text: &str) -> Vec<&str> {
    let prose = text.split("```").step_by(2);
    prose
        .flat_map(|part| part.split('`').skip(1).step_by(2))
        .collect()
}

/// The words that follow `program` anywhere in the text, as commands of it.
fn commands<'t>(text: &'t str, program: &str) -> BTreeSet<&'t str> {
    let lead = format!("{program} ");
    text.match_indices(&lead)
        .filter(|(at, _)| {
            text.get(..*at)
                .and_then(|t| t.chars().next_back())
                .is_none_or(|c| c == '`' || c == '\n')
        })
        .filter_map(|(at, _)| text.get(at + lead.len()..)?.split([' ', '`', '\n']).next())
        .filter(|word| {
            word.starts_with(|c: char| c.is_ascii_lowercase())
                && word.chars().all(|c| c.is_ascii_lowercase() || c == '-')
        })
        .collect()
}

/// `v2-tables` as clap derives it from `V2Tables`.
fn variant(command: &str) -> String {
    command
        .split('-')
        .map(|part| {
            part.chars()
                .next()
                .unwrap()
                .to_uppercase()
                .chain(part.chars().skip(1))
                .collect::<String>()
        })
        .collect()
}

#[test]
fn commands_that_documents_name_exist() {
    let programs = [
        ("cargo xtask", "xtask/src"),
        ("handover", "crates/handover/src"),
    ];
    for (program, folder) in programs {
        let sources: String = tracked_files()
            .into_iter()
            .filter(|(path, _)| path.starts_with(folder))
            .map(|(_, text)| text)
            .collect();
        let mut named = 0;
        for (path, text) in documents() {
            for command in commands(&text, program) {
                named += 1;
                let found = [" {", "(", ","]
                    .iter()
                    .any(|end| sources.contains(&format!(" {}{end}", variant(command))));
                assert!(
                    found,
                    "{path} names `{program} {command}`, which is not there"
                );
            }
        }
        assert!(named > 0, "no document names a command of {program}");
    }
}

#[test]
fn paths_that_documents_name_exist() {
    let files: BTreeSet<String> = tracked_files().into_iter().map(|(path, _)| path).collect();
    for (document, text) in documents() {
        let folder = document.rsplit_once('/').map_or("", |(folder, _)| folder);
        let links = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split([')', '#']).next());
        let spans = code_spans(&text).into_iter().filter(|span| {
            let known = [".rs", ".md", ".sql", ".jinja", ".mjs"]
                .iter()
                .any(|end| span.ends_with(end));
            known
                && span.contains('/')
                && !span.contains(['*', ' ', '{', '<', '…'])
                && !span.contains("NNNN")
        });
        for path in links
            .chain(spans)
            .filter(|path| !path.is_empty() && !path.contains("://"))
        {
            let beside = format!("{folder}/{path}");
            let there = [path, beside.trim_start_matches('/')].iter().any(|path| {
                root().join(path).exists()
                    || files.iter().any(|file| file.ends_with(&format!("/{path}")))
            });
            assert!(there, "{document} names {path}, which is not there");
        }
    }
}

#[test]
fn settings_that_documents_name_exist() {
    let example = std::fs::read_to_string(root().join("handover.example.toml")).unwrap();
    let mut section = String::new();
    let mut settings = BTreeSet::new();
    for line in example.lines() {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            section = name.to_owned();
        } else if let Some((key, _)) = line.trim_start_matches("# ").split_once(" = ") {
            settings.insert(format!("{section}.{key}"));
        }
    }
    assert!(settings.len() > 5);
    let sections: BTreeSet<&str> = settings
        .iter()
        .filter_map(|setting| setting.split('.').next())
        .collect();
    for (document, text) in documents() {
        for span in code_spans(&text) {
            let span = span.replace("] ", ".").replace('[', "");
            let Some((section, key)) = span.split_once('.') else {
                continue;
            };
            let a_key = key
                .chars()
                .all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit());
            // `web.rs` and `store.read` are a file and a function; a setting's name says more than a word.
            if sections.contains(section) && a_key && key.contains('_') {
                assert!(
                    settings.contains(&span),
                    "{document} names the setting {span}, which is not there"
                );
            }
        }
    }
}
