//! Changes of resources, inside the writer.

use std::collections::{HashMap, HashSet};

use access::oauth::Letter;
use access::{AuditEntry, Interaction, Outcome, Scope, SystemPurpose, Target};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::labels::Seal;
use super::rows::Rows;
use super::stored::Stored;
use super::veil::Veil;
use super::{Prepared, Release, facts, labels, reindex, stored, veil};
use crate::care;
use crate::database::Tx;
use crate::diary;
use crate::forms;
use crate::rules;
use crate::sharing;
use crate::terminology;
use crate::write::{Change, Expect, Written};
use crate::writer::Core;

/// Applies changes, all or (by the caller's savepoint) none. What they are is looked up first and
/// written last, so that PostgreSQL is asked few times. Gives what was written, and its lines for
/// the audit log.
pub(crate) async fn apply(
    core: &mut Core,
    tx: &mut Tx<'_>,
    scope: &Scope,
    changes: &[Change],
) -> Result<(Vec<Written>, Vec<AuditEntry>), Problem> {
    if changes.is_empty() {
        return Ok(Default::default());
    }
    refuse_repeats(changes)?;
    let before = stored::look_up(core, tx, scope, changes).await?;
    let veil = veil::draw(core, tx, scope, changes, &before).await?;
    let held = labels::held(changes, &before);
    let seals = labels::seals(changes, &before);
    let further = labels::further(changes, &held, &seals);
    let further_before = stored::look_up(core, tx, scope, &further).await?;
    let mut applied = Applied {
        scope,
        held,
        seals,
        veil: &veil,
        now: core.now(),
        rows: Rows::default(),
        written: Vec::with_capacity(changes.len()),
        lines: Vec::with_capacity(changes.len()),
    };
    for (change, before) in changes.iter().zip(before) {
        let (ty, id) = change.names();
        applied
            .one(core, change, before)
            .map_err(|problem| named(problem, ty, id))?;
    }
    for (change, before) in further.iter().zip(further_before) {
        applied.hold(change, before)?;
    }
    applied.rows.write(tx).await?;
    care::derive(tx, scope, core.now(), changes).await?;
    sharing::follow(core, tx, changes).await?;
    diary::follow(tx, scope, changes).await?;
    forms::follow(tx, core.now(), changes).await?;
    reindex::asked_by(tx, core.now(), changes).await?;
    terminology::follow(tx, applied.now, changes).await?;
    rules::follow(tx, applied.now, changes).await?;
    Ok((applied.written, applied.lines))
}

fn named(problem: Problem, ty: &str, id: &str) -> Problem {
    if problem.expression.is_some() {
        problem
    } else {
        problem.at(format!("{ty}/{id}"))
    }
}

fn refuse_repeats(changes: &[Change]) -> Result<(), Problem> {
    let mut seen = HashSet::with_capacity(changes.len());
    for change in changes {
        let (ty, id) = change.names();
        if !seen.insert((ty, id)) {
            let message = "A resource may be changed only once in one go.";
            return Err(named(Problem::new(Kind::Invalid, message), ty, id));
        }
    }
    Ok(())
}

impl Change {
    /// The type and id that it is about.
    pub(crate) fn names(&self) -> (&str, &str) {
        match self {
            Change::Put { resource, .. } => (&resource.ty, &resource.id),
            Change::Delete { ty, id, .. }
            | Change::Release { ty, id, .. }
            | Change::Veil { ty, id } => (ty, id),
        }
    }
}

struct Applied<'c> {
    scope: &'c Scope,
    /// The ids of the Binaries that these changes hold back.
    held: HashSet<String>,
    /// What these changes seal their contents to: by the id of a Binary.
    seals: HashMap<String, Seal>,
    /// What is stored in place of what the changes brought.
    veil: &'c Veil,
    now: Millis,
    rows: Rows<'c>,
    written: Vec<Written>,
    lines: Vec<AuditEntry>,
}

