//! Sets of concept numbers as sorted ranges. Concepts are numbered so that a concept and what is
//! below it are a few ranges (see `hierarchy`), so that these sets stay small.

/// A set of numbers: sorted ranges, ends included, with a gap between any two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges(Vec<(u32, u32)>);

impl Ranges {
    /// All numbers from `low` to `high`.
    pub fn span(low: u32, high: u32) -> Ranges {
        if low <= high {
            Ranges(vec![(low, high)])
        } else {
            Ranges::default()
        }
    }

    /// The numbers below `count`.
    pub fn all(count: u32) -> Ranges {
        match count.checked_sub(1) {
            Some(last) => Ranges::span(0, last),
            None => Ranges::default(),
        }
    }

    /// Any numbers, in any order.
    pub fn of(mut numbers: Vec<u32>) -> Ranges {
        numbers.sort_unstable();
        let mut ranges = Ranges::default();
        for number in numbers {
            ranges.push(number, number);
        }
        ranges
    }

    /// Any ranges, in any order.
    pub fn merged(mut ranges: Vec<(u32, u32)>) -> Ranges {
        ranges.sort_unstable();
        let mut merged = Ranges::default();
        for (low, high) in ranges {
            merged.push(low, high);
        }
        merged
    }

    /// Adds a range that begins no earlier than any before it.
    fn push(&mut self, low: u32, high: u32) {
        match self.0.last_mut() {
            Some(last) if low <= last.1.saturating_add(1) => last.1 = last.1.max(high),
            _ => self.0.push((low, high)),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many numbers.
    pub fn count(&self) -> u64 {
        self.0
            .iter()
            .map(|(low, high)| u64::from(high - low) + 1)
            .sum()
    }

    pub fn contains(&self, number: u32) -> bool {
        let after = self.0.partition_point(|(low, _)| *low <= number);
        after > 0
            && self
                .0
                .get(after - 1)
                .is_some_and(|(_, high)| number <= *high)
    }

    pub fn as_slice(&self) -> &[(u32, u32)] {
        &self.0
    }

    /// Its numbers, upwards.
    pub fn numbers(&self) -> impl Iterator<Item = u32> {
        self.0.iter().flat_map(|(low, high)| *low..=*high)
    }

    /// What is in either.
    #[must_use]
    pub fn or(&self, other: &Ranges) -> Ranges {
        Ranges::merged(self.0.iter().chain(&other.0).copied().collect())
    }

    /// What is in both.
    #[must_use]
    pub fn and(&self, other: &Ranges) -> Ranges {
        let (mut ours, mut theirs) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut both = Ranges::default();
        while let (Some((a, b)), Some((c, d))) = (ours.peek(), theirs.peek()) {
            let (low, high) = (a.max(c), b.min(d));
            if low <= high {
                both.push(*low, *high);
            }
            if b < d {
                ours.next()
            } else {
                theirs.next()
            };
        }
        both
    }

    /// What is in this one only.
    #[must_use]
    pub fn minus(&self, other: &Ranges) -> Ranges {
        let mut left = Ranges::default();
        let mut others = other.0.iter().peekable();
        for &(low, high) in &self.0 {
            let mut next = Some(low);
            while let (Some(start), Some(&&(from, to))) = (next, others.peek()) {
                if to < start {
                    others.next();
                    continue;
                }
                if from > high {
                    break;
                }
                if from > start {
                    left.push(start, from - 1);
                }
                next = to.checked_add(1).filter(|start| *start <= high);
                if next.is_some() {
                    others.next();
                }
            }
            if let Some(start) = next {
                left.push(start, high);
            }
        }
        left
    }

    /// As few bytes: gap and length of each range.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * 2);
        let mut end = 0;
        for (low, high) in &self.0 {
            push_number(&mut bytes, low - end);
            push_number(&mut bytes, high - low);
            end = *high;
        }
        bytes
    }

    /// Reads what `to_bytes` wrote; what does not read ends the set.
    pub fn from_bytes(mut bytes: &[u8]) -> Ranges {
        let mut ranges = Ranges::default();
        let mut end = 0u32;
        while let (Some(gap), Some(length)) = (next_number(&mut bytes), next_number(&mut bytes)) {
            let low = end.saturating_add(gap);
            end = low.saturating_add(length);
            ranges.push(low, end);
        }
        ranges
    }
}

/// Numbers that come upwards, written as gaps: what a word of the index is in.
#[derive(Clone, Debug, Default)]
pub struct Upward {
    bytes: Vec<u8>,
    last: u32,
    count: u32,
}

impl Upward {
    /// Adds a number that is not below any before it; the same one again is passed over.
    pub fn push(&mut self, number: u32) {
        if self.count == 0 || number > self.last {
            push_number(&mut self.bytes, number - self.last);
            self.last = number;
            self.count += 1;
        }
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Reads them, adding to `numbers`.
    pub fn read(mut bytes: &[u8], numbers: &mut Vec<u32>) {
        let mut last = 0u32;
        while let Some(gap) = next_number(&mut bytes) {
            last = last.saturating_add(gap);
            numbers.push(last);
        }
    }
}

/// LEB128.
fn push_number(bytes: &mut Vec<u8>, mut number: u32) {
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            return bytes.push(low);
        }
        bytes.push(low | 0x80);
    }
}

fn next_number(bytes: &mut &[u8]) -> Option<u32> {
    let mut number = 0u32;
    for shift in [0, 7, 14, 21, 28] {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u32::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn set() -> impl Strategy<Value = (BTreeSet<u32>, Ranges)> {
        prop::collection::btree_set(0u32..200, 0..60)
            .prop_map(|set| (set.clone(), Ranges::of(set.into_iter().collect())))
    }

    fn same(ranges: &Ranges, set: &BTreeSet<u32>) -> bool {
        ranges.numbers().eq(set.iter().copied())
    }

    proptest! {
        #[test]
        fn ranges_are_sets((a, ours) in set(), (b, theirs) in set()) {
            prop_assert!(same(&ours, &a));
            prop_assert!(same(&ours.or(&theirs), &(&a | &b)));
            prop_assert!(same(&ours.and(&theirs), &(&a & &b)));
            prop_assert!(same(&ours.minus(&theirs), &(&a - &b)));
            prop_assert_eq!(ours.count(), a.len() as u64);
            prop_assert_eq!(Ranges::from_bytes(&ours.to_bytes()), ours.clone());
            for number in 0..200 {
                prop_assert_eq!(ours.contains(number), a.contains(&number));
            }
        }

        #[test]
        fn numbers_upwards_read_as_written(set in prop::collection::btree_set(any::<u32>(), 0..60)) {
            let mut upward = Upward::default();
            set.iter().for_each(|number| upward.push(*number));
            let mut read = Vec::new();
            Upward::read(&upward.into_bytes(), &mut read);
            prop_assert!(read.into_iter().eq(set));
        }

        #[test]
        fn no_bytes_make_reading_panic(bytes in any::<Vec<u8>>()) {
            let _ = Ranges::from_bytes(&bytes);
            Upward::read(&bytes, &mut Vec::new());
        }
    }

    #[test]
    fn the_ends_of_the_numbers_hold() {
        let top = Ranges::span(u32::MAX - 1, u32::MAX);
        assert_eq!(
            Ranges::span(0, u32::MAX).minus(&top),
            Ranges::span(0, u32::MAX - 2)
        );
        assert!(top.minus(&Ranges::span(0, u32::MAX)).is_empty());
        assert!(Ranges::all(0).is_empty());
    }
}
