//! From an expression's text to tokens.

use super::NotCompiled;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(String),
    Text(String),
    Number(usize),
    /// One of `. ( ) [ ] | = != ,`
    Sign(&'static str),
}

const SIGNS: &[&str] = &["!=", ".", "(", ")", "[", "]", "|", "=", ","];

/// The tokens, each with its byte offset.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, NotCompiled> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let at = text.len() - rest.len();
        let (token, length) = if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign))
        {
            (Token::Sign(sign), sign.len())
        } else if first == '\'' {
            quoted(rest).ok_or_else(|| refused("A text in quotes does not end", at))?
        } else if first.is_ascii_digit() {
            let length = run(rest, |c| c.is_ascii_digit());
            let number = rest.get(..length).and_then(|digits| digits.parse().ok());
            (
                Token::Number(number.ok_or_else(|| refused("A number is too large", at))?),
                length,
            )
        } else if is_name(first) {
            let length = run(rest, is_name);
            (
                Token::Name(rest.get(..length).unwrap_or_default().to_string()),
                length,
            )
        } else {
            return Err(refused("A character that is not known here", at));
        };
        found.push((at, token));
        rest = rest.get(length..).unwrap_or_default().trim_start();
    }
    Ok(found)
}

pub(super) fn refused(reason: &str, at: usize) -> NotCompiled {
    NotCompiled {
        reason: reason.to_string(),
        at,
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$'
}

fn run(text: &str, belongs: fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

/// A text in single quotes, without escapes: search parameters need none.
fn quoted(text: &str) -> Option<(Token, usize)> {
    let inner = text.get(1..)?;
    let end = inner.find(['\'', '\\'])?;
    if inner.as_bytes().get(end) == Some(&b'\\') {
        return None;
    }
    Some((Token::Text(inner.get(..end)?.to_string()), end + 2))
}
