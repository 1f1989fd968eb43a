//! Every kind of write of the node, on one page. A write is data: the writer applies it inside a
//! transaction that many writes share.

use std::sync::Arc;

use access::{AuditEntry, Scope};
use fhir::date::Millis;
use fhir::problem::Problem;
use fhir::search::Search;

use crate::accounts::{self, AccountDone, AccountWrite};
use crate::ask::{self, AskWrite};
use crate::audit::{self, AuditWrite};
use crate::blueprints::{self, BlueprintWrite};
use crate::bulk::{self, BulkWrite};
use crate::care::{self, CareDone, CareWrite};
use crate::copies::{self, CopyWrite};
use crate::database::Tx;
use crate::desk::{self, DeskWrite};
use crate::diary::{self, DiaryWrite};
use crate::downtime::{self, DowntimeWrite};
use crate::drafts::{self, DraftWrite};
use crate::fax::{self, FaxDone, FaxWrite};
use crate::forms::{self, FormWrite};
use crate::handovers::{self, HandoverWrite};
use crate::hl7_inbox::{self, Hl7Done, Hl7Write};
use crate::hl7_out::{self, Hl7OutWrite};
use crate::itk3::{self, Itk3Done, Itk3Write};
use crate::journal::Batch;
use crate::mesh::{self, MeshDone, MeshWrite};
use crate::messages::{self, MessageWrite};
use crate::moving::{self, MoveWrite};
use crate::oauth::{self, OauthDone, OauthWrite};
use crate::opt_out::{self, OptOutWrite};
use crate::packages::{self, PackageWrite};
use crate::parcels::{self, ParcelDone, ParcelWrite};
use crate::patient_app::{self, PatientAppWrite};
use crate::pds::{self, PdsWrite};
use crate::people::{self, PeopleDone, PeopleWrite};
use crate::prescriptions::{self, PrescriptionWrite};
use crate::questions::{self, QuestionWrite};
use crate::referrals::{self, ReferralWrite};
use crate::resources::{Prepared, Release};
use crate::resources::{ReindexWrite, reindex};
use crate::rules::{self, RuleWrite};
use crate::sharing::{self, SharingWrite};
use crate::subscriptions::{self, SubWrite};
use crate::terminology::{self, TerminologyDone, TerminologyWrite};
use crate::visits::{self, VisitWrite};
use crate::whereabouts::{self, WhereaboutsWrite};

/// What waits in the writer's queue.
#[derive(Debug)]
pub(crate) enum Write {
    /// All or nothing: changes of resources, effects on other rows, lines of the audit log.
    Job(Scope, Job),
    /// What the journal of that name holds and the tables do not.
    Journal(Arc<str>, Vec<Arc<Batch>>),
    /// Lines of the audit log about reads.
    Trace(Vec<Vec<AuditEntry>>),
}

/// What is to be done together or not at all.
#[derive(Debug, Default)]
pub struct Job {
    /// Looked at again before anything is changed; what is no longer so undoes the job.
    pub expected: Vec<Expected>,
    /// Each traced in the audit log, in the same commit. A resource may stand here only once.
    pub changes: Vec<Change>,
    /// Applied after the changes, in this order.
    pub effects: Vec<Effect>,
    /// Further lines for the audit log, made with `Scope::trace`.
    pub traces: Vec<AuditEntry>,
}

/// A change of one resource.
#[derive(Debug)]
pub enum Change {
    /// Creates or replaces.
    Put {
        resource: Prepared,
        expect: Expect,
        release: Release,
    },
    Delete {
        ty: String,
        id: String,
        expect: Expect,
    },
    /// Sets when the patient may see it, without a new version.
    Release {
        ty: String,
        id: String,
        release: Release,
    },
    /// Takes out of every version what tells where a restricted patient is, or puts it back when
    /// they are restricted no more. Without a new version.
    Veil { ty: String, id: String },
}

/// What must be there before a change; otherwise the whole job is undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    Anything,
    /// Not there, or deleted.
    Absent,
    Exists,
    /// The current version is this (`If-Match`).
    Version(u64),
}

