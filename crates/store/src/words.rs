//! Words that rows hold as numbers: resource types, search parameters, token systems.

use std::collections::HashMap;

use fhir::problem::Problem;
use parking_lot::RwLock;

use crate::database::Tx;
use crate::failure;
use crate::sql::Sql;
use crate::store::Store;

/// Words kept in memory at most; systems come from outside, so that their number has no bound of
/// its own.
const KEPT_MAX: usize = 20_000;
/// Stands for a word that is in no row.
pub(crate) const UNKNOWN: i64 = -1;

/// The words known so far. Only committed ones are in here.
#[derive(Debug, Default)]
pub(crate) struct Words {
    kept: RwLock<HashMap<String, i64>>,
}

impl Words {
    pub(crate) fn known(&self, word: &str) -> Option<i64> {
        self.kept.read().get(word).copied()
    }

    /// Remembers words that are committed.
    pub(crate) fn remember(&self, words: impl IntoIterator<Item = (String, i64)>) {
        let mut kept = self.kept.write();
        for (word, id) in words {
            if kept.len() < KEPT_MAX {
                kept.insert(word, id);
            }
        }
    }
}

pub(crate) const FIND: &str = "SELECT id FROM word WHERE text = $1";

/// The number of a word, if it is in any row.
pub(crate) async fn find(tx: &mut Tx<'_>, word: &str) -> Result<Option<i64>, Problem> {
    let row = tx.row(&Sql::new(FIND).with(word)).await?;
    row.map(|row| row.int(0)).transpose()
}

/// The number of a word, made if it is new. Inside the writer's transaction, outside any savepoint.
pub(crate) async fn intern(tx: &mut Tx<'_>, word: &str) -> Result<i64, Problem> {
    if let Some(id) = find(tx, word).await? {
        return Ok(id);
    }
    let insert = Sql::new("INSERT INTO word (text) VALUES ($1) ON CONFLICT (text) DO NOTHING");
    tx.execute(&insert.with(word)).await?;
    let id = find(tx, word).await?;
    id.ok_or_else(|| failure::internal("a word is gone"))
}

/// The word under which a search parameter of a type is known: `Observation.code`. Written into
/// `buffer`, since this is asked for with every row of the index.
pub(crate) fn parameter<'b>(buffer: &'b mut String, ty: &str, code: &str) -> &'b str {
    buffer.clear();
    buffer.push_str(ty);
    buffer.push('.');
    buffer.push_str(code);
    buffer
}

impl Store {
    /// The word of a number that stands in a row.
    pub(crate) async fn text_of(&self, number: i64) -> Result<String, Problem> {
        let sql = Sql::new("SELECT text FROM word WHERE id = $1").with(number);
        let rows = self.rows(&sql).await?;
        let row = rows
            .first()
            .ok_or_else(|| failure::internal("a word is gone"))?;
        Ok(row.text(0)?.to_string())
    }

    /// Whether the word is known without a look, as all are that this process wrote.
    pub(crate) fn knows_word(&self, word: &str) -> bool {
        self.words().known(word).is_some()
    }

    /// The number of a word for reading; `UNKNOWN` if it is in no row.
    pub(crate) async fn word(&self, word: &str) -> Result<i64, Problem> {
        if let Some(id) = self.words().known(word) {
            return Ok(id);
        }
        let rows = self.rows(&Sql::new(FIND).with(word)).await?;
        let Some(row) = rows.first() else {
            return Ok(UNKNOWN);
        };
        let id = row.int(0)?;
        self.words().remember([(word.to_string(), id)]);
        Ok(id)
    }
}
