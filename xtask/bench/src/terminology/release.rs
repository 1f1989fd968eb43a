//! A made-up release in the layout of SNOMED CT's RF2, as large as the real one: names of words made from syllables,
//! some words in many names and most in few, concepts below one or two others.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use anyhow::Result;
use fhir::terminology::sctid::with_check_digit;

const SYLLABLES: &[&str] = &[
    "ba", "cor", "den", "fi", "gan", "hep", "io", "kel", "lum", "mor", "nec", "os", "pul", "ren",
    "sto", "tra", "ul", "ver", "xan", "zy", "cardi", "derma", "gastro", "neuro", "osteo", "itis",
    "oma", "pathy", "algia", "ectomy",
];
const WORDS: u64 = 30_000;
const MODULE: &str = "900000000000207008";

/// A concept's identifier, in a namespace of nobody's.
pub fn id(item: u64) -> u64 {
    with_check_digit(item * 1_000_000_000 + 999_999_910)
}

/// Numbers that look random and are the same each time (Steele, Lea and Flood's SplitMix64).
fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn word(number: u64) -> String {
    let count = SYLLABLES.len() as u64;
    let mut text = String::new();
    let mut left = number + 31;
    while left > 0 {
        let syllable = usize::try_from(left % count).unwrap_or_default();
        text.push_str(SYLLABLES.get(syllable).copied().unwrap_or_default());
        left /= count;
    }
    text
}

/// Low numbers come often: the square of an even spread.
fn chosen(seed: u64) -> u64 {
    let even = (mixed(seed) >> 11) as f64 / (1u64 << 53) as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the number of words"
    )]
    let number = (even * even * even * WORDS as f64) as u64;
    number
}

fn term(seed: u64) -> String {
    let count = 3 + mixed(seed) % 4;
    let words: Vec<String> = (0..count).map(|at| word(chosen(seed * 11 + at))).collect();
    words.join(" ")
}

/// Writes the release; a rare word of it and a common one.
///
/// # Errors
/// When the files cannot be written.
pub fn write(folder: &Path, concepts: u64) -> Result<[String; 2]> {
    let open = |name: &str, columns: &str| -> Result<BufWriter<File>> {
        let mut file = BufWriter::new(File::create(folder.join(name))?);
        write!(file, "{columns}\r\n")?;
        Ok(file)
    };
    let mut all = open(
        "sct2_Concept_Snapshot_INT_20260101.txt",
        "id\teffectiveTime\tactive\tmoduleId\tdefinitionStatusId",
    )?;
    let columns = "id\teffectiveTime\tactive\tmoduleId\tconceptId\tlanguageCode\ttypeId\tterm\tcaseSignificanceId";
    let mut names = open("sct2_Description_Snapshot-en_INT_20260101.txt", columns)?;
    let columns = "id\teffectiveTime\tactive\tmoduleId\tsourceId\tdestinationId\trelationshipGroup\ttypeId\tcharacteristicTypeId\tmodifierId";
    let mut links = open("sct2_Relationship_Snapshot_INT_20260101.txt", columns)?;
    let columns =
        "id\teffectiveTime\tactive\tmoduleId\trefsetId\treferencedComponentId\tacceptabilityId";
    let mut languages = open("der2_cRefset_LanguageSnapshot-en_INT_20260101.txt", columns)?;
    for item in 1..=concepts {
        let own = id(item);
        write!(all, "{own}\t20260101\t1\t{MODULE}\t900000000000074008\r\n")?;
        let preferred = term(item);
        let texts = [
            (format!("{preferred} (disorder)"), "900000000000003001"),
            (preferred, "900000000000013009"),
            (term(item + 7_000_000), "900000000000013009"),
        ];
        for (number, (text, kind)) in (0u64..).zip(texts) {
            let description = with_check_digit((item * 4 + number) * 1_000_000_000 + 999_999_911);
            write!(
                names,
                "{description}\t20260101\t1\t{MODULE}\t{own}\ten\t{kind}\t{text}\t900000000000448009\r\n"
            )?;
            if number == 1 {
                write!(
                    languages,
                    "u\t20260101\t1\t{MODULE}\t900000000000508004\t{description}\t900000000000548007\r\n"
                )?;
            }
        }
        let above = [item / 8, mixed(item) % (item / 2 + 1)];
        let parents = above.iter().take(if item % 3 == 0 { 2 } else { 1 });
        for (number, parent) in (0u64..).zip(parents).filter(|(_, parent)| **parent > 0) {
            let relationship = with_check_digit((item * 4 + number) * 1_000_000_000 + 999_999_912);
            write!(
                links,
                "{relationship}\t20260101\t1\t{MODULE}\t{own}\t{}\t0\t116680003\t900000000000011006\t900000000000451002\r\n",
                id(*parent)
            )?;
        }
    }
    for mut file in [all, names, links, languages] {
        file.flush()?;
    }
    Ok([word(WORDS - 100), word(5)])
}
