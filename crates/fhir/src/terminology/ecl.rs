//! SNOMED CT's Expression Constraint Language, the basic part
//! (<https://docs.snomed.org/snomed-ct-specifications/snomed-ct-expression-constraint-language>):
//! `<`, `<<`, `<!`, `>`, `>>`, `>!`, `^`, `*`, AND, OR, MINUS and brackets, with terms between pipes,
//! dots, and refinements with groups, reversed attributes and concrete values. Filters are refused by
//! name.

mod concrete;
mod refinement;

pub use concrete::{Comparison, Concrete, Term, is_concrete};
pub use refinement::{Attribute, Refinement, Times, Wanted};

use crate::problem::{Kind, Problem};

const BYTES_MAX: usize = 8000;
const DEPTH_MAX: u32 = 16;
const CONCEPTS_MAX: u32 = 500;

/// A constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ecl {
    Concept(String),
    Any,
    Related(Relation, Box<Ecl>),
    /// Members of these reference sets.
    Members(Box<Ecl>),
    And(Vec<Ecl>),
    Or(Vec<Ecl>),
    Minus(Box<Ecl>, Box<Ecl>),
    /// Those of which that holds.
    Refined(Box<Ecl>, Box<Refinement>),
    /// Where these attributes of those lead.
    Dotted(Box<Ecl>, Box<Ecl>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    Descendants,
    DescendantsOrSelf,
    Children,
    Ancestors,
    AncestorsOrSelf,
    Parents,
}

const SIGNS: &[(&str, Relation)] = &[
    ("<<", Relation::DescendantsOrSelf),
    ("<!", Relation::Children),
    ("<", Relation::Descendants),
    (">>", Relation::AncestorsOrSelf),
    (">!", Relation::Parents),
    (">", Relation::Ancestors),
];

/// Reads a constraint.
///
/// # Errors
/// `Value` with the place for what does not read, `NotSupported` for what is not built,
/// `TooCostly` for what is too long or too deep.
pub fn parse(text: &str) -> Result<Ecl, Problem> {
    if text.len() > BYTES_MAX {
        return Err(Problem::new(
            Kind::TooCostly,
            "The ECL expression is too long.",
        ));
    }
    let mut reader = Reader {
        text,
        rest: text,
        depth: 0,
        concepts: 0,
    };
    let found = reader.compound()?;
    if reader.rest.is_empty() {
        Ok(found)
    } else {
        Err(reader.unread())
    }
}

struct Reader<'t> {
    text: &'t str,
    rest: &'t str,
    depth: u32,
    concepts: u32,
}

