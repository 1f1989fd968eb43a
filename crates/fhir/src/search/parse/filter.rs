//! `_filter` (<https://hl7.org/fhir/R4/search_filter.html>): `name eq "x" and (date ge 2024 or
//! not(active eq true))`. `and` binds tighter than `or`. Each comparison becomes the clause that the
//! search parameter's own form would have made. Conditions in square brackets are not supported.

use super::clause::{known, of_values};
use super::{Asked, Context, unsupported};
use crate::problem::{Kind, Problem};
use crate::search::clause::{Clause, Criterion};
use crate::search::fold::fold;
use crate::search::parameter::ParameterKind;

/// Brackets inside each other.
const DEPTH_MAX: usize = 16;
/// Words, brackets and texts.
const TOKENS_MAX: usize = 512;

pub(super) fn filter(
    context: Context<'_>,
    ty: &str,
    text: &str,
    steps: usize,
) -> Result<Clause, Problem> {
    let tokens = tokens(text)?;
    let mut reader = Reader {
        context,
        ty,
        steps,
        tokens: &tokens,
        depth: 0,
    };
    let clause = reader.or()?;
    match reader.tokens.is_empty() {
        true => Ok(clause),
        false => Err(faulty("something follows the condition")),
    }
}

fn faulty(what: &str) -> Problem {
    Problem::new(Kind::Value, format!("_filter does not read: {what}."))
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Open,
    Close,
    Word(String),
    Text(String),
}

fn tokens(text: &str) -> Result<Vec<Token>, Problem> {
    let mut tokens = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let token = match letter {
            ' ' => continue,
            '(' => Token::Open,
            ')' => Token::Close,
            '[' | ']' => {
                return Err(unsupported(
                    "_filter with conditions in square brackets is not supported.",
                ));
            }
            '"' => {
                let mut text = String::new();
                loop {
                    match letters.next() {
                        Some('"') => break,
                        Some('\\') => text.extend(letters.next()),
                        Some(letter) => text.push(letter),
                        None => return Err(faulty("a text has no end")),
                    }
                }
                Token::Text(text)
            }
            first => {
                let mut word = String::from(first);
                while let Some(next) = letters.next_if(|next| !matches!(next, ' ' | '(' | ')')) {
                    word.push(next);
                }
                Token::Word(word)
            }
        };
        tokens.push(token);
        if tokens.len() > TOKENS_MAX {
            return Err(Problem::new(Kind::TooCostly, "_filter is too long."));
        }
    }
    Ok(tokens)
}

struct Reader<'r> {
    context: Context<'r>,
    ty: &'r str,
    steps: usize,
    tokens: &'r [Token],
    depth: usize,
}

