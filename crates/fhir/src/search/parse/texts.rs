//! `_text=(bone OR liver) and metastases` (<https://hl7.org/fhir/R4/search.html#text>): whole words, `AND`
//! (also where nothing stands between two), `OR`, `NOT` and brackets. Words that a hyphen or another sign
//! parts are asked for each.

use super::{Context, unsupported};
use crate::problem::{Kind, Problem};
use crate::search::clause::{Clause, Criterion, System};
use crate::search::query::ALL_TYPES;
use crate::terminology::words::words;

/// Brackets inside each other, and words and signs in all.
const DEPTH_MAX: usize = 8;
const TOKENS_MAX: usize = 64;

/// `values` are those between commas: one of them has to hold.
pub(super) fn clause(
    context: Context<'_>,
    ty: &str,
    code: &str,
    values: &[String],
) -> Result<Clause, Problem> {
    let Some(texts) = context.registry.texts() else {
        let message = format!(
            "Resources are not found by the words in them here ({code}); the node's operator can set [fhir] text_search."
        );
        return Err(unsupported(message));
    };
    if ty == ALL_TYPES {
        let message = format!("{code} needs a type to be searched for.");
        return Err(unsupported(message));
    }
    if context.registry.is_behind() {
        let message =
            "Resources are still being indexed for this; see $reindex, or try again later.";
        return Err(Problem::new(Kind::Transient, message));
    }
    let under = if code == "_text" {
        texts.text
    } else {
        texts.content
    };
    let mut any = Vec::with_capacity(values.len());
    for value in values {
        let spaced = value.replace('(', " ( ").replace(')', " ) ");
        let tokens: Vec<&str> = spaced.split_whitespace().collect();
        if tokens.len() > TOKENS_MAX {
            let message = format!("{code} has more than {TOKENS_MAX} words and brackets.");
            return Err(Problem::new(Kind::TooCostly, message));
        }
        let mut reader = Reader {
            code,
            under,
            tokens: &tokens,
            depth: 0,
        };
        any.push(reader.or()?);
        if !reader.tokens.is_empty() {
            return Err(reader.wrong("has a bracket that was not opened"));
        }
    }
    Ok(one_of(any))
}

struct Reader<'r> {
    code: &'r str,
    under: &'static str,
    tokens: &'r [&'r str],
    depth: usize,
}

impl<'r> Reader<'r> {
    fn wrong(&self, what: &str) -> Problem {
        Problem::new(Kind::Value, format!("{} {what}.", self.code))
    }

    fn next(&mut self) -> Option<&'r str> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    fn takes(&mut self, word: &str) -> bool {
        let is_next = self
            .tokens
            .first()
            .is_some_and(|it| it.eq_ignore_ascii_case(word));
        if is_next {
            self.next();
        }
        is_next
    }

    fn or(&mut self) -> Result<Clause, Problem> {
        let mut any = vec![self.and()?];
        while self.takes("or") {
            any.push(self.and()?);
        }
        Ok(one_of(any))
    }

    fn and(&mut self) -> Result<Clause, Problem> {
        let mut all = vec![self.one()?];
        loop {
            let is_end = match self.tokens.first() {
                None | Some(&")") => true,
                Some(word) => word.eq_ignore_ascii_case("or"),
            };
            if is_end {
                return Ok(all_of(all));
            }
            self.takes("and");
            all.push(self.one()?);
        }
    }

    fn one(&mut self) -> Result<Clause, Problem> {
        if self.takes("not") {
            let inner = self.one()?;
            return Ok(Clause {
                negated: true,
                ..Clause::all(vec![inner])
            });
        }
        if self.takes("(") {
            self.depth += 1;
            if self.depth > DEPTH_MAX {
                let message = format!("{} has too many brackets.", self.code);
                return Err(Problem::new(Kind::TooCostly, message));
            }
            let inner = self.or()?;
            if !self.takes(")") {
                return Err(self.wrong("has a bracket that is not closed"));
            }
            self.depth -= 1;
            return Ok(inner);
        }
        match self.next() {
            Some(word) if word.contains(['"', '*', '?', '~', '^']) => Err(unsupported(format!(
                "{} finds whole words only: no phrases and no wildcards.",
                self.code
            ))),
            Some(word) if word != ")" && !is_operator(word) => self.word(word),
            _ => Err(self.wrong("lacks a word")),
        }
    }

    fn word(&self, word: &str) -> Result<Clause, Problem> {
        let parts = words(word);
        let token = |word: String| {
            let code = Some(word);
            let system = System::None;
            Clause::one(self.under, Criterion::Token { system, code })
        };
        match parts.is_empty() {
            true => Err(self.wrong("has no letter to look for")),
            false => Ok(all_of(parts.into_iter().map(token).collect())),
        }
    }
}

fn is_operator(word: &str) -> bool {
    ["and", "or", "not"]
        .iter()
        .any(|it| word.eq_ignore_ascii_case(it))
}

fn all_of(mut all: Vec<Clause>) -> Clause {
    match (all.len(), all.pop()) {
        (1, Some(only)) => only,
        (_, last) => Clause::all(all.into_iter().chain(last).collect()),
    }
}

fn one_of(mut any: Vec<Clause>) -> Clause {
    match (any.len(), any.pop()) {
        (1, Some(only)) => only,
        (_, last) => Clause {
            code: String::new(),
            negated: false,
            criteria: any
                .into_iter()
                .chain(last)
                .map(|clause| Criterion::All(vec![clause]))
                .collect(),
        },
    }
}
