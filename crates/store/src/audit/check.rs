//! Checks the log: its rows against its tree and against signed checkpoints, and the records against
//! the log's lines.

mod records;

use access::merkle::{Frontier, Hash};
use fhir::problem::Problem;

use super::leaf::{self, Leaf};
use super::tree::hashes;
use crate::sql::Sql;
use crate::store::Store;

/// Lines that are looked at together.
const LINES_AT_ONCE: u32 = 16_384;
const TILE: u64 = 256;

/// What somebody signed: the log had `size` lines, and this was its root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnessed {
    pub size: u64,
    pub root: Hash,
    /// Who says so: an ODS code, or several.
    pub by: String,
}

/// What is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// This line's row is not the one that was written.
    Altered { seq: i64 },
    /// So many lines after that one are gone.
    Missing { after: i64, count: u64 },
    /// This line was put in later.
    Added { seq: i64 },
    /// Rows and tree agree with each other, but not with what was signed: somewhere in these lines
    /// both were altered.
    Rewritten { after: i64, upto: i64, by: String },
    /// What was signed had more lines than there are.
    Short {
        last: i64,
        lines: u64,
        signed: u64,
        by: String,
    },
    /// The tree's own rows were altered; the log's lines are as they were written.
    Tree,
    /// A record's version that no line of the log tells of.
    Untold { version: String },
    /// A version that the log tells of, in that line, and that is gone.
    Gone { version: String, seq: i64 },
    /// A version whose content is not the one that line tells of.
    Changed { version: String, seq: i64 },
    /// A record that was put back to an older version than it has.
    PutBack { version: String },
}

/// What a check came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Check {
    /// Lines that were read.
    pub lines: u64,
    /// Of these, lines that are not in the tree yet.
    pub fresh: u64,
    /// Versions of records that were read.
    pub versions: u64,
    /// The newest of what was signed that the log agrees with.
    pub agreed: Option<Witnessed>,
    /// The first that is wrong with the log, then some of what is wrong with the records.
    pub findings: Vec<Finding>,
}

/// A walk through the log.
struct Walk {
    check: Check,
    tree: Frontier,
    heads: std::vec::IntoIter<Witnessed>,
    next: Option<Witnessed>,
    /// Lines in the tree.
    size: u64,
    last: i64,
    /// The last line that something signed agrees with.
    agreed_seq: i64,
}

impl Walk {
    /// Takes lines in; `stored` are the hashes that the tree has from the first of them on, and one
    /// more where there is one.
    fn take(&mut self, leaves: &[Leaf], stored: &[Option<Hash>]) {
        for (at, leaf) in leaves.iter().enumerate() {
            self.check.lines += 1;
            if self.tree.size() >= self.size {
                self.check.fresh += 1;
            } else if stored.get(at).copied().flatten() != Some(leaf.hash) {
                let rest = (
                    leaves.get(at..).unwrap_or_default(),
                    stored.get(at..).unwrap_or_default(),
                );
                self.check.findings.push(self.differs(leaf, rest));
                return;
            }
            self.tree.push(leaf.hash);
            self.last = leaf.seq;
            self.meet();
            if !self.check.findings.is_empty() {
                return;
            }
        }
    }

    /// Compares with what was signed at this size.
    fn meet(&mut self) {
        while let Some(head) = self.next.take_if(|head| head.size <= self.tree.size()) {
            if head.root == self.tree.root() {
                self.agreed_seq = self.last;
                self.check.agreed = Some(head);
            } else {
                self.check.findings.push(Finding::Rewritten {
                    after: self.agreed_seq,
                    upto: self.last,
                    by: head.by,
                });
                return;
            }
            self.next = self.heads.next();
        }
    }

