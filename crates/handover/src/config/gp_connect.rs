//! The section about GP Connect.

use std::path::PathBuf;

use access::Ods;
use anyhow::bail;
use exchange::gp_connect::System;
use serde::Deserialize;

use super::address::is_safe;
use super::section::section;

section! {
    /// GP Connect appointments: systems that book into the diary of this node, or, with [appointments] diary = "another-system", the organisation's own system that this node books into. See docs/gp-connect.md.
    GpConnectSection in "gp_connect" {
        /// This node's ASID, by which systems name each other.
        asid: Option<String> = "\"200000000001\"", optional;
        /// Systems that may book here, each a table [[gp_connect.consumer]]. `keys` is a file with the public keys (JWKS) that sign its tokens; left out for one that comes through the Spine's proxy alone. `patients = true` for the organisation's own app for patients, which orders repeat medicines in their names.
        consumer: Option<Vec<ConsumerSetting>> = "[{ asid = \"200000000002\", ods = \"RZZ01\", keys = \"keys/rzz01.jwks\" }]", optional;
        /// The SHA-256 digest (hex) of the certificate that the Spine's proxy shows at apps.mtls_listen. What comes with it needs no signature.
        proxy_certificate: Option<String> = "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"", optional;
        /// The NHS's gateway, where patients' apps may order repeat medicines through it: a table [gp_connect.gateway]. `client` is how it calls itself and `keys` a file with the public keys (JWKS) that sign its statements, with `audience` where it is not the address of the token endpoint; `issuer` is NHS login and `issuer_keys` its public keys; `apps` are the apps that are let in, as ID tokens name them (`aud`). With `certificate` (a SHA-256 digest, hex) it must show that certificate at apps.mtls_listen.
        gateway: Option<GatewaySetting> = "{ client = \"gp-connect-pfs\", keys = \"keys/gateway.jwks\", issuer = \"https://auth.login.nhs.uk\", issuer_keys = \"keys/nhs-login.jwks\", apps = [\"nhs-app\"] }", optional;
        /// The address of the organisation's own system, which holds the diary.
        system: Option<String> = "\"https://system.example.nhs.uk/A81001/STU3/1\"", optional;
        /// The address of that system's door for patients' apps (Patient Facing Prescriptions), where it holds the medicines: they are then listed from it and ordered there.
        medicines: Option<String> = "\"https://system.example.nhs.uk/A81001/FHIR/R4\"", optional;
        /// The address where a signed statement and a patient's ID token of NHS login are changed for a token, where the NHS's gateway stands before that door. Goes with `medicines_client`.
        medicines_token_url: Option<String> = "\"https://api.service.nhs.uk/oauth2/token\"", optional;
        /// The application's key at the gateway ("API key").
        medicines_client: Option<String> = "\"anytown-api-key\"", optional;
        /// PEM file of the RSA private key (4096 bits) whose public half NHS England has. Readable by the node's user only.
        medicines_key: PathBuf = "\"keys/gateway.pem\"", default;
        /// The key's name there.
        medicines_key_id: String = "\"anytown-1\"", default;
        /// That system's ASID.
        system_asid: Option<String> = "\"200000000003\"", optional;
        /// The organisation's telephone number, which stands in each booking.
        telephone: Option<String> = "\"0113 496 0000\"", optional;
        /// True when tokens are signed with the key that /oauth2/jwks shows; false where they go through the Spine's proxy, which takes them without.
        signed: bool = "true", default;
    }
}

/// A system that may book here.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsumerSetting {
    pub asid: String,
    pub ods: String,
    pub keys: Option<PathBuf>,
    #[serde(default)]
    pub patients: bool,
}

/// The NHS's gateway for patients' apps.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewaySetting {
    pub client: String,
    pub keys: PathBuf,
    pub audience: Option<String>,
    pub issuer: String,
    pub issuer_keys: PathBuf,
    pub apps: Vec<String>,
    pub certificate: Option<String>,
}

