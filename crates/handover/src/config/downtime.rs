//! The section about what staff have when everything is off.

use std::path::PathBuf;

use anyhow::bail;

use super::section::section;

section! {
    /// The pack of today's patients for when everything is off; see docs/downtime.md. Off until a folder is given.
    DowntimeSection in "downtime" {
        /// Where the pack is written: a folder that staff reach when this machine is off, such as one on a ward's own computer, mounted here. It must be there: it is not made.
        folder: Option<PathBuf> = "\"/mnt/downtime\"", optional;
        /// A file with the pack's passphrase, of at least 12 characters. Readable by the node's user only; staff keep it in an envelope.
        passphrase: PathBuf = "\"keys/downtime-passphrase\"", default;
        /// A pack is written every so many minutes. One that is older than three times that stands on the work list.
        every_minutes: u32 = "5", default;
        /// A pack opens for so many hours. Long, for nobody knows how long everything is off; its age stands on it.
        opens_hours: u32 = "168", default;
    }
}

impl DowntimeSection {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if !(1..=60).contains(&self.every_minutes) {
            bail!(
                "downtime.every_minutes: {} is not from 1 to 60",
                self.every_minutes
            );
        }
        if !(12..=744).contains(&self.opens_hours) {
            bail!(
                "downtime.opens_hours: {} is not from 12 to 744",
                self.opens_hours
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn a_wrong_setting_of_downtime_is_named() {
        let with = |more: &str| {
            let text = format!(
                "[organisation]\nods = \"RZZ01\"\nname = \"A\"\nroles = []\n[downtime]\n{more}"
            );
            Config::parse(&text)
        };
        let wrong = |more: &str| format!("{:#}", with(more).unwrap_err());
        assert!(wrong("every_minutes = 0").contains("downtime.every_minutes"));
        assert!(wrong("opens_hours = 1").contains("downtime.opens_hours"));
        assert!(with("folder = \"x\"").is_ok());
        assert!(with("").unwrap().downtime.folder.is_none());
    }
}