impl<'r> Reader<'r> {
    fn next(&mut self) -> Option<&'r Token> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    fn takes_word(&mut self, wanted: &str) -> bool {
        let is_next = matches!(self.tokens.first(), Some(Token::Word(word)) if word == wanted);
        if is_next {
            self.next();
        }
        is_next
    }

    fn or(&mut self) -> Result<Clause, Problem> {
        let mut any = vec![self.and()?];
        while self.takes_word("or") {
            any.push(self.and()?);
        }
        Ok(match (any.len(), any.pop()) {
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
        })
    }

    fn and(&mut self) -> Result<Clause, Problem> {
        let mut all = vec![self.one()?];
        while self.takes_word("and") {
            all.push(self.one()?);
        }
        Ok(match (all.len(), all.pop()) {
            (1, Some(only)) => only,
            (_, last) => Clause::all(all.into_iter().chain(last).collect()),
        })
    }

    fn one(&mut self) -> Result<Clause, Problem> {
        let negated = self.takes_word("not");
        match self.next() {
            Some(Token::Open) => {
                self.depth += 1;
                if self.depth > DEPTH_MAX {
                    return Err(Problem::new(
                        Kind::TooCostly,
                        "_filter has too many brackets.",
                    ));
                }
                let inner = self.or()?;
                if self.next() != Some(&Token::Close) {
                    return Err(faulty("a bracket is not closed"));
                }
                self.depth -= 1;
                Ok(match negated {
                    true => not(inner),
                    false => inner,
                })
            }
            Some(Token::Word(name)) if !negated => self.comparison(name),
            _ => Err(faulty("a parameter's name or a bracket was expected")),
        }
    }

    fn comparison(&mut self, name: &str) -> Result<Clause, Problem> {
        let (operator, value) = match (self.next(), self.next()) {
            (Some(Token::Word(operator)), Some(Token::Word(value) | Token::Text(value))) => {
                (operator.as_str(), value.as_str())
            }
            _ => return Err(faulty("a comparison is parameter, operator, value")),
        };
        if let Some((head, rest)) = name.split_once('.') {
            // The comparison is the chain's last step.
            return self.chained(head, rest, operator, value);
        }
        compared(self.context, self.ty, name, operator, value)
    }

    fn chained(
        &self,
        head: &str,
        rest: &str,
        operator: &str,
        value: &str,
    ) -> Result<Clause, Problem> {
        let reference = known(self.context, self.ty, Asked::of(head).code)?;
        let types: Vec<&str> = match Asked::of(head).modifier {
            Some(ty) => vec![ty],
            None => reference.targets.clone(),
        };
        if self.steps == 0 || rest.contains('.') {
            return Err(unsupported(
                "Chains of more than one step are not supported in _filter.",
            ));
        }
        let found = types.into_iter().filter_map(|ty| {
            let clause = compared(self.context, ty, rest, operator, value).ok()?;
            let clause = Box::new(clause);
            let ty = ty.to_string();
            Some(Criterion::Chain { ty, clause })
        });
        let criteria: Vec<Criterion> = found.take(12).collect();
        if criteria.is_empty() {
            return Err(faulty(
                "no type has the chain's parameter, or the value does not fit it",
            ));
        }
        Ok(Clause {
            code: reference.code.to_string(),
            negated: false,
            criteria,
        })
    }
}

fn not(clause: Clause) -> Clause {
    Clause {
        negated: true,
        ..Clause::all(vec![clause])
    }
}

/// What separators mean in a query they do not mean here.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for letter in value.chars() {
        if matches!(letter, ',' | '\\' | '$') {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

fn compared(
    context: Context<'_>,
    ty: &str,
    name: &str,
    operator: &str,
    value: &str,
) -> Result<Clause, Problem> {
    let kind = match name {
        "_id" => ParameterKind::Token,
        "_lastUpdated" => ParameterKind::Date,
        _ => known(context, ty, name)?.kind,
    };
    let with = |modifier: &str, value: &str| {
        let name = match modifier {
            "" => name.to_string(),
            modifier => format!("{name}:{modifier}"),
        };
        let asked = Asked::of(&name);
        of_values(context, ty, &asked, &[escaped(value)])
    };
    let is_string = kind == ParameterKind::String;
    let text = |criterion: fn(String) -> Criterion| match fold(value) {
        folded if folded.is_empty() => Err(faulty("a text has no letter to look for")),
        folded => Ok(Clause::one(name, criterion(folded))),
    };
    match operator {
        "eq" if is_string => text(Criterion::StringIs),
        "ne" if is_string => text(Criterion::StringIs).map(not),
        "co" if is_string => text(Criterion::StringContains),
        "sw" if is_string => text(Criterion::StringStarts),
        "ew" if is_string => text(Criterion::StringEnds),
        "eq" => with("", value),
        "ne" => with("", value).map(not),
        "gt" | "lt" | "ge" | "le" | "ap" | "sa" | "eb"
            if matches!(
                kind,
                ParameterKind::Date | ParameterKind::Number | ParameterKind::Quantity
            ) =>
        {
            with("", &format!("{operator}{value}"))
        }
        // The periods overlap: it starts before the value ends, and ends after the value starts.
        "po" if kind == ParameterKind::Date => {
            let none_before = with("", &format!("sa{value}")).map(not)?;
            let none_after = with("", &format!("eb{value}")).map(not)?;
            let some = with("missing", "false")?;
            Ok(Clause::all(vec![some, none_before, none_after]))
        }
        "pr" => match value {
            "true" => with("missing", "false"),
            "false" => with("missing", "true"),
            _ => Err(faulty("pr is true or false")),
        },
        "ss" => with("above", value),
        "sb" => with("below", value),
        "in" => with("in", value),
        "ni" => with("not-in", value),
        "re" if kind == ParameterKind::Reference => with("", value),
        _ => Err(unsupported(
            "This operator of _filter is not supported for this parameter.",
        )),
    }
}
