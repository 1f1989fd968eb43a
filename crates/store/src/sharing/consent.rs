//! A Consent that says what is not to be shared (<https://hl7.org/fhir/R4/consent.html>): everything
//! is permitted but what its inner provisions deny, each to one organisation, of some types, for a
//! time. Only Consents of the category `urn:handover:consent|sharing` are understood so, and those
//! strictly: what is not understood is refused, never passed over.

use fhir::date::{self, Millis};
use fhir::json::Json;
use fhir::practice::{self, Named};
use fhir::problem::{Kind, Problem};
use serde_json::{Map, Value, json};

use super::home::{self, Homes};
use crate::database::Tx;
use crate::sql::Sql;
use crate::words;
use crate::write::Change;
use crate::writer::Core;

/// The category of the Consents that are understood.
pub const CATEGORY_SYSTEM: &str = "urn:handover:consent";
pub const CATEGORY_CODE: &str = "sharing";
const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
const TYPES: &str = "http://hl7.org/fhir/resource-types";
/// Rules of one patient at most: their statement fits into a parcel's text.
const RULES_MAX: usize = 30;
/// Types in one rule.
const TYPES_MAX: usize = 30;

/// One organisation is not to see some of it, in `[starts_at, ends_at)`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// An ODS code.
    pub organisation: String,
    /// Resource types; at least one.
    pub types: Vec<String>,
    pub starts_at: Millis,
    pub ends_at: Millis,
}

/// The Consent that says these rules of a patient, as `Sharing` reads it back.
pub fn consent(id: &str, patient: &str, rules: &[Rule], now: Millis) -> Value {
    let provision = |rule: &Rule| {
        let class = |ty: &String| json!({ "system": TYPES, "code": ty });
        let mut period = Map::new();
        if rule.starts_at > 0 {
            period.insert("start".into(), date::instant(rule.starts_at).into());
        }
        if rule.ends_at < Millis::MAX {
            // The end of a period is within it.
            let end = date::instant(rule.ends_at.saturating_sub(1));
            period.insert("end".into(), end.into());
        }
        let mut provision = json!({
            "type": "deny",
            "actor": [{
                "role": { "coding": [{
                    "system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType",
                    "code": "IRCP",
                }] },
                "reference": { "identifier": { "system": ODS, "value": rule.organisation } },
            }],
            "class": rule.types.iter().map(class).collect::<Vec<_>>(),
        });
        if !period.is_empty() {
            fhir::members::set(&mut provision, "period", Value::Object(period));
        }
        provision
    };
    let mut all = json!({ "type": "permit" });
    if !rules.is_empty() {
        let provisions = rules.iter().map(provision).collect();
        fhir::members::set(&mut all, "provision", Value::Array(provisions));
    }
    json!({
        "resourceType": "Consent",
        "id": id,
        "status": "active",
        "scope": { "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/consentscope",
            "code": "patient-privacy",
        }] },
        "category": [{ "coding": [{ "system": CATEGORY_SYSTEM, "code": CATEGORY_CODE }] }],
        "patient": { "reference": format!("Patient/{patient}") },
        "dateTime": date::instant(now),
        "policyRule": { "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
            "code": "OPTIN",
        }] },
        "provision": all,
    })
}

/// What a resource says of sharing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// What a Patient says of its practice.
    Home(Named),
    /// An Organization's ODS code, if it has one.
    Practice(Option<String>),
    /// A Consent's rules; none if it is not in force.
    Rules { patient: String, rules: Vec<Rule> },
}

impl Sharing {
    /// Reads it; most resources say nothing.
    ///
    /// # Errors
    /// `BusinessRule` for a Consent of this category that says more than is understood here.
    pub(crate) fn of(ty: &str, resource: &Json<'_>) -> Result<Option<Sharing>, Problem> {
        match ty {
            "Patient" => Ok(Some(Sharing::Home(Named::of(resource)))),
            "Organization" => {
                let code = practice::code_of(resource);
                Ok(Some(Sharing::Practice(code.map(str::to_string))))
            }
            "Consent" if is_ours(resource) => of_consent(resource).map(Some),
            _ => Ok(None),
        }
    }
}

