//! The interpreter: applies the rows of a map to a segment or a value.

mod codes;
mod ours;

use super::condition::Scope;
use super::convert::primitive;
use super::draft::{Arena, Key, NodeId};
use super::ledger::Ledger;
use super::names::code_system;
use super::path::Step;
use super::tables::{Code, Part, Row, Tables};
use crate::message::{Message, Segment, Value};
use crate::time::Zone;

/// How deep data type maps may call each other.
const DEPTH_MAX: u8 = 6;

/// The state of one message's translation.
pub struct Interpreter<'m> {
    /// The tables.
    pub tables: &'m Tables,
    /// The message.
    pub message: &'m Message,
    /// The zone of times that name none.
    pub zone: Zone,
    /// MSH-4, by which what is local to the sender is named.
    pub facility: String,
    /// What is being built.
    pub arena: Arena,
    /// What became of each field.
    pub ledger: Ledger,
    /// Elements that the sender asks to remove, by resource: HL7's null, `""`.
    pub removed: Vec<(NodeId, String)>,
    applications: u32,
    /// The field at hand, for the ledger.
    at: (u32, u16),
}

impl<'m> Interpreter<'m> {
    /// An interpreter that has built nothing yet.
    pub fn new(
        tables: &'m Tables,
        message: &'m Message,
        zone: Zone,
        facility: String,
    ) -> Interpreter<'m> {
        Interpreter {
            tables,
            message,
            zone,
            facility,
            arena: Arena::default(),
            ledger: Ledger::default(),
            removed: Vec::new(),
            applications: 0,
            at: (0, 0),
        }
    }

    /// Applies a segment map to a segment; what it makes goes to `target` and what that refers to.
    pub fn segment(&mut self, map: &str, segment: Segment<'m>, target: NodeId) {
        let tables = self.tables;
        let Some(rows) = tables.published.segments.get(map) else {
            return;
        };
        let application = self.next_application();
        let scope = Scope::Segment(self.message, segment);
        for row in rows.iter().filter(|r| !r.prose) {
            if row.when.as_ref().is_some_and(|c| !scope.holds(c)) {
                continue;
            }
            self.at = (segment.line(), row.from);
            if row.from == 0 {
                self.assign_to(row, scope, target, application, 0);
                continue;
            }
            if row.with.as_deref() == Some("our:lines") {
                self.lines(row, segment, target, application);
                continue;
            }
            for (n, value) in segment.field(row.from).repetitions().enumerate() {
                if value.is_null() {
                    self.remove(row, target);
                } else if value.is_valued() {
                    let repetition = u16::try_from(n).unwrap_or(u16::MAX);
                    self.row(row, scope, value, target, application, repetition);
                }
            }
        }
    }

    fn next_application(&mut self) -> u32 {
        self.applications += 1;
        self.applications
    }

    /// A key for an element that no table row makes.
    pub fn own_key(&mut self) -> Key {
        Key {
            application: self.next_application(),
            label: None,
            repetition: 0,
        }
    }

    /// One row of a segment map, for one repetition of its field.
    fn row(
        &mut self,
        row: &Row,
        scope: Scope<'m>,
        value: Value<'m>,
        target: NodeId,
        application: u32,
        repetition: u16,
    ) {
        if !row.assign.is_empty() {
            self.assign_to(row, scope, target, application, repetition);
            return;
        }
        let Some(node) = self.reach(row, target, application, repetition) else {
            return;
        };
        if self.put(row, value, node, 0) {
            self.credit(row, target);
        }
    }

    /// Applies a data type map to a value that no segment map leads to.
    pub fn whole_value(
        &mut self,
        map: &str,
        value: Value<'m>,
        target: NodeId,
        field: (u32, u16),
        to: &str,
    ) {
        self.at = field;
        let row = Row {
            with: Some(map.to_owned()),
            ..Row::default()
        };
        if self.put(&row, value, target, 0) {
            self.ledger.mapped(field.0, field.1, to);
        }
    }

    /// The sender asks for the row's element to be removed.
    fn remove(&mut self, row: &Row, target: NodeId) {
        if let Some(Step::Element { name, .. }) = row.steps().and_then(<[Step]>::first)
            && name != "extension"
        {
            let removed = (target, name.clone());
            if !self.removed.contains(&removed) {
                self.removed.push(removed);
            }
            self.credit(row, target);
        }
    }

    /// Notes that the field at hand went to the row's element.
    fn credit(&mut self, row: &Row, target: NodeId) {
        if self.ledger.is_closed() {
            return;
        }
        let to = match row.to.trim() {
            "$this" => self.arena.ty(target).to_owned(),
            to => format!("{}.{to}", self.arena.ty(target)),
        };
        self.ledger.mapped(self.at.0, self.at.1, &to);
    }

    fn reach(
        &mut self,
        row: &Row,
        target: NodeId,
        application: u32,
        repetition: u16,
    ) -> Option<NodeId> {
        let Some(steps) = row.steps() else {
            self.note("FHIR has no element for it; HL7 names an extension that is not defined yet");
            return None;
        };
        let walk = row.walk(self.arena.ty(target));
        let reached = walk.and_then(|walk| {
            let path = (steps, walk.as_ref());
            self.arena.walk(target, path, application, repetition)
        });
        match reached {
            Ok(node) => Some(node),
            Err(reason) => {
                self.note(&reason);
                None
            }
        }
    }

    fn note(&mut self, reason: &str) {
        self.ledger.note(self.at.0, self.at.1, reason);
    }

    /// A row whose value is written in the table.
    fn assign_to(
        &mut self,
        row: &Row,
        scope: Scope<'m>,
        target: NodeId,
        application: u32,
        repetition: u16,
    ) {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Value(source) => scope.text(source).into_owned(),
        };
        let text: String = row.assign.iter().map(part).collect();
        if text.trim().is_empty() {
            return;
        }
        let Some(node) = self.reach(row, target, application, repetition) else {
            return;
        };
        if self.set(node, &text) {
            // Fixed text is not the field's own content.
            let from_field = row.assign.iter().any(|p| matches!(p, Part::Value(_)));
            if from_field && self.at.1 != 0 {
                self.credit(row, target);
            }
        }
    }

    /// Puts a value at a node; whether anything of it was held.
    fn put(&mut self, row: &Row, value: Value<'m>, node: NodeId, depth: u8) -> bool {
        let tables = self.tables;
        let codes = row
            .codes
            .as_ref()
            .and_then(|name| tables.published.codes.get(name));
        let rows = row.with.as_deref().and_then(|map| {
            if map.starts_with("our:") {
                None
            } else {
                tables.published.datatypes.get(map)
            }
        });
        match (row.with.as_deref(), rows) {
            (Some(ours), _) if ours.starts_with("our:") => self.ours(ours, value, node, depth),
            (Some(map), Some(rows)) if depth < DEPTH_MAX => {
                let held = self.value(map, rows, value, node, codes, depth);
                match codes {
                    Some(codes) => self.translate(codes, value, node) || held,
                    None => held,
                }
            }
            _ => self.leaf(value, node, codes),
        }
    }

    /// Applies a data type map to a value.
    fn value(
        &mut self,
        map: &str,
        rows: &'m [Row],
        value: Value<'m>,
        node: NodeId,
        codes: Option<&'m Vec<Code>>,
        depth: u8,
    ) -> bool {
        let application = self.next_application();
        let scope = Scope::Value(value);
        let is_coded = ["ce[", "cwe[", "cne[", "cf["]
            .iter()
            .any(|t| map.starts_with(t));
        // A code that a concept map translates is not also put down untranslated.
        let only_translated = codes.is_some() && matches!(self.arena.ty(node), "code" | "boolean");
        let mut held = false;
        for row in rows.iter().filter(|r| !r.prose && !only_translated) {
            if row.when.as_ref().is_some_and(|c| !scope.holds(c)) {
                continue;
            }
            let part = if row.from == 0 {
                value
            } else {
                value.component(row.from)
            };
            if !part.is_valued() || part.is_null() {
                continue;
            }
            if !row.assign.is_empty() {
                self.assign_to(row, scope, node, application, 0);
                continue;
            }
            let Some(at) = self.reach(row, node, application, 0) else {
                continue;
            };
            held |= if is_coded && self.arena.ty(at) == "uri" && row.to.ends_with("system") {
                let system = code_system(self.tables, &part.text(), &self.facility);
                system.is_some_and(|s| self.set(at, &s))
            } else {
                self.put(row, part, at, depth + 1)
            };
        }
        held
    }

    /// Text that fills a node by itself.
    fn leaf(&mut self, value: Value<'m>, node: NodeId, codes: Option<&'m Vec<Code>>) -> bool {
        if let Some(codes) = codes {
            return self.translate(codes, value, node);
        }
        let ty = self.arena.ty(node);
        let text = if ty == "string" || ty == "markdown" {
            value.free_text()
        } else {
            value.text()
        };
        self.set(node, &text)
    }

    /// Sets a primitive from text, noting what cannot be held.
    fn set(&mut self, node: NodeId, text: &str) -> bool {
        let ty = self.arena.ty(node);
        let made = match ty {
            // What a map gives as text where FHIR has a concept is the concept's text.
            "CodeableConcept" => {
                let key = self.own_key();
                let Ok(inner) = self.arena.element(node, "text", key) else {
                    return false;
                };
                return self.set(inner, text);
            }
            _ => primitive(ty, text, self.zone),
        };
        match made.map(|value| self.arena.set(node, value)) {
            Ok(true) => true,
            Ok(false) => {
                self.note("FHIR holds one value there, and holds another already");
                false
            }
            Err(reason) => {
                self.note(&reason);
                false
            }
        }
    }

    /// Free text that repeats: one text, a line a repetition.
    fn lines(&mut self, row: &Row, segment: Segment<'m>, target: NodeId, application: u32) {
        let lines: Vec<String> = segment
            .field(row.from)
            .repetitions()
            .map(|r| r.free_text().into_owned())
            .collect();
        let mut repetitions = segment.field(row.from).repetitions();
        let text = lines.join("\n");
        // What other rows say of the field they say of its first repetition that says anything.
        let Some(first) = repetitions.position(|r| r.is_valued() && !r.is_null()) else {
            return;
        };
        let first = u16::try_from(first).unwrap_or(u16::MAX);
        if let Some(node) = self.reach(row, target, application, first)
            && self.set(node, &text)
        {
            self.credit(row, target);
        }
    }
}
