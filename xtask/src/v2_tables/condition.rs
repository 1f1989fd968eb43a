//! The published conditions ("IF PID-25 NOT VALUED"), read into data.
//!
//! They are written by hand and vary: `IS VALUED`, `EQUALS`, `IS IN`, subjects that share one
//! predicate (`MSH-3 AND MSH-24 VALUED`), missing subjects and missing brackets. What is not
//! understood whole is not understood at all.

use hl7v2::to_fhir::tables::{Condition, Source};

/// Reads a condition; `own` is the row's own field, meant where no subject is written.
pub fn condition(text: &str, own: Option<Source>) -> Option<Condition> {
    let tokens = tokens(text)?;
    let mut reader = Reader {
        tokens: &tokens,
        own,
    };
    let condition = reader.any()?;
    reader.tokens.is_empty().then_some(condition)
}

/// Reads `OBX-5.1`, `XTN.3` or `PID`: capitals and digits, then numbers.
pub fn source(text: &str) -> Option<Source> {
    let mut pieces = text.split(['-', '.']);
    let of = pieces.next().filter(|of| {
        (2..=3).contains(&of.len())
            && of.starts_with(|c: char| c.is_ascii_uppercase())
            && of
                .chars()
                .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
    })?;
    let at = pieces
        .map(|p| p.parse().ok())
        .collect::<Option<Vec<u16>>>()?;
    Some(Source {
        of: of.to_owned(),
        at,
    })
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Open,
    Close,
    Comma,
    Word(String),
    Text(String),
    Path(Source),
    Number(usize),
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim();
    while let Some(first) = rest.chars().next() {
        let one = |token| (token, rest.get(1..).unwrap_or(""));
        let (token, tail) = match first {
            '(' => one(Token::Open),
            ')' => one(Token::Close),
            ',' => one(Token::Comma),
            '=' => one(Token::Word("EQUALS".into())),
            '>' => one(Token::Word("GREATER".into())),
            '"' | '\'' => {
                let (quoted, tail) = rest.get(1..)?.split_once(first)?;
                (Token::Text(quoted.to_owned()), tail)
            }
            _ => {
                let end = rest
                    .find(|c: char| c.is_whitespace() || "(),=\"'>".contains(c))
                    .unwrap_or(rest.len());
                let (word, tail) = rest.split_at(end);
                (word_token(word), tail)
            }
        };
        tokens.push(token);
        rest = tail.trim_start();
    }
    Some(tokens)
}

fn word_token(word: &str) -> Token {
    const WORDS: [&str; 4] = ["IF", "IS", "IN", "OR"];
    match source(word) {
        Some(path) if !WORDS.contains(&word) && (word.contains(['-', '.']) || is_segment(word)) => {
            Token::Path(path)
        }
        _ => match word.parse() {
            Ok(number) => Token::Number(number),
            Err(_) => Token::Word(word.to_ascii_uppercase()),
        },
    }
}

fn is_segment(word: &str) -> bool {
    ["PID", "ORC"].contains(&word)
}

/// What is said of a subject.
#[derive(Clone)]
enum Predicate {
    Valued,
    In(Vec<String>),
    More(usize),
    Longer(usize),
}

struct Reader<'t> {
    tokens: &'t [Token],
    own: Option<Source>,
}

