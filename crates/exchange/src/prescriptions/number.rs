//! The numbers by which EPS knows prescriptions.

use sha2::{Digest, Sha256};

const DIGITS: &[u8; 37] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ+";

/// A prescription's short number, such as `628738-A83008-7EFE6P`: six digits, the prescriber's organisation
/// in six places, five digits and a check digit (ISO 7064 MOD 37-2, as all but made-up numbers among the
/// published examples of EPS have it). `seed` is random.
pub fn short(ods: &str, seed: &[u8; 16]) -> String {
    let hex: String = seed.iter().map(|byte| format!("{byte:02X}")).collect();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    let place = format!("{ods:0>6}");
    let place: String = place.chars().take(6).collect();
    let body = format!("{}-{place}-{}", part(0, 6), part(6, 11));
    let digit = check_digit(&body);
    format!("{body}{digit}")
}

/// Whether a short number's last character checks the others.
pub fn is_sound(number: &str) -> bool {
    let Some((last, character)) = number.char_indices().last() else {
        return false;
    };
    let body = number.get(..last).unwrap_or_default();
    number.len() == 20 && check_digit(body) == character
}

fn check_digit(body: &str) -> char {
    let digits = body.chars().filter_map(|it| it.to_digit(36));
    let total = digits.fold(0_u32, |total, digit| (total + digit) * 2 % 37);
    let digit = (38 - total) % 37;
    DIGITS.get(digit as usize).map_or('0', |it| char::from(*it))
}

/// A UUID that stands for a name: the same for the same name.
pub fn uuid(name: &str) -> String {
    let digest = Sha256::digest(name.as_bytes());
    let mut bytes = [0; 16];
    for (byte, from) in bytes.iter_mut().zip(digest) {
        *byte = from;
    }
    let uuid = uuid::Builder::from_random_bytes(bytes).into_uuid();
    uuid.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_made_as_those_of_the_published_examples_are() {
        for number in [
            "628738-A83008-7EFE6P",
            "CDF34E-A99968-4FF3BQ",
            "1E5135-A99968-4595BT",
            "D8E3A8-A99968-4468B0",
        ] {
            assert!(is_sound(number), "{number}");
        }
        assert!(!is_sound("628738-A83008-7EFE6Q"));
        assert!(!is_sound(""));
        let made = short("Z99001", &[7; 16]);
        assert!(is_sound(&made), "{made}");
        assert!(is_sound(&short("RZZ", &[9; 16])));
    }

    #[test]
    fn a_name_has_one_uuid() {
        assert_eq!(uuid("a"), uuid("a"));
        assert_ne!(uuid("a"), uuid("b"));
        assert_eq!(uuid("a").len(), 36);
    }
}
