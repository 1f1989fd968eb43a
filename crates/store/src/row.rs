//! A row that came back.

use fhir::problem::{Kind, Problem};

use crate::sql::Bind;

/// A value of a row while the row is at hand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    Null,
    Int(i64),
    /// Text and bytes alike.
    Bytes(&'a [u8]),
}

impl<'a> Cell<'a> {
    pub(crate) fn int(self) -> Result<i64, Problem> {
        match self {
            Cell::Int(value) => Ok(value),
            _ => Err(misread(0)),
        }
    }

    /// The bytes; none for NULL.
    pub(crate) fn bytes(self) -> &'a [u8] {
        match self {
            Cell::Bytes(value) => value,
            _ => &[],
        }
    }
}

/// The values of one row, in the order of the statement's columns.
#[derive(Clone, Debug)]
pub(crate) struct Row(pub(crate) Vec<Bind<'static>>);

impl Row {
    /// How many bytes of bodies it holds; texts and numbers do not count.
    pub(crate) fn bytes_held(&self) -> usize {
        let held = |cell: &Bind<'_>| match cell {
            Bind::Bytes(bytes) => bytes.len(),
            _ => 0,
        };
        self.0.iter().map(held).sum()
    }

    /// Whether reading may have stopped with the last of these rows: those before it reach the bytes.
    pub(crate) fn is_cut(rows: &[Row], bytes_max: usize) -> bool {
        let before = rows.split_last().map_or(&[][..], |(_, before)| before);
        before.iter().map(Row::bytes_held).sum::<usize>() >= bytes_max
    }

    fn cell(&self, column: usize) -> Result<&Bind<'static>, Problem> {
        self.0.get(column).ok_or_else(|| misread(column))
    }

    pub(crate) fn int(&self, column: usize) -> Result<i64, Problem> {
        self.int_opt(column)?.ok_or_else(|| misread(column))
    }

    pub(crate) fn int_opt(&self, column: usize) -> Result<Option<i64>, Problem> {
        match self.cell(column)? {
            Bind::Null => Ok(None),
            Bind::Int(value) => Ok(Some(*value)),
            _ => Err(misread(column)),
        }
    }

    pub(crate) fn flag(&self, column: usize) -> Result<bool, Problem> {
        Ok(self.int(column)? != 0)
    }

    pub(crate) fn text(&self, column: usize) -> Result<&str, Problem> {
        self.text_opt(column)?.ok_or_else(|| misread(column))
    }

    pub(crate) fn text_opt(&self, column: usize) -> Result<Option<&str>, Problem> {
        match self.cell(column)? {
            Bind::Null => Ok(None),
            Bind::Text(value) => Ok(Some(value)),
            _ => Err(misread(column)),
        }
    }

    /// The value as it is, for whoever binds it again.
    pub(crate) fn bind_opt(&self, column: usize) -> Result<Option<Bind<'static>>, Problem> {
        match self.cell(column)? {
            Bind::Null => Ok(None),
            value => Ok(Some(value.clone())),
        }
    }

    pub(crate) fn bytes(&self, column: usize) -> Result<&[u8], Problem> {
        self.bytes_opt(column)?.ok_or_else(|| misread(column))
    }

    pub(crate) fn bytes_opt(&self, column: usize) -> Result<Option<&[u8]>, Problem> {
        match self.cell(column)? {
            Bind::Null => Ok(None),
            Bind::Bytes(value) => Ok(Some(value)),
            _ => Err(misread(column)),
        }
    }
}

fn misread(column: usize) -> Problem {
    let cause = format!("column {column} is missing or of another type");
    Problem::new(Kind::Exception, "The store holds a row that does not read.").because(cause)
}
