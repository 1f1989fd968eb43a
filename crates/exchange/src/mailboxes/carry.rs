//! Messages to and from other members: each part the content of a parcel.

use std::collections::BTreeMap;

use access::{Interaction, Ods, Outcome, Scope, SystemPurpose, Target};
use fhir::problem::{Kind, Problem};
use store::mesh::{Arrived, MeshWrite, Message, PIECE_BYTES, Stored, ToHand, Way};
use store::parcels::{Outgoing, ParcelWrite, ToTakeIn};
use store::{Effect, Job};

use super::MailPart;
use crate::exchange::Exchange;
use crate::keys::sha256_hex;
use crate::letter::Letter;
use crate::manifest::{ContentNamed, ParcelKind, ParcelText};

/// Messages that are looked at in one go.
const AT_ONCE: u32 = 4;
/// Rows of content in one part: 8 MiB, below what one content may be.
const ROWS_A_PART: u64 = 8;

/// Which bytes a part is.
struct Place<'c> {
    chunk: u32,
    stored: &'c Stored,
    /// The first row of the chunk that is in it.
    first: i64,
}

/// The parts of a message, in order.
fn places(chunks: &[Stored]) -> Vec<Place<'_>> {
    let mut places = Vec::new();
    for (chunk, stored) in (1..).zip(chunks) {
        let rows = stored.size.div_ceil(PIECE_BYTES as u64).max(1);
        let mut first = 0;
        while first < rows {
            places.push(Place {
                chunk,
                stored,
                first: i64::try_from(first).unwrap_or(i64::MAX),
            });
            first += ROWS_A_PART;
        }
    }
    places
}

impl Exchange {
    /// Puts messages that are for members' mailboxes into parcels; how many parts.
    pub(super) async fn carry_to_members(&self) -> Result<usize, Problem> {
        let scope = Scope::system(SystemPurpose::CarryMail);
        let waiting = self
            .store
            .mesh_to_hand(&scope, Way::Member, AT_ONCE)
            .await?;
        let mut count = 0;
        for it in &waiting {
            match self.carry_one(&scope, it).await {
                Ok(parts) => count += parts,
                // Another process of the node does it.
                Err(problem) if problem.kind == Kind::Conflict => {}
                Err(problem) if is_final(&problem) => {
                    self.give_up(&scope, it.message.number, &problem.message)
                        .await?;
                }
                Err(problem) => return Err(problem),
            }
        }
        Ok(count)
    }

    async fn carry_one(&self, scope: &Scope, it: &ToHand) -> Result<usize, Problem> {
        let places = places(&it.chunks);
        let parts = u32::try_from(places.len()).unwrap_or(u32::MAX);
        let mut count = 0;
        for (part, place) in (1..).zip(&places) {
            if part <= it.message.handed {
                continue;
            }
            let bytes = self.bytes_of(scope, place).await?;
            let outgoing = self.part(&it.message, place, (part, parts), bytes)?;
            let mut job = Job::effect(Effect::Parcel(ParcelWrite::Accept(Box::new(outgoing))));
            job.effects.push(Effect::Mesh(MeshWrite::Handed {
                number: it.message.number,
                handed: i64::from(part),
                last: part == parts,
            }));
            self.store.commit(scope, job).await?;
            count += 1;
        }
        Ok(count)
    }

    async fn bytes_of(&self, scope: &Scope, place: &Place<'_>) -> Result<Vec<u8>, Problem> {
        let mut bytes = Vec::new();
        let mut after = place.first - 1;
        for _ in 0..ROWS_A_PART {
            let upload = &place.stored.upload;
            let Some((part, piece)) = self.store.mesh_piece(scope, upload, after).await? else {
                break;
            };
            bytes.extend_from_slice(&piece);
            after = part;
        }
        match bytes.is_empty() {
            false => Ok(bytes),
            true => {
                let message = "The content of a message is not here.";
                Err(Problem::new(Kind::Processing, message))
            }
        }
    }

