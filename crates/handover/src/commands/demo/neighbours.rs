//! Who lives in the demo's neighbourhood. All made up.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use access::{Ods, Role};
use exchange::Identity;
use exchange::directory::{About, Member};
use store::Clock;
use store::diary::Audience;

use crate::config::Config;

/// A demo's directory is signed anew at each start, so a year is plenty.
const CARD_VALID_MS: i64 = 365 * 24 * 3600 * 1000;

/// One organisation of the neighbourhood.
pub struct Neighbour {
    /// The name of its folder.
    pub folder: &'static str,
    pub ods: &'static str,
    pub name: &'static str,
    pub role: &'static str,
    /// Its pages' port, counted from the first; its exchange is `PORTS_APART` further.
    port: u16,
    hears_hl7: bool,
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

const PORTS_APART: u16 = 3;
const HL7_PORT: u16 = 6;
const EPS_PORT: u16 = 7;
const PDS_PORT: u16 = 8;

/// Where the stand-in of EPS listens.
pub fn eps_address(base_port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, base_port + EPS_PORT))
}

/// Where the stand-in of PDS listens.
pub fn pds_address(base_port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, base_port + PDS_PORT))
}

pub const ONE_THING_TO_TRY: &str = "  One thing to try: sign in at High Street Surgery as `secretary`, open a discharge letter and file it.
  Then look at Anytown General Hospital's sent board as `clerk`: the receipt is there. The letter is now on
  the patient's own page at the surgery too. Or sign in there as `margaret` and book an appointment, at the
  surgery or at the hospital's foot clinic.";

pub const ANOTHER: &str = "  Another: sign in at the surgery as patient `margaret` and order her medicines; approve them there as `doctor`;
  then dispense them at Corner Pharmacy as `pharmacist`, and watch her page follow. A stand-in takes the place of the
  Electronic Prescription Service: nothing of it is a lawful prescription.";

pub static NEIGHBOURS: &[Neighbour] = &[
    Neighbour {
        folder: "hospital",
        ods: "RZZ01",
        name: "Anytown General Hospital",
        role: "hospital",
        port: 0,
        hears_hl7: true,
        has_fax: false,
        clinics: &[],
        sessions: &[Session {
            with: "Foot clinic, outpatients",
            kind: "First visit",
            from: "10:00",
            until: "12:00",
            minutes: 30,
            audience: Audience::Organisations,
        }],
        accounts: &[
            Account {
                username: "clerk",
                name: "Carol Ward",
                role: Role::Clerk,
                about: "ward clerk: the sent board",
            },
            Account {
                username: "registrar",
                name: "Dr Nia Ward",
                role: Role::Clinician,
                about: "writes and signs discharges, on a patient's page",
            },
            Account {
                username: "engineer",
                name: "Imran Feed",
                role: Role::Engineer,
                about: "integration engineer: the work list",
            },
        ],
        patients: &[],
        registered: "[]",
        medicines: "[]",
        records: "[]",
    },
    Neighbour {
        folder: "practice",
        ods: "Z99001",
        name: "High Street Surgery",
        role: "gp-practice",
        port: 1,
        hears_hl7: false,
        has_fax: true,
        clinics: &["RZZ01"],
        sessions: &[
            Session {
                with: "Dr Devi Rao",
                kind: "Appointment with a doctor",
                from: "09:00",
                until: "11:00",
                minutes: 10,
                audience: Audience::Patients,
            },
            Session {
                with: "Nurse Nora Lint",
                kind: "Appointment with a nurse",
                from: "14:00",
                until: "15:00",
                minutes: 15,
                audience: Audience::Patients,
            },
        ],
        accounts: &[
            Account {
                username: "secretary",
                name: "Sandra Post",
                role: Role::Clerk,
                about: "secretary: the inbox",
            },
            Account {
                username: "doctor",
                name: "Dr Devi Rao",
                role: Role::Clinician,
                about: "GP: the inbox, can act on a letter and prescribe",
            },
            Account {
                username: "keeper",
                name: "Ken Keeper",
                role: Role::Engineer,
                about: "runs the node: approves apps",
            },
            Account {
                username: "guardian",
                name: "Grace Guard",
                role: Role::PrivacyOfficer,
                about: "privacy officer: who looked, and why",
            },
        ],
        patients: &[
            PatientAccount {
                username: "margaret",
                name: "Margaret Hill",
                patient: "margaret-hill",
                nhs_number: "9990000107",
            },
            PatientAccount {
                username: "samuel",
                name: "Samuel Okoro",
                patient: "samuel-okoro",
                nhs_number: "9990000115",
            },
        ],
        registered: include_str!("../../../demo/registered.json"),
        medicines: include_str!("../../../demo/medicines.json"),
        records: include_str!("../../../demo/records.json"),
    },
    Neighbour {
        folder: "pharmacy",
        ods: "FZZ01",
        name: "Corner Pharmacy",
        role: "pharmacy",
        port: 2,
        hears_hl7: false,
        has_fax: false,
        clinics: &[],
        sessions: &[],
        accounts: &[Account {
            username: "pharmacist",
            name: "Peter Pestle",
            role: Role::Clinician,
            about: "pharmacist: the inbox, and dispensing",
        }],
        patients: &[],
        registered: "[]",
        medicines: "[]",
        records: "[]",
    },
];

impl Neighbour {
    /// Where it lives under `data`, with its ports from `base_port` on.
    pub fn place(&'static self, data: &Path, base_port: u16) -> anyhow::Result<Place> {
        let folder = data.join(self.folder);
        let at = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, base_port + port));
        let (pages, exchange) = (at(self.port), at(self.port + PORTS_APART));
        let mut text = format!(
            "[organisation]\nods = \"{}\"\nname = \"{}\"\nroles = [\"{}\"]\n\n\
             [pages]\nlisten = \"{pages}\"\npublic_url = \"http://{pages}\"\n\n\
             [exchange]\nlisten = \"{exchange}\"\npublic_url = \"https://{exchange}\"\n\n\
             [sign_in]\nstaff = [\"passkey\", \"password-totp\", \"password\"]\n\
             patients = [\"passkey\", \"password\"]\n\n\
             [apps]\nregistration_open = true\n",
            self.ods, self.name, self.role
        );
        if self.hears_hl7 {
            text.push_str(&format!("\n[hl7v2]\nlisten = \"{}\"\n", at(HL7_PORT)));
        }
        if !self.clinics.is_empty() {
            text.push_str(&format!("\n[appointments]\nclinics = {:?}\n", self.clinics));
        }
        if self.has_fax {
            text.push_str("\n[fax]\nenabled = true\n");
        }
        if !self.hears_hl7 {
            let eps = eps_address(base_port);
            text.push_str(&format!("\n[prescriptions]\neps = \"http://{eps}\"\n"));
        }
        text.push_str(&format!(
            "\n[pds]\nurl = \"http://{}\"\n",
            pds_address(base_port)
        ));
        std::fs::create_dir_all(&folder)?;
        let file = folder.join("handover.toml");
        std::fs::write(&file, text)?;
        Ok(Place {
            neighbour: self,
            config: Config::read(&file)?,
        })
    }
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
