//! `handover init`: a new node's keys, settings and card.

use std::path::{Path, PathBuf};

use access::Ods;
use anyhow::{Context, bail};
use exchange::directory::{About, Member};
use exchange::keys::Identity;
use store::Clock;

use crate::config::{self, Config};

/// A card is good for two years; a steward may shorten it.
const CARD_VALID_MS: i64 = 2 * 365 * 24 * 3600 * 1000;

/// Makes a new node: its keys, a commented handover.toml, and card.json for the network's steward.
///
/// Nothing that is there already is overwritten. Afterwards: change what the settings say about addresses, run
/// `handover directory card` if you did, hand card.json to the steward, and put the directory.jws and steward.pub you get
/// back into the folder. Then `handover serve`. Who has an invitation to a network needs only `handover join`.
#[derive(clap::Args)]
pub struct Init {
    /// The organisation's ODS code.
    #[arg(long)]
    pub ods: String,
    /// The organisation's name, as letters and pages show it.
    #[arg(long)]
    pub name: String,
    /// What it is: hospital, gp-practice, pharmacy, social-care, ... (may be given more than once).
    #[arg(long = "role", required = true)]
    pub roles: Vec<String>,
    /// Where to put it all; made when it is not there.
    #[arg(long, default_value = ".")]
    pub folder: PathBuf,
}

impl Init {
    pub fn run(self) -> anyhow::Result<()> {
        let (settings, card) = self.make(str::to_owned)?;
        println!("Made {} and the keys beside it.", settings.display());
        println!("Next:");
        println!(
            "  1. Look through {}: addresses and doors.",
            settings.display()
        );
        println!(
            "  2. Give {} to the network's steward, or be the steward:",
            card.display()
        );
        println!("     handover directory --help");
        println!(
            "  3. Put directory.jws and steward.pub into {}.",
            self.folder.display()
        );
        println!(
            "  4. handover account add --config {} --help",
            settings.display()
        );
        println!("  5. handover serve --config {}", settings.display());
        Ok(())
    }

    /// Makes keys, settings and card; `change` is given the settings' text before it is written. Gives where the
    /// settings and the card are.
    ///
    /// # Errors
    /// If there are settings or keys already; what cannot be written.
    pub fn make(&self, change: impl FnOnce(&str) -> String) -> anyhow::Result<(PathBuf, PathBuf)> {
        let ods = Ods::parse(&self.ods)?;
        let settings = self.folder.join("handover.toml");
        if settings.exists() {
            bail!(
                "{} is there already; nothing was changed",
                settings.display()
            );
        }
        std::fs::create_dir_all(&self.folder).with_context(|| self.folder.display().to_string())?;
        let text = change(&settings_text(&ods, &self.name, &self.roles));
        let config = Config::parse(&text)?;
        std::fs::write(&settings, text).with_context(|| settings.display().to_string())?;
        let identity = Identity::create(&self.folder.join(&config.exchange.keys), &ods)?;
        let card = write_card(&identity, &config, &self.folder)?;
        Ok((settings, card))
    }
}

/// The example file with this organisation's own values; a hospital's HL7 v2 door is open, on loopback.
fn settings_text(ods: &Ods, name: &str, roles: &[String]) -> String {
    let shown = |value: &str| toml::Value::String(value.to_owned()).to_string();
    let is_hospital = roles.iter().any(|role| role == "hospital");
    let roles: Vec<String> = roles.iter().map(|role| shown(role)).collect();
    config::example()
        .lines()
        .map(|line| match line.split(" = ").next() {
            Some("ods") => format!("ods = {}", shown(ods.as_str())),
            Some("name") => format!("name = {}", shown(name)),
            Some("roles") => format!("roles = [{}]", roles.join(", ")),
            Some("# listen") if is_hospital && line.contains(":2575") => {
                line.trim_start_matches("# ").to_owned()
            }
            _ => line.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("\n")
        + "\n"
}

/// Writes `card.json`: who this node is, for the directory; with its next keys beside the present ones, if some are
/// made.
///
/// # Errors
/// If an address in the settings could not stand in a directory, or the file cannot be written.
pub fn write_card(identity: &Identity, config: &Config, folder: &Path) -> anyhow::Result<PathBuf> {
    let about = About {
        name: config.organisation.name.clone(),
        roles: config.organisation.roles.clone(),
        exchange: config.exchange.public_url.clone(),
        pages: config.pages.public_url.clone(),
        mailboxes: config.mesh_server.named(),
    };
    let now = Clock::system().now();
    let mut card = Member::card(identity, about, now, now + CARD_VALID_MS);
    if let Some(next) = identity.next()? {
        card = card.beside(&next, now, now + CARD_VALID_MS);
    }
    let json = serde_json::to_vec_pretty(&card)?;
    Member::parse(&json)?;
    let path = folder.join("card.json");
    std::fs::write(&path, json).with_context(|| path.display().to_string())?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::{Init, settings_text};
    use crate::config::Config;

    #[test]
    fn the_settings_carry_the_organisation_and_read_back() {
        let ods = access::Ods::parse("RZZ01").unwrap();
        let text = settings_text(&ods, "St \"Anne's\"", &["hospital".to_owned()]);
        let config = Config::parse(&text).unwrap();
        assert_eq!(config.organisation.name, "St \"Anne's\"");
        assert_eq!(config.organisation.roles, ["hospital"]);
        assert!(config.hl7v2.listen.is_some());
    }

    #[test]
    fn a_second_init_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let init = || Init {
            ods: "RZZ01".to_owned(),
            name: "Anytown".to_owned(),
            roles: vec!["hospital".to_owned()],
            folder: folder.path().join("node"),
        };
        init().run().unwrap();
        let before = std::fs::read(folder.path().join("node/keys/signing.pem")).ok();
        assert!(
            init()
                .run()
                .unwrap_err()
                .to_string()
                .contains("there already")
        );
        let after = std::fs::read(folder.path().join("node/keys/signing.pem")).ok();
        assert_eq!(before, after);
        assert!(folder.path().join("node/card.json").exists());
    }
}
