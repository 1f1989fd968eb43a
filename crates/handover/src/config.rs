//! `handover.toml`: one struct a section, nothing unknown accepted, a wrong value stops the start.

mod address;
mod appointments;
mod apps;
mod backup;
mod bars;
mod bounds;
mod downtime;
mod fax;
pub mod fhir;
mod gp_connect;
mod hl7v2;
mod itk3;
mod mesh;
mod mesh_server;
mod messages;
mod pds;
mod prescriptions;
pub mod section;
#[cfg(test)]
mod tests;
mod who_sees;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
pub use appointments::AppointmentsSection;
pub use apps::AppsSection;
pub use backup::BackupSection;
pub use bars::BarsSection;
pub use downtime::DowntimeSection;
pub use fax::FaxSection;
pub use fhir::FhirSection;
pub use gp_connect::{GatewaySetting, GpConnectSection};
pub use hl7v2::{Hl7v2, Hl7v2Destination, Hl7v2Listener};
pub use itk3::Itk3Section;
pub use mesh::{MeshSection, OptOutSection};
pub use mesh_server::MeshServerSection;
pub use messages::MessagesSection;
pub use pds::PdsSection;
pub use prescriptions::PrescriptionsSection;
use section::section;
use serde::Deserialize;
use web::sign_in::Way;
pub use who_sees::{AccessSection, OnFamiliar, Relationships};

section! {
    /// Whose node this is.
    Organisation in "organisation" {
        /// The ODS code, as the directory has it.
        ods: String = "\"RZZ01\"", required;
        /// The name that pages and letters show.
        name: String = "\"Anytown General Hospital\"", required;
        /// What the organisation is: "hospital", "gp-practice", "pharmacy", ...
        roles: Vec<String> = "[\"hospital\"]", required;
    }
}

section! {
    /// Where the records are kept: a SQLite file, or a schema in PostgreSQL when `postgres` is given.
    StoreSection in "store" {
        /// The SQLite file. Made when it is not there.
        sqlite: PathBuf = "\"handover.sqlite\"", default;
        /// A file that holds the PostgreSQL URL (it has a password, so it is a path).
        postgres: Option<PathBuf> = "\"postgres.url\"", optional;
        /// The PostgreSQL schema of this node.
        schema: String = "\"handover\"", default;
    }
}

section! {
    /// The door for people and FHIR clients.
    Pages in "pages" {
        /// Where it listens. Anything but loopback needs a certificate here or a proxy in front.
        listen: SocketAddr = "\"127.0.0.1:8080\"", default;
        /// The address that people and clients use.
        public_url: String = "\"http://127.0.0.1:8080\"", default;
        /// PEM file of the TLS certificate chain.
        tls_certificate: Option<PathBuf> = "\"pages.crt\"", optional;
        /// PEM file of its private key.
        tls_key: Option<PathBuf> = "\"pages.key\"", optional;
        /// The oldest TLS that is spoken: "1.3", or "1.2" where a system that must get in cannot do better.
        tls_oldest: TlsVersion = "\"1.3\"", default;
        /// True when only a proxy reaches this listener: it ends TLS and writes `X-Forwarded-For`.
        behind_proxy: bool = "false", default;
        /// The organisation's own logo (SVG or PNG, at most 20 kB) in place of Handover's. The NHS logo is for organisations that may show it.
        logo: Option<PathBuf> = "\"logo.svg\"", optional;
        /// A font of its own (WOFF2, at most 60 kB) in place of Arial; Frutiger is for NHS organisations that hold its licence.
        font: Option<PathBuf> = "\"regular.woff2\"", optional;
        /// Its bold weight.
        font_bold: Option<PathBuf> = "\"bold.woff2\"", optional;
    }
}

section! {
    /// How people sign in.
    SignInSection in "sign_in" {
        /// By what staff may: "oidc" (see [staff_oidc]), "passkey", "password-totp" (a password and an app's code) and, for demos with made-up people, "password".
        staff: Vec<Way> = "[\"oidc\", \"passkey\", \"password-totp\"]", default;
        /// By what patients may: "nhs-login" (see [nhs_login]), "passkey" and, for demos with made-up people, "password".
        patients: Vec<Way> = "[\"nhs-login\", \"passkey\"]", default;
        /// A session that nobody used for so many minutes has ended.
        idle_minutes: u32 = "30", default;
        /// A session has ended after so many hours, used or not.
        absolute_hours: u32 = "12", default;
    }
}

