//! `handover app`: apps and systems of others, with tokens of their own.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use store::oauth::{ClientKind, OauthWrite};
use web::oauth::{Oauth, Registration, approve, revoke_app};

use super::account::open;
use crate::config::Config;

/// Lets apps and other organisations' systems use /fhir with tokens of their own (SMART App Launch).
#[derive(clap::Args)]
pub struct App {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Adds an app or a system, and approves it. Prints its client id.
    ///
    /// An app has an address (--redirect) that people's browsers are sent back to, and asks for patient/ or user/
    /// scopes. A system has none, signs with its own key, and asks for system/ scopes.
    Add(Add),
    /// Lists the apps, the newest first.
    List {
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
    },
    /// Approves an app that registered itself, or that was revoked.
    Approve {
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
        /// The client id, as `handover app list` shows it.
        id: String,
    },
    /// Revokes an app: its tokens are good no longer.
    Revoke {
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
        /// The client id, as `handover app list` shows it.
        id: String,
    },
}

#[derive(clap::Args)]
struct Add {
    /// The node's settings.
    #[arg(long, default_value = "handover.toml")]
    config: PathBuf,
    /// The name that people see when it asks them.
    #[arg(long)]
    name: String,
    /// An address that a browser may be sent back to, to the letter. May stand several times.
    #[arg(long)]
    redirect: Vec<String>,
    /// Where staff start it for a patient (EHR launch).
    #[arg(long)]
    launch: Option<String>,
    /// The most it may be granted, such as "openid fhirUser launch/patient offline_access patient/*.rs".
    #[arg(long)]
    scope: String,
    /// A file with its public keys, as a JWK set.
    #[arg(long)]
    jwks: Option<PathBuf>,
    /// The https address of its public keys.
    #[arg(long, conflicts_with = "jwks")]
    jwks_uri: Option<String>,
    /// Gives it a shared secret, where apps.secrets_allowed is set. A key is better.
    #[arg(long, conflicts_with_all = ["jwks", "jwks_uri"])]
    secret: bool,
}

/// Who approves by command.
const OPERATOR: &str = "by command";

impl App {
    pub async fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Add(add) => add.run().await,
            Command::List { config } => list(&config).await,
            Command::Approve { config, id } => {
                let (store, _) = open(&config).await?;
                let outcome = approve(&store, &id, OPERATOR).await;
                store.close().await;
                outcome?;
                println!("Approved {id}.");
                Ok(())
            }
            Command::Revoke { config, id } => {
                let (store, _) = open(&config).await?;
                let outcome = revoke_app(&store, &id, OPERATOR).await;
                store.close().await;
                outcome?;
                println!("Revoked {id}: its tokens are good no longer.");
                Ok(())
            }
        }
    }
}

async fn list(config: &Path) -> anyhow::Result<()> {
    let (store, _) = open(config).await?;
    let clients = store.oauth_clients().await;
    store.close().await;
    for client in clients? {
        println!(
            "{}  {}  {}  {}  {}",
            client.id,
            client.state.code(),
            client.kind.code(),
            client.name,
            client.scopes
        );
    }
    Ok(())
}

impl Add {
    async fn run(self) -> anyhow::Result<()> {
        let secrets_allowed = Config::read(&self.config)?.apps.secrets_allowed;
        if self.secret && !secrets_allowed {
            bail!(
                "apps.secrets_allowed is not set; give the app's public keys with --jwks instead"
            );
        }
        let jwks = match &self.jwks {
            Some(path) => Some(read_json(path)?),
            None => None,
        };
        let method = match (&jwks, &self.jwks_uri, self.secret) {
            (None, None, false) => "none",
            (None, None, true) => "client_secret_basic",
            _ => "private_key_jwt",
        };
        let registration = Registration {
            client_name: self.name,
            redirect_uris: self.redirect,
            token_endpoint_auth_method: Some(method.into()),
            scope: self.scope.clone(),
            jwks,
            jwks_uri: self.jwks_uri,
            initiate_login_uri: self.launch,
            grant_types: None,
        };
        let mut settings = Oauth::default();
        settings.secrets_allowed = secrets_allowed;
        let (store, _) = open(&self.config).await?;
        let (client, secret) = registration.client(&settings, store.now())?;
        let put = OauthWrite::PutClient(Box::new(client.clone()));
        store.write_oauth(put).await?;
        let approved = approve(&store, &client.id, OPERATOR).await;
        store.close().await;
        approved?;
        println!("{}", client.id);
        if let Some(secret) = secret {
            println!("{}", secret.reveal());
            eprintln!("The second line is its secret. It is not shown again.");
        }
        if client.kind == ClientKind::Public && client.scopes.contains("offline_access") {
            eprintln!(
                "It keeps no secret: consider DPoP, so that a stolen token is worth nothing."
            );
        }
        eprintln!("It may be granted: {}", client.scopes);
        Ok(())
    }
}

fn read_json(path: &Path) -> anyhow::Result<serde_json::Value> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| format!("{}: not JSON", path.display()))
}
