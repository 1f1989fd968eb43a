//! Which of our roles a national role stands for: a table of national job roles and activities, as
//! CIS2 gives them in `nationalrbacaccess`. What is not in the table grants nothing (P08).

use serde::{Deserialize, Serialize};

use crate::Role;

/// The table. Its version is raised with each change, and it is signed where it is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleTable {
    pub version: u32,
    /// The first row that fits decides.
    pub rows: Vec<RoleRow>,
}

/// One row: a job role, the activities that it must come with, and what they grant together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleRow {
    /// The job role's code, such as `R8000`.
    pub role: String,
    /// Activity codes that must all be there, such as `B0380`.
    #[serde(default)]
    pub activities: Vec<String>,
    /// The word of our role: `clinician`, `clerk`, `engineer` or `privacy-officer`.
    pub grants: String,
}

impl RoleTable {
    /// Whether every row can grant what it says. A system's role is never granted to a person.
    ///
    /// # Errors
    /// Which row is wrong.
    pub fn check(&self) -> Result<(), String> {
        for (at, row) in self.rows.iter().enumerate() {
            match Role::parse(&row.grants) {
                Ok(Role::System) | Err(_) => {
                    return Err(format!(
                        "row {}: \"{}\" is not clinician, clerk, engineer or privacy-officer",
                        at + 1,
                        row.grants
                    ));
                }
                Ok(_) if row.role.trim().is_empty() => {
                    return Err(format!("row {}: names no role", at + 1));
                }
                Ok(_) => {}
            }
        }
        Ok(())
    }

    /// What a national role with its activities grants here. `code` is the job role's, alone or as
    /// the last part of `S8000:G8000:R8000`.
    pub fn grants(&self, code: &str, activities: &[&str]) -> Option<Role> {
        let job = code.rsplit(':').next().unwrap_or_default().trim();
        let row = self.rows.iter().find(|row| {
            let all = row
                .activities
                .iter()
                .all(|activity| activities.contains(&activity.as_str()));
            row.role == job && all
        })?;
        Role::parse(&row.grants)
            .ok()
            .filter(|role| *role != Role::System)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> RoleTable {
        let row = |role: &str, activities: &[&str], grants: &str| RoleRow {
            role: role.into(),
            activities: activities.iter().map(|it| (*it).to_string()).collect(),
            grants: grants.into(),
        };
        RoleTable {
            version: 1,
            rows: vec![
                row("R8000", &["B0380"], "clinician"),
                row("R8010", &[], "clerk"),
                row("R0001", &["B0016", "B0015"], "privacy-officer"),
            ],
        }
    }

    #[test]
    fn p08_a_role_with_its_activities_grants_what_the_table_says_and_nothing_else_does() {
        let table = table();
        table.check().unwrap();
        for (code, activities, expected) in [
            (
                "S8000:G8000:R8000",
                &["B0380", "B0085"][..],
                Some(Role::Clinician),
            ),
            ("R8000", &["B0380"], Some(Role::Clinician)),
            ("S8000:G8000:R8000", &[], None),
            ("S8000:G8000:R8000", &["B9999"], None),
            ("S8000:G8001:R8010", &[], Some(Role::Clerk)),
            (
                "S0:G0:R0001",
                &["B0015", "B0016"],
                Some(Role::PrivacyOfficer),
            ),
            ("S0:G0:R0001", &["B0016"], None),
            ("S8000:G8000:R9999", &["B0380"], None),
            ("R8000:G8000", &["B0380"], None),
            ("", &["B0380"], None),
        ] {
            assert_eq!(
                table.grants(code, activities),
                expected,
                "{code} {activities:?}"
            );
        }
    }

    #[test]
    fn p08_a_table_never_grants_a_person_a_systems_role() {
        let mut table = table();
        table.rows[1].grants = "system".into();
        assert!(table.check().unwrap_err().contains("row 2"));
        assert_eq!(table.grants("R8010", &[]), None);
        table.rows[1].grants = "doctor".into();
        assert!(table.check().is_err());
    }
}