section! {
    /// NHS login, for patients. Off until `issuer` is given.
    NhsLoginSection in "nhs_login" {
        /// Its address, as its discovery document names it.
        issuer: Option<String> = "\"https://auth.sandpit.signin.nhs.uk\"", optional;
        /// The name that NHS login gave this node.
        client_id: Option<String> = "\"anytown\"", optional;
        /// PEM file of the RSA private key whose public half NHS login has. Readable by the node's user only.
        key: PathBuf = "\"keys/nhs-login.pem\"", default;
        /// The key's name there, if it has one.
        key_id: Option<String> = "\"anytown-1\"", optional;
        /// The vectors of trust that are asked for. Clinical data opens for those with P9 only.
        vtr: Vec<String> = "[\"P9.Cp.Cd\", \"P9.Cp.Ck\", \"P9.Cm\"]", default;
    }
}

section! {
    /// A provider of staff identities in the shape of CIS2. Off until `issuer` is given.
    StaffOidcSection in "staff_oidc" {
        /// Its address, as its discovery document names it.
        issuer: Option<String> = "\"https://am.nhsint.auth-ptl.cis2.spineservices.nhs.uk:443/openam/oauth2/realms/root/realms/NHSIdentity/realms/Healthcare\"", optional;
        /// The name that it gave this node.
        client_id: Option<String> = "\"anytown\"", optional;
        /// PEM file of the RSA private key whose public half it has. Readable by the node's user only.
        key: PathBuf = "\"keys/staff-oidc.pem\"", default;
        /// The key's name there, if it has one.
        key_id: Option<String> = "\"anytown-1\"", optional;
        /// The table of what national roles grant here, signed by the steward with `handover roles sign`.
        role_table: PathBuf = "\"roles.jws\"", default;
    }
}

section! {
    /// The door for other nodes: mutual TLS, certificates pinned by the directory.
    ExchangeSection in "exchange" {
        /// Where it listens.
        listen: SocketAddr = "\"127.0.0.1:8443\"", default;
        /// The address that the directory gives to other nodes.
        public_url: String = "\"https://127.0.0.1:8443\"", default;
        /// The signed directory of the network's members.
        directory: PathBuf = "\"directory.jws\"", default;
        /// The stewards' public keys, one after another, got by a way you trust. The directory is believed only if enough of
        /// them signed it.
        steward_key: PathBuf = "\"steward.pub\"", default;
        /// How many of the stewards must have signed it.
        signatures_needed: u8 = "1", default;
        /// The folder of this node's own keys, made by `handover init`.
        keys: PathBuf = "\"keys\"", default;
        /// What one part of a letter that comes from another node, or in a message over MLLP, may have at most, in MB, and all parts of it.
        content_mb_max: u32 = "100", default;
        parcel_mb_max: u32 = "200", default;
        /// What one other node may have begun to send and not finished, in MB.
        unfinished_mb_max: u32 = "1024", default;
    }
}

section! {
    /// What happens to letters.
    Letters in "letters" {
        /// A letter that nobody filed is shown to the patient after this many days; a filed one at once.
        release_after_days: u32 = "14", default;
        /// A letter that could not be delivered for this many days goes onto the work list.
        undeliverable_after_days: u32 = "5", default;
    }
}

section! {
    /// What patients want shared with whom.
    SharingSection in "sharing" {
        /// The member (its ODS code) that holds a signed copy of our patients' preferences and answers for us when we are down.
        second_keeper: Option<String> = "\"RZZ01\"", optional;
        /// When neither a patient's home practice nor its second keeper has answered for so many seconds, what came from others about the patient is withheld from staff, but for emergency access.
        unconfirmed_after_seconds: u32 = "3600", default;
        /// How long other organisations are waited for that are asked what they hold of a patient, all together, in milliseconds.
        ask_milliseconds: u64 = "2000", default;
        /// For how many hours the last good answer of each is kept, for when it is down; 0 for not at all.
        keep_answers_hours: u32 = "24", default;
    }
}

