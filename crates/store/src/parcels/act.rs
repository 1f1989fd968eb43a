//! Steps that people here take: open, file, act on, return, match, withdraw, send again.

use access::{Ods, Outcome, Scope};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::event::{self, Actor, Known};
use super::outgoing::{gone, take_back};
use super::shown;
use super::state::State;
use super::{Made, ParcelDone, ParcelWrite, lists};
use crate::database::Tx;
use crate::resources::Release;
use crate::sql::Sql;
use crate::store::Store;
use crate::write::{Change, Effect, Job};

/// The longest outcome or reason, in characters.
const NOTE_CHARS_MAX: usize = 2000;

/// The words of the steps that say what the patient may read; they are not for the patient.
pub const HELD_BACK: &str = "held-back";
pub const RELEASED: &str = "released";

/// How often a step is tried again that met another change of the same parcel.
const TRIES: usize = 5;

/// What someone does with a parcel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// At the receiver: looks at it. Once a person; the first moves the parcel on.
    Open,
    /// At the receiver: puts it away, which also releases it to the patient unless it is marked.
    File,
    /// At the receiver: a clinician records what was done.
    ActOn { outcome: String },
    /// At the receiver: sends it back.
    Return { reason: String },
    /// At the receiver: says whose letter it is, by the id of the Patient here.
    Match { patient: String },
    /// At the receiver: a clinician keeps it from the patient, filed or not.
    HoldBack { reason: String },
    /// At the receiver: a clinician lets the patient read what is held back.
    Release { reason: String },
    /// At the sender: takes it back.
    Withdraw { reason: String },
    /// At the sender: tries an undeliverable one again.
    SendAgain,
}

/// An action with who takes it. Made by `Store::act`.
#[derive(Clone, Debug)]
pub struct Step {
    pid: i64,
    owner: Ods,
    action: Action,
    actor: Actor,
    /// The parcel's own resources here, as the job that carries the step saw them.
    seen: Made,
}

impl Store {
    /// Takes a step: the event, what follows from it, and the receipt that tells the other side, in
    /// one commit.
    ///
    /// # Errors
    /// `NotFound` if the caller's organisation has no such parcel; `BusinessRule` if the step does not
    /// fit where the parcel is; `Required` without a reason or outcome; `Forbidden`, also if what the
    /// letter says is withheld from the caller.
    pub async fn act(&self, scope: &Scope, pid: i64, action: Action) -> Result<(), Problem> {
        let owner = lists::owner(self, scope)?;
        if !scope.may_change() {
            return Err(Problem::new(
                Kind::Forbidden,
                "This is not part of your role.",
            ));
        }
        check_words(&action)?;
        let agent = scope.agent();
        let actor = Actor {
            who: agent.name.clone(),
            role: agent.role.clone().unwrap_or_default().into_owned(),
            account: agent.account,
        };
        if is_clinicians(&action) && actor.role != "clinician" {
            let message = "Only a clinician records what was done about a letter, or what a patient may read.";
            return Err(Problem::new(Kind::Forbidden, message));
        }
        let mut step = Step {
            pid,
            owner: Ods::parse(&owner)?,
            action,
            actor,
            seen: Made::default(),
        };
        let mut tries = 0;
        loop {
            tries += 1;
            match self.try_act(scope, &mut step).await {
                // It was taken in, or its document changed, between looking and writing.
                Err(problem) if problem.kind == Kind::Conflict && tries < TRIES => {}
                other => return other,
            }
        }
    }

    async fn try_act(&self, scope: &Scope, step: &mut Step) -> Result<(), Problem> {
        self.letter_within(scope, step.owner.as_str(), step.pid)
            .await?;
        let sql = Sql::new(
            "SELECT marked, patient, document, binaries FROM parcel WHERE pid = $1 AND owner = $2",
        )
        .with(step.pid)
        .with(step.owner.as_str());
        let rows = self.rows(&sql).await?;
        let row = rows.first().ok_or_else(gone)?;
        step.seen = event::made(row, 1)?;
        let made = &step.seen;
        let mut job = Job::default();
        if let Action::Return { .. } = step.action {
            // It stands in the wrong record, or should not stand there at all.
            let (status, release) = ("entered-in-error", Release::Never);
            job.changes = self
                .mark_letter(scope, &step.owner, made, status, release)
                .await?;
        } else if let Some(release) = release(&step.action, row.flag(0)?, self.now()) {
            job.changes = self.releases(made, release).await?;
        }
        job.traces.push(lists::line(
            scope,
            step.pid,
            shown::named(made),
            Outcome::Success,
        ));
        job.effects
            .push(Effect::Parcel(ParcelWrite::Step(Box::new(step.clone()))));
        self.commit(scope, job).await.map(|_| ())
    }
}

