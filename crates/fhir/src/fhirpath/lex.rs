//! From an expression's text to tokens (<http://hl7.org/fhirpath/N1/#lexical-elements>).

use super::NotCompiled;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(String),
    /// A name in back quotes: never a keyword.
    Delimited(String),
    Text(String),
    /// `12` or `1.50`.
    Number(String),
    /// What follows `@`.
    Moment(String),
    /// `%name`, without the sign.
    Variable(String),
    /// `$this`, `$index`, `$total`, without the sign.
    Special(String),
    Sign(&'static str),
}

/// Longer ones first.
const SIGNS: &[&str] = &[
    "!=", "!~", "<=", ">=", ".", "(", ")", "[", "]", "{", "}", "|", "=", "~", "<", ">", ",", "+",
    "-", "*", "/", "&",
];

/// The tokens, each with its byte offset.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, NotCompiled> {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        rest = without_space(rest).ok_or_else(|| refused("A comment does not end", text.len()))?;
        let at = text.len() - rest.len();
        let Some(first) = rest.chars().next() else {
            return Ok(found);
        };
        let (token, length) = token(rest, first).map_err(|reason| refused(reason, at))?;
        found.push((at, token));
        rest = rest.get(length..).unwrap_or_default();
    }
}

pub(super) fn refused(reason: &str, at: usize) -> NotCompiled {
    NotCompiled {
        reason: reason.to_string(),
        at,
    }
}

/// What follows white space and comments. `None` if a comment does not end.
fn without_space(text: &str) -> Option<&str> {
    let mut rest = text.trim_start();
    loop {
        rest = if let Some(comment) = rest.strip_prefix("//") {
            comment
                .find('\n')
                .and_then(|at| comment.get(at..))
                .unwrap_or_default()
        } else if let Some(comment) = rest.strip_prefix("/*") {
            comment.get(comment.find("*/")? + 2..)?
        } else {
            return Some(rest);
        }
        .trim_start();
    }
}

fn token(rest: &str, first: char) -> Result<(Token, usize), &'static str> {
    let after = |count: usize| rest.get(count..).unwrap_or_default();
    match first {
        '\'' => quoted(rest, '\'').map(|(text, length)| (Token::Text(text), length)),
        '`' => quoted(rest, '`').map(|(text, length)| (Token::Delimited(text), length)),
        '@' => {
            let length = moment(after(1));
            Ok((Token::Moment(cut(rest, 1, length + 1)), length + 1))
        }
        '%' => variable(after(1)).map(|(name, length)| (Token::Variable(name), length + 1)),
        '$' => {
            let length = run(after(1), is_name);
            Ok((Token::Special(cut(rest, 1, length + 1)), length + 1))
        }
        '0'..='9' => {
            let length = number(rest);
            Ok((Token::Number(cut(rest, 0, length)), length))
        }
        first if is_name(first) => {
            let length = run(rest, is_name);
            Ok((Token::Name(cut(rest, 0, length)), length))
        }
        _ => {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
            let sign = sign.ok_or("A character that is not known here")?;
            Ok((Token::Sign(sign), sign.len()))
        }
    }
}

fn cut(text: &str, from: usize, to: usize) -> String {
    text.get(from..to).unwrap_or_default().to_string()
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

fn run(text: &str, belongs: fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

/// Length of `12` or `1.50`; a point that no digit follows belongs to what comes next.
fn number(text: &str) -> usize {
    let whole = run(text, is_digit);
    whole + fraction(text.get(whole..).unwrap_or_default())
}

fn fraction(text: &str) -> usize {
    match text.strip_prefix('.').map(|digits| run(digits, is_digit)) {
        Some(count) if count > 0 => count + 1,
        _ => 0,
    }
}

/// Length of `2015-02-04T14:34:28.123+10:00` and its shorter forms, and of `T14:34`.
fn moment(text: &str) -> usize {
    let date = run(text, |c| c.is_ascii_digit() || c == '-');
    let Some(time) = text.get(date..).and_then(|rest| rest.strip_prefix('T')) else {
        return date;
    };
    let clock = run(time, |c| c.is_ascii_digit() || c == ':');
    let clock = clock + fraction(time.get(clock..).unwrap_or_default());
    let zone = match time.get(clock..) {
        Some(rest) if date > 0 => zone(rest),
        _ => 0,
    };
    date + 1 + clock + zone
}

/// Length of `Z` or `+10:00`.
fn zone(text: &str) -> usize {
    match text.as_bytes() {
        [b'Z', ..] => 1,
        [b'+' | b'-', a, b, b':', c, d, ..]
            if [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()) =>
        {
            6
        }
        _ => 0,
    }
}

fn variable(text: &str) -> Result<(String, usize), &'static str> {
    match text.chars().next() {
        Some(quote @ ('`' | '\'')) => quoted(text, quote),
        _ => match run(text, |c| is_name(c) || c == '-') {
            0 => Err("A name was expected after %"),
            length => Ok((cut(text, 0, length), length)),
        },
    }
}

/// A text between quotes, its escapes resolved, and its length with the quotes.
fn quoted(text: &str, quote: char) -> Result<(String, usize), &'static str> {
    const OPEN: &str = "A text in quotes does not end";
    let mut found = String::new();
    let mut letters = text.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => {
                let (_, escape) = letters.next().ok_or(OPEN)?;
                let resolved = match escape {
                    'f' => '\u{c}',
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'u' => {
                        let digits: String =
                            letters.by_ref().take(4).map(|(_, digit)| digit).collect();
                        unicode(&digits).ok_or("Four hexadecimal digits belong after \\u")?
                    }
                    // Expressions in circulation escape more than they need to (`\/`, `\.`).
                    '\\' | '\'' | '`' | '"' | '/' => escape,
                    other => {
                        found.push('\\');
                        other
                    }
                };
                found.push(resolved);
            }
            letter if letter == quote => return Ok((found, at + 1)),
            letter => found.push(letter),
        }
    }
    Err(OPEN)
}

fn unicode(digits: &str) -> Option<char> {
    (digits.len() == 4)
        .then(|| u32::from_str_radix(digits, 16).ok())
        .flatten()
        .and_then(char::from_u32)
}
