//! Labels: a resource that says of itself that it is not for everyone, such as a letter with a
//! third-party or serious-harm mark, and the contents that are held back with it.

use std::collections::HashSet;

use fhir::json::Json;

use super::Release;
use super::stored::Stored;
use crate::write::Change;

/// What a resource says of who may see it and what belongs to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Labels {
    /// Whether it carries a security label (`meta.security`; of a letter also `securityLabel`).
    pub(crate) is_labelled: bool,
    /// Each label, as text to compare by: system and code, or its words where it has no code.
    marks: Vec<String>,
    /// The ids of the Binaries that are a letter's contents.
    pub(crate) binaries: Vec<String>,
}

impl Labels {
    pub(crate) fn of(ty: &str, resource: &Json<'_>) -> Labels {
        let meta = resource.get("meta");
        let by_meta = meta.is_some_and(|meta| !meta.items("security").is_empty());
        let mut marks: Vec<String> = meta
            .iter()
            .flat_map(|meta| meta.items("security"))
            .map(mark)
            .collect();
        if ty != "DocumentReference" {
            return Labels {
                is_labelled: by_meta,
                marks,
                binaries: Vec::new(),
            };
        }
        let urls = resource.items("content").iter().filter_map(|content| {
            let attachment = content.get("attachment")?;
            binary(attachment.get("url")?.as_str()?)
        });
        for concept in resource.items("securityLabel") {
            match concept.items("coding") {
                [] => marks.push(mark(concept)),
                codings => marks.extend(codings.iter().map(mark)),
            }
        }
        Labels {
            marks,
            is_labelled: by_meta || !resource.items("securityLabel").is_empty(),
            binaries: urls.map(str::to_string).collect(),
        }
    }

    /// Whether a label of `before` is not among these.
    pub(crate) fn lack(&self, before: &Labels) -> bool {
        before.marks.iter().any(|mark| !self.marks.contains(mark))
    }
}

fn mark(label: &Json<'_>) -> String {
    let part = |name| label.text(name).unwrap_or_default();
    match part("code") {
        "" => format!("{} {}", part("display"), part("text")),
        code => format!("{}|{code}", part("system")),
    }
}

/// The ids of the Binaries that these changes hold back: the contents of a letter that is labelled,
/// and of one that is deleted, in which nobody finds them any more.
pub(crate) fn held(changes: &[Change], before: &[Option<Stored>]) -> HashSet<String> {
    let mut held = HashSet::new();
    for (change, before) in changes.iter().zip(before) {
        let before = before.as_ref().map(|before| &before.labels);
        let (now, holds) = match change {
            Change::Put { resource, .. } => (Some(&resource.labels), resource.labels.is_labelled),
            Change::Delete { .. } => (None, true),
            Change::Release { .. } => (None, before.is_some_and(|before| before.is_labelled)),
        };
        if holds {
            let both = before.into_iter().chain(now);
            held.extend(both.flat_map(|labels| labels.binaries.iter().cloned()));
        }
    }
    held
}

/// The changes that hold back what no other of the changes is about.
pub(crate) fn further(changes: &[Change], held: &HashSet<String>) -> Vec<Change> {
    let named: HashSet<_> = changes.iter().map(Change::names).collect();
    let further = held.iter().filter(|id| !named.contains(&("Binary", id)));
    let mut further: Vec<_> = further.cloned().collect();
    further.sort_unstable();
    let hold = |id| Change::Release {
        ty: "Binary".to_string(),
        id,
        release: Release::Never,
    };
    further.into_iter().map(hold).collect()
}

/// The id in `Binary/<id>`, in whatever stands before it and with or without a version after it.
fn binary(url: &str) -> Option<&str> {
    let mut parts = url.split('/').skip_while(|part| *part != "Binary");
    parts.next()?;
    parts.next().filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::binary;

    #[test]
    fn a_binary_is_named_in_any_form_of_address() {
        for url in [
            "Binary/b",
            "http://a.example/fhir/Binary/b",
            "Binary/b/_history/2",
        ] {
            assert_eq!(binary(url), Some("b"), "{url}");
        }
        for url in ["b", "Binary", "Binary/", "urn:uuid:b"] {
            assert_eq!(binary(url), None, "{url}");
        }
    }
}
