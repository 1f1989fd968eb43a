//! The functions that rows of ours name (`our:…`): what no table can say.

use super::Interpreter;
use crate::message::Value;
use crate::to_fhir::draft::NodeId;
use crate::to_fhir::names::{self, identifier_system};
use crate::to_fhir::path::steps;
use crate::to_fhir::tables::Row;

impl<'m> Interpreter<'m> {
    /// A function of ours, named by a row of ours.
    pub(super) fn ours(&mut self, name: &str, value: Value<'m>, node: NodeId, depth: u8) -> bool {
        let part = |n: u16| value.component(n);
        match name {
            "our:systemcx" => self.system(part(4), part(5), node),
            "our:systemxcn" => self.system(part(9), part(13), node),
            // PLN has a kind of number, and no authority.
            "our:systempln" => self.system(part(9), part(2), node),
            "our:systemxon" => self.system_of_organisation(value, node),
            "our:systemcnn" => self.system_of_name(value, node),
            "our:systemei" => self.system_of_entity(value, node),
            "our:systemhd" if names::is_ods_code(part(1).text().trim()) => {
                self.set(node, names::ODS_CODE)
            }
            "our:systemhd" => self.set(node, &names::organisation_system(&self.facility)),
            "our:practice" => match names::practice_in_xcn(value) {
                Some(code) => self.practice(&code, node),
                None => false,
            },
            "our:gp" => {
                let (id, authority) = (part(1).text(), part(9).component(1).text());
                if names::practice_is_id(id.trim(), authority.trim()) {
                    return false;
                }
                let with = Some("xcn[practitioner]".to_owned());
                self.put(
                    &Row {
                        with,
                        ..Row::default()
                    },
                    value,
                    node,
                    depth + 1,
                )
            }
            "our:place" => self.place(value, node),
            "our:location" => self.location(value, node),
            _ => false,
        }
    }

    fn system(&mut self, authority: Value<'m>, type_code: Value<'m>, node: NodeId) -> bool {
        let kind = type_code.text();
        let system = identifier_system(self.tables, authority, kind.trim(), &self.facility);
        self.set(node, &system)
    }

    fn system_of_organisation(&mut self, value: Value<'m>, node: NodeId) -> bool {
        if names::practice_in_xon(value).is_some() && !value.component(6).is_valued() {
            return self.set(node, names::ODS_CODE);
        }
        self.system(value.component(6), value.component(7), node)
    }

    /// EI keeps namespace, universal id and its kind in components 2 to 4.
    fn system_of_entity(&mut self, value: Value<'m>, node: NodeId) -> bool {
        let system = names::entity_system(self.tables, value, &self.facility);
        self.set(node, &system)
    }

    /// CNN keeps namespace, universal id and its kind in components 9 to 11.
    fn system_of_name(&mut self, value: Value<'m>, node: NodeId) -> bool {
        let system = names::name_system(self.tables, value, &self.facility);
        self.set(node, &system)
    }

    fn practice(&mut self, code: &str, organisation: NodeId) -> bool {
        let path = steps("identifier[1]").unwrap_or_default();
        let application = self.next_application();
        let Ok(identifier) = self.arena.follow(organisation, &path, application, 0) else {
            return false;
        };
        for (name, text) in [("system", names::ODS_CODE), ("value", code)] {
            let key = self.own_key();
            if let Ok(at) = self.arena.element(identifier, name, key) {
                self.set(at, text);
            }
        }
        true
    }

    /// A PL as Locations, as HL7 maps it: the innermost part is the place at hand, each part is in
    /// the next one out.
    fn location(&mut self, value: Value<'m>, location: NodeId) -> bool {
        // Component, and its code of location-physical-type: bed, room, point of care, floor,
        // building, facility.
        const PARTS: [(u16, &str); 6] = [
            (3, "bd"),
            (2, "ro"),
            (1, ""),
            (8, "lvl"),
            (7, "bu"),
            (4, "si"),
        ];
        let sent = PARTS
            .iter()
            .filter(|(n, _)| value.component(*n).is_valued());
        let mut at = None;
        for (n, code) in sent {
            let node = match at {
                None => Some(location),
                Some(inner) => self.around(inner),
            };
            let Some(node) = node else { break };
            self.part_of_place(value.component(*n), code, node);
            if at.is_none() {
                self.put_text(node, "mode", "instance");
                self.put_text(node, "status", value.component(5).text().trim());
                self.put_text(node, "description", &value.component(9).free_text());
                self.number_of_place(value, node);
            }
            at = Some(node);
        }
        at.is_some()
    }

    /// The place's own number (PL.10) and who gave it (PL.11).
    fn number_of_place(&mut self, value: Value<'m>, location: NodeId) {
        let number = value.component(10).component(1).text();
        self.put_text(location, "identifier[3].value", number.trim());
        let path = steps("identifier[3].assigner(Organization)").unwrap_or_default();
        let by = value.component(11);
        if by.is_valued()
            && let Ok(organisation) = self.arena.follow(location, &path, 0, 0)
        {
            let with = Some("hd[organization]".to_owned());
            let row = Row {
                with,
                ..Row::default()
            };
            self.put(&row, by, organisation, 1);
        }
    }

    /// The Location that a Location is in, begun.
    fn around(&mut self, inner: NodeId) -> Option<NodeId> {
        let path = steps("partOf(Location)").unwrap_or_default();
        let application = self.next_application();
        self.arena.follow(inner, &path, application, 0).ok()
    }

    /// One part of a PL (an HD): name, and universal id with its kind.
    fn part_of_place(&mut self, part: Value<'m>, code: &str, location: NodeId) {
        let text = |n: u16| part.component(n).text().trim().to_owned();
        self.put_text(location, "identifier[1].value", &text(1));
        self.put_text(location, "identifier[2].value", &text(2));
        self.put_text(location, "identifier[2].type.coding.code", &text(3));
        if !code.is_empty() {
            let system = "http://terminology.hl7.org/CodeSystem/location-physical-type";
            self.put_text(location, "physicalType.coding.system", system);
            self.put_text(location, "physicalType.coding.code", code);
        }
    }

    /// Sets the primitive that a path leads to; labels hold for the node as a whole.
    fn put_text(&mut self, node: NodeId, path: &str, text: &str) {
        let steps = steps(path).unwrap_or_default();
        if let (false, Ok(at)) = (text.is_empty(), self.arena.follow(node, &steps, 0, 0)) {
            self.set(at, text);
        }
    }

    /// A PL as a reference by identifier: point of care, room, bed and facility, as sent.
    fn place(&mut self, value: Value<'m>, reference: NodeId) -> bool {
        let texts: Vec<String> = [4, 7, 8, 1, 2, 3]
            .iter()
            .map(|n| value.component(*n).component(1).text().trim().to_owned())
            .collect();
        let named: Vec<&str> = texts
            .iter()
            .map(String::as_str)
            .filter(|t| !t.is_empty())
            .collect();
        if named.is_empty() {
            return false;
        }
        let parts = [
            ("display", named.join(", ")),
            ("identifier.system", names::place_system(&self.facility)),
            (
                "identifier.value",
                texts.join("^").trim_matches('^').to_owned(),
            ),
        ];
        for (path, text) in parts {
            let application = self.next_application();
            let steps = steps(path).unwrap_or_default();
            if let Ok(at) = self.arena.follow(reference, &steps, application, 0) {
                self.set(at, &text);
            }
        }
        true
    }
}
