//! The section about ITK3 documents over MESH.

use access::Ods;
use anyhow::bail;
use exchange::itk3::{CONSULTATION_REPORT, DateOrder, Receiver, SEND_DOCUMENT};
use exchange::mailboxes::is_mailbox;
use fhir::itk3::Care;
use serde::Deserialize;

use super::mesh::MeshSection;
use super::section::section;

/// The largest message that is taken, whatever the settings say: it is held in memory whole.
const MESSAGE_BYTES_MAX: u64 = 64 << 20;
/// How the address of every MessageDefinition of ITK3 begins.
const DEFINITIONS: &str = "https://fhir.nhs.uk/STU3/MessageDefinition/ITK-";

section! {
    /// ITK3 documents over the mailbox of [mesh]: letters to practices that have no node, tried before the fax, and documents that come for us. Off until `enabled`; see docs/itk3.md.
    Itk3Section in "itk3" {
        /// True when documents are sent and taken. The mailbox's ITK3 workflows are then this node's alone to collect.
        enabled: bool = "false", default;
        /// Organisations whose mailbox is known, each a table [[itk3.receiver]]. `workflow` is GPCONNECT_SEND_DOCUMENT, or GPFED_CONSULT_REPORT where all that goes there are consultation reports. With `discharge` (TOC_FHIR_IP_DISCH, TOC_FHIR_MH_DISCH, TOC_FHIR_EC_DISCH or TOC_FHIR_OP_ATTEN) a discharge signed here goes there as that Transfer of Care document.
        receiver: Option<Vec<ReceiverSetting>> = "[{ ods = \"A81001\", mailbox = \"A81001OT001\", workflow = \"GPCONNECT_SEND_DOCUMENT\", discharge = \"TOC_FHIR_IP_DISCH\" }]", optional;
        /// True when letters to others go to the practice that MESH finds for the patient, which may be another than the one addressed.
        automatic: bool = "false", default;
        /// As which Transfer of Care document a discharge goes where MESH finds the practice. Without it it goes as any letter.
        automatic_discharge: Option<String> = "\"TOC_FHIR_IP_DISCH\"", optional;
        /// The MessageDefinition that Transfer of Care documents name, where receivers ask for another version than docs/itk3.md has.
        discharge_definition: Option<String> = "\"https://fhir.nhs.uk/STU3/MessageDefinition/ITK-eDischarge-MessageDefinition-4\"", optional;
        /// How a date of birth stands in the name by which MESH finds a practice: "year-first" (YYYYMMDD) or "day-first" (DDMMYYYY).
        date_order: DateOrderSetting = "\"year-first\"", default;
        /// The organisation's telephone number, which stands in each document.
        telephone: Option<String> = "\"0113 496 0000\"", optional;
        /// So often MESH may fail to take a message before a person is told.
        tries_max: u32 = "5", default;
        /// A letter whose receiver's system has not answered after this many hours goes onto the work list.
        infrastructure_hours: u32 = "24", default;
        /// So does one that nobody there has answered this many hours after the system did.
        business_hours: u32 = "120", default;
        /// Messages that were taken or settled are kept as they came for this many days. What waits for a person is kept.
        keep_days: u32 = "30", default;
        /// The largest message taken, in bytes: at most 67108864. A larger one stays at MESH, and a person is told.
        message_bytes_max: u64 = "33554432", default;
        /// The mailbox is looked into every so many seconds.
        look_seconds: u32 = "60", default;
    }
}

/// An organisation with its mailbox.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiverSetting {
    pub ods: String,
    pub mailbox: String,
    #[serde(default)]
    pub workflow: Option<String>,
    #[serde(default)]
    pub discharge: Option<String>,
}

/// In which order a date stands.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum DateOrderSetting {
    YearFirst,
    DayFirst,
}

