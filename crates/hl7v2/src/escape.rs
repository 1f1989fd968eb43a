//! Escape sequences (HL7 v2.9 chapter 2.7): what separators and bytes look like inside a field.

use crate::message::Separators;
use std::borrow::Cow;

/// The longest run of spaces or lines that a `\.sp<n>\` command may ask for.
const RUN_MAX: usize = 100;

/// A field's text with its escape sequences resolved.
///
/// A sequence that is unknown, local (`\Z..\`) or broken stays as it is: nothing is dropped.
/// Formatting commands become line breaks or spaces; highlighting is dropped. Control characters
/// that JSON and FHIR strings cannot hold become U+FFFD.
pub fn unescape<'a>(text: &'a str, separators: &Separators) -> Cow<'a, str> {
    let escape = char::from(separators.escape);
    if !text.contains(escape) && !text.contains(is_unwanted) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(escape) {
        out.push_str(before);
        match after
            .split_once(escape)
            .map(|(s, tail)| (s, tail, sequence(s, separators)))
        {
            Some((_, tail, Some(meaning))) => {
                out.push_str(&meaning);
                rest = tail;
            }
            // Not a sequence: the escape character stands for itself.
            Some((_, _, None)) | None => {
                out.push(escape);
                rest = after;
            }
        }
    }
    out.push_str(rest);
    if out.contains(is_unwanted) {
        out = out
            .chars()
            .map(|c| if is_unwanted(c) { '\u{FFFD}' } else { c })
            .collect();
    }
    Cow::Owned(out)
}

/// Text made safe to stand in a field: the five separators escaped, line breaks as `\.br\`.
pub fn escape(text: &str, separators: &Separators) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let name = match u8::try_from(c) {
            Ok(b) if b == separators.field => "F",
            Ok(b) if b == separators.component => "S",
            Ok(b) if b == separators.subcomponent => "T",
            Ok(b) if b == separators.repetition => "R",
            Ok(b) if b == separators.escape => "E",
            Ok(b'\n') => ".br",
            Ok(b) if b < 0x20 => continue,
            _ => {
                out.push(c);
                continue;
            }
        };
        out.push(char::from(separators.escape));
        out.push_str(name);
        out.push(char::from(separators.escape));
    }
    out
}

fn is_unwanted(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\n' | '\r')
}

/// What the sequence between two escape characters stands for; `None` when it is not one.
fn sequence(body: &str, separators: &Separators) -> Option<String> {
    let one = |b: u8| Some(char::from(b).to_string());
    match body {
        "F" => one(separators.field),
        "S" => one(separators.component),
        "T" => one(separators.subcomponent),
        "R" => one(separators.repetition),
        "E" => one(separators.escape),
        "P" => one(b'#'),
        "H" | "N" => Some(String::new()),
        _ => match body.as_bytes().first() {
            Some(b'X') => hexadecimal(body.get(1..)?),
            Some(b'.') => formatting(body.get(1..)?),
            _ => None,
        },
    }
}

/// `\Xdd..\`: bytes, read as UTF-8 where they are valid and as Latin-1 otherwise.
fn hexadecimal(digits: &str) -> Option<String> {
    let digits = digits.as_bytes();
    if digits.is_empty() || !digits.len().is_multiple_of(2) {
        return None;
    }
    let value = |d: u8| {
        char::from(d)
            .to_digit(16)
            .and_then(|v| u8::try_from(v).ok())
    };
    let bytes = digits
        .chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => Some(value(*high)? * 16 + value(*low)?),
            _ => None,
        })
        .collect::<Option<Vec<u8>>>()?;
    Some(crate::charset::lenient(&bytes).into_owned())
}

/// The formatting commands of FT fields (chapter 2.7.6).
fn formatting(command: &str) -> Option<String> {
    let name: String = command
        .chars()
        .take_while(char::is_ascii_alphabetic)
        .collect();
    let count = command.get(name.len()..)?.trim_start_matches('+');
    let count = if count.is_empty() {
        1
    } else {
        count.parse::<usize>().ok()?
    };
    match name.as_str() {
        "br" | "ce" => Some("\n".to_owned()),
        "sp" => Some("\n".repeat(count.min(RUN_MAX))),
        "sk" => Some(" ".repeat(count.min(RUN_MAX))),
        "fi" | "nf" | "in" | "ti" => Some(String::new()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        unescape(text, &Separators::default()).into_owned()
    }

    #[test]
    fn separators_and_bytes_are_resolved() {
        assert_eq!(
            read(r"Smith \T\ Sons \F\ A\S\B\R\C \E\"),
            r"Smith & Sons | A^B~C \"
        );
        assert_eq!(read(r"caf\XC3A9\ and caf\XE9\"), "café and café");
        assert_eq!(read(r"one\.br\two\.sp2\three"), "one\ntwo\n\nthree");
        assert_eq!(read(r"a\H\bold\N\b"), "aboldb");
    }

    #[test]
    fn what_is_not_a_sequence_stays() {
        assert_eq!(read(r"C:\letters\today"), r"C:\letters\today");
        assert_eq!(read(r"5\Zlocal\ \X1\ \"), r"5\Zlocal\ \X1\ \");
    }

    #[test]
    fn control_characters_do_not_reach_fhir() {
        assert_eq!(read(r"a\X00\b\X07\"), "a\u{FFFD}b\u{FFFD}");
    }

    #[test]
    fn escaping_is_undone_by_unescaping() {
        let text = "A|B^C&D~E\\F\nG é";
        assert_eq!(read(&escape(text, &Separators::default())), text);
    }
}
