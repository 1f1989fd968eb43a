//! Which messages' ids are surely not in the tables: asked before the tables are, which read a page
//! of an index for each id that they do not have.
//!
//! Invariant: an id that is in the tables is never said to be new. Ids are digests, so their own bits
//! place them; a layer is a Bloom filter, and layers grow twofold, up to a bound, beyond which more
//! ids are looked for in vain.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rusqlite::Connection;

use crate::database::sqlite;
use crate::hl7_inbox;

/// Ids that the first layer is made for.
const FIRST: usize = 1 << 16;
/// Layers at most: the last is made for 2^23 ids, and all take 32 MiB.
const LAYERS_MAX: u32 = 8;
/// Bits for each id; with this many probes about one new id in a thousand is looked for in vain.
const BITS: usize = 16;
const PROBES: u64 = 6;
/// Ids that are read at once.
const READ: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Known {
    layers: Mutex<Vec<Layer>>,
    /// Set once it has all that the tables held when it began.
    is_complete: AtomicBool,
    is_over: AtomicBool,
}

#[derive(Debug)]
struct Layer {
    words: Vec<u64>,
    room: usize,
}

impl Known {
    /// Adds an id before its message is kept; `false` if it is surely new to the tables.
    pub(super) fn add(&self, id: &[u8]) -> bool {
        let mut layers = self.layers.lock();
        let seen = layers.iter().any(|layer| layer.has(id));
        if !seen {
            insert(&mut layers, id);
        }
        seen || !self.is_complete.load(Ordering::Acquire)
    }

    /// Reads the ids that the tables hold. If that fails, the tables go on being asked.
    pub(super) fn read(&self, reader: &Connection) {
        let mut after = Vec::new();
        while !self.is_over.load(Ordering::Relaxed) {
            let ids = match sqlite::rows(reader, &hl7_inbox::ids(&after, READ)) {
                Ok(ids) => ids,
                Err(problem) => {
                    tracing::warn!(?problem, "the ids of the messages here could not be read");
                    return;
                }
            };
            let mut layers = self.layers.lock();
            for row in &ids {
                match row.bytes(0) {
                    Ok(id) if layers.iter().all(|layer| !layer.has(id)) => insert(&mut layers, id),
                    Ok(_) => {}
                    Err(_) => return,
                }
            }
            drop(layers);
            match ids.last().map(|row| row.bytes(0)) {
                Some(Ok(last)) => after = last.to_vec(),
                Some(Err(_)) => return,
                None => {
                    self.is_complete.store(true, Ordering::Release);
                    return;
                }
            }
        }
    }

    /// Lets the reading end.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

fn insert(layers: &mut Vec<Layer>, id: &[u8]) {
    let made = u32::try_from(layers.len()).unwrap_or(LAYERS_MAX);
    if layers.last().is_none_or(|last| last.room == 0) && made < LAYERS_MAX {
        layers.push(Layer::made_for(FIRST << made));
    }
    if let Some(last) = layers.last_mut() {
        last.insert(id);
    }
}

impl Layer {
    /// `ids` is a power of two.
    fn made_for(ids: usize) -> Layer {
        Layer {
            words: vec![0; ids * BITS / 64],
            room: ids,
        }
    }

    fn has(&self, id: &[u8]) -> bool {
        self.places(id)
            .all(|(word, bit)| self.words.get(word).is_some_and(|word| word & bit != 0))
    }

    fn insert(&mut self, id: &[u8]) {
        for (word, bit) in self.places(id) {
            if let Some(word) = self.words.get_mut(word) {
                *word |= bit;
            }
        }
        self.room = self.room.saturating_sub(1);
    }

    /// Where an id's bits are: the index of a word, and the bit in it.
    fn places(&self, id: &[u8]) -> impl Iterator<Item = (usize, u64)> + use<> {
        let half = |from: usize| {
            let bytes = id.iter().skip(from).take(8);
            bytes.fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
        };
        let (first, step) = (half(0), half(8) | 1);
        let mask = self.words.len() as u64 * 64 - 1;
        (0..PROBES).map(move |probe| {
            let place = first.wrapping_add(probe.wrapping_mul(step)) & mask;
            (
                usize::try_from(place / 64).unwrap_or_default(),
                1 << (place % 64),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    fn id(number: u32) -> Vec<u8> {
        Sha256::digest(number.to_be_bytes())[..16].to_vec()
    }

    fn complete() -> Known {
        let known = Known::default();
        known.is_complete.store(true, Ordering::Release);
        known
    }

    #[test]
    fn what_was_added_is_never_new_and_hardly_anything_else_is_known() {
        let known = complete();
        // Three layers.
        let count = 300_000;
        let in_vain = (0..count).filter(|n| known.add(&id(*n))).count();
        assert!(in_vain < count as usize / 100, "{in_vain}");
        assert_eq!(known.layers.lock().len(), 3);
        assert!((0..count).all(|n| known.add(&id(n))));
    }

    #[test]
    fn before_it_has_read_the_tables_nothing_is_surely_new() {
        let known = Known::default();
        assert!(known.add(&id(1)));
    }
}
