//! The section about appointments.

use anyhow::bail;
use serde::Deserialize;

use super::section::section;

/// The most organisations whose appointments are offered: all are asked each time somebody looks.
const CLINICS_MAX: usize = 16;

section! {
    /// Appointments: the organisation's diary, and those of others. See docs/appointments.md.
    AppointmentsSection in "appointments" {
        /// Who holds the organisation's diary: "node", or "another-system", which then stays the only diary: nothing is published, offered or booked here.
        diary: DiaryHolder = "\"node\"", default;
        /// Organisations (their ODS codes) whose free appointments are offered to patients and staff here.
        clinics: Vec<String> = "[]", default;
        /// A booking that another organisation has not answered for so many hours goes onto the work list, and the patient's page says so.
        answer_hours: u32 = "24", default;
    }
}

/// Who holds the diary.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum DiaryHolder {
    Node,
    AnotherSystem,
}

impl AppointmentsSection {
    pub(super) fn check(&self, own: &str) -> anyhow::Result<()> {
        if self.clinics.len() > CLINICS_MAX {
            bail!("appointments.clinics: names more than {CLINICS_MAX} organisations");
        }
        let is_wrong = |it: &&String| *it == own || access::Ods::parse(it).is_err();
        if let Some(wrong) = self.clinics.iter().find(is_wrong) {
            bail!("appointments.clinics: {wrong:?} is not the ODS code of another organisation");
        }
        if self.answer_hours == 0 {
            bail!("appointments.answer_hours: must be at least 1");
        }
        Ok(())
    }

    /// Whether this node holds the diary.
    pub fn keeps_diary(&self) -> bool {
        self.diary == DiaryHolder::Node
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn a_wrong_setting_about_appointments_is_named() {
        let with = |more: &str| {
            let least = "[organisation]\nods = \"RZZ01\"\nname = \"A\"\nroles = []\n";
            Config::parse(&format!("{least}[appointments]\n{more}"))
        };
        let wrong = |more: &str| format!("{:#}", with(more).unwrap_err());
        assert!(wrong("clinics = [\"RZZ01\"]").contains("appointments.clinics"));
        assert!(wrong("clinics = [\"x\"]").contains("appointments.clinics"));
        assert!(wrong("answer_hours = 0").contains("appointments.answer_hours"));
        assert!(wrong("diary = \"paper\"").contains("diary"));
        assert!(with("").unwrap().appointments.keeps_diary());
    }
}