section! {
    /// The trace that every read and change leaves.
    Audit in "audit" {
        /// "before-answer": no answer leaves before its trace is on the disk. "within-one-second" is for measuring only.
        durability: AuditDurability = "\"before-answer\"", default;
        /// Room that is kept on the disk for the trace, in bytes: when the disk is full otherwise, reading goes on until it is used up. Beside PostgreSQL it is kept in the folder where a SQLite file would be.
        reserve_bytes: u64 = "16777216", default;
    }
}

section! {
    /// Bulk export and import.
    BulkSection in "bulk" {
        /// Bulk jobs of one account under way at a time.
        jobs_a_caller_max: u32 = "3", default;
        /// A job and its files are dropped after so many hours.
        keep_hours: u32 = "24", default;
        /// The largest import taken over HTTP, in bytes.
        import_bytes_max: u64 = "4294967296", default;
    }
}

section! {
    /// Telling subscribers of changes.
    SubscriptionsSection in "subscriptions" {
        /// Hosts that subscribers may have at addresses that are not public, such as "lab.internal" or "10.0.0.7".
        allowed_hosts: Vec<String> = "[]", default;
        /// A subscriber is given up after so many failures in a row, and shown on the work list.
        failures_max: u32 = "10", default;
    }
}

section! {
    /// What a resource must follow, beside FHIR R4 itself, to be stored through the FHIR door or by `handover import`.
    ProfilesSection in "profiles" {
        /// Canonical addresses of profiles, each for resources of its type. Their package must be here (`handover package`).
        enforced: Vec<String> = "[]", default;
        /// Whether a resource must follow the profiles that it declares, and its extensions their definitions.
        enforce_declared: bool = "false", default;
    }
}

impl SignInSection {
    fn check(&self) -> anyhow::Result<()> {
        if self.staff.contains(&Way::NhsLogin) {
            bail!("sign_in.staff: \"nhs-login\" is for patients");
        }
        if let Some(way) = self
            .patients
            .iter()
            .find(|way| matches!(way, Way::Oidc | Way::PasswordTotp))
        {
            bail!("sign_in.patients: {way:?} is for staff");
        }
        if self.staff.is_empty() {
            bail!("sign_in.staff: is empty, so nobody could sign in");
        }
        if self.idle_minutes == 0 || self.absolute_hours == 0 {
            bail!("sign_in.idle_minutes and absolute_hours: must be at least 1");
        }
        Ok(())
    }
}

/// A provider's address and this node's name there go together, and the way there is TLS.
fn check_provider(key: &str, issuer: Option<&str>, client_id: Option<&str>) -> anyhow::Result<()> {
    let Some(issuer) = issuer else {
        return Ok(());
    };
    if client_id.is_none() {
        bail!("{key}.client_id: is needed with {key}.issuer");
    }
    let on_this_machine =
        issuer.starts_with("http://127.0.0.1:") || issuer.starts_with("http://localhost:");
    if !issuer.starts_with("https://") && !on_this_machine {
        bail!("{key}.issuer: must begin with https://");
    }
    Ok(())
}

/// Versions of TLS.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub enum TlsVersion {
    #[serde(rename = "1.2")]
    V12,
    #[serde(rename = "1.3")]
    V13,
}

impl TlsVersion {
    /// It and what is newer.
    pub fn versions(self) -> &'static [&'static rustls::SupportedProtocolVersion] {
        static NEWEST: [&rustls::SupportedProtocolVersion; 1] = [&rustls::version::TLS13];
        match self {
            TlsVersion::V12 => rustls::ALL_VERSIONS,
            TlsVersion::V13 => &NEWEST,
        }
    }
}

/// When a trace must be on the disk.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum AuditDurability {
    BeforeAnswer,
    WithinOneSecond,
}

impl From<AuditDurability> for store::AuditDurability {
    fn from(durability: AuditDurability) -> store::AuditDurability {
        match durability {
            AuditDurability::BeforeAnswer => store::AuditDurability::BeforeAnswer,
            AuditDurability::WithinOneSecond => store::AuditDurability::WithinOneSecond,
        }
    }
}

