//! The section about prescriptions.

use anyhow::bail;

use super::section::section;

section! {
    /// Repeat prescriptions; see docs/prescriptions.md. Without `eps`, what is approved is printed or sent by the practice's own system.
    PrescriptionsSection in "prescriptions" {
        /// The address of the Electronic Prescription Service. Today only its stand-in (`handover stand-in eps`) can be used, and what goes through it is no lawful prescription.
        eps: Option<String> = "\"http://127.0.0.1:8107\"", optional;
    }
}

impl PrescriptionsSection {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let Some(eps) = &self.eps else {
            return Ok(());
        };
        if exchange::prescriptions::eps::Eps::new(eps).is_err() {
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
    }
}
