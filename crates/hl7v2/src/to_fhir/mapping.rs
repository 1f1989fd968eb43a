//! The mapping in force: the tables that are built in, with the layers of a site over them.
//!
//! A layer is a file in the form of `tables/ours.json`, of which it may leave out everything. It is
//! for all senders or for one (`"sender": {"application": "LAB", "facility": "RXX01"}`). Layers are
//! laid in the order in which they are given, those for fewer senders over those for more.

use super::tables::{self, Ours, Sender, Tables};
use crate::header::Header;
use fhir::problem::{Kind, Problem};

/// A layer: what the file is called, and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// For messages about it.
    pub name: String,
    /// JSON.
    pub text: String,
}

/// The layers that come with the program, by name: examples that can be put in force as they are.
const SHIPPED: [(&str, &str); 1] = [("cdc", include_str!("../../layers/cdc.json"))];

impl Layer {
    /// A layer that comes with the program.
    ///
    /// # Errors
    /// `NotFound` if there is none of that name; it names those that there are.
    pub fn shipped(name: &str) -> Result<Layer, Problem> {
        let found = SHIPPED.iter().find(|(known, _)| *known == name);
        let names = || SHIPPED.map(|(known, _)| known).join(", ");
        let Some((name, text)) = found else {
            let message = format!(
                "no layer {name:?} comes with the program; there is: {}",
                names()
            );
            return Err(Problem::new(Kind::NotFound, message));
        };
        Ok(Layer {
            name: format!("layer {name}"),
            text: (*text).to_owned(),
        })
    }
}

/// The tables of one sender, or of all that have none of their own.
#[derive(Debug)]
struct Own {
    sender: Sender,
    tables: Tables,
}

/// The mapping in force.
#[derive(Debug, Default)]
pub struct Mapping {
    /// Those for fewer senders first.
    own: Vec<Own>,
}

impl Mapping {
    /// The tables that are built in, alone.
    pub fn built_in() -> Mapping {
        Mapping::default()
    }

    /// The tables that are built in with these layers over them.
    ///
    /// # Errors
    /// `Invalid` if a layer cannot be read or changes what is not there; it names the layer.
    pub fn with(layers: &[Layer]) -> Result<Mapping, Problem> {
        let mut read: Vec<(&str, Ours)> = Vec::new();
        for layer in layers {
            let ours = serde_json::from_str(&layer.text)
                .map_err(|e| broken(&layer.name, &e.to_string()))?;
            read.push((&layer.name, ours));
        }
        // Stable: among those for as many senders the order given holds.
        read.sort_by_key(|(_, ours)| ours.sender.as_ref().map_or(0, named));
        let mut own: Vec<Own> = Vec::new();
        for (_, ours) in read.iter().rev() {
            let sender = ours.sender.clone().unwrap_or_default();
            if own.iter().any(|o| o.sender == sender) {
                continue;
            }
            let mut tables = tables::tables()?.clone();
            for (name, layer) in &read {
                let is_for = layer.sender.as_ref().is_none_or(|s| is_within(&sender, s));
                if is_for {
                    tables.lay(layer.clone()).map_err(|e| broken(name, &e))?;
                }
            }
            own.push(Own { sender, tables });
        }
        Ok(Mapping { own })
    }

    /// The tables for a message with that header.
    ///
    /// # Errors
    /// `Exception` if the tables built into the program are broken.
    pub fn of(&self, header: &Header) -> Result<&Tables, Problem> {
        let sent = Sender {
            application: Some(header.sending_application.clone()),
            facility: Some(header.sending_facility.clone()),
        };
        match self.own.iter().find(|own| is_within(&sent, &own.sender)) {
            Some(own) => Ok(&own.tables),
            None => tables::tables(),
        }
    }

    /// Whether messages with that header can be translated.
    pub fn supports(&self, header: &Header) -> bool {
        let tables = self.of(header);
        tables.is_ok_and(|t| t.structure(&header.message_type, &header.trigger).is_some())
    }
}

/// How much a sender's name says.
fn named(sender: &Sender) -> usize {
    usize::from(sender.facility.is_some()) * 2 + usize::from(sender.application.is_some())
}

/// Whether all that `wider` names is the same in `sender`.
fn is_within(sender: &Sender, wider: &Sender) -> bool {
    let same = |wide: &Option<String>, own: &Option<String>| wide.is_none() || wide == own;
    same(&wider.application, &sender.application) && same(&wider.facility, &sender.facility)
}

fn broken(name: &str, reason: &str) -> Problem {
    Problem::new(Kind::Invalid, format!("{name}: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(application: &str, facility: &str) -> Header {
        Header {
            sending_application: application.into(),
            sending_facility: facility.into(),
            message_type: "ADT".into(),
            trigger: "A01".into(),
            ..Header::default()
        }
    }

    fn layer(name: &str, text: &str) -> Layer {
        Layer {
            name: name.into(),
            text: text.into(),
        }
    }

    #[test]
    fn a_layer_holds_for_its_sender_and_one_for_all_lies_under_it() {
        let layers = [
            layer(
                "lab.json",
                r#"{"sender": {"application": "LAB"}, "code_systems": {"X": "urn:lab"}}"#,
            ),
            layer(
                "all.json",
                r#"{"code_systems": {"X": "urn:all", "Y": "urn:y"}, "structures": {"ADT^Z01": "ADT_A01"}}"#,
            ),
        ];
        let mapping = Mapping::with(&layers).unwrap();
        let system = |application: &str, name: &str| {
            let tables = mapping.of(&header(application, "RXX01")).unwrap();
            tables.ours.code_systems.get(name).cloned()
        };
        assert_eq!(system("LAB", "X").as_deref(), Some("urn:lab"));
        assert_eq!(system("LAB", "Y").as_deref(), Some("urn:y"));
        assert_eq!(system("PAS", "X").as_deref(), Some("urn:all"));
        let own = Header {
            trigger: "Z01".into(),
            ..header("PAS", "RXX01")
        };
        assert!(mapping.supports(&own) && !Mapping::built_in().supports(&own));
    }

    #[test]
    fn a_broken_layer_is_named_with_what_is_wrong_in_it() {
        for (text, part) in [
            ("{", "EOF"),
            (r#"{"rowz": {}}"#, "rowz"),
            (
                r#"{"rows": {"PID[Patient]": [{"from": 1, "to": "a b"}]}}"#,
                "path",
            ),
            (
                r#"{"rows": {"PID[Patient]": [{"from": 1, "to": "name", "with": "NO[Such]"}]}}"#,
                "no[such]",
            ),
            (
                r#"{"changes": [{"map": "PID[Patient]", "from": 99, "take": false, "why": ""}]}"#,
                "no row",
            ),
            (r#"{"structures": {"ADT^Z01": "ADT_Z01"}}"#, "ADT_Z01"),
        ] {
            let problem = Mapping::with(&[layer("site.json", text)]).unwrap_err();
            let said = problem.message.to_string();
            assert!(
                said.starts_with("site.json: ") && said.contains(part),
                "{said}"
            );
        }
    }
}
