//! What the doors of one node share.

use std::sync::Arc;

use access::{Ods, Role};
use exchange::Exchange;
use fhir::date::Millis;
use store::Store;
use tokio::sync::Semaphore;

use crate::page::look::Look;
use crate::sign_in::SignIn;

/// One organisation's node, as its doors see it.
pub struct Node {
    pub store: Store,
    pub site: Site,
    pub sign_in: SignIn,
    /// The name of the organisation of an ODS code, as the directory has it.
    pub organisation_name: Names,
    /// The pharmacies of the directory: ODS code and name.
    pub pharmacies: Pharmacies,
    /// Whether prescriptions go through EPS, or today its stand-in, from here.
    pub has_eps: bool,
    /// Whether a fax server hands faxes over; pages lead to them.
    pub has_fax: bool,
    /// By which other organisations are asked what they hold of a patient.
    pub exchange: Option<Arc<Exchange>>,
    /// After how many days a letter that nobody filed is shown to the patient; pages say so.
    pub release_after_days: u32,
    /// For how many hours a record stays open that was opened in an emergency: 1 to 4.
    pub emergency_hours: u32,
    /// Roles whose holders patients are not told the names of.
    pub unnamed_roles: Vec<Role>,
    /// For how many months an adult's leave to act for them lasts at most.
    pub proxy_months_max: u16,
    /// After how many hours a patient's message that nobody has opened stands on the work list.
    pub messages_unopened_hours: u32,
    /// The organisation's diary.
    pub diary: Diary,
    /// By which other systems book into the diary under GP Connect; `None`: by none.
    pub gp_connect: Option<crate::gp_connect::Door>,
    /// How the pack for when everything is off is written; `None`: not by itself.
    pub downtime: Option<crate::downtime::Downtime>,
    /// Browsers that wait for changes of the sent board.
    pub(crate) watchers: Arc<Semaphore>,
    pub fhir: crate::fhir::Door,
    /// What bulk jobs may take.
    pub bulk: crate::fhir::operations::bulk_worker::Bulk,
    pub subscriptions: crate::fhir::subscriptions::Subscriptions,
    /// Apps and systems with tokens.
    pub oauth: crate::oauth::Oauth,
}

/// Looks up an organisation's name by its ODS code; the code itself where there is none.
pub type Names = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// Lists pharmacies: ODS code and name.
pub type Pharmacies = Arc<dyn Fn() -> Vec<(String, String)> + Send + Sync>;

/// Where subscribers open websockets.
pub(crate) const WEBSOCKET_PATH: &str = "/subscriptions/websocket";
/// A day, in milliseconds.
const DAY: Millis = 86_400_000;
/// The most browsers that wait for changes at a time.
const WATCHERS_MAX: usize = 256;

impl Node {
    pub fn new(store: Store, site: Site) -> Node {
        Node {
            store,
            site,
            sign_in: SignIn::default(),
            organisation_name: Arc::new(str::to_owned),
            pharmacies: Arc::new(Vec::new),
            has_eps: false,
            has_fax: false,
            exchange: None,
            release_after_days: 14,
            emergency_hours: 4,
            unnamed_roles: Vec::new(),
            proxy_months_max: 12,
            messages_unopened_hours: 24,
            diary: Diary::default(),
            gp_connect: None,
            downtime: None,
            watchers: Arc::new(Semaphore::new(WATCHERS_MAX)),
            fhir: crate::fhir::Door::default(),
            bulk: Default::default(),
            subscriptions: Default::default(),
            oauth: Default::default(),
        }
    }
}

impl Node {
    /// When what is written at that time and that nobody releases is shown to the patient.
    pub(crate) fn release_at(&self, now: Millis) -> Millis {
        now.saturating_add(i64::from(self.release_after_days) * DAY)
    }
}

/// How the organisation's diary is kept.
#[derive(Clone, Copy, Debug)]
pub struct Diary {
    /// Whether this node keeps it; otherwise another system does, and stays the only diary.
    pub kept_here: bool,
    /// A booking that another organisation has not answered for so many hours is put before staff.
    pub answer_hours: u32,
}

impl Default for Diary {
    fn default() -> Diary {
        Diary {
            kept_here: true,
            answer_hours: 24,
        }
    }
}

/// What the node is called and where it stands.
#[derive(Clone, Debug)]
pub struct Site {
    pub organisation: Ods,
    /// The organisation's name, as people know it.
    pub name: String,
    /// Where browsers and FHIR clients reach it, such as `https://handover.example.nhs.uk`, without
    /// a slash at the end.
    pub base_url: String,
    /// What it is, in the directory's words, such as `gp-practice`.
    pub roles: Vec<String>,
    /// Its own logo and font, where the settings name them.
    pub look: Arc<Look>,
}

impl Site {
    /// Whether medicines are ordered and prescribed here.
    pub fn is_practice(&self) -> bool {
        self.roles.iter().any(|role| role == "gp-practice")
    }

    /// Whether people are discharged from here.
    pub fn is_hospital(&self) -> bool {
        self.roles.iter().any(|role| role == "hospital")
    }

    /// Whether ambulance crews work from here.
    pub fn is_ambulance(&self) -> bool {
        self.roles.iter().any(|role| role == "ambulance")
    }
    /// Whether people are visited at home from here.
    pub fn is_community(&self) -> bool {
        self.roles.iter().any(|role| role == "community")
    }

    /// Whether prescriptions are dispensed here.
    pub fn is_pharmacy(&self) -> bool {
        self.roles.iter().any(|role| role == "pharmacy")
    }

    /// The address of the FHIR door.
    pub fn fhir_url(&self) -> String {
        format!("{}/fhir", self.base_url)
    }

    /// The address of subscribers' websockets.
    pub fn websocket_url(&self) -> String {
        // http becomes ws, https wss.
        let rest = self.base_url.strip_prefix("http").unwrap_or_default();
        format!("ws{rest}{WEBSOCKET_PATH}")
    }

    /// Whether it is reached over TLS; plain HTTP is for loopback only.
    pub fn is_secure(&self) -> bool {
        self.base_url.starts_with("https://")
    }

    /// The session cookie's name: its own for each node, since cookies ignore ports, and bound to
    /// the host where there is TLS.
    pub fn cookie_name(&self) -> String {
        let prefix = if self.is_secure() { "__Host-" } else { "" };
        format!(
            "{prefix}handover-{}",
            self.organisation.as_str().to_ascii_lowercase()
        )
    }

    /// The name of the cookie that protects a stranger's sign-in form.
    pub fn form_cookie_name(&self) -> String {
        format!("{}-form", self.cookie_name())
    }
}
