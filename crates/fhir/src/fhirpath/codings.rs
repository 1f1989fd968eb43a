//! `encode`, `decode`, `escape` and `unescape`: base64, hex, and what HTML and JSON escape.

const PLAIN: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(super) fn encode(text: &str, form: &str) -> Option<String> {
    match form {
        "hex" => Some(text.bytes().map(|byte| format!("{byte:02x}")).collect()),
        "base64" => Some(base64(text.as_bytes())),
        "urlbase64" => Some(base64(text.as_bytes()).replace('+', "-").replace('/', "_")),
        _ => None,
    }
}

pub(super) fn decode(text: &str, form: &str) -> Option<String> {
    let bytes = match form {
        "hex" => unhex(text)?,
        "base64" => unbase64(text)?,
        "urlbase64" => unbase64(&text.replace('-', "+").replace('_', "/"))?,
        _ => return None,
    };
    String::from_utf8(bytes).ok()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| {
            digit
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        })
        .collect();
    let digits = digits?;
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => Some(high << 4 | low),
        _ => None,
    });
    pairs.collect()
}

fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let number = group
            .iter()
            .chain([&0, &0])
            .take(3)
            .fold(0_usize, |number, byte| number << 8 | usize::from(*byte));
        for digit in 0..4 {
            let value = number >> (18 - 6 * digit) & 63;
            let letter = PLAIN.get(value).copied().unwrap_or(b'=');
            text.push(if digit > group.len() {
                '='
            } else {
                char::from(letter)
            });
        }
    }
    text
}

fn unbase64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let (mut bytes, mut number, mut bits) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes() {
        let value = PLAIN.iter().position(|known| *known == letter)?;
        number = (number << 6 | u32::try_from(value).ok()?) & 0xFFFF;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(number >> bits & 0xFF).ok()?);
        }
    }
    Some(bytes)
}

const HTML: &[(char, &str)] = &[
    ('&', "&amp;"),
    ('<', "&lt;"),
    ('>', "&gt;"),
    ('"', "&quot;"),
    ('\'', "&#39;"),
];

pub(super) fn escape(text: &str, form: &str) -> Option<String> {
    match form {
        "html" => Some(text.chars().fold(String::new(), |mut all, letter| {
            match HTML.iter().find(|(known, _)| *known == letter) {
                Some((_, escaped)) => all.push_str(escaped),
                None => all.push(letter),
            }
            all
        })),
        "json" => {
            let mut quoted = Vec::new();
            crate::json::write_text(text, &mut quoted);
            let quoted = String::from_utf8(quoted).ok()?;
            quoted
                .strip_prefix('"')?
                .strip_suffix('"')
                .map(str::to_string)
        }
        _ => None,
    }
}

pub(super) fn unescape(text: &str, form: &str) -> Option<String> {
    match form {
        "html" => Some(
            HTML.iter()
                .rev()
                .fold(text.to_string(), |text, (letter, escaped)| {
                    text.replace(escaped, &letter.to_string())
                }),
        ),
        "json" => {
            let mut quoted = String::from("\"");
            let mut is_escaped = false;
            for letter in text.chars() {
                if letter == '"' && !is_escaped {
                    quoted.push('\\');
                }
                is_escaped = letter == '\\' && !is_escaped;
                quoted.push(letter);
            }
            quoted.push('"');
            let limits = crate::json::Limits::default();
            let json = crate::json::parse(quoted.as_bytes(), &limits).ok()?;
            json.as_str().map(str::to_string)
        }
        _ => None,
    }
}
