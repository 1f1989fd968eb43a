//! `handover directory`: the steward's work, and a node's card.

mod invite;

use std::path::{Path, PathBuf};

use access::Ods;
use anyhow::{Context, bail};
use exchange::directory::{ByBars, Directory as Signed, Member, Stewards};
use exchange::keys::{Identity, SigningKey};
use store::Clock;

use super::init::write_card;
use crate::config::Config;
use invite::Guest;

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
    /// Makes this node's next keys, and writes card.json with them beside the present ones.
    ///
    /// Have a steward sign the card. The node takes the new keys up by itself, within seconds of the directory that lists
    /// them, without a restart; what is under way is not lost. Then write the card anew with `handover directory card`, which
    /// leaves the old ones out, and have it signed: from then on nobody believes them. After a theft do that at once, and
    /// have the node struck off meanwhile.
    RenewKeys {
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
    },
    /// Signs a directory of the members whose cards are given.
    ///
    /// Check each card with its owner by a way you trust (a call to a number you know) before you sign. Without --keep,
    /// members whose cards are not given are members no longer. Where a network has several stewards, the others look at
    /// what you signed and add their signatures with `handover directory countersign`.
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
        /// Keeps the members that the present directory lists; cards that are given replace theirs or are added.
        #[arg(long)]
        keep: bool,
        /// Strikes that organisation off: within a minute of reaching one node, no node believes it any more.
        #[arg(long, value_name = "ODS", requires = "keep")]
        strike: Vec<String>,
        /// Shows what would be signed, and signs nothing.
        #[arg(long)]
        dry_run: bool,
        /// The members' card.json files; for an organisation that has no node and is reached by BaRS, a file of its ods, name,
        /// url and service.
        #[arg(required_unless_present = "keep")]
        cards: Vec<PathBuf>,
    },
    /// Invites an organisation to the network.
    ///
    /// Give the file to them, and tell them the stewards' fingerprint by telephone. They run `handover join`; their card then
    /// stands on the work list of the member where they answered, for you to compare and to sign with `sign --keep`.
    Invite {
        /// The folder with the steward's key.
        #[arg(long)]
        steward: PathBuf,
        /// The present directory: it says at whose pages the invitation can be answered.
        #[arg(long, default_value = "directory.jws")]
        directory: PathBuf,
        /// The stewards' public keys.
        #[arg(long, default_value = "steward.pub")]
        steward_key: PathBuf,
        /// How many of them must sign the directory.
        #[arg(long, default_value_t = 1)]
        signatures_needed: u8,
        /// The organisation's ODS code.
        #[arg(long)]
        ods: String,
        /// The organisation's name.
        #[arg(long)]
        name: String,
        /// What it is: hospital, gp-practice, pharmacy, social-care, ... (may be given more than once).
        #[arg(long = "role", required = true)]
        roles: Vec<String>,
        /// For how many days it can be answered.
        #[arg(long, default_value_t = 7)]
        days: u16,
        /// The members at whose pages it is answered, by ODS code; the first few of the directory if none is named.
        #[arg(long, value_name = "ODS")]
        at: Vec<String>,
        /// The invitation to write.
        #[arg(long, default_value = "invitation.jws")]
        out: PathBuf,
    },
    /// Adds another steward's signature to a directory, after showing what it says.
    Countersign {
        /// The folder with the steward's key.
        #[arg(long)]
        steward: PathBuf,
        /// The signed directory, which gets a line more.
        #[arg(long, default_value = "directory.jws")]
        directory: PathBuf,
        /// The stewards' public keys, to check who signed it before.
        #[arg(long, default_value = "steward.pub")]
        steward_key: PathBuf,
        /// Shows what would be signed, and signs nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Checks a directory's signatures and lists its members.
    Show {
        /// The signed directory.
        #[arg(long, default_value = "directory.jws")]
        directory: PathBuf,
        /// The stewards' public keys.
        #[arg(long, default_value = "steward.pub")]
        steward_key: PathBuf,
        /// How many of them must have signed it.
        #[arg(long, default_value_t = 1)]
        signatures_needed: u8,
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
            Command::Card { config } => card(&config, false),
            Command::RenewKeys { config } => card(&config, true),
            Command::Sign {
                steward,
                out,
                days,
                keep,
                strike,
                dry_run,
                cards,
            } => {
                let members = Members {
                    keep,
                    strike,
                    cards,
                };
                sign(&steward, &out, days, dry_run, &members)
            }
            Command::Countersign {
                steward,
                directory,
                steward_key,
                dry_run,
            } => countersign(&steward, &directory, &steward_key, dry_run),
            Command::Invite {
                steward,
                directory,
                steward_key,
                signatures_needed,
                ods,
                name,
                roles,
                days,
                at,
                out,
            } => {
                let key = open_steward(&steward)?;
                let stewards = read_steward(&steward_key, signatures_needed)?;
                let text = read(&directory)?;
                let guest = Guest {
                    ods,
                    name,
                    roles,
                    days,
                    at,
                };
                invite::invite(&key, &stewards, &text, guest, &out)
            }
            Command::Show {
                directory,
                steward_key,
                signatures_needed,
            } => {
                let stewards = read_steward(&steward_key, signatures_needed)?;
                let directory =
                    Signed::verify(&read(&directory)?, &stewards, Clock::system().now())?;
                show(&directory);
                Ok(())
            }
        }
    }
}

/// Who a new directory is to list.
struct Members {
    keep: bool,
    strike: Vec<String>,
    cards: Vec<PathBuf>,
}

