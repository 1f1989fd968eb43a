//! A message as an index over its own text: segments and fields are byte ranges; repetitions,
//! components and subcomponents are split when asked for.

use crate::escape::unescape;
use std::borrow::Cow;

/// The separators that a message declares in MSH-1 and MSH-2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Separators {
    /// MSH-1, usually `|`.
    pub field: u8,
    /// Usually `^`.
    pub component: u8,
    /// Usually `~`.
    pub repetition: u8,
    /// Usually `\`.
    pub escape: u8,
    /// Usually `&`.
    pub subcomponent: u8,
}

impl Default for Separators {
    fn default() -> Separators {
        Separators {
            field: b'|',
            component: b'^',
            repetition: b'~',
            escape: b'\\',
            subcomponent: b'&',
        }
    }
}

/// One segment's place in the text and in the list of fields.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub start: u32,
    pub end: u32,
    pub first_field: u32,
    pub fields: u32,
}

/// A message that was read. It owns its text (UTF-8 whatever the sender's character set was).
#[derive(Debug, Clone)]
pub struct Message {
    pub(crate) text: String,
    pub(crate) separators: Separators,
    pub(crate) segments: Vec<Span>,
    /// Every field of every segment, as start and end in `text`; a segment's name is not a field.
    pub(crate) fields: Vec<(u32, u32)>,
}

impl Message {
    /// The separators declared in the header.
    pub fn separators(&self) -> &Separators {
        &self.separators
    }

    /// The whole text, segments still separated as they came.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// All segments in order.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = Segment<'_>> + Clone {
        self.segments.iter().enumerate().map(|(at, span)| Segment {
            message: self,
            span: *span,
            line: at as u32 + 1,
        })
    }

    /// The first segment of that name.
    pub fn segment(&self, name: &str) -> Option<Segment<'_>> {
        self.segments().find(|s| s.name() == name)
    }

    /// The segment at that line, counted from 1.
    pub fn line(&self, line: u32) -> Option<Segment<'_>> {
        let at = usize::try_from(line).ok()?.checked_sub(1)?;
        self.segments.get(at).map(|span| Segment {
            message: self,
            span: *span,
            line,
        })
    }

    /// The text of a component of the first segment of that name; empty when there is none.
    pub fn value(&self, segment: &str, field: u16, component: u16) -> Cow<'_, str> {
        match self.segment(segment) {
            Some(s) => s.field(field).first().component(component).text(),
            None => Cow::Borrowed(""),
        }
    }
}

/// One segment of a message.
#[derive(Debug, Clone, Copy)]
pub struct Segment<'m> {
    message: &'m Message,
    span: Span,
    line: u32,
}

impl<'m> Segment<'m> {
    /// The three characters it starts with.
    pub fn name(&self) -> &'m str {
        let start = self.span.start as usize;
        self.message.text.get(start..start + 3).unwrap_or("")
    }

    /// Which segment of the message it is, counted from 1.
    pub fn line(&self) -> u32 {
        self.line
    }

    /// The segment as it stands in the text.
    pub fn raw(&self) -> &'m str {
        self.message
            .text
            .get(self.span.start as usize..self.span.end as usize)
            .unwrap_or("")
    }

    /// A field by the standard's number; an absent field is an empty one. In MSH, field 1 is the
    /// field separator and field 2 the encoding characters.
    pub fn field(&self, number: u16) -> Field<'m> {
        let at = u32::from(number)
            .checked_sub(1)
            .filter(|n| *n < self.span.fields);
        let range = at.and_then(|n| {
            self.message
                .fields
                .get((self.span.first_field + n) as usize)
        });
        let raw = range.and_then(|(a, b)| self.message.text.get(*a as usize..*b as usize));
        // MSH-1 and MSH-2 hold the separators themselves and are never split.
        let whole = number <= 2 && self.name() == "MSH";
        Field {
            raw: raw.unwrap_or(""),
            separators: &self.message.separators,
            whole,
        }
    }

    /// How many fields were sent.
    pub fn field_count(&self) -> u16 {
        u16::try_from(self.span.fields).unwrap_or(u16::MAX)
    }

    /// The text of a component of the field's first repetition; empty when there is none.
    pub fn value(&self, field: u16, component: u16) -> Cow<'m, str> {
        self.field(field).first().component(component).text()
    }
}

