//! From index entries to index rows.

use std::borrow::Cow;

use fhir::problem::Problem;
use fhir::search::{Entry, Value};
use sha2::{Digest, Sha256};

use crate::database::Tx;
use crate::sql::{Bind, Sql};
use crate::table::{Table, Type};

static TOKEN: Table = Table::new(
    "ix_token",
    &[
        ("param", Type::Int),
        ("code", Type::Text),
        ("system", Type::Int),
        ("rid", Type::Int),
        ("shard", Type::Int),
    ],
)
.or_nothing();
static STRING: Table = Table::new(
    "ix_string",
    &[
        ("param", Type::Int),
        ("value", Type::Text),
        ("exact", Type::Text),
        ("rid", Type::Int),
        ("shard", Type::Int),
    ],
)
.or_nothing();
static REFERENCE: Table = Table::new(
    "ix_reference",
    &[
        ("param", Type::Int),
        ("target", Type::Text),
        ("rid", Type::Int),
        ("shard", Type::Int),
    ],
)
.or_nothing();
static DATE: Table = Table::new(
    "ix_date",
    &[
        ("param", Type::Int),
        ("low", Type::Int),
        ("high", Type::Int),
        ("rid", Type::Int),
        ("shard", Type::Int),
    ],
)
.or_nothing();
static QUANTITY: Table = Table::new(
    "ix_quantity",
    &[
        ("param", Type::Int),
        ("low", Type::Real),
        ("high", Type::Real),
        ("system", Type::Int),
        ("code", Type::Text),
        ("rid", Type::Int),
        ("shard", Type::Int),
    ],
)
.or_nothing();
static URI: Table = Table::new(
    "ix_uri",
    &[
        ("param", Type::Int),
        ("value", Type::Text),
        ("rid", Type::Int),
        ("shard", Type::Int),
    ],
)
.or_nothing();
static COMPOSITE: Table = Table::new(
    "ix_composite",
    &[
        ("param", Type::Int),
        ("text", Type::Text),
        ("system", Type::Int),
        ("text2", Type::Text),
        ("system2", Type::Int),
        ("low2", Type::Real),
        ("high2", Type::Real),
        ("low3", Type::Real),
        ("high3", Type::Real),
        ("rid", Type::Int),
        ("shard", Type::Int),
    ],
)
.or_nothing();

/// What ends a row of every index table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    pub(crate) rid: i64,
    pub(crate) shard: i64,
}

/// The index rows of one job, a list a table.
#[derive(Debug, Default)]
pub(crate) struct IndexRows<'e> {
    token: Vec<Bind<'e>>,
    string: Vec<Bind<'e>>,
    reference: Vec<Bind<'e>>,
    date: Vec<Bind<'e>>,
    quantity: Vec<Bind<'e>>,
    uri: Vec<Bind<'e>>,
    composite: Vec<Bind<'e>>,
}

impl<'e> IndexRows<'e> {
    /// Adds the row of an entry. `word` gives the number of a system.
    pub(crate) fn push(
        &mut self,
        param: i64,
        entry: &'e Entry,
        at: At,
        word: impl Fn(&str) -> Result<i64, Problem>,
    ) -> Result<(), Problem> {
        let row = row(param, entry, word)?;
        let list = match entry.value {
            Value::Token { .. } => &mut self.token,
            Value::String { .. } => &mut self.string,
            Value::Reference { .. } => &mut self.reference,
            Value::Date { .. } => &mut self.date,
            Value::Quantity { .. } => &mut self.quantity,
            Value::Uri(_) => &mut self.uri,
            Value::Composite(_) => &mut self.composite,
        };
        list.extend(row);
        list.extend([Bind::Int(at.rid), Bind::Int(at.shard)]);
        Ok(())
    }

    /// All lists that hold rows, with their tables.
    pub(crate) fn into_lists(self) -> impl Iterator<Item = (&'static Table, Vec<Bind<'e>>)> {
        [
            (&TOKEN, self.token),
            (&STRING, self.string),
            (&REFERENCE, self.reference),
            (&DATE, self.date),
            (&QUANTITY, self.quantity),
            (&URI, self.uri),
            (&COMPOSITE, self.composite),
        ]
        .into_iter()
        .filter(|(_, rows)| !rows.is_empty())
    }
}

/// An entry's row, without where it is.
pub(crate) fn row<'e>(
    param: i64,
    entry: &'e Entry,
    word: impl Fn(&str) -> Result<i64, Problem>,
) -> Result<Vec<Bind<'e>>, Problem> {
    let number = |system: &Option<String>| match system {
        Some(system) => word(system),
        None => Ok(NO_SYSTEM),
    };
    let param = Bind::Int(param);
    Ok(match &entry.value {
        Value::Token { system, code } => {
            vec![param, key(code).into(), number(system)?.into()]
        }
        Value::String { folded, exact } => {
            let exact = if folded == exact { "" } else { exact };
            vec![param, start(folded).into(), start(exact).into()]
        }
        Value::Reference { target } => vec![param, key(target).into()],
        Value::Date { low, high } => vec![param, Bind::Int(*low), Bind::Int(*high)],
        Value::Quantity {
            low,
            high,
            system,
            code,
        } => vec![
            param,
            Bind::Real(*low),
            Bind::Real(*high),
            number(system)?.into(),
            key(code.as_deref().unwrap_or_default()).into(),
        ],
        Value::Uri(uri) => vec![param, key(uri).into()],
        Value::Composite(parts) => composite(param, parts, number)?,
    })
}