fn is_ours(consent: &Json<'_>) -> bool {
    let codings = consent.items("category").iter();
    codings.flat_map(|it| it.items("coding")).any(|coding| {
        coding.text("system") == Some(CATEGORY_SYSTEM) && coding.text("code") == Some(CATEGORY_CODE)
    })
}

fn refused(what: &str) -> Problem {
    Problem::new(Kind::BusinessRule, what.to_string()).at("Consent.provision")
}

fn of_consent(consent: &Json<'_>) -> Result<Sharing, Problem> {
    let reference = consent.get("patient").and_then(|it| it.text("reference"));
    let patient = reference.and_then(|it| it.strip_prefix("Patient/"));
    let Some(patient) = patient else {
        let message = "A sharing preference names its patient as Patient/id.";
        return Err(Problem::new(Kind::Required, message).at("Consent.patient"));
    };
    let mut rules = Vec::new();
    if consent.text("status") == Some("active") {
        let outer = consent.get("provision");
        let inner = outer.map_or(&[][..], |it| it.items("provision"));
        if outer.is_some_and(|it| it.text("type") == Some("deny")) {
            let message = "Say what is denied in inner provisions, each to one organisation.";
            return Err(refused(message));
        }
        if inner.len() > RULES_MAX {
            return Err(refused("There are more than 30 rules."));
        }
        for provision in inner {
            rules.push(rule(provision)?);
        }
    }
    rules.sort();
    Ok(Sharing::Rules {
        patient: patient.to_string(),
        rules,
    })
}

fn rule(provision: &Json<'_>) -> Result<Rule, Problem> {
    if provision.text("type") != Some("deny") {
        return Err(refused("An inner provision denies something."));
    }
    let beyond = [
        "action",
        "securityLabel",
        "purpose",
        "code",
        "dataPeriod",
        "data",
        "provision",
    ];
    if let Some(name) = beyond.iter().find(|name| provision.get(name).is_some()) {
        let message = format!("A rule by {name} is not understood here, and would not be kept.");
        return Err(refused(&message));
    }
    let [actor] = provision.items("actor") else {
        return Err(refused("A rule is for one organisation."));
    };
    let identifier = actor.get("reference").and_then(|it| it.get("identifier"));
    let organisation = identifier.filter(|it| it.text("system") == Some(ODS));
    let organisation = organisation.and_then(|it| it.text("value"));
    let organisation = organisation.and_then(|code| access::Ods::parse(code).ok());
    let Some(organisation) = organisation else {
        return Err(refused("A rule names its organisation by ODS code."));
    };
    let classes = provision.items("class");
    let is_type = |class: &&Json<'_>| class.text("system") == Some(TYPES);
    let types = classes
        .iter()
        .filter(is_type)
        .filter_map(|it| it.text("code"));
    let mut types: Vec<String> = types.map(str::to_string).collect();
    types.sort_unstable();
    types.dedup();
    if types.is_empty() || types.len() > TYPES_MAX || classes.len() > TYPES_MAX {
        return Err(refused("A rule names 1 to 30 resource types."));
    }
    if types.len() < classes.len() {
        return Err(refused("A rule's classes are resource types, each once."));
    }
    let period = provision.get("period");
    let at = |name: &str| match period.and_then(|it| it.text(name)) {
        None => Ok(None),
        Some(text) => date::span(text)
            .map(Some)
            .ok_or_else(|| refused("A rule's period does not read.")),
    };
    Ok(Rule {
        organisation: organisation.to_string(),
        types,
        starts_at: at("start")?.map_or(0, |span| span.low),
        ends_at: at("end")?.map_or(Millis::MAX, |span| span.high),
    })
}

/// Puts into force what these changes say, in their own transaction.
pub(crate) async fn follow(
    core: &Core,
    tx: &mut Tx<'_>,
    changes: &[Change],
) -> Result<(), Problem> {
    let now = core.now();
    let mut homes = Homes::new(core);
    for change in changes {
        match change {
            Change::Put { resource, .. } => match resource.sharing.as_deref() {
                Some(Sharing::Home(named)) => homes.of_patient(tx, resource, named).await?,
                Some(Sharing::Practice(code)) => {
                    homes.of_practice(tx, resource, code.as_deref()).await?;
                }
                Some(Sharing::Rules { patient, rules }) => {
                    let had = withdraw(tx, &resource.id, patient).await?;
                    put(tx, patient, &resource.id, rules).await?;
                    changed(tx, now, patient).await?;
                    for patient in had.iter().filter(|it| *it != patient) {
                        changed(tx, now, patient).await?;
                    }
                }
                // It may have been one of ours before.
                None if resource.ty == "Consent" => end(tx, now, &resource.id).await?,
                None => {}
            },
            Change::Delete { ty, id, .. } if ty == "Consent" => end(tx, now, id).await?,
            Change::Delete { ty, id, .. } if ty == "Organization" => home::forget(tx, id).await?,
            Change::Delete { ty, id, .. } if ty == "Patient" => home::gone(tx, id).await?,
            Change::Delete { .. } | Change::Release { .. } | Change::Veil { .. } => {}
        }
    }
    Ok(())
}