/// One field: zero or more repetitions.
#[derive(Debug, Clone, Copy)]
pub struct Field<'m> {
    raw: &'m str,
    separators: &'m Separators,
    whole: bool,
}

impl<'m> Field<'m> {
    /// The field as it stands in the text.
    pub fn raw(&self) -> &'m str {
        self.raw
    }

    /// Whether nothing was sent.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// The repetitions, in order; none for an empty field.
    pub fn repetitions(&self) -> impl Iterator<Item = Value<'m>> + use<'m> {
        let (separators, whole) = (self.separators, self.whole);
        let level = if whole {
            Level::Whole
        } else {
            Level::Repetition
        };
        split(
            self.raw,
            if whole {
                None
            } else {
                Some(separators.repetition)
            },
        )
        .map(move |raw| Value {
            raw,
            separators,
            level,
        })
    }

    /// The first repetition; empty when nothing was sent.
    pub fn first(&self) -> Value<'m> {
        let level = if self.whole {
            Level::Whole
        } else {
            Level::Repetition
        };
        let empty = Value {
            raw: "",
            separators: self.separators,
            level,
        };
        self.repetitions().next().unwrap_or(empty)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Whole,
    Repetition,
    Component,
    Subcomponent,
}

/// A repetition, a component or a subcomponent: a piece of text that may have parts.
#[derive(Debug, Clone, Copy)]
pub struct Value<'m> {
    raw: &'m str,
    separators: &'m Separators,
    level: Level,
}

impl<'m> Value<'m> {
    /// The value as it stands in the text, escapes and separators included.
    pub fn raw(&self) -> &'m str {
        self.raw
    }

    /// Whether it says anything: neither empty, nor made of separators alone.
    pub fn is_valued(&self) -> bool {
        let s = self.separators;
        self.raw
            .bytes()
            .any(|b| b != s.component && b != s.subcomponent)
    }

    /// Whether it is HL7's null `""`: the sender asks for the value to be removed.
    pub fn is_null(&self) -> bool {
        self.raw == "\"\""
    }

    /// A part by number, counted from 1: a repetition's component, a component's subcomponent.
    /// Part 1 of what has no parts is the value itself; any other is empty.
    pub fn component(&self, number: u16) -> Value<'m> {
        let (by, level) = match self.level {
            Level::Repetition => (Some(self.separators.component), Level::Component),
            Level::Component => (Some(self.separators.subcomponent), Level::Subcomponent),
            Level::Whole | Level::Subcomponent => (None, self.level),
        };
        let at = usize::from(number).saturating_sub(1);
        let raw = split(self.raw, by).nth(at).unwrap_or("");
        Value {
            raw,
            separators: self.separators,
            level,
        }
    }

    /// How many parts were sent.
    pub fn component_count(&self) -> usize {
        match self.level {
            Level::Repetition => split(self.raw, Some(self.separators.component)).count(),
            Level::Component => split(self.raw, Some(self.separators.subcomponent)).count(),
            Level::Whole | Level::Subcomponent => usize::from(!self.raw.is_empty()),
        }
    }

    /// The text with escapes resolved. Of a value with parts, the first part's.
    pub fn text(&self) -> Cow<'m, str> {
        match self.level {
            Level::Whole => Cow::Borrowed(self.raw),
            Level::Subcomponent => unescape(self.raw, self.separators),
            Level::Repetition | Level::Component => self.component(1).text(),
        }
    }

    /// The text with escapes resolved and separators kept: for free text (ST, TX, FT), in which
    /// senders forget to escape `^` and `&`.
    pub fn free_text(&self) -> Cow<'m, str> {
        unescape(self.raw, self.separators)
    }
}

fn split(raw: &str, by: Option<u8>) -> impl Iterator<Item = &str> {
    // A byte that no ASCII separator equals: the value stays whole.
    let by = char::from(by.unwrap_or(0));
    raw.split(by)
        .take(if raw.is_empty() { 0 } else { usize::MAX })
}