impl GatewaySetting {
    fn check(&self) -> anyhow::Result<()> {
        let is_name =
            |it: &String| (1..=200).contains(&it.len()) && !it.contains(char::is_whitespace);
        if !is_name(&self.client) {
            bail!("gp_connect.gateway: client must be the name by which it calls itself");
        }
        if self.apps.is_empty() || !self.apps.iter().all(is_name) {
            bail!("gp_connect.gateway: apps must name those that are let in, as ID tokens do");
        }
        if !is_safe(&self.issuer) {
            bail!("gp_connect.gateway: issuer must be an address that begins with https://");
        }
        if !self.certificate.as_deref().is_none_or(is_digest) {
            bail!("gp_connect.gateway: certificate must be 64 hexadecimal digits");
        }
        Ok(())
    }
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|it| it.is_ascii_hexdigit())
}

fn is_asid(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_digit())
}

impl GpConnectSection {
    pub(super) fn check(&self, keeps_diary: bool, has_mtls: bool) -> anyhow::Result<()> {
        if let Some(medicines) = &self.medicines
            && System::client(medicines).is_err()
        {
            bail!(
                "gp_connect.medicines: must be an address such as https://system.example.nhs.uk/FHIR/R4"
            );
        }
        if self.medicines_token_url.is_some() != self.medicines_client.is_some() {
            bail!("gp_connect.medicines_token_url and gp_connect.medicines_client: go together");
        }
        if self.medicines_client.is_some() && self.medicines.is_none() {
            bail!("gp_connect.medicines_client: needs gp_connect.medicines");
        }
        if !self.medicines_token_url.iter().all(|url| is_safe(url)) {
            bail!("gp_connect.medicines_token_url: must be an address that begins with https://");
        }
        let used =
            self.system.is_some() || self.medicines.is_some() || !self.consumers().is_empty();
        if used && !self.asid.as_deref().is_some_and(is_asid) {
            bail!("gp_connect.asid: must be this node's ASID, up to 20 digits");
        }
        if !self.consumers().is_empty() && !keeps_diary {
            bail!("gp_connect.consumer: appointments.diary is another system's");
        }
        let mut seen = std::collections::BTreeSet::new();
        for it in self.consumers() {
            if !is_asid(&it.asid) || !seen.insert(&it.asid) || Ods::parse(&it.ods).is_err() {
                bail!(
                    "gp_connect.consumer: {:?} of {:?} is not an ASID of an ODS code, or is there twice",
                    it.asid,
                    it.ods
                );
            }
            if it.patients && it.keys.is_none() {
                bail!(
                    "gp_connect.consumer: {} asks in patients' names, and needs keys",
                    it.asid
                );
            }
            if it.keys.is_none() && self.proxy_certificate.is_none() {
                bail!(
                    "gp_connect.consumer: {} needs keys, or gp_connect.proxy_certificate",
                    it.asid
                );
            }
        }
        if let Some(gateway) = &self.gateway {
            gateway.check()?;
            if gateway.certificate.is_some() && !has_mtls {
                bail!(
                    "gp_connect.gateway: certificate can only be shown at apps.mtls_listen, which is not set"
                );
            }
        }
        if !self.proxy_certificate.as_deref().is_none_or(is_digest) {
            bail!("gp_connect.proxy_certificate: must be 64 hexadecimal digits");
        }
        let Some(system) = &self.system else {
            return Ok(());
        };
        if keeps_diary {
            bail!("gp_connect.system: needs appointments.diary = \"another-system\"");
        }
        if System::client(system).is_err() {
            bail!(
                "gp_connect.system: must be an address such as https://system.example.nhs.uk/STU3/1"
            );
        }
        if !self.system_asid.as_deref().is_some_and(is_asid) {
            bail!("gp_connect.system_asid: must be the system's ASID, up to 20 digits");
        }
        let telephone = self.telephone.as_deref().unwrap_or_default();
        if !(1..=40).contains(&telephone.chars().count()) || telephone.chars().any(char::is_control)
        {
            bail!("gp_connect.telephone: must be one line of up to 40 characters");
        }
        Ok(())
    }

    pub fn consumers(&self) -> &[ConsumerSetting] {
        self.consumer.as_deref().unwrap_or_default()
    }

