//! The parameters of a request to the authorization server: none may stand twice (RFC 6749 §3.1).

use super::failure::Refused;

/// The most parameters.
const FIELDS_MAX: usize = 40;

/// Parameters, each at most once.
#[derive(Debug)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads `application/x-www-form-urlencoded`.
    ///
    /// # Errors
    /// `invalid_request` for a parameter that stands twice, or too many.
    pub fn read(text: &[u8]) -> Result<Parameters, Refused> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text) {
            if fields.len() >= FIELDS_MAX || fields.iter().any(|(known, _)| *known == name) {
                return Err(Refused::request(
                    "A parameter stands twice, or there are too many.",
                ));
            }
            fields.push((name.into_owned(), value.into_owned()));
        }
        Ok(Parameters(fields))
    }

    /// A parameter that is there and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// # Errors
    /// `invalid_request` if it is not there.
    pub fn need(&self, name: &str) -> Result<&str, Refused> {
        self.get(name)
            .ok_or_else(|| Refused::request(format!("{name} is missing.")))
    }
}
