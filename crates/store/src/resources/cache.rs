//! Recently read versions, kept in memory with the facts that decide who may see them: whoever hits
//! is asked for their scope each time. Beside them bodies that searches found, whose rows have said who may see
//! them and which version is current. Only on SQLite, where this process is the only one to write;
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
    /// `None` of a body that a search found: it is for those who know already that they may see this version.
    facts: Option<Facts>,
    version: Version,
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
    hit: Option<Arc<Cached>>,
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

    /// Keeps what was read and is current, unless something was forgotten since `asked`: the read may have been
    /// older than that.
    pub(crate) fn keep(&self, asked: &Asked, facts: Facts, version: Version) {
        let facts = Some(facts);
        self.put(asked, Cached { facts, version });
    }

    /// Keeps a version that a search found, which may have been overtaken meanwhile: never in the place of one that was
    /// current when it was read.
    pub(crate) fn keep_body(&self, asked: &Asked, version: Version) {
        let is_current = asked.hit.as_ref().is_some_and(|hit| hit.facts.is_some());
        if !is_current {
            let facts = None;
            self.put(asked, Cached { facts, version });
        }
    }

    fn put(&self, asked: &Asked, cached: Cached) {
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

impl Asked {
    /// The current version, with what decides who may see it.
    pub(crate) fn current(&self) -> Option<(&Facts, &Version)> {
        let hit = self.hit.as_ref()?;
        Some((hit.facts.as_ref()?, &hit.version))
    }

    /// That version, for who may see it.
    pub(crate) fn version(&self, version: u64) -> Option<&Version> {
        let hit = self.hit.as_ref()?;
        (hit.version.version == version).then_some(&hit.version)
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

    fn cached(id: &str, body: usize) -> (Facts, Version) {
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
        (facts, version)
    }

    #[test]
    fn a_read_that_a_write_overtook_is_not_kept() {
        let cache = Cache::new(1 << 20);
        let asked = cache.ask("Patient", "a");
        cache.forget("Patient", "a");
        let (facts, version) = cached("a", 10);
        cache.keep(&asked, facts.clone(), version.clone());
        cache.keep_body(&asked, version.clone());
        assert!(cache.ask("Patient", "a").hit.is_none());
        let asked = cache.ask("Patient", "a");
        cache.keep(&asked, facts, version);
        assert!(cache.ask("Patient", "a").current().is_some());
        cache.forget("Patient", "a");
        assert!(cache.ask("Patient", "a").hit.is_none());
    }

    #[test]
    fn what_a_search_found_is_given_as_that_version_and_never_as_the_current_one() {
        let cache = Cache::new(1 << 20);
        let (facts, version) = cached("a", 10);
        cache.keep_body(&cache.ask("Patient", "a"), version.clone());
        let asked = cache.ask("Patient", "a");
        assert!(asked.current().is_none());
        assert!(asked.version(1).is_some() && asked.version(2).is_none());
        let current = Version {
            version: 2,
            ..version.clone()
        };
        cache.keep(&asked, facts, current);
        cache.keep_body(&cache.ask("Patient", "a"), version);
        let asked = cache.ask("Patient", "a");
        assert_eq!(asked.current().map(|(_, it)| it.version), Some(2));
    }

    #[test]
    fn it_never_holds_more_than_it_may() {
        let cache = Cache::new(1 << 20);
        for number in 0..5000 {
            let id = number.to_string();
            let asked = cache.ask("Patient", &id);
            let (facts, version) = cached(&id, 1000);
            cache.keep(&asked, facts, version);
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