    /// The paths, for those who take them from the file's folder.
    pub(super) fn paths(&mut self) -> Vec<&mut PathBuf> {
        let consumers = self.consumer.iter_mut().flatten();
        let keys = consumers.filter_map(|it| it.keys.as_mut());
        let gateway = self.gateway.iter_mut();
        let gateway = gateway.flat_map(|it| [&mut it.keys, &mut it.issuer_keys]);
        keys.chain(gateway)
            .chain([&mut self.medicines_key])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn a_wrong_setting_of_gp_connect_is_named() {
        let with = |diary: &str, more: &str| {
            let text = format!(
                "[organisation]\nods = \"A81001\"\nname = \"A\"\nroles = []\n[appointments]\ndiary = \"{diary}\"\n[gp_connect]\n{more}"
            );
            Config::parse(&text)
        };
        let wrong = |diary: &str, more: &str| format!("{:#}", with(diary, more).unwrap_err());
        let one = "[[gp_connect.consumer]]\nasid = \"2\"\nods = \"RZZ01\"\nkeys = \"k\"\n";
        let own = "asid = \"1\"\n";
        assert!(with("node", &format!("{own}{one}")).is_ok());
        assert!(wrong("node", one).contains("gp_connect.asid"));
        assert!(wrong("node", "medicines = \"https://x\"").contains("gp_connect.asid"));
        assert!(wrong("node", "medicines = \"x\"").contains("gp_connect.medicines"));
        let medicines = "asid = \"1\"\nmedicines = \"https://x\"\n";
        let gateway = "medicines_token_url = \"https://y\"\nmedicines_client = \"a\"\n";
        assert!(with("node", &format!("{medicines}{gateway}")).is_ok());
        let half = "medicines_client = \"a\"\n";
        assert!(wrong("node", &format!("{medicines}{half}")).contains("medicines_token_url"));
        assert!(wrong("node", &format!("asid = \"1\"\n{gateway}")).contains("medicines_client"));
        let plain = gateway.replace("https", "http");
        assert!(wrong("node", &format!("{medicines}{plain}")).contains("medicines_token_url"));
        assert!(wrong("another-system", &format!("{own}{one}")).contains("gp_connect.consumer"));
        assert!(wrong("node", &format!("{own}{one}{one}")).contains("twice"));
        let bare = one.replace("keys = \"k\"\n", "");
        assert!(wrong("node", &format!("{own}{bare}")).contains("needs keys"));
        let patients = bare.replace("ods", "patients = true\nods");
        assert!(wrong("node", &format!("{own}{patients}")).contains("patients' names"));
        assert!(wrong("node", "proxy_certificate = \"x\"").contains("proxy_certificate"));
        let gateway = "[gp_connect.gateway]\nclient = \"g\"\nkeys = \"k\"\nissuer = \"https://login.example\"\nissuer_keys = \"l\"\napps = [\"a\"]\n";
        assert!(with("node", gateway).is_ok());
        for (old, new, named) in [
            ("client = \"g\"", "client = \"\"", "client"),
            ("[\"a\"]", "[]", "apps"),
            ("https://", "http://", "issuer"),
            ("apps", "certificate = \"x\"\napps", "certificate"),
        ] {
            let said = wrong("node", &gateway.replace(old, new));
            assert!(
                said.contains("gp_connect.gateway") && said.contains(named),
                "{said}"
            );
        }
        let digest = "a".repeat(64);
        let shown = gateway.replace("apps", &format!("certificate = \"{digest}\"\napps"));
        assert!(wrong("node", &shown).contains("apps.mtls_listen"));
        let system = "asid = \"1\"\nsystem = \"http://127.0.0.1:1\"\nsystem_asid = \"2\"\ntelephone = \"1\"\n";
        assert!(with("another-system", system).is_ok());
        assert!(wrong("node", system).contains("gp_connect.system"));
        for (old, new, named) in [
            ("http://127.0.0.1:1", "nonsense", "gp_connect.system"),
            ("system_asid = \"2\"", "", "gp_connect.system_asid"),
            ("telephone = \"1\"", "", "gp_connect.telephone"),
        ] {
            assert!(wrong("another-system", &system.replace(old, new)).contains(named));
        }
    }
}
