//! The rows that a job writes, gathered so that they go in a few statements.

use std::borrow::Cow;
use std::collections::HashSet;

use fhir::problem::Problem;
use fhir::search::Entry;

use super::Prepared;
use super::facts::Facts;
use super::index::{self, At, IndexRows};
use super::stored::Stored;
use super::veil::Swept;
use crate::database::Tx;
use crate::sql::{Bind, Sql};
use crate::table::{Table, Type};
use crate::words;
use crate::writer::Core;

static PLACE: Table = Table::new(
    "place",
    &[
        ("ty", Type::Int),
        ("id", Type::Text),
        ("shard", Type::Int),
        ("rid", Type::Int),
    ],
);
static RES: Table = Table::new(
    "res",
    &[
        ("shard", Type::Int),
        ("rid", Type::Int),
        ("ty", Type::Int),
        ("id", Type::Text),
        ("ver", Type::Int),
        ("ts", Type::Int),
        ("del", Type::Int),
        ("org", Type::Text),
        ("patients", Type::Text),
        ("release_at", Type::Int),
        ("guard", Type::Int),
        ("workgroup", Type::Text),
        ("sensitive", Type::Int),
    ],
);
static VER: Table = Table::new(
    "ver",
    &[
        ("shard", Type::Int),
        ("rid", Type::Int),
        ("ver", Type::Int),
        ("ts", Type::Int),
        ("del", Type::Int),
        ("splice", Type::Int),
        ("body", Type::Bytes),
    ],
);
static SEVERAL: Table = Table::new(
    "res_several",
    &[
        ("rid", Type::Int),
        ("shard", Type::Int),
        ("patient", Type::Text),
    ],
);
static COMPARTMENT: Table = Table::new(
    "compartment",
    &[
        ("patient", Type::Text),
        ("rid", Type::Int),
        ("shard", Type::Int),
    ],
);

const REPLACE: &str = "UPDATE res SET ver = $1, ts = $2, del = $3, patients = $4, \
     release_at = $5, guard = $6, workgroup = $7, sensitive = $8 WHERE shard = $9 AND rid = $10";
const FORGET_SEVERAL: &str = "DELETE FROM res_several WHERE rid = $1 AND shard = $2";
const LEAVE: &str = "DELETE FROM compartment WHERE patient = $1 AND rid = $2 AND shard = $3";

/// What is to be taken away and put in.
#[derive(Debug, Default)]
pub(crate) struct Rows<'c> {
    first: Vec<Sql<'c>>,
    place: Vec<Bind<'c>>,
    res: Vec<Bind<'c>>,
    ver: Vec<Bind<'c>>,
    compartment: Vec<Bind<'c>>,
    several: Vec<Bind<'c>>,
    index: IndexRows<'c>,
}

impl<'c> Rows<'c> {
    /// A resource that is new.
    pub(crate) fn create(
        &mut self,
        core: &Core,
        resource: &'c Prepared,
        facts: &Facts,
    ) -> Result<(), Problem> {
        let ty = core.word(&resource.ty)?;
        let at = facts.at();
        self.place.extend([
            Bind::Int(ty),
            Bind::from(&resource.id),
            Bind::Int(at.shard),
            Bind::Int(at.rid),
        ]);
        self.res.extend([
            Bind::Int(at.shard),
            Bind::Int(at.rid),
            Bind::Int(ty),
            Bind::from(&resource.id),
            Bind::Int(facts.version),
            Bind::Int(facts.at),
            Bind::from(facts.deleted),
            Bind::from(resource.organisation.as_str()),
            Bind::from(facts.patients.clone()),
            Bind::from(facts.release_at),
            Bind::Int(facts.guard),
            Bind::from(facts.workgroup.clone()),
            Bind::from(facts.is_sensitive),
        ]);
        self.several(facts);
        self.version(facts, resource.facts.splice, Cow::Borrowed(&resource.body));
        for patient in &resource.patients {
            self.join(patient, at);
        }
        let mut buffer = String::new();
        for entry in &resource.entries {
            let param = words::parameter(&mut buffer, &resource.ty, entry.code);
            let param = core.word(param)?;
            self.index.push(param, entry, at, |word| core.word(word))?;
        }
        Ok(())
    }