async fn end(tx: &mut Tx<'_>, now: Millis, consent: &str) -> Result<(), Problem> {
    for patient in withdraw(tx, consent, "").await? {
        changed(tx, now, &patient).await?;
    }
    Ok(())
}

/// Ends a Consent's rules; gives whose they were, `patient` left out.
async fn withdraw(tx: &mut Tx<'_>, consent: &str, patient: &str) -> Result<Vec<String>, Problem> {
    let sql = Sql::new("SELECT DISTINCT patient FROM care_dissent WHERE consent = $1");
    let rows = tx.rows(&sql.with(consent)).await?;
    let mut had = Vec::new();
    for row in &rows {
        if row.text(0)? != patient {
            had.push(row.text(0)?.to_string());
        }
    }
    let sql = Sql::new("DELETE FROM care_dissent WHERE consent = $1").with(consent);
    tx.execute(&sql).await?;
    Ok(had)
}

/// Writes rules under that name.
pub(super) async fn put(
    tx: &mut Tx<'_>,
    patient: &str,
    consent: &str,
    rules: &[Rule],
) -> Result<(), Problem> {
    for rule in rules {
        for ty in &rule.types {
            let number = words::intern(tx, ty).await?;
            // Two rules about the same: the wider time holds.
            let sql = Sql::new(
                "INSERT INTO care_dissent (patient, org, ty, consent, starts_at, ends_at) \
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (patient, org, ty, consent) DO UPDATE \
                 SET starts_at = CASE WHEN excluded.starts_at < care_dissent.starts_at \
                 THEN excluded.starts_at ELSE care_dissent.starts_at END, \
                 ends_at = CASE WHEN excluded.ends_at > care_dissent.ends_at \
                 THEN excluded.ends_at ELSE care_dissent.ends_at END",
            );
            let sql = sql
                .with(patient)
                .with(rule.organisation.as_str())
                .with(number);
            let sql = sql.with(consent).with(rule.starts_at).with(rule.ends_at);
            tx.execute(&sql).await?;
        }
    }
    Ok(())
}

/// The patient's statement has another number from now on, and is to be told.
pub(crate) async fn changed(tx: &mut Tx<'_>, now: Millis, patient: &str) -> Result<(), Problem> {
    let sql = Sql::new(
        "INSERT INTO sharing (patient, version, at, due) VALUES ($1, 1, $2, 1) \
         ON CONFLICT (patient) DO UPDATE SET version = sharing.version + 1, at = excluded.at, due = 1",
    );
    tx.execute(&sql.with(patient).with(now)).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use fhir::json::{Limits, parse};

    use super::*;

    #[test]
    fn rules_that_are_written_are_read_back_as_they_were() {
        let rule = |organisation: &str, starts_at, ends_at| Rule {
            organisation: organisation.into(),
            types: vec!["Condition".into(), "Observation".into()],
            starts_at,
            ends_at,
        };
        let day = 86_400_000;
        let rules = [
            rule("RZZ01", 0, Millis::MAX),
            rule("RZZ02", 20_000 * day, Millis::MAX),
            rule("RZZ03", 20_000 * day, 20_100 * day),
        ];
        for rules in [&rules[..], &[]] {
            let text = consent("sharing-1", "jane", rules, 19_000 * day).to_string();
            let json = parse(text.as_bytes(), &Limits::default()).unwrap();
            match of_consent(&json).unwrap() {
                Sharing::Rules { rules: read, .. } => assert_eq!(read, rules),
                other => panic!("{other:?}"),
            }
        }
    }
}
