//! Made-up callers and resources.

use std::sync::Arc;

use access::oauth::Scopes;
use access::{
    Caller, Interaction, NhsNumber, Ods, Purpose, Role, Scope, Standing, SystemPurpose, Who,
    decide, decide_for,
};
use fhir::json::{Limits, parse};
use store::testing::START;
use store::{Change, Committed, Expect, Job, Prepared, Release, Store};

pub fn system() -> Scope {
    Scope::system(SystemPurpose::Measure)
}

pub fn ods(code: &str) -> Ods {
    Ods::parse(code).unwrap()
}

/// A member of staff of an organisation.
pub fn staff(organisation: &str, interaction: Interaction) -> Scope {
    let who = Who::Staff {
        account: 1,
        name: "Sam Staff".into(),
        role: Role::Clinician,
        organisation: ods(organisation),
    };
    scope(who, interaction, Purpose::DirectCare, START)
}

/// A member of staff, of whom facts are known.
pub fn staff_with(standing: &Standing, interaction: Interaction, now: i64) -> Scope {
    let who = Who::Staff {
        account: 1,
        name: "Sam Staff".into(),
        role: Role::Clinician,
        organisation: ods("A81001"),
    };
    let caller = Caller::new(who, "request-1".into());
    let facts = (standing, now);
    decide_for(&caller, interaction, "Patient", Purpose::DirectCare, facts).unwrap()
}

/// Somebody who may read the audit log.
pub fn officer(role: Role) -> Scope {
    let who = Who::Staff {
        account: 3,
        name: "Olu Officer".into(),
        role,
        organisation: ods("A81001"),
    };
    scope(who, Interaction::AccessLog, Purpose::Compliance, START)
}

/// A patient at a time.
pub fn patient(id: &str, interaction: Interaction, now: i64) -> Scope {
    let who = Who::Patient {
        account: 2,
        name: "Pat Patient".into(),
        patient: id.into(),
        nhs_number: NhsNumber::parse("9434765919").unwrap(),
    };
    scope(who, interaction, Purpose::PatientRequest, now)
}

/// A clinician's app that was granted these scopes, for patient `p0`.
pub fn app(scopes: &str, interaction: Interaction, ty: &str) -> Result<Scope, fhir::Problem> {
    let who = Who::Staff {
        account: 1,
        name: "Sam Staff".into(),
        role: Role::Clinician,
        organisation: ods("A81001"),
    };
    let granted = Scopes::parse(scopes).granted("app-1", "Growth Chart", Some("p0"));
    let caller = Caller {
        granted: Some(Arc::new(granted)),
        ..Caller::new(who, "request-1".into())
    };
    decide(&caller, interaction, ty, Purpose::DirectCare, START)
}

fn scope(who: Who, interaction: Interaction, purpose: Purpose, now: i64) -> Scope {
    let caller = Caller::new(who, "request-1".into());
    decide(&caller, interaction, "Patient", purpose, now).unwrap()
}

pub fn prepared(text: &str, id: &str, organisation: &str) -> Prepared {
    let json = parse(text.as_bytes(), &Limits::default()).unwrap();
    Prepared::new(&json, id, &ods(organisation)).unwrap()
}

pub fn put(text: &str, id: &str) -> Change {
    put_as(text, id, Expect::Anything, Release::Keep)
}

pub fn put_as(text: &str, id: &str, expect: Expect, release: Release) -> Change {
    Change::Put {
        resource: prepared(text, id, "A81001"),
        expect,
        release,
    }
}

pub fn delete(ty: &str, id: &str, expect: Expect) -> Change {
    Change::Delete {
        ty: ty.into(),
        id: id.into(),
        expect,
    }
}

pub async fn commit(store: &Store, changes: Vec<Change>) -> Result<Committed, fhir::Problem> {
    let job = Job {
        changes,
        ..Job::default()
    };
    store.commit(&system(), job).await
}

pub fn observation(patient: &str, code: &str, day: &str) -> String {
    format!(
        r#"{{"resourceType":"Observation","status":"final","code":{{"coding":[{{"system":"http://loinc.org","code":"{code}"}}]}},"subject":{{"reference":"Patient/{patient}"}},"effectiveDateTime":"{day}","valueQuantity":{{"value":1.50,"unit":"kg"}}}}"#
    )
}

pub fn person(family: &str) -> String {
    format!(r#"{{"resourceType":"Patient","name":[{{"family":"{family}","given":["Zoë"]}}]}}"#)
}
