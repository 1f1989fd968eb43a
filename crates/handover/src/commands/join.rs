//! `handover join`: a new node's way into a network that a steward invited it to.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use access::Ods;
use anyhow::{Context, bail};
use bytes::Bytes;
use exchange::directory::joining::{Asked, Invitation, Joining, fingerprint_of};
use exchange::directory::{Directory, Member, replace};
use exchange::keys::Identity;
use exchange::outgoing::{Call, Outgoing};
use exchange::wire::Refusal;
use http::Method;
use store::Clock;

use super::init::{Init, write_card};
use crate::config::Config;

/// How often a member is asked whether a steward has signed.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// A directory of 20,000 members, and its JSON.
const ANSWER_BYTES_MAX: usize = 20 << 20;
const ANSWER_SECONDS_MAX: u64 = 60;

/// Joins the network that an invitation is to.
///
/// Makes the node's keys and settings if they are not there, hands its card to a member of the network, and waits until
/// a steward has signed it; then the folder holds all that `handover serve` needs. It may be stopped and run again at any
/// time: it goes on where it was.
///
/// Before that, compare two fingerprints by a telephone number that you know: the stewards' with who invited you, and your
/// card's with the steward who signs. Whoever could put an invitation of their own in its place could read your letters.
#[derive(clap::Args)]
pub struct Join {
    /// The invitation, as a steward's `handover directory invite` wrote it.
    invitation: PathBuf,
    /// Where the node is, or is to be made.
    #[arg(long, default_value = ".")]
    folder: PathBuf,
    /// Where other nodes reach this one, such as https://handover.example.org:8443. Needed for a new node.
    #[arg(long)]
    exchange_url: Option<String>,
    /// Where people reach its pages, such as https://handover.example.org. Needed for a new node.
    #[arg(long)]
    pages_url: Option<String>,
    /// Hands the card over, says how it stands, and ends.
    #[arg(long)]
    no_wait: bool,
}

impl Join {
    /// # Errors
    /// Names what is wrong with the invitation, the settings or the answer, and what to do.
    pub async fn run(self) -> anyhow::Result<()> {
        let text = std::fs::read_to_string(&self.invitation)
            .with_context(|| self.invitation.display().to_string())?;
        let text = text.trim();
        let invitation =
            Invitation::read(text).with_context(|| self.invitation.display().to_string())?;
        let ods = Ods::parse(&invitation.ods)?;
        println!("{} ({ods}) is invited.", invitation.name);
        println!(
            "The stewards' fingerprint is {}.",
            fingerprint_of(&invitation.stewards()?)
        );
        self.set_up(&invitation)?;
        let config = self.settings()?;
        if config.organisation.ods != invitation.ods {
            bail!(
                "the node in {} is {}'s, and the invitation is for {ods}",
                self.folder.display(),
                config.organisation.ods
            );
        }
        self.put_stewards(&invitation, &config)?;
        let identity = Identity::open(&self.folder.join(&config.exchange.keys), &ods)?;
        let card = self.card(&identity, &config)?;
        let member = Member::parse(card.as_bytes())?;
        println!(
            "This node's card has the fingerprint {}.",
            member.fingerprint()
        );
        let asked = Asked::with(text, &card, &identity)?;
        let body = Bytes::from(serde_json::to_vec(&asked)?);
        let client = client(&invitation)?;
        let began = Instant::now();
        loop {
            match ask(&client, &invitation, &body).await? {
                Joining::Listed { directory } => {
                    return self.done(&invitation, &member, &directory);
                }
                Joining::Waiting if self.no_wait => {
                    println!("A steward has yet to sign. Run the same again later.");
                    return Ok(());
                }
                Joining::Waiting => {
                    let minutes = began.elapsed().as_secs() / 60;
                    println!(
                        "Waiting for a steward to sign ({minutes} min). Ctrl-C stops; the same again goes on."
                    );
                    tokio::time::sleep(ASK_EVERY).await;
                }
            }
        }
    }

    /// Makes the node, if it is not there.
    fn set_up(&self, invitation: &Invitation) -> anyhow::Result<()> {
        if self.folder.join("handover.toml").exists() {
            return Ok(());
        }
        let (Some(exchange), Some(pages)) = (&self.exchange_url, &self.pages_url) else {
            bail!(
                "{} holds no node yet: say with --exchange-url and --pages-url where the new one will be reached, or make \
                 it first with `handover init`",
                self.folder.display()
            );
        };
        Init {
            ods: invitation.ods.clone(),
            name: invitation.name.clone(),
            roles: invitation.roles.clone(),
            folder: self.folder.clone(),
        }
        .make(|settings| with_addresses(settings, exchange, pages, invitation.signatures_needed))
        .map(|_| ())
    }

    fn settings(&self) -> anyhow::Result<Config> {
        let path = self.folder.join("handover.toml");
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Config::parse(&text).with_context(|| path.display().to_string())
    }

    /// Puts the stewards' keys where the settings say, unless there are some.
    fn put_stewards(&self, invitation: &Invitation, config: &Config) -> anyhow::Result<()> {
        let needed = usize::from(config.exchange.signatures_needed);
        if needed != invitation.signatures_needed {
            bail!(
                "exchange.signatures_needed is {needed} in the settings, and the network's directory needs {}: change it",
                invitation.signatures_needed
            );
        }
        let keys: String = invitation
            .stewards
            .iter()
            .map(|key| key.to_json())
            .collect();
        let path = self.folder.join(&config.exchange.steward_key);
        match std::fs::read_to_string(&path) {
            Ok(there) if there == keys => Ok(()),
            Ok(_) => bail!(
                "{} holds other keys than the invitation: find out which are the stewards', and remove the file if it is old",
                path.display()
            ),
            Err(_) => replace(&path, &keys).with_context(|| path.display().to_string()),
        }
    }

