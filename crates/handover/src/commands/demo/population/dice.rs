//! Chance that comes out the same each time: splitmix64 (Steele, Lea, Flood 2014), seeded by numbers.

/// A row of numbers that its seed decides.
#[derive(Clone, Debug)]
pub struct Dice(u64);

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Dice {
    /// The dice of these numbers, and of no others.
    pub fn of(numbers: &[u64]) -> Dice {
        let mut dice = Dice(STEP);
        for number in numbers {
            dice.0 = dice.roll() ^ number.wrapping_mul(STEP);
        }
        dice
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of `low..=high`.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        let width = u64::try_from(high.saturating_sub(low)).unwrap_or(0) + 1;
        low + i64::try_from(self.roll() % width).unwrap_or(0)
    }

    /// True so many times in a hundred.
    pub fn chance(&mut self, percent: i64) -> bool {
        self.between(0, 99) < percent
    }

    /// One of the words; empty if there are none.
    pub fn word(&mut self, words: &[&'static str]) -> &'static str {
        self.one(words).copied().unwrap_or_default()
    }

    /// One of them; none if there are none.
    pub fn one<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        let last = i64::try_from(list.len()).unwrap_or(0) - 1;
        let at = self.between(0, last.max(0));
        list.get(usize::try_from(at).unwrap_or(0))
    }

    /// One of them, each as likely as its weight says.
    pub fn weighed<'a, T>(&mut self, list: &'a [(i64, T)]) -> Option<&'a T> {
        let all: i64 = list.iter().map(|it| it.0).sum();
        let mut at = self.between(0, (all - 1).max(0));
        for (weight, it) in list {
            if at < *weight {
                return Some(it);
            }
            at -= weight;
        }
        list.last().map(|it| &it.1)
    }
}
