//! Character sets of MSH-18 (HL7 table 0211), as far as real UK feeds use them.

use crate::fault::{ErrorCode, Fault};
use encoding_rs::Encoding;
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
    /// Another part of ISO 8859, or the set of Windows that its senders mean.
    Single(&'static Encoding),
}

/// The parts of ISO 8859 in table 0211 beside the first, as a label that is known; 8859/9 is what Windows-1254 holds and more.
const PARTS: [(&[u8], &str); 9] = [
    (b"2", "iso-8859-2"),
    (b"3", "iso-8859-3"),
    (b"4", "iso-8859-4"),
    (b"5", "iso-8859-5"),
    (b"6", "iso-8859-6"),
    (b"7", "iso-8859-7"),
    (b"8", "iso-8859-8"),
    (b"9", "iso-8859-9"),
    (b"15", "iso-8859-15"),
];
const WINDOWS: [&[u8]; 3] = [b"WINDOWS-1252", b"CP1252", b"WINDOWS1252"];

impl Charset {
    /// The character set that MSH-18's first repetition names.
    pub fn named(name: &[u8]) -> Result<Charset, Fault> {
        let name = name.trim_ascii().to_ascii_uppercase();
        match name.as_slice() {
            b"" => Ok(Charset::Unnamed),
            b"ASCII" | b"US-ASCII" => Ok(Charset::Ascii),
            b"UNICODE UTF-8" | b"UNICODE" | b"UTF-8" | b"UTF8" => Ok(Charset::Utf8),
            b"8859/1" | b"ISO-8859-1" | b"ISO8859-1" | b"ISO IR100" => Ok(Charset::Latin1),
            other if WINDOWS.contains(&other) => Ok(Charset::Single(encoding_rs::WINDOWS_1252)),
            other => part(other).map(Charset::Single).ok_or_else(|| {
                at_msh_18(
                    ErrorCode::TableValueNotFound,
                    "the character set is not one of ASCII, UNICODE UTF-8, 8859/1 to 8859/9, 8859/15 and Windows-1252",
                )
            }),
        }
    }

    /// The text that the bytes stand for, or a fault at MSH-18.
    pub fn decode(self, bytes: &[u8]) -> Result<Cow<'_, str>, Fault> {
        match self {
            Charset::Latin1 => Ok(latin1(bytes)),
            Charset::Single(encoding) => encoding
                .decode_without_bom_handling_and_without_replacement(bytes)
                .ok_or_else(|| {
                    let reason = format!("a byte is no character of {}", encoding.name());
                    at_msh_18(ErrorCode::DataType, &reason)
                }),
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

/// The part of ISO 8859 that a name in capitals means.
fn part(name: &[u8]) -> Option<&'static Encoding> {
    let number = [&b"8859/"[..], b"ISO-8859-", b"ISO8859-"]
        .iter()
        .find_map(|before| name.strip_prefix(*before))?;
    let (_, label) = PARTS.iter().find(|(part, _)| *part == number)?;
    Encoding::for_label(label.as_bytes())
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
    fn other_parts_of_iso_8859_and_windows_become_their_characters() {
        let read = |name: &str, bytes: &[u8]| {
            let charset = Charset::named(name.as_bytes()).unwrap();
            charset.decode(bytes).map(Cow::into_owned)
        };
        assert_eq!(read("8859/15", b"5 \xa4").unwrap(), "5 €");
        assert_eq!(read("8859/2", b"\xa3\xf3d\xbc").unwrap(), "Łódź");
        assert_eq!(read("ISO-8859-7", b"\xc1").unwrap(), "Α");
        assert_eq!(read("8859/9", b"\xd0").unwrap(), "Ğ");
        assert_eq!(
            read("Windows-1252", b"the patient\x92s").unwrap(),
            "the patient’s"
        );
        // A hole in the table is no character.
        let fault = read("8859/7", b"\xae").unwrap_err();
        assert_eq!(fault.place(), "MSH-18 (segment 1)");
        assert!(Charset::named(b"8859/10").is_err() && Charset::named(b"8859/").is_err());
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
