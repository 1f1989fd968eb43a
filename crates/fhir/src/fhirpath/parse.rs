//! From tokens to a tree, by precedence (<http://hl7.org/fhirpath/N1/#operator-precedence>).

mod words;

use super::NotCompiled;
use super::decimal::Decimal;
use super::functions;
use super::lex::{Token, refused, tokens};
use super::quantity::{Quantity, Unit};
use super::tree::{Call, Expr, Operator, TYPE_STRENGTH, Test, TypeName, UNION_STRENGTH, Variable};
use super::value::Value;
use crate::definitions::{Definitions, TypeId};
use words::{moment, sign_operator, special, united, variable, word_operator};

/// Brackets inside each other, and steps after each other: what evaluating recurses by.
const DEPTH_MAX: u16 = 96;

/// What one expression may be long.
const BYTES_MAX: usize = 16_384;

pub(super) fn parse(
    text: &str,
    definitions: &Definitions,
    given: &[&'static str],
) -> Result<Expr, NotCompiled> {
    if text.len() > BYTES_MAX {
        return Err(refused("The expression is too long", BYTES_MAX));
    }
    let tokens = tokens(text)?;
    let mut parser = Parser {
        tokens: &tokens,
        end: text.len(),
        definitions,
        given,
        depth: 0,
    };
    let expr = parser.expression(0)?;
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
    /// Further variables that are known.
    given: &'t [&'static str],
    depth: u16,
}

/// A binary operator, or one of the two that are not.
enum Infix {
    Operator(Operator),
    Union,
    Test(Test),
}

type Parsed = Result<Expr, NotCompiled>;