    fn part(
        &self,
        message: &Message,
        place: &Place<'_>,
        (part, parts): (u32, u32),
        bytes: Vec<u8>,
    ) -> Result<Outgoing, Problem> {
        let mail = MailPart {
            message: message.id.clone(),
            from: message.sender.clone(),
            to: message.recipient.clone(),
            workflow: message.workflow.clone(),
            local_id: message.local_id.clone(),
            written: serde_json::from_str(&message.envelope).unwrap_or_default(),
            encoding: message.encoding.clone(),
            chunks: message.chunks,
            parts,
            part,
            chunk: place.chunk,
            plain: place.stored.plain,
        };
        let own = self.organisation();
        let text = ParcelText {
            id: Letter::parcel_id(&["mesh", own.as_str(), &message.id, &part.to_string()]),
            made_at: message.accepted_at,
            document: message.id.clone(),
            contents: vec![ContentNamed {
                sha256: sha256_hex(&bytes),
                size: bytes.len() as u64,
                content_type: "application/octet-stream".to_string(),
            }],
            mesh: Some(Box::new(mail)),
            ..ParcelText::of(
                ParcelKind::MeshMessage,
                own,
                &Ods::parse(&message.organisation)?,
            )
        };
        let written = serde_json::to_string(&text).map_err(|cause| {
            Problem::new(Kind::Exception, "A message could not be written.").because(cause)
        })?;
        ParcelText::parse(&written)?;
        Ok(Outgoing {
            parcel: text.to_parcel(written)?,
            patient: String::new(),
            document: String::new(),
            contents: vec![bytes],
        })
    }

    pub(super) async fn give_up(
        &self,
        scope: &Scope,
        number: i64,
        reason: &str,
    ) -> Result<(), Problem> {
        let write = MeshWrite::GiveUp {
            number,
            code: "12",
            reason: reason.to_string(),
        };
        let job = Job::effect(Effect::Mesh(write));
        self.store.commit(scope, job).await.map(|_| ())
    }

    /// Puts what a parcel carries into its mailbox; with the last part the message stands there.
    pub(crate) async fn put_into_mailbox(
        &self,
        scope: &Scope,
        parcel: &ToTakeIn,
        mail: &MailPart,
    ) -> Result<(), Problem> {
        let Some(part) = parcel.parts.first() else {
            return Err(Problem::new(Kind::Value, "A part has no content."));
        };
        let bytes = self.content_of(scope, parcel, part).await?;
        let written: BTreeMap<_, _> = mail.written.iter().collect();
        let arrived = Arrived {
            organisation: parcel.sender.to_string(),
            id: mail.message.clone(),
            sender: mail.from.clone(),
            recipient: mail.to.clone(),
            local_id: mail.local_id.clone(),
            workflow: mail.workflow.clone(),
            envelope: serde_json::to_string(&written).unwrap_or_default(),
            encoding: mail.encoding.clone(),
            chunks: mail.chunks,
            parts: mail.parts,
            part: mail.part,
            chunk: mail.chunk,
            plain: mail.plain,
            bytes,
        };
        let mut job = Job::effect(Effect::Mesh(MeshWrite::Arrived(Box::new(arrived))));
        job.effects
            .push(Effect::Parcel(ParcelWrite::PutIntoMailbox {
                pid: parcel.pid,
            }));
        let target = Target {
            query: Some(format!("arrived message={}", mail.message).into()),
            ..Target::default()
        };
        job.traces
            .push(scope.trace(Interaction::System, Outcome::Success, target));
        self.store.commit(scope, job).await.map(|_| ())
    }
}

/// Whether trying again could never help.
fn is_final(problem: &Problem) -> bool {
    matches!(
        problem.kind,
        Kind::Value | Kind::Structure | Kind::TooLong | Kind::Processing | Kind::NotFound
    )
}
