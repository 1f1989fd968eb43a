//! `cargo xtask v2-tables`: HL7's published v2-to-FHIR mapping, distilled to facts.
//!
//! Source: <https://github.com/HL7/v2-to-fhir>, folder `mappings`, content CC0. Narrative,
//! comments and names stay behind; conditions are read into data, and what cannot be read is
//! marked as prose. Slips of the published sheets are mended in [`mend`], in one place.

mod condition;

use anyhow::{Context, Result, bail};
use condition::{condition, source};
use hl7v2::to_fhir::tables::{
    Code, Group, Link, Part, Place, Published, Row, Structure, Target, fold,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Makes the table anew from the shared copy of the published mapping.
pub fn run(root: &Path) -> Result<()> {
    let shared = std::env::var_os("HANDOVER_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| root.join("../shared"));
    distil(
        &shared.join("data/v2-to-fhir/mappings"),
        &root.join("crates/hl7v2/tables/v2-to-fhir.json.zst"),
    )
}

/// Reads the sheets under `mappings` and writes the table, compressed, to `out`.
fn distil(mappings: &Path, out: &Path) -> Result<()> {
    let published = Published {
        source: "https://github.com/HL7/v2-to-fhir, mappings; content CC0-1.0".to_owned(),
        messages: sheets(&mappings.join("messages"), |name, rows| {
            (name.to_owned(), structure(rows))
        })?,
        segments: sheets(&mappings.join("segments"), |name, rows| {
            (fold(name), map_rows(rows))
        })?,
        datatypes: sheets(&mappings.join("datatypes"), |name, rows| {
            (fold(name), map_rows(rows))
        })?,
        codes: sheets(&mappings.join("codesystems"), |name, rows| {
            (fold(name), codes(rows))
        })?,
    };
    if published.messages.is_empty() || published.segments.is_empty() {
        bail!("no mapping sheets under {}", mappings.display());
    }
    let json = serde_json::to_vec(&published)?;
    let compressed = zstd::bulk::compress(&json, 19)?;
    std::fs::write(out, &compressed).with_context(|| format!("writing {}", out.display()))?;
    println!(
        "v2-to-FHIR: {} structures, {} segment maps, {} data type maps, {} concept maps; {} bytes of JSON, {} compressed",
        published.messages.len(),
        published.segments.len(),
        published.datatypes.len(),
        published.codes.len(),
        json.len(),
        compressed.len()
    );
    Ok(())
}

type Cells = Vec<String>;

/// Reads every sheet of a folder; the file's name holds the map's.
fn sheets<T>(
    folder: &Path,
    read: impl Fn(&str, &[Cells]) -> (String, T),
) -> Result<BTreeMap<String, T>> {
    let mut found = BTreeMap::new();
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    for entry in entries {
        let path = entry?.path();
        let file = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let name = file
            .split_once("R4_ ")
            .or(file.split_once("Concept Map_ "))
            .map(|(_, n)| n);
        let Some((name, _)) = name.and_then(|n| n.rsplit_once(" - ")) else {
            continue;
        };
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_path(&path)
            .with_context(|| file.clone())?;
        let rows: Vec<Cells> = reader
            .records()
            .skip(2)
            .map(|r| Ok(r?.iter().map(|c| c.trim().to_owned()).collect()))
            .collect::<Result<_>>()
            .with_context(|| file.clone())?;
        let (name, value) = read(name, &rows);
        found.insert(name, value);
    }
    Ok(found)
}

fn cell(row: &Cells, at: usize) -> &str {
    row.get(at).map_or("", String::as_str)
}

fn structure(rows: &[Cells]) -> Structure {
    let mut structure = Structure::default();
    let mut open: Vec<usize> = Vec::new();
    let mut last_identifier = "";
    for row in rows {
        let (identifier, syntax, name) = (cell(row, 1), cell(row, 2), cell(row, 3));
        if name.contains(" begin") {
            let name = identifier.rsplit('.').next().unwrap_or_default().to_owned();
            let group = Group {
                name,
                parent: open.last().copied(),
                repeats: syntax.contains('{'),
            };
            structure.groups.push(group);
            open.push(structure.groups.len() - 1);
        } else if identifier.starts_with('/') || name.contains(" end") {
            open.pop();
        } else if !identifier.is_empty() {
            let segment = identifier.rsplit('.').next().unwrap_or_default();
            if identifier != last_identifier {
                structure.places.push(Place {
                    segment: segment.to_owned(),
                    group: open.last().copied(),
                    repeats: syntax.contains('{') || cell(row, 5) == "-1",
                    targets: Vec::new(),
                });
            }
            if let (Some(place), Some(target)) = (structure.places.last_mut(), target(row)) {
                place.targets.push(target);
            }
            last_identifier = identifier;
        }
    }
    structure
}

fn target(row: &Cells) -> Option<Target> {
    let (label, map) = (cell(row, 9), cell(row, 10));
    if label.is_empty() || map.is_empty() {
        return None;
    }
    let (when, prose) = when(cell(row, 6), cell(row, 8), None);
    let links = cell(row, 11)
        .split([';', '\n'])
        .filter_map(|text| link(text.trim(), label));
    let links = links.collect();
    Some(Target {
        label: labelled(label, label),
        map: fold(map),
        when,
        prose,
        links,
    })
}

/// `Encounter[1].subject.reference=Patient[1].id`, in its several spellings.
fn link(text: &str, own: &str) -> Option<Link> {
    if text.contains(['(', '"']) {
        return None;
    }
    let (from, to) = text.split_once('=')?;
    let (from, element) = from.trim().split_once('.')?;
    let to = to.trim().trim_end_matches(".id");
    Some(Link {
        from: labelled(from, own),
        element: element.trim_end_matches(".reference").to_owned(),
        to: labelled(to, own),
    })
}

/// A label with a number: a bare or otherwise marked resource is the row's own, or the first.
fn labelled(label: &str, own: &str) -> String {
    let (ty, mark) = label.split_once('[').unwrap_or((label, ""));
    let mark = mark.split(']').next().unwrap_or("");
    match mark.parse::<u32>() {
        Ok(number) => format!("{ty}[{number}]"),
        Err(_) if own != label && own.split('[').next() == Some(ty) => labelled(own, own),
        Err(_) => format!("{ty}[1]"),
    }
}

fn map_rows(rows: &[Cells]) -> Vec<Row> {
    rows.iter().filter_map(map_row).collect()
}

fn map_row(row: &Cells) -> Option<Row> {
    let (to, written_in) = mend(cell(row, 9));
    if to.is_empty() {
        return None;
    }
    let identifier = cell(row, 1);
    let from = source(identifier).and_then(|s| s.at.first().copied());
    // Some sheets repeat the segment's name and leave the number to the first column.
    let from = from.or_else(|| cell(row, 0).parse().ok().filter(|_| !identifier.is_empty()));
    let (when, prose) = when(cell(row, 6), cell(row, 8), source(identifier));
    // A quoted value stands in one of three columns, or behind an equals sign in the element's.
    let quoted = [cell(row, 16), cell(row, 15), cell(row, 17), &written_in];
    let assigned = quoted
        .into_iter()
        .find(|c| c.contains('"'))
        .unwrap_or(cell(row, 16));
    let prose = prose || assigned.starts_with('/');
    let name = |at: usize| Some(fold(cell(row, at))).filter(|n| !n.is_empty());
    Some(Row {
        from: from.unwrap_or(0),
        ty: cell(row, 3).to_owned(),
        to,
        when,
        prose,
        with: name(14),
        codes: name(15).filter(|_| !cell(row, 15).contains('"')),
        assign: if assigned.starts_with('/') {
            Vec::new()
        } else {
            parts(assigned)
        },
        ..Row::default()
    })
}

/// The element with the sheets' slips mended, and a value written behind it.
fn mend(to: &str) -> (String, String) {
    let (to, value) = to.split_once('=').unwrap_or((to, ""));
    let (to, value) = to.split_once(" assign:").unwrap_or((to, value));
    let to = to.trim().strip_prefix("Quantity.").unwrap_or(to.trim());
    let to = to
        .replace("Practioner", "Practitioner")
        .replace(".sytem", ".system")
        .replace("coding[3.", "coding[3].")
        .replace("valueSamped", "valueSampled");
    let to = match to.strip_suffix("].uri") {
        Some(extension) if extension.contains("extension[") => format!("{extension}].url"),
        _ => to,
    };
    (to, value.trim().to_owned())
}

/// The parts of an assigned value: `"text"+XTN.5+" "`.
fn parts(assigned: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = assigned.trim();
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (text, tail) = quoted.split_once('"').unwrap_or((quoted, ""));
            parts.push(Part::Text(text.to_owned()));
            rest = tail;
        } else {
            let end = rest.find(['"', '+', ' ']).unwrap_or(rest.len());
            let (word, tail) = rest.split_at(end);
            parts.extend(source(word).filter(|s| !s.at.is_empty()).map(Part::Value));
            rest = tail;
        }
        rest = rest.trim_start_matches(['+', ' ']);
    }
    parts
}

/// The condition as data, or the mark that it is prose.
fn when(
    computable: &str,
    narrative: &str,
    own: Option<hl7v2::to_fhir::tables::Source>,
) -> (Option<hl7v2::to_fhir::tables::Condition>, bool) {
    if computable.is_empty() {
        return (None, !narrative.is_empty());
    }
    match condition(computable, own) {
        // A narrative beside a computable condition only comments on it.
        Some(condition) => (Some(condition), false),
        None => {
            println!("prose condition: {computable}");
            (None, true)
        }
    }
}

fn codes(rows: &[Cells]) -> Vec<Code> {
    let usable = |row: &&Cells| !cell(row, 0).is_empty() && !cell(row, 6).is_empty();
    rows.iter()
        .filter(usable)
        .map(|row| Code {
            from: cell(row, 0).to_owned(),
            code: cell(row, 6).to_owned(),
            system: cell(row, 9).to_owned(),
            display: [cell(row, 8), cell(row, 7)]
                .into_iter()
                .find(|c| !c.is_empty())
                .unwrap_or("")
                .to_owned(),
        })
        .collect()
}
