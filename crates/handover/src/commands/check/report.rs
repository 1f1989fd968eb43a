//! What a run found, and its JSON form, whose shape docs/check.md tells.

use fhir::date::{self, Millis};
use serde_json::{Value, json};

use super::run::{Finding, Verdict};

/// The JSON's shape. It changes with its number only.
const SHAPE: &str = "handover-check/1";
/// Requests without an answer that are told.
const UNANSWERED_MAX: usize = 20;

/// A run that has ended.
pub(super) struct Report {
    pub(super) address: String,
    pub(super) kind: &'static str,
    pub(super) at: Millis,
    pub(super) wrote: bool,
    pub(super) requests: u32,
    pub(super) reached: bool,
    pub(super) findings: Vec<Finding>,
    /// What was made and could not be removed.
    pub(super) left: Vec<String>,
    pub(super) unanswered: Vec<(String, String)>,
}

impl Report {
    pub(super) fn is_reached(&self) -> bool {
        self.reached
    }

    pub(super) fn has_faults(&self) -> bool {
        self.count(Verdict::NotMet) > 0
    }

    pub(super) fn count(&self, verdict: Verdict) -> usize {
        let of = |it: &&Finding| it.verdict == Some(verdict);
        self.findings.iter().filter(of).count()
    }

    pub(super) fn summary(&self) -> String {
        let counted = Verdict::ALL.map(|it| format!("{}: {}", it.words(), self.count(it)));
        let mut text = counted.join(". ");
        text.push('.');
        for it in &self.left {
            text.push_str(&format!("\nNot removed: {it}"));
        }
        text
    }

    /// Why nothing answered.
    pub(super) fn unreached(&self) -> String {
        let reason = self.unanswered.first().map(|(_, reason)| reason.as_str());
        format!(
            "{} could not be reached: {} Check the address, and that this machine may connect there.",
            self.address,
            reason.unwrap_or("nothing answered.")
        )
    }

    pub(super) fn json(&self) -> String {
        let count = |verdict| self.count(verdict);
        let results: Vec<Value> = self.findings.iter().map(result).collect();
        let unanswered = self.unanswered.iter().take(UNANSWERED_MAX);
        let unanswered: Vec<Value> = unanswered
            .map(|(request, reason)| json!({ "request": request, "reason": reason }))
            .collect();
        let report = json!({
            "format": SHAPE,
            "address": self.address,
            "kind": self.kind,
            "at": date::instant(self.at),
            "version": env!("CARGO_PKG_VERSION"),
            "write": self.wrote,
            "requests": self.requests,
            "summary": {
                "met": count(Verdict::Met),
                "notMet": count(Verdict::NotMet),
                "notApplicable": count(Verdict::NotApplicable),
                "couldNotBeTold": count(Verdict::CouldNotBeTold),
            },
            "results": results,
            "notRemoved": self.left,
            "unanswered": unanswered,
        });
        format!("{report:#}\n")
    }
}

fn result(finding: &Finding) -> Value {
    let it = &finding.requirement;
    let verdict = finding.verdict.unwrap_or(Verdict::CouldNotBeTold);
    let evidence = finding.evidence.iter();
    let evidence: Vec<Value> = evidence
        .map(|it| json!({ "request": it.request, "status": it.status, "found": it.found }))
        .collect();
    json!({
        "id": it.id,
        "table": it.table,
        "level": it.level.word(),
        "requirement": it.says,
        "verdict": verdict.code(),
        "reason": finding.reason,
        "evidence": evidence,
        "check": it.check,
        "remedy": it.remedy,
        "source": { "specification": it.specification, "section": it.section, "link": it.link },
    })
}
