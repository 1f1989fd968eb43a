//! Who lives in the demo's neighbourhood. All made up.

mod list;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use access::{Ods, Role};
use exchange::Identity;
use exchange::directory::{About, Member};
use store::Clock;
use store::diary::Audience;

use super::PASSPHRASE;
use crate::config::Config;
pub use list::NEIGHBOURS;

/// A demo's directory is signed anew at each start, so a year is plenty.
const CARD_VALID_MS: i64 = 365 * 24 * 3600 * 1000;

/// One organisation of the neighbourhood.
pub struct Neighbour {
    /// The name of its folder.
    pub folder: &'static str,
    pub ods: &'static str,
    pub name: &'static str,
    /// A word or two, for the map.
    pub short: &'static str,
    pub role: &'static str,
    /// Its ports, counted from the first: pages, exchange, and HL7 v2 if it hears that.
    pages_port: u16,
    exchange_port: u16,
    hl7_port: Option<u16>,
    /// A clinic without a node sends it faxes.
    pub has_fax: bool,
    /// ODS codes of those whose appointments are offered there.
    clinics: &'static [&'static str],
    /// Who sees patients there, on every working day of the coming two weeks.
    pub sessions: &'static [Session],
    pub accounts: &'static [Account],
    pub patients: &'static [PatientAccount],
    /// Patients who are registered there: a JSON array of FHIR Patient resources.
    pub registered: &'static str,
    /// Their repeat medicines: a JSON array of FHIR resources with ids.
    pub medicines: &'static str,
    /// What else stands in their records: the same.
    pub records: &'static str,
}

/// When somebody sees patients.
pub struct Session {
    pub with: &'static str,
    pub kind: &'static str,
    /// UK time, such as `09:00`.
    pub from: &'static str,
    pub until: &'static str,
    pub minutes: i64,
    pub audience: Audience,
}

/// One of the staff.
pub struct Account {
    pub username: &'static str,
    pub name: &'static str,
    pub role: Role,
    pub about: &'static str,
}

/// A patient who can sign in.
pub struct PatientAccount {
    pub username: &'static str,
    pub name: &'static str,
    /// The id of their Patient resource.
    pub patient: &'static str,
    pub nhs_number: &'static str,
}

/// A neighbour with its folder and ports.
#[derive(Clone)]
pub struct Place {
    pub neighbour: &'static Neighbour,
    pub config: Config,
}

/// The settings of packs for when everything is off.
const DOWNTIME: &str = "\n[downtime]\nfolder = \"downtime\"\npassphrase = \"downtime-passphrase\"\nevery_minutes = 1\n";

const EPS_PORT: u16 = 7;
const PDS_PORT: u16 = 8;
const OWN_PORT: u16 = 9;

/// Where the stand-in of EPS listens.
pub fn eps_address(base_port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, base_port + EPS_PORT))
}

/// Where the stand-in of PDS listens.
pub fn pds_address(base_port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, base_port + PDS_PORT))
}

/// Where the neighbourhood's own pages listen.
pub fn own_address(base_port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, base_port + OWN_PORT))
}

impl Neighbour {
    /// Where it lives under `data`, with its ports from `base_port` on.
    pub fn place(&'static self, data: &Path, base_port: u16) -> anyhow::Result<Place> {
        let folder = data.join(self.folder);
        let at = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, base_port + port));
        let (pages, exchange) = (at(self.pages_port), at(self.exchange_port));
        let mut text = format!(
            "[organisation]\nods = \"{}\"\nname = \"{}\"\nroles = [\"{}\"]\n\n\
             [pages]\nlisten = \"{pages}\"\npublic_url = \"http://{pages}\"\n\n\
             [exchange]\nlisten = \"{exchange}\"\npublic_url = \"https://{exchange}\"\n\n\
             [sign_in]\nstaff = [\"passkey\", \"password-totp\", \"password\"]\n\
             patients = [\"passkey\", \"password\"]\n\n\
             [apps]\nregistration_open = true\n",
            self.ods, self.name, self.role
        );
        if let Some(port) = self.hl7_port {
            text.push_str(&format!("\n[hl7v2]\nlisten = \"{}\"\n", at(port)));
        }
        if !self.clinics.is_empty() {
            text.push_str(&format!("\n[appointments]\nclinics = {:?}\n", self.clinics));
        }
        if self.has_fax {
            text.push_str("\n[fax]\nenabled = true\n");
        }
        if matches!(self.role, "gp-practice" | "pharmacy") {
            let eps = eps_address(base_port);
            text.push_str(&format!("\n[prescriptions]\neps = \"http://{eps}\"\n"));
        }
        text.push_str(&format!(
            "\n[pds]\nurl = \"http://{}\"\n",
            pds_address(base_port)
        ));
        std::fs::create_dir_all(&folder)?;
        if !self.sessions.is_empty() {
            // Whoever sees patients has a pack for when everything is off.
            text.push_str(DOWNTIME);
            std::fs::create_dir_all(folder.join("downtime"))?;
            write_private(&folder.join("downtime-passphrase"), PASSPHRASE)?;
        }
        let file = folder.join("handover.toml");
        std::fs::write(&file, text)?;
        Ok(Place {
            neighbour: self,
            config: Config::read(&file)?,
        })
    }
}

/// A file that only the node's user reads, as is asked of one with a secret.
fn write_private(file: &Path, text: &str) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    Ok(options.open(file)?.write_all(text.as_bytes())?)
}

impl Place {
    /// Its entry in the directory; its keys are made if it has none.
    pub fn member(&self) -> anyhow::Result<Member> {
        let ods = Ods::parse(self.neighbour.ods)?;
        let keys = &self.config.exchange.keys;
        let identity = if Identity::exists(keys) {
            Identity::open(keys, &ods)?
        } else {
            Identity::create(keys, &ods)?
        };
        let about = About {
            name: self.neighbour.name.to_owned(),
            roles: vec![self.neighbour.role.to_owned()],
            exchange: self.config.exchange.public_url.clone(),
            pages: self.config.pages.public_url.clone(),
            mailboxes: Vec::new(),
        };
        let now = Clock::system().now();
        Ok(Member::card(
            &identity,
            about,
            now - 60_000,
            now + CARD_VALID_MS,
        ))
    }
}
pub const ONE_THING_TO_TRY: &str = "  One thing to try: sign in at High Street Surgery as `secretary`, open a discharge letter and file it.
  Then look at Anytown General Hospital's sent board as `clerk`: the receipt is there. The letter is now on
  the patient's own page at the surgery too. Or sign in there as `margaret` and book an appointment, at the
  surgery or at the hospital's foot clinic.";

pub const ANOTHER: &str = "  Another: sign in at the surgery as patient `margaret` and order her medicines; approve them there as `doctor`;
  then dispense them at Corner Pharmacy as `pharmacist`, and watch her page follow. A stand-in takes the place of the
  Electronic Prescription Service: nothing of it is a lawful prescription.";
