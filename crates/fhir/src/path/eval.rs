//! Evaluation: each expression hands its items to a visitor, so no list is built.

use super::{Expr, Item};
use crate::definitions::{Definitions, Element, Shape, TypeId, TypeKind};
use crate::json::Json;

type Out<'o, 'r> = &'o mut dyn FnMut(Item<'r>);

pub(super) fn each<'r>(
    expr: &'r Expr,
    resource: &'r Json<'r>,
    definitions: &'r Definitions,
    out: Out<'_, 'r>,
) {
    let Some(ty) = type_of(resource, definitions) else {
        return;
    };
    let root = Item::Node {
        json: resource,
        ty,
        element: None,
    };
    Scope {
        definitions,
        resource,
    }
    .each(expr, root, out);
}

/// From an item of the resource instead of the resource itself.
pub(super) fn each_from<'r>(
    expr: &'r Expr,
    resource: &'r Json<'r>,
    start: Item<'r>,
    definitions: &'r Definitions,
    out: Out<'_, 'r>,
) {
    Scope {
        definitions,
        resource,
    }
    .each(expr, start, out);
}

fn type_of(resource: &Json<'_>, definitions: &Definitions) -> Option<TypeId> {
    definitions.resource(resource.text("resourceType")?)
}

#[derive(Clone, Copy)]
struct Scope<'r> {
    definitions: &'r Definitions,
    /// For references into `contained`.
    resource: &'r Json<'r>,
}

impl<'r> Scope<'r> {
    fn each(self, expr: &'r Expr, this: Item<'r>, out: Out<'_, 'r>) {
        match expr {
            Expr::This => out(this),
            Expr::OfRoot(ty) => {
                if self.is(this, *ty) {
                    out(this);
                }
            }
            Expr::Member(inner, name) => {
                self.each(inner, this, &mut |item| self.children(item, name, out));
            }
            Expr::Index(inner, wanted) => {
                let mut index = 0;
                self.each(inner, this, &mut |item| {
                    if index == *wanted {
                        out(item);
                    }
                    index += 1;
                });
            }
            Expr::Where(inner, criterion) => self.each(inner, this, &mut |item| {
                if self.truth(criterion, item) == Some(true) {
                    out(item);
                }
            }),
            Expr::As(inner, ty) => self.each(inner, this, &mut |item| {
                if self.is(item, *ty) {
                    out(item);
                }
            }),
            Expr::Resolve(inner) => self.each(inner, this, &mut |item| {
                if let Some(ty) = self.target(item) {
                    out(Item::Target(ty));
                }
            }),
            Expr::Union(branches) => {
                branches
                    .iter()
                    .for_each(|branch| self.each(branch, this, out));
            }
            Expr::Text(text) => out(Item::Text(text)),
            Expr::Bool(value) => out(Item::Bool(*value)),
            Expr::Is(..) | Expr::Exists(_) | Expr::Equal { .. } | Expr::And(..) | Expr::Or(..) => {
                if let Some(value) = self.truth(expr, this) {
                    out(Item::Bool(value));
                }
            }
        }
    }

