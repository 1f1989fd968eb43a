//! Words of a term, for finding concepts by text.

use crate::search::fold;

/// Letters of a word that count.
const LETTERS_MAX: usize = 40;
/// Words of a filter, at most; more are not looked at.
const WORDS_MAX: usize = 12;

/// The folded words of a text, each once, sorted. What is neither letter nor digit parts words.
pub fn words(text: &str) -> Vec<String> {
    let folded = fold(text);
    let parts = folded.split(|letter: char| !letter.is_alphanumeric());
    let mut words: Vec<String> = parts
        .filter(|part| !part.is_empty())
        .map(|part| part.chars().take(LETTERS_MAX).collect())
        .collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// The words of a filter: each must begin a word of what is found. A word that begins another of
/// them asks for nothing more, so it is left out.
pub fn filter_words(text: &str) -> Vec<String> {
    let all = words(text);
    let needed = |word: &&String| {
        !all.iter()
            .any(|other| other != *word && other.starts_with(word.as_str()))
    };
    all.iter().filter(needed).take(WORDS_MAX).cloned().collect()
}

/// The end of the texts that begin with this one, itself not among them; `None` if there is no end.
pub fn end_of_prefix(prefix: &str) -> Option<String> {
    let mut letters: Vec<char> = prefix.chars().collect();
    while let Some(last) = letters.pop() {
        let next = (u32::from(last) + 1..=0x0010_ffff).find_map(char::from_u32);
        if let Some(next) = next {
            letters.push(next);
            return Some(letters.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_folded_parted_and_counted_once() {
        assert_eq!(
            words("Ménière's disease, DISEASE (2)"),
            ["2", "disease", "meniere", "s"]
        );
        assert!(words(" -- ").is_empty());
        assert_eq!(filter_words("heart hea attack"), ["attack", "heart"]);
    }

    #[test]
    fn a_prefix_ends_before_the_next_word() {
        assert_eq!(end_of_prefix("ab").as_deref(), Some("ac"));
        assert_eq!(end_of_prefix("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(end_of_prefix("\u{d7ff}").as_deref(), Some("\u{e000}"));
        assert_eq!(end_of_prefix(""), None);
    }
}
