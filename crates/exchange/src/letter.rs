//! A letter made here for another organisation, as the parcel that carries it.

use access::{NhsNumber, Ods};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use store::Effect;
use store::fax::FaxWrite;
use store::itk3::{Itk3Write, NewOut};
use store::parcels::{Large, Outgoing, ParcelWrite};

use crate::exchange::Exchange;
use crate::fax;
use crate::itk3::Routed;
use crate::keys::sha256_hex;
use crate::manifest::{ContentNamed, Mark, ParcelKind, ParcelText, PatientNamed, TEXT_BYTES_MAX};

/// A letter to send.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The parcel's id: the same letter of the same cause must get the same id, so that making it
    /// twice sends it once. See `parcel_id`.
    pub id: String,
    pub to: Ods,
    pub made_at: Millis,
    pub title: String,
    pub author: String,
    pub urgent: bool,
    pub marks: Vec<Mark>,
    /// Our number of the document (TXA-12), and of the one it replaces (TXA-13).
    pub document_number: String,
    pub replaces: Option<String>,
    pub nhs_number: Option<NhsNumber>,
    /// `YYYY-MM-DD`
    pub birth_date: Option<String>,
    pub family: String,
    pub given: String,
    /// Main part first; at least one.
    pub contents: Vec<LetterContent>,
    /// Ids of the Patient and DocumentReference here.
    pub patient: String,
    pub document: String,
}

/// How a letter leaves.
enum Way {
    Node,
    Itk3(Routed),
    Fax,
}

/// One part of a letter.
#[derive(Clone, Debug)]
pub struct LetterContent {
    /// A MIME type.
    pub content_type: String,
    pub bytes: Vec<u8>,
}

impl Letter {
    /// An id for the parcel of a cause: the same for the same parts, and no other's.
    pub fn parcel_id(parts: &[&str]) -> String {
        let mut text = String::new();
        for part in parts {
            // With its length before it, no part can end where another begins.
            text.push_str(&format!("{}:{part}", part.len()));
        }
        sha256_hex(text.as_bytes())
    }
}

/// What a letter's parcel names: its own contents, then those that are here in pieces.
fn named(letter: &Letter, large: &[(String, Large)]) -> Vec<ContentNamed> {
    let whole = letter.contents.iter().map(|content| ContentNamed {
        sha256: sha256_hex(&content.bytes),
        size: content.bytes.len() as u64,
        content_type: content.content_type.clone(),
    });
    let in_pieces = large.iter().map(|(content_type, large)| ContentNamed {
        sha256: large.sha256.clone(),
        size: large.size,
        content_type: content_type.clone(),
    });
    whole.chain(in_pieces).collect()
}

impl Exchange {
    /// The effect that accepts a letter for delivery; it goes into the job that writes the letter's
    /// own resources.
    ///
    /// # Errors
    /// `NotFound` if the directory does not list the receiver; `BusinessRule` if that is this
    /// organisation; `Value` or `TooLong` for what the protocol does not carry.
    pub fn send_letter(&self, letter: Letter) -> Result<Effect, Problem> {
        self.check_receiver(&letter)?;
        let way = self.way(&letter.to, &letter, false)?;
        self.sent_by(letter, &[], way)
    }

    /// As `send_letter`, with contents behind the letter's own that are here in pieces, by their types. A letter with such
    /// goes to a node, and no other way.
    ///
    /// # Errors
    /// As `send_letter`; `TooLong` beyond what this node itself would take.
    pub fn send_large_letter(
        &self,
        letter: Letter,
        large: &[(String, Large)],
    ) -> Result<Effect, Problem> {
        if large.is_empty() {
            return self.send_letter(letter);
        }
        self.check_receiver(&letter)?;
        let to = &letter.to;
        if self.book.listed(to).is_none() {
            let message = format!(
                "The directory does not list the organisation {to}, and what is this large goes only to a node."
            );
            return Err(Problem::new(Kind::NotFound, message));
        }
        self.sent_by(letter, large, Way::Node)
    }

    /// As `send_letter`; but where no way leads to the receiver the letter waits on the work list, with that as the
    /// reason, and leaves when the receiver joins.
    ///
    /// # Errors
    /// As `send_letter`, but for `NotFound`.
    pub fn post_letter(&self, letter: Letter) -> Result<Effect, Problem> {
        self.posted(letter, false)
    }

    /// As `post_letter`, of a letter that `discharge::letter` wrote for a practice: it alone may leave as a Transfer of
    /// Care document.
    pub(crate) fn post_discharge(&self, letter: Letter) -> Result<Effect, Problem> {
        self.posted(letter, true)
    }

