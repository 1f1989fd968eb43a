//! The tree of a compiled expression.

use std::sync::OnceLock;

use regex::Regex;

use super::functions::Function;
use super::value::Value;
use crate::definitions::TypeId;

#[derive(Clone, Debug)]
pub(super) enum Expr {
    Empty,
    This,
    Index,
    Total,
    Literal(Value<'static>),
    Variable(Variable),
    /// A type's name at the start: what the expression starts from, if it is of that type.
    OfRoot(TypeId),
    Member(Box<Expr>, String),
    At(Box<Expr>, Box<Expr>),
    Call(Box<Call>),
    Typed(Box<Expr>, Test, TypeName),
    Negated(Box<Expr>),
    Binary(Operator, Box<Expr>, Box<Expr>),
    Union(Vec<Expr>),
}

#[derive(Clone, Debug)]
pub(super) struct Call {
    pub of: Expr,
    pub function: &'static Function,
    pub arguments: Vec<Expr>,
    /// The regular expression of `matches` and its like, where it is a literal; made once.
    pub regex: OnceLock<Option<Regex>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variable {
    Context,
    Resource,
    RootResource,
    Previous,
    Current,
    /// One that whoever compiles gives a name to.
    Given(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    Is,
    As,
    OfType,
}

/// A type as an expression names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TypeName {
    /// The type of FHIR, if the name may mean one.
    pub fhir: Option<TypeId>,
    /// The name of the System type, if the name may mean one.
    pub system: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Implies,
    Or,
    Xor,
    And,
    In,
    Contains,
    Equal,
    NotEqual,
    Equivalent,
    NotEquivalent,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Plus,
    Minus,
    Concatenate,
    Times,
    Over,
    Div,
    Mod,
}

impl Operator {
    /// How tightly it binds its operands; more is tighter.
    pub fn strength(self) -> u8 {
        match self {
            Operator::Implies => 1,
            Operator::Or | Operator::Xor => 2,
            Operator::And => 3,
            Operator::In | Operator::Contains => 4,
            Operator::Equal
            | Operator::NotEqual
            | Operator::Equivalent
            | Operator::NotEquivalent => 5,
            Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual => 6,
            Operator::Plus | Operator::Minus | Operator::Concatenate => 9,
            Operator::Times | Operator::Over | Operator::Div | Operator::Mod => 10,
        }
    }
}

/// Between the comparisons and the sums.
pub(super) const UNION_STRENGTH: u8 = 7;
pub(super) const TYPE_STRENGTH: u8 = 8;
