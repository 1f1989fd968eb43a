//! Labels: a resource that says of itself that it is not for everyone, such as a letter with a
//! third-party or serious-harm mark, and the contents that are held back with it.

use std::collections::{HashMap, HashSet};

use fhir::json::Json;
use fhir::problem::{Kind, Problem};
use fhir::whereabouts;

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
    /// Whom it is sealed to.
    pub(crate) seal: Seal,
}

/// The system of the labels `sealed`, `sealed-and-locked` and `until-emergency`.
const SEAL: &str = "urn:handover:seal";
/// The system of the label that names the workgroup to which a resource is sealed.
const WORKGROUP: &str = "urn:handover:workgroup";
/// Bundles inside Bundles that are looked into.
const DEPTH_MAX: usize = 4;

/// The labels of confidentiality that say that there is nothing out of the ordinary
/// (<https://terminology.hl7.org/CodeSystem-v3-Confidentiality.html>): all others keep a resource from
/// people who act for the patient, those that nobody knows as well.
const ORDINARY: [&str; 4] = [
    "http://terminology.hl7.org/CodeSystem/v3-Confidentiality|U",
    "http://terminology.hl7.org/CodeSystem/v3-Confidentiality|L",
    "http://terminology.hl7.org/CodeSystem/v3-Confidentiality|M",
    "http://terminology.hl7.org/CodeSystem/v3-Confidentiality|N",
];

/// Who of an organisation a resource is kept to, and whether people who act for the patient see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seal {
    /// 0 open, 1 sealed, 2 sealed and locked, 3 sealed until somebody opens the record in an emergency.
    pub(crate) guard: i64,
    pub(crate) workgroup: String,
    /// It carries a label that keeps it from people who act for the patient (P24).
    pub(crate) is_sensitive: bool,
}

impl Seal {
    /// Whether it keeps anything from anybody.
    pub(crate) fn keeps(&self) -> bool {
        self.guard != 0 || self.is_sensitive
    }

    /// Which of two keeps the closer: what an emergency opens is kept less than what is sealed.
    fn strictness(&self) -> i64 {
        match self.guard {
            0 => 0,
            3 => 1,
            guard => guard + 1,
        }
    }

    fn of(resource: &Json<'_>) -> Seal {
        let labels = resource.get("meta").map(|meta| meta.items("security"));
        let code = |system: &str| {
            let mut labels = labels.into_iter().flatten();
            let label = labels.find(|label| label.text("system") == Some(system))?;
            label.text("code")
        };
        let guard = match code(SEAL) {
            None => return Seal::default(),
            Some("sealed") => 1,
            Some("until-emergency") => 3,
            // A word that is not known keeps it all the closer.
            Some(_) => 2,
        };
        Seal {
            guard,
            workgroup: code(WORKGROUP).unwrap_or_default().to_string(),
            is_sensitive: true,
        }
    }
}

impl Labels {
    /// The labels of a resource; a Bundle has those of its entries as well, which are copies.
    pub(crate) fn of(ty: &str, resource: &Json<'_>) -> Labels {
        Labels::to_depth(ty, resource, 0)
    }

