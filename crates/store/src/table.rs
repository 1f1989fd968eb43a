//! A table as bulk inserts see it.

use std::fmt::Write;
use std::sync::OnceLock;

/// What a column holds; `{int}`, `{real}`, `{text}`, `{bytes}` of the migrations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Int,
    Real,
    Text,
    Bytes,
}

impl Type {
    /// PostgreSQL's name of it.
    pub(crate) fn postgres(self) -> &'static str {
        match self {
            Type::Int => "BIGINT",
            Type::Real => "DOUBLE PRECISION",
            Type::Text => "TEXT",
            Type::Bytes => "BYTEA",
        }
    }
}

/// A table's name and the columns that `Tx::insert_many` fills. Kept in a `static`.
#[derive(Debug)]
pub(crate) struct Table {
    name: &'static str,
    columns: &'static [(&'static str, Type)],
    tail: &'static str,
    one: OnceLock<String>,
    many: OnceLock<String>,
}

impl Table {
    pub(crate) const fn new(name: &'static str, columns: &'static [(&'static str, Type)]) -> Table {
        Table {
            name,
            columns,
            tail: "",
            one: OnceLock::new(),
            many: OnceLock::new(),
        }
    }

    /// Rows that are there already are passed over.
    pub(crate) const fn or_nothing(mut self) -> Table {
        self.tail = " ON CONFLICT DO NOTHING";
        self
    }

    pub(crate) fn columns(&self) -> &'static [(&'static str, Type)] {
        self.columns
    }

    /// Inserts one row: a `$n` a column.
    pub(crate) fn insert_one(&self) -> &str {
        self.one.get_or_init(|| {
            let mut text = self.head();
            text.push_str("VALUES (");
            for number in 1..=self.columns.len() {
                let comma = if number == 1 { "" } else { ", " };
                let _ = write!(text, "{comma}${number}");
            }
            text.push(')');
            text.push_str(self.tail);
            text
        })
    }

    /// Inserts any number of rows on PostgreSQL: an array a column.
    pub(crate) fn insert_arrays(&self) -> &str {
        self.many.get_or_init(|| {
            let mut text = self.head();
            text.push_str("SELECT * FROM unnest(");
            for (number, (_, ty)) in (1..).zip(self.columns) {
                let comma = if number == 1 { "" } else { ", " };
                let _ = write!(text, "{comma}${number}::{}[]", ty.postgres());
            }
            text.push(')');
            text.push_str(self.tail);
            text
        })
    }

    fn head(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        format!("INSERT INTO {} ({}) ", self.name, names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_knows_its_two_inserts() {
        let table = Table::new("t", &[("a", Type::Int), ("b", Type::Text)]);
        assert_eq!(table.insert_one(), "INSERT INTO t (a, b) VALUES ($1, $2)");
        assert_eq!(
            table.insert_arrays(),
            "INSERT INTO t (a, b) SELECT * FROM unnest($1::BIGINT[], $2::TEXT[])"
        );
    }
}
