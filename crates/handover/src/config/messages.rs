//! The section about what patients and their practice write to each other.

use anyhow::bail;

use super::section::section;

section! {
    /// What patients write to the practice on its pages; see docs/patient-app.md.
    MessagesSection in "messages" {
        /// A message that nobody here has opened for so many hours stands on the work list.
        unopened_hours: u32 = "24", default;
    }
}

impl MessagesSection {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let hours = self.unopened_hours;
        if !(1..=720).contains(&hours) {
            bail!("messages.unopened_hours: {hours} is not from 1 to 720");
        }
        Ok(())
    }
}
