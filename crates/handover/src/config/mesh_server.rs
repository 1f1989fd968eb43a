//! The section about mailboxes of local systems.

use std::net::SocketAddr;
use std::path::PathBuf;

use access::Ods;
use anyhow::bail;
use exchange::MailboxNamed;
use exchange::mailboxes::is_mailbox;
use serde::Deserialize;

use super::section::section;

section! {
    /// Mailboxes for systems here that speak MESH: what they send to a member of the network travels from node to node, anything else leaves through [mesh]. Off until `listen` is given; see docs/mesh.md.
    MeshServerSection in "mesh_server" {
        /// Where systems here find it. Anything but loopback needs the certificate and key below.
        listen: Option<SocketAddr> = "\"127.0.0.1:8446\"", optional;
        /// PEM file of the TLS certificate chain. Left out, that of [pages].
        tls_certificate: Option<PathBuf> = "\"mesh-server.crt\"", optional;
        /// PEM file of its private key. Readable by the node's user only.
        tls_key: Option<PathBuf> = "\"keys/mesh-server.key\"", optional;
        /// PEM file of the authorities of clients' certificates. Given, who shows none of theirs is not served.
        client_authorities: Option<PathBuf> = "\"mesh-clients-ca.pem\"", optional;
        /// A file that holds the shared key, which all systems here have. Readable by the node's user only.
        shared_key: PathBuf = "\"keys/mesh-server-shared-key\"", default;
        /// The largest message, all its chunks unpacked, in bytes.
        message_bytes_max: u64 = "1073741824", default;
        /// The mailboxes, each a table [[mesh_server.mailbox]]. `ods` is the organisation's code if it is not the node's; `password` is a file, readable by the node's user only.
        mailbox: Option<Vec<MailboxSetting>> = "[{ id = \"RZZ01OT001\", name = \"Pathology\", ods = \"RZZ01\", password = \"keys/RZZ01OT001\", workflows = [\"TOC_FHIR_EC_DISCH\"] }]", optional;
        /// Which workflows of what comes for the organisation's mailbox at [mesh] are for which mailbox here, each a table [[mesh_server.collect]]: `*` stands for any characters, and the first that fits holds. Left out, nothing is collected there for mailboxes here.
        collect: Option<Vec<CollectSetting>> = "[{ workflow = \"PATH_*\", mailbox = \"RZZ01OT001\" }]", optional;
        /// How often the mailbox at [mesh] is looked into for them, in seconds.
        collect_seconds: u32 = "30", default;
    }
}

/// Whose a workflow's messages are.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CollectSetting {
    pub workflow: String,
    pub mailbox: String,
}

/// One mailbox.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailboxSetting {
    pub id: String,
    pub name: String,
    pub ods: Option<String>,
    pub password: PathBuf,
    #[serde(default)]
    pub workflows: Vec<String>,
}

impl MeshServerSection {
    pub(super) fn check(&self, pages_have_tls: bool) -> anyhow::Result<()> {
        if self.tls_certificate.is_some() != self.tls_key.is_some() {
            bail!("mesh_server.tls_certificate and mesh_server.tls_key: go together");
        }
        let has_tls = pages_have_tls || self.tls_certificate.is_some();
        if let Some(listen) = self.listen {
            if !listen.ip().is_loopback() && !has_tls {
                bail!(
                    "mesh_server.listen: {listen} is not loopback, so give mesh_server.tls_certificate and mesh_server.tls_key"
                );
            }
            if self.mailboxes().is_empty() {
                bail!("mesh_server.mailbox: is empty; give at least one [[mesh_server.mailbox]]");
            }
        }
        if self.client_authorities.is_some() && !has_tls {
            bail!("mesh_server.client_authorities: needs mesh_server.tls_certificate");
        }
        if self.message_bytes_max == 0 {
            bail!("mesh_server.message_bytes_max: must be at least 1");
        }
        if !(1..=3600).contains(&self.collect_seconds) {
            bail!("mesh_server.collect_seconds: must be from 1 to 3600");
        }
        for it in self.collect.iter().flatten() {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-*".contains(&byte);
            let workflow = &it.workflow;
            if !(1..=60).contains(&workflow.len()) || !workflow.bytes().all(plain) {
                bail!("mesh_server.collect: {workflow:?} is not letters, digits, _, - and *");
            }
            if !self.mailboxes().iter().any(|known| known.id == it.mailbox) {
                bail!(
                    "mesh_server.collect: {} is no [[mesh_server.mailbox]]",
                    it.mailbox
                );
            }
        }
        let mut seen = std::collections::BTreeSet::new();
        for it in self.mailboxes() {
            let id = &it.id;
            if !is_mailbox(id) {
                bail!("mesh_server.mailbox: {id:?} is not up to 30 capital letters and digits");
            }
            if !seen.insert(id) {
                bail!("mesh_server.mailbox: {id} is there twice");
            }
            if it
                .ods
                .as_deref()
                .is_some_and(|ods| Ods::parse(ods).is_err())
            {
                bail!("mesh_server.mailbox: the ods of {id} is not an ODS code");
            }
            let plain = |it: &String| {
                (1..=60).contains(&it.len()) && it.bytes().all(|byte| byte.is_ascii_graphic())
            };
            if it.workflows.len() > 200 || !it.workflows.iter().all(plain) {
                bail!("mesh_server.mailbox: a workflow of {id} is not a word of up to 60 letters");
            }
        }
        Ok(())
    }