impl<'c> Applied<'c> {
    fn one(
        &mut self,
        core: &mut Core,
        change: &'c Change,
        before: Option<Stored>,
    ) -> Result<(), Problem> {
        let (ty, _) = change.names();
        if !matches!(change, Change::Release { .. } | Change::Veil { .. }) {
            let deletes = matches!(change, Change::Delete { .. });
            let is_there = before
                .as_ref()
                .is_some_and(|before| before.is_within && !before.facts.deleted);
            let letter = match (deletes, is_there) {
                (true, _) => Letter::Delete,
                (false, true) => Letter::Update,
                (false, false) => Letter::Create,
            };
            self.scope.may_change_type(ty, letter)?;
        }
        // What is beyond the scope is as if it were not there, and cannot be overwritten.
        if before.as_ref().is_some_and(|before| !before.is_within) {
            if let Change::Put { expect, .. } = change {
                check(*expect, None)?;
            }
            return Err(absent());
        }
        match (change, before) {
            (
                Change::Put {
                    resource,
                    expect,
                    release,
                },
                None,
            ) => {
                check(*expect, None)?;
                self.create(core, resource, *release)
            }
            (
                Change::Put {
                    resource,
                    expect,
                    release,
                },
                Some(before),
            ) => {
                check(*expect, Some(&before))?;
                self.update(core, resource, *release, before)
            }
            (Change::Delete { expect, .. }, Some(before)) => {
                check(*expect, Some(&before))?;
                self.delete(core, change, before)
            }
            // What is deleted is held as well: it may be put back. It is not released: what its
            // labels say is not known any more.
            (Change::Release { release, .. }, Some(before))
                if !before.facts.deleted || matches!(release, Release::Never | Release::Hold) =>
            {
                self.release(change, *release, &before)
            }
            (Change::Veil { ty, id }, Some(before)) => self.veil(core, (ty, id), &before),
            (Change::Veil { .. }, None) => Err(absent()),
            (Change::Delete { .. } | Change::Release { .. }, _) => Err(absent()),
        }
    }

    fn create(
        &mut self,
        core: &mut Core,
        resource: &'c Prepared,
        release: Release,
    ) -> Result<(), Problem> {
        if let access::Reach::Organisation(ods) = self.scope.reach()
            && *ods != resource.organisation
        {
            return Err(absent());
        }
        let release_at = self.allowed(release, resource).after(None, self.now);
        let facts = facts::Facts {
            shard: facts::shard(&resource.patients),
            rid: core.rid()?,
            version: 1,
            at: self.now,
            deleted: false,
            organisation: resource.organisation.to_string(),
            patients: resource.patients.join(" "),
            release_at,
            guard: 0,
            workgroup: String::new(),
            is_sensitive: false,
        };
        let facts = self.sealed(facts, &resource.ty, &resource.id, Some(&*resource.labels));
        let resource = self.stored(resource, &facts);
        self.rows.create(core, resource, &facts)?;
        self.note(
            Interaction::Create,
            &resource.ty,
            &resource.id,
            &facts,
            Some((resource, true)),
        );
        Ok(())
    }

    fn update(
        &mut self,
        core: &mut Core,
        resource: &'c Prepared,
        release: Release,
        before: Stored,
    ) -> Result<(), Problem> {
        self.may_relabel(resource, &before)?;
        let mut facts = before.facts.clone();
        facts.version += 1;
        // A clock that goes back must not make history go back.
        facts.at = self.now.max(facts.at);
        facts.deleted = false;
        facts.patients = resource.patients.join(" ");
        let release = match self.allowed(release, resource) {
            // What was held back from a patient of themselves stays so until someone says otherwise.
            Release::At(_) if self.is_callers() && facts.release_at.is_none() => Release::Keep,
            release => release,
        };
        facts.release_at = release.after(facts.release_at, self.now);
        let facts = self.sealed(facts, &resource.ty, &resource.id, Some(&*resource.labels));
        let resource = self.stored(resource, &facts);
        self.rows.update(core, resource, &facts, &before)?;
        let created = before.facts.deleted;
        let interaction = if created {
            Interaction::Create
        } else {
            Interaction::Update
        };
        self.note(
            interaction,
            &resource.ty,
            &resource.id,
            &facts,
            Some((resource, created)),
        );
        Ok(())
    }