    /// A further version. Only the index rows that differ are touched.
    pub(crate) fn update(
        &mut self,
        core: &Core,
        resource: &'c Prepared,
        facts: &Facts,
        before: &Stored,
    ) -> Result<(), Problem> {
        let at = facts.at();
        self.replace(facts);
        self.version(facts, resource.facts.splice, Cow::Borrowed(&resource.body));
        self.move_between(before, &resource.patients);
        if before.facts.is_about_several() {
            let sql = Sql::new(FORGET_SEVERAL).with(at.rid).with(at.shard);
            self.first.push(sql);
        }
        self.several(facts);
        self.reindex(core, resource, before)
    }

    /// What a version says of where a restricted patient is, for those to whom it is released.
    pub(crate) fn aside(&mut self, facts: &Facts, version: i64, whole: &'c [u8]) {
        let sql = Sql::new(
            "INSERT INTO whereabouts (shard, rid, ver, body) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (shard, rid, ver) DO NOTHING",
        );
        let sql = sql.with(facts.shard).with(facts.rid).with(version);
        self.first.push(sql.with(whole));
    }

    /// Versions that say less, or again what they said; the index follows the current one.
    pub(crate) fn rewrite(
        &mut self,
        core: &Core,
        swept: &'c Swept,
        before: &Stored,
    ) -> Result<(), Problem> {
        let at = before.facts.at();
        for version in &swept.versions {
            match &version.whole {
                Some(whole) => self.aside(&before.facts, version.number, whole),
                None => {
                    let sql = Sql::new(
                        "DELETE FROM whereabouts WHERE shard = $1 AND rid = $2 AND ver = $3",
                    );
                    let sql = sql.with(at.shard).with(at.rid).with(version.number);
                    self.first.push(sql);
                }
            }
            let sql = Sql::new(
                "UPDATE ver SET body = $1, splice = $2 WHERE shard = $3 AND rid = $4 AND ver = $5",
            );
            let sql = sql.with(&*version.body).with(version.splice);
            self.first
                .push(sql.with(at.shard).with(at.rid).with(version.number));
        }
        if let Some(resource) = &swept.current {
            self.reindex(core, resource, before)?;
        }
        Ok(())
    }

    /// Only the index rows that differ are touched, once all that is there is indexed.
    fn reindex(
        &mut self,
        core: &Core,
        resource: &'c Prepared,
        before: &Stored,
    ) -> Result<(), Problem> {
        let at = before.facts.at();
        let old = &before.entries;
        let kept = self.remove_all_but(core, &resource.ty, old, &resource.entries, at)?;
        // What is told of the old version may not be in the index yet, and the reindexing leaves out
        // what was changed under its hands.
        let may_lack = core.registry().is_catching_up(&resource.ty);
        let mut buffer = String::new();
        for entry in &resource.entries {
            let param = core.word(words::parameter(&mut buffer, &resource.ty, entry.code))?;
            let row = index::row(param, entry, |word| core.word(word))?;
            if may_lack || !kept.contains(&printed(&row)) {
                self.index.push(param, entry, at, |word| core.word(word))?;
            }
        }
        Ok(())
    }

    /// A version without a body, in no index and no compartment.
    pub(crate) fn delete(
        &mut self,
        core: &Core,
        ty: &str,
        facts: &Facts,
        before: &Stored,
    ) -> Result<(), Problem> {
        self.replace(facts);
        self.version(facts, 0, Cow::Borrowed(&[]));
        self.move_between(before, &[]);
        self.remove_all_but(core, ty, &before.entries, &[], facts.at())?;
        Ok(())
    }

