//! Versions of records against the lines that tell of them.

use std::collections::HashMap;

use access::merkle;
use fhir::problem::Problem;
use sha2::{Digest, Sha256};

use super::{Check, Finding};
use crate::resources::body::decompress;
use crate::row::Cell;
use crate::sql::Sql;
use crate::store::Store;

/// Lines about changes that are held in memory at a time; a log with more is walked several times.
const HELD_MAX: u64 = 500_000;
/// How many numbers of the log are asked for at a time.
const STRIDE: i64 = 50_000;
const VERSIONS_AT_ONCE: u32 = 2000;
/// Findings about records; more would not tell more.
const FINDINGS_MAX: usize = 20;

/// What a line tells of a version.
#[derive(Clone, Copy)]
struct Told {
    seq: i64,
    deleted: bool,
    digest: Option<[u8; 32]>,
}

/// A line about a change: which version, by its key, and what of it.
type Line = (u128, Told);

/// A version at hand.
struct Kept {
    place: (i64, i64, i64),
    key: u128,
    name: String,
    deleted: bool,
    /// Newer than the record says that it is.
    ahead: bool,
    digest: Option<[u8; 32]>,
}

/// A version's key: names are long, and there are many.
fn key(ty: &[u8], id: &[u8], version: i64) -> u128 {
    let bytes = [ty, b"/", id, b"/", &version.to_be_bytes()].concat();
    let hash = merkle::leaf(&bytes);
    let front = hash.first_chunk::<16>().copied().unwrap_or_default();
    u128::from_be_bytes(front)
}

