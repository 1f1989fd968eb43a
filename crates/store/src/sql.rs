//! SQL text and the values bound to it. Text is only ever `'static`, so input cannot become SQL.

use std::borrow::Cow;

/// A value for a `$n`, and a value that a row holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Bind<'a> {
    Null,
    Int(i64),
    Real(f64),
    Text(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
}

impl From<i64> for Bind<'_> {
    fn from(value: i64) -> Self {
        Bind::Int(value)
    }
}

impl From<u32> for Bind<'_> {
    fn from(value: u32) -> Self {
        Bind::Int(i64::from(value))
    }
}

impl From<bool> for Bind<'_> {
    /// Booleans are kept as 0 and 1.
    fn from(value: bool) -> Self {
        Bind::Int(i64::from(value))
    }
}

impl From<f64> for Bind<'_> {
    fn from(value: f64) -> Self {
        Bind::Real(value)
    }
}

impl<'a> From<&'a str> for Bind<'a> {
    fn from(value: &'a str) -> Self {
        Bind::Text(Cow::Borrowed(value))
    }
}

impl From<String> for Bind<'_> {
    fn from(value: String) -> Self {
        Bind::Text(Cow::Owned(value))
    }
}

impl<'a> From<&'a String> for Bind<'a> {
    fn from(value: &'a String) -> Self {
        Bind::Text(Cow::Borrowed(value))
    }
}

impl<'a> From<Cow<'a, str>> for Bind<'a> {
    fn from(value: Cow<'a, str>) -> Self {
        Bind::Text(value)
    }
}

impl<'a> From<&'a [u8]> for Bind<'a> {
    fn from(value: &'a [u8]) -> Self {
        Bind::Bytes(Cow::Borrowed(value))
    }
}

impl From<Vec<u8>> for Bind<'_> {
    fn from(value: Vec<u8>) -> Self {
        Bind::Bytes(Cow::Owned(value))
    }
}

impl<'a, T: Into<Bind<'a>>> From<Option<T>> for Bind<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Bind::Null, Into::into)
    }
}

/// A statement: text with `$1`, `$2`, … and their values.
///
/// Each `$n` must first appear after `$n-1`, since SQLite numbers them by first appearance. Either
/// give the whole text to `new` and its values to `with`, or build both side by side with `push` and
/// `bind`.
#[derive(Clone, Debug)]
pub(crate) struct Sql<'a> {
    text: Cow<'static, str>,
    binds: Vec<Bind<'a>>,
    bytes_max: usize,
}

impl<'a> Sql<'a> {
    /// The text, or the start of one that is built from parts.
    pub(crate) fn new(text: &'static str) -> Sql<'a> {
        Sql {
            text: Cow::Borrowed(text),
            binds: Vec::new(),
            bytes_max: usize::MAX,
        }
    }

    /// The value of the next `$n` of a text that already names it.
    #[must_use]
    pub(crate) fn with(mut self, value: impl Into<Bind<'a>>) -> Sql<'a> {
        self.binds.push(value.into());
        self
    }

    /// Reads no further than to the row behind the one with which its bytes reach that many.
    #[must_use]
    pub(crate) fn up_to(mut self, bytes: usize) -> Sql<'a> {
        self.bytes_max = bytes;
        self
    }

    pub(crate) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Adds text.
    pub(crate) fn push(&mut self, text: &'static str) -> &mut Sql<'a> {
        self.text.to_mut().push_str(text);
        self
    }

    /// Adds the next `$n` with its value.
    pub(crate) fn bind(&mut self, value: impl Into<Bind<'a>>) -> &mut Sql<'a> {
        self.binds.push(value.into());
        let number = self.binds.len();
        let text = self.text.to_mut();
        text.push('$');
        text.push_str(&number.to_string());
        self
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn binds(&self) -> &[Bind<'a>] {
        &self.binds
    }

    /// The same behind another text, such as `EXPLAIN `.
    #[cfg(test)]
    pub(crate) fn explained(mut self, prefix: &'static str) -> Sql<'a> {
        self.text = Cow::Owned(format!("{prefix}{}", self.text));
        self
    }
}
