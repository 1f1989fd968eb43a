//! `handover backup key`

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use exchange::SigningKey;
use exchange::copies::Secret;

use crate::config::Config;

/// Makes the key that copies are sealed to: the public half for the node, the secret one for you.
///
/// The secret half is written once, to the file you name. Move it to where nobody who breaks into the node can reach it, on
/// paper or two sticks in two safes: without it no copy opens, and with it every copy does. It also holds the node's public
/// signing key, by which a restored copy is believed.
#[derive(clap::Args)]
pub struct Key {
    /// The node's settings; the public half goes to [backup] key.
    #[arg(long, default_value = "handover.toml")]
    config: PathBuf,
    /// Where the secret half is written. Not into the folders of the node.
    #[arg(long)]
    out: PathBuf,
}

impl Key {
    pub fn run(self) -> anyhow::Result<()> {
        let config = Config::read(&self.config)?;
        let public = &config.backup.key;
        if public.exists() {
            bail!(
                "{} is there already; copies are sealed to it. To change keys, move it away first and keep its \
                 secret half for the old copies",
                public.display()
            );
        }
        let folder = self.out.parent().unwrap_or(&self.out);
        let near = [config.file.parent(), Some(config.exchange.keys.as_path())];
        let place = |path: &std::path::Path| {
            let path = match path.as_os_str().is_empty() {
                true => std::path::Path::new("."),
                false => path,
            };
            path.canonicalize().ok()
        };
        if near
            .into_iter()
            .flatten()
            .any(|it| place(it) == place(folder))
        {
            bail!("--out: the secret half must not lie in the folders of the node");
        }
        let keys = &config.exchange.keys;
        let signer = SigningKey::open(&keys.join("signing.key"))
            .with_context(|| format!("exchange.keys: {}", keys.display()))?;
        let secret = Secret::make(&config.organisation.ods, signer.public())?;
        let recipient = secret.recipient()?;
        secret
            .write(&self.out)
            .with_context(|| self.out.display().to_string())?;
        std::fs::write(public, recipient.to_text())
            .with_context(|| public.display().to_string())?;
        println!(
            "The node seals its copies to the key {} in",
            recipient.name()
        );
        println!("  {}", public.display());
        println!(
            "The secret half is in {} and nowhere else.",
            self.out.display()
        );
        println!(
            "Take it away from this machine now: without it no copy opens, with it every copy does."
        );
        Ok(())
    }
}
