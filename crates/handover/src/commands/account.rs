//! `handover account`: who can sign in at this node.

mod familiar;
mod sessions;

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use access::{NhsNumber, Ods, Outcome, Role, Scope, SystemPurpose, Target};
use anyhow::{Context, bail};
use store::accounts::{Holder, NewAccount};
use store::care::{CareDone, CareWrite, FamiliarKind};
use store::{Done, Effect, Job, Reading, Store};
use web::sign_in::password;

use crate::config::Config;
use crate::node::open_store;

/// Opens and closes the accounts of staff and patients at this node.
///
/// The password is read from the terminal, or from standard input when that is a pipe.
#[derive(clap::Args)]
pub struct Account {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Opens an account for one of the staff, or gives it a new password, name or role.
    Add {
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
        /// What they sign in with.
        #[arg(long)]
        username: String,
        /// Their name, as letters' journeys and the trace show it.
        #[arg(long)]
        name: String,
        /// clinician, clerk, engineer (queues, never clinical content) or privacy-officer.
        #[arg(long)]
        role: String,
        /// Their own NHS number, so that the node knows when they would open their own record.
        #[arg(long)]
        own_nhs_number: Option<String>,
    },
    /// Opens an account for a patient whose identity was checked in person.
    AddPatient {
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
        /// What they sign in with.
        #[arg(long)]
        username: String,
        /// Their name.
        #[arg(long)]
        name: String,
        /// The id of their Patient resource at this node.
        #[arg(long)]
        patient: String,
        /// Their NHS number.
        #[arg(long)]
        nhs_number: String,
    },
    /// Says that a member of staff knows a patient otherwise, or no more: their record is then flagged or withheld from
    /// them, as the settings say under `familiar_records`. Without a patient it lists whom they know.
    ///
    /// Their own record, and colleagues', follow from --own-nhs-number.
    Knows {
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
        #[arg(long)]
        username: String,
        /// The id of the Patient resource at this node.
        #[arg(long)]
        patient: Option<String>,
        /// family or colleague.
        #[arg(long, default_value = "family")]
        kind: String,
        /// They do not know the patient after all.
        #[arg(long)]
        no_more: bool,
    },
    /// Lists where somebody is signed in.
    Sessions {
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
        #[arg(long)]
        username: String,
    },
    /// Signs somebody out: everywhere, or in one session that `sessions` lists. Tokens handed out in a session end with it.
    Revoke {
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
        #[arg(long)]
        username: String,
        /// The session's name in the list.
        #[arg(long)]
        session: Option<String>,
    },
    /// Forgets somebody's codes and recovery codes, for who has lost both: at the next sign-in they set up codes anew.
    ForgetSecondFactor {
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
        #[arg(long)]
        username: String,
    },
    /// Closes an account: its sessions end at once, its tokens are no longer good.
    Close {
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
        #[arg(long)]
        username: String,
    },
}

impl Account {
    pub async fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Add {
                config,
                username,
                name,
                role,
                own_nhs_number,
            } => {
                let own = own_nhs_number.as_deref().map(NhsNumber::parse);
                let own = own.transpose().context("--own-nhs-number")?;
                let (store, ods) = open(&config).await?;
                let role = Role::parse(&role)?;
                let holder = Holder::Staff {
                    role,
                    organisation: ods,
                };
                add(store, username, name, holder, own).await
            }
            Command::AddPatient {
                config,
                username,
                name,
                patient,
                nhs_number,
            } => {
                let (store, _) = open(&config).await?;
                let nhs_number = NhsNumber::parse(&nhs_number)?;
                check_patient(&store, &patient, &nhs_number).await?;
                add(
                    store,
                    username,
                    name,
                    Holder::Patient {
                        patient,
                        nhs_number,
                    },
                    None,
                )
                .await
            }
            Command::Knows {
                config,
                username,
                patient,
                kind,
                no_more,
            } => {
                let kind = FamiliarKind::from_code(&kind)
                    .with_context(|| format!("--kind {kind}: it is family or colleague"))?;
                let (store, _) = open(&config).await?;
                let kind = (!no_more).then_some(kind);
                let said = familiar::knows(&store, &username, patient.as_deref(), kind).await;
                store.close().await;
                print!("{}", said?);
                Ok(())
            }
            Command::Sessions { config, username } => {
                let (store, _) = open(&config).await?;
                let listed = sessions::list(&store, &username).await;
                store.close().await;
                print!("{}", listed?);
                Ok(())
            }
            Command::Revoke {
                config,
                username,
                session,
            } => {
                let (store, _) = open(&config).await?;
                let ended = sessions::revoke(&store, &username, session.as_deref()).await;
                store.close().await;
                println!("Ended {} of {username}'s sessions.", ended?);
                Ok(())
            }
            Command::ForgetSecondFactor { config, username } => {
                let (store, _) = open(&config).await?;
                let forgot = sessions::forget_second_factor(&store, &username).await;
                store.close().await;
                forgot?;
                println!("{username} sets up codes anew at the next sign-in.");
                Ok(())
            }
            Command::Close { config, username } => {
                let (store, _) = open(&config).await?;
                let closed = store.close_account(&username).await;
                store.close().await;
                if !closed? {
                    bail!("there is no account {username:?}");
                }
                println!("Closed {username}.");
                Ok(())
            }
        }
    }
}

