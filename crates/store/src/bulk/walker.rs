//! A walk under way.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use access::{Interaction, Outcome, Scope, Target};
use fhir::problem::{Kind, Problem};

use super::rows::{self, Numbers};
use super::{Cursor, Key, Walk, Within, files, references};
use crate::opt_out::Bar;
use crate::resources::facts::{self, Facts};
use crate::resources::read::THERE;
use crate::resources::{Version, body};
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;
use crate::words::UNKNOWN;

/// Referenced resources that are remembered so that each is given once; beyond that one may come
/// twice, which loses nothing.
const SEEN_MAX: usize = 20_000;
/// Patients whose line of the log is remembered; beyond that there is a second line.
const TOLD_MAX: usize = 20_000;
/// Referenced resources fetched at once.
const FETCHED_AT_ONCE: usize = 50;

/// One resource of a walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walked {
    pub version: Version,
    /// Whether it came along because another refers to it.
    pub included: bool,
    /// Where the walk stands once this is given. What comes along does not move it.
    pub at: Cursor,
}

/// Gives a walk's resources one by one.
#[derive(Debug)]
pub struct Walker {
    store: Store,
    scope: Scope,
    walk: Walk,
    numbers: Numbers,
    action: Interaction,
    target: Target,
    /// Rows of the page at hand, still compressed.
    rows: VecDeque<Row>,
    /// What they refer to, until the page is through.
    referenced: BTreeSet<(String, String)>,
    included: VecDeque<Row>,
    seen: HashSet<(String, String)>,
    told: HashSet<String>,
    ended: bool,
    at: Cursor,
    /// How many may still be given; the walk's `count` counts down.
    left: Option<u32>,
    /// The last one given, where the count stopped the walk.
    stopped_at: Option<Cursor>,
    bar: Option<Arc<Bar>>,
}

impl Store {
    /// Starts a walk for a caller who was allowed `action`. `target` is what the log says was asked
    /// for, without a patient: each patient of whom something is found gets a line.
    ///
    /// # Errors
    /// `Forbidden` if the scope is no scope for reading; what the store cannot read or trace.
    pub async fn walk(
        &self,
        scope: &Scope,
        action: Interaction,
        target: Target,
        walk: Walk,
    ) -> Result<Walker, Problem> {
        self.may_look(scope)?;
        let numbers = Numbers::of(self, &walk).await?;
        let mut told = HashSet::new();
        told.extend(target.patient.clone());
        Ok(Walker {
            store: self.clone(),
            scope: scope.clone(),
            at: walk.after,
            left: walk.count,
            stopped_at: None,
            walk,
            numbers,
            action,
            target: Target {
                patient: None,
                ..target
            },
            rows: VecDeque::new(),
            referenced: BTreeSet::new(),
            included: VecDeque::new(),
            seen: HashSet::new(),
            told,
            ended: false,
            bar: None,
        })
    }

    /// Starts a walk from one resource (a Patient or an Encounter), which must be there. Its line
    /// in the log is written, whatever is found, before this returns.
    ///
    /// # Errors
    /// `NotFound` if it is absent or beyond the scope, `Deleted`; else as `walk`.
    pub async fn walk_from(
        &self,
        scope: &Scope,
        action: Interaction,
        target: Target,
        walk: Walk,
    ) -> Result<Walker, Problem> {
        self.may_look(scope)?;
        let ty = self.word(&target.ty).await?;
        let id = target.id.clone().unwrap_or_default();
        let mut sql = Sql::new(THERE).with(ty).with(id);
        facts::push_scope(&mut sql, scope);
        let rows = self.rows(&sql).await?;
        let Some(row) = rows.first() else {
            self.nothing(scope, action, target).await?;
            return Err(Problem::new(Kind::NotFound, "There is no such resource."));
        };
        let facts = Facts::from_row(row)?;
        let lines = facts::traced(scope, action, Outcome::Success, &target, &facts);
        self.traced(lines).await?;
        if facts.deleted {
            return Err(Problem::new(Kind::Deleted, "The resource was deleted."));
        }
        let mut walker = self.walk(scope, action, target, walk).await?;
        walker.told.extend(facts.patients().map(str::to_string));
        let follows_merges = walker.walk.follows_merges;
        match &mut walker.walk.within {
            Within::Encounter { patients, .. } => {
                patients.extend(facts.patients().map(str::to_string));
            }
            Within::Patients(patients) if follows_merges => {
                if let [id] = patients.as_slice() {
                    patients.extend(self.replaced_by(scope, id).await?);
                }
            }
            Within::Patients(_) | Within::Types { .. } => {}
        }
        Ok(walker)
    }
}