/// What was found out before a job was made and must still be so when it is done. It is looked at
/// inside the writer's transaction, where nothing comes between; a job for which it is not so is
/// refused with `LockError`, and whoever sent it finds out anew.
#[derive(Clone, Debug)]
pub enum Expected {
    /// What matches, within the job's scope: this one resource, or none.
    Match { search: Search, id: Option<String> },
    /// A resource's current version.
    Version {
        ty: String,
        id: String,
        version: u64,
    },
}

/// A change of rows that are no resources; each module applies its own.
#[derive(Debug)]
pub enum Effect {
    Parcel(ParcelWrite),
    Hl7(Hl7Write),
    Hl7Out(Hl7OutWrite),
    Account(AccountWrite),
    Terminology(TerminologyWrite),
    Bulk(BulkWrite),
    Reindex(ReindexWrite),
    Sub(SubWrite),
    Package(PackageWrite),
    Oauth(OauthWrite),
    Audit(AuditWrite),
    Care(CareWrite),
    Copy(CopyWrite),
    Sharing(SharingWrite),
    Whereabouts(WhereaboutsWrite),
    OptOut(OptOutWrite),
    Mesh(MeshWrite),
    People(PeopleWrite),
    Fax(FaxWrite),
    Itk3(Itk3Write),
    Ask(AskWrite),
    Diary(DiaryWrite),
    Prescription(PrescriptionWrite),
    Draft(DraftWrite),
    Pds(PdsWrite),
    Referral(ReferralWrite),
    Handover(HandoverWrite),
    Move(MoveWrite),
    Visit(VisitWrite),
    Downtime(DowntimeWrite),
    Message(MessageWrite),
    Question(QuestionWrite),
    PatientApp(PatientAppWrite),
    Desk(DeskWrite),
    Blueprint(BlueprintWrite),
    Rule(RuleWrite),
    Form(FormWrite),
}

/// What came of an effect.
#[derive(Clone, Debug, PartialEq)]
pub enum Done {
    Parcel(ParcelDone),
    Hl7(Hl7Done),
    Hl7Out,
    Account(AccountDone),
    Terminology(TerminologyDone),
    Bulk,
    Reindex,
    Sub,
    Package,
    Oauth(OauthDone),
    /// What the audit log's tree or its checkpoints needed was written.
    Audit,
    Care(CareDone),
    Copy,
    Sharing,
    Whereabouts,
    OptOut,
    Mesh(MeshDone),
    People(PeopleDone),
    Fax(FaxDone),
    Itk3(Itk3Done),
    Ask,
    Diary,
    Prescription,
    Draft,
    Pds,
    Referral,
    Handover,
    Move,
    Visit,
    Downtime,
    Message,
    Question,
    PatientApp,
    Desk,
    Blueprint,
    Rule,
    Form,
}

/// What came of one change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub ty: String,
    pub id: String,
    pub version: u64,
    pub last_updated: Millis,
    /// Whether it was not there (or deleted) before.
    pub created: bool,
}

/// What came of a job, in the order of its changes and of its effects.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Committed {
    pub written: Vec<Written>,
    pub done: Vec<Done>,
}

