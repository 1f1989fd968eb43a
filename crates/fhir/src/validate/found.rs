//! A JSON member beside its sibling: `given` and `_given`.

use crate::definitions::{Key, Type};
use crate::json::{Json, Member};

/// A member among its fellows.
pub(super) struct Found<'m> {
    pub members: &'m [Member<'m>],
    /// Its name without the underscore.
    pub plain: &'m str,
    pub value: &'m Json<'m>,
    pub is_sibling: bool,
}

impl<'m> Found<'m> {
    /// The sibling of a value, or the value of a sibling.
    pub fn pair(&self) -> Option<&'m Json<'m>> {
        let is_pair = |name: &str| match name.strip_prefix('_') {
            Some(plain) => !self.is_sibling && plain == self.plain,
            None => self.is_sibling && name == self.plain,
        };
        self.members
            .iter()
            .find(|(name, _)| is_pair(name))
            .map(|(_, value)| value)
    }

    pub fn pair_is_empty_at(&self, index: usize) -> bool {
        let item = self
            .pair()
            .and_then(Json::as_array)
            .and_then(|items| items.get(index));
        item.is_none_or(|item| *item == Json::Null)
    }
}

/// Whether members of different names stand for the one choice element: `valueString` beside
/// `_valueString` is the same name.
pub(super) fn two_choices(members: &[Member<'_>], ty: &Type, key: Key) -> bool {
    let mut names = members
        .iter()
        .map(|(name, _)| name.strip_prefix('_').unwrap_or(name))
        .filter(|name| {
            ty.key(name)
                .is_some_and(|(found, _)| found.element == key.element)
        });
    let first = names.next();
    names.any(|name| Some(name) != first)
}