    fn posted(&self, letter: Letter, is_discharge: bool) -> Result<Effect, Problem> {
        self.check_receiver(&letter)?;
        let way = match self.way(&letter.to, &letter, is_discharge) {
            Err(problem) if matches!(problem.kind, Kind::NotFound | Kind::NotSupported) => {
                Way::Node
            }
            way => way?,
        };
        self.sent_by(letter, &[], way)
    }

    /// By which way a letter leaves, in words.
    pub(crate) fn way_in_words(&self, letter: &Letter) -> &'static str {
        match self.way(&letter.to, letter, false) {
            Ok(Way::Node) => "To its node, signed.",
            Ok(Way::Itk3(_)) => "Over MESH, as an ITK3 document.",
            Ok(Way::Fax) => "By fax: nobody there is proved to have read it.",
            Err(_) => {
                "No way leads there yet: it waits on the work list until a person sees to it."
            }
        }
    }

    fn check_receiver(&self, letter: &Letter) -> Result<(), Problem> {
        if &letter.to == self.organisation() {
            let message = "The receiver is this organisation itself.";
            return Err(Problem::new(Kind::BusinessRule, message));
        }
        Ok(())
    }

    fn sent_by(
        &self,
        letter: Letter,
        large: &[(String, Large)],
        way: Way,
    ) -> Result<Effect, Problem> {
        let to = letter.to.clone();
        let contents = named(&letter, large);
        let parcel = ParcelText {
            id: letter.id,
            made_at: letter.made_at,
            title: letter.title,
            author: letter.author,
            urgent: letter.urgent,
            marks: letter.marks,
            document: letter.document_number,
            replaces: letter.replaces,
            patient: PatientNamed {
                nhs_number: letter.nhs_number.map(|number| number.digits().to_string()),
                birth_date: letter.birth_date,
                family: letter.family,
                given: letter.given,
            },
            contents,
            ..ParcelText::of(ParcelKind::Letter, self.organisation(), &to)
        };
        let text = serde_json::to_string(&parcel).map_err(|cause| {
            Problem::new(Kind::Exception, "The parcel could not be written.").because(cause)
        })?;
        if text.len() > TEXT_BYTES_MAX {
            return Err(Problem::new(
                Kind::TooLong,
                "The letter's names are too long to send.",
            ));
        }
        ParcelText::parse(&text)?;
        let mut parcel = parcel.to_parcel(text)?;
        self.check_size(&parcel.parts)?;
        parcel.kind = match way {
            Way::Node => parcel.kind,
            Way::Itk3(_) => store::parcels::Kind::Itk3,
            Way::Fax => store::parcels::Kind::Fax,
        };
        let outgoing = Outgoing {
            parcel,
            patient: letter.patient,
            document: letter.document,
            contents: letter
                .contents
                .into_iter()
                .map(|content| content.bytes)
                .chain(large.iter().map(|_| Vec::new()))
                .collect(),
        };
        Ok(match way {
            Way::Node => Effect::Parcel(ParcelWrite::Accept(Box::new(outgoing))),
            Way::Fax => Effect::Fax(FaxWrite::Queue(Box::new(outgoing))),
            Way::Itk3(routed) => Effect::Itk3(Itk3Write::Queue(Box::new(NewOut {
                letter: outgoing,
                mailbox: routed.mailbox,
                workflow: routed.workflow,
                // Nobody outside can guess them, so that nobody else can answer.
                bundle: uuid::Uuid::new_v4().to_string(),
                header: uuid::Uuid::new_v4().to_string(),
            }))),
        })
    }

    /// To its node; without one as an ITK3 document; where that cannot be, by fax.
    fn way(&self, to: &Ods, letter: &Letter, is_discharge: bool) -> Result<Way, Problem> {
        if self.book.listed(to).is_some() {
            return Ok(Way::Node);
        }
        let routes = self.settings.itk3.as_ref();
        if let Some(routed) = routes.and_then(|routes| routes.to(letter, is_discharge)) {
            return Ok(Way::Itk3(routed));
        }
        self.check_fax(to, letter)?;
        Ok(Way::Fax)
    }

    /// Whether a letter can go by fax to an organisation that has no node.
    fn check_fax(&self, to: &Ods, letter: &Letter) -> Result<(), Problem> {
        let allowed = self.settings.fax.as_ref();
        if !allowed.is_some_and(|allowed| allowed.has(to)) {
            let message = format!("The directory does not list the organisation {to}.");
            return Err(Problem::new(Kind::NotFound, message));
        }
        let mut types = letter.contents.iter().map(|it| &it.content_type);
        match types.find(|it| !fax::carries(it)) {
            Some(other) => Err(Problem::new(
                Kind::NotSupported,
                format!(
                    "{to} has only a fax machine, and a part of the letter is of the type {other}, which a fax cannot carry."
                ),
            )),
            None => Ok(()),
        }
    }
}