impl From<DateOrderSetting> for DateOrder {
    fn from(order: DateOrderSetting) -> DateOrder {
        match order {
            DateOrderSetting::YearFirst => DateOrder::YearFirst,
            DateOrderSetting::DayFirst => DateOrder::DayFirst,
        }
    }
}

/// Whether that is a workflow of Transfer of Care, or none is given.
fn is_care(workflow: Option<&str>) -> bool {
    workflow.is_none_or(|it| Care::of_workflow(it).is_some())
}

impl Itk3Section {
    pub(super) fn check(&self, mesh: &MeshSection) -> anyhow::Result<()> {
        if self.enabled && mesh.base_url.is_none() {
            bail!("itk3.enabled: needs mesh.base_url and mesh.mailbox");
        }
        if !self.enabled && (self.automatic || self.receiver.is_some()) {
            bail!("itk3.receiver and itk3.automatic: need itk3.enabled = true");
        }
        let mut seen = std::collections::BTreeSet::new();
        for it in self.receivers() {
            if Ods::parse(&it.ods).is_err() || !seen.insert(&it.ods) {
                bail!(
                    "itk3.receiver: {:?} is not an ODS code, or is there twice",
                    it.ods
                );
            }
            if !is_mailbox(&it.mailbox) {
                bail!(
                    "itk3.receiver: the mailbox of {} is not up to 30 capital letters and digits",
                    it.ods
                );
            }
            if !matches!(it.workflow(), SEND_DOCUMENT | CONSULTATION_REPORT) {
                bail!(
                    "itk3.receiver: the workflow of {} is neither {SEND_DOCUMENT} nor {CONSULTATION_REPORT}; that of discharges is `discharge`",
                    it.ods
                );
            }
            if !is_care(it.discharge.as_deref()) {
                bail!(
                    "itk3.receiver: the discharge of {} is no workflow of Transfer of Care, such as TOC_FHIR_IP_DISCH",
                    it.ods
                );
            }
        }
        self.check_discharges()?;
        let telephone = self.telephone.as_deref().unwrap_or_default();
        if telephone.chars().count() > 40 || telephone.chars().any(char::is_control) {
            bail!("itk3.telephone: must be one line of up to 40 characters");
        }
        let counts = [
            self.tries_max,
            self.infrastructure_hours,
            self.business_hours,
            self.keep_days,
            self.look_seconds,
        ];
        if counts.contains(&0) {
            bail!(
                "itk3.tries_max, infrastructure_hours, business_hours, keep_days and look_seconds: must be at least 1"
            );
        }
        if self.message_bytes_max == 0 || self.message_bytes_max > MESSAGE_BYTES_MAX {
            bail!("itk3.message_bytes_max: must be from 1 to {MESSAGE_BYTES_MAX}");
        }
        Ok(())
    }

    /// As what discharges go.
    fn check_discharges(&self) -> anyhow::Result<()> {
        if !is_care(self.automatic_discharge.as_deref()) {
            bail!(
                "itk3.automatic_discharge: is no workflow of Transfer of Care, such as TOC_FHIR_IP_DISCH"
            );
        }
        if self.automatic_discharge.is_some() && !self.automatic {
            bail!("itk3.automatic_discharge: needs itk3.automatic = true");
        }
        let Some(definition) = &self.discharge_definition else {
            return Ok(());
        };
        let is_plain = definition.bytes().all(|it| it.is_ascii_graphic());
        if !definition.starts_with(DEFINITIONS) || !is_plain || definition.len() > 200 {
            bail!(
                "itk3.discharge_definition: must be an address without spaces that begins with {DEFINITIONS}"
            );
        }
        let own = self.receivers().iter().any(|it| it.discharge.is_some());
        if !own && self.automatic_discharge.is_none() {
            bail!(
                "itk3.discharge_definition: needs a receiver with `discharge`, or itk3.automatic_discharge"
            );
        }
        Ok(())
    }

    pub fn receivers(&self) -> &[ReceiverSetting] {
        self.receiver.as_deref().unwrap_or_default()
    }
}

