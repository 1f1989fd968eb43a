//! Telephone numbers, in the one form in which they are kept, compared and dialled: `+` and digits.

use fhir::problem::{Kind, Problem};

/// The most characters of what a line says in place of a number.
const CALLER_CHARS_MAX: usize = 40;

/// A number as people write it; without a country it is one of the United Kingdom.
///
/// # Errors
/// `Value` if it is no whole number.
pub fn parse(text: &str) -> Result<String, Problem> {
    let wrong = || {
        let message =
            "This is not a whole telephone number, such as 0113 496 0000 or +44 113 496 0000.";
        Problem::new(Kind::Value, message)
    };
    // Between the country and the rest, the nought of calls within it is written, and not dialled.
    let text = text.trim().replace("(0)", "");
    let plain: String = text
        .chars()
        .filter(|it| !matches!(it, ' ' | '-' | '.' | '(' | ')' | '/' | '\u{a0}'))
        .collect();
    let (country, rest) = match (plain.strip_prefix('+'), plain.strip_prefix("00")) {
        (Some(rest), _) | (None, Some(rest)) => ("", rest),
        (None, None) => ("44", plain.strip_prefix('0').ok_or_else(wrong)?),
    };
    let digits = format!("{country}{rest}");
    let sound = digits.bytes().all(|it| it.is_ascii_digit()) && !digits.starts_with('0');
    // Of the numbers of this country the length is known.
    let whole = match digits.starts_with("44") {
        true => 11..=12,
        false => 8..=15,
    };
    match sound && whole.contains(&digits.len()) {
        true => Ok(format!("+{digits}")),
        false => Err(wrong()),
    }
}

/// Who called, as the line says it: a number in our form, or the words in its place, such as "withheld".
pub fn caller(text: &str) -> String {
    parse(text).unwrap_or_else(|_| words(text))
}

/// A short text from outside, without what is no text.
pub fn words(text: &str) -> String {
    let plain = text.trim().chars().filter(|it| !it.is_control());
    plain.take(CALLER_CHARS_MAX).collect()
}

/// A number as people read it.
pub fn shown(number: &str) -> String {
    match number.strip_prefix("+44") {
        Some(rest) if rest.len() == 10 && rest.is_ascii() => {
            let (area, rest) = rest.split_at(3);
            let (middle, end) = rest.split_at(3);
            format!("0{area} {middle} {end}")
        }
        _ => number.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_form_however_it_is_written() {
        for text in [
            "0113 496 0000",
            "+44 113 496 0000",
            "+44 (0)113 496-0000",
            "0044 113.4960000",
            " (0113) 4960000 ",
        ] {
            assert_eq!(parse(text).unwrap(), "+441134960000", "{text}");
        }
        for text in [
            "",
            "+",
            "113 496 0000",
            "0113 496",
            "0113 496 0000 1234 5678",
            "0113 49six",
            "+0113 4960000",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(shown("+441134960000"), "0113 496 0000");
        assert_eq!(shown("+33123456789"), "+33123456789");
        assert_eq!(caller("Number\u{7} withheld"), "Number withheld");
    }
}
