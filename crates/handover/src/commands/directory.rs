//! `handover directory`: the steward's work, and a node's card.

use std::path::{Path, PathBuf};

use access::Ods;
use anyhow::{Context, bail};
use exchange::directory::{Directory as Signed, Member};
use exchange::keys::{Identity, PublicKey, SigningKey};
use store::Clock;

use super::init::write_card;
use crate::config::Config;

const STEWARD_KEY: &str = "steward.pem";
const STEWARD_PUBLIC: &str = "steward.pub";

/// Makes and shows the signed list of a network's members.
#[derive(clap::Args)]
pub struct Directory {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Makes a steward's key: steward.pem stays with the steward, steward.pub goes to every member.
    Steward {
        /// Where to put the two files; made when it is not there.
        #[arg(long)]
        folder: PathBuf,
    },
    /// Writes this node's card.json anew, after its addresses changed.
    Card {
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
    },
    /// Signs a directory of the members whose cards are given.
    ///
    /// Check each card with its owner by a way you trust (a call to a number you know) before you sign. Members whose
    /// cards are not given are members no longer.
    Sign {
        /// The folder with the steward's key.
        #[arg(long)]
        steward: PathBuf,
        /// The directory to write. If it is there, the new one takes the next version.
        #[arg(long, default_value = "directory.jws")]
        out: PathBuf,
        /// For how many days it is valid.
        #[arg(long, default_value_t = 90)]
        days: u16,
        /// Shows what would be signed, and signs nothing.
        #[arg(long)]
        dry_run: bool,
        /// The members' card.json files.
        #[arg(required = true)]
        cards: Vec<PathBuf>,
    },
    /// Checks a directory's signature and lists its members.
    Show {
        /// The signed directory.
        #[arg(long, default_value = "directory.jws")]
        directory: PathBuf,
        /// The steward's public key.
        #[arg(long, default_value = "steward.pub")]
        steward_key: PathBuf,
    },
}

impl Directory {
    pub fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Steward { folder } => {
                create_steward(&folder)?;
                println!(
                    "Made {STEWARD_KEY} and {STEWARD_PUBLIC} in {}.",
                    folder.display()
                );
                println!("Keep {STEWARD_KEY} to yourself; give {STEWARD_PUBLIC} to every member.");
                Ok(())
            }
            Command::Card { config } => card(&config),
            Command::Sign {
                steward,
                out,
                days,
                dry_run,
                cards,
            } => sign(&steward, &out, days, dry_run, &cards),
            Command::Show {
                directory,
                steward_key,
            } => {
                let steward = read_steward(&steward_key)?;
                let directory =
                    Signed::verify(&read(&directory)?, &steward, Clock::system().now())?;
                show(&directory);
                Ok(())
            }
        }
    }
}

/// Makes a steward's key pair in `folder`.
///
/// # Errors
/// If there is one already: keys are never overwritten.
pub fn create_steward(folder: &Path) -> anyhow::Result<SigningKey> {
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let key = SigningKey::create(&folder.join(STEWARD_KEY))?;
    std::fs::write(folder.join(STEWARD_PUBLIC), key.public().to_json())?;
    Ok(key)
}

/// The steward's key pair in `folder`, made if it is not there.
pub fn open_or_create_steward(folder: &Path) -> anyhow::Result<SigningKey> {
    let path = folder.join(STEWARD_KEY);
    if path.exists() {
        Ok(SigningKey::open(&path)?)
    } else {
        create_steward(folder)
    }
}

/// The steward's key in that folder.
///
/// # Errors
/// Names the file and what is wrong with it.
pub fn open_steward(folder: &Path) -> anyhow::Result<SigningKey> {
    let path = folder.join(STEWARD_KEY);
    SigningKey::open(&path).with_context(|| path.display().to_string())
}

/// Reads a steward's public key.
///
/// # Errors
/// Names the file and what is wrong with it.
pub fn read_steward(path: &Path) -> anyhow::Result<PublicKey> {
    PublicKey::parse(read(path)?.as_bytes()).with_context(|| path.display().to_string())
}

/// Signs a directory of these members as the one after `previous`.
///
/// # Errors
/// If the members contradict each other.
pub fn sign_members(
    steward: &SigningKey,
    members: Vec<Member>,
    previous: u64,
    days: u16,
) -> anyhow::Result<(Signed, String)> {
    let issued_at = Clock::system().now();
    let directory = Signed {
        protocol: 1,
        version: previous + 1,
        issued_at,
        valid_until: issued_at + i64::from(days) * 24 * 3600 * 1000,
        members,
    };
    let text = directory.sign(steward)?;
    Ok((directory, text))
}

fn sign(
    steward: &Path,
    out: &Path,
    days: u16,
    dry_run: bool,
    cards: &[PathBuf],
) -> anyhow::Result<()> {
    let key = SigningKey::open(&steward.join(STEWARD_KEY))?;
    let members: Vec<Member> = cards
        .iter()
        .map(|path| {
            Member::parse(read(path)?.as_bytes()).with_context(|| path.display().to_string())
        })
        .collect::<anyhow::Result<_>>()?;
    let previous = if out.exists() {
        // An expired directory still says which version comes next.
        let old = Signed::verify(&read(out)?, key.public(), 0);
        old.with_context(|| format!("{} is there but is not this steward's", out.display()))?
            .version
    } else {
        0
    };
    let (directory, text) = sign_members(&key, members, previous, days)?;
    show(&directory);
    if dry_run {
        println!("Nothing was signed.");
        return Ok(());
    }
    let new = out.with_extension("jws.new");
    std::fs::write(&new, text).with_context(|| new.display().to_string())?;
    std::fs::rename(&new, out).with_context(|| out.display().to_string())?;
    println!(
        "Wrote {}. Give it to every member; a node reads it again when it starts.",
        out.display()
    );
    Ok(())
}

fn card(config_path: &Path) -> anyhow::Result<()> {
    let config = Config::read(config_path)?;
    let ods = Ods::parse(&config.organisation.ods)?;
    if !Identity::exists(&config.exchange.keys) {
        bail!(
            "{} holds no keys; `handover init` makes them",
            config.exchange.keys.display()
        );
    }
    let identity = Identity::open(&config.exchange.keys, &ods)?;
    let folder = config_path.parent().unwrap_or(Path::new("."));
    println!(
        "Wrote {}.",
        write_card(&identity, &config, folder)?.display()
    );
    Ok(())
}

fn show(directory: &Signed) {
    println!(
        "Version {}, valid until {}, {} members:",
        directory.version,
        fhir::date::instant(directory.valid_until),
        directory.members.len()
    );
    for member in &directory.members {
        println!(
            "  {:<10} {} ({})",
            member.ods,
            member.name,
            member.roles.join(", ")
        );
        println!("             {}  pages {}", member.exchange, member.pages);
        for key in &member.keys {
            println!("             key {}", key.jwk.kid());
        }
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::{create_steward, open_or_create_steward, sign_members};
    use exchange::directory::Directory as Signed;

    #[test]
    fn a_stewards_key_is_kept_and_signs_the_next_version() {
        let folder = tempfile::tempdir().unwrap();
        let made = create_steward(folder.path()).unwrap();
        let kept = open_or_create_steward(folder.path()).unwrap();
        assert_eq!(made.public().kid(), kept.public().kid());
        assert!(create_steward(folder.path()).is_err());
        let (directory, text) = sign_members(&kept, Vec::new(), 6, 90).unwrap();
        assert_eq!(directory.version, 7);
        let read = Signed::verify(&text, kept.public(), directory.issued_at).unwrap();
        assert_eq!(read, directory);
    }
}
