//! `_filter` (<https://hl7.org/fhir/R4/search_filter.html>): `name eq "x" and (date ge 2024 or
//! not(active eq true))`. `and` binds tighter than `or`. Each comparison becomes the clause that the
//! search parameter's own form would have made. A name may lead over references, several if need be,
//! each with a condition of its own in square brackets: `subject[active eq true].general-practitioner.name`.

use super::clause::{known, of_values};
use super::{Asked, Context, chain, unsupported};
use crate::definitions::Definitions;
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
    OpenSquare,
    CloseSquare,
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
            '[' => Token::OpenSquare,
            ']' => Token::CloseSquare,
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
                let parts = |next: &char| matches!(next, ' ' | '(' | ')' | '[' | ']');
                while let Some(next) = letters.next_if(|next| !parts(next)) {
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
                    return Err(too_many_brackets());
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

    fn comparison(&mut self, name: &'r str) -> Result<Clause, Problem> {
        let (path, last) = self.path(name)?;
        let (operator, value) = match (self.next(), self.next()) {
            (Some(Token::Word(operator)), Some(Token::Word(value) | Token::Text(value))) => {
                (operator.as_str(), value.as_str())
            }
            _ => return Err(faulty("a comparison is parameter, operator, value")),
        };
        self.led(self.ty, &path, self.steps, (last, operator, value))
    }

    /// The references that a name leads over, and the parameter at its end.
    fn path(&mut self, name: &'r str) -> Result<(Vec<Step<'r>>, &'r str), Problem> {
        let (mut path, mut rest) = (Vec::new(), name);
        loop {
            if let Some((head, behind)) = rest.split_once('.') {
                path.push(Step { head, only: &[] });
                rest = behind;
            } else if self.tokens.first() == Some(&Token::OpenSquare) {
                let only = self.bracketed()?;
                path.push(Step { head: rest, only });
                let behind = match self.next() {
                    Some(Token::Word(word)) => word.strip_prefix('.'),
                    _ => None,
                };
                rest =
                    behind.ok_or_else(|| faulty("a point and a name follow a square bracket"))?;
            } else {
                return Ok((path, rest));
            }
        }
    }

    /// What stands between the square brackets that come next.
    fn bracketed(&mut self) -> Result<&'r [Token], Problem> {
        let mut depth = 0_usize;
        for (at, token) in self.tokens.iter().enumerate() {
            match token {
                Token::OpenSquare => depth += 1,
                Token::CloseSquare => depth = depth.saturating_sub(1),
                _ => continue,
            }
            if depth == 0 {
                let inside = self.tokens.get(1..at).unwrap_or_default();
                self.tokens = self.tokens.get(at + 1..).unwrap_or_default();
                return match inside.is_empty() {
                    true => Err(faulty("there is nothing between square brackets")),
                    false => Ok(inside),
                };
            }
        }
        Err(faulty("a square bracket is not closed"))
    }

    /// The comparison at the end of a path that starts from a type.
    fn led(
        &self,
        ty: &str,
        path: &[Step<'r>],
        steps: usize,
        end: (&str, &str, &str),
    ) -> Result<Clause, Problem> {
        let Some((step, path)) = path.split_first() else {
            let (name, operator, value) = end;
            return compared(self.context, ty, name, operator, value);
        };
        let steps = steps
            .checked_sub(1)
            .ok_or_else(|| chain::too_deep(self.context))?;
        let asked = Asked::of(step.head);
        let reference = known(self.context, ty, asked.code)?;
        if reference.kind != ParameterKind::Reference {
            return Err(faulty("a name leads over what is no reference"));
        }
        let types: Vec<&str> = match asked.modifier {
            Some(ty) if Definitions::r4().is_resource(ty) => vec![ty],
            Some(_) => return Err(faulty("a chain's type is no resource type of FHIR R4")),
            None => reference.targets.clone(),
        };
        let (mut criteria, mut refused) = (Vec::new(), None);
        for ty in types {
            match self.inside(ty, step, path, steps, end) {
                Ok(clause) => criteria.push(Criterion::Chain {
                    ty: ty.to_string(),
                    clause: Box::new(clause),
                }),
                Err(problem) if problem.kind == Kind::TooCostly => return Err(problem),
                // Not every type has the parameter; at least one must.
                Err(problem) => refused = Some(problem),
            }
        }
        if criteria.is_empty() {
            let none = || faulty("no type has the chain's parameter");
            return Err(refused.unwrap_or_else(none));
        }
        if criteria.len() > chain::TYPES_MAX {
            let message = format!(
                "Say which type is meant, such as {}:Patient.",
                reference.code
            );
            return Err(Problem::new(Kind::TooCostly, message));
        }
        Ok(Clause {
            code: reference.code.to_string(),
            negated: false,
            criteria,
        })
    }

    /// What has to hold for the resource of that type at the other end of a step.
    fn inside(
        &self,
        ty: &str,
        step: &Step<'r>,
        path: &[Step<'r>],
        steps: usize,
        end: (&str, &str, &str),
    ) -> Result<Clause, Problem> {
        let clause = self.led(ty, path, steps, end)?;
        if step.only.is_empty() {
            return Ok(clause);
        }
        let depth = self.depth + 1;
        if depth > DEPTH_MAX {
            return Err(too_many_brackets());
        }
        let mut reader = Reader {
            context: self.context,
            ty,
            steps,
            tokens: step.only,
            depth,
        };
        let only = reader.or()?;
        match reader.tokens.is_empty() {
            true => Ok(Clause::all(vec![only, clause])),
            false => Err(faulty("something follows the condition in square brackets")),
        }
    }
}

/// A reference on the way to what is compared, and what is asked of what it leads to.
struct Step<'r> {
    head: &'r str,
    only: &'r [Token],
}

fn too_many_brackets() -> Problem {
    Problem::new(Kind::TooCostly, "_filter has too many brackets.")
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
            // A date to compare: there are values with none, such as a Timing of a frequency alone.
            let some = Clause::one(known(context, ty, name)?.code, Criterion::Missing(false));
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
