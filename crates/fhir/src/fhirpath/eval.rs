//! Evaluating a tree.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::collections::HashSet;

use super::arithmetic;
use super::compare;
use super::tree::{Expr, Operator, Test, TypeName, Variable};
use super::value::{Items, Node, Value, is_a, system_type};
use super::{Context, Fault};
use crate::definitions::Definitions;

pub(super) type Answer<'r> = Result<Items<'r>, Fault>;

/// How much text may be made for one step.
const TEXT_BYTES_A_STEP: usize = 16;

/// One evaluation.
pub(super) struct Run<'r> {
    pub definitions: &'r Definitions,
    pub context: &'r Context<'r>,
    pub steps_left: Cell<u32>,
    /// What is below the resource, once it was asked for: rules on contained resources ask four times
    /// for each of them.
    below_resource: RefCell<Option<Items<'r>>>,
}

/// What `$this`, `$index` and `$total` are.
#[derive(Clone, Default)]
pub(super) struct Frame<'r> {
    pub this: Option<Value<'r>>,
    pub index: usize,
    pub total: Items<'r>,
}

impl<'r> Run<'r> {
    pub fn new(context: &'r Context<'r>, definitions: &'r Definitions) -> Run<'r> {
        Run {
            definitions,
            context,
            steps_left: Cell::new(context.steps_max),
            below_resource: RefCell::default(),
        }
    }

    /// Counts a step.
    pub fn step(&self) -> Result<(), Fault> {
        self.spend(1)
    }

    fn spend(&self, steps: usize) -> Result<(), Fault> {
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        match self.steps_left.get().checked_sub(steps) {
            Some(left) => {
                self.steps_left.set(left);
                Ok(())
            }
            None => Err(Fault::TooCostly),
        }
    }

    /// What was made counts as well: collections and texts can double with every step.
    pub fn spend_on(&self, made: Items<'r>) -> Answer<'r> {
        let texts = made.iter().map(|item| match item {
            Value::Text(text) => text.len() / TEXT_BYTES_A_STEP,
            _ => 0,
        });
        self.spend(made.len().saturating_add(texts.sum()))?;
        Ok(made)
    }

    pub fn eval(&self, expr: &'r Expr, frame: &Frame<'r>) -> Answer<'r> {
        self.step()?;
        match expr {
            Expr::Empty => Ok(Vec::new()),
            Expr::This => Ok(frame.this.iter().cloned().collect()),
            Expr::Index => Ok(vec![Value::Integer(
                i64::try_from(frame.index).unwrap_or(0),
            )]),
            Expr::Total => Ok(frame.total.clone()),
            Expr::Literal(value) => Ok(vec![value.clone()]),
            Expr::Variable(variable) => Ok(self.variable(*variable)),
            Expr::OfRoot(ty) => self.of_root(*ty, frame),
            Expr::Member(of, name) => self.member(of, name, frame),
            Expr::At(of, index) => {
                let items = self.eval(of, frame)?;
                let index = self.eval(index, frame)?;
                let index = self
                    .integer(&index)?
                    .and_then(|index| usize::try_from(index).ok());
                Ok(index
                    .and_then(|index| items.into_iter().nth(index))
                    .into_iter()
                    .collect())
            }
            Expr::Call(call) => super::functions::call(self, call, frame),
            Expr::Typed(of, test, ty) => self.typed(self.eval(of, frame)?, *test, ty),
            Expr::Negated(of) => arithmetic::negated(self, &self.eval(of, frame)?),
            Expr::Binary(operator, left, right) => self.binary(*operator, left, right, frame),
            Expr::Union(branches) => {
                let mut all = Vec::new();
                for branch in branches {
                    all.extend(self.eval(branch, frame)?);
                }
                self.distinct(self.spend_on(all)?)
            }
        }
    }

    fn variable(&self, variable: Variable) -> Items<'r> {
        match variable {
            Variable::Context => vec![Value::Node(self.context.focus)],
            Variable::Resource => vec![Value::Node(self.context.resource)],
            Variable::RootResource => vec![Value::Node(self.context.root)],
            Variable::Previous => self.context.previous.map(Value::Node).into_iter().collect(),
            Variable::Current => self.context.current.map(Value::Node).into_iter().collect(),
            Variable::Given(name) => {
                let given = self.context.given.iter().find(|(known, _)| *known == name);
                given
                    .map(|(_, node)| Value::Node(*node))
                    .into_iter()
                    .collect()
            }
        }
    }

    fn of_root(&self, ty: crate::definitions::TypeId, frame: &Frame<'r>) -> Answer<'r> {
        let node = frame.this.as_ref().and_then(Value::as_node);
        if node.is_some_and(|node| is_a(node.ty, ty, self.definitions)) {
            return Ok(frame.this.iter().cloned().collect());
        }
        if self.context.strict {
            return Err(Fault::invalid("The context is of another type"));
        }
        Ok(Vec::new())
    }

    fn member(&self, of: &'r Expr, name: &str, frame: &Frame<'r>) -> Answer<'r> {
        let mut found = Vec::new();
        if matches!(of, Expr::This) {
            if let Some(this) = &frame.this {
                self.child(this, name, &mut found);
                self.check_known(std::slice::from_ref(this), name)?;
            }
            return Ok(found);
        }
        let items = self.eval(of, frame)?;
        for item in &items {
            self.child(item, name, &mut found);
        }
        self.check_known(&items, name)?;
        Ok(found)
    }