    /// What a difference between row and tree means, by what follows.
    fn differs(&self, leaf: &Leaf, (leaves, stored): (&[Leaf], &[Option<Hash>])) -> Finding {
        let later = |hash: Hash| stored.iter().position(|it| *it == Some(hash));
        if let Some(count) = later(leaf.hash).filter(|count| *count > 0) {
            return Finding::Missing {
                after: self.last,
                count: count as u64,
            };
        }
        let wanted = stored.first().copied().flatten();
        let found = leaves.iter().skip(1).any(|it| Some(it.hash) == wanted);
        if found {
            return Finding::Added { seq: leaf.seq };
        }
        Finding::Altered { seq: leaf.seq }
    }

    /// What is missing at the end.
    fn end(&mut self) {
        if !self.check.findings.is_empty() {
            return;
        }
        let (lines, last) = (self.tree.size(), self.last);
        let longest = self.next.take().into_iter().chain(self.heads.by_ref());
        if let Some(head) = longest.max_by_key(|head| head.size) {
            self.check.findings.push(Finding::Short {
                last,
                lines,
                signed: head.size,
                by: head.by,
            });
        } else if lines < self.size {
            self.check.findings.push(Finding::Missing {
                after: last,
                count: self.size - lines,
            });
        }
    }
}

impl Store {
    /// Checks every line against the tree and against what was signed, and the records against the
    /// lines. The first thing that is wrong with the log is named; it is read up to there.
    ///
    /// # Errors
    /// Those of the database; what is wrong with the log is no error but a finding.
    pub async fn check_audit(&self, mut signed: Vec<Witnessed>) -> Result<Check, Problem> {
        self.caught_up().await;
        let upto = self.settled_audit().await?;
        let (size, _) = self.audit_tree_at().await?;
        signed.retain(|head| head.size > 0);
        signed.sort_by_key(|head| head.size);
        let mut heads = signed.into_iter();
        let mut walk = Walk {
            check: Check::default(),
            tree: Frontier::default(),
            next: heads.next(),
            heads,
            size,
            last: 0,
            agreed_seq: 0,
        };
        loop {
            let rows = leaf::rows(walk.last, upto, LINES_AT_ONCE);
            let leaves = self.mapped_apart(rows, leaf::maker()).await?;
            if leaves.is_empty() {
                break;
            }
            let from = walk.tree.size();
            let stored = self.stored_leaves(from, leaves.len() as u64 + 1).await?;
            walk.take(&leaves, &stored);
            if !walk.check.findings.is_empty() {
                break;
            }
        }
        walk.end();
        let mut check = walk.check;
        if check.findings.is_empty() && size > 0 {
            let whole = walk.tree.size() == size && check.fresh == 0;
            let root = self.audit_root(size).await;
            if whole && root.is_ok_and(|root| root != walk.tree.root()) {
                check.findings.push(Finding::Tree);
            }
        }
        self.check_records(upto, &mut check).await?;
        Ok(check)
    }

    /// The tree's leaf hashes from `from` on, at most `count`; none where its rows are gone.
    async fn stored_leaves(&self, from: u64, count: u64) -> Result<Vec<Option<Hash>>, Problem> {
        let (first, last) = (from / TILE, (from + count) / TILE);
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let sql = Sql::new(
            "SELECT number, hashes FROM audit_tile WHERE level = 0 AND number >= $1 \
             AND number <= $2 ORDER BY number",
        );
        let rows = self
            .rows_apart(sql.with(number(first)).with(number(last)))
            .await?;
        let tiles = usize::try_from(last - first + 1).unwrap_or(0);
        let mut out = vec![None; tiles * TILE as usize];
        for row in &rows {
            let at = usize::try_from(row.int(0)? - number(first)).unwrap_or(usize::MAX);
            let place = out.chunks_mut(TILE as usize).nth(at);
            let tile = hashes(row.bytes(1)?);
            for (to, hash) in place.into_iter().flatten().zip(tile) {
                *to = Some(hash);
            }
        }
        out.drain(..usize::try_from(from % TILE).unwrap_or(0));
        Ok(out)
    }
}