impl Store {
    /// Changes that hold a letter, or release to the patient what is still there of it. If its
    /// document has been deleted, all of it is held. Whether it is labelled here, the writer looks
    /// as it applies them.
    pub(super) async fn releases(
        &self,
        made: &Made,
        release: Release,
    ) -> Result<Vec<Change>, Problem> {
        let mut release = release;
        if let Some(document) = &made.document
            && !self.is_there("DocumentReference", document).await?
        {
            release = Release::Never;
        }
        let mut changes = Vec::new();
        for change in made.releases(release) {
            let (ty, id) = change.names();
            if release == Release::Never || self.is_there(ty, id).await? {
                changes.push(change);
            }
        }
        Ok(changes)
    }

    /// Whether the resource is here and not deleted. Nothing of it is shown.
    async fn is_there(&self, ty: &str, id: &str) -> Result<bool, Problem> {
        let sql = Sql::new(
            "SELECT 1 FROM place p JOIN res r ON r.shard = p.shard AND r.rid = p.rid \
             WHERE p.ty = $1 AND p.id = $2 AND r.del = 0",
        );
        let rows = self.rows(&sql.with(self.word(ty).await?).with(id)).await?;
        Ok(!rows.is_empty())
    }
}

fn is_clinicians(action: &Action) -> bool {
    matches!(
        action,
        Action::ActOn { .. } | Action::HoldBack { .. } | Action::Release { .. }
    )
}

/// Filing or acting on a letter releases it unless it is marked.
fn release(action: &Action, marked: bool, now: Millis) -> Option<Release> {
    match action {
        Action::HoldBack { .. } => Some(Release::Never),
        Action::Release { .. } => Some(Release::At(now)),
        Action::File | Action::ActOn { .. } if !marked => Some(Release::At(now)),
        _ => None,
    }
}

fn check_words(action: &Action) -> Result<(), Problem> {
    let (words, missing) = match action {
        Action::ActOn { outcome } => (outcome, "Say what was done about the letter."),
        Action::Return { reason } => (reason, "Say why the letter goes back."),
        Action::Withdraw { reason } => (reason, "Say why the letter is withdrawn."),
        Action::HoldBack { reason } => (reason, "Say why the patient should not read it."),
        Action::Release { reason } => (reason, "Say why the patient may read it."),
        Action::Match { patient } => (patient, "Choose the patient."),
        Action::Open | Action::File | Action::SendAgain => return Ok(()),
    };
    if words.trim().is_empty() {
        return Err(Problem::new(Kind::Required, missing));
    }
    if words.chars().count() > NOTE_CHARS_MAX {
        return Err(Problem::new(
            Kind::TooLong,
            "This is more than 2,000 characters.",
        ));
    }
    Ok(())
}

