//! `handover token`: keys for the organisation's own FHIR clients.

use std::path::PathBuf;

use access::Role;
use anyhow::bail;
use store::accounts::{Holder, NewAccount};
use web::secret::Secret;

use super::account::open;

/// Makes and drops the tokens with which the organisation's own systems use /fhir.
#[derive(clap::Args)]
pub struct Token {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Makes a token and prints it, once; the node keeps only its digest.
    Add {
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
        /// The system's name, as the trace shows it. A system may have several tokens.
        #[arg(long)]
        name: String,
    },
    /// Makes a token good no longer. The token is read from standard input.
    Drop {
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
    },
}

impl Token {
    pub async fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Add { config, name } => {
                let (store, ods) = open(&config).await?;
                let holder = Holder::Staff {
                    role: Role::System,
                    organisation: ods,
                };
                let token = add(&store, &name, holder).await;
                store.close().await;
                println!("{}", token?.reveal());
                eprintln!("Send it as `Authorization: Bearer <token>`. It is not shown again.");
                Ok(())
            }
            Command::Drop { config } => {
                let (store, _) = open(&config).await?;
                let token = std::io::read_to_string(std::io::stdin())?;
                let dropped = match Secret::presented(token.trim()) {
                    Some(secret) => store.drop_token(secret.digest()).await,
                    None => Ok(false),
                };
                store.close().await;
                if !dropped? {
                    bail!("there is no such token");
                }
                println!("The token is good no longer.");
                Ok(())
            }
        }
    }
}

/// A new token for the account of the system of that name, which is opened if need be.
async fn add(store: &store::Store, name: &str, holder: Holder) -> anyhow::Result<Secret> {
    let account = NewAccount {
        login: format!("system:{}", name.trim().to_lowercase()),
        name: name.trim().to_owned(),
        holder,
        password_hash: None,
    };
    let account = store.open_account(account).await?;
    let secret = Secret::random();
    store
        .add_token(secret.digest(), account, name.trim())
        .await?;
    Ok(secret)
}