impl Reader<'_> {
    fn any(&mut self) -> Option<Condition> {
        let mut parts = vec![self.all()?];
        while self.word("OR") {
            parts.push(self.all()?);
        }
        Some(single(parts, Condition::Any))
    }

    fn all(&mut self) -> Option<Condition> {
        let mut parts = vec![self.one()?];
        loop {
            let joined = self.word("AND");
            // "XCN.19 NOT VALUED XCN.20 NOT VALUED" means both.
            if !joined && !matches!(self.tokens.first(), Some(Token::Path(_))) {
                break;
            }
            parts.push(self.one()?);
        }
        Some(single(parts, Condition::All))
    }

    fn one(&mut self) -> Option<Condition> {
        self.word("IF");
        if self.token(&Token::Open) {
            let inner = self.any()?;
            // A bracket that is never closed ends with the text.
            if !self.token(&Token::Close) && !self.tokens.is_empty() {
                return None;
            }
            return Some(inner);
        }
        self.subjects()
    }

    /// One or more subjects that share a predicate: `MSH-3 AND MSH-24 VALUED`.
    fn subjects(&mut self) -> Option<Condition> {
        let mut subjects = Vec::new();
        let mut all = true;
        while let [Token::Path(path), rest @ ..] = self.tokens {
            subjects.push(path.clone());
            self.tokens = rest;
            match rest {
                [Token::Word(w), Token::Path(_), ..] if w == "AND" || w == "OR" => {
                    all = w == "AND";
                    self.tokens = rest.get(1..)?;
                }
                _ => break,
            }
        }
        if subjects.is_empty() {
            subjects.push(self.own.clone()?);
        }
        let (negated, predicate) = self.predicate()?;
        let parts = subjects
            .into_iter()
            .map(|s| applied(s, predicate.clone(), negated))
            .collect();
        Some(single(
            parts,
            if all { Condition::All } else { Condition::Any },
        ))
    }

    fn predicate(&mut self) -> Option<(bool, Predicate)> {
        self.word("IS");
        let mut negated = self.word("NOT");
        if self.word("DOES") {
            (self.word("NOT") && self.word("EXIST")).then_some(())?;
            return Some((true, Predicate::Valued));
        }
        if self.word("EMPTY") {
            return Some((!negated, Predicate::Valued));
        }
        if self.word("VALUED") || self.word("VALUE") {
            return Some((negated, Predicate::Valued));
        }
        if self.word("LENGTH") {
            (self.word("GREATER") && self.word("THAN")).then_some(())?;
            return Some((negated, Predicate::Longer(self.number()?)));
        }
        if self.word("LST.COUNT") || self.word("COUNT") {
            return self.count();
        }
        if self.word("EQUALS") || self.word("EQUAL") {
            self.word("TO");
        }
        self.word("IS");
        negated |= self.word("NOT");
        if self.word("IN") {
            return Some((negated, Predicate::In(self.list()?)));
        }
        Some((negated, Predicate::In(vec![self.text()?])))
    }

    fn count(&mut self) -> Option<(bool, Predicate)> {
        if self.word("GREATER") {
            self.word("THAN");
            return Some((false, Predicate::More(self.number()?)));
        }
        if self.word("LESS") {
            (self.word("THAN") && self.word("OR") && self.word("EQUALS")).then_some(())?;
            return Some((true, Predicate::More(self.number()?)));
        }
        // Exactly one: the only number that is compared for equality.
        self.word("EQUALS").then_some(())?;
        (self.number()? == 1).then_some((true, Predicate::More(1)))
    }

    fn list(&mut self) -> Option<Vec<String>> {
        self.token(&Token::Open).then_some(())?;
        let mut texts = vec![self.text()?];
        while self.token(&Token::Comma) {
            texts.push(self.text()?);
        }
        self.token(&Token::Close).then_some(texts)
    }

    fn text(&mut self) -> Option<String> {
        let [Token::Text(text), rest @ ..] = self.tokens else {
            return None;
        };
        self.tokens = rest;
        Some(text.clone())
    }

    fn number(&mut self) -> Option<usize> {
        let [Token::Number(number), rest @ ..] = self.tokens else {
            return None;
        };
        self.tokens = rest;
        Some(*number)
    }

    fn word(&mut self, word: &str) -> bool {
        self.token(&Token::Word(word.to_owned()))
    }

    fn token(&mut self, token: &Token) -> bool {
        match self.tokens {
            [first, rest @ ..] if first == token => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }
}

fn applied(subject: Source, predicate: Predicate, negated: bool) -> Condition {
    let condition = match predicate {
        Predicate::Valued => Condition::Valued(subject),
        Predicate::In(texts) => Condition::In(subject, texts),
        Predicate::More(count) => Condition::More(subject, count),
        Predicate::Longer(length) => Condition::Longer(subject, length),
    };
    if negated {
        Condition::Not(Box::new(condition))
    } else {
        condition
    }
}

fn single(mut parts: Vec<Condition>, join: fn(Vec<Condition>) -> Condition) -> Condition {
    match parts.len() {
        1 => parts.remove(0),
        _ => join(parts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        let own = source("EVN-4");
        condition(text, own).map(|c| serde_json::to_string(&c).unwrap())
    }

    #[test]
    fn conditions_in_their_several_spellings_are_read() {
        let valued = r#"{"valued":{"of":"PID","at":[25]}}"#;
        assert_eq!(read("IF PID-25 VALUED").as_deref(), Some(valued));
        assert_eq!(
            read("IF PID-25 IS NOT VALUED"),
            read("IF PID-25 NOT VALUED")
        );
        assert_eq!(
            read(r#"IF EVN-4 IS "U""#).as_deref(),
            Some(r#"{"in":[{"of":"EVN","at":[4]},["U"]]}"#)
        );
        assert_eq!(read(r#"IF NOT "U""#), read(r#"IF EVN-4 NOT EQUALS "U""#));
        assert_eq!(
            read("IF MSH-3 AND MSH-24 VALUED"),
            read("IF MSH-3 VALUED AND MSH-24 VALUED")
        );
        assert!(read(r#"IF (OBX-5 LST.count LESS THAN OR EQUALS 1 OR OBX-2 IS "NA") AND OBX-29 NOT IN ("QST", "SCI")"#).is_some());
        assert!(read(r#"IF (OBX-2 EQUALS "SN"  AND OBX-5.1  EQUALS "<>""#).is_some());
        assert!(read("IF OBX-33 COUNT=1").is_some());
    }

    #[test]
    fn what_is_not_understood_whole_is_prose() {
        assert_eq!(read("IF OBR-25 NOT VALUED ERROR"), None);
        assert_eq!(read("IF CX.4 IN http://example.org/registry"), None);
        assert_eq!(read("IF PID-11.9 IS VALUED NOT EQUAL PID-12"), None);
    }
}