    /// An expression as a condition. `None` is FHIRPath's empty result.
    fn truth(self, expr: &'r Expr, this: Item<'r>) -> Option<bool> {
        match expr {
            Expr::Is(inner, ty) => self.first(inner, this).map(|item| self.is(item, *ty)),
            Expr::Exists(inner) => Some(self.first(inner, this).is_some()),
            Expr::Equal { left, right, not } => {
                let (left, right) = (self.first(left, this)?, self.first(right, this)?);
                Some(equal(left, right) != *not)
            }
            Expr::And(left, right) => match (self.truth(left, this), self.truth(right, this)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Expr::Or(left, right) => match (self.truth(left, this), self.truth(right, this)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            _ => match self.first(expr, this)? {
                Item::Bool(value) => Some(value),
                Item::Node {
                    json: Json::Bool(value),
                    ..
                } => Some(*value),
                _ => Some(true),
            },
        }
    }

    fn first(self, expr: &'r Expr, this: Item<'r>) -> Option<Item<'r>> {
        let mut first = None;
        self.each(expr, this, &mut |item| {
            first.get_or_insert(item);
        });
        first
    }

    fn children(self, item: Item<'r>, name: &str, out: Out<'_, 'r>) {
        let Item::Node { json, ty, .. } = item else {
            return;
        };
        let Some(members) = json.as_object() else {
            return;
        };
        let ty = self.definitions.ty(ty);
        if let Some((key, element)) = ty.key(name) {
            if let Some(value) = json.get(name) {
                self.items(value, key.ty, element, out);
            }
            return;
        }
        // Not a member's name: the stem of a choice, such as `value` of `valueQuantity`.
        for (member, value) in members
            .iter()
            .filter(|(member, _)| member.starts_with(name))
        {
            if let Some((key, element)) = ty.key(member)
                && element.is_choice
                && element.name == name
            {
                self.items(value, key.ty, element, out);
            }
        }
    }

    fn items(self, value: &'r Json<'r>, ty: TypeId, element: &'r Element, out: Out<'_, 'r>) {
        match value {
            Json::Array(items) => items
                .iter()
                .for_each(|item| self.item(item, ty, element, out)),
            value => self.item(value, ty, element, out),
        }
    }

    fn item(self, json: &'r Json<'r>, ty: TypeId, element: &'r Element, out: Out<'_, 'r>) {
        // null holds the place of a value that has only a sibling.
        if *json == Json::Null {
            return;
        }
        let ty = match self.definitions.ty(ty).shape {
            Shape::AnyResource => type_of(json, self.definitions).unwrap_or(ty),
            _ => ty,
        };
        out(Item::Node {
            json,
            ty,
            element: Some(element),
        });
    }

    fn is(self, item: Item<'r>, wanted: TypeId) -> bool {
        let (Item::Node { ty, .. } | Item::Target(ty)) = item else {
            return false;
        };
        if ty == wanted {
            return true;
        }
        let is_resource = self.definitions.ty(ty).kind == TypeKind::Resource;
        is_resource
            && matches!(
                self.definitions.ty(wanted).name,
                "Resource" | "DomainResource"
            )
    }

    /// The type that a reference says it points at.
    fn target(self, item: Item<'r>) -> Option<TypeId> {
        let Item::Node { json, .. } = item else {
            return None;
        };
        let reference = json.text("reference").or(json.as_str());
        let Some(reference) = reference else {
            return self.definitions.resource(json.text("type")?);
        };
        if let Some(id) = reference.strip_prefix('#') {
            let contained = self.resource.items("contained").iter();
            let mut found = contained.filter(|resource| resource.text("id") == Some(id));
            return type_of(found.next()?, self.definitions);
        }
        let unversioned = reference.split("/_history/").next()?;
        let mut segments = unversioned.rsplit('/');
        segments.next()?;
        let named = segments.next().and_then(|ty| self.definitions.resource(ty));
        named.or_else(|| self.definitions.resource(json.text("type")?))
    }
}

fn equal(left: Item<'_>, right: Item<'_>) -> bool {
    match (value(left), value(right)) {
        (Some(left), Some(right)) => left == right,
        _ => false,
    }
}

#[derive(PartialEq)]
enum Plain<'r> {
    Bool(bool),
    Text(&'r str),
}

fn value(item: Item<'_>) -> Option<Plain<'_>> {
    match item {
        Item::Bool(value) => Some(Plain::Bool(value)),
        Item::Text(text) => Some(Plain::Text(text)),
        Item::Node { json, .. } => json
            .as_bool()
            .map(Plain::Bool)
            .or_else(|| json.as_str().map(Plain::Text)),
        Item::Target(_) => None,
    }
}