impl Walker {
    /// Leaves out, and does not trace, what is about people who may not be taken out. For
    /// `next_keys` only.
    #[must_use]
    pub fn barring(mut self, bar: Arc<Bar>) -> Walker {
        self.bar = Some(bar);
        self
    }

    /// Goes on under another scope of the same caller's. What has been read already, a page at most, is given
    /// as it was read.
    pub fn go_on_under(&mut self, scope: Scope) {
        self.scope = scope;
    }

    /// The next resource; none at the end. What it is about stands in the log before this returns.
    ///
    /// # Errors
    /// What the store cannot read or trace.
    pub async fn next(&mut self) -> Result<Option<Walked>, Problem> {
        loop {
            while let Some(row) = self.rows.pop_front() {
                self.at.rid = row.int(0)?;
                if let Some(version) = self.taken(&row)? {
                    self.count_down();
                    return Ok(Some(self.walked(version, false)));
                }
            }
            self.fetch_referenced().await?;
            if let Some(row) = self.included.pop_front() {
                let version = rows::version(&row)?;
                return Ok(Some(self.walked(version, true)));
            }
            if !self.referenced.is_empty() {
                // Of those asked for just now none comes along; of the others some may.
                continue;
            }
            if self.ended {
                return Ok(None);
            }
            self.fetch().await?;
        }
    }

    /// Which versions come next, some thousands at a time, without reading them; none at the end.
    /// Not to be mixed with `next`.
    ///
    /// # Errors
    /// As `next`.
    pub async fn next_keys(&mut self) -> Result<Option<Vec<Key>>, Problem> {
        while self.at.part < rows::parts(&self.walk) {
            self.walk.after = self.at;
            let sql = rows::keys(&self.scope, &self.walk, &self.numbers);
            let rows = self.store.rows_apart(sql).await?;
            if rows.is_empty() {
                self.next_part();
                continue;
            }
            self.at.rid = rows.last().map_or(Ok(0), |row| row.int(0))?;
            let mut there = Vec::with_capacity(rows.len());
            for row in rows {
                if rows::is_key(&self.walk, &row)? {
                    there.push(row);
                }
            }
            if let Some(bar) = &self.bar {
                there = files::sift(&self.store, &self.scope, bar, there).await?;
            }
            self.trace(&there).await?;
            let mut keys = Vec::with_capacity(there.len());
            for row in &there {
                if !self.was_given(row.text(6)?) && !self.scope.hides(row.text(7)?) {
                    keys.push(Key {
                        ty: row.text(7)?.to_string(),
                        id: row.text(1)?.to_string(),
                        rid: row.int(0)?,
                        version: row.int(2)?,
                    });
                }
            }
            return Ok(Some(keys));
        }
        Ok(None)
    }

    /// Where the walk stands.
    pub fn cursor(&self) -> Cursor {
        self.at
    }

    fn next_part(&mut self) {
        self.at = Cursor {
            part: self.at.part.saturating_add(1),
            rid: 0,
        };
    }

    /// Where the next page starts, once the count has stopped the walk and there is more.
    ///
    /// # Errors
    /// As `next`.
    pub async fn more_after(&mut self) -> Result<Option<Cursor>, Problem> {
        let Some(at) = self.stopped_at.take() else {
            return Ok(None);
        };
        (self.ended, self.left) = (false, None);
        while !self.ended && self.rows.is_empty() {
            self.fetch().await?;
        }
        Ok((!self.rows.is_empty()).then_some(at))
    }

    fn count_down(&mut self) {
        self.left = self.left.map(|left| left.saturating_sub(1));
        if self.left == Some(0) {
            self.rows.clear();
            self.ended = true;
            self.stopped_at = Some(self.at);
        }
    }