    /// Where asked to be strict, a name that no item's type knows is a fault.
    fn check_known(&self, items: &[Value<'r>], name: &str) -> Result<(), Fault> {
        let knows = |item: &Value<'r>| match item {
            Value::Node(node) => {
                let element = self.definitions.ty(node.ty).element(name);
                element.is_some_and(|element| element.name == name)
            }
            _ => true,
        };
        if self.context.strict && !items.is_empty() && !items.iter().any(knows) {
            return Err(Fault::invalid("The type has no such element"));
        }
        Ok(())
    }

    fn child(&self, item: &Value<'r>, name: &str, found: &mut Items<'r>) {
        match item {
            Value::Node(node) => {
                node.named(name, self.definitions, &mut |child| {
                    found.push(Value::Node(child));
                });
            }
            Value::Type(namespace, _) if name == "namespace" => {
                found.push(Value::text(*namespace));
            }
            Value::Type(_, own) if name == "name" => found.push(Value::text(*own)),
            Value::Quantity(quantity) if name == "value" => {
                found.push(Value::Decimal(quantity.value));
            }
            _ => {}
        }
    }

    /// Whether an item is of a type. R4's own invariants write `Boolean` for FHIR's `boolean`.
    pub fn is(&self, item: &Value<'r>, ty: &TypeName) -> bool {
        let is_system =
            |item: &Value<'r>| ty.system.is_some() && ty.system.as_deref() == system_type(item);
        match item {
            Value::Node(node) => match ty.fhir {
                Some(ty) => is_a(node.ty, ty, self.definitions),
                None => {
                    !self.context.strict
                        && node
                            .system(self.definitions)
                            .is_some_and(|own| is_system(&own))
                }
            },
            item => is_system(item),
        }
    }

    /// As `is`, but a primitive is of its own type only.
    fn is_exactly(&self, item: &Value<'r>, ty: &TypeName) -> bool {
        match item {
            Value::Node(node) if node.is_primitive(self.definitions) => ty.fhir == Some(node.ty),
            item => self.is(item, ty),
        }
    }

    fn typed(&self, items: Items<'r>, test: Test, ty: &TypeName) -> Answer<'r> {
        match test {
            Test::Is => Ok(one(&items)?
                .map(|item| Value::Bool(self.is(item, ty)))
                .into_iter()
                .collect()),
            Test::As if self.context.strict && items.len() > 1 => Err(Fault::many()),
            Test::As | Test::OfType => Ok(items
                .into_iter()
                .filter(|item| self.is_exactly(item, ty))
                .collect()),
        }
    }

    fn binary(
        &self,
        operator: Operator,
        left: &'r Expr,
        right: &'r Expr,
        frame: &Frame<'r>,
    ) -> Answer<'r> {
        let truth = match operator {
            Operator::And | Operator::Or | Operator::Xor | Operator::Implies => {
                self.logic(operator, left, right, frame)?
            }
            Operator::Plus
            | Operator::Minus
            | Operator::Concatenate
            | Operator::Times
            | Operator::Over
            | Operator::Div
            | Operator::Mod => {
                let (left, right) = (self.eval(left, frame)?, self.eval(right, frame)?);
                let made = arithmetic::binary(self, operator, &left, &right)?;
                return self.spend_on(made);
            }
            _ => {
                let (left, right) = (self.eval(left, frame)?, self.eval(right, frame)?);
                self.comparison(operator, &left, &right)?
            }
        };
        Ok(truth.map(Value::Bool).into_iter().collect())
    }

    fn logic(
        &self,
        operator: Operator,
        left: &'r Expr,
        right: &'r Expr,
        frame: &Frame<'r>,
    ) -> Result<Option<bool>, Fault> {
        let left = self.truth(&self.eval(left, frame)?)?;
        let decided = match (operator, left) {
            (Operator::And, Some(false)) => Some(false),
            (Operator::Or, Some(true)) | (Operator::Implies, Some(false)) => Some(true),
            _ => None,
        };
        if decided.is_some() {
            return Ok(decided);
        }
        let right = self.truth(&self.eval(right, frame)?)?;
        Ok(match (operator, left, right) {
            (Operator::And, _, Some(false)) => Some(false),
            (Operator::And, Some(true), right) => right,
            (Operator::Or | Operator::Implies, _, Some(true)) => Some(true),
            (Operator::Or, Some(false), right) => right,
            (Operator::Implies, Some(true), right) => right,
            (Operator::Xor, Some(left), Some(right)) => Some(left != right),
            _ => None,
        })
    }