/// Applies a step inside the writer.
pub(crate) async fn apply(
    tx: &mut Tx<'_>,
    now: Millis,
    step: &Step,
) -> Result<ParcelDone, Problem> {
    let parcel = event::by_pid(tx, step.pid).await?.ok_or_else(gone)?;
    if parcel.owner != step.owner.as_str() {
        return Err(gone());
    }
    if parcel.made != step.seen {
        let message = "The letter has just been taken in; try again.";
        return Err(Problem::new(Kind::Conflict, message));
    }
    let outward = matches!(step.action, Action::Withdraw { .. } | Action::SendAgain);
    if parcel.outward != outward {
        return Err(unfit("This step is the other side's."));
    }
    match &step.action {
        Action::Open => open(tx, now, &parcel, step).await?,
        Action::File => received(tx, now, &parcel, step, State::Filed, "").await?,
        Action::ActOn { outcome } => {
            received(tx, now, &parcel, step, State::ActedOn, outcome).await?;
        }
        Action::Return { reason } => {
            received(tx, now, &parcel, step, State::Returned, reason).await?;
            stop_taking_in(tx, parcel.pid).await?;
            if parcel.by_fax {
                // Nothing goes back by fax: it is out of this record, and waits to be matched anew.
                crate::fax::put_back(tx, now, parcel.pid, (&step.actor.who, reason)).await?;
            }
        }
        Action::HoldBack { reason } => mark(tx, now, &parcel, step, (true, reason)).await?,
        Action::Release { reason } => mark(tx, now, &parcel, step, (false, reason)).await?,
        Action::Match { patient } => matched(tx, now, &parcel, step, patient).await?,
        Action::Withdraw { reason } => {
            let state = State::Withdrawn;
            if parcel.by_fax && !crate::fax::is_waiting(tx, parcel.pid).await? {
                return Err(unfit(
                    "The letter has gone to the fax server and cannot be taken back: ring whoever got it.",
                ));
            }
            if parcel.by_itk3 && !crate::itk3::is_waiting(tx, parcel.pid).await? {
                return Err(unfit(
                    "The letter has gone to MESH and cannot be taken back: ring whoever got it.",
                ));
            }
            if !take_back(tx, now, &parcel, state, &step.actor, reason).await? {
                return Err(too_late(parcel.state));
            }
        }
        Action::SendAgain => send_again(tx, now, &parcel, &step.actor).await?,
    }
    Ok(ParcelDone::Rows(1))
}

/// The first who opens it moves the parcel on; everyone who opened it is remembered, once.
async fn open(tx: &mut Tx<'_>, now: Millis, parcel: &Known, step: &Step) -> Result<(), Problem> {
    if parcel.state.may_become(State::Opened) {
        return received(tx, now, parcel, step, State::Opened, "").await;
    }
    let sql = Sql::new("SELECT 1 FROM parcel_event WHERE pid = $1 AND account = $2 LIMIT 1")
        .with(parcel.pid)
        .with(step.actor.account);
    if step.actor.account.is_some() && tx.row(&sql).await?.is_none() {
        event::add(tx, now, parcel, State::Opened.code(), &step.actor, "").await?;
    }
    Ok(())
}

/// A step of the receiver that moves the parcel on and is told to the sender.
async fn received(
    tx: &mut Tx<'_>,
    now: Millis,
    parcel: &Known,
    step: &Step,
    state: State,
    note: &str,
) -> Result<(), Problem> {
    let puts_away = matches!(state, State::Filed | State::ActedOn);
    if puts_away && parcel.made.document.is_none() {
        return Err(unfit("Say first whose letter it is."));
    }
    if !parcel.state.may_become(state) {
        return Err(too_late(parcel.state));
    }
    let seq = event::add(tx, now, parcel, state.code(), &step.actor, note).await?;
    event::set_state(tx, parcel.pid, state, now).await?;
    if parcel.by_itk3 {
        crate::itk3::stepped(tx, now, parcel.pid, (state, note)).await?;
    }
    event::tell(tx, parcel, seq).await
}

/// Marks it as not for the patient, or takes the mark off; that is told to nobody else.
async fn mark(
    tx: &mut Tx<'_>,
    now: Millis,
    parcel: &Known,
    step: &Step,
    (marked, reason): (bool, &str),
) -> Result<(), Problem> {
    if parcel.made.document.is_none() {
        return Err(unfit("Say first whose letter it is."));
    }
    if matches!(
        parcel.state,
        State::Returned | State::Withdrawn | State::Superseded
    ) {
        return Err(too_late(parcel.state));
    }
    let sql = Sql::new("UPDATE parcel SET marked = $1 WHERE pid = $2");
    tx.execute(&sql.with(marked).with(parcel.pid)).await?;
    let event = if marked { HELD_BACK } else { RELEASED };
    event::add(tx, now, parcel, event, &step.actor, reason)
        .await
        .map(|_| ())
}

async fn stop_taking_in(tx: &mut Tx<'_>, pid: i64) -> Result<(), Problem> {
    let sql = Sql::new("UPDATE parcel SET due = 0, unmatched = 0 WHERE pid = $1").with(pid);
    tx.execute(&sql).await.map(|_| ())
}

