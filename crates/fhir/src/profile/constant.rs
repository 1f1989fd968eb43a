//! A fixed value or a pattern: JSON that is kept for as long as its profile.

use crate::fhirpath::Decimal;
use crate::json::Json;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Constant {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    Array(Vec<Constant>),
    Object(Vec<(String, Constant)>),
}

impl Constant {
    pub fn of(json: &Json<'_>) -> Constant {
        match json {
            Json::Null => Constant::Null,
            Json::Bool(value) => Constant::Bool(*value),
            Json::Number(text) => Constant::Number((*text).to_string()),
            Json::String(text) => Constant::Text(text.to_string()),
            Json::Array(items) => Constant::Array(items.iter().map(Constant::of).collect()),
            Json::Object(members) => Constant::Object(
                members
                    .iter()
                    .map(|(name, value)| (name.to_string(), Constant::of(value)))
                    .collect(),
            ),
        }
    }

    pub fn get(&self, name: &str) -> Option<&Constant> {
        match self {
            Constant::Object(members) => members
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value),
            Constant::Array(items) => items.iter().find_map(|item| item.get(name)),
            _ => None,
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Constant::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether a value is this and nothing else.
    pub fn is(&self, json: &Json<'_>) -> bool {
        match (self, json) {
            (Constant::Array(own), Json::Array(items)) => {
                own.len() == items.len() && own.iter().zip(items).all(|(own, item)| own.is(item))
            }
            (Constant::Object(own), Json::Object(members)) => {
                own.len() == members.len()
                    && own
                        .iter()
                        .all(|(name, own)| json.get(name).is_some_and(|value| own.is(value)))
            }
            _ => self.is_plain(json),
        }
    }

    /// Whether a value has at least what this says
    /// (<https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.pattern_x_>).
    pub fn is_within(&self, json: &Json<'_>) -> bool {
        match (self, json) {
            (Constant::Array(own), Json::Array(items)) => own
                .iter()
                .all(|own| items.iter().any(|item| own.is_within(item))),
            (Constant::Object(own), Json::Object(_)) => own
                .iter()
                .all(|(name, own)| json.get(name).is_some_and(|value| own.is_within(value))),
            _ => self.is_plain(json),
        }
    }

    fn is_plain(&self, json: &Json<'_>) -> bool {
        match (self, json) {
            (Constant::Null, Json::Null) => true,
            (Constant::Bool(own), Json::Bool(value)) => own == value,
            (Constant::Text(own), Json::String(value)) => own == value,
            (Constant::Number(own), Json::Number(value)) => {
                own == value
                    || matches!((Decimal::parse(own), Decimal::parse(value)),
                        (Some(own), Some(value)) if own == value)
            }
            _ => false,
        }
    }
}
