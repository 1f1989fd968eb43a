//! Who of the staff sees whose record.

use anyhow::bail;
use serde::Deserialize;

use super::section::section;

section! {
    /// Who of the staff sees whose record.
    AccessSection in "access" {
        /// "required": staff see a patient's record while a relationship is recorded (registered here, an open stay, a letter or referral, or claimed with a reason).
        /// "organisation": they see all that the organisation holds. What is sealed is withheld either way.
        relationships: Relationships = "\"organisation\"", default;
        /// When staff would open their own record: "refuse" or "flag", which tells the privacy officer.
        own_record: OnFamiliar = "\"refuse\"", default;
        /// The same for records of family, as `handover account knows` was told, and of colleagues.
        familiar_records: OnFamiliar = "\"flag\"", default;
        /// Roles whose holders' names patients are not shown in "Who looked", for their safety; that somebody of that role looked is shown all the same.
        unnamed_roles: Vec<String> = "[]", default;
        /// A record that was opened in an emergency stays open for so many hours; at most 4.
        emergency_hours: u32 = "4", default;
    }
}

impl AccessSection {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let hours = self.emergency_hours;
        if !(1..=4).contains(&hours) {
            bail!("access.emergency_hours: {hours} is not from 1 to 4");
        }
        for role in &self.unnamed_roles {
            if let Err(problem) = ::access::Role::parse(role) {
                bail!("access.unnamed_roles: {role:?}: {}", problem.message);
            }
        }
        Ok(())
    }
}

/// What staff must have to see a patient's record.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Relationships {
    Organisation,
    Required,
}

impl From<Relationships> for ::access::Relationships {
    fn from(relationships: Relationships) -> ::access::Relationships {
        match relationships {
            Relationships::Organisation => ::access::Relationships::Organisation,
            Relationships::Required => ::access::Relationships::Required,
        }
    }
}

/// What is done when staff would see the record of somebody whom they know otherwise.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum OnFamiliar {
    Refuse,
    Flag,
}

impl From<OnFamiliar> for ::access::OnFamiliar {
    fn from(then: OnFamiliar) -> ::access::OnFamiliar {
        match then {
            OnFamiliar::Refuse => ::access::OnFamiliar::Refuse,
            OnFamiliar::Flag => ::access::OnFamiliar::Flag,
        }
    }
}
