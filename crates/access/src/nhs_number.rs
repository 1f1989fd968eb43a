//! NHS numbers (<https://www.datadictionary.nhs.uk/attributes/nhs_number.html>).

use std::fmt;

use fhir::problem::{Kind, Problem};

/// A ten-digit NHS number whose check digit holds. Shown 3-3-4; hidden by `Debug`, so that it does
/// not reach a log by accident.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NhsNumber(String);

impl NhsNumber {
    /// The system of the identifier in FHIR.
    pub const SYSTEM: &str = "https://fhir.nhs.uk/Id/nhs-number";

    /// Reads a number; blanks and hyphens between the digits are taken.
    ///
    /// # Errors
    /// `Value` if it is not ten digits or the check digit does not hold (modulus 11, weights 10 to
    /// 2; 11 counts as 0 and 10 is never given out).
    pub fn parse(text: &str) -> Result<NhsNumber, Problem> {
        let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
        if digits.len() == 10 && digits.bytes().all(|b| b.is_ascii_digit()) && checks(&digits) {
            return Ok(NhsNumber(digits));
        }
        let message = "An NHS number is ten digits of which the last checks the others.";
        Err(Problem::new(Kind::Value, message))
    }

    /// The ten digits without blanks, as stored and sent.
    pub fn digits(&self) -> &str {
        &self.0
    }
}

/// Whether the last of ten digits checks the other nine.
fn checks(digits: &str) -> bool {
    let values = digits.bytes().map(|byte| u32::from(byte - b'0'));
    // The check digit's own weight is 1: the weighted sum of all ten is then a multiple of 11.
    let sum: u32 = values
        .zip((1..=10).rev())
        .map(|(digit, weight)| digit * weight)
        .sum();
    sum.is_multiple_of(11)
}

impl fmt::Display for NhsNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, rest) = self.0.split_at(3);
        let (second, third) = rest.split_at(3);
        write!(f, "{first} {second} {third}")
    }
}

impl fmt::Debug for NhsNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NhsNumber(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_published_example_is_taken_and_shown_in_groups() {
        let number = NhsNumber::parse("943-476 5919").unwrap();
        assert_eq!(number.digits(), "9434765919");
        assert_eq!(number.to_string(), "943 476 5919");
        assert!(!format!("{number:?}").contains("943"));
    }

    #[test]
    fn a_wrong_check_digit_and_other_text_are_refused() {
        for text in [
            "9434765918",
            "943476591",
            "94347659190",
            "943476591X",
            "",
            "٩٤٣٤٧٦٥٩١٩",
        ] {
            assert!(NhsNumber::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        /// As the data dictionary tells it: the check digit is 11 less the remainder, 11 is 0 and
        /// 10 is invalid.
        #[test]
        fn one_check_digit_at_most_fits_any_nine_digits(nine in "[0-9]{9}") {
            let sum: u32 = nine.bytes().zip((2..=10).rev())
                .map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
            let check = match 11 - sum % 11 { 11 => Some(0), 10 => None, check => Some(check) };
            for digit in 0..10u32 {
                let read = NhsNumber::parse(&format!("{nine}{digit}"));
                prop_assert_eq!(read.is_ok(), Some(digit) == check);
            }
        }
    }
}
