//! Codes by HL7's concept maps.

use super::Interpreter;
use crate::message::Value;
use crate::to_fhir::draft::NodeId;
use crate::to_fhir::tables::Code;

impl<'m> Interpreter<'m> {
    /// A code by a concept map: beside what was sent where FHIR holds several codings, instead of
    /// it where it holds one.
    pub(super) fn translate(&mut self, codes: &'m [Code], value: Value<'m>, node: NodeId) -> bool {
        let text = value.component(1).text();
        let found = codes.iter().find(|c| c.from == text.trim());
        match (self.arena.ty(node), found) {
            ("code" | "boolean", Some(code)) => self.set(node, &code.code),
            ("code" | "boolean", None) => {
                self.note("the code is not in the table that translates it");
                false
            }
            ("Coding", Some(code)) => {
                self.arena.clear(node);
                self.coding(code, node)
            }
            ("CodeableConcept", Some(code)) => {
                self.without_system(value, node);
                let key = self.own_key();
                match self.arena.element(node, "coding", key) {
                    Ok(coding) => self.coding(code, coding),
                    Err(_) => false,
                }
            }
            _ => false,
        }
    }

    /// A code that was sent without its system says nothing beside its translation; the words
    /// sent with it stay.
    fn without_system(&mut self, value: Value<'m>, node: NodeId) {
        if value.component(3).is_valued() || value.component(4).is_valued() {
            return;
        }
        self.arena.clear(node);
        let words = [9, 2]
            .map(|n| value.component(n))
            .into_iter()
            .find(|w| w.is_valued());
        let key = self.own_key();
        if let (Some(words), Ok(at)) = (words, self.arena.element(node, "text", key)) {
            self.set(at, &words.free_text());
        }
    }

    fn coding(&mut self, code: &Code, node: NodeId) -> bool {
        let parts = [
            ("system", &code.system),
            ("code", &code.code),
            ("display", &code.display),
        ];
        for (name, text) in parts {
            let key = self.own_key();
            if let (false, Ok(at)) = (text.is_empty(), self.arena.element(node, name, key)) {
                self.set(at, text);
            }
        }
        true
    }
}