impl Reader<'_> {
    fn blank(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, sign: &str) -> bool {
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                self.blank();
                true
            }
            None => false,
        }
    }

    /// A word that stands alone, in either case.
    fn word(&mut self, word: &str) -> bool {
        let Some((head, tail)) = self.rest.split_at_checked(word.len()) else {
            return false;
        };
        let alone = tail
            .chars()
            .next()
            .is_none_or(|next| !next.is_alphanumeric());
        if alone && head.eq_ignore_ascii_case(word) {
            self.rest = tail;
            self.blank();
            return true;
        }
        false
    }

    fn unread(&self) -> Problem {
        let at = self.text.len() - self.rest.len() + 1;
        if self.rest.starts_with("{{") {
            let message = format!("ECL filters are not supported (character {at}).");
            return Problem::new(Kind::NotSupported, message);
        }
        Problem::new(
            Kind::Value,
            format!("The ECL expression does not read from character {at} on."),
        )
    }

    /// One kind of word between all its parts, as the specification asks.
    fn compound(&mut self) -> Result<Ecl, Problem> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Problem::new(
                Kind::TooCostly,
                "The ECL expression is nested too deep.",
            ));
        }
        self.blank();
        let first = self.simple()?;
        let found = if self.rest.starts_with('.') {
            self.dotted(first)?
        } else if self.take(":") {
            Ecl::Refined(Box::new(first), Box::new(self.refinement()?))
        } else if self.is_and() {
            Ecl::And(self.parts(first, Reader::is_and)?)
        } else if self.word("OR") {
            Ecl::Or(self.parts(first, |reader| reader.word("OR"))?)
        } else if self.word("MINUS") {
            Ecl::Minus(Box::new(first), Box::new(self.simple()?))
        } else {
            first
        };
        self.depth -= 1;
        Ok(found)
    }

    /// `. 363698007 . 116676008`
    fn dotted(&mut self, first: Ecl) -> Result<Ecl, Problem> {
        let mut found = first;
        for _ in 0..DEPTH_MAX {
            if !self.take(".") {
                return Ok(found);
            }
            found = Ecl::Dotted(Box::new(found), Box::new(self.simple()?));
        }
        Err(Problem::new(
            Kind::TooCostly,
            "The ECL expression has too many dots.",
        ))
    }

    fn is_and(&mut self) -> bool {
        self.word("AND") || self.take(",")
    }

    /// The parts, where the first word between them has been read.
    fn parts(
        &mut self,
        first: Ecl,
        between: impl Fn(&mut Self) -> bool,
    ) -> Result<Vec<Ecl>, Problem> {
        let mut parts = vec![first, self.simple()?];
        while between(self) {
            parts.push(self.simple()?);
        }
        Ok(parts)
    }

    fn simple(&mut self) -> Result<Ecl, Problem> {
        let relation = SIGNS.iter().find(|(sign, _)| self.rest.starts_with(sign));
        if let Some((sign, relation)) = relation {
            self.take(sign);
            let inner = self.focus()?;
            return Ok(Ecl::Related(*relation, Box::new(inner)));
        }
        self.focus()
    }

    fn focus(&mut self) -> Result<Ecl, Problem> {
        if self.take("^") {
            return Ok(Ecl::Members(Box::new(self.plain()?)));
        }
        self.plain()
    }

    fn plain(&mut self) -> Result<Ecl, Problem> {
        if self.take("*") {
            return Ok(Ecl::Any);
        }
        if self.take("(") {
            let inner = self.compound()?;
            return if self.take(")") {
                Ok(inner)
            } else {
                Err(self.unread())
            };
        }
        let end = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (id, rest) = self.rest.split_at(end);
        if !(6..=18).contains(&id.len()) {
            return Err(self.unread());
        }
        self.concepts += 1;
        if self.concepts > CONCEPTS_MAX {
            return Err(Problem::new(
                Kind::TooCostly,
                "The ECL expression names too many concepts.",
            ));
        }
        let id = id.to_string();
        self.rest = rest;
        self.blank();
        if self.rest.starts_with('|') {
            let (_, after) = self
                .rest
                .get(1..)
                .and_then(|term| term.split_once('|'))
                .ok_or_else(|| self.unread())?;
            self.rest = after;
            self.blank();
        }
        Ok(Ecl::Concept(id))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn concept(id: &str) -> Box<Ecl> {
        Box::new(Ecl::Concept(id.into()))
    }

    #[test]
    fn constraints_read() {
        assert_eq!(
            parse(" 73211009 |Diabetes mellitus| ").unwrap(),
            *concept("73211009")
        );
        let below = |id| Ecl::Related(Relation::DescendantsOrSelf, concept(id));
        assert_eq!(parse("<< 73211009").unwrap(), below("73211009"));
        assert_eq!(
            parse("(<<73211009 OR <<46635009) MINUS ^ 991411000000109 |set|").unwrap(),
            Ecl::Minus(
                Box::new(Ecl::Or(vec![below("73211009"), below("46635009")])),
                Box::new(Ecl::Members(concept("991411000000109"))),
            )
        );
        assert_eq!(
            parse("73211009, 46635009 and *").unwrap(),
            Ecl::And(vec![*concept("73211009"), *concept("46635009"), Ecl::Any])
        );
        assert_eq!(
            parse("<(<! 73211009)").unwrap(),
            Ecl::Related(
                Relation::Descendants,
                Box::new(Ecl::Related(Relation::Children, concept("73211009")))
            )
        );
        assert_eq!(
            parse("<< 73211009 . 363698007 |site| . <<46635009").unwrap(),
            Ecl::Dotted(
                Box::new(Ecl::Dotted(
                    Box::new(below("73211009")),
                    concept("363698007")
                )),
                Box::new(below("46635009")),
            )
        );
    }

    #[test]
    fn what_does_not_read_is_refused_with_its_place() {
        for (text, kind) in [
            ("", Kind::Value),
            ("<<", Kind::Value),
            ("12345", Kind::Value),
            ("73211009 |open", Kind::Value),
            ("(73211009", Kind::Value),
            ("73211009 AND 46635009 OR 46635009", Kind::Value),
            ("73211009 OR", Kind::Value),
            ("< 73211009 .", Kind::Value),
            ("73211009 . 363698007 AND 46635009", Kind::Value),
            ("[", Kind::Value),
            ("< 73211009 {{ term = \"x\" }}", Kind::NotSupported),
        ] {
            assert_eq!(parse(text).unwrap_err().kind, kind, "{text}");
        }
        assert_eq!(parse(&"(".repeat(50)).unwrap_err().kind, Kind::TooCostly);
        let dots = format!("73211009{}", " . 363698007".repeat(30));
        assert_eq!(parse(&dots).unwrap_err().kind, Kind::TooCostly);
        assert_eq!(parse(&" ".repeat(9000)).unwrap_err().kind, Kind::TooCostly);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = parse(&text);
        }

        #[test]
        fn no_text_of_its_signs_makes_it_panic(text in "[<>!^*() |0-9ANDORMIUSé:={}.#\"\\[\\]]{0,60}") {
            let _ = parse(&text);
        }
    }
}
