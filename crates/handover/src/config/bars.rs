//! The section about the Booking and Referral Standard.

use std::path::PathBuf;

use access::Ods;
use anyhow::bail;
use exchange::bars::Service;
use serde::Deserialize;

use super::section::section;

section! {
    /// The Booking and Referral Standard (BaRS): referrals to organisations that have no node, and decisions back to those who refer so. See docs/referrals.md.
    BarsSection in "bars" {
        /// Organisations reached by it, each a table [[bars.service]]: `url` is the address of its FHIR API or of the proxy before it, `service` its identifier there, `token` a file with the bearer token, readable by the node's user only. Without TLS only on this machine.
        service: Option<Vec<ServiceSetting>> = "[{ ods = \"RZZ09\", name = \"Seaport Hospital\", url = \"https://api.service.nhs.uk/booking-and-referral/FHIR/R4\", service = \"2000099999\", token = \"keys/bars.token\" }]", optional;
        /// A folder with a bearer token for each host at which organisations are reached that the signed directory lists, each in a file named after the host, such as `api.service.nhs.uk.token`, readable by the node's user only. Without it nobody is reached by the directory; a service above goes before it.
        tokens: Option<PathBuf> = "\"keys/bars\"", optional;
        /// The identifier by which the proxy knows this organisation; answers go there. Without it they go to `/bars/FHIR/R4` under `pages.public_url`.
        own_service: Option<String> = "\"2000088888\"", optional;
    }
}

/// An organisation that is reached by BaRS.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceSetting {
    pub ods: String,
    pub name: String,
    pub url: String,
    pub service: String,
    pub token: PathBuf,
}

impl BarsSection {
    pub fn services(&self) -> &[ServiceSetting] {
        self.service.as_deref().unwrap_or_default()
    }

    /// Where referrals go by it, in words.
    pub fn told(&self) -> String {
        if self.services().is_empty() && self.tokens.is_none() {
            return "Referrals go to nobody by the Booking and Referral Standard.".into();
        }
        let each = self
            .services()
            .iter()
            .map(|it| format!("{} ({}) at {}", it.name, it.ods, it.url));
        let mut each: Vec<String> = each.collect();
        if self.tokens.is_some() {
            each.push("whoever the signed directory lists as reached by it".into());
        }
        format!(
            "Referrals, with what is enclosed, decisions about them and bookings go by the Booking and Referral Standard to: {}.",
            each.join("; ")
        )
    }

    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let of_services = self.service.iter_mut().flatten().map(|it| &mut it.token);
        of_services.chain(self.tokens.iter_mut())
    }

    pub(super) fn check(&self, own: &str) -> anyhow::Result<()> {
        let mut seen = std::collections::BTreeSet::new();
        for it in self.services() {
            if Ods::parse(&it.ods).is_err() || it.ods == own || !seen.insert(&it.ods) {
                bail!(
                    "bars.service: {:?} is not the ODS code of another organisation, or is there twice",
                    it.ods
                );
            }
            if !exchange::bars::is_address(&it.url) {
                bail!(
                    "bars.service: the url of {} must be an address that begins with https://",
                    it.ods
                );
            }
            let is_line = |it: &str| {
                let is_short = it.chars().count() <= 200;
                is_short && !it.trim().is_empty() && !it.chars().any(char::is_control)
            };
            if !is_line(&it.name) || !is_line(&it.service) {
                bail!(
                    "bars.service: name and service of {} are one line each",
                    it.ods
                );
            }
        }
        let own = self.own_service.as_deref();
        if own.is_some_and(|it| it.trim().is_empty() || it.chars().any(char::is_control)) {
            bail!("bars.own_service: is empty");
        }
        Ok(())
    }
}

impl ServiceSetting {
    /// # Errors
    /// If its ODS code is none, which `check` rules out.
    pub fn service(&self) -> anyhow::Result<Service> {
        Ok(Service {
            ods: Ods::parse(&self.ods)?,
            name: self.name.clone(),
            url: self.url.clone(),
            service: self.service.clone(),
            token: self.token.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn a_wrong_setting_of_bars_is_named() {
        let with = |more: &str| {
            let text = format!(
                "[organisation]\nods = \"RZZ01\"\nname = \"A\"\nroles = []\n[bars]\n{more}"
            );
            Config::parse(&text)
        };
        let wrong = |more: &str| format!("{:#}", with(more).unwrap_err());
        let one = |ods: &str, url: &str, service: &str| {
            format!(
                "{{ ods = \"{ods}\", name = \"S\", url = \"{url}\", service = \"{service}\", token = \"t\" }}"
            )
        };
        let good = one("RZZ09", "https://x.example/FHIR/R4", "2");
        assert!(with(&format!("service = [{good}]")).is_ok());
        assert!(wrong(&format!("service = [{good}, {good}]")).contains("bars.service"));
        let own = one("RZZ01", "https://x.example", "2");
        assert!(wrong(&format!("service = [{own}]")).contains("RZZ01"));
        let plain = one("RZZ09", "http://x.example", "2");
        assert!(wrong(&format!("service = [{plain}]")).contains("https://"));
        let unnamed = one("RZZ09", "https://x.example", " ");
        assert!(wrong(&format!("service = [{unnamed}]")).contains("one line"));
        assert!(wrong("own_service = \"\"").contains("bars.own_service"));
        assert!(with("").unwrap().bars.services().is_empty());
    }
}
