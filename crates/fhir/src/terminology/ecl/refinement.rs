//! Refinements of ECL: what relationships a concept must have, as in
//! `< 404684003 : { 363698007 = << 39057004, [0..0] 116676008 = * }`.

use super::{DEPTH_MAX, Ecl, Reader};
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

/// So many relationships of one of these kinds lead to one of these concepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    pub times: Times,
    pub name: Ecl,
    /// `false` for `!=`: they lead to another.
    pub is: bool,
    pub value: Ecl,
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
        if self.word("R") {
            return Err(unsupported("Reversed attributes (R)"));
        }
        let name = self.simple()?;
        let is = match (self.take("!="), self.take("=")) {
            (true, _) => false,
            (_, true) => true,
            _ => return Err(self.unread()),
        };
        if self.rest.starts_with(['#', '"']) {
            return Err(unsupported("Numbers and texts as values"));
        }
        let value = self.simple()?;
        Ok(Refinement::Attribute(Attribute {
            times,
            name,
            is,
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

fn unsupported(what: &str) -> Problem {
    Problem::new(
        Kind::NotSupported,
        format!("{what} are not supported in ECL refinements."),
    )
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
            name: concept(name),
            is: true,
            value: concept(value),
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
                name: Ecl::Or(vec![concept(a), concept(b)]),
                is: false,
                value: Ecl::Any,
            })
        );
        let (_, without_times) = (none.has(0), none.has(1));
        assert!(none.has(0) && !without_times && Times::default().has(9));
    }

    #[test]
    fn what_is_not_built_is_refused_by_name_and_what_does_not_read_by_place() {
        for (text, kind) in [
            ("R 363698007 = 73211009", Kind::NotSupported),
            ("363698007 = #5", Kind::NotSupported),
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
