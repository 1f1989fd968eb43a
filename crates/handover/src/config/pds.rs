//! The section about PDS.

use std::path::PathBuf;

use anyhow::bail;

use super::address::{is_here, is_safe};
use super::section::section;

section! {
    /// PDS, the national record of who is who; see docs/pds.md. Until `url` is given nobody is asked.
    PdsSection in "pds" {
        /// The address of its FHIR API. Integration: https://int.api.service.nhs.uk/personal-demographics/FHIR/R4. Without TLS only on this machine, for `handover stand-in pds`.
        url: Option<String> = "\"https://api.service.nhs.uk/personal-demographics/FHIR/R4\"", optional;
        /// The address where a signed statement is changed for a token. Needed but for a stand-in on this machine.
        token_url: Option<String> = "\"https://api.service.nhs.uk/oauth2/token\"", optional;
        /// The application's key there ("API key").
        client: Option<String> = "\"anytown-api-key\"", optional;
        /// PEM file of the RSA private key (4096 bits) whose public half NHS England has. Readable by the node's user only.
        key: PathBuf = "\"keys/pds.pem\"", default;
        /// The key's name there.
        key_id: String = "\"anytown-1\"", default;
        /// What PDS said is asked for anew after so many hours, and shown as old until then.
        fresh_hours: u32 = "24", default;
        /// Questions a second at most, of those that the node asks by itself.
        a_second: u32 = "4", default;
    }
}

impl PdsSection {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.token_url.is_some() != self.client.is_some() {
            bail!("pds.token_url and pds.client: go together");
        }
        for (key, url) in [("url", &self.url), ("token_url", &self.token_url)] {
            let Some(url) = url else { continue };
            if !is_safe(url) || exchange::pds::Pds::new(url, None).is_err() {
                bail!("pds.{key}: must be an address that begins with https://");
            }
        }
        match &self.url {
            None if self.client.is_some() => bail!("pds.client: needs pds.url"),
            Some(url) if self.client.is_none() && !is_here(url) => {
                bail!("pds.client: is needed with pds.url, but for a stand-in on this machine")
            }
            _ => {}
        }
        if !(1..=720).contains(&self.fresh_hours) {
            bail!("pds.fresh_hours: {} is not from 1 to 720", self.fresh_hours);
        }
        if !(1..=50).contains(&self.a_second) {
            bail!("pds.a_second: {} is not from 1 to 50", self.a_second);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn a_wrong_setting_of_pds_is_named() {
        let with = |more: &str| {
            let text =
                format!("[organisation]\nods = \"RZZ01\"\nname = \"A\"\nroles = []\n[pds]\n{more}");
            Config::parse(&text)
        };
        let wrong = |more: &str| format!("{:#}", with(more).unwrap_err());
        let url = "url = \"https://pds.example\"\n";
        assert!(wrong("url = \"http://pds.example\"").contains("pds.url"));
        assert!(wrong(url).contains("pds.client"));
        assert!(wrong("client = \"a\"").contains("pds.token_url"));
        let signed = format!("{url}token_url = \"https://token.example\"\nclient = \"a\"\n");
        assert!(with(&signed).is_ok());
        assert!(wrong(&format!("{signed}fresh_hours = 0")).contains("pds.fresh_hours"));
        assert!(wrong(&format!("{signed}a_second = 51")).contains("pds.a_second"));
        assert!(with("url = \"http://127.0.0.1:8108\"").is_ok());
        assert!(with("").unwrap().pds.url.is_none());
    }
}
