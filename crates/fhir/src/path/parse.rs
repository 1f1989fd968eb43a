//! From tokens to a tree. Precedence, loosest first: `or`, `and`, `=` and `!=`, `|`, `is` and `as`,
//! then paths.

use super::lex::{Token, refused, tokens};
use super::{Expr, NotCompiled};
use crate::definitions::{Definitions, TypeId};

/// Brackets inside each other.
const DEPTH_MAX: u8 = 32;

pub(super) fn parse(text: &str, definitions: &Definitions) -> Result<Expr, NotCompiled> {
    let tokens = tokens(text)?;
    let mut parser = Parser {
        tokens: &tokens,
        end: text.len(),
        definitions,
        depth: 0,
    };
    let expr = parser.expression()?;
    match parser.tokens.first() {
        None => Ok(expr),
        Some((at, _)) => Err(refused("Something follows the expression", *at)),
    }
}

struct Parser<'t> {
    /// What is left.
    tokens: &'t [(usize, Token)],
    end: usize,
    definitions: &'t Definitions,
    depth: u8,
}

impl Parser<'_> {
    fn at(&self) -> usize {
        self.tokens.first().map_or(self.end, |(at, _)| *at)
    }

    fn fault<T>(&self, reason: &str) -> Result<T, NotCompiled> {
        Err(refused(reason, self.at()))
    }

    fn next(&mut self) -> Option<Token> {
        let ((_, token), rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(token.clone())
    }

    fn takes(&mut self, wanted: &Token) -> bool {
        match self.tokens.split_first() {
            Some(((_, token), rest)) if token == wanted => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }

    fn takes_sign(&mut self, sign: &'static str) -> bool {
        self.takes(&Token::Sign(sign))
    }

    fn takes_word(&mut self, word: &str) -> bool {
        self.takes(&Token::Name(word.to_string()))
    }

    fn expect(&mut self, sign: &'static str) -> Result<(), NotCompiled> {
        if self.takes_sign(sign) {
            Ok(())
        } else {
            self.fault(&format!("{sign} was expected"))
        }
    }

    fn expression(&mut self) -> Result<Expr, NotCompiled> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return self.fault("Brackets are nested too deep");
        }
        let mut left = self.conjunction()?;
        while self.takes_word("or") {
            left = Expr::Or(Box::new(left), Box::new(self.conjunction()?));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn conjunction(&mut self) -> Result<Expr, NotCompiled> {
        let mut left = self.equality()?;
        while self.takes_word("and") {
            left = Expr::And(Box::new(left), Box::new(self.equality()?));
        }
        Ok(left)
    }

    fn equality(&mut self) -> Result<Expr, NotCompiled> {
        let left = self.union()?;
        let not = self.takes_sign("!=");
        if !not && !self.takes_sign("=") {
            return Ok(left);
        }
        let right = Box::new(self.union()?);
        Ok(Expr::Equal {
            left: Box::new(left),
            right,
            not,
        })
    }

    fn union(&mut self) -> Result<Expr, NotCompiled> {
        let first = self.typed()?;
        let mut branches = vec![first];
        while self.takes_sign("|") {
            branches.push(self.typed()?);
        }
        match (branches.len(), branches.pop()) {
            (1, Some(only)) => Ok(only),
            (_, last) => {
                branches.extend(last);
                Ok(Expr::Union(branches))
            }
        }
    }

    fn typed(&mut self) -> Result<Expr, NotCompiled> {
        let inner = self.path()?;
        if self.takes_word("as") {
            return Ok(Expr::As(Box::new(inner), self.type_name()?));
        }
        if self.takes_word("is") {
            return Ok(Expr::Is(Box::new(inner), self.type_name()?));
        }
        Ok(inner)
    }

    fn type_name(&mut self) -> Result<TypeId, NotCompiled> {
        let at = self.at();
        match self.next() {
            Some(Token::Name(name)) => self
                .definitions
                .find(&name)
                .ok_or_else(|| refused(&format!("{name} is not a type of R4"), at)),
            _ => Err(refused("A type was expected", at)),
        }
    }

    fn path(&mut self) -> Result<Expr, NotCompiled> {
        let mut expr = self.term()?;
        loop {
            if self.takes_sign(".") {
                expr = self.step(expr)?;
            } else if self.takes_sign("[") {
                let Some(Token::Number(index)) = self.next() else {
                    return self.fault("A whole number was expected in brackets");
                };
                self.expect("]")?;
                expr = Expr::Index(Box::new(expr), index);
            } else {
                return Ok(expr);
            }
        }
    }

    fn term(&mut self) -> Result<Expr, NotCompiled> {
        if self.takes_sign("(") {
            let inner = self.expression()?;
            self.expect(")")?;
            return Ok(inner);
        }
        if let Some((_, Token::Text(text))) = self.tokens.first() {
            let text = Expr::Text(text.clone());
            self.next();
            return Ok(text);
        }
        for (word, expr) in [
            ("true", Expr::Bool(true)),
            ("false", Expr::Bool(false)),
            ("$this", Expr::This),
        ] {
            if self.takes_word(word) {
                return Ok(expr);
            }
        }
        if let Some((_, Token::Name(name))) = self.tokens.first()
            && name.starts_with(|first: char| first.is_ascii_uppercase())
            && let Some(ty) = self.definitions.find(name)
        {
            self.next();
            return Ok(Expr::OfRoot(ty));
        }
        self.step(Expr::This)
    }

    /// A member or a function, after a dot or at the start.
    fn step(&mut self, inner: Expr) -> Result<Expr, NotCompiled> {
        let at = self.at();
        let Some(Token::Name(name)) = self.next() else {
            return Err(refused("A name was expected", at));
        };
        if !self.takes_sign("(") {
            return Ok(Expr::Member(Box::new(inner), name));
        }
        let inner = Box::new(inner);
        let expr = match name.as_str() {
            "where" => Expr::Where(inner, Box::new(self.expression()?)),
            "as" | "ofType" => Expr::As(inner, self.type_name()?),
            "is" => Expr::Is(inner, self.type_name()?),
            "exists" => Expr::Exists(inner),
            "resolve" => Expr::Resolve(inner),
            _ => {
                return Err(refused(
                    &format!("The function {name} is not known here"),
                    at,
                ));
            }
        };
        self.expect(")")?;
        Ok(expr)
    }
}
