//! The Merkle tree over the audit log's lines (RFC 6962, section 2.1): leaf hashes begin with a 0, the
//! others with a 1. A tree of `n` leaves is named by its root; a consistency proof shows that a larger
//! tree has a smaller one as its beginning.

use sha2::{Digest, Sha256};

/// SHA-256.
pub type Hash = [u8; 32];

/// The root of the tree without leaves.
pub fn empty() -> Hash {
    Sha256::digest(b"").into()
}

/// A leaf's hash.
pub fn leaf(bytes: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    hash.update([0]);
    hash.update(bytes);
    hash.finalize().into()
}

/// The hash over two others.
pub fn node(left: &Hash, right: &Hash) -> Hash {
    let mut hash = Sha256::new();
    hash.update([1]);
    hash.update(left);
    hash.update(right);
    hash.finalize().into()
}

/// The tree as far as it is needed to go on: the roots of its perfect parts, the largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf by its hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        // Each trailing 1 of the size is a perfect part of the same height.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root.
    pub fn root(&self) -> Hash {
        fold(&self.peaks)
    }
}

/// The root over perfect parts, the largest first.
pub fn fold(parts: &[Hash]) -> Hash {
    let mut parts = parts.iter().rev();
    let Some(last) = parts.next() else {
        return empty();
    };
    parts.fold(*last, |right, left| node(left, &right))
}

/// A perfect part of a tree: the leaves `[index << height, (index + 1) << height)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub height: u32,
    pub index: u64,
}

/// The perfect parts that leaves `[start, end)` fall into, the largest first: `fold` over their hashes
/// is the hash of all of them. `start` must begin a part at least as large as the range, as each range
/// of `consistency` does.
pub fn parts(start: u64, end: u64) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut at = start;
    while at < end {
        let height = (end - at).ilog2();
        parts.push(Part {
            height,
            index: at >> height,
        });
        at += 1 << height;
    }
    parts
}

/// The ranges of leaves whose hashes prove that the tree of `new` leaves begins with that of `old`, in
/// the proof's order (RFC 6962, section 2.1.2). Empty if `old` is 0 or `new` or more.
pub fn consistency(old: u64, new: u64) -> Vec<(u64, u64)> {
    let mut ranges = Vec::new();
    if old == 0 || old >= new {
        return ranges;
    }
    let (mut start, mut end, mut whole) = (0, new, true);
    // Until the range is what is left of the old tree.
    while end > old {
        let half = 1 << (end - start - 1).ilog2();
        let middle = start + half;
        if old <= middle {
            ranges.push((middle, end));
            end = middle;
        } else {
            ranges.push((start, middle));
            start = middle;
            whole = false;
        }
    }
    if !whole {
        ranges.push((start, end));
    }
    ranges.reverse();
    ranges
}

/// Whether `proof` shows that the tree (`new`, `new_root`) begins with (`old`, `old_root`)
/// (RFC 9162, section 2.1.4.2).
pub fn is_consistent(
    (old, old_root): (u64, &Hash),
    (new, new_root): (u64, &Hash),
    proof: &[Hash],
) -> bool {
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    if old == 0 {
        return proof.is_empty() && *old_root == empty();
    }
    if old > new {
        return false;
    }
    let mut proof = proof.iter();
    let first = if old.is_power_of_two() {
        Some(old_root)
    } else {
        proof.next()
    };
    let Some(first) = first else { return false };
    let shift = (old - 1).trailing_ones();
    let (mut place, mut last) = ((old - 1) >> shift, (new - 1) >> shift);
    let (mut before, mut after) = (*first, *first);
    for hash in proof {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            before = node(hash, &before);
            after = node(hash, &after);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            after = node(&after, hash);
        }
        place >>= 1;
        last >>= 1;
    }
    last == 0 && before == *old_root && after == *new_root
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 6962's own words.
    fn root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty(),
            [one] => *one,
            many => {
                let half = 1 << (many.len() - 1).ilog2();
                node(&root(&many[..half]), &root(&many[half..]))
            }
        }
    }

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|n| leaf(&n.to_be_bytes())).collect()
    }

    fn proof(leaves: &[Hash], old: usize, new: usize) -> Vec<Hash> {
        let range = |(start, end): (u64, u64)| {
            let hashes = parts(start, end).into_iter().map(|part| {
                let from = (part.index << part.height) as usize;
                root(&leaves[from..from + (1 << part.height)])
            });
            fold(&hashes.collect::<Vec<_>>())
        };
        consistency(old as u64, new as u64)
            .into_iter()
            .map(range)
            .collect()
    }

    #[test]
    fn the_roots_are_those_of_the_published_example() {
        // The test vectors of Certificate Transparency's own trees.
        let data: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let mut tree = Frontier::default();
        let hex = |hash: Hash| hash.iter().map(|b| format!("{b:02x}")).collect::<String>();
        assert_eq!(
            hex(tree.root()),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        data.iter().for_each(|it| tree.push(leaf(it)));
        assert_eq!(
            hex(tree.root()),
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
        );
    }

    #[test]
    fn every_small_tree_is_consistent_with_each_of_its_beginnings() {
        let all = leaves(40);
        let mut tree = Frontier::default();
        for new in 0..=40 {
            assert_eq!(tree.root(), root(&all[..new]), "{new}");
            for old in 0..=new {
                let (a, b) = (root(&all[..old]), root(&all[..new]));
                let proof = proof(&all, old, new);
                let sizes = (old as u64, new as u64);
                assert!(
                    is_consistent((sizes.0, &a), (sizes.1, &b), &proof),
                    "{old} in {new}"
                );
            }
            if new < 40 {
                tree.push(all[new]);
            }
        }
    }

    proptest! {
        #[test]
        fn a_tree_with_another_past_is_not_consistent(
            new in 2_u64..200, old in 1_u64..200, altered in 0_u64..200,
        ) {
            let (old, new) = (old.min(new - 1) as usize, new as usize);
            let before = leaves(new as u64);
            let mut after = before.clone();
            let altered = altered as usize % old;
            after[altered] = leaf(b"another");
            let (a, b) = (root(&before[..old]), root(&after));
            for proof in [proof(&before, old, new), proof(&after, old, new), Vec::new()] {
                prop_assert!(!is_consistent((old as u64, &a), (new as u64, &b), &proof));
            }
        }
    }
}