    fn walked(&self, version: Version, included: bool) -> Walked {
        Walked {
            version,
            included,
            at: self.at,
        }
    }

    /// The row's resource, unless a condition that the database was not asked leaves it out.
    fn taken(&mut self, row: &Row) -> Result<Option<Version>, Problem> {
        if self.was_given(row.text(6)?) || self.scope.hides(row.text(7)?) {
            return Ok(None);
        }
        let version = rows::version(row)?;
        if !self.walk.care.is_open() {
            let resource = body::parse(&version.body)?;
            if !self.walk.care.holds(&version.ty, &resource) {
                return Ok(None);
            }
        }
        if self.walk.with_referenced {
            self.note_references(&version.body);
        }
        Ok(Some(version))
    }

    /// Whether an earlier patient of the walk had it already.
    fn was_given(&self, patients: &str) -> bool {
        let Within::Patients(walked) = &self.walk.within else {
            return false;
        };
        let part = usize::try_from(self.at.part).unwrap_or(usize::MAX);
        let earlier = walked.get(..part).unwrap_or_default();
        !earlier.is_empty()
            && patients.contains(' ')
            && patients
                .split(' ')
                .any(|patient| earlier.iter().any(|known| known == patient))
    }

    fn note_references(&mut self, resource: &[u8]) {
        let wanted =
            |ty: &str| self.walk.types.is_empty() || self.walk.types.iter().any(|it| it == ty);
        for (ty, id) in references::of(resource) {
            let pair = (ty.to_string(), id.to_string());
            if wanted(ty) && !self.seen.contains(&pair) {
                self.referenced.insert(pair.clone());
                self.seen.insert(pair);
            }
        }
        if self.seen.len() > SEEN_MAX {
            self.seen.clear();
        }
    }

    /// Fetches some of what the page refers to.
    async fn fetch_referenced(&mut self) -> Result<(), Problem> {
        if !self.included.is_empty() {
            return Ok(());
        }
        let mut by_type: HashMap<String, Vec<String>> = HashMap::new();
        for _ in 0..FETCHED_AT_ONCE {
            let Some((ty, id)) = self.referenced.pop_first() else {
                break;
            };
            by_type.entry(ty).or_default().push(id);
        }
        let mut types: Vec<_> = by_type.into_iter().collect();
        types.sort_unstable();
        for (ty, ids) in types {
            let number = self.store.word(&ty).await?;
            if number == UNKNOWN {
                continue;
            }
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            let sql = rows::about_nobody(&self.scope, &self.walk, number, &ids);
            self.included.extend(self.store.rows_apart(sql).await?);
        }
        Ok(())
    }

    /// Fetches the next page, and goes on to the next part at the end of one.
    async fn fetch(&mut self) -> Result<(), Problem> {
        if self.at.part >= rows::parts(&self.walk) {
            self.ended = true;
            return Ok(());
        }
        self.walk.after = self.at;
        let sql = rows::page(
            &self.scope,
            &self.walk,
            &self.numbers,
            self.left.unwrap_or(u32::MAX),
        );
        let rows = self.store.rows_apart(sql).await?;
        if rows.is_empty() {
            self.next_part();
            return Ok(());
        }
        self.trace(&rows).await?;
        self.rows = rows.into();
        Ok(())
    }

    /// A line for each patient of the page who has none yet; one for the walk if there is no
    /// patient at all.
    async fn trace(&mut self, rows: &[Row]) -> Result<(), Problem> {
        let mut lines = Vec::new();
        for row in rows {
            for patient in row.text(6)?.split(' ').filter(|id| !id.is_empty()) {
                if !self.told.contains(patient) {
                    self.told.insert(patient.to_string());
                    lines.push(self.line(Some(patient.to_string())));
                }
            }
        }
        if self.told.is_empty() {
            self.told.insert(String::new());
            lines.push(self.line(None));
        }
        if self.told.len() > TOLD_MAX {
            self.told.clear();
        }
        if lines.is_empty() {
            return Ok(());
        }
        self.store.traced(lines).await
    }

    fn line(&self, patient: Option<String>) -> access::AuditEntry {
        let target = Target {
            patient,
            ..self.target.clone()
        };
        self.scope.trace(self.action, Outcome::Success, target)
    }
}
