//! When care was given: the date by which `$everything` takes its `start` and `end`
//! (<https://hl7.org/fhir/R4/patient-operation-everything.html>), "the date range relates to care
//! dates, not record currency dates".

use crate::date::Millis;
use crate::json::Json;
use crate::search::{Value, extract};

/// The search parameter that holds the care date of each type that has one.
const CARE_DATES: &[(&str, &str)] = &[
    ("Appointment", "date"),
    ("CarePlan", "date"),
    ("CareTeam", "date"),
    ("Claim", "created"),
    ("ClinicalImpression", "date"),
    ("Communication", "sent"),
    ("Composition", "date"),
    ("Condition", "onset-date"),
    ("DiagnosticReport", "date"),
    ("DocumentReference", "date"),
    ("Encounter", "date"),
    ("EpisodeOfCare", "date"),
    ("ExplanationOfBenefit", "created"),
    ("Immunization", "date"),
    ("ImagingStudy", "started"),
    ("MedicationAdministration", "effective-time"),
    ("MedicationDispense", "whenhandedover"),
    ("MedicationRequest", "authoredon"),
    ("MedicationStatement", "effective"),
    ("Observation", "date"),
    ("Procedure", "date"),
    ("QuestionnaireResponse", "authored"),
    ("RiskAssessment", "date"),
    ("ServiceRequest", "authored"),
];

/// A time of care asked for, each end open if `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CareTime {
    pub from: Option<Millis>,
    pub before: Option<Millis>,
}

impl CareTime {
    /// Whether nothing is asked for.
    pub fn is_open(&self) -> bool {
        self.from.is_none() && self.before.is_none()
    }

    /// Whether the resource's care falls into it. What has no care date (an allergy, the Patient)
    /// always does: leaving it out would look as if it were not there.
    pub fn holds(&self, ty: &str, resource: &Json<'_>) -> bool {
        let Some((_, code)) = CARE_DATES.iter().find(|(known, _)| *known == ty) else {
            return true;
        };
        let entries = extract(ty, resource);
        let mut dates = entries.iter().filter_map(|entry| match &entry.value {
            Value::Date { low, high } if entry.code == *code => Some((*low, *high)),
            _ => None,
        });
        let mut dated = false;
        let within = dates.any(|(low, high)| {
            dated = true;
            self.from.is_none_or(|from| high > from)
                && self.before.is_none_or(|before| low < before)
        });
        within || !dated
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::date::span;
    use crate::json::{Limits, parse};
    use crate::search::{ParameterKind, parameter};

    #[test]
    fn every_care_date_is_a_date_parameter_of_r4() {
        for (ty, code) in CARE_DATES {
            let kind = parameter(ty, code).map(|parameter| parameter.kind);
            assert_eq!(kind, Some(ParameterKind::Date), "{ty}.{code}");
        }
    }

    #[test]
    fn care_is_within_a_time_that_it_touches_and_what_has_no_date_always_is() {
        let within = |text: &str, from: Option<&str>, before: Option<&str>| {
            let json = parse(text.as_bytes(), &Limits::default()).unwrap();
            let time = CareTime {
                from: from.and_then(span).map(|span| span.low),
                before: before.and_then(span).map(|span| span.high),
            };
            time.holds(json.text("resourceType").unwrap(), &json)
        };
        let seen =
            r#"{"resourceType":"Encounter","period":{"start":"2020-03-01","end":"2020-03-04"}}"#;
        assert!(within(seen, Some("2020-03-04"), None));
        assert!(within(seen, Some("2020"), Some("2020")));
        assert!(!within(seen, Some("2020-03-05"), None));
        assert!(!within(seen, None, Some("2020-02-29")));
        let undated = r#"{"resourceType":"Observation","status":"final"}"#;
        assert!(within(undated, Some("2020"), None));
        let patient = r#"{"resourceType":"Patient","birthDate":"1950-01-01"}"#;
        assert!(within(patient, Some("2020"), None));
    }
}
