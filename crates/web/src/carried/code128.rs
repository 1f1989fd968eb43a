//! Code 128 (ISO/IEC 15417), set B, as an SVG path: bar codes that any scanner at a ward's desk reads as if they were typed.

use std::fmt::Write as _;

use serde::Serialize;

/// Widths of bar and gap by turns, of each symbol.
const SYMBOLS: [&str; 107] = [
    "212222", "222122", "222221", "121223", "121322", "131222", "122213", "122312", "132212",
    "221213", "221312", "231212", "112232", "122132", "122231", "113222", "123122", "123221",
    "223211", "221132", "221231", "213212", "223112", "312131", "311222", "321122", "321221",
    "312212", "322112", "322211", "212123", "212321", "232121", "111323", "131123", "131321",
    "112313", "132113", "132311", "211313", "231113", "231311", "112133", "112331", "132131",
    "113123", "113321", "133121", "313121", "211331", "231131", "213113", "213311", "213131",
    "311123", "311321", "331121", "312113", "312311", "332111", "314111", "221411", "431111",
    "111224", "111422", "121124", "121421", "141122", "141221", "112214", "112412", "122114",
    "122411", "142112", "142211", "241211", "221114", "413111", "241112", "134111", "111242",
    "121142", "121241", "114212", "124112", "124211", "411212", "421112", "421211", "212141",
    "214121", "412121", "111143", "111341", "131141", "114113", "114311", "411113", "411311",
    "113141", "114131", "311141", "411131", "211412", "211214", "211232", "2331112",
];
const START_B: usize = 104;
const STOP: usize = 106;
/// White on each side, in modules.
const QUIET: u32 = 10;

/// The symbols of a text of printable ASCII, with start, check and stop; `None` for any other text.
fn symbols(text: &str) -> Option<Vec<usize>> {
    let mut symbols = vec![START_B];
    let mut check = START_B;
    for (place, byte) in text.bytes().enumerate() {
        let value = usize::from(byte).checked_sub(32).filter(|it| *it < 95)?;
        check = (check + value * (place + 1)) % 103;
        symbols.push(value);
    }
    symbols.push(check);
    symbols.push(STOP);
    Some(symbols)
}

/// Bars of a text: from where and how wide, in modules; and the width of all.
pub fn bars(text: &str) -> Option<(Vec<(u32, u32)>, u32)> {
    let mut bars = Vec::new();
    let mut at = QUIET;
    for symbol in symbols(text)? {
        for (place, width) in SYMBOLS.get(symbol)?.bytes().enumerate() {
            let width = u32::from(width.saturating_sub(b'0'));
            if place % 2 == 0 {
                bars.push((at, width));
            }
            at += width;
        }
    }
    Some((bars, at + QUIET))
}

/// A bar code, for a template to draw; its text stands below it on the page, for who must type it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Code {
    pub text: String,
    /// In modules.
    pub width: u32,
    /// The `d` of an SVG path, 30 modules high; empty for a text that it cannot carry.
    pub path: String,
}

impl Code {
    pub fn of(text: &str) -> Code {
        let (bars, width) = bars(text).unwrap_or_default();
        let mut path = String::new();
        for (at, wide) in bars {
            let _ = write!(path, "M{at} 0h{wide}v30h-{wide}z");
        }
        Code {
            text: text.to_owned(),
            width,
            path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_the_symbols_of_the_standard_s_example() {
        // "PJJ123C": the check symbol is 55 in set A; in set B, with another start, 54 + 1.
        let found = symbols("PJJ123C").unwrap();
        let check = (104 + 48 + 42 * 2 + 42 * 3 + 17 * 4 + 18 * 5 + 19 * 6 + 35 * 7) % 103;
        assert_eq!(found, [104, 48, 42, 42, 17, 18, 19, 35, check, 106]);
        assert_eq!(symbols("é"), None);
    }

    #[test]
    fn each_symbol_is_eleven_modules_wide_and_no_two_are_alike() {
        let wide = |it: &&str| it.bytes().map(|it| u32::from(it - b'0')).sum::<u32>();
        assert!(SYMBOLS[..106].iter().all(|it| wide(it) == 11));
        assert_eq!(wide(&SYMBOLS[106]), 13);
        let mut all = SYMBOLS.to_vec();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), SYMBOLS.len());
        let (_, width) = bars("O-1234").unwrap();
        assert_eq!(width, (6 + 2) * 11 + 13 + 2 * QUIET);
    }
}
