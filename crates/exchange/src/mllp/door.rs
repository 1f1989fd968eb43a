//! From a message's bytes to the bytes of its answer.

use std::sync::Arc;

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use hl7v2::ack::{Answer, ack};
use hl7v2::apart::Apart;
use hl7v2::header::header_leniently;
use hl7v2::mllp::Broken;
use hl7v2::to_fhir::Mapping;
use hl7v2::{ErrorCode, Fault, Header};
use tokio::sync::Notify;

use access::{Scope, SystemPurpose};
use store::hl7_inbox::{Hl7Done, Hl7Write, Keeping, Kept, Received, Verdict};
use store::parcels::{Large, ParcelWrite};
use store::{Done, Effect, Job, Store};

use crate::Mappings;
use crate::exchange::Exchange;

/// How much of a message is kept that is refused for its length or its frame.
const CUT_BYTES: usize = 64 * 1024;
/// Longer messages are read on another thread.
const LONG_BYTES: usize = 256 * 1024;

/// Keeps messages and answers them.
pub struct Door {
    store: Store,
    scope: Scope,
    arrivals: Arc<Notify>,
    mappings: Arc<Mappings>,
    keeper: Option<Arc<Exchange>>,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").finish_non_exhaustive()
    }
}

impl Door {
    /// A door before that store; `arrivals` wakes who maps messages.
    pub fn new(store: Store, arrivals: Arc<Notify>) -> Door {
        let scope = Scope::system(SystemPurpose::MapMessages);
        Door {
            store,
            scope,
            arrivals,
            mappings: Arc::new(Mappings::built_in()),
            keeper: None,
        }
    }

    /// The same door, which takes documents that are too large for a resource, up to what a content may be there.
    #[must_use]
    pub fn keeping_large(mut self, keeper: Arc<Exchange>) -> Door {
        self.keeper = Some(keeper);
        self
    }

    pub(super) fn keeper(&self) -> Option<Arc<Exchange>> {
        self.keeper.clone()
    }

    /// The same door, for the kinds of messages that these mappings know.
    #[must_use]
    pub fn with(mut self, mappings: Arc<Mappings>) -> Door {
        self.mappings = mappings;
        self
    }

    /// Keeps a message and gives the answer, both without frame. The message is durable when this
    /// returns an AA or AE, and a refused one too unless the store itself cannot write. `documents` were taken out of it,
    /// and are whole here.
    pub async fn take(&self, message: Vec<u8>, documents: &[Apart]) -> Vec<u8> {
        let now = self.store.now();
        if let Err(problem) = self.keep_documents(documents).await {
            return self.not_now(&problem, &message);
        }
        let mapping = self.mappings.current();
        let received = if message.len() > LONG_BYTES {
            let read = tokio::task::spawn_blocking(move || receive(message, &mapping, now)).await;
            match read {
                Ok(received) => received,
                Err(_) => return unkept(None, "the message could not be read", now),
            }
        } else {
            receive(message, &mapping, now)
        };
        self.keep(received, now).await
    }

    /// Keeps documents for as long as the message is kept: for ever, whatever becomes of it.
    async fn keep_documents(&self, documents: &[Apart]) -> Result<(), Problem> {
        if documents.is_empty() {
            return Ok(());
        }
        let kept = documents.iter().map(|document| {
            Effect::Parcel(ParcelWrite::Large {
                // No Binary has an id as long.
                binary: format!("hl7v2.{}", document.sha256),
                large: Large {
                    sender: self.store.organisation().clone(),
                    sha256: document.sha256.clone(),
                    size: document.size,
                },
            })
        });
        let job = Job {
            effects: kept.collect(),
            ..Job::default()
        };
        self.store.commit(&self.scope, job).await.map(|_| ())
    }

    /// The answer to a message of which so much came, and which could be taken another time.
    pub(super) fn not_now(&self, problem: &Problem, partial: &[u8]) -> Vec<u8> {
        tracing::error!(%problem, "an HL7 v2 message could not be kept");
        let header = header_leniently(partial).ok();
        unkept(header.as_ref(), reason(problem), self.store.now())
    }

    /// Keeps what came of a message whose frame is broken, and gives the answer.
    pub async fn take_broken(&self, broken: Broken) -> Vec<u8> {
        let now = self.store.now();
        let fault = Fault::new(ErrorCode::SegmentSequence, broken.to_string());
        let mut partial = match broken {
            Broken::TooLong { partial, .. }
            | Broken::Document { partial, .. }
            | Broken::StartInside { partial } => partial,
            Broken::Garbage { .. } => Vec::new(),
        };
        partial.truncate(CUT_BYTES);
        let header = header_leniently(&partial).ok();
        self.keep(refused(partial, header, &fault, now), now).await
    }

