//! ODS codes: how organisations are named in England
//! (<https://digital.nhs.uk/services/organisation-data-service>).

use std::fmt;

use fhir::problem::{Kind, Problem};

/// An organisation's ODS code: 3 to 12 capital letters and digits, such as `RX1` or `A81001`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ods(String);

impl Ods {
    /// Reads a code; white space around it and lower case are taken.
    ///
    /// # Errors
    /// `Value` if it is not 3 to 12 letters and digits.
    pub fn parse(text: &str) -> Result<Ods, Problem> {
        let code = text.trim();
        let plain = code.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if plain && (3..=12).contains(&code.len()) {
            return Ok(Ods(code.to_ascii_uppercase()));
        }
        let message = "An ODS code is 3 to 12 letters and digits, such as A81001.";
        Err(Problem::new(Kind::Value, message))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Ods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Ods {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Ods, Problem> {
        Ods::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_in_any_case_and_anything_else_is_refused() {
        assert_eq!(Ods::parse(" a81001 ").unwrap().as_str(), "A81001");
        for text in ["", "A8", "A81 001", "A81001'--", "ABCDEFGHIJKLM", "É81001"] {
            assert!(Ods::parse(text).is_err(), "{text}");
        }
    }
}
