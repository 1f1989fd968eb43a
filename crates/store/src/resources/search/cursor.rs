//! Where a page starts: behind the last result of the page before, by the values that the results
//! are sorted by and its row number. Rows that come later never move those that were seen.

use fhir::problem::{Kind, Problem};
use fhir::search::{ParameterKind, Sort};

use crate::row::Row;
use crate::sql::Bind;

/// The last result of a page.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cursor {
    /// A value a sort key; `None` where the result has none.
    pub(crate) keys: Vec<Option<Bind<'static>>>,
    pub(crate) rid: i64,
}

impl Cursor {
    /// From a result's row number and the columns that it is sorted by, which start at `first`.
    pub(crate) fn of(row: &Row, first: usize, sort: &[Sort]) -> Result<Cursor, Problem> {
        let mut keys = Vec::with_capacity(sort.len());
        for number in 0..sort.len() {
            keys.push(row.bind_opt(first + number)?);
        }
        let rid = row.int(0)?;
        Ok(Cursor { keys, rid })
    }

    /// The text that stands in links: the row number, and a part a key.
    pub(crate) fn text(&self) -> String {
        let mut text = self.rid.to_string();
        for key in &self.keys {
            text.push('~');
            match key {
                Some(Bind::Int(value)) => text.push_str(&format!("i{value}")),
                Some(Bind::Real(value)) => text.push_str(&format!("r{:x}", value.to_bits())),
                Some(Bind::Text(value)) => {
                    text.push('t');
                    for byte in value.bytes() {
                        text.push_str(&format!("{byte:02x}"));
                    }
                }
                Some(Bind::Null | Bind::Bytes(_)) | None => text.push('n'),
            }
        }
        text
    }

    /// # Errors
    /// `Value` for a text that no page of this order gave.
    pub(crate) fn parse(text: &str, sort: &[Sort]) -> Result<Cursor, Problem> {
        let mut parts = text.split('~');
        let rid = parts.next().and_then(|part| part.parse().ok());
        let rid = rid.filter(|rid: &i64| *rid >= 0).ok_or_else(refused)?;
        let keys: Vec<_> = parts.map(key).collect::<Option<_>>().ok_or_else(refused)?;
        if keys.len() != sort.len() || !keys.iter().zip(sort).all(|(key, sort)| fits(key, sort)) {
            return Err(refused());
        }
        Ok(Cursor { keys, rid })
    }
}

fn refused() -> Problem {
    let message = "A page is asked for with the link that the page before gave.";
    Problem::new(Kind::Value, message)
}

/// The outer `None` for what does not read.
fn key(part: &str) -> Option<Option<Bind<'static>>> {
    let (kind, rest) = part.split_at_checked(1)?;
    Some(match kind {
        "n" if rest.is_empty() => None,
        "i" => Some(Bind::Int(rest.parse().ok()?)),
        "r" => {
            let value = f64::from_bits(u64::from_str_radix(rest, 16).ok()?);
            Some(Bind::Real(value).filter_finite()?)
        }
        "t" => {
            let bytes = (0..rest.len()).step_by(2);
            let bytes: Option<Vec<u8>> = bytes
                .map(|at| u8::from_str_radix(rest.get(at..at + 2)?, 16).ok())
                .collect();
            let text = String::from_utf8(bytes?).ok()?;
            Some(Bind::Text((!text.contains('\0')).then_some(text)?.into()))
        }
        _ => return None,
    })
}

trait Finite: Sized {
    fn filter_finite(self) -> Option<Self>;
}

impl Finite for Bind<'static> {
    fn filter_finite(self) -> Option<Self> {
        match self {
            Bind::Real(value) if !value.is_finite() => None,
            other => Some(other),
        }
    }
}

/// Whether a value is of the type that the key's column has.
fn fits(key: &Option<Bind<'static>>, sort: &Sort) -> bool {
    match key {
        None => sort.kind.is_some(),
        Some(Bind::Int(_)) => sort.code == "_lastUpdated" || sort.kind == Some(ParameterKind::Date),
        Some(Bind::Real(_)) => matches!(
            sort.kind,
            Some(ParameterKind::Number | ParameterKind::Quantity)
        ),
        Some(_) => {
            sort.code == "_id"
                || matches!(
                    sort.kind,
                    Some(
                        ParameterKind::Token
                            | ParameterKind::String
                            | ParameterKind::Reference
                            | ParameterKind::Uri
                    )
                )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sort(code: &str, kind: Option<ParameterKind>) -> Sort {
        Sort {
            code: code.into(),
            kind,
            descending: false,
        }
    }

    #[test]
    fn a_cursor_comes_back_as_it_went_out_and_any_other_text_is_refused() {
        let order = [
            sort("date", Some(ParameterKind::Date)),
            sort("family", Some(ParameterKind::String)),
            sort("value", Some(ParameterKind::Quantity)),
            sort("code", Some(ParameterKind::Token)),
        ];
        let cursor = Cursor {
            keys: vec![
                Some(Bind::Int(-5)),
                Some(Bind::Text("é~n".into())),
                Some(Bind::Real(1.5)),
                None,
            ],
            rid: 7,
        };
        let text = cursor.text();
        assert_eq!(Cursor::parse(&text, &order), Ok(cursor));
        for wrong in [
            "",
            "x",
            "-1",
            "7",
            "7~i1",
            "7~tff~n~n~n",
            "7~n~tf~n~n",
            "7~n~n~r7ff0000000000000~n",
            "7~n~t00~n~n",
        ] {
            assert!(Cursor::parse(wrong, &order).is_err(), "{wrong}");
        }
        assert!(Cursor::parse(&text, &order[..3]).is_err());
        assert!(Cursor::parse("7", &[]).is_ok());
    }
}
