//! What the record says for a discharge, read under the writer's own scope. What is withheld is told as withheld, and
//! what carries a label is not copied into a letter.

use access::Scope;
use exchange::discharge::{Discharge, Hidden, Taken, compare, concept};
use fhir::members::{each, text};
use fhir::practice;
use fhir::problem::Problem;
use fhir::repeats::is_labelled;
use fhir::search::Search;
use serde_json::Value;

use crate::node::Node;
use crate::record::json;

/// Resources read of one type.
const OF_A_TYPE_MAX: u32 = 200;
/// SNOMED CT's concept that somebody has no known allergy.
const NO_KNOWN_ALLERGY: &str = "716186003";

/// What was found.
pub struct Found {
    pub prefilled: Discharge,
    pub hidden: Hidden,
    /// Sealed items that the writer does not see, and labelled ones that they do.
    sealed: u64,
    labelled: u64,
}

impl Found {
    /// What the writer must know of what is not in the form.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let headings = [
            (self.hidden.diagnoses, "Diagnoses"),
            (self.hidden.procedures, "Procedures"),
            (self.hidden.allergies, "Allergies"),
            (self.hidden.medicines, "Medicines"),
        ];
        for (_, heading) in headings.into_iter().filter(|(is_hidden, _)| *is_hidden) {
            notes.push(format!(
                "{heading}: some of the record is withheld from you. The letters say so."
            ));
        }
        if self.sealed > 0 {
            notes.push("Sealed items exist. They are not in these letters.".to_owned());
        }
        if self.labelled > 0 {
            notes.push(format!(
                "{} in the record with a security label {} not copied here. Write of what it says only what each reader may \
                 know.",
                match self.labelled {
                    1 => "One item".to_owned(),
                    count => format!("{count} items"),
                },
                if self.labelled == 1 { "was" } else { "were" },
            ));
        }
        notes
    }
}

/// One type's resources.
struct OfType {
    resources: Vec<Value>,
    is_hidden: bool,
    sealed: u64,
    labelled: u64,
}

/// Reads the patient's record.
pub async fn record(
    node: &Node,
    scope: &Scope,
    patient: &str,
    who: &Value,
) -> Result<Found, Problem> {
    let of = |ty| of_type(node, scope, patient, ty);
    let conditions = of("Condition").await?;
    let allergies = of("AllergyIntolerance").await?;
    let procedures = of("Procedure").await?;
    let statements = of("MedicationStatement").await?;
    let requests = of("MedicationRequest").await?;
    let encounters = of("Encounter").await?;
    let admitted = admitted(&encounters.resources);
    let taken =
        |it: &OfType| -> Vec<Taken> { it.resources.iter().filter_map(Taken::read).collect() };
    let pharmacy = node.store.nominated_pharmacy(scope, patient).await?;
    let all = [&conditions, &allergies, &procedures, &statements, &requests];
    Ok(Found {
        prefilled: Discharge {
            procedures: lines(
                procedures
                    .resources
                    .iter()
                    .filter(|it| since(it, &admitted)),
            ),
            admitted,
            diagnoses: lines(conditions.resources.iter().filter(|it| is_live(it))),
            allergies: allergy_lines(&allergies.resources),
            medicines: compare(&taken(&statements), &taken(&requests)),
            practice: practice(node, patient, who).await?,
            pharmacy: pharmacy.unwrap_or_default(),
            ..Discharge::default()
        },
        hidden: Hidden {
            diagnoses: conditions.is_hidden,
            procedures: procedures.is_hidden,
            allergies: allergies.is_hidden,
            medicines: statements.is_hidden || requests.is_hidden,
        },
        sealed: all.iter().map(|it| it.sealed).sum(),
        labelled: all.iter().map(|it| it.labelled).sum(),
    })
}

async fn of_type(node: &Node, scope: &Scope, patient: &str, ty: &str) -> Result<OfType, Problem> {
    let search = Search::all(ty, OF_A_TYPE_MAX).within_patient(patient);
    let page = node.store.search(scope, &search).await?;
    let withheld = node.store.withheld_of(scope, patient, Some(ty)).await?;
    let mut found = OfType {
        resources: Vec::new(),
        // More than is read is as good as withheld.
        is_hidden: withheld.count > withheld.sealed || page.next.is_some(),
        sealed: withheld.sealed,
        labelled: 0,
    };
    for version in &page.entries {
        let resource = json(version)?;
        if is_labelled(&resource) {
            found.labelled += 1;
        } else {
            found.resources.push(resource);
        }
    }
    Ok(found)
}

