//! Questions that only the store can answer, told alike however their queries are spelled.

/// Something that only the store can answer: which one resource matches. Asked by conditional
/// references (`Patient?identifier=x|1`), by `ifNoneExist`, and by the urls of conditional updates,
/// patches and deletes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    pub ty: String,
    /// The query string, encoded. Those of `Question::new` are encoded in one way, their parameters in
    /// one order and each once, so that what asks the same is equal.
    pub query: String,
}

impl Question {
    pub(super) fn new(ty: &str, query: &str) -> Question {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let mut pairs: Vec<String> = pairs.map(canonical).collect();
        pairs.sort_unstable();
        pairs.dedup();
        Question {
            ty: ty.to_string(),
            query: pairs.join("&"),
        }
    }

    /// The decoded value, where the only parameter is of that name.
    pub(super) fn only(&self, name: &str) -> Option<String> {
        let value = self.query.strip_prefix(name)?.strip_prefix('=')?;
        match value.contains('&') {
            true => None,
            false => decoded(value),
        }
    }
}

/// `name=value` in the one spelling. What is no UTF-8 stays as it is, for whoever answers to refuse.
fn canonical(pair: &str) -> String {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    match (decoded(name), decoded(value)) {
        (Some(name), Some(value)) => format!("{}={}", encoded(&name), encoded(&value)),
        _ => pair.to_string(),
    }
}

/// `%7C` as `|`, and a plus sign as a blank. A percent sign before anything but two hexadecimal digits
/// stands for itself, as it does for whoever answers.
fn decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let code = match (byte, after) {
            (b'%', [high, low, ..]) => of_digits(*high, *low),
            _ => None,
        };
        out.push(match (code, byte) {
            (Some(code), _) => {
                rest = after.get(2..).unwrap_or_default();
                code
            }
            (None, b'+') => b' ',
            (None, byte) => *byte,
        });
    }
    String::from_utf8(out).ok()
}

fn of_digits(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b':' | b'|' | b',' | b'/' => out.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_the_same_question_in_every_spelling() {
        let asked = Question::new("Patient", "identifier=urn:s|1&active=true");
        assert_eq!(asked.query, "active=true&identifier=urn:s|1");
        for same in [
            "active=true&identifier=urn:s%7C1",
            "active=true&&identifier=urn%3as%7c1&active=true",
            "%61ctive=true&identifier=urn:s|1",
        ] {
            assert_eq!(Question::new("Patient", same), asked, "{same}");
        }
        for other in [
            "identifier=urn:s|1",
            "active=true&identifier=urn:s|2",
            "active=true&identifier=urn:s%257C1",
            "active=true%26identifier=urn:s|1",
        ] {
            assert_ne!(Question::new("Patient", other), asked, "{other}");
        }
        assert_ne!(Question::new("Group", &asked.query), asked);
    }

    #[test]
    fn what_is_spelled_anew_means_what_it_meant() {
        for (came, went) in [
            ("name=O%27Brien+Smith", "name=O%27Brien%20Smith"),
            ("name=50%", "name=50%25"),
            ("name=%zz", "name=%25zz"),
            ("name=a%26b%3Dc%2B", "name=a%26b%3Dc%2B"),
            ("name=%C3%A9", "name=%C3%A9"),
            ("name=%ff", "name=%ff"),
            ("flag", "flag="),
        ] {
            let asked = Question::new("Patient", came);
            assert_eq!(asked.query, went);
            assert_eq!(Question::new("Patient", &asked.query), asked);
        }
    }
}
