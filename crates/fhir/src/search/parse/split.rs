//! Separators and their escapes (<https://hl7.org/fhir/R4/search.html#escaping>): `\,` `\|` `\$`
//! and `\\` stand for the character itself.

/// The parts between separators that are not escaped. Escapes stay as they are.
pub(super) fn split(text: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut escaped = false;
    for letter in text.chars() {
        if letter == separator && !escaped {
            parts.push(String::new());
            continue;
        }
        escaped = letter == '\\' && !escaped;
        if let Some(part) = parts.last_mut() {
            part.push(letter);
        }
    }
    parts
}

/// The text that is meant.
pub(super) fn unescaped(text: &str) -> String {
    let mut meant = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => meant.extend(letters.next()),
            letter => meant.push(letter),
        }
    }
    meant
}
