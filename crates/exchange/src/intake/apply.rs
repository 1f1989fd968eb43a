//! One message applied: what is here already is read, the message's resources meet it, and all is
//! written in one commit with the end of the message's waiting.

use access::{Interaction, Outcome, Target};
use fhir::definitions::Definitions;
use fhir::json::{self, Limits};
use fhir::problem::{Kind, Problem};
use futures_util::future::join_all;
use hl7v2::to_fhir::merge;
use hl7v2::to_fhir::said::{self, Said};
use hl7v2::to_fhir::{Made, Mapped, Merge};
use store::hl7_inbox::{Hl7Write, WorkNote};
use store::parcels::ParcelWrite;
use store::{Change, Effect, Expect, Job, Prepared, Reading, Release};

use super::older::{self, Meeting};
use super::post::{kept, note, post};
use super::{Intake, Plan};

/// Tries of one message while others change the same resources.
pub(super) const TRIES_MAX: u32 = 8;
/// The largest resource: a Binary with a document of the largest message.
const RESOURCE_BYTES_MAX: usize = 64 << 20;

impl Intake {
    /// Applies a message. An error is one that will pass: the message waits on.
    pub(super) async fn apply(&self, plan: &Plan) -> Result<(), Problem> {
        let mapped = match &plan.mapped {
            Ok(mapped) => mapped,
            Err(problem) => return self.fail(plan, problem).await,
        };
        for again in 0..TRIES_MAX {
            // What was in the way may be labels, which stay.
            let read_all = again > 0;
            let written = match self.job(plan, mapped, read_all).await {
                Ok(job) => self.store.commit(&self.scope, job).await,
                Err(problem) => Err(problem),
            };
            match written {
                Ok(_) => return Ok(()),
                Err(problem) if will_pass(&problem) => return Err(problem),
                Err(problem) if !matches!(problem.kind, Kind::Conflict | Kind::Duplicate) => {
                    return self.fail(plan, &problem).await;
                }
                // Somebody else changed a resource, or has mapped the message.
                Err(_) if !self.still_waits(plan).await? => return Ok(()),
                Err(_) => {}
            }
        }
        let message = "Its resources were being changed each time the message was to be applied.";
        self.fail(plan, &Problem::new(Kind::Conflict, message))
            .await
    }

    async fn still_waits(&self, plan: &Plan) -> Result<bool, Problem> {
        let number = plan.waiting.number;
        let next = self
            .store
            .hl7_waiting(&self.scope, number - 1, 1, 0)
            .await?;
        Ok(next.first().is_some_and(|waiting| waiting.number == number))
    }

    /// Everything that the message changes, against what is here now.
    async fn job(&self, plan: &Plan, mapped: &Mapped, read_all: bool) -> Result<Job, Problem> {
        let results = self.results(plan, mapped).await?;
        let is_older = |made: &&Made| {
            results.is_older && matches!(made.ty.as_str(), "Observation" | "DiagnosticReport")
        };
        let ordered = mapped.resources.iter().filter(|made| made.is_ordered);
        let ordered: Vec<String> = ordered.map(older::reference).collect();
        let said = self.store.hl7_said(&self.scope, &ordered).await?;
        let at = mapped.at.arriving(plan.waiting.number);
        let made = mapped.resources.iter().filter(|made| !is_older(made));
        let meetings = join_all(made.map(|made| {
            let before = said.get(&older::reference(made)).map(String::as_str);
            self.meet(plan, made, (at, before.unwrap_or_default()), read_all)
        }));
        let meetings = meetings.await.into_iter().collect::<Result<Vec<_>, _>>()?;
        let older = older::note_of(&meetings);
        let is_overtaken = older::is_overtaken(&meetings);
        let mut job = Job::default();
        for meeting in meetings {
            job.changes.extend(meeting.change);
            job.effects.extend(meeting.said.map(Effect::Hl7));
        }
        let (sent, note) = match self.overtaken(plan, mapped).await? {
            Some(note) => (None, Some(note)),
            None => post(plan, mapped, (&self.organisation, self.post.as_ref())),
        };
        let (withdrawn, undone) = match is_overtaken {
            true => (Vec::new(), None),
            false => self.withdrawn(plan, mapped).await?,
        };
        job.effects.push(Effect::Hl7(Hl7Write::Mapped {
            number: plan.waiting.number,
            note: older::both(note.or(undone).or(results.note), older),
        }));
        job.effects
            .extend(mapped.apart.iter().map(|(binary, apart)| {
                Effect::Parcel(ParcelWrite::Large {
                    binary: binary.clone(),
                    large: kept(apart, &self.organisation),
                })
            }));
        job.effects.extend(sent);
        job.effects.extend(results.effects);
        job.effects.extend(withdrawn);
        job.traces.push(self.trace(plan));
        Ok(job)
    }