impl ReceiverSetting {
    pub fn workflow(&self) -> &str {
        self.workflow.as_deref().unwrap_or(SEND_DOCUMENT)
    }

    /// # Errors
    /// If its ODS code is none, which `check` rules out.
    pub fn receiver(&self) -> anyhow::Result<Receiver> {
        Ok(Receiver {
            ods: Ods::parse(&self.ods)?,
            mailbox: self.mailbox.clone(),
            workflow: self.workflow().to_owned(),
            discharge: self.discharge.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::DEFINITIONS;
    use crate::config::Config;

    #[test]
    fn a_wrong_setting_of_itk3_is_named() {
        let with = |more: &str| {
            let text = format!(
                "[organisation]\nods = \"RZZ01\"\nname = \"A\"\nroles = []\n\
                 [mesh]\nbase_url = \"https://x\"\nmailbox = \"A\"\n[itk3]\n{more}"
            );
            Config::parse(&text)
        };
        let wrong = |more: &str| format!("{:#}", with(more).unwrap_err());
        assert!(wrong("automatic = true").contains("itk3.enabled"));
        let on = |more: &str| wrong(&format!("enabled = true\n{more}"));
        assert!(on("receiver = [{ ods = \"x\", mailbox = \"A\" }]").contains("itk3.receiver"));
        assert!(
            on("receiver = [{ ods = \"A81001\", mailbox = \"a b\" }]")
                .contains("mailbox of A81001")
        );
        let other =
            "receiver = [{ ods = \"A81001\", mailbox = \"A\", workflow = \"TOC_FHIR_EC_DISCH\" }]";
        assert!(on(other).contains("workflow of A81001"));
        let known =
            |more: &str| format!("receiver = [{{ ods = \"A81001\", mailbox = \"A\"{more} }}]");
        for other in ["GPCONNECT_SEND_DOCUMENT", "TOC_FHIR_IP_DISCH_ACK", ""] {
            let text = known(&format!(", discharge = \"{other}\""));
            assert!(on(&text).contains("discharge of A81001"), "{other}");
            let text = format!("automatic = true\nautomatic_discharge = \"{other}\"");
            assert!(on(&text).contains("itk3.automatic_discharge"), "{other}");
        }
        let alone = "automatic_discharge = \"TOC_FHIR_IP_DISCH\"";
        assert!(on(alone).contains("needs itk3.automatic"));
        let definition = |it: &str| format!("discharge_definition = \"{DEFINITIONS}{it}\"");
        assert!(on(&definition("X-1")).contains("needs a receiver"));
        let own = known(", discharge = \"TOC_FHIR_OP_ATTEN\"");
        let spaced = format!("{own}\n{}", definition("X 1"));
        assert!(on(&spaced).contains("itk3.discharge_definition"));
        let other = format!("{own}\ndischarge_definition = \"https://x/ITK-1\"");
        assert!(on(&other).contains("that begins with"));
        let good = format!(
            "enabled = true\n{own}\n{}",
            definition("OPL-MessageDefinition-5")
        );
        let good = with(&good).unwrap().itk3;
        let receiver = good.receivers()[0].receiver().unwrap();
        assert_eq!(receiver.discharge.as_deref(), Some("TOC_FHIR_OP_ATTEN"));
        assert_eq!(receiver.workflow, "GPCONNECT_SEND_DOCUMENT");
        assert!(on("look_seconds = 0").contains("look_seconds"));
        assert!(on("message_bytes_max = 0").contains("message_bytes_max"));
        assert!(on("date_order = \"month-first\"").contains("date_order"));
        let alone =
            "[organisation]\nods = \"RZZ01\"\nname = \"A\"\nroles = []\n[itk3]\nenabled = true";
        assert!(format!("{:#}", Config::parse(alone).unwrap_err()).contains("mesh.base_url"));
        assert!(!with("").unwrap().itk3.enabled);
    }
}
