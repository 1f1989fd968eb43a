//! The strict reader (<https://www.rfc-editor.org/rfc/rfc8259>).

use std::borrow::Cow;
use std::collections::HashSet;

use super::{Json, Limits, Member};
use crate::problem::{Kind, Problem};

/// Objects of up to this many members are checked for duplicate names pair by pair.
const FEW_MEMBERS: usize = 12;

/// Reads one JSON value that is the whole of `bytes`.
///
/// # Errors
/// `Structure` for what is not JSON or is refused (see the module), `TooLong` and `TooCostly` for
/// what is beyond `limits`; each with line and column, counted from 1.
pub fn parse<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Json<'a>, Problem> {
    if bytes.len() > limits.bytes {
        let message = format!(
            "The text is longer than the {} bytes allowed.",
            limits.bytes
        );
        return Err(Problem::new(Kind::TooLong, message));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let problem = Problem::new(Kind::Structure, "The text is not valid UTF-8.");
        problem.located(place(bytes, error.valid_up_to()))
    })?;
    let mut reader = Reader {
        text,
        bytes,
        at: 0,
        depth: limits.depth,
        nodes: limits.nodes,
    };
    reader
        .document()
        .map_err(|fault| Problem::new(fault.kind, fault.message).located(place(bytes, reader.at)))
}

/// `line 3, column 9` of a byte offset. Columns count characters.
pub(crate) fn place(bytes: &[u8], at: usize) -> String {
    let before = bytes.get(..at).unwrap_or(bytes);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |newline| newline + 1);
    let characters = before.get(start..).unwrap_or_default();
    // Bytes that continue a character do not count.
    let column = characters
        .iter()
        .filter(|byte| **byte & 0xC0 != 0x80)
        .count()
        + 1;
    format!("line {line}, column {column}")
}

/// What is wrong, kept small; the place is the reader's.
struct Fault {
    kind: Kind,
    message: Cow<'static, str>,
}

fn fault<T>(message: &'static str) -> Result<T, Fault> {
    Err(Fault {
        kind: Kind::Structure,
        message: Cow::Borrowed(message),
    })
}