/// Applies an effect inside the writer's transaction.
pub(crate) async fn apply_effect(
    tx: &mut Tx<'_>,
    now: Millis,
    effect: &Effect,
) -> Result<Done, Problem> {
    Ok(match effect {
        Effect::Parcel(write) => Done::Parcel(parcels::apply(tx, now, write).await?),
        Effect::Hl7(write) => Done::Hl7(hl7_inbox::apply(tx, now, write).await?),
        Effect::Hl7Out(write) => {
            hl7_out::apply(tx, now, write).await?;
            Done::Hl7Out
        }
        Effect::Account(write) => Done::Account(accounts::apply(tx, now, write).await?),
        Effect::Terminology(write) => Done::Terminology(terminology::apply(tx, now, write).await?),
        Effect::Bulk(write) => {
            bulk::apply(tx, now, write).await?;
            Done::Bulk
        }
        Effect::Reindex(write) => {
            reindex::apply(tx, now, write).await?;
            Done::Reindex
        }
        Effect::Sub(write) => {
            subscriptions::apply(tx, now, write).await?;
            Done::Sub
        }
        Effect::Package(write) => {
            packages::apply(tx, now, write).await?;
            Done::Package
        }
        Effect::Oauth(write) => Done::Oauth(oauth::apply(tx, now, write).await?),
        Effect::Audit(write) => {
            audit::apply(tx, now, write).await?;
            Done::Audit
        }
        Effect::Care(write) => Done::Care(care::apply(tx, now, write).await?),
        Effect::Copy(write) => {
            copies::apply(tx, write).await?;
            Done::Copy
        }
        Effect::Sharing(write) => {
            sharing::apply(tx, now, write).await?;
            Done::Sharing
        }
        Effect::Whereabouts(write) => {
            whereabouts::apply(tx, write).await?;
            Done::Whereabouts
        }
        Effect::OptOut(write) => {
            opt_out::apply(tx, now, write).await?;
            Done::OptOut
        }
        Effect::Mesh(write) => Done::Mesh(mesh::apply(tx, now, write).await?),
        Effect::People(write) => Done::People(people::apply(tx, now, write).await?),
        Effect::Fax(write) => Done::Fax(fax::apply(tx, now, write).await?),
        Effect::Itk3(write) => Done::Itk3(itk3::apply(tx, now, write).await?),
        Effect::Ask(write) => {
            ask::apply(tx, now, write).await?;
            Done::Ask
        }
        Effect::Diary(write) => {
            diary::apply(tx, now, write).await?;
            Done::Diary
        }
        Effect::Prescription(write) => {
            prescriptions::apply(tx, now, write).await?;
            Done::Prescription
        }
        Effect::Draft(write) => {
            drafts::apply(tx, now, write).await?;
            Done::Draft
        }
        Effect::Pds(write) => {
            pds::apply(tx, now, write).await?;
            Done::Pds
        }
        Effect::Referral(write) => {
            referrals::apply(tx, now, write).await?;
            Done::Referral
        }
        Effect::Handover(write) => {
            handovers::apply(tx, now, write).await?;
            Done::Handover
        }
        Effect::Move(write) => {
            moving::apply(tx, now, write).await?;
            Done::Move
        }
        Effect::Visit(write) => {
            visits::apply(tx, now, write).await?;
            Done::Visit
        }
        Effect::Downtime(write) => {
            downtime::apply(tx, now, write).await?;
            Done::Downtime
        }
        Effect::Message(write) => {
            messages::apply(tx, now, write).await?;
            Done::Message
        }
        Effect::Question(write) => {
            questions::apply(tx, now, write).await?;
            Done::Question
        }
        Effect::PatientApp(write) => {
            patient_app::apply(tx, now, write).await?;
            Done::PatientApp
        }
        Effect::Desk(write) => {
            desk::apply(tx, now, write).await?;
            Done::Desk
        }
        Effect::Blueprint(write) => {
            blueprints::apply(tx, now, write).await?;
            Done::Blueprint
        }
        Effect::Rule(write) => {
            rules::apply(tx, now, write).await?;
            Done::Rule
        }
        Effect::Form(write) => {
            forms::apply(tx, now, write).await?;
            Done::Form
        }
    })
}

impl Job {
    /// A job of one effect.
    pub fn effect(effect: Effect) -> Job {
        Job {
            effects: vec![effect],
            ..Job::default()
        }
    }

    /// A job of one change.
    pub fn change(change: Change) -> Job {
        Job {
            changes: vec![change],
            ..Job::default()
        }
    }
}

impl Write {
    /// About how much work it is, in resources or rows.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Write::Job(_, job) => 1 + job.expected.len() + job.changes.len() + job.effects.len(),
            Write::Journal(_, batches) => batches.iter().map(|batch| batch.entries.len()).sum(),
            Write::Trace(lines) => lines.iter().map(Vec::len).sum(),
        }
    }

    /// Whether it is done even from the last room on the disk: a record is opened because somebody's
    /// life may hang on it.
    pub(crate) fn is_vital(&self) -> bool {
        let Write::Job(_, job) = self else {
            return false;
        };
        let opens = |effect: &Effect| matches!(effect, Effect::Care(CareWrite::Open { .. }));
        job.changes.is_empty() && !job.effects.is_empty() && job.effects.iter().all(opens)
    }

    /// Whether it rests on what matched.
    pub(crate) fn is_conditional(&self) -> bool {
        match self {
            Write::Job(_, job) => {
                let mut expected = job.expected.iter();
                expected.any(|expected| matches!(expected, Expected::Match { .. }))
            }
            Write::Journal(..) | Write::Trace(_) => false,
        }
    }
}
