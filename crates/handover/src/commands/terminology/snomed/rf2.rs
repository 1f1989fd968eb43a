//! Which files of a release are which, and their lines.

use anyhow::{Context as _, ensure};
use fhir::terminology::sctid;

use crate::commands::terminology::source::{Place, Source};

/// The snapshot files, by what they hold.
pub struct Files<'s> {
    pub concepts: Vec<&'s Place>,
    pub descriptions: Vec<&'s Place>,
    pub definitions: Vec<&'s Place>,
    pub relationships: Vec<&'s Place>,
    /// Relationships to numbers, texts and truths; older releases have none.
    pub concrete: Vec<&'s Place>,
    pub languages: Vec<&'s Place>,
    pub simple: Vec<&'s Place>,
    pub associations: Vec<&'s Place>,
    pub extended_maps: Vec<&'s Place>,
}

impl<'s> Files<'s> {
    /// # Errors
    /// If concepts, descriptions, relationships or the language reference sets are missing.
    pub fn of(source: &'s Source) -> anyhow::Result<Files<'s>> {
        // `xsct2` and `xder2` are the names of previews. `Snapshot` may stand behind an extension's letters.
        let named = |start: &str, part: &str| {
            source.named(|name| {
                let name = name.strip_prefix('x').unwrap_or(name);
                let kind = name.split('_').take(2).collect::<Vec<_>>().join("_");
                kind.starts_with(start)
                    && name.contains(part)
                    && name.contains("Snapshot")
                    && name.ends_with(".txt")
            })
        };
        let exactly = |kind: &str| {
            source.named(|name| {
                let name = name.strip_prefix('x').unwrap_or(name);
                name.strip_prefix(kind)
                    .is_some_and(|rest| rest.starts_with('_'))
                    && name.contains("Snapshot")
                    && name.ends_with(".txt")
            })
        };
        let files = Files {
            concepts: exactly("sct2_Concept"),
            descriptions: exactly("sct2_Description"),
            definitions: exactly("sct2_TextDefinition"),
            relationships: exactly("sct2_Relationship"),
            concrete: exactly("sct2_RelationshipConcreteValues"),
            languages: named("der2_cRefset", "Language"),
            simple: named("der2_Refset", "Simple"),
            associations: named("der2_cRefset", "Association"),
            extended_maps: named("der2_iisss", "ExtendedMap"),
        };
        for (found, what) in [
            (&files.concepts, "sct2_Concept_…Snapshot…"),
            (&files.descriptions, "sct2_Description_…Snapshot…"),
            (&files.relationships, "sct2_Relationship_…Snapshot…"),
            (&files.languages, "der2_cRefset_Language…Snapshot…"),
        ] {
            ensure!(
                !found.is_empty(),
                "there is no file {what}.txt: give the folder or archive of an RF2 release"
            );
        }
        Ok(files)
    }

    /// The latest date in the concept files' names.
    pub fn date(&self) -> String {
        let dates = self.concepts.iter().map(|place| {
            let stem = place.name().trim_end_matches(".txt");
            let last = stem.rsplit('_').next().unwrap_or_default();
            last.chars()
                .take_while(char::is_ascii_digit)
                .collect::<String>()
        });
        dates.max().unwrap_or_default()
    }
}

/// A line, by the columns that were asked for.
pub struct Line<'l> {
    cells: Vec<&'l str>,
    at: &'l [usize],
}

impl<'l> Line<'l> {
    /// The text of the `number`th column asked for.
    pub fn text(&self, number: usize) -> &'l str {
        self.at
            .get(number)
            .and_then(|at| self.cells.get(*at))
            .copied()
            .unwrap_or_default()
    }

    /// Its identifier.
    ///
    /// # Errors
    /// If it is no identifier of SNOMED CT.
    pub fn id(&self, number: usize) -> anyhow::Result<u64> {
        let text = self.text(number);
        sctid::parse(text).with_context(|| format!("{text:?} is no SNOMED CT identifier"))
    }

    pub fn is_active(&self, number: usize) -> bool {
        self.text(number) == "1"
    }
}

/// Calls with each line of the files.
///
/// # Errors
/// If a file does not have these columns, what `each` refuses; with file and line.
pub fn each(
    places: &[&Place],
    columns: &[&str],
    mut each: impl FnMut(&Line<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    for place in places {
        let mut at = Vec::new();
        let mut width = 0;
        place.lines(|number, line| {
            if number == 1 {
                let known: Vec<&str> = line.split('\t').collect();
                width = known.len();
                for column in columns {
                    let found = known.iter().position(|name| name == column);
                    at.push(found.with_context(|| format!("the column {column} is missing"))?);
                }
                return Ok(());
            }
            if line.is_empty() {
                return Ok(());
            }
            let cells: Vec<&str> = line.split('\t').collect();
            ensure!(
                cells.len() == width,
                "there are {} columns, not {width}",
                cells.len()
            );
            each(&Line { cells, at: &at })
        })?;
    }
    Ok(())
}
