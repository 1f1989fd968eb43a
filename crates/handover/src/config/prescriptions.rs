//! The section about prescriptions.

use std::path::PathBuf;

use anyhow::bail;

use super::address::is_safe;
use super::section::section;

section! {
    /// Repeat prescriptions; see docs/prescriptions.md. Without `eps`, what is approved is printed or sent by the practice's own system.
    PrescriptionsSection in "prescriptions" {
        /// The address of the Electronic Prescription Service. Today only its stand-in (`handover stand-in eps`) can be used, and what goes through it is no lawful prescription.
        eps: Option<String> = "\"http://127.0.0.1:8107\"", optional;
        /// The address where a signed statement is changed for a bearer token, with which EPS is then asked. Goes with `client`.
        token_url: Option<String> = "\"https://api.service.nhs.uk/oauth2/token\"", optional;
        /// The application's key there ("API key").
        client: Option<String> = "\"anytown-api-key\"", optional;
        /// PEM file of the RSA private key (4096 bits) whose public half NHS England has. Readable by the node's user only.
        key: PathBuf = "\"keys/eps.pem\"", default;
        /// The key's name there.
        key_id: String = "\"anytown-1\"", default;
    }
}

impl PrescriptionsSection {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.token_url.is_some() != self.client.is_some() {
            bail!("prescriptions.token_url and prescriptions.client: go together");
        }
        if let Some(url) = &self.token_url
            && !is_safe(url)
        {
            bail!("prescriptions.token_url: must be an address that begins with https://");
        }
        let Some(eps) = &self.eps else {
            match self.client {
                Some(_) => bail!("prescriptions.client: needs prescriptions.eps"),
                None => return Ok(()),
            }
        };
        if exchange::prescriptions::eps::Eps::new(eps, None).is_err() {
            bail!("prescriptions.eps: must be an address such as http://127.0.0.1:8107");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn a_wrong_address_of_eps_is_named() {
        let with = |more: &str| {
            let text = format!(
                "[organisation]\nods = \"RZZ01\"\nname = \"A\"\nroles = []\n[prescriptions]\n{more}"
            );
            Config::parse(&text)
        };
        let wrong = format!("{:#}", with("eps = \"nonsense\"").unwrap_err());
        assert!(wrong.contains("prescriptions.eps"), "{wrong}");
        assert!(with("eps = \"http://127.0.0.1:8107\"").is_ok());
        assert!(with("").unwrap().prescriptions.eps.is_none());
        let wrong = |more: &str| format!("{:#}", with(more).unwrap_err());
        let eps = "eps = \"http://127.0.0.1:8107\"\n";
        assert!(wrong(&format!("{eps}client = \"a\"")).contains("prescriptions.token_url"));
        let signed = "token_url = \"https://token.example\"\nclient = \"a\"\n";
        assert!(wrong(signed).contains("prescriptions.client"));
        assert!(with(&format!("{eps}{signed}")).is_ok());
        let plain = signed.replace("https", "http");
        assert!(wrong(&format!("{eps}{plain}")).contains("prescriptions.token_url"));
    }
}