fn costly<T>(message: &'static str) -> Result<T, Fault> {
    Err(Fault {
        kind: Kind::TooCostly,
        message: Cow::Borrowed(message),
    })
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// How many more arrays and objects may be opened inside each other.
    depth: u16,
    /// How many more values may be read.
    nodes: u32,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Json<'a>, Fault> {
        if self.text.starts_with('\u{feff}') {
            return fault("A byte order mark stands before the JSON.");
        }
        self.space();
        let value = self.value()?;
        self.space();
        match self.peek() {
            None => Ok(value),
            Some(_) => fault("Something follows the end of the JSON."),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Result<Json<'a>, Fault> {
        match self.nodes.checked_sub(1) {
            Some(left) => self.nodes = left,
            None => return costly("The JSON holds more values than are allowed."),
        }
        match self.peek() {
            Some(b'"') => self.string().map(Json::String),
            Some(b'{') => self.nested(Reader::object),
            Some(b'[') => self.nested(Reader::array),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            Some(_) => fault("A value was expected here."),
            None => fault("The JSON ends too early."),
        }
    }

    fn word(&mut self, word: &str, value: Json<'a>) -> Result<Json<'a>, Fault> {
        if !self
            .bytes
            .get(self.at..)
            .unwrap_or_default()
            .starts_with(word.as_bytes())
        {
            return fault("A value was expected here.");
        }
        self.at += word.len();
        Ok(value)
    }

    fn nested(
        &mut self,
        read: fn(&mut Reader<'a>) -> Result<Json<'a>, Fault>,
    ) -> Result<Json<'a>, Fault> {
        let Some(left) = self.depth.checked_sub(1) else {
            return costly("The JSON is nested deeper than is allowed.");
        };
        self.depth = left;
        self.at += 1;
        self.space();
        let value = read(self)?;
        self.depth += 1;
        Ok(value)
    }

    fn array(&mut self) -> Result<Json<'a>, Fault> {
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value()?);
            if self.ends(b']')? {
                return Ok(Json::Array(items));
            }
        }
    }

    fn object(&mut self) -> Result<Json<'a>, Fault> {
        let mut members: Vec<Member<'a>> = Vec::new();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Json::Object(members));
        }
        loop {
            if self.peek() != Some(b'"') {
                return fault("A member name in quotes was expected here.");
            }
            let name = self.string()?;
            if members.len() < FEW_MEMBERS && members.iter().any(|(known, _)| *known == name) {
                return duplicate(&name);
            }
            self.space();
            if self.peek() != Some(b':') {
                return fault("A colon was expected after the member name.");
            }
            self.at += 1;
            self.space();
            let value = self.value()?;
            members.push((name, value));
            if self.ends(b'}')? {
                break;
            }
        }
        if members.len() > FEW_MEMBERS {
            let mut seen = HashSet::with_capacity(members.len());
            if let Some((name, _)) = members.iter().find(|(name, _)| !seen.insert(name.as_ref())) {
                return duplicate(name);
            }
        }
        Ok(Json::Object(members))
    }

    /// After an item: true at the closing bracket, false after a comma.
    fn ends(&mut self, close: u8) -> Result<bool, Fault> {
        self.space();
        match self.peek() {
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(true)
            }
            Some(b',') => {
                self.at += 1;
                self.space();
                Ok(false)
            }
            Some(_) => fault("A comma or a closing bracket was expected here."),
            None => fault("The JSON ends too early."),
        }
    }

    fn number(&mut self) -> Result<Json<'a>, Fault> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let whole = self.digits();
        let leading_zero = whole > 1 && self.bytes.get(self.at - whole) == Some(&b'0');
        let mut good = whole > 0 && !leading_zero;
        if self.peek() == Some(b'.') {
            self.at += 1;
            good &= self.digits() > 0;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            good &= self.digits() > 0;
        }
        match self.text.get(start..self.at) {
            Some(text) if good => Ok(Json::Number(text)),
            _ => fault("This is not a JSON number."),
        }
    }

    fn digits(&mut self) -> usize {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        count
    }

    /// At the opening quote. Borrows unless there is an escape.
    fn string(&mut self) -> Result<Cow<'a, str>, Fault> {
        self.at += 1;
        let plain = self.plain()?;
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = String::from(plain);
        while self.peek() == Some(b'\\') {
            self.at += 1;
            text.push(self.escape()?);
            text.push_str(self.plain()?);
        }
        self.at += 1;
        Ok(Cow::Owned(text))
    }

    /// What stands before the next quote or backslash.
    fn plain(&mut self) -> Result<&'a str, Fault> {
        let start = self.at;
        let rest = self.bytes.get(start..).unwrap_or_default();
        let stop = rest
            .iter()
            .position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
        self.at += stop.unwrap_or(rest.len());
        match self.peek() {
            Some(b'"' | b'\\') => Ok(self.text.get(start..self.at).unwrap_or_default()),
            Some(_) => fault("A control character stands in a string."),
            None => fault("The JSON ends inside a string."),
        }
    }

    /// After the backslash.
    fn escape(&mut self) -> Result<char, Fault> {
        let byte = self.peek();
        self.at += 1;
        match byte {
            Some(b'"') => Ok('"'),
            Some(b'\\') => Ok('\\'),
            Some(b'/') => Ok('/'),
            Some(b'b') => Ok('\u{8}'),
            Some(b'f') => Ok('\u{c}'),
            Some(b'n') => Ok('\n'),
            Some(b'r') => Ok('\r'),
            Some(b't') => Ok('\t'),
            Some(b'u') => self.unicode(),
            _ => fault("This escape is not one that JSON knows."),
        }
    }

    fn unicode(&mut self) -> Result<char, Fault> {
        let first = self.hex()?;
        let code = match first {
            0 => return fault("A string holds NUL."),
            0xD800..=0xDBFF => {
                if self.bytes.get(self.at..self.at + 2) != Some(b"\\u") {
                    return fault("A surrogate stands alone.");
                }
                self.at += 2;
                match self.hex()? {
                    second @ 0xDC00..=0xDFFF => {
                        0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)
                    }
                    _ => return fault("A surrogate stands alone."),
                }
            }
            code => code,
        };
        char::from_u32(code).map_or_else(|| fault("A surrogate stands alone."), Ok)
    }

    fn hex(&mut self) -> Result<u32, Fault> {
        let digits = self.bytes.get(self.at..self.at + 4).unwrap_or_default();
        let value = digits.iter().try_fold(0, |value, byte| {
            char::from(*byte)
                .to_digit(16)
                .map(|digit| value << 4 | digit)
        });
        match value {
            Some(value) if digits.len() == 4 => {
                self.at += 4;
                Ok(value)
            }
            _ => fault("Four hexadecimal digits were expected after \\u."),
        }
    }
}

/// The name is told only if it looks like an element's, since anything else may be private.
fn duplicate<T>(name: &str) -> Result<T, Fault> {
    let plain = name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let message = if plain {
        Cow::Owned(format!("The member \"{name}\" stands twice in one object."))
    } else {
        Cow::Borrowed("A member stands twice in one object.")
    };
    Err(Fault {
        kind: Kind::Structure,
        message,
    })
}

#[cfg(test)]
mod tests;
