//! Refinements of ECL: what relationships a concept must have, as in
//! `< 404684003 : { 363698007 = << 39057004, [0..0] 116676008 = * }`.

use super::{Comparison, Concrete, DEPTH_MAX, Ecl, Reader};
use crate::problem::{Kind, Problem};

/// What is asked of a concept's relationships.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refinement {
    Attribute(Attribute),
    /// For so many groups of relationships does what is inside hold. No group stands in another.
    Group(Times, Box<Refinement>),
    /// Never empty, as `Or`.
    And(Vec<Refinement>),
    Or(Vec<Refinement>),
}

/// So many relationships of one of these kinds have such a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    pub times: Times,
    /// They lead from such a concept to the one that is asked about, and not from it (`R`).
    pub is_reversed: bool,
    pub name: Ecl,
    pub value: Wanted,
}

/// What a relationship is to lead to; or, where it is reversed, from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// One of these concepts.
    Is(Ecl),
    /// A concept that is none of these.
    IsNot(Ecl),
    /// A number, a text or a truth. Never of a reversed attribute.
    Concrete(Concrete),
}

/// How often; without a bound above if `most` is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    pub least: u32,
    pub most: Option<u32>,
}

impl Default for Times {
    fn default() -> Times {
        Times {
            least: 1,
            most: None,
        }
    }
}

impl Times {
    /// Whether that often is neither too seldom nor too often.
    pub fn has(self, count: usize) -> bool {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        count >= self.least && self.most.is_none_or(|most| count <= most)
    }
}

impl Reader<'_> {
    /// What stands behind a colon. One kind of word between all its parts.
    pub(super) fn refinement(&mut self) -> Result<Refinement, Problem> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            let message = "The ECL expression is nested too deep.";
            return Err(Problem::new(Kind::TooCostly, message));
        }
        let mut parts = vec![self.part()?];
        let is_and = self.is_and();
        if is_and || self.word("OR") {
            parts.push(self.part()?);
            while (is_and && self.is_and()) || (!is_and && self.word("OR")) {
                parts.push(self.part()?);
            }
        }
        self.depth -= 1;
        Ok(match (parts.len(), is_and) {
            (1, _) => parts.remove(0),
            (_, true) => Refinement::And(parts),
            (_, false) => Refinement::Or(parts),
        })
    }

    fn part(&mut self) -> Result<Refinement, Problem> {
        let times = self.times()?;
        if self.take("{") {
            let inner = self.refinement()?;
            if has_group(&inner) || !self.take("}") {
                return Err(self.unread());
            }
            if has_reversed(&inner) {
                let message =
                    "Reversed attributes within groups are not supported in ECL refinements.";
                return Err(Problem::new(Kind::NotSupported, message));
            }
            return Ok(Refinement::Group(
                times.unwrap_or_default(),
                Box::new(inner),
            ));
        }
        let (rest, depth) = (self.rest, self.depth);
        if times.is_none() && self.take("(") {
            // A bracket around parts, or around what names an attribute.
            if let Ok(inner) = self.refinement()
                && self.take(")")
            {
                return Ok(inner);
            }
            (self.rest, self.depth) = (rest, depth);
        }
        self.attribute(times.unwrap_or_default())
    }

    fn attribute(&mut self, times: Times) -> Result<Refinement, Problem> {
        let is_reversed = self.word("R") || self.word("reverseOf");
        let name = self.simple()?;
        let comparison = self.comparison().ok_or_else(|| self.unread())?;
        let value = match (self.concrete(comparison)?, comparison) {
            (Some(_), _) if is_reversed => {
                let message =
                    "A reversed attribute leads from a concept, and not from a number or text.";
                return Err(Problem::new(Kind::Value, message));
            }
            (Some(concrete), _) => Wanted::Concrete(concrete),
            (None, Comparison::Unequal) => Wanted::IsNot(self.simple()?),
            (None, _) => Wanted::Is(self.simple()?),
        };
        Ok(Refinement::Attribute(Attribute {
            times,
            is_reversed,
            name,
            value,
        }))
    }

    /// `[0..3]`, `[1..*]`
    fn times(&mut self) -> Result<Option<Times>, Problem> {
        if !self.take("[") {
            return Ok(None);
        }
        let least = self.number().ok_or_else(|| self.unread())?;
        if !self.take("..") {
            return Err(self.unread());
        }
        let most = match self.take("*") {
            true => None,
            false => Some(self.number().ok_or_else(|| self.unread())?),
        };
        if most.is_some_and(|most| most < least) || !self.take("]") {
            return Err(self.unread());
        }
        Ok(Some(Times { least, most }))
    }

    fn number(&mut self) -> Option<u32> {
        let end = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at_checked(end)?;
        let number = digits.parse().ok()?;
        self.rest = rest;
        self.blank();
        Some(number)
    }
}

