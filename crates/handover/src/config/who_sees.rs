//! The settings about who sees whose record.

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
        /// At this age of a child nobody acts for them any more online until the practice has looked at it and confirmed it.
        proxy_review_age: u16 = "11", default;
        /// At this age of a child leave to act for them ends, at the latest.
        proxy_end_age: u16 = "16", default;
        /// Leave to act for an adult lasts so many months at most, and can then be given again.
        proxy_months_max: u16 = "12", default;
    }
}

/// What staff must have to see a patient's record.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Relationships {
    Organisation,
    Required,
}

impl From<Relationships> for access::Relationships {
    fn from(relationships: Relationships) -> access::Relationships {
        match relationships {
            Relationships::Organisation => access::Relationships::Organisation,
            Relationships::Required => access::Relationships::Required,
        }
    }
}

impl AccessSection {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let hours = self.emergency_hours;
        if !(1..=4).contains(&hours) {
            bail!("access.emergency_hours: {hours} is not from 1 to 4");
        }
        for role in &self.unnamed_roles {
            if let Err(problem) = access::Role::parse(role) {
                bail!("access.unnamed_roles: {role:?}: {}", problem.message);
            }
        }
        let (review, end) = (self.proxy_review_age, self.proxy_end_age);
        if !(1..=18).contains(&end) {
            bail!("access.proxy_end_age: {end} is not from 1 to 18");
        }
        if !(1..=end).contains(&review) {
            bail!("access.proxy_review_age: {review} is not from 1 to proxy_end_age");
        }
        let months = self.proxy_months_max;
        if !(1..=60).contains(&months) {
            bail!("access.proxy_months_max: {months} is not from 1 to 60");
        }
        Ok(())
    }
}

/// What is done when staff would see the record of somebody whom they know otherwise.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum OnFamiliar {
    Refuse,
    Flag,
}

impl From<OnFamiliar> for access::OnFamiliar {
    fn from(then: OnFamiliar) -> access::OnFamiliar {
        match then {
            OnFamiliar::Refuse => access::OnFamiliar::Refuse,
            OnFamiliar::Flag => access::OnFamiliar::Flag,
        }
    }
}
