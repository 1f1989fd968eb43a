//! A document that stands beside its message, not in it: what a reader of the stream has taken out of OBX-5 because it is
//! large, and what it put in its place.
//!
//! The mark begins with the byte that starts a frame (`mllp::START`), which no message that came over MLLP can hold: a
//! sender cannot write one, and so cannot name a document that it does not have.

use std::fmt::Write as _;

use crate::mllp::{END, START};

/// First bytes that are told of a document, by which its type is known.
const HEAD_BYTES: usize = 8;

/// A document beside its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apart {
    /// 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// In bytes.
    pub size: u64,
    /// Its first bytes, at most eight.
    pub head: Vec<u8>,
}

impl Apart {
    /// A document of that digest and size that begins so.
    pub fn new(sha256: String, size: u64, beginning: &[u8]) -> Apart {
        let head = beginning.iter().take(HEAD_BYTES).copied().collect();
        Apart { sha256, size, head }
    }

    /// What stands for it in its message.
    pub fn mark(&self) -> Vec<u8> {
        let mut mark = format!("{}{}.{}.", char::from(START), self.sha256, self.size);
        for byte in &self.head {
            // Writing to a String does not fail.
            let _ = write!(mark, "{byte:02x}");
        }
        mark.into_bytes()
    }

    /// Reads a mark; `None` for any other text.
    pub fn read(text: &str) -> Option<Apart> {
        let rest = text.strip_prefix(char::from(START))?;
        let mut parts = rest.split('.');
        let (sha256, size, head) = (parts.next()?, parts.next()?, parts.next()?);
        let is_digits = |it: &str| it.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if parts.next().is_some() || sha256.len() != 64 || !is_digits(sha256) || !is_digits(head) {
            return None;
        }
        let pairs = head.as_bytes().chunks(2);
        let byte = |pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
        Some(Apart {
            sha256: sha256.to_owned(),
            size: size.parse().ok()?,
            head: pairs.map(byte).collect::<Option<_>>()?,
        })
    }
}

/// A message with words in the place of marks, for people to read.
pub fn in_words(text: &str) -> String {
    let mut parts = text.split(char::from(START));
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_mark = |c: char| c == '.' || matches!(c, '0'..='9' | 'a'..='f');
        let end = part.find(|c| !is_mark(c)).unwrap_or(part.len());
        let (mark, rest) = part.split_at(end);
        match Apart::read(&format!("{}{mark}", char::from(START))) {
            // Writing to a String does not fail.
            Some(apart) => {
                let _ = write!(
                    shown,
                    "[a document of {} bytes, kept beside the message]",
                    apart.size
                );
            }
            None => shown.push_str(mark),
        }
        shown.push_str(rest);
    }
    shown
}

/// Whether what comes next in a message that has begun so is a document in Base64: OBX-5 of type ED, of which the encoding
/// has just been told. `message` is without its frame's start.
pub fn is_document_next(message: &[u8]) -> bool {
    let (Some(field), Some(component)) = (message.get(3), message.get(4)) else {
        return false;
    };
    let begin = message.iter().rposition(|b| matches!(b, b'\r' | b'\n'));
    let segment = message
        .get(begin.map_or(0, |at| at + 1)..)
        .unwrap_or_default();
    let mut fields = segment.split(|b| b == field);
    let (name, kind) = (fields.next(), fields.nth(1));
    if name != Some(&b"OBX"[..]) || kind.map(<[u8]>::trim_ascii) != Some(&b"ED"[..]) {
        return false;
    }
    // OBX-3, OBX-4, and then what has come of OBX-5.
    let Some(value) = fields.nth(2).filter(|_| fields.next().is_none()) else {
        return false;
    };
    let mut parts = value.rsplit(|b| b == component);
    let (data, encoding) = (parts.next(), parts.next());
    data.is_some_and(<[u8]>::is_empty)
        && encoding.is_some_and(|it| it.trim_ascii().eq_ignore_ascii_case(b"base64"))
}

/// Whether a document in Base64 may end before that byte, in a message that begins so.
pub fn ends_document(message: &[u8], next: u8) -> bool {
    let between = message.get(3..6).unwrap_or_default();
    matches!(next, b'\r' | b'\n' | END) || between.contains(&next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_back_and_nothing_else_is_one() {
        let apart = Apart::new("0a".repeat(32), 41_943_040, b"%PDF-1.7 and more");
        let mark = String::from_utf8(apart.mark()).unwrap();
        assert_eq!(Apart::read(&mark), Some(apart));
        for other in ["", "JVBERi0xLjc=", "\u{b}", "\u{b}00.1.00", &mark[1..]] {
            assert_eq!(Apart::read(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_mark_is_shown_in_words() {
        let apart = Apart::new("0a".repeat(32), 41_943_040, b"%PDF-1.7");
        let mark = String::from_utf8(apart.mark()).unwrap();
        let text = format!("OBX|1|ED|D||^application^pdf^Base64^{mark}||||||F\rNTE|abc.\u{b}\r");
        let shown = in_words(&text);
        let expected =
            "^Base64^[a document of 41943040 bytes, kept beside the message]||||||F\rNTE|abc.\r";
        assert!(shown.ends_with(expected), "{shown:?}");
    }

    #[test]
    fn a_document_is_told_from_other_long_fields() {
        let begun = |obx: &str| format!("MSH|^~\\&|A|B\rPID|1\r{obx}").into_bytes();
        for yes in [
            "OBX|1|ED|D^Letter||^application^pdf^Base64^",
            "OBX|1|ED|D||F01^AP^PDF^BASE64^",
        ] {
            assert!(is_document_next(&begun(yes)), "{yes}");
        }
        for no in [
            "OBX|1|TX|D^Letter||^application^pdf^Base64^",
            "OBX|1|ED|D||^application^pdf^Hex^",
            "OBX|1|ED|D||^application^pdf^Base64^JVBE",
            "OBX|1|ED|^^^Base64^",
            "NTE|1|ED|D||^application^pdf^Base64^",
            "OBX|1|ED|D||^a^pdf^Base64^|^application^pdf^Base64^",
        ] {
            assert!(!is_document_next(&begun(no)), "{no}");
        }
        let message = begun("");
        assert!(ends_document(&message, b'|') && ends_document(&message, END));
        assert!(!ends_document(&message, b'\\') && !ends_document(&message, b' '));
    }
}
