//! Character sets of MSH-18 (HL7 table 0211), as far as real UK feeds use them.

use crate::fault::{ErrorCode, Fault};
use std::borrow::Cow;

/// A character set that this crate can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// MSH-18 is empty: the standard says ASCII, senders mean UTF-8. Valid UTF-8 is taken.
    Unnamed,
    /// `ASCII`: no byte above 127.
    Ascii,
    /// `UNICODE UTF-8`, and the common `UNICODE` and `UTF-8`.
    Utf8,
    /// `8859/1`: every byte is the character with that number.
    Latin1,
}

impl Charset {
    /// The character set that MSH-18's first repetition names.
    pub fn named(name: &[u8]) -> Result<Charset, Fault> {
        let name = name.trim_ascii().to_ascii_uppercase();
        match name.as_slice() {
            b"" => Ok(Charset::Unnamed),
            b"ASCII" | b"US-ASCII" => Ok(Charset::Ascii),
            b"UNICODE UTF-8" | b"UNICODE" | b"UTF-8" | b"UTF8" => Ok(Charset::Utf8),
            b"8859/1" | b"ISO-8859-1" | b"ISO8859-1" | b"ISO IR100" => Ok(Charset::Latin1),
            _ => Err(at_msh_18(
                ErrorCode::TableValueNotFound,
                "the character set is not one of ASCII, UNICODE UTF-8 and 8859/1",
            )),
        }
    }

    /// The text that the bytes stand for, or a fault at MSH-18.
    pub fn decode(self, bytes: &[u8]) -> Result<Cow<'_, str>, Fault> {
        match self {
            Charset::Latin1 => Ok(latin1(bytes)),
            Charset::Ascii if !bytes.is_ascii() => Err(at_msh_18(
                ErrorCode::DataType,
                "ASCII is declared but other bytes are sent",
            )),
            Charset::Ascii | Charset::Utf8 => {
                str::from_utf8(bytes).map(Cow::Borrowed).map_err(|e| {
                    let reason = format!(
                        "the text is not UTF-8: byte {} starts no character",
                        e.valid_up_to()
                    );
                    at_msh_18(ErrorCode::DataType, &reason)
                })
            }
            Charset::Unnamed => str::from_utf8(bytes).map(Cow::Borrowed).map_err(|e| {
                let reason = format!(
                    "no character set is named and byte {} is neither ASCII nor UTF-8",
                    e.valid_up_to()
                );
                at_msh_18(ErrorCode::DataType, &reason)
            }),
        }
    }
}

fn at_msh_18(code: ErrorCode, reason: &str) -> Fault {
    Fault::new(code, reason).within("MSH", 1).field(18)
}

fn latin1(bytes: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => Cow::Borrowed(text),
        _ => Cow::Owned(bytes.iter().map(|b| char::from(*b)).collect()),
    }
}

/// Text for showing and for keys, when the character set is unknown: UTF-8 where it is valid,
/// otherwise each byte as its Latin-1 character. Total and injective enough to tell ids apart.
pub fn lenient(bytes: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => latin1(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latin_1_bytes_become_their_characters() {
        let text = Charset::named(b"8859/1")
            .unwrap()
            .decode(b"Ren\xe9e")
            .unwrap()
            .into_owned();
        assert_eq!(text, "Renée");
    }

    #[test]
    fn ascii_that_is_not_is_refused_at_msh_18() {
        let fault = Charset::Ascii.decode(b"Ren\xe9e").unwrap_err();
        assert_eq!(fault.place(), "MSH-18 (segment 1)");
        assert!(Charset::Unnamed.decode(b"Ren\xe9e").is_err());
        assert!(Charset::Unnamed.decode("Renée".as_bytes()).is_ok());
        assert!(Charset::named(b"KS X 1001").is_err());
    }
}