    fn comparison(
        &self,
        operator: Operator,
        left: &[Value<'r>],
        right: &[Value<'r>],
    ) -> Result<Option<bool>, Fault> {
        let r4 = self.definitions;
        Ok(match operator {
            Operator::Equal => compare::equal(left, right, r4),
            Operator::NotEqual => compare::equal(left, right, r4).map(|equal| !equal),
            Operator::Equivalent => Some(compare::equivalent(left, right, r4)),
            Operator::NotEquivalent => Some(!compare::equivalent(left, right, r4)),
            Operator::In => self.is_in(left, right)?,
            Operator::Contains => self.is_in(right, left)?,
            _ => {
                let (Some(left), Some(right)) = (one(left)?, one(right)?) else {
                    return Ok(None);
                };
                let order = compare::order(left, right, r4)?;
                order.map(|order| match operator {
                    Operator::Less => order == Ordering::Less,
                    Operator::LessOrEqual => order != Ordering::Greater,
                    Operator::Greater => order == Ordering::Greater,
                    _ => order != Ordering::Less,
                })
            }
        })
    }

    fn is_in(&self, item: &[Value<'r>], among: &[Value<'r>]) -> Result<Option<bool>, Fault> {
        let Some(item) = one(item)? else {
            return Ok(None);
        };
        Ok(Some(self.holds(among, item)?))
    }

    /// Whether an equal item is among them.
    pub fn holds(&self, items: &[Value<'r>], wanted: &Value<'r>) -> Result<bool, Fault> {
        for item in items {
            self.step()?;
            if compare::equal_items(item, wanted, self.definitions) == Some(true) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Each item once.
    pub fn distinct(&self, items: Items<'r>) -> Answer<'r> {
        let mut kept: Items<'r> = Vec::with_capacity(items.len());
        // Texts equal nothing but the same text, so that they need not be compared with each other.
        let mut texts: HashSet<Cow<'r, str>> = HashSet::new();
        let mut others: Items<'r> = Vec::new();
        for item in items {
            self.step()?;
            let is_new = match item.clone().plain(self.definitions) {
                Some(Value::Text(text)) => texts.insert(text),
                _ => {
                    let is_new = !self.holds(&others, &item)?;
                    others.extend(is_new.then(|| item.clone()));
                    is_new
                }
            };
            if is_new {
                kept.push(item);
            }
        }
        Ok(kept)
    }

    /// A collection as a condition (<http://hl7.org/fhirpath/N1/#singleton-evaluation-of-collections>).
    pub fn truth(&self, items: &[Value<'r>]) -> Result<Option<bool>, Fault> {
        let Some(item) = one(items)? else {
            return Ok(None);
        };
        Ok(match item {
            Value::Bool(value) => Some(*value),
            Value::Node(node) => match node.system(self.definitions) {
                Some(Value::Bool(value)) => Some(value),
                _ => Some(true),
            },
            _ => Some(true),
        })
    }

    /// A collection as one System value; `None` of an empty one.
    pub fn system(&self, items: &[Value<'r>]) -> Result<Option<Value<'r>>, Fault> {
        Ok(one(items)?.and_then(|item| item.clone().plain(self.definitions)))
    }

    pub fn integer(&self, items: &[Value<'r>]) -> Result<Option<i64>, Fault> {
        match self.system(items)? {
            None => Ok(None),
            Some(Value::Integer(value)) => Ok(Some(value)),
            Some(_) => Err(Fault::invalid("An integer was expected")),
        }
    }

    pub fn text(&self, items: &[Value<'r>]) -> Result<Option<String>, Fault> {
        match self.system(items)? {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text.into_owned())),
            // Elements of FHIR that are dates are texts to who asks for a text.
            Some(Value::Moment(moment)) if items.iter().any(|item| item.as_node().is_some()) => {
                Ok(Some(moment.to_string()))
            }
            Some(_) => Err(Fault::invalid("A text was expected")),
        }
    }

    /// Everything below a node, parents first.
    pub fn descendants(&self, node: Node<'r>, found: &mut Items<'r>) -> Result<(), Fault> {
        let is_resource = match (node.json, self.context.resource.json) {
            (Some(json), Some(resource)) => std::ptr::eq(json, resource),
            _ => false,
        };
        if !is_resource {
            return self.below(node, found);
        }
        if let Some(known) = &*self.below_resource.borrow() {
            self.spend(known.len())?;
            found.extend(known.iter().cloned());
            return Ok(());
        }
        let mut below = Vec::new();
        self.below(node, &mut below)?;
        found.extend(below.iter().cloned());
        *self.below_resource.borrow_mut() = Some(below);
        Ok(())
    }

    fn below(&self, node: Node<'r>, found: &mut Items<'r>) -> Result<(), Fault> {
        let mut children = Vec::new();
        node.children(self.definitions, &mut |child| children.push(child));
        for child in children {
            self.step()?;
            found.push(Value::Node(child));
            self.below(child, found)?;
        }
        Ok(())
    }
}

/// The only item; `None` of an empty collection.
///
/// # Errors
/// `Invalid` if there are several.
pub(super) fn one<'i, 'r>(items: &'i [Value<'r>]) -> Result<Option<&'i Value<'r>>, Fault> {
    match items {
        [] => Ok(None),
        [item] => Ok(Some(item)),
        _ => Err(Fault::many()),
    }
}
