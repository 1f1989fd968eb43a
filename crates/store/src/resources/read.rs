//! Reading one resource, or one of its versions.

use access::{AuditEntry, Interaction, Outcome, Scope, Target};
use fhir::problem::{Kind, Problem};

use super::cache::Asked;
use super::facts::{self, Facts};
use super::granted;
use super::labels::Labels;
use super::{Reading, Version, body};
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

const READ: &str = "SELECT r.shard, r.rid, r.ver, r.ts, r.del, r.org, r.patients, r.release_at, \
     v.ver, v.ts, v.del, v.splice, v.body, r.guard, r.workgroup, r.sensitive FROM place p \
     JOIN res r ON r.shard = p.shard AND r.rid = p.rid \
     JOIN ver v ON v.shard = r.shard AND v.rid = r.rid AND v.ver = r.ver \
     WHERE p.ty = $1 AND p.id = $2";
const VREAD: &str = "SELECT r.shard, r.rid, r.ver, r.ts, r.del, r.org, r.patients, r.release_at, \
     v.ver, v.ts, v.del, v.splice, v.body FROM place p \
     JOIN res r ON r.shard = p.shard AND r.rid = p.rid \
     JOIN ver v ON v.shard = r.shard AND v.rid = r.rid \
     WHERE p.ty = $1 AND p.id = $2 AND v.ver = $3";
pub(crate) const THERE: &str = "SELECT r.shard, r.rid, r.ver, r.ts, r.del, r.org, r.patients, r.release_at \
     FROM place p JOIN res r ON r.shard = p.shard AND r.rid = p.rid \
     WHERE p.ty = $1 AND p.id = $2";

impl Store {
    /// The current version (<https://hl7.org/fhir/R4/http.html#read>). Leaves its line in the audit
    /// log, whatever it finds, before it returns.
    ///
    /// # Errors
    /// `Forbidden` if the scope is no scope for reading; `Throttled`, `NoStore` or `Transient` if
    /// the store cannot read or trace.
    pub async fn read(&self, scope: &Scope, ty: &str, id: &str) -> Result<Reading, Problem> {
        self.may_look(scope)?;
        let target = Target {
            ty: ty.to_string().into(),
            id: Some(id.to_string()),
            ..Target::default()
        };
        let before = self.cache().map(|cache| cache.ask(ty, id));
        let cached = before.as_ref().and_then(Asked::current);
        if let Some((facts, version)) = cached.filter(|(facts, _)| facts.within(scope, ty)) {
            return self.give(scope, target, facts, version.clone()).await;
        }
        let number = self.word(ty).await?;
        let mut sql = Sql::new(READ).with(number).with(id);
        facts::push_scope(&mut sql, scope);
        let rows = self.rows(&sql).await?;
        let Some(row) = rows.first() else {
            return self.nothing(scope, Interaction::Read, target).await;
        };
        let facts = Facts::from_row(row)?.sealed(row, 13)?;
        let reading = reading(ty, id, row)?;
        if let (Some(cache), Some(before), Reading::Found(version)) =
            (self.cache(), &before, &reading)
        {
            cache.keep(before, facts.clone(), version.clone());
        }
        match reading {
            Reading::Found(version) => self.give(scope, target, &facts, version).await,
            reading => {
                let lines = lines(scope, Interaction::Read, target, &facts);
                self.traced(lines).await?;
                Ok(reading)
            }
        }
    }

    /// The current version that was found, traced.
    async fn give(
        &self,
        scope: &Scope,
        mut target: Target,
        facts: &Facts,
        version: Version,
    ) -> Result<Reading, Problem> {
        let (version, is_released) = self.located(scope, facts, version).await?;
        if is_released {
            target.query = Some("whereabouts".into());
        }
        let lines = lines(scope, Interaction::Read, target, facts);
        self.traced(lines).await?;
        Ok(Reading::Found(version))
    }

    /// A given version (<https://hl7.org/fhir/R4/http.html#vread>), traced as `read` is. A patient
    /// sees a version only if it, too, was in their compartment.
    ///
    /// # Errors
    /// As `read`.
    pub async fn vread(
        &self,
        scope: &Scope,
        ty: &str,
        id: &str,
        version: u64,
    ) -> Result<Reading, Problem> {
        self.may_look(scope)?;
        let target = Target {
            ty: ty.to_string().into(),
            id: Some(id.to_string()),
            version: Some(version),
            ..Target::default()
        };
        let number = self.word(ty).await?;
        let wanted = i64::try_from(version).unwrap_or(i64::MAX);
        let mut sql = Sql::new(VREAD).with(number).with(id).with(wanted);
        facts::push_scope(&mut sql, scope);
        let rows = self.rows(&sql).await?;
        let Some(row) = rows.first() else {
            return self.nothing(scope, Interaction::Vread, target).await;
        };
        let reading = reading(ty, id, row)?;
        if !version_within(scope, &reading)? {
            return self.nothing(scope, Interaction::Vread, target).await;
        }
        let lines = lines(scope, Interaction::Vread, target, &Facts::from_row(row)?);
        self.traced(lines).await?;
        Ok(reading)
    }

    pub(crate) fn may_look(&self, scope: &Scope) -> Result<(), Problem> {
        if scope.may_look() {
            return Ok(());
        }
        let message = "This caller may not read records.";
        Err(Problem::new(Kind::Forbidden, message))
    }

