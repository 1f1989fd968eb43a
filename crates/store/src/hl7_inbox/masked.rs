//! A message's structure without what it says: for those who repair a feed and do not see records.

/// Fields of MSH that say how a message is made and from which system, not about whom: up to MSH-12.
const MSH_FIELDS: usize = 12;

/// The message with each letter as `x` and each digit as `9`, but for the names of its segments, its
/// delimiters and the first fields of MSH. Lengths and places stay, since that is what is looked for.
pub(super) fn masked(body: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(body);
    let delimiters: Vec<char> = match text.strip_prefix("MSH") {
        Some(rest) => rest.chars().take(5).filter(|it| is_mark(*it)).collect(),
        None => "|^~\\&".chars().collect(),
    };
    let mut out = String::with_capacity(text.len());
    for segment in text.split_inclusive(['\r', '\n']) {
        mask(segment, &delimiters, &mut out);
    }
    out.into_bytes()
}

fn mask(segment: &str, delimiters: &[char], out: &mut String) {
    let between = delimiters.first().copied().unwrap_or('|');
    let is_msh = segment.starts_with("MSH");
    for (number, field) in segment.split_inclusive(between).enumerate() {
        // MSH-1 is the delimiter itself.
        let is_plain = match number {
            0 => is_name(field.trim_end_matches([between, '\r', '\n'])),
            _ => is_msh && number < MSH_FIELDS,
        };
        if is_plain {
            out.push_str(field);
            continue;
        }
        out.extend(field.chars().map(|letter| match letter {
            '\r' | '\n' => letter,
            _ if delimiters.contains(&letter) => letter,
            _ if letter.is_whitespace() => ' ',
            _ if letter.is_ascii_digit() => '9',
            _ => 'x',
        }));
    }
}

/// Three capital letters or digits, such as `PID` or `ZZ1`.
fn is_name(text: &str) -> bool {
    text.len() == 3
        && text
            .bytes()
            .all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit())
}

/// What may part fields: never a letter, which would then stay where it stands.
fn is_mark(letter: char) -> bool {
    letter.is_ascii_punctuation()
}

#[cfg(test)]
mod tests {
    use super::masked;

    fn of(text: &str) -> String {
        String::from_utf8(masked(text.as_bytes())).unwrap()
    }

    #[test]
    fn a20_a_masked_message_keeps_its_structure_and_nothing_about_anybody() {
        let told = of(
            "MSH|^~\\&|EPR|RZZ98|HANDOVER|RZZ98|20240603090000||MDM^T02|L1|P|2.4|||secret\r\
             PID|1||9990000018^^^NHS^NH||TESTER^AMINA||19510304|F\r\
             OBX|1|TX|DS^Letter||Dear Ms Tester, \\X41\\ \u{e9}.\r",
        );
        assert_eq!(
            told,
            "MSH|^~\\&|EPR|RZZ98|HANDOVER|RZZ98|20240603090000||MDM^T02|L1|P|2.4|||xxxxxx\r\
             PID|9||9999999999^^^xxx^xx||xxxxxx^xxxxx||99999999|x\r\
             OBX|9|xx|xx^xxxxxx||xxxx xx xxxxxxx \\x99\\ xx\r"
        );
    }

    #[test]
    fn a20_what_is_no_message_is_masked_whole() {
        assert_eq!(of("TESTER Amina 1951"), "xxxxxx xxxxx 9999");
        for hostile in [
            "",
            "\r\r",
            "MSH",
            "MSHTESTER",
            "\u{e9}|TESTER",
            "TESTER|x",
            "MSH|^~\\&\rTESTER\n",
        ] {
            assert!(!of(hostile).contains("TEST"), "{hostile}");
        }
        assert_eq!(masked(&[0xff, b'a']), "xx".as_bytes());
    }
}