/// The store of the node with these settings, and whose node it is.
pub async fn open(config: &Path) -> anyhow::Result<(Store, Ods)> {
    let config = Config::read(config)?;
    let store = open_store(&config).await?;
    let ods = store.organisation().clone();
    Ok((store, ods))
}

/// The account of a member of staff.
///
/// # Errors
/// If there is none of that user name, or it is a patient's.
pub async fn staff(store: &Store, username: &str) -> anyhow::Result<store::accounts::Account> {
    let found = store.credentials(username).await?;
    let account = found
        .with_context(|| format!("there is no account {username:?}"))?
        .account;
    if !matches!(account.holder, Holder::Staff { .. }) {
        bail!("{username} is a patient, and not a member of staff");
    }
    Ok(account)
}

/// Makes a change of who cares for whom, with its line in the log; how many rows it changed.
///
/// # Errors
/// If the store cannot write.
pub async fn commit_care(
    store: &Store,
    scope: &Scope,
    write: CareWrite,
    target: Target,
) -> anyhow::Result<u64> {
    let job = Job {
        effects: vec![Effect::Care(write)],
        traces: vec![scope.trace(scope.interaction(), Outcome::Success, target)],
        ..Job::default()
    };
    let committed = store.commit(scope, job).await?;
    match committed.done.first() {
        Some(Done::Care(CareDone::Changed(count))) => Ok(*count),
        _ => bail!("the change was made, but what came of it is not known"),
    }
}

/// An account opens a record to whoever signs in with it, so the record must be there and bear the NHS number given.
async fn check_patient(store: &Store, id: &str, number: &NhsNumber) -> anyhow::Result<()> {
    let scope = Scope::system(SystemPurpose::OpenAccount);
    let Reading::Found(version) = store.read(&scope, "Patient", id).await? else {
        bail!("there is no Patient/{id} at this node; register the patient first");
    };
    let patient: serde_json::Value = serde_json::from_slice(&version.body)?;
    let identifiers = patient
        .get("identifier")
        .and_then(serde_json::Value::as_array);
    let is_theirs = identifiers.into_iter().flatten().any(|identifier| {
        let text = |name: &str| identifier.get(name).and_then(serde_json::Value::as_str);
        text("system") == Some(NhsNumber::SYSTEM)
            && text("value").map(|value| value.replace(' ', "")).as_deref() == Some(number.digits())
    });
    if !is_theirs {
        bail!("Patient/{id} does not bear that NHS number; no account was opened");
    }
    Ok(())
}

async fn add(
    store: Store,
    username: String,
    name: String,
    holder: Holder,
    own: Option<NhsNumber>,
) -> anyhow::Result<()> {
    let is_staff = matches!(holder, Holder::Staff { .. });
    let mut opened = open_account(&store, &username, &name, holder, &read_password()?).await;
    if let (true, Ok(account)) = (is_staff, &opened) {
        let told = store.set_own_nhs_number(*account, own.as_ref()).await;
        opened = told.map(|()| *account).map_err(Into::into);
    }
    store.close().await;
    opened?;
    println!("{username} can sign in.");
    Ok(())
}

/// Opens an account, or brings the one of that user name up to date; its id.
///
/// # Errors
/// If the password is too short, or the store cannot write.
pub async fn open_account(
    store: &Store,
    username: &str,
    name: &str,
    holder: Holder,
    password: &str,
) -> anyhow::Result<i64> {
    let account = NewAccount {
        login: username.to_owned(),
        name: name.to_owned(),
        holder,
        password_hash: Some(password::hash(password)?),
    };
    Ok(store.open_account(account).await?)
}

fn read_password() -> anyhow::Result<String> {
    if std::io::stdin().is_terminal() {
        print!("Password (it will be seen as you type): ");
        std::io::stdout().flush()?;
    }
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .context("the password")?;
    let password = line.trim_end_matches(['\r', '\n']).to_owned();
    if password.is_empty() {
        bail!("no password was given; type it, or pipe it in");
    }
    Ok(password)
}