    /// Why the letter of a message from the work list is not sent: what is here of it is newer. Sent, it
    /// would stand in the newer one's place.
    async fn overtaken(&self, plan: &Plan, mapped: &Mapped) -> Result<Option<WorkNote>, Problem> {
        let Some(letter) = mapped.letter.as_ref().filter(|_| plan.waiting.late) else {
            return Ok(None);
        };
        let made = mapped.resources.iter();
        let mut made = made.filter(|made| made.id == letter.document);
        let ours = made.find(|made| made.ty == "DocumentReference");
        let here = self
            .store
            .read(&self.scope, "DocumentReference", &letter.document);
        let (Some(ours), Reading::Found(here)) = (ours, here.await?) else {
            return Ok(None);
        };
        let here: serde_json::Value = serde_json::from_slice(&here.body).map_err(unwritable)?;
        let same = here.get("content") == ours.resource.get("content");
        if same && here.get("status").and_then(|status| status.as_str()) == Some("current") {
            return Ok(None);
        }
        Ok(Some(note(
            "The letter was not sent: a newer version of it is here, or it was replaced or taken back.",
            "Look at the newer letter. If this one is wanted all the same, ask the sender to send it \
             under a number of its own (TXA-12).",
        )))
    }

    /// The log's line: the node has read a message that is about a patient.
    fn trace(&self, plan: &Plan) -> access::AuditEntry {
        let target = Target {
            query: Some(format!("hl7-message={}", plan.waiting.number).into()),
            patient: plan.patients().next().map(str::to_owned),
            ..Target::default()
        };
        self.scope
            .trace(Interaction::System, Outcome::Success, target)
    }

    /// The change of one resource, none where what is here stays; and what is kept of when it was said.
    async fn meet(
        &self,
        plan: &Plan,
        made: &Made,
        (at, before): (said::Moment, &str),
        read_all: bool,
    ) -> Result<Meeting, Problem> {
        let again = plan.waiting.mapped_before;
        let late = plan.waiting.late;
        let may_be_written = made.merge == Merge::Replace && made.ty != "DocumentReference";
        // What is told whole is looked at only where something newer may have been said.
        let is_known = made.is_ordered && !before.is_empty();
        let blind = !late && !again && !read_all && may_be_written && !is_known;
        let (existing, expect) = if blind {
            (None, Expect::Anything)
        } else {
            match self.store.read(&self.scope, &made.ty, &made.id).await? {
                Reading::Found(version) => {
                    let value = serde_json::from_slice(&version.body).map_err(unwritable)?;
                    same_patient(made, &value)?;
                    // It was written by what came after this message.
                    if late && version.last_updated > plan.waiting.received_at {
                        return Ok(Meeting::default());
                    }
                    (Some(value), Expect::Version(version.version))
                }
                Reading::Deleted { .. } if again || late => return Ok(Meeting::default()),
                Reading::Deleted { .. } | Reading::Absent => (None, Expect::Absent),
            }
        };
        made.may_meet(existing.as_ref())?;
        // What newer messages and people have done since must not be undone.
        if again && existing.is_some() {
            return Ok(Meeting::default());
        }
        let mut meeting = Meeting::default();
        let resource = match made.is_ordered {
            true => {
                let met = said::update(made, existing.as_ref(), &Said::read(before), at);
                meeting = Meeting::of(made, before, &met);
                met.resource
            }
            false => merge::update(made, existing.as_ref()),
        };
        let Some(resource) = resource else {
            return Ok(meeting);
        };
        let resource = self.prepared(&resource, &made.id)?;
        meeting.change = Some(Change::Put {
            resource,
            expect,
            release: Release::Keep,
        });
        Ok(meeting)
    }

