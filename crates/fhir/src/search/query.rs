//! A whole search: clauses, paging, and the links that repeat it.

use super::clause::Clause;
use super::parse::CURSOR;

/// What a server lets a search ask.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Results a page, where the query does not say.
    pub count_default: u32,
    /// Results a page, at most; a larger `_count` is held to it.
    pub count_max: u32,
    /// Clauses in all.
    pub clauses_max: usize,
    /// Values in one clause.
    pub values_max: usize,
    /// `Prefer: handling=lenient`: what is not supported is left out, and told in `ignored`.
    pub lenient: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            count_default: 50,
            count_max: 1000,
            clauses_max: 32,
            values_max: 128,
            lenient: false,
        }
    }
}

/// Whether the number of all matches is wanted (`_total`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Total {
    #[default]
    None,
    Accurate,
}

/// A search over one resource type.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    pub ty: String,
    /// All hold (AND).
    pub clauses: Vec<Clause>,
    /// Results a page. 0 asks for the number of matches only.
    pub count: u32,
    /// Where the page starts: the opaque text that the store gave with the page before.
    pub after: Option<String>,
    pub total: Total,
    /// Names of parameters that were left out (only under `lenient`).
    pub ignored: Vec<String>,
    /// The pairs that were understood, as they came.
    pub(super) understood: Vec<(String, String)>,
}

impl Search {
    /// A search without conditions, to which code adds its own.
    pub fn all(ty: &str, count: u32) -> Search {
        Search {
            ty: ty.to_string(),
            clauses: Vec::new(),
            count,
            after: None,
            total: Total::None,
            ignored: Vec::new(),
            understood: Vec::new(),
        }
    }

    /// The address of this very page, with only what was understood.
    pub fn self_link(&self, base_url: &str) -> String {
        self.link(base_url, self.after.as_deref())
    }

    /// The address of the page that starts at `after`.
    pub fn next_link(&self, base_url: &str, after: &str) -> String {
        self.link(base_url, Some(after))
    }

    /// The address of the first page.
    pub fn first_link(&self, base_url: &str) -> String {
        self.link(base_url, None)
    }

    fn link(&self, base_url: &str, after: Option<&str>) -> String {
        let mut link = format!("{}/{}", base_url.trim_end_matches('/'), self.ty);
        let pairs = self
            .understood
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let pairs = pairs.filter(|(name, _)| *name != CURSOR);
        let cursor = after.map(|after| (CURSOR, after));
        for (index, (name, value)) in pairs.chain(cursor).enumerate() {
            link.push(if index == 0 { '?' } else { '&' });
            encode(name, &mut link);
            link.push('=');
            encode(value, &mut link);
        }
        link
    }
}

/// Percent-encodes what a query string cannot hold; the signs that FHIR uses stay readable.
fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => out.push(char::from(byte)),
            b'-' | b'.' | b'_' | b'~' | b':' | b'/' | b',' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
}
