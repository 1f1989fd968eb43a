//! Recently read versions, kept in memory with the facts that decide who may see them: whoever hits
//! is asked for their scope each time. Only on SQLite, where this process is the only one to write;
//! the writer makes it forget what it has changed before it answers.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use parking_lot::Mutex;

use super::Version;
use super::facts::Facts;

/// Parts with a lock each.
const PARTS: usize = 16;
/// What an entry takes beside its body, about, in bytes.
const ENTRY_BYTES: usize = 400;

/// A bounded cache.
#[derive(Debug)]
pub(crate) struct Cache {
    parts: Vec<Mutex<Part>>,
    hasher: RandomState,
    part_bytes_max: usize,
}

/// A version with what decides who may see it.
#[derive(Debug)]
pub(crate) struct Cached {
    pub(crate) facts: Facts,
    pub(crate) version: Version,
}

/// Two generations: what is used moves to the young one; when that is full it becomes the old one,
/// and the old one goes.
#[derive(Debug, Default)]
struct Part {
    young: HashMap<u64, Arc<Cached>>,
    old: HashMap<u64, Arc<Cached>>,
    young_bytes: usize,
    /// Goes up whenever something is forgotten.
    forgotten: u64,
}

/// What the cache said, and what it must be told when the version is found elsewhere.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) hit: Option<Arc<Cached>>,
    hash: u64,
    forgotten: u64,
}

impl Cache {
    pub(crate) fn new(bytes_max: usize) -> Cache {
        Cache {
            parts: (0..PARTS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            // Two generations.
            part_bytes_max: bytes_max / PARTS / 2,
        }
    }

    fn hash(&self, ty: &str, id: &str) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(ty.as_bytes());
        hasher.write_u8(b'/');
        hasher.write(id.as_bytes());
        hasher.finish()
    }

    fn part(&self, hash: u64) -> Option<&Mutex<Part>> {
        let at = usize::try_from(hash % 16).unwrap_or_default();
        self.parts.get(at)
    }

    /// The version of that type and id, if it is kept. Ask before the database is asked.
    pub(crate) fn ask(&self, ty: &str, id: &str) -> Asked {
        let hash = self.hash(ty, id);
        let (mut hit, mut forgotten) = (None, 0);
        if let Some(part) = self.part(hash) {
            let mut part = part.lock();
            forgotten = part.forgotten;
            hit = part.young.get(&hash).cloned();
            if hit.is_none()
                && let Some(found) = part.old.remove(&hash)
            {
                part.insert(hash, found.clone(), self.part_bytes_max);
                hit = Some(found);
            }
        }
        // Two names may share a hash.
        hit = hit.filter(|hit| hit.version.id == id && hit.version.ty == ty);
        Asked {
            hit,
            hash,
            forgotten,
        }
    }

    /// Keeps what was read, unless something was forgotten since `asked`: the read may have been
    /// older than that.
    pub(crate) fn keep(&self, asked: &Asked, cached: Cached) {
        if cached.version.body.len() > self.part_bytes_max / 4 {
            return;
        }
        if let Some(part) = self.part(asked.hash) {
            let mut part = part.lock();
            if part.forgotten == asked.forgotten {
                part.insert(asked.hash, Arc::new(cached), self.part_bytes_max);
            }
        }
    }

    /// Forgets a version that has been overtaken.
    pub(crate) fn forget(&self, ty: &str, id: &str) {
        let hash = self.hash(ty, id);
        if let Some(part) = self.part(hash) {
            let mut part = part.lock();
            part.forgotten += 1;
            if let Some(gone) = part.young.remove(&hash) {
                part.young_bytes = part.young_bytes.saturating_sub(gone.bytes());
            }
            part.old.remove(&hash);
        }
    }
}

impl Part {
    fn insert(&mut self, hash: u64, cached: Arc<Cached>, bytes_max: usize) {
        let bytes = cached.bytes();
        if self.young_bytes + bytes > bytes_max {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += bytes;
        if let Some(gone) = self.young.insert(hash, cached) {
            self.young_bytes = self.young_bytes.saturating_sub(gone.bytes());
        }
    }
}

impl Cached {
    fn bytes(&self) -> usize {
        self.version.body.len() + ENTRY_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn cached(id: &str, body: usize) -> Cached {
        let facts = Facts {
            shard: 0,
            rid: 1,
            version: 1,
            at: 0,
            deleted: false,
            organisation: "A81001".into(),
            patients: String::new(),
            release_at: None,
            guard: 0,
            workgroup: String::new(),
            is_sensitive: false,
        };
        let version = Version {
            ty: "Patient".into(),
            id: id.into(),
            version: 1,
            last_updated: 0,
            body: Bytes::from(vec![0; body]),
        };
        Cached { facts, version }
    }

    #[test]
    fn a_read_that_a_write_overtook_is_not_kept() {
        let cache = Cache::new(1 << 20);
        let asked = cache.ask("Patient", "a");
        cache.forget("Patient", "a");
        cache.keep(&asked, cached("a", 10));
        assert!(cache.ask("Patient", "a").hit.is_none());
        let asked = cache.ask("Patient", "a");
        cache.keep(&asked, cached("a", 10));
        assert!(cache.ask("Patient", "a").hit.is_some());
        cache.forget("Patient", "a");
        assert!(cache.ask("Patient", "a").hit.is_none());
    }

    #[test]
    fn it_never_holds_more_than_it_may() {
        let cache = Cache::new(1 << 20);
        for number in 0..5000 {
            let id = number.to_string();
            let asked = cache.ask("Patient", &id);
            cache.keep(&asked, cached(&id, 1000));
        }
        let held: usize = cache
            .parts
            .iter()
            .map(|part| {
                let part = part.lock();
                let all = part.young.values().chain(part.old.values());
                all.map(|cached| cached.bytes()).sum::<usize>()
            })
            .sum();
        assert!(held > 1 << 18 && held <= 1 << 20, "{held}");
    }
}
