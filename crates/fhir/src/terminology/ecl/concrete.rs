//! Concrete values of attributes in ECL: numbers, texts and truths, as in `1142135004 >= #250` and
//! `774159003 = "Brandname"`.

use super::Reader;
use crate::fhirpath::Decimal;
use crate::problem::{Kind, Problem};
use crate::search::fold;
use crate::terminology::words::words;

/// What is asked of a concrete value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Concrete {
    Number(Comparison, Decimal),
    /// One of the terms, or with `is` false none of them.
    Text {
        is: bool,
        terms: Vec<Term>,
    },
    Truth(bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What is asked of a text, without its case and accents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Term {
    /// Each of these begins a word of it.
    Words(Vec<String>),
    /// It is these parts, with anything between them.
    Wild(Vec<String>),
}

/// The longer signs before those that begin them.
const COMPARISONS: &[(&str, Comparison)] = &[
    ("!=", Comparison::Unequal),
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("=", Comparison::Equal),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

/// Whether a relationship's value is concrete, as release files write it (`#250`, `"Brandname"`, `true`),
/// rather than a concept.
pub fn is_concrete(value: &str) -> bool {
    value.starts_with(['#', '"']) || truth(value).is_some()
}

fn truth(value: &str) -> Option<bool> {
    match value {
        _ if value.eq_ignore_ascii_case("true") => Some(true),
        _ if value.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

impl Concrete {
    /// Whether a relationship's value is so; a value of another kind is not, whatever is asked.
    pub fn holds(&self, value: &str) -> bool {
        match self {
            Concrete::Number(comparison, than) => {
                let number = value.strip_prefix('#').and_then(Decimal::parse);
                number.is_some_and(|number| comparison.holds(&number, than))
            }
            Concrete::Text { is, terms } => {
                let text = value
                    .strip_prefix('"')
                    .and_then(|rest| rest.strip_suffix('"'));
                text.is_some_and(|text| terms.iter().any(|term| term.holds(text)) == *is)
            }
            Concrete::Truth(wanted) => truth(value) == Some(*wanted),
        }
    }

    /// How every value for which it may hold begins.
    pub fn start(&self) -> &'static str {
        match self {
            Concrete::Number(..) => "#",
            Concrete::Text { .. } => "\"",
            Concrete::Truth(_) => "",
        }
    }
}

impl Comparison {
    fn holds(self, number: &Decimal, than: &Decimal) -> bool {
        match self {
            Comparison::Equal => number == than,
            Comparison::Unequal => number != than,
            Comparison::Less => number < than,
            Comparison::LessOrEqual => number <= than,
            Comparison::Greater => number > than,
            Comparison::GreaterOrEqual => number >= than,
        }
    }
}

impl Term {
    fn holds(&self, text: &str) -> bool {
        match self {
            Term::Words(wanted) => {
                let known = words(text);
                let begins = |wanted: &String| known.iter().any(|word| word.starts_with(wanted));
                wanted.iter().all(begins)
            }
            Term::Wild(parts) => is_of_parts(parts, &fold(text)),
        }
    }
}

/// Whether the text is these parts in their order, with anything between them.
fn is_of_parts(parts: &[String], text: &str) -> bool {
    let Some((first, rest)) = parts.split_first() else {
        return false;
    };
    let Some((last, between)) = rest.split_last() else {
        return text == first;
    };
    let Some(mut left) = text.strip_prefix(first.as_str()) else {
        return false;
    };
    for part in between {
        match left.split_once(part.as_str()) {
            Some((_, after)) => left = after,
            None => return false,
        }
    }
    left.ends_with(last.as_str())
}

impl Reader<'_> {
    pub(super) fn comparison(&mut self) -> Option<Comparison> {
        let found = COMPARISONS.iter().find(|(sign, _)| self.take(sign));
        found.map(|(_, comparison)| *comparison)
    }

    /// A concrete value; `None` if none stands there.
    pub(super) fn concrete(&mut self, comparison: Comparison) -> Result<Option<Concrete>, Problem> {
        if self.take("#") {
            return self
                .decimal()
                .map(|than| Some(Concrete::Number(comparison, than)));
        }
        let is = match comparison {
            Comparison::Equal => true,
            Comparison::Unequal => false,
            _ => return Err(self.unread()),
        };
        for (word, truth) in [("true", true), ("false", false)] {
            if self.word(word) {
                return Ok(Some(Concrete::Truth(truth == is)));
            }
        }
        if self.is_term() {
            let terms = vec![self.term()?];
            return Ok(Some(Concrete::Text { is, terms }));
        }
        let start = self.rest;
        if !self.take("(") || !self.is_term() {
            self.rest = start;
            return Ok(None);
        }
        let mut terms = Vec::new();
        while self.is_term() {
            terms.push(self.term()?);
        }
        match self.take(")") {
            true => Ok(Some(Concrete::Text { is, terms })),
            false => Err(self.unread()),
        }
    }

    fn decimal(&mut self) -> Result<Decimal, Problem> {
        let is_part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'+' | b'-');
        let end = self.rest.bytes().take_while(|byte| is_part(byte)).count();
        let (text, rest) = self.rest.split_at(end);
        let Some(number) = Decimal::parse(text).filter(|_| !text.ends_with('.')) else {
            return Err(self.unread());
        };
        self.rest = rest;
        self.blank();
        Ok(number)
    }

    fn is_term(&self) -> bool {
        let is_kind = |kind: &str| {
            let head = self.rest.get(..kind.len());
            let after = self.rest.get(kind.len()..).unwrap_or_default();
            head.is_some_and(|head| head.eq_ignore_ascii_case(kind))
                && after.trim_start().starts_with(':')
        };
        self.rest.starts_with('"') || is_kind("match") || is_kind("wild")
    }

    /// `"heart att"`, `match: "heart att"`, `wild: "*card*"`
    fn term(&mut self) -> Result<Term, Problem> {
        let is_wild = self.word("wild");
        if (is_wild || self.word("match")) && !self.take(":") {
            return Err(self.unread());
        }
        let start = self.rest;
        let text = self.quoted()?;
        let term = match is_wild {
            true => Term::Wild(text.split('*').map(fold).collect()),
            false => Term::Words(words(&text)),
        };
        if matches!(&term, Term::Words(words) if words.is_empty()) {
            self.rest = start;
            return Err(Problem::new(
                Kind::Value,
                "A text of the ECL expression has no letter to look for.",
            ));
        }
        Ok(term)
    }

    /// A text between quotes; a backslash takes the next sign as it is.
    fn quoted(&mut self) -> Result<String, Problem> {
        let Some(inner) = self.rest.strip_prefix('"') else {
            return Err(self.unread());
        };
        let mut text = String::new();
        let mut letters = inner.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    self.rest = inner.get(at + 1..).unwrap_or_default();
                    self.blank();
                    return Ok(text);
                }
                '\\' => text.extend(letters.next().map(|(_, letter)| letter)),
                letter => text.push(letter),
            }
        }
        Err(self.unread())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Refinement, Wanted, parse};
    use super::*;
    use crate::terminology::ecl::Ecl;

    fn concrete(text: &str) -> Concrete {
        match parse(&format!("73211009 : 363698007 {text}")).unwrap() {
            Ecl::Refined(_, refinement) => match *refinement {
                Refinement::Attribute(attribute) => match attribute.value {
                    Wanted::Concrete(concrete) => concrete,
                    other => panic!("{other:?}"),
                },
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        for (asked, value, expected) in [
            ("= #5", "#5", true),
            ("= #5", "#5.0", true),
            ("= #5", "#50", false),
            ("= #5", "\"5\"", false),
            ("!= #5", "#6", true),
            ("!= #5", "73211009", false),
            (">= #250", "#250", true),
            (">= #250", "#1000", true),
            ("> #250", "#250", false),
            ("<= #0.5", "#0.25", true),
            ("< #-1", "#-2.5", true),
            ("< # +3", "#2", true),
        ] {
            let asked = asked.replace("# ", "#");
            assert_eq!(concrete(&asked).holds(value), expected, "{asked} {value}");
        }
    }

    #[test]
    fn texts_are_found_by_their_words_or_by_their_parts() {
        for (asked, value, expected) in [
            (r#"= "panadol""#, r#""PANADOL""#, true),
            (r#"= "pana ext""#, r#""Panadol Extra""#, true),
            (r#"= match: "extra""#, r#""Panadol Extra""#, true),
            (r#"= "adol""#, r#""Panadol""#, false),
            (r#"= wild:"*adol""#, r#""Panadol""#, true),
            (r#"= wild:"pan*ol*""#, r#""Panadol""#, true),
            (r#"= wild:"pan""#, r#""Panadol""#, false),
            (r#"= wild : "p*x*l""#, r#""Panadol""#, false),
            (r#"= ("ibu" wild:"pan*")"#, r#""Panadol""#, true),
            (r#"!= "panadol""#, r#""Anadin""#, true),
            (r#"!= "panadol""#, r##"#5"##, false),
            (r#"= "a\"b""#, r#""a"b""#, true),
            ("= true", "TRUE", true),
            ("!= true", "false", true),
            ("= false", "#0", false),
        ] {
            assert_eq!(concrete(asked).holds(value), expected, "{asked} {value}");
        }
        assert!(is_concrete("#5") && is_concrete("\"x\"") && is_concrete("True"));
        assert!(!is_concrete("73211009"));
    }

    #[test]
    fn what_does_not_read_is_refused() {
        for text in [
            "= #",
            "= #5.",
            "= #5.5.5",
            "= #x",
            "< \"a\"",
            "< 73211009",
            "= \"a",
            "= \"--\"",
            "= (\"a\"",
            "= match \"a\"",
            "= wild:",
            ">= true",
            "=",
        ] {
            let refused = parse(&format!("73211009 : 363698007 {text}")).unwrap_err();
            assert_eq!(refused.kind, Kind::Value, "{text}");
        }
    }
}
