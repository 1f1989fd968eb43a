//! The sections about MESH, and about what is asked over it.

use std::path::PathBuf;

use anyhow::bail;

use super::section::section;

section! {
    /// The organisation's mailbox at MESH, the NHS's message exchange. Off until `base_url` is given.
    MeshSection in "mesh" {
        /// The address of MESH. Integration: https://msg.intspineservices.nhs.uk. Without TLS only on this machine, for a stand-in.
        base_url: Option<String> = "\"https://mesh-sync.spineservices.nhs.uk\"", optional;
        /// The mailbox.
        mailbox: Option<String> = "\"RZZ01OT001\"", optional;
        /// A file that holds the mailbox's password. Readable by the node's user only.
        password: PathBuf = "\"keys/mesh-password\"", default;
        /// A file that holds the environment's shared key. Readable by the node's user only.
        shared_key: PathBuf = "\"keys/mesh-shared-key\"", default;
        /// PEM file of the certificate authorities of MESH. Left out, those of the system are believed.
        authorities: Option<PathBuf> = "\"mesh-ca.pem\"", optional;
        /// PEM file of the client certificate that MESH gave out, with what leads to its root.
        certificate: Option<PathBuf> = "\"mesh.crt\"", optional;
        /// PEM file of its private key. Readable by the node's user only.
        key: Option<PathBuf> = "\"keys/mesh.key\"", optional;
    }
}

section! {
    /// National data opt-outs: who is left out of exports for other uses than care. Until `mailbox` is given nobody is asked, and such exports are refused; see docs/opt-out.md.
    OptOutSection in "opt_out" {
        /// The mailbox of the service "Check for National Data Opt-outs". It differs between environments: NHS England names it.
        mailbox: Option<String> = "\"X26HC036\"", optional;
        /// The mailbox that its answers come from, if that is another.
        answers_from: Option<String> = "\"X26HC036\"", optional;
        /// The workflow id of the question.
        request_workflow: String = "\"SPINE_NTT_UPHOLDING\"", default;
        /// The workflow id of the answer.
        answer_workflow: String = "\"SPINE_NTT_UPHOLDING\"", default;
        /// Everybody is asked after anew so many hours after the last time.
        every_hours: u32 = "24", default;
        /// An answer that has not come after so many hours is given up, and asked for anew.
        answer_hours: u32 = "24", default;
        /// An answer counts for so many days; at most 21. With an older one nothing is exported for other uses than care.
        days_max: u32 = "21", default;
    }
}

impl MeshSection {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.base_url.is_some() != self.mailbox.is_some() {
            bail!("mesh.base_url and mesh.mailbox: go together");
        }
        if self.certificate.is_some() != self.key.is_some() {
            bail!("mesh.certificate and mesh.key: go together");
        }
        Ok(())
    }

    /// The paths, for those who take them from the file's folder.
    pub(super) fn paths(&mut self) -> Vec<&mut PathBuf> {
        let optional = [&mut self.authorities, &mut self.certificate, &mut self.key];
        let mut paths = vec![&mut self.password, &mut self.shared_key];
        paths.extend(optional.into_iter().filter_map(Option::as_mut));
        paths
    }
}

impl OptOutSection {
    pub(super) fn check(&self, mesh: &MeshSection) -> anyhow::Result<()> {
        if self.mailbox.is_some() && mesh.base_url.is_none() {
            bail!("opt_out.mailbox: needs mesh.base_url and mesh.mailbox");
        }
        let workflows = [
            ("request_workflow", &self.request_workflow),
            ("answer_workflow", &self.answer_workflow),
        ];
        for (key, workflow) in workflows {
            let is_plain = |it: u8| it.is_ascii_alphanumeric() || b"_-".contains(&it);
            if workflow.is_empty() || workflow.len() > 60 || !workflow.bytes().all(is_plain) {
                bail!("opt_out.{key}: a workflow id is letters, digits, _ and -");
            }
        }
        for mailbox in [&self.mailbox, &self.answers_from].into_iter().flatten() {
            if mailbox.is_empty() || !mailbox.bytes().all(|it| it.is_ascii_alphanumeric()) {
                bail!("opt_out.mailbox and answers_from: a mailbox is letters and digits");
            }
        }
        if !(1..=21).contains(&self.days_max) {
            bail!("opt_out.days_max: {} is not from 1 to 21", self.days_max);
        }
        let hours_max = self.days_max.saturating_mul(24);
        if self.every_hours == 0 || self.every_hours >= hours_max {
            bail!(
                "opt_out.every_hours: must be at least 1, and less than opt_out.days_max in hours"
            );
        }
        if !(1..=120).contains(&self.answer_hours) {
            bail!(
                "opt_out.answer_hours: {} is not from 1 to 120",
                self.answer_hours
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn a_wrong_setting_of_these_is_named() {
        let with = |more: &str| {
            let text = format!("[organisation]\nods = \"RZZ01\"\nname = \"A\"\nroles = []\n{more}");
            Config::parse(&text)
        };
        let wrong = |more: &str| format!("{:#}", with(more).unwrap_err());
        let mesh = "[mesh]\nbase_url = \"https://x\"\nmailbox = \"A\"\n";
        assert!(wrong("[mesh]\nmailbox = \"A\"").contains("mesh.base_url"));
        assert!(wrong(&format!("{mesh}key = \"k\"")).contains("mesh.certificate"));
        assert!(wrong("[opt_out]\nmailbox = \"A\"").contains("opt_out.mailbox"));
        let opt_out = |more: &str| wrong(&format!("{mesh}[opt_out]\nmailbox = \"B\"\n{more}"));
        assert!(opt_out("days_max = 22").contains("opt_out.days_max"));
        assert!(opt_out("every_hours = 504").contains("opt_out.every_hours"));
        assert!(opt_out("answer_hours = 0").contains("opt_out.answer_hours"));
        assert!(opt_out("answer_workflow = \"a b\"").contains("opt_out.answer_workflow"));
        assert!(opt_out("answers_from = \"a/b\"").contains("answers_from"));
        assert!(with(&format!("{mesh}[opt_out]\nmailbox = \"B\"")).is_ok());
    }
}
