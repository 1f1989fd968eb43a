//! Nodes with mailboxes, as their engineers would set them up.

use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::node::neighbourhood::{Neighbourhood, Site};
use crate::node::ports::free_address;
use crate::node::process::run;
use crate::setting::{python_program, root};

pub const SHARED_KEY: &str = "TestKey";
pub const PASSWORD: &str = "password";
pub const WORKFLOW: &str = "TEST_WORKFLOW";

/// A certificate and its key: an authority's, or one for this machine that `authority` signs.
pub fn certificate(folder: &Path, name: &str, authority: Option<&[PathBuf; 2]>) -> [PathBuf; 2] {
    let [certificate, key] = ["crt", "key"].map(|end| folder.join(format!("{name}.{end}")));
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"]);
    command.args(["-pkeyopt", "ec_paramgen_curve:P-256"]);
    command.args(["-subj", &format!("/CN={name}")]);
    command
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate);
    if let Some([certificate, key]) = authority {
        command.arg("-CA").arg(certificate).arg("-CAkey").arg(key);
        command.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        command.args(["-addext", "subjectAltName=IP:127.0.0.1"]);
    }
    let made = command.output().unwrap();
    let told = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{told}");
    secret(&key, None);
    [certificate, key]
}

/// A file that only its owner may read; with that text, if one is given.
fn secret(path: &Path, text: Option<&str>) {
    if let Some(text) = text {
        std::fs::write(path, text).unwrap();
    }
    std::fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

/// The door of one node.
pub struct House {
    pub address: SocketAddr,
    pub folder: PathBuf,
    pub tls: bool,
}

impl House {
    /// Adds mailboxes to the settings of a node that does not run: id and ODS code of each. With
    /// `tls` over TLS with clients' certificates, whose authority is made here.
    pub fn open(site: &Site, mailboxes: &[(&str, &str)], tls: bool) -> House {
        let address = free_address();
        let keys = site.folder.join("keys");
        secret(&keys.join("mesh-server-shared-key"), Some(SHARED_KEY));
        secret(&keys.join("mailbox"), Some(PASSWORD));
        let path = site.folder.join("handover.toml");
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str(&format!("\n[mesh_server]\nlisten = \"{address}\"\n"));
        if tls {
            let authority = certificate(&site.folder, "authority", None);
            certificate(&site.folder, "server", Some(&authority));
            certificate(&site.folder, "client", Some(&authority));
            text.push_str(
                "tls_certificate = \"server.crt\"\ntls_key = \"server.key\"\n\
                 client_authorities = \"authority.crt\"\n",
            );
        }
        for (id, ods) in mailboxes {
            // As the stand-in names its own.
            let name = id.replace("X26ABC", "TESTMB");
            text.push_str(&format!(
                "\n[[mesh_server.mailbox]]\nid = \"{id}\"\nname = \"{name}\"\n\
                 ods = \"{ods}\"\npassword = \"keys/mailbox\"\n\
                 workflows = [\"{WORKFLOW}\"]\n"
            ));
        }
        std::fs::write(path, text).unwrap();
        House {
            address,
            folder: site.folder.clone(),
            tls,
        }
    }

    fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Runs `tests/clients/mailbox_client.py` with these arguments as that mailbox; its output as JSON.
    pub fn client(&self, mailbox: &str, arguments: &[&str]) -> Value {
        let output = self.try_client(mailbox, arguments);
        let text = String::from_utf8_lossy(&output.stdout);
        let faults = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {text}{faults}");
        let last = text.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|cause| panic!("{cause}: {text}{faults}"))
    }

    pub fn try_client(&self, mailbox: &str, arguments: &[&str]) -> Output {
        let file = |name: &str| self.folder.join(name).display().to_string();
        Command::new(python_program("python"))
            .arg(root().join("tests/clients/mailbox_client.py"))
            .args([&self.url(), mailbox, PASSWORD, SHARED_KEY])
            .args(arguments)
            .env("MESH_CERTIFICATE", file("client.crt"))
            .env("MESH_KEY", file("client.key"))
            .env("MESH_AUTHORITY", file("authority.crt"))
            .output()
            .unwrap()
    }
}

/// The directory is signed anew, with the mailboxes that the settings name.
pub fn sign_again(nodes: &Neighbourhood) {
    let folders = [&nodes.hospital.folder, &nodes.practice.folder];
    let root = folders[0].parent().unwrap();
    for folder in folders {
        run(folder, &["directory", "card"]);
    }
    let cards: Vec<String> = folders
        .iter()
        .map(|it| it.join("card.json").display().to_string())
        .collect();
    let sign = [
        "directory",
        "sign",
        "--steward",
        "steward",
        "--out",
        "directory.jws",
    ];
    let arguments: Vec<&str> = sign
        .into_iter()
        .chain(cards.iter().map(String::as_str))
        .collect();
    run(root, &arguments);
    for folder in folders {
        std::fs::copy(root.join("directory.jws"), folder.join("directory.jws")).unwrap();
    }
}
