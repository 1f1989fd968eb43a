//! Writing segments: fields by number, text escaped, nothing trailing.

use crate::escape::escape;
use crate::message::Separators;

/// Segments, one after another.
pub(super) struct Writer {
    out: String,
}

impl Writer {
    pub(super) fn new() -> Writer {
        Writer { out: String::new() }
    }

    /// A segment with these fields; their texts are as they stand in the message. Empty ones are
    /// left out, and so is a segment without any.
    pub(super) fn segment(&mut self, name: &str, fields: &[(usize, String)]) {
        let last = fields.iter().filter(|(_, text)| !text.is_empty());
        let Some(last) = last.map(|(number, _)| *number).max() else {
            return;
        };
        self.out.push_str(name);
        let first = if name == "MSH" {
            // MSH-1 is the separator itself.
            self.out.push_str("|^~\\&");
            3
        } else {
            1
        };
        for number in first..=last {
            self.out.push('|');
            let field = fields.iter().find(|(n, _)| *n == number);
            self.out.push_str(field.map_or("", |(_, text)| text));
        }
        self.out.push('\r');
    }

    pub(super) fn end(self) -> Vec<u8> {
        self.out.into_bytes()
    }
}

/// Text as a field or component: escaped, its line ends as `\.br\`.
pub(super) fn part(text: &str) -> String {
    let separators = Separators::default();
    let lines = text
        .lines()
        .map(|line| escape(line.trim_end(), &separators));
    lines.collect::<Vec<_>>().join("\\.br\\")
}

/// Components, each text escaped, nothing trailing.
pub(super) fn components(parts: &[&str]) -> String {
    let parts: Vec<String> = parts.iter().map(|text| part(text)).collect();
    parts.join("^").trim_end_matches('^').to_owned()
}

/// Repetitions, without empty ones.
pub(super) fn repetitions(parts: impl Iterator<Item = String>) -> String {
    let parts: Vec<String> = parts.filter(|text| !text.is_empty()).collect();
    parts.join("~")
}
