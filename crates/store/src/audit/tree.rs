//! The tree over the log's lines, grown from the rows behind everybody's back: nobody waits for it.

use access::merkle::{self, Frontier, Hash, Part};
use access::{Scope, SystemPurpose};
use fhir::problem::{Kind, Problem};

use super::kept::AuditWrite;
use super::leaf::{self, Leaf};
use crate::failure;
use crate::sql::Sql;
use crate::store::Store;
use crate::write::{Effect, Job};

/// Hashes in a tile, and how many levels of the tree it spans.
const TILE: usize = 256;
const TILE_LEVELS: u32 = 8;
const HASH_BYTES: usize = 32;
/// Lines that are taken up at a time.
const LINES_AT_ONCE: u32 = 8192;

/// How far the tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeHead {
    /// Lines in it.
    pub size: u64,
    /// The number of the last of them.
    pub last_seq: i64,
    pub root: Hash,
}

/// A tile to be written: level, number, hashes.
pub type Tile = (u32, u64, Vec<u8>);

/// The right edge of the tree: what is in each level's last tile, if it is not full.
struct Edge {
    size: u64,
    levels: Vec<Vec<Hash>>,
    full: Vec<Tile>,
}

impl Edge {
    fn push(&mut self, leaf: Hash) {
        self.size += 1;
        let (mut hash, mut level) = (leaf, 0);
        loop {
            if self.levels.len() <= level {
                self.levels.resize_with(level + 1, Vec::new);
            }
            let Some(tile) = self.levels.get_mut(level) else {
                return;
            };
            tile.push(hash);
            if tile.len() < TILE {
                return;
            }
            hash = perfect(tile);
            let bytes = tile.concat();
            tile.clear();
            let depth = u32::try_from(level).unwrap_or(u32::MAX);
            let number = (self.size >> (TILE_LEVELS * (depth + 1))) - 1;
            self.full.push((depth, number, bytes));
            level += 1;
        }
    }

    /// All tiles that are other than before.
    fn tiles(self) -> Vec<Tile> {
        let mut tiles = self.full;
        for (level, hashes) in (0..).zip(&self.levels) {
            if !hashes.is_empty() {
                let number = self.size >> (TILE_LEVELS * (level + 1));
                tiles.push((level, number, hashes.concat()));
            }
        }
        tiles
    }
}

/// The hash over a power of two of hashes.
fn perfect(hashes: &[Hash]) -> Hash {
    let mut tree = Frontier::default();
    hashes.iter().for_each(|hash| tree.push(*hash));
    tree.root()
}

/// The hashes of a tile's bytes.
pub(super) fn hashes(bytes: &[u8]) -> Vec<Hash> {
    let (hashes, _) = bytes.as_chunks::<HASH_BYTES>();
    hashes.to_vec()
}