/// The whole of `handover.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub organisation: Organisation,
    #[serde(default = "left_out")]
    pub store: StoreSection,
    #[serde(default = "left_out")]
    pub pages: Pages,
    #[serde(default = "left_out")]
    pub sign_in: SignInSection,
    #[serde(default = "left_out")]
    pub nhs_login: NhsLoginSection,
    #[serde(default = "left_out")]
    pub staff_oidc: StaffOidcSection,
    #[serde(default = "left_out")]
    pub fhir: FhirSection,
    #[serde(default = "left_out")]
    pub exchange: ExchangeSection,
    #[serde(default = "left_out")]
    pub hl7v2: Hl7v2,
    #[serde(default = "left_out")]
    pub letters: Letters,
    #[serde(default = "left_out")]
    pub access: AccessSection,
    #[serde(default = "left_out")]
    pub sharing: SharingSection,
    #[serde(default = "left_out")]
    pub audit: Audit,
    #[serde(default = "left_out")]
    pub bulk: BulkSection,
    #[serde(default = "left_out")]
    pub subscriptions: SubscriptionsSection,
    #[serde(default = "left_out")]
    pub apps: AppsSection,
    #[serde(default = "left_out")]
    pub profiles: ProfilesSection,
    #[serde(default = "left_out")]
    pub backup: BackupSection,
    #[serde(default = "left_out")]
    pub mesh: MeshSection,
    #[serde(default = "left_out")]
    pub opt_out: OptOutSection,
    #[serde(default = "left_out")]
    pub mesh_server: MeshServerSection,
    #[serde(default = "left_out")]
    pub fax: FaxSection,
    #[serde(default = "left_out")]
    pub appointments: AppointmentsSection,
    #[serde(default = "left_out")]
    pub messages: MessagesSection,
    #[serde(default = "left_out")]
    pub gp_connect: GpConnectSection,
    #[serde(default = "left_out")]
    pub itk3: Itk3Section,
    #[serde(default = "left_out")]
    pub prescriptions: PrescriptionsSection,
    #[serde(default = "left_out")]
    pub pds: PdsSection,
    #[serde(default = "left_out")]
    pub bars: BarsSection,
    #[serde(default = "left_out")]
    pub downtime: DowntimeSection,
    /// The file that it was read from.
    #[serde(skip)]
    pub file: PathBuf,
}

/// A section that was left out holds its shown values. It has no required settings, so an empty table reads.
#[allow(
    clippy::expect_used,
    reason = "a test reads every section from an empty table"
)]
fn left_out<T: serde::de::DeserializeOwned>() -> T {
    toml::from_str("").expect("a section without required settings reads from an empty table")
}

impl Config {
    /// Reads and checks the file. Relative paths in it are taken from the file's own folder.
    ///
    /// # Errors
    /// Names the file, the key and the reason.
    pub fn read(path: &Path) -> anyhow::Result<Config> {
        let text = std::fs::read_to_string(path).with_context(|| {
            format!(
                "{} cannot be read; `handover init` makes one",
                path.display()
            )
        })?;
        let mut config = Config::parse(&text).with_context(|| path.display().to_string())?;
        config.resolve(path.parent().unwrap_or(Path::new(".")));
        config.file = path.to_owned();
        Ok(config)
    }

    /// Reads the text of a configuration file.
    ///
    /// # Errors
    /// Names the key and the reason.
    pub fn parse(text: &str) -> anyhow::Result<Config> {
        let config: Config = toml::from_str(text)?;
        config.check()?;
        Ok(config)
    }

    fn resolve(&mut self, folder: &Path) {
        for path in [
            Some(&mut self.store.sqlite),
            self.store.postgres.as_mut(),
            self.pages.tls_certificate.as_mut(),
            self.pages.tls_key.as_mut(),
            self.pages.logo.as_mut(),
            self.pages.font.as_mut(),
            self.pages.font_bold.as_mut(),
            Some(&mut self.exchange.directory),
            Some(&mut self.exchange.steward_key),
            Some(&mut self.exchange.keys),
            Some(&mut self.nhs_login.key),
            Some(&mut self.staff_oidc.key),
            Some(&mut self.staff_oidc.role_table),
            self.backup.folder.as_mut(),
            Some(&mut self.backup.s3_credentials),
            Some(&mut self.backup.key),
            Some(&mut self.pds.key),
            Some(&mut self.prescriptions.key),
            self.downtime.folder.as_mut(),
            Some(&mut self.downtime.passphrase),
        ]
        .into_iter()
        .flatten()
        .chain(self.mesh.paths())
        .chain(self.hl7v2.paths())
        .chain(self.mesh_server.paths())
        .chain(self.fax.paths())
        .chain(self.gp_connect.paths())
        .chain(self.bars.paths())
        {
            *path = folder.join(&*path);
        }
    }

