//! The bodies of requests and answers, as `docs/protocol/exchange.md` tells them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fhir::problem::{Kind, Problem};
use serde::{Deserialize, Serialize};

/// The largest request or answer body, in bytes.
pub const BODY_BYTES_MAX: usize = 8 << 20;
/// The longest directory, with all its signatures.
pub const DIRECTORY_BYTES_MAX: usize = 17 << 20;
/// The largest piece of content in one request, in bytes.
pub const PIECE_BYTES_MAX: usize = 1 << 20;
/// A content up to this size goes inline with its parcel.
pub const INLINE_BYTES_MAX: u64 = 64 << 10;
/// All inline contents of a request, in bytes, before base64.
pub const INLINE_BYTES_IN_ALL_MAX: u64 = 3 << 20;

/// `POST /exchange/v1/parcels`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendParcels {
    /// A signed manifest.
    pub manifest: String,
    /// Small contents.
    pub contents: Vec<Inline>,
}

/// A content that goes with its parcel.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inline {
    pub sha256: String,
    /// Base64 with padding.
    pub data: String,
}

impl Inline {
    pub fn new(sha256: &str, bytes: &[u8]) -> Inline {
        Inline {
            sha256: sha256.to_string(),
            data: STANDARD.encode(bytes),
        }
    }

    /// The bytes.
    ///
    /// # Errors
    /// `Value` if it is not base64.
    pub fn bytes(&self) -> Result<Vec<u8>, Problem> {
        STANDARD
            .decode(&self.data)
            .map_err(|_| Problem::new(Kind::Value, "A content is not base64."))
    }
}

/// The answer: receipts for what is stored or refused, and what is still wanted.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parcels {
    /// A signed list of receipts.
    pub receipts: String,
    pub wanted: Vec<Wanted>,
}

/// A content that is to come by `PUT /exchange/v1/content/{sha256}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    pub sha256: String,
    /// In bytes.
    pub size: u64,
    /// Bytes already here: where to go on.
    pub held: u64,
}

/// The answer of `GET /exchange/v1/takes`: what the node takes at most, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Takes {
    pub protocol: u32,
    /// Of one content.
    pub content: u64,
    /// Of all contents of a parcel.
    pub parcel: u64,
}

/// `POST /exchange/v1/receipts`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendReceipts {
    /// A signed list of receipts.
    pub receipts: String,
}

/// The answer: what became of each, in order.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptsTaken {
    pub results: Vec<Taken>,
}

/// What became of one receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taken {
    pub outcome: Outcome,
    /// Why it is refused; else empty.
    pub reason: String,
}

/// See `Taken`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Kept, now or before.
    Taken,
    /// Refused for good: do not send it again.
    Refused,
    /// Not kept this time: send it again.
    Later,
}

/// `POST /exchange/v1/preferences`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskPreferences {
    /// Of which home practice's patients: an ODS code.
    pub home: String,
}

/// The answer of the home practice, or of its second keeper.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreferencesTold {
    /// How many preferences are on their way to whoever asks.
    pub outstanding: u64,
    /// Who answers in the home practice's place, if it names somebody.
    pub keeper: Option<String>,
    /// From a second keeper: all signed statements that it holds for whoever asks.
    pub statements: Vec<String>,
}

/// The body of every refusal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refusal {
    /// An issue type of FHIR R4, such as `security` or `too-long`.
    pub code: String,
    /// One plain sentence.
    pub message: String,
}

/// Writes a body.
///
/// # Errors
/// `Exception`; only for what cannot be JSON, which none of these is.
pub fn write(body: &impl Serialize) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(body).map_err(|cause| {
        Problem::new(Kind::Exception, "The answer could not be written.").because(cause)
    })
}
