//! Finding concepts by the words of their names.

use fhir::problem::Problem;
use fhir::terminology::ranges::{Ranges, Upward};
use fhir::terminology::words::{end_of_prefix, filter_words, words};

use super::members::OfSystem;
use super::rows::kind;
use super::system::SystemRow;
use crate::sql::Sql;
use crate::store::Store;

/// A set of numbers, a bit each.
struct Bits(Vec<u64>);

impl Bits {
    fn new(total: u32) -> Bits {
        Bits(vec![0; total as usize / 64 + 1])
    }

    fn set(&mut self, num: u32) {
        if let Some(word) = self.0.get_mut(num as usize / 64) {
            *word |= 1 << (num % 64);
        }
    }

    fn and(&mut self, other: &Bits) {
        for (ours, theirs) in self.0.iter_mut().zip(&other.0) {
            *ours &= theirs;
        }
    }

    fn numbers(&self) -> impl Iterator<Item = u32> {
        (0u32..).zip(&self.0).flat_map(|(at, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some(at * 64 + bit)
            })
        })
    }
}

impl Store {
    /// The numbers within a set whose names hold each of the filter's words as the beginning of a
    /// word, or whose code is the filter: the best match first (its own code, then the shorter
    /// display).
    pub(super) async fn matching(&self, of: &OfSystem, filter: &str) -> Result<Vec<u32>, Problem> {
        let system = &of.system;
        let own = self
            .num_of(system, filter.trim())
            .await?
            .filter(|num| of.ranges.contains(*num));
        let mut found: Vec<(u8, u32)> = Vec::new();
        let filter_words = filter_words(filter);
        if !filter_words.is_empty() {
            let mut all: Option<Bits> = None;
            for word in &filter_words {
                let with_word = self.with_word(system, word).await?;
                all = Some(match all {
                    Some(mut bits) => {
                        bits.and(&with_word);
                        bits
                    }
                    None => with_word,
                });
            }
            let lengths = self.lengths(system).await?;
            let length = |num: u32| lengths.get(num as usize).copied().unwrap_or(u8::MAX);
            let bits = all.unwrap_or_else(|| Bits::new(0));
            let is_all = of.ranges == Ranges::all(system.total);
            let within = bits
                .numbers()
                .filter(|num| is_all || of.ranges.contains(*num));
            found.extend(
                within
                    .filter(|num| own != Some(*num))
                    .map(|num| (length(num), num)),
            );
            found.sort_unstable();
        }
        Ok(own
            .into_iter()
            .chain(found.into_iter().map(|(_, num)| num))
            .collect())
    }

    async fn with_word(&self, system: &SystemRow, prefix: &str) -> Result<Bits, Problem> {
        let end = end_of_prefix(prefix).unwrap_or_else(|| "\u{10ffff}".into());
        let sql = Sql::new(
            "SELECT nums FROM ts_posting WHERE system = $1 AND kind = $2 AND key >= $3 AND key < $4",
        );
        let sql = sql
            .with(system.id)
            .with(kind::WORD)
            .with(prefix.to_string())
            .with(end);
        let mut bits = Bits::new(system.total);
        let mut nums = Vec::new();
        for row in self.rows_apart(sql).await? {
            nums.clear();
            Upward::read(row.bytes(0)?, &mut nums);
            nums.iter().for_each(|num| bits.set(*num));
        }
        Ok(bits)
    }
}

/// Whether a name that is in no system holds all words of a filter.
pub(super) fn holds(names: &[&str], code: &str, filter: &str) -> bool {
    if code == filter.trim() {
        return true;
    }
    let wanted = filter_words(filter);
    !wanted.is_empty()
        && names.iter().any(|name| {
            let known = words(name);
            wanted
                .iter()
                .all(|word| known.iter().any(|it| it.starts_with(word.as_str())))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_give_back_what_was_set() {
        let mut bits = Bits::new(200);
        [0, 63, 64, 199, 500]
            .into_iter()
            .for_each(|num| bits.set(num));
        assert!(bits.numbers().eq([0, 63, 64, 199]));
    }
}
