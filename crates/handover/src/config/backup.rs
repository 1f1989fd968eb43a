//! The section about copies of the node.

use std::path::PathBuf;

use anyhow::bail;

use super::section::section;

section! {
    /// Copies of the node, for when it is lost. Off until a folder or a store is given; `handover backup key` makes the key.
    BackupSection in "backup" {
        /// A folder on another machine's disk, mounted here. It must be there: it is not made.
        folder: Option<PathBuf> = "\"/mnt/copies\"", optional;
        /// Or the address of an S3-compatible store.
        s3_endpoint: Option<String> = "\"https://s3.eu-west-2.amazonaws.com\"", optional;
        /// Its bucket. Give it versions and a lock, so that nobody can shorten what is there.
        s3_bucket: Option<String> = "\"anytown-copies\"", optional;
        /// Its region.
        s3_region: String = "\"eu-west-2\"", default;
        /// A file of two lines: the id and the secret of an access key that may add objects, and no more. Readable by the node's user only.
        s3_credentials: PathBuf = "\"keys/backup-s3\"", default;
        /// True when the store is meant to stand at an address that is not public, or to be asked without TLS.
        s3_private: bool = "false", default;
        /// The public key that copies are sealed to. The secret one is kept offline, never here.
        key: PathBuf = "\"keys/backup.pub\"", default;
        /// How often what changed is copied, in seconds; at most 60. (PostgreSQL: see docs/safety/backup.md.)
        every_seconds: u32 = "30", default;
        /// A full copy begins a new chain after so many hours, and at each start.
        full_hours: u32 = "24", default;
        /// When the last copy is older than so many minutes, it stands on the work list until one succeeds.
        overdue_minutes: u32 = "5", default;
    }
}

impl BackupSection {
    /// Whether copies are to be taken.
    pub fn is_on(&self) -> bool {
        self.folder.is_some() || self.s3_endpoint.is_some()
    }

    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.folder.is_some() && self.s3_endpoint.is_some() {
            bail!("backup.folder and backup.s3_endpoint: give one of them");
        }
        if self.s3_endpoint.is_some() != self.s3_bucket.is_some() {
            bail!("backup.s3_endpoint and backup.s3_bucket: go together");
        }
        if !(1..=60).contains(&self.every_seconds) {
            bail!(
                "backup.every_seconds: {} is not from 1 to 60",
                self.every_seconds
            );
        }
        if self.full_hours == 0 || self.full_hours > 24 * 31 {
            bail!(
                "backup.full_hours: {} is not from 1 to 744",
                self.full_hours
            );
        }
        if self.overdue_minutes < 2 {
            bail!("backup.overdue_minutes: must be at least 2");
        }
        Ok(())
    }
}