    pub fn mailboxes(&self) -> &[MailboxSetting] {
        self.mailbox.as_deref().unwrap_or_default()
    }

    /// The mailboxes as the directory names them; none while the door is shut.
    pub fn named(&self) -> Vec<MailboxNamed> {
        let open = self.mailboxes().iter().filter(|_| self.listen.is_some());
        open.map(MailboxSetting::named).collect()
    }

    /// The paths, for those who take them from the file's folder.
    pub(super) fn paths(&mut self) -> Vec<&mut PathBuf> {
        let mut paths = vec![&mut self.shared_key];
        let optional = [
            &mut self.tls_certificate,
            &mut self.tls_key,
            &mut self.client_authorities,
        ];
        paths.extend(optional.into_iter().filter_map(Option::as_mut));
        let mailboxes = self.mailbox.iter_mut().flatten();
        paths.extend(mailboxes.map(|it| &mut it.password));
        paths
    }
}

impl MailboxSetting {
    pub fn named(&self) -> MailboxNamed {
        MailboxNamed {
            id: self.id.clone(),
            name: self.name.clone(),
            workflows: self.workflows.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn a_wrong_setting_of_a_mailbox_is_named() {
        let with = |more: &str| {
            let text = format!(
                "[organisation]\nods = \"RZZ01\"\nname = \"A\"\nroles = []\n[mesh_server]\n{more}"
            );
            Config::parse(&text)
        };
        let wrong = |more: &str| format!("{:#}", with(more).unwrap_err());
        let one = "[[mesh_server.mailbox]]\nid = \"RZZ01OT001\"\nname = \"P\"\npassword = \"p\"\n";
        let here = "listen = \"127.0.0.1:1\"\n";
        assert!(wrong(here).contains("mesh_server.mailbox"));
        let there = "listen = \"192.0.2.1:1\"\n";
        assert!(wrong(&format!("{there}{one}")).contains("mesh_server.listen"));
        assert!(wrong("tls_key = \"k\"").contains("mesh_server.tls_certificate"));
        assert!(wrong("client_authorities = \"a\"").contains("mesh_server.client_authorities"));
        assert!(wrong(&format!("{here}{one}{one}")).contains("twice"));
        assert!(wrong(&one.replace("RZZ01OT001", "rzz")).contains("mesh_server.mailbox"));
        assert!(wrong(&format!("{one}ods = \"-\"")).contains("ods of RZZ01OT001"));
        assert!(wrong(&format!("{one}pass = \"-\"")).contains("pass"));
        let collect = |workflow: &str, mailbox: &str| {
            let rule = format!("workflow = \"{workflow}\"\nmailbox = \"{mailbox}\"\n");
            wrong(&format!("{here}{one}[[mesh_server.collect]]\n{rule}"))
        };
        assert!(collect("PATH_*", "OTHER").contains("OTHER is no"));
        assert!(collect("A B", "RZZ01OT001").contains("mesh_server.collect"));
        assert!(wrong("collect_seconds = 0").contains("collect_seconds"));
        let config = with(&format!("{here}{one}")).unwrap();
        assert_eq!(config.mesh_server.named()[0].id, "RZZ01OT001");
    }
}
