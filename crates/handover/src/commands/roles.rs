//! `handover roles`: the steward's table of what national roles grant at the network's nodes.

use std::path::{Path, PathBuf};

use access::RoleTable;
use anyhow::{Context as _, bail};
use exchange::Stewards;
use exchange::jws::{self, Statement};

use super::directory::{open_steward, read_steward};

/// Signs and shows the table of what national roles grant.
///
/// It is a JSON file: {"version": 1, "rows": [{"role": "R8000", "activities": ["B0380"], "grants": "clinician"}]}.
/// The first row whose role fits and whose activities are all there decides; what no row names grants nothing.
#[derive(clap::Args)]
pub struct Roles {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Signs a table. If --out is there, the new one must have a higher version.
    Sign {
        /// The folder with the steward's key.
        #[arg(long)]
        steward: PathBuf,
        /// The table, as JSON.
        #[arg(long)]
        table: PathBuf,
        /// The signed table to write; nodes name it in [staff_oidc] role_table.
        #[arg(long, default_value = "roles.jws")]
        out: PathBuf,
    },
    /// Checks a signed table and prints it.
    Show {
        /// The signed table.
        #[arg(long, default_value = "roles.jws")]
        table: PathBuf,
        /// The steward's public key.
        #[arg(long, default_value = "steward.pub")]
        steward_key: PathBuf,
    },
}

impl Roles {
    pub fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Sign {
                steward,
                table,
                out,
            } => sign(&steward, &table, &out),
            Command::Show { table, steward_key } => {
                let table = verified(&table, &read_steward(&steward_key, 1)?)?;
                println!("version {}", table.version);
                for row in &table.rows {
                    let activities = row.activities.join(" + ");
                    println!("  {:<8} {activities:<24} {}", row.role, row.grants);
                }
                Ok(())
            }
        }
    }
}

fn sign(steward: &Path, table: &Path, out: &Path) -> anyhow::Result<()> {
    let steward = open_steward(steward)?;
    let text = std::fs::read_to_string(table).with_context(|| table.display().to_string())?;
    let new: RoleTable =
        serde_json::from_str(&text).with_context(|| table.display().to_string())?;
    if let Err(reason) = new.check() {
        bail!("{}: {reason}", table.display());
    }
    if out.exists() {
        let before = verified(out, &steward.public().clone().into())?;
        if before.version >= new.version {
            bail!(
                "{} has version {}; give the new table a higher one",
                out.display(),
                before.version
            );
        }
    }
    let signed = jws::sign(&steward, Statement::Roles, &new)?;
    std::fs::write(out, signed + "\n").with_context(|| out.display().to_string())?;
    println!("Signed version {} as {}.", new.version, out.display());
    Ok(())
}

/// A signed table, read with the stewards' keys.
///
/// # Errors
/// Names the file, and what is wrong with it.
pub fn verified(path: &Path, stewards: &Stewards) -> anyhow::Result<RoleTable> {
    let text = std::fs::read_to_string(path).with_context(|| {
        format!(
            "{} cannot be read; `handover roles sign` makes one",
            path.display()
        )
    })?;
    let table: RoleTable = stewards
        .verify(&text, Statement::Roles)
        .with_context(|| path.display().to_string())?;
    match table.check() {
        Ok(()) => Ok(table),
        Err(reason) => bail!("{}: {reason}", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::directory::open_or_create_steward;

    #[test]
    fn p08_a_table_is_believed_only_if_the_steward_signed_it_and_goes_forward_only() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let steward = open_or_create_steward(&at("steward")).unwrap();
        let other = open_or_create_steward(&at("other")).unwrap();
        let write = |version: u32, grants: &str| {
            let text = format!(
                "{{\"version\": {version}, \"rows\": [{{\"role\": \"R8000\", \"grants\": \"{grants}\"}}]}}"
            );
            std::fs::write(at("roles.json"), text).unwrap();
            sign(&at("steward"), &at("roles.json"), &at("roles.jws"))
        };
        write(1, "clinician").unwrap();
        assert!(write(1, "clerk").is_err());
        assert!(write(2, "system").is_err());
        write(2, "clerk").unwrap();
        let table = verified(&at("roles.jws"), &steward.public().clone().into()).unwrap();
        assert_eq!(table.grants("R8000", &[]), Some(access::Role::Clerk));
        assert!(verified(&at("roles.jws"), &other.public().clone().into()).is_err());
    }
}
