//! A signed discharge gets a new version: what it amends, what of it changed, and what of the record it takes the place of.
//!
//! Invariant: whoever was sent the earlier version is sent the new one. Invariant: of two that amend the same version one is signed.

use access::Scope;
use fhir::members::text;
use fhir::problem::{Kind, Problem};
use fhir::search::fold;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::Reading;

use super::{Discharge, Fault, Medicine, Reader};
use crate::exchange::Exchange;
use crate::letter::Letter;

/// The version that a discharge amends, as it was signed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Amends {
    /// The draft that it was, and that of the first version.
    pub draft: String,
    pub first: String,
    /// The day on which it was signed (`YYYY-MM-DD`).
    pub signed: String,
    /// Why there is a new version.
    pub why: String,
    /// The medicines of the first version.
    pub medicines: Vec<Medicine>,
    /// Who was written to: ODS codes; empty for nobody.
    pub practice: String,
    pub pharmacy: String,
    pub social_care: String,
}

/// What stands in the record of the earlier version: each with its version there.
#[derive(Clone, Debug, Default)]
pub struct Earlier {
    pub(super) composition: Option<(Value, u64)>,
    pub(super) documents: Vec<(Value, u64)>,
}

impl Amends {
    /// What a new version of that discharge says of it.
    pub fn of(draft: &str, signed: &str, it: &Discharge) -> Amends {
        let (first, medicines) = match &it.amends {
            Some(before) => (before.first.clone(), before.medicines.clone()),
            None => (draft.to_owned(), it.medicines.clone()),
        };
        Amends {
            draft: draft.to_owned(),
            first,
            signed: signed.to_owned(),
            why: String::new(),
            medicines,
            practice: it.practice.clone(),
            pharmacy: it.pharmacy.clone(),
            social_care: it.social_care.clone(),
        }
    }

    /// Who of that sort was written to; `None` for nobody.
    pub fn recipient(&self, reader: Reader) -> Option<&str> {
        let code = match reader {
            Reader::Practice => &self.practice,
            Reader::Pharmacy => &self.pharmacy,
            Reader::SocialCare => &self.social_care,
        };
        Some(code.as_str()).filter(|it| !it.is_empty())
    }

    pub(super) fn check(&self, it: &Discharge) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.why.trim().is_empty() {
            faults.push(("why", "Write why there is a new version"));
        }
        for (reader, field) in [
            (Reader::Practice, "practice"),
            (Reader::Pharmacy, "pharmacy"),
            (Reader::SocialCare, "social-care"),
        ] {
            let before = self.recipient(reader);
            if before.is_some() && before != it.recipient(reader) {
                let said =
                    "Whoever has the earlier version must get this one: leave the code as it was";
                faults.push((field, said));
            }
        }
        faults
    }

    /// What of the medicines is otherwise than in the first version, one a line.
    pub(super) fn changes(&self, now: &[Medicine]) -> String {
        let find = |all: &[Medicine], name: &str| {
            let found = all.iter().find(|it| fold(&it.name) == fold(name));
            found.cloned()
        };
        let mut lines = Vec::new();
        for it in now {
            match find(&self.medicines, &it.name) {
                None => lines.push(format!(
                    "* {}: not in the first version; now {}",
                    it.name,
                    said(it)
                )),
                Some(before) if before.dose != it.dose || before.fate != it.fate => {
                    lines.push(format!(
                        "* {}: was {}; now {}",
                        it.name,
                        said(&before),
                        said(it)
                    ));
                }
                Some(_) => {}
            }
        }
        for before in &self.medicines {
            if find(now, &before.name).is_none() {
                let said = said(before);
                lines.push(format!("* {}: was {said}; now not listed", before.name));
            }
        }
        match lines.is_empty() {
            true => "No medicine was changed since the first version.".to_owned(),
            false => lines.join("\n"),
        }
    }
}

/// A medicine's fate and dose, in words.
fn said(it: &Medicine) -> String {
    let dose = it.dose.split_whitespace().collect::<Vec<_>>().join(" ");
    match dose.is_empty() {
        true => it.fate.code().to_owned(),
        false => format!("{}, {dose}", it.fate.code()),
    }
}

/// The Composition of a discharge: the same for all its versions.
pub(super) fn composition_id(first: &str) -> String {
    Letter::parcel_id(&["discharge", first, "", "composition"])
}