impl Parser<'_> {
    fn at(&self) -> usize {
        self.tokens.first().map_or(self.end, |(at, _)| *at)
    }

    fn fault<T>(&self, reason: &str) -> Result<T, NotCompiled> {
        Err(refused(reason, self.at()))
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.first().map(|(_, token)| token)
    }

    fn next(&mut self) -> Option<Token> {
        let ((_, token), rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(token.clone())
    }

    fn takes(&mut self, sign: &'static str) -> bool {
        let found = self.peek() == Some(&Token::Sign(sign));
        if found {
            self.next();
        }
        found
    }

    fn expect(&mut self, sign: &'static str) -> Result<(), NotCompiled> {
        if self.takes(sign) {
            Ok(())
        } else {
            self.fault(&format!("{sign} was expected"))
        }
    }

    fn deeper(&mut self) -> Result<(), NotCompiled> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return self.fault("The expression is nested too deep");
        }
        Ok(())
    }

    /// What binds at least as tightly as `least`.
    fn expression(&mut self, least: u8) -> Parsed {
        let before = self.depth;
        self.deeper()?;
        let mut left = self.unary()?;
        while let Some((infix, strength)) = self.infix() {
            if strength < least {
                break;
            }
            self.next();
            self.deeper()?;
            left = match infix {
                Infix::Operator(operator) => {
                    let right = self.expression(strength + 1)?;
                    Expr::Binary(operator, Box::new(left), Box::new(right))
                }
                Infix::Union => {
                    // Branches stand beside each other, however many.
                    self.depth -= 1;
                    united(left, self.expression(strength + 1)?)
                }
                Infix::Test(test) => Expr::Typed(Box::new(left), test, self.type_name()?),
            };
        }
        self.depth = before;
        Ok(left)
    }

    fn infix(&self) -> Option<(Infix, u8)> {
        let operator = match self.peek()? {
            Token::Sign("|") => return Some((Infix::Union, UNION_STRENGTH)),
            Token::Name(word) if word == "is" => {
                return Some((Infix::Test(Test::Is), TYPE_STRENGTH));
            }
            Token::Name(word) if word == "as" => {
                return Some((Infix::Test(Test::As), TYPE_STRENGTH));
            }
            Token::Sign(sign) => sign_operator(sign)?,
            Token::Name(word) => word_operator(word)?,
            _ => return None,
        };
        Some((Infix::Operator(operator), operator.strength()))
    }

    fn unary(&mut self) -> Parsed {
        if self.takes("-") {
            self.deeper()?;
            return Ok(Expr::Negated(Box::new(self.unary()?)));
        }
        if self.takes("+") {
            self.deeper()?;
            return self.unary();
        }
        let mut expr = self.term()?;
        loop {
            if self.takes(".") {
                self.deeper()?;
                expr = self.step(expr)?;
            } else if self.takes("[") {
                let index = self.expression(0)?;
                self.expect("]")?;
                expr = Expr::At(Box::new(expr), Box::new(index));
            } else {
                return Ok(expr);
            }
        }
    }

    fn term(&mut self) -> Parsed {
        let at = self.at();
        let Some(token) = self.peek() else {
            return self.fault("The expression ends too early");
        };
        match token.clone() {
            Token::Sign("(") => {
                self.next();
                let inner = self.expression(0)?;
                self.expect(")")?;
                Ok(inner)
            }
            Token::Sign("{") => {
                self.next();
                self.expect("}")?;
                Ok(Expr::Empty)
            }
            Token::Text(text) => {
                self.next();
                Ok(Expr::Literal(Value::text(text)))
            }
            Token::Number(text) => {
                self.next();
                self.number(&text, at)
            }
            Token::Moment(text) => {
                self.next();
                moment(&text, at)
            }
            Token::Variable(name) => {
                self.next();
                match self.given.iter().find(|given| **given == name) {
                    Some(given) => Ok(Expr::Variable(Variable::Given(given))),
                    None => variable(&name, at),
                }
            }
            Token::Special(name) => {
                self.next();
                special(&name, at)
            }
            Token::Name(name) | Token::Delimited(name) => self.named(&name),
            Token::Sign(_) => self.fault("A value was expected"),
        }
    }

    /// A word that starts a term: a literal, a type, a member or a function.
    fn named(&mut self, name: &str) -> Parsed {
        let is_plain = matches!(self.peek(), Some(Token::Name(_)));
        let literal = match name {
            "true" if is_plain => Some(true),
            "false" if is_plain => Some(false),
            _ => None,
        };
        if let Some(value) = literal {
            self.next();
            return Ok(Expr::Literal(Value::Bool(value)));
        }
        let is_call = matches!(self.tokens.get(1), Some((_, Token::Sign("("))));
        if !is_call
            && name.starts_with(|first: char| first.is_ascii_uppercase())
            && let Some(ty) = self.definitions.find(name)
        {
            self.next();
            return Ok(Expr::OfRoot(ty));
        }
        self.step(Expr::This)
    }

    /// A number, or a quantity if a unit follows.
    fn number(&mut self, text: &str, at: usize) -> Parsed {
        let decimal = Decimal::parse(text).ok_or_else(|| refused("The number is too large", at))?;
        let unit = match self.peek() {
            Some(Token::Text(unit)) => Some(Unit::coded(unit)),
            Some(Token::Name(word)) => Unit::calendar(word),
            _ => None,
        };
        if let Some(unit) = unit {
            self.next();
            return Ok(Expr::Literal(Value::quantity(Quantity {
                value: decimal,
                unit,
            })));
        }
        match decimal.as_whole() {
            Some(whole) if !text.contains('.') => Ok(Expr::Literal(Value::Integer(whole))),
            _ => Ok(Expr::Literal(Value::Decimal(decimal))),
        }
    }

    /// A member or a function, after a dot or at the start.
    fn step(&mut self, of: Expr) -> Parsed {
        let at = self.at();
        let name = match self.next() {
            Some(Token::Name(name) | Token::Delimited(name)) => name,
            Some(Token::Special(name)) => return special(&name, at),
            _ => return Err(refused("A name was expected", at)),
        };
        if !self.takes("(") {
            return Ok(Expr::Member(Box::new(of), name));
        }
        let test = match name.as_str() {
            "is" => Some(Test::Is),
            "as" => Some(Test::As),
            "ofType" => Some(Test::OfType),
            _ => None,
        };
        if let Some(test) = test {
            let ty = self.type_name()?;
            self.expect(")")?;
            return Ok(Expr::Typed(Box::new(of), test, ty));
        }
        let arguments = self.arguments()?;
        let function = functions::find(&name)
            .ok_or_else(|| refused(&format!("The function {name} is not known"), at))?;
        if !(function.least..=function.most).contains(&arguments.len()) {
            let reason =
                format!("The function {name} is called with the wrong number of arguments");
            return Err(refused(&reason, at));
        }
        Ok(Expr::Call(Box::new(Call {
            of,
            function,
            arguments,
            regex: std::sync::OnceLock::new(),
        })))
    }

    fn arguments(&mut self) -> Result<Vec<Expr>, NotCompiled> {
        let mut arguments = Vec::new();
        if self.takes(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression(0)?);
            if self.takes(")") {
                return Ok(arguments);
            }
            self.expect(",")?;
        }
    }

    /// `Quantity`, `FHIR.Quantity`, `System.Quantity`.
    fn type_name(&mut self) -> Result<TypeName, NotCompiled> {
        let at = self.at();
        let first = self.word()?;
        let (namespace, name) = if self.takes(".") {
            (Some(first), self.word()?)
        } else {
            (None, first)
        };
        let fhir: Option<TypeId> = self.definitions.find(&name);
        let system = functions::is_system_type(&name).then(|| name.clone());
        match namespace.as_deref() {
            None if fhir.is_none() && system.is_none() => {
                Err(refused(&format!("{name} is not a type of R4"), at))
            }
            None => Ok(TypeName { fhir, system }),
            Some("FHIR") => Ok(TypeName { fhir, system: None }),
            Some("System") => Ok(TypeName { fhir: None, system }),
            Some(_) => Err(refused("A namespace is FHIR or System", at)),
        }
    }

    fn word(&mut self) -> Result<String, NotCompiled> {
        let at = self.at();
        match self.next() {
            Some(Token::Name(name) | Token::Delimited(name)) => Ok(name),
            _ => Err(refused("A type was expected", at)),
        }
    }
}