/// A person says whose letter it is; the worker then takes it in.
async fn matched(
    tx: &mut Tx<'_>,
    now: Millis,
    parcel: &Known,
    step: &Step,
    patient: &str,
) -> Result<(), Problem> {
    if !parcel.unmatched || parcel.state.is_final() {
        return Err(unfit(
            "The letter is not waiting for someone to say whose it is.",
        ));
    }
    let sql = Sql::new(
        "UPDATE parcel SET patient = $1, unmatched = 0, reason = NULL, due = 1 WHERE pid = $2",
    )
    .with(patient)
    .with(parcel.pid);
    tx.execute(&sql).await?;
    event::add(tx, now, parcel, "matched", &step.actor, "")
        .await
        .map(|_| ())
}

/// Puts what could not be delivered on its way again.
pub(crate) async fn send_again(
    tx: &mut Tx<'_>,
    now: Millis,
    parcel: &Known,
    actor: &Actor,
) -> Result<(), Problem> {
    if !parcel.outward || parcel.state != State::Undeliverable {
        return Err(unfit("Only what could not be delivered is sent again."));
    }
    super::recall::check(tx, parcel.pid).await?;
    let state = State::Waiting;
    event::add(tx, now, parcel, state.code(), actor, "sent again").await?;
    event::set_state(tx, parcel.pid, state, now).await?;
    if parcel.by_fax {
        return crate::fax::again(tx, now, parcel.pid).await;
    }
    if parcel.by_itk3 {
        return crate::itk3::again(tx, now, parcel.pid).await;
    }
    let sql = Sql::new("UPDATE parcel SET due = 1, due_since = $1, reason = NULL WHERE pid = $2")
        .with(now)
        .with(parcel.pid);
    tx.execute(&sql).await?;
    let sql = Sql::new("UPDATE parcel_peer SET next_try = 0 WHERE peer = $1").with(parcel.peer());
    tx.execute(&sql).await.map(|_| ())
}

fn unfit(message: &'static str) -> Problem {
    Problem::new(Kind::BusinessRule, message)
}

fn too_late(state: State) -> Problem {
    let word = match state {
        State::ActedOn => "acted on",
        other => other.code(),
    };
    let message = format!("The letter has been {word}, so this step does not fit any more.");
    Problem::new(Kind::BusinessRule, message)
}

#[cfg(test)]
mod tests {
    use access::SystemPurpose;

    use super::super::{Incoming, Named, Parcel, Proof};
    use super::*;
    use crate::testing::{Ground, on_each_database};

    /// A step as someone made it who looked before the letter was taken in.
    #[test]
    fn a_step_by_one_who_saw_the_letter_before_it_was_taken_in_is_refused() {
        on_each_database(async |ground: &Ground| {
            let store = ground.open().await;
            let scope = Scope::system(SystemPurpose::TakeInParcels);
            let write = async |write| {
                store
                    .commit(&scope, Job::effect(Effect::Parcel(write)))
                    .await
            };
            let (sender, me) = (Ods::parse("RZZ01").unwrap(), Ods::parse("A81001").unwrap());
            let parcel = Parcel {
                kind: crate::parcels::Kind::Letter,
                sender,
                recipient: me.clone(),
                id: "p1".into(),
                text: "{}".into(),
                digest: "d".into(),
                title: String::new(),
                author: String::new(),
                urgent: false,
                marked: false,
                unique_id: String::new(),
                replaces: None,
                named: Named::default(),
                parts: Vec::new(),
            };
            let manifest = Proof::new("signed");
            let incoming = Box::new(Incoming {
                parcel,
                manifest,
                after: Vec::new(),
            });
            write(ParcelWrite::Receive(incoming)).await.unwrap();
            let pid = store.to_take_in(&scope, 1).await.unwrap()[0].pid;
            let reason = "not our patient".to_string();
            let step = Step {
                pid,
                owner: me,
                action: Action::Return { reason },
                actor: Actor::default(),
                seen: Made::default(),
            };
            let taken_in = ParcelWrite::TakenIn {
                pid,
                patient: "una".into(),
                document: "d1".into(),
                binaries: vec![],
            };
            write(taken_in).await.unwrap();
            let refused = write(ParcelWrite::Step(Box::new(step))).await.unwrap_err();
            assert_eq!(refused.kind, Kind::Conflict);
            store.close().await;
        });
    }
}