    /// The row of `res` as the facts now are.
    pub(crate) fn replace(&mut self, facts: &Facts) {
        let sql = Sql::new(REPLACE)
            .with(facts.version)
            .with(facts.at)
            .with(facts.deleted)
            .with(facts.patients.clone())
            .with(facts.release_at)
            .with(facts.guard)
            .with(facts.workgroup.clone())
            .with(facts.is_sensitive);
        self.first.push(sql.with(facts.shard).with(facts.rid));
    }

    fn version(&mut self, facts: &Facts, splice: u32, body: Cow<'c, [u8]>) {
        self.ver.extend([
            Bind::Int(facts.shard),
            Bind::Int(facts.rid),
            Bind::Int(facts.version),
            Bind::Int(facts.at),
            Bind::from(facts.deleted),
            Bind::from(splice),
            Bind::Bytes(body),
        ]);
    }

    /// Names each of the patients, where it is about more than one.
    fn several(&mut self, facts: &Facts) {
        if facts.is_about_several() {
            for patient in facts.patients() {
                let at = facts.at();
                self.several.extend([
                    Bind::Int(at.rid),
                    Bind::Int(at.shard),
                    Bind::from(patient.to_string()),
                ]);
            }
        }
    }

    fn join(&mut self, patient: &'c str, at: At) {
        self.compartment
            .extend([Bind::from(patient), Bind::Int(at.rid), Bind::Int(at.shard)]);
    }

    /// Leaves the compartments of before that are not among the new ones, and joins the others.
    fn move_between(&mut self, before: &Stored, patients: &'c [String]) {
        let at = before.facts.at();
        // A deletion has left its compartments already.
        let was_in = |patient: &str| {
            !before.facts.deleted && before.facts.patients().any(|known| known == patient)
        };
        if !before.facts.deleted {
            for left in before.facts.patients() {
                if !patients.iter().any(|patient| patient == left) {
                    let sql = Sql::new(LEAVE).with(left.to_string());
                    self.first.push(sql.with(at.rid).with(at.shard));
                }
            }
        }
        for patient in patients {
            if !was_in(patient) {
                self.join(patient, at);
            }
        }
    }

    /// Takes away the index rows of old entries that no new entry has; gives those that stay.
    fn remove_all_but(
        &mut self,
        core: &Core,
        ty: &str,
        old: &[Entry],
        new: &[Entry],
        at: At,
    ) -> Result<HashSet<String>, Problem> {
        let mut buffer = String::new();
        let mut wanted = HashSet::with_capacity(new.len());
        for entry in new {
            let param = core.word(words::parameter(&mut buffer, ty, entry.code))?;
            wanted.insert(printed(&index::row(param, entry, |word| core.word(word))?));
        }
        let mut kept = HashSet::new();
        for entry in old {
            let param = core.word(words::parameter(&mut buffer, ty, entry.code))?;
            let row = index::row(param, entry, |word| core.word(word))?;
            let printed = printed(&row);
            if wanted.contains(&printed) {
                kept.insert(printed);
            } else {
                let row = row.into_iter().map(owned).collect();
                self.first.push(index::removal(entry, row, at));
            }
        }
        Ok(kept)
    }

    /// Writes all of it.
    pub(crate) async fn write(self, tx: &mut Tx<'_>) -> Result<(), Problem> {
        let mut inserts = vec![
            (&PLACE, self.place),
            (&RES, self.res),
            (&VER, self.ver),
            (&COMPARTMENT, self.compartment),
            (&SEVERAL, self.several),
        ];
        inserts.extend(self.index.into_lists());
        index::write(tx, &self.first, &inserts).await
    }
}

/// A row as one text, to compare rows by.
fn printed(row: &[Bind<'_>]) -> String {
    format!("{row:?}")
}

fn owned(bind: Bind<'_>) -> Bind<'static> {
    match bind {
        Bind::Null => Bind::Null,
        Bind::Int(value) => Bind::Int(value),
        Bind::Real(value) => Bind::Real(value),
        Bind::Text(value) => Bind::Text(Cow::Owned(value.into_owned())),
        Bind::Bytes(value) => Bind::Bytes(Cow::Owned(value.into_owned())),
    }
}
