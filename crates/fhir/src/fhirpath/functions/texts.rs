//! Texts (<http://hl7.org/fhirpath/N1/#string-manipulation>). Positions count characters.

use std::fmt::Write as _;

use regex::{Regex, RegexBuilder};

use super::{Function, On, maybe};
use crate::fhirpath::Fault;
use crate::fhirpath::eval::{Answer, Run};
use crate::fhirpath::tree::Expr;
use crate::fhirpath::value::Value;

/// What a compiled regular expression may take.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// What a text made by a function may be long.
const TEXT_BYTES_MAX: usize = 1 << 20;

const fn of(
    name: &'static str,
    least: usize,
    most: usize,
    run: for<'r> fn(&Run<'r>, On<'_, 'r>) -> Answer<'r>,
) -> Function {
    Function {
        name,
        least,
        most,
        moves_this: false,
        run,
    }
}

pub(super) const FUNCTIONS: &[Function] = &[
    of("indexOf", 1, 1, |run, on| {
        both(run, &on, |text, part| position(text, text.find(part)))
    }),
    of("lastIndexOf", 1, 1, |run, on| {
        both(run, &on, |text, part| position(text, text.rfind(part)))
    }),
    of("startsWith", 1, 1, |run, on| {
        both(run, &on, |text, part| Value::Bool(text.starts_with(part)))
    }),
    of("endsWith", 1, 1, |run, on| {
        both(run, &on, |text, part| Value::Bool(text.ends_with(part)))
    }),
    of("contains", 1, 1, |run, on| {
        both(run, &on, |text, part| Value::Bool(text.contains(part)))
    }),
    of("substring", 1, 2, substring),
    of("upper", 0, 0, |run, on| {
        plain(run, &on, |text| text.to_uppercase())
    }),
    of("lower", 0, 0, |run, on| {
        plain(run, &on, |text| text.to_lowercase())
    }),
    of("trim", 0, 0, |run, on| {
        plain(run, &on, |text| text.trim().to_string())
    }),
    of("length", 0, 0, |run, on| {
        let length = run.text(&on.input)?.map(|text| text.chars().count());
        maybe(length.map(|length| Value::Integer(i64::try_from(length).unwrap_or(i64::MAX))))
    }),
    of("toChars", 0, 0, |run, on| {
        let text = run.text(&on.input)?.unwrap_or_default();
        Ok(text
            .chars()
            .map(|letter| Value::text(letter.to_string()))
            .collect())
    }),
    of("replace", 2, 2, replace),
    of("matches", 1, 1, |run, on| matches(run, &on, false)),
    of("matchesFull", 1, 1, |run, on| matches(run, &on, true)),
    of("replaceMatches", 2, 2, replace_matches),
    of("split", 1, 1, |run, on| {
        let (Some(text), Some(by)) = (run.text(&on.input)?, on.text(run, 0)?) else {
            return Ok(Vec::new());
        };
        Ok(text
            .split(by.as_str())
            .map(|part| Value::text(part.to_string()))
            .collect())
    }),
    of("join", 0, 1, join),
    of("encode", 1, 1, |run, on| {
        coded(run, &on, super::super::codings::encode)
    }),
    of("decode", 1, 1, |run, on| {
        coded(run, &on, super::super::codings::decode)
    }),
    of("escape", 1, 1, |run, on| {
        coded(run, &on, super::super::codings::escape)
    }),
    of("unescape", 1, 1, |run, on| {
        coded(run, &on, super::super::codings::unescape)
    }),
];

fn plain<'r>(run: &Run<'r>, on: &On<'_, 'r>, f: fn(&str) -> String) -> Answer<'r> {
    maybe(run.text(&on.input)?.map(|text| Value::text(f(&text))))
}

fn both<'r>(
    run: &Run<'r>,
    on: &On<'_, 'r>,
    f: for<'t> fn(&'t str, &'t str) -> Value<'static>,
) -> Answer<'r> {
    match (run.text(&on.input)?, on.text(run, 0)?) {
        (Some(text), Some(part)) => Ok(vec![f(&text, &part)]),
        _ => Ok(Vec::new()),
    }
}

fn coded<'r>(run: &Run<'r>, on: &On<'_, 'r>, f: fn(&str, &str) -> Option<String>) -> Answer<'r> {
    match (run.text(&on.input)?, on.text(run, 0)?) {
        (Some(text), Some(form)) => maybe(f(&text, &form).map(Value::text)),
        _ => Ok(Vec::new()),
    }
}

