//! Where copies are, from the settings or from the command line.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use exchange::copies::{Place, S3, S3Credentials, Secret, Survey};
use exchange::{PublicKey, SigningKey};
use store::Clock;

use crate::config::Config;

/// The place that the settings name.
///
/// # Errors
/// Names the setting and the reason.
pub fn place(config: &Config, clock: &Clock) -> anyhow::Result<Place> {
    let backup = &config.backup;
    if let Some(folder) = &backup.folder {
        return Ok(Place::Folder(folder.clone()));
    }
    let (Some(endpoint), Some(bucket)) = (&backup.s3_endpoint, &backup.s3_bucket) else {
        bail!("backup: neither folder nor s3_endpoint is given, so there are no copies");
    };
    let credentials = S3Credentials::open(&backup.s3_credentials)
        .with_context(|| format!("backup.s3_credentials: {}", backup.s3_credentials.display()))?;
    let names = (bucket.as_str(), backup.s3_region.as_str());
    let s3 = S3::new(
        (endpoint, backup.s3_private),
        names,
        credentials,
        clock.clone(),
    );
    Ok(Place::S3(Box::new(s3.context("backup.s3_endpoint")?)))
}

/// Which copies are meant.
#[derive(clap::Args)]
pub struct Source {
    /// The node's settings, whose section [backup] says where the copies are. Where the node is lost, a file with
    /// [organisation] and [backup] does, or `--from`.
    #[arg(long, default_value = "handover.toml")]
    pub config: PathBuf,
    /// A folder of copies, instead of the place that the settings name.
    #[arg(long)]
    pub from: Option<PathBuf>,
    /// The secret key that `handover backup key` made, from where it is kept.
    #[arg(long)]
    pub key: Option<PathBuf>,
    /// A public key (JWK) that signed copies, beside those in the secret key's file and the node's own.
    #[arg(long = "signer")]
    pub signers: Vec<PathBuf>,
}

/// Copies that can be read.
pub struct Found {
    pub place: Place,
    pub organisation: String,
    pub signers: Vec<PublicKey>,
    pub secret: Option<Secret>,
    pub config: Option<Config>,
}

impl Source {
    /// Opens the place, and gathers the keys that its copies may be signed with.
    ///
    /// # Errors
    /// Names what is missing.
    pub fn open(&self) -> anyhow::Result<Found> {
        let config = match self.config.exists() || self.from.is_none() {
            true => Some(Config::read(&self.config)?),
            false => None,
        };
        let place = match (&self.from, &config) {
            (Some(folder), _) if !folder.is_dir() => bail!("{} is no folder", folder.display()),
            (Some(folder), _) => Place::Folder(folder.clone()),
            (None, Some(config)) => place(config, &Clock::system())?,
            (None, None) => bail!("give --from or --config: where are the copies?"),
        };
        let secret = self.key.as_deref().map(open_secret).transpose()?;
        let mut signers = Vec::new();
        signers.extend(secret.iter().flat_map(|secret| secret.signers.clone()));
        for path in &self.signers {
            let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
            signers.push(PublicKey::parse(&bytes).with_context(|| path.display().to_string())?);
        }
        if let Some(config) = &config
            && let Ok(own) = SigningKey::open(&config.exchange.keys.join("signing.key"))
        {
            signers.push(own.public().clone());
        }
        if signers.is_empty() {
            bail!("give --key or --signer: whose signature is to be believed?");
        }
        let organisation = match (&secret, &config) {
            (Some(secret), _) => secret.organisation.clone(),
            (None, Some(config)) => config.organisation.ods.clone(),
            (None, None) => bail!("give --key: whose copies are they?"),
        };
        Ok(Found {
            place,
            organisation,
            signers,
            secret,
            config,
        })
    }
}

impl Found {
    /// Reads and checks the newest chains, and tells how far it is.
    ///
    /// # Errors
    /// Those of the place.
    pub async fn survey(&self, chains_max: usize) -> anyhow::Result<Survey> {
        let whose = (self.organisation.as_str(), self.signers.as_slice());
        let tell = |read: usize, of: usize| {
            if read.is_multiple_of(100) || read == of {
                eprintln!("read {read} of {of} objects");
            }
        };
        Ok(Survey::take(&self.place, whose, chains_max, tell).await?)
    }

    /// The secret key, without which nothing opens.
    ///
    /// # Errors
    /// If it was not given.
    pub fn secret(&self) -> anyhow::Result<&Secret> {
        let secret = self.secret.as_ref();
        secret.context("give --key: the secret key that `handover backup key` made")
    }
}

fn open_secret(path: &Path) -> anyhow::Result<Secret> {
    Secret::open(path).with_context(|| path.display().to_string())
}