fn has_group(refinement: &Refinement) -> bool {
    match refinement {
        Refinement::Attribute(_) => false,
        Refinement::Group(..) => true,
        Refinement::And(parts) | Refinement::Or(parts) => parts.iter().any(has_group),
    }
}

/// A group is of relationships that lead from a concept, not of those that lead to it.
fn has_reversed(refinement: &Refinement) -> bool {
    match refinement {
        Refinement::Attribute(attribute) => attribute.is_reversed,
        Refinement::Group(_, inner) => has_reversed(inner),
        Refinement::And(parts) | Refinement::Or(parts) => parts.iter().any(has_reversed),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn concept(id: &str) -> Ecl {
        Ecl::Concept(id.into())
    }

    fn is(name: &str, value: &str) -> Refinement {
        Refinement::Attribute(Attribute {
            times: Times::default(),
            is_reversed: false,
            name: concept(name),
            value: Wanted::Is(concept(value)),
        })
    }

    fn refinement(text: &str) -> Refinement {
        match parse(&format!("73211009 : {text}")).unwrap() {
            Ecl::Refined(focus, refinement) => {
                assert_eq!(*focus, concept("73211009"));
                *refinement
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn attributes_groups_and_words_read() {
        let (a, b) = ("363698007", "116676008");
        assert_eq!(refinement("363698007 |site| = 73211009"), is(a, "73211009"));
        assert_eq!(
            refinement("363698007 = 73211009, 116676008 = 73211009"),
            Refinement::And(vec![is(a, "73211009"), is(b, "73211009")])
        );
        assert_eq!(
            refinement("363698007=73211009 OR { 116676008 = 73211009 }"),
            Refinement::Or(vec![
                is(a, "73211009"),
                Refinement::Group(Times::default(), Box::new(is(b, "73211009"))),
            ])
        );
        assert_eq!(
            refinement("(363698007=73211009 OR 116676008=73211009) AND 363698007=46635009"),
            Refinement::And(vec![
                Refinement::Or(vec![is(a, "73211009"), is(b, "73211009")]),
                is(a, "46635009"),
            ])
        );
        let none = Times {
            least: 0,
            most: Some(0),
        };
        assert_eq!(
            refinement("[0..0] (363698007 OR 116676008) != *"),
            Refinement::Attribute(Attribute {
                times: none,
                is_reversed: false,
                name: Ecl::Or(vec![concept(a), concept(b)]),
                value: Wanted::IsNot(Ecl::Any),
            })
        );
        for text in ["R 363698007 = 73211009", "reverseOf 363698007 = 73211009"] {
            assert_eq!(
                refinement(text),
                Refinement::Attribute(Attribute {
                    times: Times::default(),
                    is_reversed: true,
                    name: concept(a),
                    value: Wanted::Is(concept("73211009")),
                })
            );
        }
        let (_, without_times) = (none.has(0), none.has(1));
        assert!(none.has(0) && !without_times && Times::default().has(9));
    }

    #[test]
    fn what_is_not_built_is_refused_by_name_and_what_does_not_read_by_place() {
        for (text, kind) in [
            ("{ R 363698007 = 73211009 }", Kind::NotSupported),
            ("R 363698007 = #5", Kind::Value),
            ("{ { 363698007 = * } }", Kind::Value),
            ("363698007", Kind::Value),
            ("363698007 =", Kind::Value),
            ("[2..1] 363698007 = *", Kind::Value),
            ("{ 363698007 = *", Kind::Value),
            (
                "363698007 = * AND 116676008 = * OR 363698007 = *",
                Kind::Value,
            ),
        ] {
            let refused = parse(&format!("73211009 : {text}")).unwrap_err();
            assert_eq!(refused.kind, kind, "{text}: {}", refused.message);
        }
        let deep = format!("73211009 : {}", "(".repeat(50));
        assert_eq!(parse(&deep).unwrap_err().kind, Kind::TooCostly);
    }
}
