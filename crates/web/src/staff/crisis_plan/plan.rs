//! A crisis plan as a CarePlan (<https://hl7.org/fhir/R4/careplan.html>): an activity for each heading.

use fhir::date::{self, Millis};
use serde_json::{Value, json};

const KIND: &str = "urn:handover:care-plan";
const CRISIS: &str = "crisis";
const SEAL: &str = "urn:handover:seal";
const WORKGROUP: &str = "urn:handover:workgroup";
const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";

/// The headings: field, words, hint.
pub const HEADINGS: [(&str, &str, &str); 6] = [
    ("signs", "Signs that things are getting worse", ""),
    (
        "helps",
        "What helps, and what to do",
        "What the person agreed to, in their words where you can.",
    ),
    (
        "harms",
        "What makes it worse",
        "Such as words, places or treatments to avoid.",
    ),
    ("risks", "Risks to know of", ""),
    ("medicines", "Medicines in a crisis", ""),
    (
        "people",
        "Who to call",
        "Names and numbers, the team's line first.",
    ),
];

/// What a plan says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Empty for one that is not there yet.
    pub id: String,
    /// The workgroup that it is sealed to.
    pub team: String,
    pub author: String,
    pub at: Millis,
    pub is_active: bool,
    /// By field.
    pub texts: Vec<(&'static str, String)>,
}

impl Plan {
    /// What stands in that field.
    pub fn text(&self, field: &str) -> &str {
        let found = self.texts.iter().find(|(it, _)| *it == field);
        found.map_or("", |(_, text)| text.as_str())
    }

    /// Heading and text of what is written.
    pub fn sections(&self) -> Vec<(&'static str, String)> {
        let section = |(field, heading, _): &(&str, &'static str, &str)| {
            let text = self.text(field);
            (!text.is_empty()).then(|| (*heading, text.to_owned()))
        };
        HEADINGS.iter().filter_map(section).collect()
    }

    /// Reads a CarePlan; `None` if it is no crisis plan.
    pub fn read(id: &str, resource: &Value) -> Option<Plan> {
        let each = |place: &str| {
            let all = resource.pointer(place).and_then(Value::as_array);
            all.into_iter().flatten()
        };
        let is_crisis = |it: &Value| {
            let of = |place: &str| it.pointer(place).and_then(Value::as_str);
            of("/coding/0/system") == Some(KIND) && of("/coding/0/code") == Some(CRISIS)
        };
        if !each("/category").any(is_crisis) {
            return None;
        }
        let text = |place: &str| resource.pointer(place).and_then(Value::as_str);
        let mut labels = each("/meta/security");
        let team = labels.find(|it| it["system"] == WORKGROUP);
        let activity = |heading: &str| {
            let mut found = each("/activity").map(|it| &it["detail"]);
            let found = found
                .find(|it| it.pointer("/code/text").and_then(Value::as_str) == Some(heading))?;
            found["description"].as_str().map(str::to_owned)
        };
        let texts = HEADINGS
            .iter()
            .filter_map(|(field, heading, _)| Some((*field, activity(heading)?)));
        let at = text("/created").and_then(date::span).map(|it| it.low);
        Some(Plan {
            id: id.to_owned(),
            team: team
                .and_then(|it| it["code"].as_str())
                .unwrap_or_default()
                .to_owned(),
            author: text("/author/display").unwrap_or_default().to_owned(),
            at: at.unwrap_or_default(),
            is_active: text("/status") == Some("active"),
            texts: texts.collect(),
        })
    }

    /// The CarePlan, over the one that was there: what is not a plan's own stays.
    pub fn resource(&self, patient: &str, before: Option<Value>) -> Value {
        let mut made = before.unwrap_or_else(|| json!({ "resourceType": "CarePlan" }));
        let status = if self.is_active { "active" } else { "revoked" };
        let activity = self.sections().into_iter().map(|(heading, text)| {
            json!({ "detail": {
                "code": { "text": heading }, "status": "in-progress", "description": text,
            } })
        });
        let own = [
            ("id", json!(self.id)),
            (
                "meta",
                json!({ "security": [
                    { "system": SEAL, "code": "until-emergency" },
                    { "system": WORKGROUP, "code": self.team },
                    { "system": CONFIDENTIALITY, "code": "R" },
                ] }),
            ),
            ("status", json!(status)),
            ("intent", json!("plan")),
            (
                "category",
                json!([{ "coding": [{ "system": KIND, "code": CRISIS }], "text": "Crisis plan" }]),
            ),
            ("title", json!("Crisis plan")),
            (
                "subject",
                json!({ "reference": format!("Patient/{patient}") }),
            ),
            ("created", json!(date::instant(self.at))),
            ("author", json!({ "display": self.author })),
            ("activity", activity.collect()),
        ];
        if let Some(object) = made.as_object_mut() {
            for (name, value) in own {
                object.insert(name.to_owned(), value);
            }
        }
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_reads_back_as_it_was_written_and_other_care_plans_are_none() {
        let plan = Plan {
            id: "p1".into(),
            team: "crisis".into(),
            author: "Dr Bo".into(),
            at: 1_764_392_400_000,
            is_active: true,
            texts: vec![
                ("signs", "Sleeps little".into()),
                ("people", "Her sister".into()),
            ],
        };
        let made = plan.resource("jane", None);
        assert_eq!(Plan::read("p1", &made), Some(plan.clone()));
        assert_eq!(made["meta"]["security"][0]["code"], "until-emergency");
        let ended = Plan {
            is_active: false,
            ..plan.clone()
        };
        let mut with_more = made.clone();
        with_more["identifier"] = json!([{"value": "n"}]);
        let again = ended.resource("jane", Some(with_more));
        assert_eq!(
            (&again["status"], &again["identifier"][0]["value"]),
            (&json!("revoked"), &json!("n"))
        );
        assert_eq!(plan.sections().len(), 2);
        assert_eq!(
            Plan::read("x", &json!({"category": [{"text": "Asthma plan"}]})),
            None
        );
    }
}
