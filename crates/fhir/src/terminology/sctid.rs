//! SNOMED CT identifiers
//! (<https://docs.snomed.org/snomed-ct-specifications/snomed-ct-release-file-specification>): 6 to 18
//! digits, the last one by Verhoeff's scheme.

/// The dihedral group of order 10, and Verhoeff's permutation of it.
const TIMES: [[u8; 10]; 10] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
    [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
    [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
    [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
    [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
    [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
    [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
    [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
    [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
];
const TURNED: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];

/// The identifier as a number, if it is one.
pub fn parse(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits
        || !(6..=18).contains(&text.len())
        || text.starts_with('0')
        || sum(text.bytes().rev(), 0) != 0
    {
        return None;
    }
    text.parse().ok()
}

/// Digits with their check digit, such as an item's number, a namespace and a partition.
pub fn with_check_digit(digits: u64) -> u64 {
    let without = sum(digits.to_string().bytes().rev(), 1);
    // The one that brings the sum back to 0.
    let times = |check: &u8| {
        TIMES
            .get(usize::from(*check))
            .map(|row| at_of(row, without))
    };
    let check = (0..10u8)
        .find(|check| times(check) == Some(0))
        .unwrap_or_default();
    digits * 10 + u64::from(check)
}

/// Verhoeff's sum over digits from the last, which stands at position `first`.
fn sum(digits: impl Iterator<Item = u8>, first: usize) -> u8 {
    digits.enumerate().fold(0, |sum, (at, byte)| {
        let digit = byte.wrapping_sub(b'0');
        let turned = (0..(at + first) % 8).fold(digit, |digit, _| at_of(&TURNED, digit));
        TIMES
            .get(usize::from(sum))
            .map_or(0, |row| at_of(row, turned))
    })
}

fn at_of(row: &[u8; 10], digit: u8) -> u8 {
    row.get(usize::from(digit)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_identifiers_check_and_changed_ones_do_not() {
        for id in [
            "138875005",
            "73211009",
            "404684003",
            "900000000000207008",
            "999000041000000102",
        ] {
            assert!(parse(id).is_some(), "{id}");
        }
        for id in [
            "138875006",
            "73211090",
            "",
            "12345",
            "07321100",
            "9000000000002070081",
            "7321100x",
        ] {
            assert!(parse(id).is_none(), "{id}");
        }
        assert_eq!(with_check_digit(13_887_500), 138_875_005);
        assert_eq!(with_check_digit(7_321_100), 73_211_009);
    }

    #[test]
    fn what_is_made_checks() {
        for item in 1..2000u64 {
            let id = with_check_digit(item * 1_000_000_000 + 100_017_810);
            assert_eq!(parse(&id.to_string()), Some(id));
        }
    }
}
