//! What a store needs to know before it opens.

use std::path::PathBuf;

use access::{Ages, Ods, OnFamiliar, Relationships};

use crate::clock::Clock;

/// Which database keeps the node's rows.
#[derive(Clone, Debug)]
pub enum Database {
    /// A file, made if it is not there.
    Sqlite(PathBuf),
    /// A schema, made if it is not there. Many processes may serve one schema.
    Postgres {
        /// `postgres://user@host:port/database`
        url: String,
        /// Small letters, digits and underscores, at most 63, the first a letter.
        schema: String,
    },
}

/// When an answer may leave, seen from its line in the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditDurability {
    /// Once the line is committed.
    BeforeAnswer,
    /// At once; the line is committed within a second. For measuring only.
    WithinOneSecond,
}

#[derive(Clone, Debug)]
pub struct Settings {
    pub database: Database,
    /// Whose node it is.
    pub organisation: Ods,
    pub audit: AuditDurability,
    /// Room on the disk that is kept for lines of the audit log when it is full otherwise, in bytes; 0 for
    /// none. On SQLite some for opening records in emergencies comes with it.
    pub reserve_bytes: u64,
    /// Where that room is kept beside PostgreSQL, whose own disk a node cannot keep room on. SQLite's is
    /// beside its file.
    pub reserve_folder: Option<PathBuf>,
    pub clock: Clock,
    /// Writes that may wait for the writer; one more is answered with `Throttled`.
    pub writes_waiting_max: usize,
    /// Connections for point reads, and as many again for searches.
    pub readers: usize,
    /// What the cache of recently read versions may hold, in bytes; 0 for no cache. Kept on SQLite
    /// only, where no other process can write.
    pub cache_bytes_max: usize,
    /// How long a search may take.
    pub search_seconds_max: u64,
    /// Resources that may come along with a page of matches; a search that would bring more is
    /// refused.
    pub included_max: usize,
    /// Bytes of resources in one page, about: it ends with the match that reaches it. What comes
    /// along may have as many again; a search that would bring more is refused.
    pub page_bytes_max: usize,
    /// Whether resources are found by the words in them (`_text`, `_content`). Processes that share a
    /// database have to agree.
    pub text_search: bool,
    /// What staff must have to see a patient's record.
    pub relationships: Relationships,
    /// What is done when staff would see their own record, and that of family or a colleague.
    pub on_familiar: (OnFamiliar, OnFamiliar),
    /// For how long what a home practice last said of its patients' sharing preferences is believed,
    /// in milliseconds; after that what came from other organisations about them is withheld.
    pub unconfirmed_after_millis: i64,
    /// Types whose changes are written down for systems that are told of them by HL7 v2.
    pub hl7_told: Vec<String>,
    /// The address of the node's FHIR door; references to it count as relative ones do. Empty if there is none.
    pub fhir_url: String,
    /// When children's proxies are looked at again and end.
    pub ages: Ages,
}

impl Settings {
    /// The defaults: every line of the audit log before its answer, the system's clock.
    pub fn new(database: Database, organisation: Ods) -> Settings {
        Settings {
            database,
            organisation,
            audit: AuditDurability::BeforeAnswer,
            reserve_bytes: 0,
            reserve_folder: None,
            clock: Clock::system(),
            writes_waiting_max: 4096,
            readers: 2,
            cache_bytes_max: 4 << 20,
            search_seconds_max: 20,
            included_max: 5000,
            page_bytes_max: 32 << 20,
            text_search: false,
            relationships: Relationships::Organisation,
            on_familiar: (OnFamiliar::Refuse, OnFamiliar::Flag),
            unconfirmed_after_millis: 3_600_000,
            hl7_told: Vec::new(),
            fhir_url: String::new(),
            ages: Ages::default(),
        }
    }
}
