//! Receipts: signed statements about what became of parcels.

mod accepted;
pub mod offline;

use access::Ods;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use fhir::resource::check_id;
use serde::{Deserialize, Serialize};
use store::parcels::{Made, Proof, State, Told};

use crate::instant;
use crate::manifest::{PROTOCOL, is_digest};

/// Receipts in one statement.
pub const RECEIPTS_MAX: usize = 500;
/// A receipt's note, in characters: an outcome or a reason.
const NOTE_CHARS_MAX: usize = 2000;
/// The name and the role of who took a step, each in characters.
pub const NAME_CHARS_MAX: usize = 200;
/// The word for a parcel that is refused for good.
pub const REFUSED: &str = "refused";

/// Receipts from one organisation to another. It holds no time of its own, so that answering the
/// same again is the same statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipts {
    pub protocol: u32,
    pub from: String,
    pub to: String,
    pub receipts: Vec<Receipt>,
}

/// One step of one parcel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Who sent the parcel, and its id.
    pub sender: String,
    pub parcel: String,
    /// The digest of the parcel's text.
    pub digest: String,
    /// A state's word, or `refused`.
    pub state: String,
    #[serde(with = "instant")]
    pub at: Millis,
    /// The step's number at the organisation that tells it; 0 for a refusal.
    pub seq: u64,
    /// The person who took the step, and their role there; empty if the node did it by itself.
    pub who: String,
    pub role: String,
    /// An outcome or a reason.
    pub note: String,
}

impl Receipts {
    /// Whether the statement is from whom the connection says, to us, and within bounds.
    ///
    /// # Errors
    /// `Security` if it is another's or for another.
    pub fn check(&self, from: &Ods, to: &Ods) -> Result<(), Problem> {
        if self.protocol != PROTOCOL {
            return Err(Problem::new(
                Kind::NotSupported,
                "Only protocol 1 is spoken here.",
            ));
        }
        if self.from != from.as_str() || self.to != to.as_str() {
            let message =
                "The receipts are not from the organisation at the other end to this one.";
            return Err(Problem::new(Kind::Security, message));
        }
        if self.receipts.len() > RECEIPTS_MAX {
            return Err(Problem::new(
                Kind::TooLong,
                "There are more than 500 receipts.",
            ));
        }
        self.receipts.iter().try_for_each(Receipt::check)
    }
}

impl Receipt {
    fn check(&self) -> Result<(), Problem> {
        check_id(&self.parcel)?;
        Ods::parse(&self.sender)?;
        let long = [&self.who, &self.role]
            .iter()
            .any(|text| text.chars().count() > NAME_CHARS_MAX)
            || self.note.chars().count() > NOTE_CHARS_MAX;
        if long || !is_digest(&self.digest) {
            let message = "A receipt's names, note or digest are not as they must be.";
            return Err(Problem::new(Kind::Value, message));
        }
        if self.state != REFUSED && State::from_code(&self.state).is_none() {
            return Err(Problem::new(
                Kind::Value,
                "A receipt is of a state of no name.",
            ));
        }
        Ok(())
    }

    /// The receipt as the store takes it in.
    pub(crate) fn told(&self, peer: &Ods, me: &Ods, proof: &Proof, seen: Made) -> Told {
        Told {
            peer: peer.clone(),
            me: me.clone(),
            sender: self.sender.clone(),
            id: self.parcel.clone(),
            digest: self.digest.clone(),
            state: State::from_code(&self.state),
            at: self.at,
            seq: self.seq,
            who: self.who.clone(),
            role: self.role.clone(),
            note: self.note.clone(),
            proof: proof.clone(),
            seen,
        }
    }
}