impl Store {
    /// Takes new lines of the log into the tree; gives how far it is then. Any process may do it: one
    /// wins, and the other finds it done.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn grow_audit_tree(&self) -> Result<TreeHead, Problem> {
        let (_, last_seq) = self.audit_tree_at().await?;
        let fresh = Sql::new("SELECT seq FROM audit WHERE seq > $1 LIMIT 1").with(last_seq);
        let upto = match self.rows(&fresh).await?.is_empty() {
            // The wait for those who add lines is for when there are some.
            true => last_seq,
            false => self.settled_audit().await?,
        };
        loop {
            let (size, last_seq) = self.audit_tree_at().await?;
            let rows = leaf::rows(last_seq, upto, LINES_AT_ONCE);
            let leaves = self.mapped_apart(rows, leaf::maker()).await?;
            let Some(last) = leaves.last().copied() else {
                return Ok(TreeHead {
                    size,
                    last_seq,
                    root: self.audit_root(size).await?,
                });
            };
            self.let_others_first().await;
            let grown = self.take_up(size, &leaves, last).await;
            match grown {
                // Another process was quicker.
                Err(problem) if problem.kind == Kind::LockError => {}
                grown => grown?,
            }
        }
    }

    async fn take_up(&self, size: u64, leaves: &[Leaf], last: Leaf) -> Result<(), Problem> {
        let mut edge = Edge {
            size,
            levels: Vec::new(),
            full: Vec::new(),
        };
        let mut level = 0;
        while size >> (TILE_LEVELS * level) > 0 {
            let held = (size >> (TILE_LEVELS * level)) % TILE as u64;
            let number = size >> (TILE_LEVELS * (level + 1));
            let tile = match held {
                0 => Vec::new(),
                held => self.tile(level, number, held).await?,
            };
            edge.levels.push(tile);
            level += 1;
        }
        leaves.iter().for_each(|leaf| edge.push(leaf.hash));
        let write = AuditWrite::Grow {
            from: size,
            size: edge.size,
            last_seq: last.seq,
            tiles: edge.tiles(),
        };
        self.write_audit(write).await
    }

    /// Does one of the tree's writes.
    ///
    /// # Errors
    /// `LockError` if somebody else did it first.
    pub async fn write_audit(&self, write: AuditWrite) -> Result<(), Problem> {
        let scope = Scope::system(SystemPurpose::KeepAudit);
        let job = Job::effect(Effect::Audit(write));
        self.commit(&scope, job).await.map(|_| ())
    }

    /// The tree's size, and the number of the last line in it.
    pub(super) async fn audit_tree_at(&self) -> Result<(u64, i64), Problem> {
        let sql = Sql::new("SELECT size, last_seq FROM audit_tree WHERE name = 'node'");
        let rows = self.rows(&sql).await?;
        let row = rows
            .first()
            .ok_or_else(|| failure::internal("no audit tree"))?;
        Ok((u64::try_from(row.int(0)?).unwrap_or(0), row.int(1)?))
    }

    /// The first `held` hashes of a tile.
    async fn tile(&self, level: u32, number: u64, held: u64) -> Result<Vec<Hash>, Problem> {
        let sql = Sql::new("SELECT hashes FROM audit_tile WHERE level = $1 AND number = $2");
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        let rows = self.rows(&sql.with(level).with(number)).await?;
        let mut found = match rows.first() {
            Some(row) => hashes(row.bytes(0)?),
            None => Vec::new(),
        };
        if (found.len() as u64) < held {
            let message = "The audit log's tree lacks a part; `handover audit verify` says which.";
            return Err(Problem::new(Kind::Exception, message));
        }
        found.truncate(usize::try_from(held).unwrap_or(usize::MAX));
        Ok(found)
    }

    /// The root of the tree of the first `size` lines.
    ///
    /// # Errors
    /// `Exception` if the tree is not that large.
    pub async fn audit_root(&self, size: u64) -> Result<Hash, Problem> {
        self.audit_range(0, size).await
    }

    /// The proof that the tree of `new` lines begins with that of `old`.
    ///
    /// # Errors
    /// `Exception` if the tree is not that large.
    pub async fn audit_consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, Problem> {
        let mut proof = Vec::new();
        for (start, end) in merkle::consistency(old, new) {
            proof.push(self.audit_range(start, end).await?);
        }
        Ok(proof)
    }

    async fn audit_range(&self, start: u64, end: u64) -> Result<Hash, Problem> {
        let mut parts = Vec::new();
        for part in merkle::parts(start, end) {
            parts.push(self.audit_part(part).await?);
        }
        Ok(merkle::fold(&parts))
    }

    async fn audit_part(&self, part: Part) -> Result<Hash, Problem> {
        let level = part.height / TILE_LEVELS;
        let count = 1_u64 << (part.height % TILE_LEVELS);
        let first = part.index * count;
        let offset = first % TILE as u64;
        let mut tile = self
            .tile(level, first / TILE as u64, offset + count)
            .await?;
        Ok(perfect(
            &tile.split_off(usize::try_from(offset).unwrap_or(0)),
        ))
    }
}