    /// The card that is handed over: the same each time, so that it is not taken for another's.
    fn card(&self, identity: &Identity, config: &Config) -> anyhow::Result<String> {
        let path = self.folder.join("card.json");
        let is_ours = |card: &Member| {
            let certificate = identity.certificate_sha256();
            let named = card.certificates.iter().any(|it| it.sha256 == certificate);
            named && card.exchange == config.exchange.public_url
        };
        if let Ok(text) = std::fs::read_to_string(&path)
            && Member::parse(text.as_bytes()).is_ok_and(|card| is_ours(&card))
        {
            return Ok(text);
        }
        write_card(identity, config, &self.folder)?;
        std::fs::read_to_string(&path).with_context(|| path.display().to_string())
    }

    /// Checks the directory that was given, and puts it where the settings say.
    fn done(&self, invitation: &Invitation, member: &Member, text: &str) -> anyhow::Result<()> {
        let directory = Directory::verify(text, &invitation.stewards()?, Clock::system().now())
            .context("the directory that was given")?;
        let own = directory.members.iter().find(|it| it.ods == member.ods);
        if own.is_none_or(|it| it.certificates != member.certificates || it.keys != member.keys) {
            bail!("the directory that was given does not list this node's card");
        }
        let path = self.folder.join(self.settings()?.exchange.directory);
        replace(&path, text).with_context(|| path.display().to_string())?;
        let members = directory.members.len();
        println!(
            "Joined: the directory, version {}, lists {members} members.",
            directory.version
        );
        let settings = self.folder.join("handover.toml");
        println!("Next: handover serve --config {}", settings.display());
        Ok(())
    }
}

/// The settings of a new node with its addresses.
fn with_addresses(settings: &str, exchange: &str, pages: &str, signatures_needed: usize) -> String {
    let shown = |value: &str| toml::Value::String(value.to_owned()).to_string();
    let mut section = "";
    let mut lines = Vec::new();
    for line in settings.lines() {
        if line.starts_with('[') {
            section = line;
        }
        let name = line.trim_start_matches("# ").split(" = ").next();
        lines.push(match (section, name) {
            ("[exchange]", Some("public_url")) => format!("public_url = {}", shown(exchange)),
            ("[pages]", Some("public_url")) => format!("public_url = {}", shown(pages)),
            ("[exchange]", Some("signatures_needed")) if signatures_needed > 1 => {
                format!("signatures_needed = {signatures_needed}")
            }
            _ => line.to_owned(),
        });
    }
    lines.join("\n") + "\n"
}

/// Whom the invitation names is called wherever they stand: a network may be on private addresses.
fn client(invitation: &Invitation) -> anyhow::Result<Outgoing> {
    let mut hosts = Vec::new();
    for address in &invitation.meet {
        let uri: http::Uri = address.parse().with_context(|| address.clone())?;
        let host = uri
            .host()
            .unwrap_or_default()
            .trim_matches(['[', ']'])
            .to_owned();
        let is_here = matches!(host.as_str(), "127.0.0.1" | "localhost" | "::1");
        if uri.scheme_str() != Some("https") && !is_here {
            bail!("the invitation names {address}, which is not https://");
        }
        hosts.push(host);
    }
    Ok(Outgoing::new(&hosts)?.bounded(ANSWER_SECONDS_MAX, ANSWER_BYTES_MAX))
}

/// Asks the members that the invitation names, one after another, until one answers.
async fn ask(client: &Outgoing, invitation: &Invitation, body: &Bytes) -> anyhow::Result<Joining> {
    let mut silent = Vec::new();
    for address in &invitation.meet {
        let address = address.trim_end_matches('/');
        let call = Call {
            method: Method::POST,
            url: format!("{address}/network/join"),
            headers: vec![("content-type".into(), "application/json".into())],
            body: body.clone(),
        };
        match client.answer(call).await {
            Ok((200, answer)) => return Ok(serde_json::from_slice(&answer)?),
            Ok((status, answer)) if (400..500).contains(&status) && status != 404 => {
                let refusal = serde_json::from_slice::<Refusal>(&answer);
                let why = refusal.map_or_else(|_| format!("status {status}"), |it| it.message);
                bail!("{address} refused: {why}");
            }
            Ok((status, _)) => silent.push(format!("{address} answered with status {status}")),
            Err(why) => silent.push(format!("{address}: {why}")),
        }
    }
    bail!(
        "no member answered: {}. Run the same again later",
        silent.join("; ")
    )
}

#[cfg(test)]
mod tests {
    use super::with_addresses;
    use crate::config::{Config, example};

    #[test]
    fn a_new_node_is_reached_where_it_was_said_to_be() {
        let text = with_addresses(&example(), "https://a.example:8443", "https://b.example", 2);
        let config = Config::parse(&text).unwrap();
        assert_eq!(config.exchange.public_url, "https://a.example:8443");
        assert_eq!(config.pages.public_url, "https://b.example");
        assert_eq!(config.exchange.signatures_needed, 2);
    }
}
