//! `handover account knows`: which patients a member of staff knows otherwise (P10).

use access::{Scope, SystemPurpose, Target};
use anyhow::bail;
use store::care::{CareWrite, FamiliarKind};
use store::{Reading, Store};

use super::{commit_care, staff};

/// Notes that they know the patient (`None`: no more), or lists whom they know; what to print.
pub async fn knows(
    store: &Store,
    username: &str,
    patient: Option<&str>,
    kind: Option<FamiliarKind>,
) -> anyhow::Result<String> {
    let account = staff(store, username).await?;
    let Some(patient) = patient else {
        return list(store, username, account.id).await;
    };
    let scope = Scope::system(SystemPurpose::KeepFamiliar);
    if kind.is_some()
        && !matches!(
            store.read(&scope, "Patient", patient).await?,
            Reading::Found(_)
        )
    {
        bail!("there is no Patient/{patient} at this node");
    }
    let write = CareWrite::Know {
        account: account.id,
        patient: patient.to_owned(),
        kind,
    };
    let target = Target {
        ty: "Patient".into(),
        patient: Some(patient.to_owned()),
        query: Some(format!("account={}", account.id).into()),
        ..Target::default()
    };
    let changed = commit_care(store, &scope, write, target).await? > 0;
    Ok(match (kind, changed) {
        (Some(kind), _) => format!(
            "{username} knows Patient/{patient} ({}); it counts within two seconds.\n",
            kind.code()
        ),
        (None, true) => format!("{username} does not know Patient/{patient}.\n"),
        (None, false) => bail!("{username} was not said to know Patient/{patient}"),
    })
}

async fn list(store: &Store, username: &str, account: i64) -> anyhow::Result<String> {
    let known = store.familiar_to(account).await?;
    if known.is_empty() {
        return Ok(format!("{username} is not said to know any patient.\n"));
    }
    let row = |(patient, kind): (String, FamiliarKind)| format!("{:<12}{patient}\n", kind.code());
    Ok(known.into_iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use store::accounts::Holder;
    use store::testing::on_each_database;
    use store::{Change, Expect, Job, Prepared, Release};

    use super::*;

    #[test]
    fn p10_whom_staff_know_is_said_listed_and_taken_back_by_command() {
        on_each_database(async |ground| {
            let store = ground.open().await;
            let account = store::accounts::NewAccount {
                login: "bo".into(),
                name: "Dr Bo Test".into(),
                holder: Holder::Staff {
                    role: access::Role::Clinician,
                    organisation: store.organisation().clone(),
                },
                password_hash: None,
            };
            store.open_account(account).await.unwrap();
            let text = br#"{"resourceType":"Patient"}"#;
            let json = fhir::json::parse(text, &fhir::json::Limits::default()).unwrap();
            let put = Change::Put {
                resource: Prepared::new(&json, "aunt", store.organisation()).unwrap(),
                expect: Expect::Absent,
                release: Release::Keep,
            };
            let scope = Scope::system(SystemPurpose::Measure);
            store.commit(&scope, Job::change(put)).await.unwrap();
            let family = Some(FamiliarKind::Family);
            assert!(knows(&store, "bo", Some("ghost"), family).await.is_err());
            assert!(knows(&store, "nobody", Some("aunt"), family).await.is_err());
            knows(&store, "bo", Some("aunt"), family).await.unwrap();
            let listed = knows(&store, "bo", None, family).await.unwrap();
            assert_eq!(listed, "family      aunt\n");
            knows(&store, "bo", Some("aunt"), None).await.unwrap();
            assert!(knows(&store, "bo", Some("aunt"), None).await.is_err());
            store.close().await;
        });
    }
}