/// The columns of a composite: text and system of the first; text, system and bounds of the second;
/// bounds of the third.
fn composite<'e>(
    param: Bind<'e>,
    parts: &'e [Value],
    number: impl Fn(&Option<String>) -> Result<i64, Problem>,
) -> Result<Vec<Bind<'e>>, Problem> {
    let mut columns = vec![param];
    for place in 0..3 {
        let (text, system, low, high) = match parts.get(place) {
            Some(Value::Token { system, code }) => (key(code), number(system)?, 0.0, 0.0),
            Some(Value::String { folded, .. }) => (start(folded).into(), NO_SYSTEM, 0.0, 0.0),
            Some(Value::Reference { target: text } | Value::Uri(text)) => {
                (key(text), NO_SYSTEM, 0.0, 0.0)
            }
            Some(Value::Date { low, high }) => ("".into(), NO_SYSTEM, real(*low), real(*high)),
            Some(Value::Quantity {
                low,
                high,
                system,
                code,
            }) => {
                let code = key(code.as_deref().unwrap_or_default());
                (code, number(system)?, *low, *high)
            }
            Some(Value::Composite(_)) | None => ("".into(), NO_SYSTEM, 0.0, 0.0),
        };
        if place < 2 {
            columns.extend([Bind::Text(text), Bind::Int(system)]);
        }
        if place > 0 {
            columns.extend([Bind::Real(low), Bind::Real(high)]);
        }
    }
    Ok(columns)
}

/// A time as the nearest number: exact, since every time of FHIR is below 2 to the 53rd.
pub(crate) fn real(at: i64) -> f64 {
    at as f64
}

/// The statement that takes an entry's row away.
pub(crate) fn removal<'e>(entry: &Entry, row: Vec<Bind<'e>>, at: At) -> Sql<'e> {
    let mut sql = Sql::new(match entry.value {
        Value::Token { .. } => {
            "DELETE FROM ix_token WHERE param = $1 AND code = $2 AND system = $3 AND rid = $4 \
             AND shard = $5"
        }
        Value::String { .. } => {
            "DELETE FROM ix_string WHERE param = $1 AND value = $2 AND exact = $3 AND rid = $4 \
             AND shard = $5"
        }
        Value::Reference { .. } => {
            "DELETE FROM ix_reference WHERE param = $1 AND target = $2 AND rid = $3 AND shard = $4"
        }
        Value::Date { .. } => {
            "DELETE FROM ix_date WHERE param = $1 AND low = $2 AND high = $3 AND rid = $4 \
             AND shard = $5"
        }
        Value::Quantity { .. } => {
            "DELETE FROM ix_quantity WHERE param = $1 AND low = $2 AND high = $3 AND system = $4 \
             AND code = $5 AND rid = $6 AND shard = $7"
        }
        Value::Uri(_) => {
            "DELETE FROM ix_uri WHERE param = $1 AND value = $2 AND rid = $3 AND shard = $4"
        }
        Value::Composite(_) => {
            "DELETE FROM ix_composite WHERE param = $1 AND text = $2 AND system = $3 \
             AND text2 = $4 AND system2 = $5 AND low2 = $6 AND high2 = $7 AND low3 = $8 \
             AND high3 = $9 AND rid = $10 AND shard = $11"
        }
    });
    for value in row {
        sql = sql.with(value);
    }
    sql.with(at.rid).with(at.shard)
}

/// Stands for "no system" where a token or quantity has none.
pub(crate) const NO_SYSTEM: i64 = 0;

/// Bytes of a text that stand in the index.
const TEXT_BYTES_MAX: usize = 200;

/// A text that is compared whole: if it is long, its start and a digest of it all.
pub(crate) fn key(text: &str) -> Cow<'_, str> {
    if text.len() <= TEXT_BYTES_MAX {
        return Cow::Borrowed(text);
    }
    let digest = Sha256::digest(text.as_bytes());
    let mut short = cut(text, TEXT_BYTES_MAX - 64).to_string();
    for byte in digest {
        use std::fmt::Write;
        let _ = write!(short, "{byte:02x}");
    }
    Cow::Owned(short)
}

/// Whether a text in the index is only the start of what it stands for, with a digest.
pub(crate) fn is_shortened(text: &str) -> bool {
    let digest = text.len().checked_sub(64).and_then(|at| text.get(at..));
    let is_digest = |it: &str| it.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.len() > TEXT_BYTES_MAX - 4 && digest.is_some_and(is_digest)
}

/// A text that is compared by its start: the first 200 bytes count, in the index and in a query.
pub(crate) fn start(text: &str) -> &str {
    cut(text, TEXT_BYTES_MAX)
}

fn cut(text: &str, bytes_max: usize) -> &str {
    if text.len() <= bytes_max {
        return text;
    }
    // A character is at most four bytes long, so that one of these four ends is between two.
    let ends = (bytes_max.saturating_sub(3)..=bytes_max).rev();
    ends.filter_map(|end| text.get(..end)).next().unwrap_or("")
}

/// Runs removals and inserts; removals first, since a row may go and come back.
pub(crate) async fn write(
    tx: &mut Tx<'_>,
    removals: &[Sql<'_>],
    inserts: &[(&'static Table, Vec<Bind<'_>>)],
) -> Result<(), Problem> {
    tx.execute_each(removals).await?;
    tx.insert_each(inserts).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_kept_by_its_start_and_a_digest() {
        let (one, two) = ("é".repeat(200) + "1", "é".repeat(200) + "2");
        assert_ne!(key(&one), key(&two));
        assert!(key(&one).len() <= TEXT_BYTES_MAX);
        assert_eq!(key("short"), "short");
        assert!(is_shortened(&key(&one)) && !is_shortened("short"));
        assert_eq!(start(&one), start(&two));
        assert_eq!(start(&"é".repeat(200)).len(), 200);
    }
}
