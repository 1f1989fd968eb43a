//! Where things are.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::shell;

/// The folders that tasks work in.
pub struct Workspace {
    /// The workspace's root.
    pub root: PathBuf,
    /// Where third-party files are brought to.
    pub assets: PathBuf,
    /// Cargo's target folder.
    pub target: PathBuf,
}

impl Workspace {
    /// Finds the workspace that this program belongs to.
    ///
    /// # Errors
    /// When cargo cannot read the workspace.
    pub fn find() -> Result<Workspace> {
        // Cargo sets it when it runs us; what was compiled in serves when the program is started by hand.
        let manifest = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest
            .parent()
            .context("xtask is not inside a workspace")?
            .to_path_buf();
        let assets = env::var_os("HANDOVER_ASSETS")
            .map_or_else(|| root.join("target/assets"), PathBuf::from);
        let target = target_folder(&root)?;
        Ok(Workspace {
            root,
            assets,
            target,
        })
    }

    /// Cargo, started in the workspace, with the assets' place handed on.
    pub fn cargo(&self) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command
            .current_dir(&self.root)
            .env("HANDOVER_ASSETS", &self.assets);
        // These describe xtask itself; build scripts of other crates would be run again for them.
        command
            .env_remove("CARGO_MANIFEST_DIR")
            .env_remove("CARGO_MANIFEST_PATH");
        command
    }

    /// Builds the binary as the tests start it, and says where it is. It is built along with a test of its own, so that it is made
    /// of the same libraries as all tests: by itself it would be built of others, with fewer features, once more.
    ///
    /// # Errors
    /// When it does not build.
    pub fn tested_binary(&self) -> Result<PathBuf> {
        let words = ["test", "--workspace", "--no-run", "--test", "command_line"];
        shell::run(self.cargo().args(words))?;
        Ok(self.target.join("debug/handover"))
    }

    /// The folder with the programs of the tests' Python environment.
    pub fn venv_programs(&self) -> PathBuf {
        self.assets
            .join("venv")
            .join(if cfg!(windows) { "Scripts" } else { "bin" })
    }
}

fn target_folder(root: &Path) -> Result<PathBuf> {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root)
        .output()
        .context("cargo metadata cannot be run")?;
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).with_context(|| {
            format!(
                "cargo metadata failed: {}",
                String::from_utf8_lossy(&output.stderr)
            )
        })?;
    let folder = metadata
        .get("target_directory")
        .and_then(serde_json::Value::as_str);
    Ok(PathBuf::from(
        folder.context("cargo metadata names no target folder")?,
    ))
}