fn line(cells: &[Cell<'_>; 6]) -> Result<Line, Problem> {
    let [seq, ty, id, version, interaction, digest] = *cells;
    let told = Told {
        seq: seq.int()?,
        deleted: interaction.bytes() == b"delete",
        digest: digest.bytes().try_into().ok(),
    };
    Ok((key(ty.bytes(), id.bytes(), version.int()?), told))
}

fn version(cells: &[Cell<'_>; 8]) -> Result<Kept, Problem> {
    let [shard, rid, ver, ty, id, deleted, body, current] = *cells;
    let deleted = deleted.int()? != 0;
    let digest = if deleted {
        None
    } else {
        // What does not read any more is not what was stored.
        let body = decompress(body.bytes()).unwrap_or_default();
        Some(Sha256::digest(body).into())
    };
    let (ver, text) = (ver.int()?, |cell: Cell<'_>| {
        String::from_utf8_lossy(cell.bytes()).into_owned()
    });
    Ok(Kept {
        place: (shard.int()?, rid.int()?, ver),
        key: key(ty.bytes(), id.bytes(), ver),
        name: format!("{}/{}/_history/{ver}", text(ty), text(id)),
        deleted,
        ahead: ver > current.int()?,
        digest,
    })
}

impl Store {
    /// Adds what is wrong with the records, as far as lines up to `upto` tell.
    pub(super) async fn check_records(&self, upto: i64, check: &mut Check) -> Result<(), Problem> {
        let count = Sql::new(
            "SELECT COUNT(*) FROM audit WHERE interaction IN ('create', 'update', 'delete') \
             AND ver IS NOT NULL",
        );
        let rows = self.rows_apart(count).await?;
        let count = rows.first().map_or(Ok(0), |row| row.int(0))?;
        let passes = u128::from(u64::try_from(count).unwrap_or(0) / HELD_MAX + 1);
        let room = check.findings.len() + FINDINGS_MAX;
        let mut untold = Vec::new();
        check.versions = 0;
        for pass in 0..passes {
            let mine = move |key: u128| key % passes == pass;
            let mut told = self.lines_of_changes(0, upto, mine).await?;
            let mut after = (-1, -1, -1);
            loop {
                let versions = self.versions_after(after).await?;
                let Some(last) = versions.last() else { break };
                after = last.place;
                for version in versions.into_iter().filter(|it| mine(it.key)) {
                    check.versions += 1;
                    match told.remove(&version.key) {
                        None => untold.push((version.key, version.name)),
                        Some(line) => check.findings.extend(compare(version, line)),
                    }
                    untold.truncate(FINDINGS_MAX);
                    check.findings.truncate(room);
                }
            }
            self.name_gone(told, &mut check.findings).await?;
            check.findings.truncate(room);
        }
        if !untold.is_empty() {
            // Some may have been written meanwhile.
            self.caught_up().await;
            let now = self.settled_audit().await?;
            let fresh = self.lines_of_changes(upto, now, |_| true).await?;
            untold.retain(|(key, _)| !fresh.contains_key(key));
        }
        let untold = untold
            .into_iter()
            .map(|(_, version)| Finding::Untold { version });
        check.findings.extend(untold);
        Ok(())
    }

    async fn lines_of_changes(
        &self,
        mut after: i64,
        upto: i64,
        mine: impl Fn(u128) -> bool,
    ) -> Result<HashMap<u128, Told>, Problem> {
        let mut told: HashMap<u128, Told> = HashMap::new();
        while after < upto {
            let end = upto.min(after + STRIDE);
            let sql = Sql::new(
                "SELECT seq, ty, id, ver, interaction, digest FROM audit WHERE seq > $1 AND seq <= $2 \
                 AND interaction IN ('create', 'update', 'delete') AND outcome = 'success' \
                 AND ver IS NOT NULL AND id IS NOT NULL ORDER BY seq",
            );
            let lines = self.mapped_apart(sql.with(after).with(end), line).await?;
            for (key, line) in lines.into_iter().filter(|(key, _)| mine(*key)) {
                // A release tells of a version again, without its content; what is taken out of a
                // version, or put back, with what it is then.
                let kept = told.entry(key).or_insert(line);
                kept.digest = line.digest.or(kept.digest);
                kept.deleted |= line.deleted;
            }
            after = end;
        }
        Ok(told)
    }

    async fn versions_after(&self, after: (i64, i64, i64)) -> Result<Vec<Kept>, Problem> {
        let sql = Sql::new(
            "SELECT v.shard, v.rid, v.ver, w.text, r.id, v.del, v.body, r.ver FROM ver v \
             JOIN res r ON r.shard = v.shard AND r.rid = v.rid JOIN word w ON w.id = r.ty \
             WHERE (v.shard, v.rid, v.ver) > ($1, $2, $3) ORDER BY v.shard, v.rid, v.ver LIMIT $4",
        );
        let sql = sql.with(after.0).with(after.1).with(after.2);
        self.mapped_apart(sql.with(VERSIONS_AT_ONCE), version).await
    }

    /// Names the versions that lines tell of and that are gone.
    async fn name_gone(
        &self,
        told: HashMap<u128, Told>,
        findings: &mut Vec<Finding>,
    ) -> Result<(), Problem> {
        let mut lines: Vec<i64> = told.values().map(|line| line.seq).collect();
        lines.sort_unstable();
        for seq in lines.into_iter().take(FINDINGS_MAX) {
            let sql = Sql::new("SELECT ty, id, ver FROM audit WHERE seq = $1");
            for row in self.rows(&sql.with(seq)).await? {
                let version = format!("{}/{}/_history/{}", row.text(0)?, row.text(1)?, row.int(2)?);
                findings.push(Finding::Gone { version, seq });
            }
        }
        Ok(())
    }
}

fn compare(version: Kept, line: Told) -> Option<Finding> {
    if version.ahead {
        return Some(Finding::PutBack {
            version: version.name,
        });
    }
    let same = match line.digest {
        Some(digest) => version.digest == Some(digest),
        // A line from before digests were kept, or about a deletion.
        None => version.deleted == line.deleted,
    };
    (!same).then_some(Finding::Changed {
        version: version.name,
        seq: line.seq,
    })
}
