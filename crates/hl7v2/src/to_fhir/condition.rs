//! Whether a row's condition holds for the segment or value at hand.

use super::convert::is_decimal;
use super::tables::{Condition, Source};
use crate::message::{Message, Segment, Value};
use std::borrow::Cow;

/// What a condition or assignment is about.
#[derive(Clone, Copy)]
pub enum Scope<'m> {
    /// A segment: sources name it, or another of the message.
    Segment(&'m Message, Segment<'m>),
    /// A value: sources number its components.
    Value(Value<'m>),
}

impl<'m> Scope<'m> {
    /// Whether the condition holds.
    pub fn holds(&self, condition: &Condition) -> bool {
        match condition {
            Condition::Valued(source) => self.is_valued(source),
            Condition::In(source, texts) => {
                let text = self.text(source);
                texts.iter().any(|t| *t == text)
            }
            Condition::More(source, count) => self.repetitions(source) > *count,
            Condition::Longer(source, length) => self.text(source).chars().count() > *length,
            Condition::Number(source) => is_decimal(&self.text(source)),
            Condition::Not(inner) => !self.holds(inner),
            Condition::All(parts) => parts.iter().all(|c| self.holds(c)),
            Condition::Any(parts) => parts.iter().any(|c| self.holds(c)),
        }
    }

    /// The source's text; empty when there is none.
    pub fn text(&self, source: &Source) -> Cow<'m, str> {
        self.value(source).map_or(Cow::Borrowed(""), |v| v.text())
    }

    fn is_valued(&self, source: &Source) -> bool {
        match self {
            Scope::Segment(message, _) if source.at.is_empty() => {
                message.segment(&source.of).is_some()
            }
            _ => self
                .value(source)
                .is_some_and(|v| v.is_valued() && !v.is_null()),
        }
    }

    fn repetitions(&self, source: &Source) -> usize {
        match (self, source.at.as_slice()) {
            (Scope::Segment(..), [field, ..]) => self
                .segment(source)
                .map_or(0, |s| s.field(*field).repetitions().count()),
            _ => usize::from(self.is_valued(source)),
        }
    }

    fn segment(&self, source: &Source) -> Option<Segment<'m>> {
        match self {
            Scope::Segment(_, segment) if segment.name() == source.of => Some(*segment),
            Scope::Segment(message, _) => message.segment(&source.of),
            Scope::Value(_) => None,
        }
    }

    fn value(&self, source: &Source) -> Option<Value<'m>> {
        let (value, parts) = match self {
            Scope::Segment(..) => {
                let (field, parts) = source.at.split_first()?;
                (self.segment(source)?.field(*field).first(), parts)
            }
            Scope::Value(value) => (*value, source.at.as_slice()),
        };
        Some(parts.iter().fold(value, |value, n| value.component(*n)))
    }
}
