//! An admission (A11) or a discharge (A13) that did not happen: letters that tell of it and were sent are called back, and a
//! person is told, who knows whether anything of them has to be written anew. Which of them can be stopped, and about which
//! somebody must ring, the store decides as it writes.

use fhir::problem::Problem;
use fhir::search::{Limits, Search};
use hl7v2::to_fhir::Mapped;
use serde_json::Value;
use store::Effect;
use store::hl7_inbox::WorkNote;
use store::parcels::ParcelWrite;

use super::post::note;
use super::{Intake, Plan};

/// Documents of one visit that are looked at.
const DOCUMENTS_MAX: u32 = 50;
/// What a document's type says that tells of a discharge: LOINC's and HL7's codes.
const DISCHARGE_CODES: [&str; 4] = ["18842-5", "34105-7", "28655-9", "DS"];

/// What becomes of letters that are called back.
const CALLED_BACK: &str = "What had not left is stopped. Of what went to a node, whoever opened it is told there. What had \
     left by fax or by MESH stays as it is, and nobody there is told: each such letter is on this list, to be rung about.";

/// What did not happen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Undone {
    Visit,
    Discharge,
}

/// What of a visit the message takes back: of which Encounter.
fn undone(mapped: &Mapped) -> Option<(Undone, &str)> {
    let visit = mapped.resources.iter().find(|it| it.ty == "Encounter")?;
    let status = visit.resource.get("status").and_then(Value::as_str);
    let what = match status {
        Some("cancelled") => Undone::Visit,
        _ if visit.remove.iter().any(|it| it == "period.end") => Undone::Discharge,
        _ => return None,
    };
    Some((what, &visit.id))
}

impl Intake {
    /// The effects that call back what was sent about it, and what a person is told of them.
    pub(super) async fn withdrawn(
        &self,
        plan: &Plan,
        mapped: &Mapped,
    ) -> Result<(Vec<Effect>, Option<WorkNote>), Problem> {
        let found = undone(mapped).filter(|_| !plan.waiting.mapped_before);
        let Some((what, visit)) = found else {
            return Ok((Vec::new(), None));
        };
        let limits = Limits::default();
        let pairs = [
            ("encounter".to_owned(), format!("Encounter/{visit}")),
            ("_count".to_owned(), DOCUMENTS_MAX.to_string()),
        ];
        let search = Search::parse("DocumentReference", &pairs, "", &limits)?;
        let documents = self.store.search(&self.scope, &search).await?;
        let (reason, told) = match what {
            Undone::Visit => (
                "The admission or visit that it tells of was cancelled (ADT^A11).",
                "The admission or visit was cancelled (ADT^A11)",
            ),
            Undone::Discharge => (
                "The discharge that it tells of was cancelled (ADT^A13).",
                "The discharge was cancelled (ADT^A13)",
            ),
        };
        let mut effects = Vec::new();
        for entry in &documents.entries {
            // What was written after a message that is mapped late is not about what it takes back.
            let newer = entry.last_updated > plan.waiting.received_at;
            let document: Value = serde_json::from_slice(&entry.body).unwrap_or_default();
            if plan.waiting.late && newer || what == Undone::Discharge && !is_discharge(&document) {
                continue;
            }
            let Some(document) = document.get("id").and_then(Value::as_str) else {
                continue;
            };
            effects.push(Effect::Parcel(ParcelWrite::CancelDocument {
                document: document.to_owned(),
                reason: reason.into(),
            }));
        }
        let more = documents.next.is_some();
        let note = (more || !effects.is_empty()).then(|| {
            if more {
                return note(
                    format!(
                        "{told}: of its documents {DOCUMENTS_MAX} were looked at, and there are more. Letters among the first that \
                         tell of it are called back; the others stand. {CALLED_BACK}"
                    ),
                    "Look at all the visit's letters on the sent board, and withdraw by hand those that do not hold; ring about \
                     those that are on this list.",
                );
            }
            note(
                format!("{told}: letters that tell of it are called back. {CALLED_BACK}"),
                "Ring about those that are on this list. Look at the visit's letters on the sent board: what of them still \
                 holds, have written and sent anew.",
            )
        });
        Ok((effects, note))
    }
}

/// Whether a document tells of a discharge, by the code or the words of its type.
fn is_discharge(document: &Value) -> bool {
    let Some(ty) = document.get("type") else {
        return false;
    };
    let text = |value: &Value, name: &str| {
        let text = value.get(name).and_then(Value::as_str);
        text.is_some_and(|text| text.to_lowercase().contains("discharge"))
    };
    let codings = ty.get("coding").and_then(Value::as_array);
    text(ty, "text")
        || codings.into_iter().flatten().any(|coding| {
            let code = coding.get("code").and_then(Value::as_str);
            code.is_some_and(|code| DISCHARGE_CODES.contains(&code)) || text(coding, "display")
        })
}