impl Exchange {
    /// What stands in the record of the version that is amended, as the signer sees it.
    ///
    /// # Errors
    /// `NotFound` if it is withheld from them; `BusinessRule` if it was amended meanwhile; those of the store.
    pub async fn earlier_discharge(
        &self,
        scope: &Scope,
        amends: Option<&Amends>,
    ) -> Result<Earlier, Problem> {
        let Some(amends) = amends else {
            return Ok(Earlier::default());
        };
        let id = composition_id(&amends.first);
        let composition = self.stored(scope, ("Composition", &id)).await?;
        let Some(composition) = composition else {
            let message =
                "The discharge that this amends is not here any more, or is withheld from you.";
            return Err(Problem::new(Kind::NotFound, message));
        };
        if text(&composition.0, "/identifier/value") != amends.draft {
            let message = "Somebody has signed a newer version of this discharge. Discard this draft, and amend that one.";
            return Err(Problem::new(Kind::BusinessRule, message));
        }
        let mut documents = Vec::new();
        for reader in Reader::ALL {
            if amends.recipient(reader).is_none() {
                continue;
            }
            let id = Letter::parcel_id(&["discharge", &amends.draft, reader.code(), "document"]);
            documents.extend(self.stored(scope, ("DocumentReference", &id)).await?);
        }
        Ok(Earlier {
            composition: Some(composition),
            documents,
        })
    }

    async fn stored(
        &self,
        scope: &Scope,
        (ty, id): (&str, &str),
    ) -> Result<Option<(Value, u64)>, Problem> {
        let Reading::Found(version) = self.store.read(scope, ty, id).await? else {
            return Ok(None);
        };
        let mut body: Value = serde_json::from_slice(&version.body).map_err(|cause| {
            Problem::new(Kind::Exception, "A stored record does not read.").because(cause)
        })?;
        fhir::members::set(&mut body, "id", id.into());
        Ok(Some((body, version.version)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::super::{Fate, Hidden, sections};
    use super::*;

    fn amended() -> Discharge {
        let mut it = whole();
        it.amends = Some(Box::new(Amends {
            why: "A dose was wrong.".into(),
            ..Amends::of("d1", "2026-11-29", &whole())
        }));
        it
    }

    #[test]
    fn a_new_version_says_why_and_goes_to_all_who_have_the_earlier_one() {
        assert_eq!(amended().check(), []);
        let fields = |change: fn(&mut Discharge)| {
            let mut it = amended();
            change(&mut it);
            let faults = it.check();
            faults
                .into_iter()
                .map(|(field, _)| field)
                .collect::<Vec<_>>()
        };
        assert_eq!(fields(|it| it.pharmacy.clear()), ["pharmacy"]);
        assert_eq!(fields(|it| it.practice = "B81001".into()), ["practice"]);
        let unsaid = fields(|it| {
            if let Some(amends) = &mut it.amends {
                amends.why = " ".into();
            }
        });
        assert_eq!(unsaid, ["why"]);
        // Of a second amendment the first version is still what is compared with.
        let second = Amends::of("d2", "2026-11-30", &amended());
        assert_eq!((second.first.as_str(), second.draft.as_str()), ("d1", "d2"));
        assert_eq!(second.medicines, whole().medicines);
    }

    #[test]
    fn each_reader_is_told_what_changed_in_the_medicines_and_only_the_practice_why() {
        let mut it = amended();
        it.medicines[1].dose = "two a day".into();
        it.medicines[2].name = "Lisinopril".into();
        it.medicines[3].fate = Fate::Stopped;
        let name = |ods: &str| ods.to_owned();
        let told = |reader| {
            let all = sections(&it, reader, Hidden::default(), &name);
            let lines = all
                .into_iter()
                .map(|it| format!("{}\n{}", it.heading, it.text));
            lines.collect::<Vec<_>>().join("\n\n")
        };
        let changes = [
            "* Doxycycline: was started, one a day; now started, two a day",
            "* Lisinopril: not in the first version; now changed, one a day",
            "* Aspirin: was continued, one a day; now stopped, one a day",
            "* Ramipril: was changed, one a day; now not listed",
        ];
        for (reader, why, medicines) in [
            (Reader::Practice, true, true),
            (Reader::Pharmacy, false, true),
            (Reader::SocialCare, false, false),
        ] {
            let told = told(reader);
            assert!(told.contains("place of the letter of 2026-11-29"), "{told}");
            assert_eq!(told.contains("A dose was wrong."), why, "{told}");
            for change in changes {
                assert_eq!(told.contains(change), medicines, "{change}: {told}");
            }
            assert!(
                !told.contains("Amoxicillin: was"),
                "it is as it was: {told}"
            );
        }
        let unchanged = amended();
        let same = unchanged
            .amends
            .as_ref()
            .unwrap()
            .changes(&unchanged.medicines);
        assert_eq!(same, "No medicine was changed since the first version.");
    }
}