    /// The caller is told "absent"; the log knows whether something was withheld.
    pub(crate) async fn nothing(
        &self,
        scope: &Scope,
        action: Interaction,
        target: Target,
    ) -> Result<Reading, Problem> {
        let (there, is_within) = self.hidden_or_absent(scope, &target).await?;
        let lines = match there {
            Some(facts) if !is_within => self.withheld(scope, action, &target, &facts).await?,
            _ => vec![scope.trace(action, Outcome::Absent, target)],
        };
        self.traced(lines).await?;
        Ok(Reading::Absent)
    }

    /// The same of a change: the caller is told that there is nothing to change. What the caller may
    /// read and yet not change leaves a line if the change was `refused` for that, and not if it only
    /// came too late.
    pub(crate) async fn note_missed(
        &self,
        scope: &Scope,
        (ty, id): (&str, &str),
        refused: bool,
    ) -> Result<(), Problem> {
        let action = scope.interaction();
        let target = Target {
            ty: ty.to_string().into(),
            id: Some(id.to_string()),
            ..Target::default()
        };
        let (there, is_within) = self.hidden_or_absent(scope, &target).await?;
        let lines = match there {
            Some(facts) if !is_within => self.withheld(scope, action, &target, &facts).await?,
            Some(facts) if !facts.deleted && refused => {
                facts::traced(scope, action, Outcome::Refused, &target, &facts)
            }
            Some(facts) if !facts.deleted => return Ok(()),
            _ => vec![scope.trace(action, Outcome::Absent, target)],
        };
        self.traced(lines).await
    }

    /// Whether the scope reaches that resource. Leaves no line.
    pub(crate) async fn reaches(&self, scope: &Scope, ty: &str, id: &str) -> Result<bool, Problem> {
        let target = Target {
            ty: ty.to_string().into(),
            id: Some(id.to_string()),
            ..Target::default()
        };
        let (there, is_within) = self.hidden_or_absent(scope, &target).await?;
        Ok(there.is_some() && is_within)
    }

    /// What is known of a resource, if it is there, and whether the scope reaches it.
    async fn hidden_or_absent(
        &self,
        scope: &Scope,
        target: &Target,
    ) -> Result<(Option<Facts>, bool), Problem> {
        let number = self.word(&target.ty).await?;
        let id = target.id.clone().unwrap_or_default();
        let there = Sql::new(THERE).with(number).with(id);
        let mut within = there.clone();
        facts::push_scope(&mut within, scope);
        let rows = self.rows(&there).await?;
        let there = rows.first().map(Facts::from_row).transpose()?;
        let is_within = there.is_none() || !self.rows(&within).await?.is_empty();
        Ok((there, is_within))
    }

    /// The lines for what is beyond the scope. A patient who does not want it shared learns that it was
    /// refused for the first time.
    async fn withheld(
        &self,
        scope: &Scope,
        action: Interaction,
        target: &Target,
        facts: &Facts,
    ) -> Result<Vec<AuditEntry>, Problem> {
        for patient in facts.patients() {
            self.note_first_refusal(scope, patient).await?;
        }
        let outcome = Outcome::Withheld;
        Ok(facts::traced(scope, action, outcome, target, facts))
    }
}

/// The lines of the log for a resource that was found, or found deleted.
fn lines(scope: &Scope, action: Interaction, mut target: Target, facts: &Facts) -> Vec<AuditEntry> {
    let current = u64::try_from(facts.version).ok();
    target.version = target.version.or(current);
    facts::traced(scope, action, Outcome::Success, &target, facts)
}

/// What stands in a row from its ninth column on: version, time, deletion, splice, body.
pub(super) fn reading(ty: &str, id: &str, row: &Row) -> Result<Reading, Problem> {
    let version = u64::try_from(row.int(8)?).unwrap_or_default();
    let last_updated = row.int(9)?;
    if row.flag(10)? {
        return Ok(Reading::Deleted {
            version,
            at: last_updated,
        });
    }
    Ok(Reading::Found(Version {
        ty: ty.to_string(),
        id: id.to_string(),
        version,
        last_updated,
        body: body::render(row.bytes(12)?, row.int(11)?, version, last_updated)?,
    }))
}

/// Whether an old version is the patient's as well: a resource may once have been about another.
pub(super) fn version_within(scope: &Scope, reading: &Reading) -> Result<bool, Problem> {
    match reading {
        Reading::Found(version) => is_theirs(scope, version),
        // A deletion in the past of a resource that is there again tells nothing of its content.
        _ => Ok(true),
    }
}

/// The same of a version at hand.
pub(crate) fn is_theirs(scope: &Scope, version: &Version) -> Result<bool, Problem> {
    let own = match scope.reach() {
        access::Reach::Compartment { patient, .. } => Some(patient),
        _ => None,
    };
    let rules = scope.granted_rows().map(Iterator::collect::<Vec<_>>);
    if own.is_none() && rules.is_none() {
        return Ok(true);
    }
    let resource = body::parse(&version.body)?;
    let patients = facts::patients(&version.ty, &version.id, &resource);
    if own.is_some_and(|own| !patients.contains(own)) {
        return Ok(false);
    }
    // What a version said of itself holds, whatever was said later.
    if scope.shows().is_some() && Labels::of(&version.ty, &resource).seal.is_sensitive {
        return Ok(false);
    }
    let Some(rules) = rules else { return Ok(true) };
    let fits = |rule: &&access::oauth::Rule| granted::fits(rule, &version.ty, &patients, &resource);
    Ok(rules.iter().any(fits))
}
