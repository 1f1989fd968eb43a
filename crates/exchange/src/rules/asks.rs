//! Whether a letter asks its reader for something, as far as that can be told without a person: in doubt it does.

/// Words by which letters ask.
const ASKING: [&str; 22] = [
    "please",
    "action",
    "kindly",
    "grateful if",
    "could you",
    "would you",
    "we ask",
    "request",
    "gp to",
    "for gp",
    "follow up",
    "follow-up",
    "review",
    "repeat",
    "prescri",
    "start ",
    "stop ",
    "increase",
    "refer",
    "urgent",
    "chase",
    "monitor",
];
/// How much of a text is looked at, in bytes; a longer one is for a person.
pub const TEXT_BYTES_MAX: usize = 64 << 10;

/// Whether the words ask for something.
pub fn words_ask(text: &str) -> bool {
    let text = text.to_lowercase();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    ASKING.iter().any(|word| text.contains(word))
}

/// Whether a part of a letter asks for something, or whether that cannot be told: only plain text can be read without a person.
pub fn part_asks(content_type: &str, bytes: &[u8]) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("text/plain") || bytes.len() > TEXT_BYTES_MAX {
        return true;
    }
    std::str::from_utf8(bytes).map_or(true, words_ask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_that_asks_for_something_or_cannot_be_read_is_for_a_person() {
        for (kind, text, asks) in [
            (
                "text/plain",
                "She attended the clinic. All was well.",
                false,
            ),
            (
                "text/plain; charset=utf-8",
                "She attended the clinic.",
                false,
            ),
            (
                "text/plain",
                "She attended. Please check her\nbloods.",
                true,
            ),
            ("text/plain", "GP  to\n restart the tablets", true),
            ("text/html", "<p>She attended.</p>", true),
            ("application/pdf", "%PDF-1.7", true),
        ] {
            assert_eq!(part_asks(kind, text.as_bytes()), asks, "{text}");
        }
        assert!(part_asks("text/plain", &[0xff, 0xfe]));
        assert!(part_asks("text/plain", &vec![b'x'; TEXT_BYTES_MAX + 1]));
    }
}