fn code<'v>(value: &'v Value, member: &str) -> &'v str {
    text(value, &format!("/{member}/coding/0/code"))
}

/// Whether a condition or allergy holds as far as the record says.
fn is_live(value: &Value) -> bool {
    let over = ["entered-in-error", "refuted"];
    let past = ["inactive", "resolved", "remission"];
    !over.contains(&code(value, "verificationStatus"))
        && !past.contains(&code(value, "clinicalStatus"))
}

/// The day on which the hospital stay began that has not ended, or ended last; empty if none is on record.
fn admitted(encounters: &[Value]) -> String {
    let stays = encounters.iter().filter(|it| {
        text(it, "/class/code") == "IMP"
            && ["in-progress", "finished"].contains(&text(it, "/status"))
    });
    let began = stays.filter_map(|it| text(it, "/period/start").get(..10));
    began.max().unwrap_or_default().to_owned()
}

/// Whether a procedure was done since then.
fn since(procedure: &Value, admitted: &str) -> bool {
    let done = ["completed", "in-progress"].contains(&text(procedure, "/status"));
    let at = match text(procedure, "/performedDateTime") {
        "" => text(procedure, "/performedPeriod/start"),
        at => at,
    };
    let day = at.get(..10).unwrap_or_default();
    done && !admitted.is_empty() && day >= admitted
}

/// A line for each of them, by its code in words.
fn lines<'v>(resources: impl Iterator<Item = &'v Value>) -> String {
    let mut lines: Vec<String> = Vec::new();
    for resource in resources {
        let said = resource.get("code").map(concept).unwrap_or_default();
        if !said.is_empty() && !lines.contains(&said) {
            lines.push(said);
        }
    }
    lines.join("\n")
}

/// Allergies in words; empty where the record says nothing, so that the writer must.
fn allergy_lines(allergies: &[Value]) -> String {
    let live: Vec<&Value> = allergies.iter().filter(|it| is_live(it)).collect();
    let (none, some): (Vec<&Value>, Vec<&Value>) = live
        .into_iter()
        .partition(|it| code(it, "code") == NO_KNOWN_ALLERGY);
    match lines(some.into_iter()).as_str() {
        "" if none.is_empty() => String::new(),
        "" => "No known allergies, as recorded.".to_owned(),
        listed => listed.to_owned(),
    }
}

/// The ODS code of the practice that the record names; of a restricted patient it names none. One that it only refers to is as
/// the store knows it.
async fn practice(node: &Node, patient: &str, who: &Value) -> Result<String, Problem> {
    if let Some(code) = practice::code_beside(who) {
        return Ok(code.to_owned());
    }
    if each(who, "/generalPractitioner").next().is_none() {
        return Ok(String::new());
    }
    Ok(node.store.home_of(patient).await?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_recorded_about_allergies_is_left_for_the_writer_to_say() {
        assert_eq!(allergy_lines(&[]), "");
        let none = json!({"code": {"coding": [{"code": NO_KNOWN_ALLERGY}]}});
        assert_eq!(
            allergy_lines(std::slice::from_ref(&none)),
            "No known allergies, as recorded."
        );
        let some = json!({"code": {"text": "Penicillin"}});
        assert_eq!(allergy_lines(&[none, some.clone()]), "Penicillin");
        let mut refuted = some;
        refuted["verificationStatus"] = json!({"coding": [{"code": "refuted"}]});
        assert_eq!(allergy_lines(&[refuted]), "");
    }

    #[test]
    fn the_stay_is_the_last_that_began_and_procedures_are_those_since() {
        let stay = |start: &str, status: &str| json!({"class": {"code": "IMP"}, "status": status, "period": {"start": start}});
        let all = [
            stay("2024-01-02T10:00:00Z", "finished"),
            stay("2026-11-20T10:00:00Z", "in-progress"),
            stay("2026-12-20T10:00:00Z", "cancelled"),
        ];
        let day = admitted(&all);
        assert_eq!(day, "2026-11-20");
        let done = |at: &str| json!({"status": "completed", "performedDateTime": at});
        assert!(since(&done("2026-11-21"), &day));
        assert!(!since(&done("2020-11-21"), &day));
        assert!(!since(&done("2026-11-21"), ""));
    }
}
