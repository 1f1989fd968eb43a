//! `handover workgroup`: the teams to whom items are sealed.

use std::path::PathBuf;

use access::{Scope, SystemPurpose, Target};
use anyhow::{Context as _, bail};
use store::Store;
use store::care::CareWrite;

use super::account::{commit_care, open, staff};

/// Keeps the teams to whom items can be sealed: who is in which.
///
/// A resource is sealed by two labels in its `meta.security`: one of the system urn:handover:seal, whose code is
/// `sealed` (others are told that it exists, and may open it with a reason) or `sealed-and-locked` (others are told
/// nothing), and one of the system urn:handover:workgroup, whose code is the team's name here. Only the team's members
/// then read it, file it and take its labels away.
///
/// A team is there once somebody is in it. From then on people of this organisation, and apps, create resources by
/// POST only: an id of their choosing could be one that is hidden from them. The organisation's own systems (see
/// `handover token`) go on as before.
///
/// Examples:
///   handover workgroup add --workgroup gum --username bo
///   handover workgroup list
///   handover workgroup remove --workgroup gum --username bo
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Workgroup {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Prints each team with its members, or one team's.
    List {
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
        /// The team; all of them if it is left out.
        #[arg(long)]
        workgroup: Option<String>,
    },
    /// Puts a member of staff into a team. They see what is sealed to it within two seconds.
    Add {
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
        /// The team's name, as labels have it: letters, digits, - and ., at most 64.
        #[arg(long)]
        workgroup: String,
        /// What the member signs in with.
        #[arg(long)]
        username: String,
    },
    /// Takes a member of staff out of a team. What is sealed to it is hidden from them within two seconds. A team
    /// without members is gone, and what is sealed to it is then read by nobody until somebody is put into it again.
    Remove {
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
        /// The team's name.
        #[arg(long)]
        workgroup: String,
        /// What the member signs in with.
        #[arg(long)]
        username: String,
    },
}

impl Workgroup {
    pub async fn run(self) -> anyhow::Result<()> {
        let config = match &self.command {
            Command::List { config, .. }
            | Command::Add { config, .. }
            | Command::Remove { config, .. } => config.clone(),
        };
        let (store, _) = open(&config).await?;
        let done = done(&store, self.command).await;
        store.close().await;
        print!("{}", done?);
        Ok(())
    }
}

/// Does it; what to print.
async fn done(store: &Store, command: Command) -> anyhow::Result<String> {
    match command {
        Command::List { workgroup, .. } => list(store, workgroup.as_deref()).await,
        Command::Add {
            workgroup,
            username,
            ..
        } => {
            fhir::resource::check_id(&workgroup).context("--workgroup")?;
            let account = staff(store, &username).await?.id;
            let join = CareWrite::Join {
                account,
                workgroup: workgroup.clone(),
            };
            Ok(match commit(store, join, &workgroup, account).await? {
                0 => format!("{username} is in {workgroup} already.\n"),
                _ => format!("{username} is in {workgroup} now.\n"),
            })
        }
        Command::Remove {
            workgroup,
            username,
            ..
        } => {
            let account = staff(store, &username).await?.id;
            let leave = CareWrite::Leave {
                account,
                workgroup: workgroup.clone(),
            };
            if commit(store, leave, &workgroup, account).await? == 0 {
                bail!("{username} is not in {workgroup}; `handover workgroup list` shows who is");
            }
            Ok(format!("{username} is in {workgroup} no more.\n"))
        }
    }
}

async fn list(store: &Store, workgroup: Option<&str>) -> anyhow::Result<String> {
    let members = store.workgroup_members(workgroup).await?;
    if members.is_empty() {
        return Ok("Nobody is in a team; `handover workgroup add` puts them there.\n".to_owned());
    }
    let mut text = format!("{:<24}{:<20}{}\n", "workgroup", "username", "name");
    for (workgroup, account) in members {
        let (login, name) = (account.login, account.name);
        text.push_str(&format!("{workgroup:<24}{login:<20}{name}\n"));
    }
    Ok(text)
}

/// Makes the change with its line in the log; how many rows it changed.
pub(super) async fn commit(
    store: &Store,
    write: CareWrite,
    workgroup: &str,
    account: i64,
) -> anyhow::Result<u64> {
    let scope = Scope::system(SystemPurpose::KeepTeams);
    let what = match &write {
        CareWrite::Leave { .. } => "leave",
        _ => "join",
    };
    let target = Target {
        query: Some(format!("workgroup={workgroup}&account={account}&change={what}").into()),
        ..Target::default()
    };
    commit_care(store, &scope, write, target).await
}

#[cfg(test)]
mod tests {
    use store::accounts::Holder;
    use store::testing::on_each_database;

    use super::*;

    #[test]
    fn p11_teams_are_listed_joined_and_left_by_command() {
        on_each_database(async |ground| {
            let store = ground.open().await;
            let account = store::accounts::NewAccount {
                login: "bo".into(),
                name: "Dr Bo Test".into(),
                holder: Holder::Staff {
                    role: access::Role::Clinician,
                    organisation: store.organisation().clone(),
                },
                password_hash: None,
            };
            store.open_account(account).await.unwrap();
            let config = PathBuf::new;
            let add = |username: &str, workgroup: &str| Command::Add {
                config: config(),
                workgroup: workgroup.into(),
                username: username.into(),
            };
            let remove = || Command::Remove {
                config: config(),
                workgroup: "gum".into(),
                username: "bo".into(),
            };
            let all = || Command::List {
                config: config(),
                workgroup: None,
            };
            assert!(done(&store, all()).await.unwrap().contains("Nobody"));
            assert!(done(&store, add("ghost", "gum")).await.is_err());
            assert!(done(&store, add("bo", "not a name")).await.is_err());
            let joined = done(&store, add("bo", "gum")).await.unwrap();
            assert_eq!(joined, "bo is in gum now.\n");
            let again = done(&store, add("bo", "gum")).await.unwrap();
            assert_eq!(again, "bo is in gum already.\n");
            let listed = done(&store, all()).await.unwrap();
            assert!(
                listed.contains("gum") && listed.contains("Dr Bo Test"),
                "{listed}"
            );
            done(&store, remove()).await.unwrap();
            assert!(done(&store, remove()).await.is_err());
            assert!(done(&store, all()).await.unwrap().contains("Nobody"));
            store.close().await;
        });
    }
}
