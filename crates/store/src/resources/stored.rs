//! A resource as the writer finds it.

use std::collections::HashMap;

use access::Scope;
use fhir::problem::Problem;
use fhir::search::{self, Entry};

use super::body;
use super::facts::{self, Facts};
use super::labels::Labels;
use super::prepared::each_word;
use crate::database::Tx;
use crate::row::Row;
use crate::sql::Sql;
use crate::write::Change;
use crate::writer::Core;

/// The current version: what is known of it, and its index entries, extracted anew, since the index
/// is not asked by row; of a letter also its labels.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) facts: Facts,
    pub(crate) entries: Vec<Entry>,
    pub(crate) labels: Labels,
    /// Whether it is within the scope that it is to be changed under.
    pub(crate) is_within: bool,
}

const FIND: &str = "SELECT r.shard, r.rid, r.ver, r.ts, r.del, r.org, r.patients, r.release_at, \
     v.body, r.guard, r.workgroup, r.sensitive FROM place p \
     JOIN res r ON r.shard = p.shard AND r.rid = p.rid \
     JOIN ver v ON v.shard = r.shard AND v.rid = r.rid AND v.ver = r.ver \
     WHERE p.ty = $1 AND p.id = $2";

/// What is there before each change.
pub(crate) async fn look_up(
    core: &mut Core,
    tx: &mut Tx<'_>,
    scope: &Scope,
    changes: &[Change],
) -> Result<Vec<Option<Stored>>, Problem> {
    let mut types: HashMap<&str, i64> = HashMap::new();
    for change in changes {
        let (ty, _) = change.names();
        if !types.contains_key(ty) {
            let number = core.word_if_any(tx, ty).await?;
            types.insert(ty, number.unwrap_or(crate::words::UNKNOWN));
        }
    }
    let mut each = Vec::with_capacity(changes.len());
    for change in changes {
        let (ty, id) = change.names();
        let number = types.get(ty).copied().unwrap_or(crate::words::UNKNOWN);
        each.push(Sql::new(FIND).with(number).with(id));
    }
    let found = tx.rows_each(&each).await?;
    let mut before = Vec::with_capacity(changes.len());
    for (change, rows) in changes.iter().zip(found) {
        before.push(match rows.first() {
            Some(row) => Some(Stored::read(core, tx, change, row).await?),
            None => None,
        });
    }
    look_whether_within(tx, scope, changes, &mut before).await?;
    Ok(before)
}

/// What cannot be told from the row alone (relationships, preferences) is asked.
async fn look_whether_within(
    tx: &mut Tx<'_>,
    scope: &Scope,
    changes: &[Change],
    before: &mut [Option<Stored>],
) -> Result<(), Problem> {
    let mut asked = Vec::new();
    let mut each = Vec::new();
    for (change, stored) in changes.iter().zip(before) {
        let Some(stored) = stored else { continue };
        let at_hand = stored.facts.within_at_hand(scope, change.names().0);
        stored.is_within = at_hand.unwrap_or(false);
        if at_hand.is_none() {
            let mut sql = Sql::new("SELECT r.rid FROM res r WHERE r.shard = $1 AND r.rid = $2");
            sql = sql.with(stored.facts.shard).with(stored.facts.rid);
            facts::push_reached(&mut sql, scope, "r");
            each.push(sql);
            asked.push(stored);
        }
    }
    if asked.is_empty() {
        return Ok(());
    }
    for (stored, rows) in asked.into_iter().zip(tx.rows_each(&each).await?) {
        stored.is_within = !rows.is_empty();
    }
    Ok(())
}

impl Stored {
    async fn read(
        core: &mut Core,
        tx: &mut Tx<'_>,
        change: &Change,
        row: &Row,
    ) -> Result<Stored, Problem> {
        let facts = Facts::from_row(row)?.sealed(row, 9)?;
        let (ty, _) = change.names();
        let is_released = matches!(change, Change::Release { .. });
        if facts.deleted || (is_released && ty == "Binary") {
            return Ok(Stored {
                facts,
                entries: Vec::new(),
                labels: Labels::default(),
                is_within: true,
            });
        }
        let bytes = body::decompress(row.bytes(8)?)?;
        let resource = body::parse(&bytes)?;
        let labels = Labels::of(ty, &resource);
        if is_released {
            return Ok(Stored {
                facts,
                entries: Vec::new(),
                labels,
                is_within: true,
            });
        }
        let mut entries = search::extract(ty, &resource);
        entries.extend(core.registry().extract_own(ty, &resource));
        let mut words = Vec::new();
        each_word(ty, &entries, |word| words.push(word.to_string()));
        core.learn(tx, words).await?;
        Ok(Stored {
            facts,
            entries,
            labels,
            is_within: true,
        })
    }
}