    /// # Errors
    /// `Required` for what is sealed to nobody.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        if self.seal.guard != 0 && self.seal.workgroup.is_empty() {
            let message = "A sealed resource names the workgroup that it is sealed to: a label of the system urn:handover:workgroup.";
            return Err(Problem::new(Kind::Required, message).at("meta.security"));
        }
        Ok(())
    }

    fn to_depth(ty: &str, resource: &Json<'_>, depth: usize) -> Labels {
        let mut labels = Labels::own(ty, resource);
        if ty == "Bundle" && depth < DEPTH_MAX {
            for entry in resource.items("entry") {
                let Some(copy) = entry.get("resource") else {
                    continue;
                };
                let ty = copy.text("resourceType").unwrap_or_default();
                let copied = Labels::to_depth(ty, copy, depth + 1);
                labels.is_labelled |= copied.is_labelled;
                labels.marks.extend(copied.marks);
                let is_sensitive = labels.seal.is_sensitive || copied.seal.is_sensitive;
                if copied.seal.strictness() > labels.seal.strictness() {
                    labels.seal = copied.seal;
                }
                labels.seal.is_sensitive = is_sensitive;
            }
        }
        labels
    }

    fn own(ty: &str, resource: &Json<'_>) -> Labels {
        let mut seal = Seal::of(resource);
        let meta = resource.get("meta");
        // That something was taken out of it keeps it from nobody.
        let own = meta.map_or(&[][..], |meta| meta.items("security")).iter();
        let own = own.filter(|label| !whereabouts::is_redaction(label));
        let mut marks: Vec<String> = own.map(mark).collect();
        // Nor does the flag on a Patient: where they live is taken out, and the rest is theirs.
        let keeps = |mark: &&String| ty != "Patient" || !is_flag(mark);
        let by_meta = marks.iter().any(|mark| keeps(&mark));
        let is_sensitive = |marks: &[String]| marks.iter().any(|it| !ORDINARY.contains(&&**it));
        if ty != "DocumentReference" {
            seal.is_sensitive = is_sensitive(&marks);
            return Labels {
                is_labelled: by_meta,
                marks,
                binaries: Vec::new(),
                seal,
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
        seal.is_sensitive = is_sensitive(&marks);
        Labels {
            marks,
            is_labelled: by_meta || !resource.items("securityLabel").is_empty(),
            binaries: urls.map(str::to_string).collect(),
            seal,
        }
    }

    /// Whether it is the flag of somebody whose whereabouts are kept.
    pub(crate) fn is_restricted(&self) -> bool {
        self.marks.iter().any(|mark| is_flag(mark))
    }

    /// Whether a label of `before` is not among these.
    pub(crate) fn lack(&self, before: &Labels) -> bool {
        before.marks.iter().any(|mark| !self.marks.contains(mark))
    }
}

fn is_flag(mark: &str) -> bool {
    let code = mark.strip_prefix(whereabouts::CONFIDENTIALITY);
    let code = code.and_then(|code| code.strip_prefix('|'));
    code.is_some_and(|code| whereabouts::RESTRICTED.contains(&code))
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
            Change::Put { resource, .. } => (Some(&*resource.labels), resource.labels.is_labelled),
            Change::Delete { .. } => (None, true),
            Change::Release { .. } => (None, before.is_some_and(|before| before.is_labelled)),
            Change::Veil { .. } => continue,
        };
        if holds {
            let both = before.into_iter().chain(now);
            held.extend(both.flat_map(|labels| labels.binaries.iter().cloned()));
        }
    }
    held
}

/// What letters' contents are sealed to by these changes: as the letter is, where it was or becomes
/// sealed. A letter that is deleted leaves its contents as sealed as they are.
pub(crate) fn seals(changes: &[Change], before: &[Option<Stored>]) -> HashMap<String, Seal> {
    let mut seals = HashMap::new();
    for (change, before) in changes.iter().zip(before) {
        let before = before.as_ref().map(|before| &before.labels);
        let now = match (change, before) {
            (Change::Put { resource, .. }, _) => &*resource.labels,
            // An older process may have written it, which knew less of labels.
            (Change::Release { .. }, Some(before)) => before,
            _ => continue,
        };
        let was = before.is_some_and(|before| before.seal.keeps());
        if was || now.seal.keeps() {
            let both = before.into_iter().chain([now]);
            for id in both.flat_map(|labels| &labels.binaries) {
                seals.insert(id.clone(), now.seal.clone());
            }
        }
    }
    seals
}

/// The changes that hold back or seal what no other of the changes is about.
pub(crate) fn further(
    changes: &[Change],
    held: &HashSet<String>,
    seals: &HashMap<String, Seal>,
) -> Vec<Change> {
    let named: HashSet<_> = changes.iter().map(Change::names).collect();
    let both: HashSet<&String> = held.iter().chain(seals.keys()).collect();
    let further = both
        .into_iter()
        .filter(|id| !named.contains(&("Binary", id)));
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