impl Members {
    /// The members, beside those of the present directory, and who is reached by BaRS.
    fn list(&self, present: Option<&Signed>) -> anyhow::Result<(Vec<Member>, Vec<ByBars>)> {
        let (mut cards, mut by_bars) = (Vec::new(), Vec::new());
        for path in &self.cards {
            let text = read(path)?;
            let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            // An entry without a node is known by its service: a card has none.
            let read = match json.get("service").is_some() {
                true => ByBars::parse(text.as_bytes()).map(|it| by_bars.push(it)),
                false => Member::parse(text.as_bytes()).map(|it| cards.push(it)),
            };
            read.with_context(|| path.display().to_string())?;
        }
        if !self.keep {
            return Ok((cards, by_bars));
        }
        let Some(present) = present else {
            bail!("there is no directory yet whose members could be kept");
        };
        let (mut members, mut kept) = (present.members.clone(), present.bars.clone());
        for ods in &self.strike {
            let before = members.len() + kept.len();
            members.retain(|member| member.ods != *ods);
            kept.retain(|it| it.ods != *ods);
            if members.len() + kept.len() == before {
                bail!("--strike {ods}: the directory does not list it");
            }
        }
        let mut given: Vec<String> = cards.iter().map(|it| it.ods.clone()).collect();
        given.extend(by_bars.iter().map(|it| it.ods.clone()));
        // Who gets a node is a member from then on, and the other way round.
        members.retain(|member| !given.contains(&member.ods));
        kept.retain(|it| !given.contains(&it.ods));
        members.extend(cards);
        members.sort_by(|a, b| a.ods.cmp(&b.ods));
        kept.extend(by_bars);
        kept.sort_by(|a, b| a.ods.cmp(&b.ods));
        Ok((members, kept))
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

/// The stewards by whom a node's directory must be signed.
///
/// # Errors
/// Names the setting and what is wrong with it.
pub fn read_stewards(config: &Config) -> anyhow::Result<Stewards> {
    let exchange = &config.exchange;
    let stewards = read_steward(&exchange.steward_key, exchange.signatures_needed);
    stewards.context("exchange.steward_key, exchange.signatures_needed")
}

/// Reads stewards' public keys, so many of whom must have signed.
///
/// # Errors
/// Names the file and what is wrong with it.
pub fn read_steward(path: &Path, needed: u8) -> anyhow::Result<Stewards> {
    Stewards::parse(&read(path)?, needed.into()).with_context(|| path.display().to_string())
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
    sign_all(steward, (members, Vec::new()), previous, days)
}

/// The same with organisations that are reached by BaRS.
fn sign_all(
    steward: &SigningKey,
    (members, bars): (Vec<Member>, Vec<ByBars>),
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
        bars,
    };
    let text = directory.sign(steward)?;
    Ok((directory, text))
}

fn sign(
    steward: &Path,
    out: &Path,
    days: u16,
    dry_run: bool,
    members: &Members,
) -> anyhow::Result<()> {
    let key = SigningKey::open(&steward.join(STEWARD_KEY))?;
    let present = match out.exists() {
        // An expired directory still says which version comes next.
        true => {
            let old = Signed::verify(&read(out)?, &key.public().clone().into(), 0);
            let named = || {
                format!(
                    "{} is there but this steward did not sign it",
                    out.display()
                )
            };
            Some(old.with_context(named)?)
        }
        false => None,
    };
    let previous = present.as_ref().map_or(0, |present| present.version);
    let (directory, text) = sign_all(&key, members.list(present.as_ref())?, previous, days)?;
    show(&directory);
    if dry_run {
        println!("Nothing was signed.");
        return Ok(());
    }
    exchange::directory::replace(out, &text).with_context(|| out.display().to_string())?;
    println!(
        "Wrote {}. Where the network needs more signatures, have the other stewards add theirs. Then put it in the place \
         of one member's: a running node takes it within seconds, and the others from it within a minute.",
        out.display()
    );
    Ok(())
}

/// Adds a steward's signature.
fn countersign(
    steward: &Path,
    path: &Path,
    steward_key: &Path,
    dry_run: bool,
) -> anyhow::Result<()> {
    let key = SigningKey::open(&steward.join(STEWARD_KEY))?;
    let text = read(path)?;
    let stewards = read_steward(steward_key, 1)?;
    let directory = Signed::verify(&text, &stewards, Clock::system().now())
        .with_context(|| path.display().to_string())?;
    show(&directory);
    if Signed::verify(&text, &key.public().clone().into(), 0).is_ok() {
        bail!("this steward has signed it already");
    }
    let signed = directory.countersign(&text, &key)?;
    if dry_run {
        println!("Nothing was signed.");
        return Ok(());
    }
    exchange::directory::replace(path, &signed).with_context(|| path.display().to_string())?;
    println!("Added a signature to {}.", path.display());
    Ok(())
}

fn card(config_path: &Path, renews: bool) -> anyhow::Result<()> {
    let config = Config::read(config_path)?;
    let ods = Ods::parse(&config.organisation.ods)?;
    if !Identity::exists(&config.exchange.keys) {
        bail!(
            "{} holds no keys; `handover init` makes them",
            config.exchange.keys.display()
        );
    }
    let identity = Identity::open(&config.exchange.keys, &ods)?;
    if renews {
        identity.make_next()?;
    }
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
    for it in &directory.bars {
        println!("  {:<10} {} (by BaRS)", it.ods, it.name);
        println!("             {}  service {}", it.url, it.service);
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
        let read =
            Signed::verify(&text, &kept.public().clone().into(), directory.issued_at).unwrap();
        assert_eq!(read, directory);
    }
}
