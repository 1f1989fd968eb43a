//! JSON read without loss and without leniency, over borrowed text.
//!
//! What FHIR needs and a common reader does not give: numbers keep their source text (`1.50` stays
//! `1.50`), members keep their order, a duplicate member name is refused instead of the last one
//! winning, and so are lone surrogates, NUL, a byte order mark and anything after the end.
//!
//! Invariant: depth, size and number of values are bounded by `Limits`, whatever the input.

mod read;
mod write;

use std::borrow::Cow;

pub use read::parse;
pub(crate) use read::place;
pub use write::{write, write_text};

/// How much JSON is taken in at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Arrays and objects inside each other.
    pub depth: u16,
    /// Length of the text in bytes.
    pub bytes: usize,
    /// Values in all, counting arrays and objects themselves.
    pub nodes: u32,
}

impl Default for Limits {
    /// 64 deep, 16 MiB, 2 million values.
    fn default() -> Limits {
        Limits {
            depth: 64,
            bytes: 16 << 20,
            nodes: 2_000_000,
        }
    }
}

/// A JSON value. Strings are unescaped, borrowed where they held no escape; numbers are the text as
/// it came.
#[derive(Clone, Debug, PartialEq)]
pub enum Json<'a> {
    Null,
    Bool(bool),
    Number(&'a str),
    String(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    Object(Vec<Member<'a>>),
}

/// A member of an object: its name and its value.
pub type Member<'a> = (Cow<'a, str>, Json<'a>);

impl<'a> Json<'a> {
    /// The member of that name, if this is an object that has it.
    pub fn get(&self, name: &str) -> Option<&Json<'a>> {
        self.as_object()?
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value)
    }

    /// The string member of that name.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// The items of the array member of that name; none if there is no such array.
    pub fn items(&self, name: &str) -> &[Json<'a>] {
        self.get(name).and_then(Json::as_array).unwrap_or_default()
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Json::String(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Json::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The source text of a number.
    pub fn as_number(&self) -> Option<&'a str> {
        match self {
            Json::Number(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_array(&self) -> Option<&[Json<'a>]> {
        match self {
            Json::Array(items) => Some(items),
            _ => None,
        }
    }

    pub fn as_object(&self) -> Option<&[Member<'a>]> {
        match self {
            Json::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The value as minified text.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write(self, &mut out);
        out
    }
}
