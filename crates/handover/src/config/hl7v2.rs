//! The section about HL7 v2: where messages come in, how they are read, and where changes go out.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use exchange::hl7_out::Kind;
use serde::Deserialize;

use super::section::section;

section! {
    /// HL7 v2 over MLLP, in and out.
    Hl7v2 in "hl7v2" {
        /// Where the first door listens, without TLS. Left out, it is shut. MLLP has no sign-in: loopback or a private network only.
        listen: Option<SocketAddr> = "\"127.0.0.1:2575\"", optional;
        /// The most connections of a door at a time.
        connections_max: usize = "256", default;
        /// The largest message taken, in bytes, without the documents of more than 10 MiB that it carries in Base64: each of those may have exchange.content_mb_max. See docs/large.md.
        message_bytes_max: usize = "16777216", default;
        /// A folder of JSON files that change how messages are read, for all senders or for one; looked at again every few seconds. See docs/hl7v2.md.
        mapping: Option<PathBuf> = "\"mapping\"", optional;
        /// Layers over the mapping that come with the program, by name, for all senders; those of the folder lie over them. There is one, an example: "cdc". See docs/hl7v2.md.
        layers: Vec<String> = "[]", default;
        /// Whether final results (ORU R01) are sent to the patient's practice as letters: true or false. Leave it false where results go there by another way. See docs/hl7v2.md.
        results: bool = "false", default;
        /// More doors, each a table [[hl7v2.listener]] with listen = "0.0.0.0:2576" and, for TLS, certificate and key (PEM files); with client_authorities (a PEM file) only systems that show a certificate of theirs get in.
        listener: Option<Vec<Hl7v2Listener>> = "[{ listen = \"0.0.0.0:2576\" }]", optional;
        /// Systems that are told of changes, each a table [[hl7v2.destination]] with name, address = "host:2575", sends = ["ADT", "ORU", "MDM", "SIU"] and, if they ask for it, application and facility (MSH-5 and MSH-6); for TLS, authorities, certificate and key (PEM files). answer_seconds says how long each answer is waited for (30).
        destination: Option<Vec<Hl7v2Destination>> = "[{ name = \"lab\", address = \"lab.internal:2575\", sends = [\"ADT\"] }]", optional;
    }
}

/// A door for HL7 v2.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hl7v2Listener {
    pub listen: SocketAddr,
    /// PEM files of the door's certificate chain and its key; without them it speaks no TLS.
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
    /// PEM file of whose certificates a system must show one of.
    pub client_authorities: Option<PathBuf>,
}

/// A system that is told of changes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hl7v2Destination {
    /// By which it is known on the work list.
    pub name: String,
    /// `host:port`.
    pub address: String,
    /// The kinds of messages that it gets.
    pub sends: Vec<String>,
    /// MSH-5 and MSH-6 of what it gets.
    #[serde(default)]
    pub application: String,
    #[serde(default)]
    pub facility: String,
    /// How long an answer is waited for.
    #[serde(default = "answer_seconds")]
    pub answer_seconds: u64,
    /// PEM file of whose certificate it must show; without one no TLS is spoken.
    pub authorities: Option<PathBuf>,
    /// PEM files of the certificate that is shown to it.
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
}

const ANSWER_SECONDS: std::ops::RangeInclusive<u64> = 1..=300;

fn answer_seconds() -> u64 {
    30
}

impl Hl7v2 {
    /// The doors beside the first.
    pub fn listeners(&self) -> &[Hl7v2Listener] {
        self.listener.as_deref().unwrap_or_default()
    }

    /// The systems that are told of changes.
    pub fn destinations(&self) -> &[Hl7v2Destination] {
        self.destination.as_deref().unwrap_or_default()
    }