    /// A resource as it is written, if it is sound.
    pub(super) fn prepared(
        &self,
        resource: &serde_json::Value,
        id: &str,
    ) -> Result<Prepared, Problem> {
        let bytes = serde_json::to_vec(resource).map_err(unwritable)?;
        let limits = Limits {
            bytes: RESOURCE_BYTES_MAX,
            ..Limits::default()
        };
        let resource = json::parse(&bytes, &limits)?;
        fhir::validate::structure(&resource, Definitions::r4())?;
        Prepared::new(&resource, id, &self.organisation)
    }

    /// Puts the message onto the work list.
    async fn fail(&self, plan: &Plan, problem: &Problem) -> Result<(), Problem> {
        tracing::warn!(
            message = plan.waiting.number,
            kind = problem.code(),
            "an HL7 v2 message could not be mapped"
        );
        let note = explain(problem);
        let number = plan.waiting.number;
        let mut job = Job::effect(Effect::Hl7(Hl7Write::Failed { number, note }));
        job.traces.push(self.trace(plan));
        match self.store.commit(&self.scope, job).await {
            Err(problem) if problem.kind != Kind::Conflict => Err(problem),
            _ => Ok(()),
        }
    }
}

/// Refuses a document under the number of another patient's: that one's must not be overwritten.
pub(super) fn same_patient(made: &Made, existing: &serde_json::Value) -> Result<(), Problem> {
    if made.ty != "DocumentReference" || made.resource.get("subject") == existing.get("subject") {
        return Ok(());
    }
    let message = "Another patient's document has this number already, so nothing was changed.";
    Err(Problem::new(Kind::BusinessRule, message).at("TXA-12"))
}

pub(super) fn will_pass(problem: &Problem) -> bool {
    matches!(
        problem.kind,
        Kind::Transient | Kind::Throttled | Kind::NoStore | Kind::Timeout | Kind::LockError
    )
}

/// A problem in the work list's words.
fn explain(problem: &Problem) -> WorkNote {
    let place = problem.expression.as_deref().unwrap_or("the message");
    let next_step = match problem.kind {
        Kind::Required | Kind::Value | Kind::Structure => {
            format!("Ask the sender to mend {place} and send the message again.")
        }
        Kind::BusinessRule if problem.expression.as_deref() == Some("TXA-12") => {
            "Find out whose letter it is. Ask the sender to send it under a number of its own; send \
             it by the way used so far meanwhile."
                .to_owned()
        }
        Kind::NotFound if problem.expression.as_deref() == Some("SCH-2") => {
            "When the appointment has come, map the message again; else ask the sender to send the whole of it (S14).".to_owned()
        }
        Kind::NotSupported => "Wait for a version that takes this kind of message.".to_owned(),
        _ => "Have it looked at; then map the message again.".to_owned(),
    };
    let reason = match &problem.expression {
        Some(place) => format!("{place}: {}", problem.message),
        None => problem.message.clone(),
    };
    note(reason, next_step)
}

pub(super) fn unwritable(cause: serde_json::Error) -> Problem {
    Problem::new(Kind::Exception, "A resource could not be written as JSON.").because(cause)
}
