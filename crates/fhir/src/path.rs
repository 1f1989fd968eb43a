//! FHIRPath (<http://hl7.org/fhirpath/N1/>), compiled once and evaluated over borrowed JSON without
//! allocating. So far it holds what the search parameters of R4 use; a function or operator that is
//! not here is refused when compiling, so nothing is ever evaluated wrongly.
//!
//! An expression is a tree (`Expr`); evaluating it hands one item after the other to a visitor. A
//! function is added as a variant of `Expr`, an arm in `parse` and an arm in `eval`.

mod eval;
mod lex;
mod parse;

use std::fmt;

use crate::definitions::{Definitions, Element, TypeId};
use crate::json::Json;

/// A compiled expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    expr: Expr,
}

/// Why a text is not an expression that this engine knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotCompiled {
    pub reason: String,
    /// Byte offset in the expression.
    pub at: usize,
}

impl fmt::Display for NotCompiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.reason, self.at)
    }
}

impl std::error::Error for NotCompiled {}

/// One item of a result.
#[derive(Clone, Copy)]
pub enum Item<'r> {
    /// Part of a resource. Items of a repeating element come one by one.
    Node {
        json: &'r Json<'r>,
        ty: TypeId,
        /// The element it was found as; `None` for the resource itself.
        element: Option<&'r Element>,
    },
    Bool(bool),
    Text(&'r str),
    /// What a reference points at: known by its type only, since nothing is fetched.
    Target(TypeId),
}

#[derive(Clone, Debug, PartialEq)]
enum Expr {
    /// What the expression (or the criterion of a `where`) starts from.
    This,
    /// A type's name at the start: what the expression starts from, if it is of that type.
    OfRoot(TypeId),
    Member(Box<Expr>, String),
    Index(Box<Expr>, usize),
    Where(Box<Expr>, Box<Expr>),
    /// `as`, `as()`, `ofType()`.
    As(Box<Expr>, TypeId),
    Is(Box<Expr>, TypeId),
    Exists(Box<Expr>),
    Resolve(Box<Expr>),
    Union(Vec<Expr>),
    Equal {
        left: Box<Expr>,
        right: Box<Expr>,
        /// `!=`
        not: bool,
    },
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Text(String),
    Bool(bool),
}

impl Path {
    /// # Errors
    /// What is not FHIRPath, a type that R4 does not know, or a function that is not here yet.
    pub fn compile(text: &str, definitions: &Definitions) -> Result<Path, NotCompiled> {
        parse::parse(text, definitions).map(|expr| Path { expr })
    }

    /// The expression for resources of one type only: branches of a union that start with another
    /// type are dropped. `None` if nothing is left.
    pub fn narrowed(&self, ty: TypeId, definitions: &Definitions) -> Option<Path> {
        let starts_here = |expr: &Expr| match expr.root() {
            Some(root) => root == ty || definitions.ty(root).name.ends_with("Resource"),
            None => true,
        };
        let expr = match &self.expr {
            Expr::Union(branches) => {
                let mut kept: Vec<Expr> = branches
                    .iter()
                    .filter(|branch| starts_here(branch))
                    .cloned()
                    .collect();
                match kept.len() {
                    0 => return None,
                    1 => kept.pop()?,
                    _ => Expr::Union(kept),
                }
            }
            expr => starts_here(expr).then(|| expr.clone())?,
        };
        Some(Path { expr })
    }

    /// The types of what it may find, as far as its steps are elements and choices of type; in no order,
    /// perhaps with repeats.
    pub fn types(&self, definitions: &Definitions) -> Vec<TypeId> {
        self.expr.types(definitions)
    }

    /// Evaluates over a resource and hands each item of the result to `out`, in order. A resource
    /// whose type R4 does not know has none.
    pub fn each<'r>(
        &'r self,
        resource: &'r Json<'r>,
        definitions: &'r Definitions,
        out: &mut dyn FnMut(Item<'r>),
    ) {
        eval::each(&self.expr, resource, definitions, out);
    }

    /// The same from an item of that resource, such as one that another expression found.
    pub fn each_from<'r>(
        &'r self,
        resource: &'r Json<'r>,
        start: Item<'r>,
        definitions: &'r Definitions,
        out: &mut dyn FnMut(Item<'r>),
    ) {
        eval::each_from(&self.expr, resource, start, definitions, out);
    }
}

impl Expr {
    fn types(&self, definitions: &Definitions) -> Vec<TypeId> {
        match self {
            Expr::OfRoot(ty) | Expr::As(_, ty) => vec![*ty],
            Expr::Member(inner, name) => {
                let from = inner.types(definitions);
                let elements = from.iter().flat_map(|ty| &definitions.ty(*ty).elements);
                let named = elements.filter(|element| element.name == name);
                named.flat_map(|element| element.types.clone()).collect()
            }
            Expr::Index(inner, _) | Expr::Where(inner, _) => inner.types(definitions),
            Expr::Union(branches) => {
                let all = branches.iter().map(|branch| branch.types(definitions));
                all.flatten().collect()
            }
            Expr::This
            | Expr::Is(..)
            | Expr::Exists(_)
            | Expr::Resolve(_)
            | Expr::Equal { .. }
            | Expr::And(..)
            | Expr::Or(..)
            | Expr::Text(_)
            | Expr::Bool(_) => Vec::new(),
        }
    }

    /// The type that it starts with, if it names one.
    fn root(&self) -> Option<TypeId> {
        match self {
            Expr::OfRoot(ty) => Some(*ty),
            Expr::Member(inner, _)
            | Expr::Index(inner, _)
            | Expr::Where(inner, _)
            | Expr::As(inner, _)
            | Expr::Is(inner, _)
            | Expr::Exists(inner)
            | Expr::Resolve(inner)
            | Expr::And(inner, _)
            | Expr::Or(inner, _)
            | Expr::Equal { left: inner, .. } => inner.root(),
            Expr::Union(_) | Expr::This | Expr::Text(_) | Expr::Bool(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