    pub(super) fn check(&self) -> anyhow::Result<()> {
        for listener in self.listeners() {
            let listen = listener.listen;
            if listener.certificate.is_some() != listener.key.is_some() {
                bail!("hl7v2.listener {listen}: certificate and key go together");
            }
            if listener.client_authorities.is_some() && listener.certificate.is_none() {
                bail!("hl7v2.listener {listen}: client_authorities needs certificate and key");
            }
        }
        let mut names = BTreeSet::new();
        for destination in self.destinations() {
            let name = &destination.name;
            if name.trim().is_empty() || !names.insert(name.as_str()) {
                bail!("hl7v2.destination {name:?}: each needs a name of its own");
            }
            let port = destination.address.rsplit_once(':').map(|(_, port)| port);
            if !port.is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0)) {
                bail!("hl7v2.destination {name:?}: address must be host:port");
            }
            if !ANSWER_SECONDS.contains(&destination.answer_seconds) {
                bail!("hl7v2.destination {name:?}: answer_seconds must be 1 to 300");
            }
            if destination.sends.is_empty() {
                bail!("hl7v2.destination {name:?}: sends names no kind of message");
            }
            for kind in &destination.sends {
                Kind::parse(kind).with_context(|| format!("hl7v2.destination {name:?}: sends"))?;
            }
            if destination.certificate.is_some() != destination.key.is_some() {
                bail!("hl7v2.destination {name:?}: certificate and key go together");
            }
            if destination.certificate.is_some() && destination.authorities.is_none() {
                bail!("hl7v2.destination {name:?}: certificate needs authorities");
            }
        }
        Ok(())
    }

    /// The paths, for those who take them from the file's folder.
    pub(super) fn paths(&mut self) -> Vec<&mut PathBuf> {
        let listeners = self.listener.iter_mut().flatten().flat_map(|it| {
            let files = [&mut it.certificate, &mut it.key, &mut it.client_authorities];
            files.into_iter().filter_map(Option::as_mut)
        });
        let destinations = self.destination.iter_mut().flatten().flat_map(|it| {
            let files = [&mut it.authorities, &mut it.certificate, &mut it.key];
            files.into_iter().filter_map(Option::as_mut)
        });
        let mut paths: Vec<&mut PathBuf> = self.mapping.as_mut().into_iter().collect();
        paths.extend(listeners);
        paths.extend(destinations);
        paths
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn read(more: &str) -> anyhow::Result<Config> {
        let least = "[organisation]\nods = \"RZZ01\"\nname = \"A\"\nroles = []\n";
        Config::parse(&format!("{least}{more}"))
    }

    #[test]
    fn doors_and_destinations_are_tables_of_their_own() {
        let text = "[hl7v2]\nlisten = \"127.0.0.1:2575\"\n\
            [[hl7v2.listener]]\nlisten = \"127.0.0.1:2576\"\ncertificate = \"a\"\nkey = \"b\"\n\
            [[hl7v2.destination]]\nname = \"lab\"\naddress = \"lab:2575\"\nsends = [\"ORU\"]\n";
        let config = read(text).unwrap();
        assert_eq!(config.hl7v2.listeners().len(), 1);
        assert_eq!(config.hl7v2.destinations()[0].name, "lab");
        let doors = crate::node::hl7v2::doors(&config);
        assert_eq!(doors.len(), 2);
        assert_eq!((doors[0].1, doors[1].1), ("without TLS", "TLS"));
        assert_eq!(crate::node::hl7v2::told(&config), ["DiagnosticReport"]);
    }

    #[test]
    fn a_wrong_door_or_destination_is_named() {
        for (more, part) in [
            (
                "[[hl7v2.listener]]\nlisten = \"127.0.0.1:1\"\nkey = \"k\"",
                "go together",
            ),
            (
                "[[hl7v2.listener]]\nlisten = \"127.0.0.1:1\"\nclient_authorities = \"c\"",
                "needs certificate",
            ),
            (
                "[[hl7v2.destination]]\nname = \"a\"\naddress = \"lab\"\nsends = [\"ADT\"]",
                "host:port",
            ),
            (
                "[[hl7v2.destination]]\nname = \"a\"\naddress = \"lab:1\"\nsends = [\"XYZ\"]",
                "XYZ",
            ),
            (
                "[[hl7v2.destination]]\nname = \"\"\naddress = \"lab:1\"\nsends = [\"ADT\"]",
                "name of its own",
            ),
        ] {
            let told = format!("{:#}", read(more).unwrap_err());
            assert!(told.contains(part) && told.contains("hl7v2."), "{told}");
        }
    }
}