    fn check(&self) -> anyhow::Result<()> {
        let ods = &self.organisation.ods;
        if access::Ods::parse(ods).is_err() {
            bail!(
                "organisation.ods: {ods:?} is not an ODS code (3 to 10 capital letters and digits)"
            );
        }
        if !(100..=20_000).contains(&self.sharing.ask_milliseconds) {
            bail!("sharing.ask_milliseconds: must be 100 to 20000");
        }
        if self.sharing.unconfirmed_after_seconds == 0 {
            bail!("sharing.unconfirmed_after_seconds: must be at least 1");
        }
        let keeper = self.sharing.second_keeper.as_deref();
        if keeper.is_some_and(|it| it == ods || access::Ods::parse(it).is_err()) {
            bail!("sharing.second_keeper: must be the ODS code of another organisation");
        }
        if self.organisation.name.trim().is_empty() {
            bail!("organisation.name: is empty");
        }
        if self.pages.tls_certificate.is_some() != self.pages.tls_key.is_some() {
            bail!("pages.tls_certificate and pages.tls_key go together");
        }
        let safe = self.pages.listen.ip().is_loopback()
            || self.pages.tls_certificate.is_some()
            || self.pages.behind_proxy;
        if !safe {
            bail!(
                "pages.listen: {} is not loopback, so give pages.tls_certificate and pages.tls_key, \
                 or set pages.behind_proxy = true when a proxy ends TLS",
                self.pages.listen
            );
        }
        self.sign_in.check()?;
        check_provider(
            "nhs_login",
            self.nhs_login.issuer.as_deref(),
            self.nhs_login.client_id.as_deref(),
        )?;
        check_provider(
            "staff_oidc",
            self.staff_oidc.issuer.as_deref(),
            self.staff_oidc.client_id.as_deref(),
        )?;
        self.fhir.check()?;
        self.apps.check(&self.pages)?;
        self.backup.check()?;
        self.access.check()?;
        self.mesh.check()?;
        self.hl7v2.check()?;
        self.opt_out.check(&self.mesh)?;
        self.fax.check()?;
        self.appointments.check(ods)?;
        self.messages.check()?;
        let has_mtls = self.apps.mtls_listen.is_some();
        self.gp_connect
            .check(self.appointments.keeps_diary(), has_mtls)?;
        self.itk3.check(&self.mesh)?;
        self.prescriptions.check()?;
        self.pds.check()?;
        self.bars.check(ods)?;
        self.downtime.check()?;
        self.mesh_server
            .check(self.pages.tls_certificate.is_some())?;
        self.exchange.check_bounds()?;
        if !self.exchange.public_url.starts_with("https://") {
            bail!("exchange.public_url: must begin with https://");
        }
        Ok(())
    }
}

/// The text of `handover.example.toml`.
pub fn example() -> String {
    let sections = [
        Organisation::SECTION,
        StoreSection::SECTION,
        Pages::SECTION,
        SignInSection::SECTION,
        NhsLoginSection::SECTION,
        StaffOidcSection::SECTION,
        FhirSection::SECTION,
        ExchangeSection::SECTION,
        Hl7v2::SECTION,
        Letters::SECTION,
        AccessSection::SECTION,
        SharingSection::SECTION,
        Audit::SECTION,
        BulkSection::SECTION,
        SubscriptionsSection::SECTION,
        AppsSection::SECTION,
        ProfilesSection::SECTION,
        BackupSection::SECTION,
        MeshSection::SECTION,
        OptOutSection::SECTION,
        MeshServerSection::SECTION,
        FaxSection::SECTION,
        AppointmentsSection::SECTION,
        GpConnectSection::SECTION,
        Itk3Section::SECTION,
        PrescriptionsSection::SECTION,
        PdsSection::SECTION,
        BarsSection::SECTION,
        MessagesSection::SECTION,
        DowntimeSection::SECTION,
    ];
    let mut text = String::from(
        "# Every setting of a node, with the value it has when it is left out.\n\
         # A line that begins with `# name =` is off until you take the # away.\n\
         # Paths are taken from this file's folder. `handover init` writes such a file for you.\n",
    );
    for section in sections {
        text.push('\n');
        text.push_str(&section.example());
    }
    text
}
