//! The words that tell where one patient is.

use crate::json::Json;

/// Words of a patient at most; more are no address.
const WORDS_MAX: usize = 400;
/// Shorter words tell nothing by themselves, and would be found everywhere.
const LETTERS_MIN: usize = 4;

/// What is masked in texts about a patient: lines of their addresses, postcodes, telephone numbers,
/// mail addresses, and the names and codes of their practice. In lower case, the longest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places(Vec<String>);

impl Places {
    /// The words that a Patient says.
    pub fn of(patient: &Json<'_>) -> Places {
        let mut places = Places::default();
        places.gather(patient, 0);
        places.settle();
        places
    }

    /// Both's words.
    #[must_use]
    pub fn and(mut self, other: Places) -> Places {
        self.0.extend(other.0);
        self.settle();
        self
    }

    /// One a line, as `from_lines` reads it.
    pub fn to_lines(&self) -> String {
        self.0.join("\n")
    }

    pub fn from_lines(lines: &str) -> Places {
        let words = lines.lines().map(str::to_string);
        let mut places = Places(words.collect());
        places.settle();
        places
    }

    /// The text with each of the words masked; `None` if none is in it.
    pub fn mask(&self, text: &str) -> Option<String> {
        // Letters that are not ASCII stay as they are, so that places in both are the same.
        let low = text.to_ascii_lowercase();
        let mut found: Vec<(usize, usize)> = Vec::new();
        for word in &self.0 {
            let hits = low.match_indices(word.as_str());
            found.extend(hits.map(|(at, hit)| (at, at + hit.len())));
        }
        if found.is_empty() {
            return None;
        }
        found.sort_unstable();
        let mut out = String::with_capacity(text.len());
        let mut done = 0;
        for (start, end) in found {
            if start >= done {
                out.push_str(text.get(done..start).unwrap_or_default());
                out.push_str(super::GAP);
            }
            done = done.max(end);
        }
        out.push_str(text.get(done..).unwrap_or_default());
        Some(out)
    }

    fn gather(&mut self, value: &Json<'_>, depth: usize) {
        if depth > 32 {
            return;
        }
        match value {
            Json::Array(items) => items.iter().for_each(|it| self.gather(it, depth + 1)),
            Json::Object(members) => {
                for (name, inner) in members {
                    match name.as_ref() {
                        "address" | "valueAddress" => self.address(inner),
                        "telecom" | "valueContactPoint" => self.telecom(inner),
                        "generalPractitioner" | "managingOrganization" => self.practice(inner),
                        _ => self.gather(inner, depth + 1),
                    }
                }
            }
            _ => {}
        }
    }

    fn address(&mut self, addresses: &Json<'_>) {
        for address in each(addresses) {
            for line in address.items("line") {
                self.word(line.as_str());
            }
            for part in ["text", "city", "district", "postalCode"] {
                self.word(address.text(part));
            }
            if let Some(code) = address.text("postalCode") {
                self.spelled(code);
            }
        }
    }

    fn telecom(&mut self, telecoms: &Json<'_>) {
        for telecom in each(telecoms) {
            if let Some(value) = telecom.text("value") {
                self.spelled(value);
            }
        }
    }

    fn practice(&mut self, references: &Json<'_>) {
        for reference in each(references) {
            self.word(reference.text("display"));
            self.word(reference.get("identifier").and_then(|it| it.text("value")));
        }
    }

    /// A postcode or a number, as it is written, and without and with one blank.
    fn spelled(&mut self, text: &str) {
        self.word(Some(text));
        let close: String = text.chars().filter(|it| !it.is_whitespace()).collect();
        if close.is_ascii() && close.len() > 4 {
            let (first, last) = close.split_at(close.len() - 3);
            self.word(Some(&format!("{first} {last}")));
        }
        self.word(Some(&close));
    }

    fn word(&mut self, text: Option<&str>) {
        if let Some(text) = text {
            self.0.push(text.to_string());
        }
    }

    fn settle(&mut self) {
        for word in &mut self.0 {
            *word = word.trim().to_ascii_lowercase();
        }
        self.0
            .retain(|word| word.chars().count() >= LETTERS_MIN && !word.contains('\n'));
        self.0
            .sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        self.0.dedup();
        self.0.truncate(WORDS_MAX);
    }
}

/// The value, or each item if it is an array.
fn each<'j, 'a>(value: &'j Json<'a>) -> &'j [Json<'a>] {
    match value {
        Json::Array(items) => items,
        one => std::slice::from_ref(one),
    }
}
