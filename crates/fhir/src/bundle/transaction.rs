//! Transactions and batches (<https://hl7.org/fhir/R4/http.html#transaction>).

use crate::json::Json;
use crate::problem::{Kind, Problem};

/// Whether all entries are done together or each by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Transaction,
    Batch,
}

/// The methods that an entry may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    Delete,
    Post,
    Put,
    Get,
}

/// What must hold before an entry is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    Nothing,
    /// `ifMatch`: the version now.
    Version(u64),
    /// `ifNoneExist`: a search that finds nothing.
    NoneExist(String),
}

/// One entry, in the order in which it is to be done.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Where it stood in the Bundle: its answer stands there too.
    pub index: usize,
    pub method: Method,
    pub ty: String,
    /// The id asked for or, for a POST, the one given by the caller of `parse`.
    pub id: String,
    /// The address as it came, for a GET.
    pub url: String,
    pub condition: Condition,
    /// With references and uris rewritten. `None` for DELETE and GET.
    pub resource: Option<Json<'a>>,
}

/// A transaction or batch, ready to be done.
#[derive(Clone, Debug)]
pub struct Transaction<'a> {
    pub mode: Mode,
    /// DELETE, then POST, then PUT, then GET; within these as they came.
    pub entries: Vec<Entry<'a>>,
}

/// A Bundle that was read, with questions still open.
#[derive(Debug)]
pub struct Draft<'a> {
    _bundle: Json<'a>,
}

/// Something that only the store can answer: which one resource matches. Asked by conditional
/// references (`Patient?identifier=x|1`) and by `ifNoneExist`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    pub ty: String,
    /// The query string, still encoded.
    pub query: String,
}

/// Reads a Bundle.
///
/// # Errors
/// Names the entry: what is not a transaction or batch, a duplicate `fullUrl`, two entries for one
/// resource, a method or form that is not supported.
pub fn parse<'a>(_bundle: Json<'a>, _base_url: &str) -> Result<Draft<'a>, Problem> {
    Err(Problem::new(
        Kind::NotSupported,
        "Transactions are not supported yet.",
    ))
}

impl<'a> Draft<'a> {
    /// What must be known before `resolve`, each once.
    pub fn questions(&self) -> Vec<Question> {
        Vec::new()
    }

    /// Settles ids and rewrites references. `answers` are the ids found, one a question, in order;
    /// `new_id` makes the id of each resource that is created.
    ///
    /// # Errors
    /// A conditional reference that finds nothing.
    pub fn resolve(
        self,
        _answers: &[Option<String>],
        _new_id: &mut dyn FnMut() -> String,
    ) -> Result<Transaction<'a>, Problem> {
        Err(Problem::new(
            Kind::NotSupported,
            "Transactions are not supported yet.",
        ))
    }
}