    async fn keep(&self, keeping: Keeping, now: Millis) -> Vec<u8> {
        let keeping = Arc::new(keeping);
        let header = || header_leniently(&keeping.received().body).ok();
        let write = Hl7Write::Receive(keeping.clone());
        let job = Job::effect(Effect::Hl7(write));
        let committed = self.store.commit(&self.scope, job).await;
        let done = committed.map(|committed| committed.done.into_iter().next());
        match done {
            Ok(Some(Done::Hl7(Hl7Done::Kept { number, kept, ack }))) => {
                if matches!(kept, Kept::Conflict | Kept::Refused) {
                    tracing::warn!(message = ?number, ?kept, "an HL7 v2 message was not taken");
                }
                if kept == Kept::New {
                    self.arrivals.notify_one();
                }
                ack
            }
            Ok(_) => unkept(header().as_ref(), "the message could not be kept", now),
            Err(problem) => {
                tracing::error!(%problem, "an HL7 v2 message could not be kept");
                unkept(header().as_ref(), reason(&problem), now)
            }
        }
    }
}

/// Why nothing could be kept, as the sender reads it.
fn reason(problem: &Problem) -> &'static str {
    match problem.kind {
        Kind::Throttled | Kind::Transient => "too much is arriving; send the message again soon",
        Kind::NoStore => {
            "the disk is full or faulty; the message was not kept, send it again later"
        }
        _ => "the message could not be kept; send it again later",
    }
}

/// AR for a message that is not here: the sender keeps it and tries again.
fn unkept(header: Option<&Header>, reason: &str, now: Millis) -> Vec<u8> {
    let fault = Fault::new(ErrorCode::Internal, reason);
    ack(header, Answer::Reject, Some(&fault), "0", now)
}

/// Reads a message as far as its answer needs: its structure, its header, whether its kind is taken.
fn receive(message: Vec<u8>, mapping: &Mapping, now: Millis) -> Keeping {
    let fault = match hl7v2::header(&message).and_then(|h| hl7v2::parse(&message).map(|_| h)) {
        Ok(header) if mapping.supports(&header) => {
            return taken(message, header, now);
        }
        Ok(header) => unsupported(&header),
        Err(fault) => fault,
    };
    let header = header_leniently(&message).ok();
    refused(message, header, &fault, now)
}

fn unsupported(header: &Header) -> Fault {
    let kind = format!("{}^{}", header.message_type, header.trigger);
    let code = match header.message_type.as_str() {
        "ADT" | "MDM" | "OMG" | "OML" | "ORM" | "ORU" | "RDE" | "REF" | "SIU" | "VXU" => {
            ErrorCode::UnsupportedEvent
        }
        _ => ErrorCode::UnsupportedMessageType,
    };
    let why = match kind.as_str() {
        // Time of a diary, no appointment: it is nobody's.
        "SIU^S23" | "SIU^S24" => {
            ": they close or open times of a diary, and tell of no appointment; free times are told by FHIR (Slot)"
        }
        _ => "",
    };
    let text = format!("messages of type {kind} are not taken here{why}");
    Fault::new(code, text).within("MSH", 1).field(9)
}

fn taken(message: Vec<u8>, header: Header, now: Millis) -> Keeping {
    let digest = Received::digest(&message);
    let id = answer_id(&digest);
    let verdict = Verdict::Take {
        accepted: ack(Some(&header), Answer::Accept, None, &id, now),
        conflict,
    };
    received(message, digest, Some(header), verdict)
}

/// AE for a message whose id was used before by another.
fn conflict(message: &[u8], now: Millis) -> Vec<u8> {
    let fault = Fault::new(
        ErrorCode::DuplicateKey,
        "this control id was used before, for a message with other content",
    )
    .within("MSH", 1)
    .field(10);
    let id = answer_id(&Received::digest(message));
    let header = header_leniently(message).ok();
    ack(header.as_ref(), Answer::Error, Some(&fault), &id, now)
}

fn refused(message: Vec<u8>, header: Option<Header>, fault: &Fault, now: Millis) -> Keeping {
    let digest = Received::digest(&message);
    let id = answer_id(&digest);
    let next_step = match fault.code {
        ErrorCode::UnsupportedMessageType | ErrorCode::UnsupportedEvent => {
            "Ask the sender not to send this kind of message here, or wait for a version that takes it."
        }
        _ => "Tell the sender's support what is wrong; they mend it and send it again.",
    };
    let verdict = Verdict::Refuse {
        answer: Answer::Reject.code(),
        ack: ack(header.as_ref(), Answer::Reject, Some(fault), &id, now),
        reason: fault.to_string(),
        next_step: next_step.to_owned(),
    };
    received(message, digest, header, verdict)
}

fn received(
    message: Vec<u8>,
    digest: [u8; 32],
    header: Option<Header>,
    verdict: Verdict,
) -> Keeping {
    let header = header.unwrap_or_default();
    let kind = [&*header.message_type, &*header.trigger].join("^");
    let received = Received {
        application: kept_text(header.sending_application),
        facility: kept_text(header.sending_facility),
        control_id: kept_text(header.control_id),
        kind: kept_text(kind.trim_matches('^').to_owned()),
        body: message,
        verdict,
    };
    Keeping::with_digest(received, digest)
}

/// Text that a database can hold: PostgreSQL knows no NUL.
fn kept_text(text: String) -> String {
    if text.contains('\0') {
        text.replace('\0', "\u{FFFD}")
    } else {
        text
    }
}

/// The answer's own control id: the same for the same message.
fn answer_id(digest: &[u8; 32]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).map(|it| it.to_ascii_uppercase());
    let halves = digest
        .iter()
        .take(8)
        .flat_map(|byte| [byte >> 4, byte & 15]);
    halves.filter_map(digit).collect()
}