    /// What is stored of it: what tells where a restricted patient is stands aside.
    fn stored(&mut self, resource: &'c Prepared, facts: &facts::Facts) -> &'c Prepared {
        let veil: &'c Veil = self.veil;
        match veil.put(&resource.ty, &resource.id) {
            Some(put) => {
                self.rows.aside(facts, facts.version, &put.whole);
                &put.resource
            }
            None => resource,
        }
    }

    /// Every version as the patient's flag now says.
    fn veil(
        &mut self,
        core: &Core,
        (ty, id): (&str, &str),
        before: &Stored,
    ) -> Result<(), Problem> {
        let veil: &'c Veil = self.veil;
        let facts = &before.facts;
        self.written.push(written(ty, id, facts, false));
        let Some(swept) = veil.swept(ty, id) else {
            return Ok(());
        };
        self.rows.rewrite(core, swept, before)?;
        for version in &swept.versions {
            let number = u64::try_from(version.number).unwrap_or_default();
            self.trace(
                Interaction::Update,
                (ty, id, number),
                facts,
                Some(version.digest),
            );
        }
        Ok(())
    }

    /// Whether it is done for somebody who asked, and not the node's own work.
    fn is_callers(&self) -> bool {
        self.scope.interaction() != Interaction::System
    }

    /// To take a label away is a decision of its own.
    fn may_relabel(&self, resource: &Prepared, before: &Stored) -> Result<(), Problem> {
        let may = !self.is_callers() || self.scope.interaction() == Interaction::RemoveLabel;
        // What a message says of a resource is written without having read it, where it can be.
        let is_mapped = self.scope.purpose() == SystemPurpose::MapMessages.code();
        if (may && !is_mapped) || !resource.labels.lack(&before.labels) {
            return Ok(());
        }
        if is_mapped {
            let message = "It carries security labels, which a message does not take away.";
            return Err(Problem::new(Kind::Conflict, message));
        }
        let message = "This would take a security label away, which a change of the resource may \
             not; a clinician takes one away with $meta-delete.";
        let place = format!("{}/{}", resource.ty(), resource.id());
        Err(Problem::new(Kind::Forbidden, message).at(place))
    }

    fn delete(
        &mut self,
        core: &mut Core,
        change: &'c Change,
        before: Stored,
    ) -> Result<(), Problem> {
        let (ty, id) = change.names();
        let mut facts = before.facts.clone();
        if !facts.deleted {
            facts.version += 1;
            facts.at = self.now.max(facts.at);
            facts.deleted = true;
            self.rows.delete(core, ty, &facts, &before)?;
        }
        self.note(Interaction::Delete, ty, id, &facts, None);
        Ok(())
    }

    fn release(
        &mut self,
        change: &'c Change,
        release: Release,
        before: &Stored,
    ) -> Result<(), Problem> {
        let (ty, id) = change.names();
        let mut facts = before.facts.clone();
        // A clinician who releases it has weighed what the labels say.
        let is_weighed = self.scope.interaction() == Interaction::ReleaseToPatient;
        let is_held = before.labels.is_labelled || self.holds(ty, id);
        let release = if is_held && !is_weighed {
            Release::Never
        } else {
            release
        };
        facts.release_at = release.after(facts.release_at, self.now);
        let own = (!facts.deleted && ty != "Binary").then_some(&before.labels);
        let facts = self.sealed(facts, ty, id, own);
        self.rows.replace(&facts);
        self.note(Interaction::Update, ty, id, &facts, None);
        Ok(())
    }

    /// Holds back a letter's content, deleted or not, if it is here and within the scope.
    fn hold(&mut self, change: &'c Change, before: Option<Stored>) -> Result<(), Problem> {
        match before {
            Some(before) if before.is_within => {
                let (ty, id) = change.names();
                let release = if self.holds(ty, id) {
                    Release::Never
                } else {
                    Release::Keep
                };
                self.release(change, release, &before)
            }
            _ => Ok(()),
        }
    }

    /// What seals it from now on: its own labels, or those of the letter whose content it is.
    fn sealed(
        &self,
        mut facts: facts::Facts,
        ty: &str,
        id: &str,
        own: Option<&labels::Labels>,
    ) -> facts::Facts {
        let of_letter = (ty == "Binary").then(|| self.seals.get(id)).flatten();
        let own = own.map(|labels| &labels.seal);
        // A Binary without labels of its own stays sealed as its letter last said.
        let own = own.filter(|seal| ty != "Binary" || seal.keeps());
        if let Some(seal) = of_letter.or(own) {
            facts.is_sensitive = seal.is_sensitive;
            facts.guard = seal.guard;
            facts.workgroup.clone_from(&seal.workgroup);
        }
        facts
    }

    fn holds(&self, ty: &str, id: &str) -> bool {
        ty == "Binary" && self.held.contains(id)
    }

    /// When a resource is released as it is written: what is labelled not until someone says so.
    fn allowed(&self, release: Release, resource: &Prepared) -> Release {
        if resource.labels.is_labelled || self.holds(&resource.ty, &resource.id) {
            Release::Never
        } else {
            release
        }
    }

    /// Remembers what was written, and a line for each patient whom it is about. `body` is the version
    /// that was stored, if one was, and whether the resource was not there before.
    fn note(
        &mut self,
        interaction: Interaction,
        ty: &str,
        id: &str,
        facts: &facts::Facts,
        body: Option<(&Prepared, bool)>,
    ) {
        let written = written(ty, id, facts, body.is_some_and(|(_, created)| created));
        let digest = body.map(|(resource, _)| resource.facts.digest);
        self.trace(interaction, (ty, id, written.version), facts, digest);
        self.written.push(written);
    }

    /// A line for each patient whom a version is about, with the digest of what is stored of it.
    fn trace(
        &mut self,
        interaction: Interaction,
        (ty, id, version): (&str, &str, u64),
        facts: &facts::Facts,
        digest: Option<[u8; 32]>,
    ) {
        let target = Target {
            ty: ty.to_string().into(),
            id: Some(id.to_string()),
            version: Some(version),
            ..Target::default()
        };
        let traced = facts::traced(self.scope, interaction, Outcome::Success, &target, facts);
        self.lines
            .extend(traced.into_iter().map(|line| AuditEntry { digest, ..line }));
    }
}

fn written(ty: &str, id: &str, facts: &facts::Facts, created: bool) -> Written {
    Written {
        ty: ty.to_string(),
        id: id.to_string(),
        version: u64::try_from(facts.version).unwrap_or_default(),
        last_updated: facts.at,
        created,
    }
}

fn absent() -> Problem {
    Problem::new(Kind::NotFound, "There is no such resource.")
}

/// Whether what is there is what the change expects.
fn check(expect: Expect, before: Option<&Stored>) -> Result<(), Problem> {
    let there = before.filter(|before| !before.facts.deleted);
    match (expect, there) {
        (Expect::Anything, _) | (Expect::Absent, None) | (Expect::Exists, Some(_)) => Ok(()),
        (Expect::Absent, Some(_)) => Err(Problem::new(
            Kind::Duplicate,
            "A resource of this type and id is there already.",
        )),
        (Expect::Exists, None) => Err(absent()),
        (Expect::Version(version), before) => {
            let current = before.and_then(|before| u64::try_from(before.facts.version).ok());
            match current {
                Some(current) if current == version => Ok(()),
                Some(current) => Err(Problem::new(
                    Kind::Conflict,
                    format!("The current version is {current}, not {version}."),
                )),
                None => Err(Problem::new(
                    Kind::Conflict,
                    format!("There is no current version, so it is not {version}."),
                )),
            }
        }
    }
}
