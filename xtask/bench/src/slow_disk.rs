//! A disk whose syncs take longer, for what only shows where they bind: a small library in C that is
//! loaded before the system's own.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

const SOURCE: &str = include_str!("slow_disk.c");

/// The built library; gone when dropped.
pub struct SlowDisk {
    folder: TempDir,
    milliseconds: u32,
}

impl SlowDisk {
    /// Builds the library; each sync of a process that has it takes so much longer.
    ///
    /// # Errors
    /// Without a C compiler.
    pub fn new(milliseconds: u32) -> Result<SlowDisk> {
        let folder = crate::node::folder()?;
        let disk = SlowDisk {
            folder,
            milliseconds,
        };
        let source = disk.folder.path().join("slow_disk.c");
        std::fs::write(&source, SOURCE)?;
        let built = Command::new("cc")
            .args(["-O2", "-shared", "-fPIC", "-o"])
            .arg(disk.library())
            .arg(&source)
            .arg("-ldl")
            .status()
            .context("no C compiler (cc)")?;
        ensure!(
            built.success(),
            "the slow disk's library could not be built"
        );
        Ok(disk)
    }

    fn library(&self) -> PathBuf {
        let folder = self.folder.path();
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        folder.join("slow_disk.so")
    }

    /// For the process to be started.
    pub fn under(&self, command: &mut Command) {
        command.env("LD_PRELOAD", self.library());
        command.env("SLOW_DISK_MILLISECONDS", self.milliseconds.to_string());
    }
}
