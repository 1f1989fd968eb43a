//! `handover receipt`: what became of a letter, proved without asking anybody.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use exchange::directory::Directory;
use exchange::receipt::offline::{Checked, FILE_BYTES_MAX, ReceiptFile};

use super::directory::read_steward;

/// Checks signed receipts.
#[derive(clap::Args)]
pub struct Receipt {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Checks a file of receipts and prints what it proves.
    ///
    /// The file comes from a sent letter's page ("Download the signed receipts"). No node is asked: the signatures are held
    /// against the directory, and the directory against the stewards' keys. Ends with a failure if one does not fit.
    Verify {
        /// The file of receipts.
        file: PathBuf,
        /// The signed directory, of a time when those who signed were members.
        #[arg(long, default_value = "directory.jws")]
        directory: PathBuf,
        /// The stewards' public keys.
        #[arg(long, default_value = "steward.pub")]
        steward_key: PathBuf,
        /// How many of the stewards must have signed the directory.
        #[arg(long, default_value_t = 1)]
        signatures_needed: u8,
    },
}

impl Receipt {
    pub fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Verify {
                file,
                directory,
                steward_key,
                signatures_needed,
            } => {
                let stewards = read_steward(&steward_key, signatures_needed)?;
                // One that has ended proves as well who had which key.
                let directory = Directory::verify(&read(&directory)?, &stewards, 0)
                    .with_context(|| directory.display().to_string())?;
                let text = read(&file)?;
                let receipts: ReceiptFile = serde_json::from_str(&text)
                    .with_context(|| format!("{} is no file of receipts", file.display()))?;
                let checked = receipts
                    .check(&directory)
                    .with_context(|| file.display().to_string())?;
                print(&checked);
                Ok(())
            }
        }
    }
}

fn print(checked: &Checked) {
    println!(
        "Letter {} from {} to {}",
        checked.id, checked.sender, checked.recipient
    );
    println!("  {}", checked.title);
    println!("  SHA-256 {}", checked.digest);
    if checked.steps.is_empty() {
        println!("No receipt has come: nothing is proved of what became of it.");
        return;
    }
    for proved in &checked.steps {
        let step = &proved.step;
        let who = match step.who.as_str() {
            "" => String::new(),
            who => format!(", {who} ({})", step.role),
        };
        println!("{}  {}{who}", fhir::date::instant(step.at), step.state);
        println!(
            "  signed by {} ({}), key {}",
            proved.by, proved.name, proved.kid
        );
        if !step.note.is_empty() {
            println!("  \u{201c}{}\u{201d}", step.note);
        }
        if !proved.key_in_force {
            println!("  Note: by this directory the key was not in force at that time.");
        }
    }
    println!("Every signature fits.");
}

fn read(path: &Path) -> anyhow::Result<String> {
    let named = || path.display().to_string();
    let bytes = std::fs::metadata(path).with_context(named)?.len();
    if bytes > FILE_BYTES_MAX as u64 {
        bail!(
            "{} is larger than any file of receipts or directory",
            path.display()
        );
    }
    std::fs::read_to_string(path).with_context(named)
}