/// Characters before a byte offset; -1 where there is none.
fn position(text: &str, at: Option<usize>) -> Value<'static> {
    let before = at
        .and_then(|at| text.get(..at))
        .map(|text| text.chars().count());
    Value::Integer(
        before
            .and_then(|count| i64::try_from(count).ok())
            .unwrap_or(-1),
    )
}

fn substring<'r>(run: &Run<'r>, on: On<'_, 'r>) -> Answer<'r> {
    let text = run.text(&on.input)?;
    let start = on.integer(run, 0)?;
    let length = on.integer(run, 1)?;
    let (Some(text), Some(start)) = (text, start) else {
        return Ok(Vec::new());
    };
    let Ok(start) = usize::try_from(start) else {
        return Ok(Vec::new());
    };
    if start >= text.chars().count() {
        return Ok(Vec::new());
    }
    let rest = text.chars().skip(start);
    let part: String = match length {
        Some(length) => rest.take(usize::try_from(length).unwrap_or(0)).collect(),
        None => rest.collect(),
    };
    Ok(vec![Value::text(part)])
}

fn replace<'r>(run: &Run<'r>, on: On<'_, 'r>) -> Answer<'r> {
    let text = run.text(&on.input)?;
    let (Some(text), Some(from), Some(to)) = (text, on.text(run, 0)?, on.text(run, 1)?) else {
        return Ok(Vec::new());
    };
    limited(&text, &to)?;
    Ok(vec![Value::text(text.replace(&from, &to))])
}

/// What may be put into a text at every place.
fn limited(text: &str, to: &str) -> Result<(), Fault> {
    match (text.len() + 1).checked_mul(to.len() + 1) {
        Some(bytes) if bytes <= TEXT_BYTES_MAX.max(4 * text.len()) => Ok(()),
        _ => Err(Fault::TooCostly),
    }
}

/// The expression of the first argument, compiled once where it is a literal.
fn regex<'r>(run: &Run<'r>, on: &On<'_, 'r>) -> Result<Option<Regex>, Fault> {
    let bad = Fault::invalid("The regular expression is not valid or too large");
    if let Some(Expr::Literal(Value::Text(text))) = on.call.arguments.first() {
        let made = on.call.regex.get_or_init(|| compiled(text));
        return made.clone().map(Some).ok_or(bad);
    }
    match on.text(run, 0)? {
        Some(text) => compiled(&text).map(Some).ok_or(bad),
        None => Ok(None),
    }
}

fn compiled(text: &str) -> Option<Regex> {
    RegexBuilder::new(text)
        .dot_matches_new_line(true)
        .size_limit(REGEX_BYTES_MAX)
        .build()
        .ok()
}

fn matches<'r>(run: &Run<'r>, on: &On<'_, 'r>, whole: bool) -> Answer<'r> {
    let (Some(text), Some(regex)) = (run.text(&on.input)?, regex(run, on)?) else {
        return Ok(Vec::new());
    };
    let found = match whole {
        true => regex
            .find_iter(&text)
            .any(|found| found.start() == 0 && found.end() == text.len()),
        false => regex.is_match(&text),
    };
    Ok(vec![Value::Bool(found)])
}

fn replace_matches<'r>(run: &Run<'r>, on: On<'_, 'r>) -> Answer<'r> {
    let text = run.text(&on.input)?;
    let (Some(text), Some(regex), Some(to)) = (text, regex(run, &on)?, on.text(run, 1)?) else {
        return Ok(Vec::new());
    };
    limited(&text, &to)?;
    if regex.as_str().is_empty() {
        return Ok(vec![Value::text(text)]);
    }
    Ok(vec![Value::text(
        regex.replace_all(&text, to.as_str()).into_owned(),
    )])
}

fn join<'r>(run: &Run<'r>, on: On<'_, 'r>) -> Answer<'r> {
    let by = on.text(run, 0)?.unwrap_or_default();
    let mut joined = String::new();
    for (index, item) in on.input.iter().enumerate() {
        let text = run.text(std::slice::from_ref(item))?.unwrap_or_default();
        let before = if index == 0 { "" } else { by.as_str() };
        let _ = write!(joined, "{before}{text}");
        if joined.len() > TEXT_BYTES_MAX {
            return Err(Fault::TooCostly);
        }
    }
    match on.input.is_empty() {
        true => Ok(Vec::new()),
        false => Ok(vec![Value::text(joined)]),
    }
}
