//! The files of an export: lists of versions, and the versions themselves when a file is fetched.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use access::Scope;
use fhir::problem::{Kind, Problem};

use super::rows;
use crate::database::Tx;
use crate::opt_out::Bar;
use crate::resources::read::is_theirs;
use crate::resources::{Version, facts};
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// Versions fetched at once.
const FETCHED_AT_ONCE: usize = 200;
/// Compressed bytes fetched at once: no further version once there are so many.
const BYTES_AT_ONCE: i64 = 4 << 20;

/// Which version of which row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub ty: String,
    pub id: String,
    pub(crate) rid: i64,
    pub(crate) version: i64,
}

/// Adds what a step found, a part a type.
pub(super) async fn write(tx: &mut Tx<'_>, job: &str, keys: &[Key]) -> Result<(), Problem> {
    let mut types: BTreeMap<&str, Vec<&Key>> = BTreeMap::new();
    for key in keys {
        types.entry(&key.ty).or_default().push(key);
    }
    if types.is_empty() {
        return Ok(());
    }
    let last = Sql::new("SELECT COALESCE(MAX(number), 0) FROM bulk_part WHERE job = $1");
    let last = tx.row(&last.with(job)).await?;
    let number = last.map_or(Ok(0), |row| row.int(0))? + 1;
    for (ty, keys) in types {
        let sql = Sql::new(
            "INSERT INTO bulk_part (job, number, ty, rows, keys) VALUES ($1, $2, $3, $4, $5)",
        );
        let rows = i64::try_from(keys.len()).unwrap_or(i64::MAX);
        let sql = sql.with(job).with(number).with(ty).with(rows);
        tx.execute(&sql.with(packed(&keys).as_slice())).await?;
    }
    Ok(())
}

/// Row and version, each as a variable-length number, seven bits a byte, the lowest first.
fn packed(keys: &[&Key]) -> Vec<u8> {
    let mut out = Vec::with_capacity(keys.len() * 5);
    for key in keys {
        for number in [key.rid, key.version] {
            let mut left = u64::try_from(number).unwrap_or_default();
            while left >= 0x80 {
                out.push(u8::try_from(left & 0x7f).unwrap_or_default() | 0x80);
                left >>= 7;
            }
            out.push(u8::try_from(left).unwrap_or_default());
        }
    }
    out
}

fn unpacked(bytes: &[u8]) -> Result<VecDeque<(i64, i64)>, Problem> {
    let mut numbers = Vec::new();
    let (mut number, mut shift) = (0_u64, 0_u32);
    for byte in bytes {
        number |= u64::from(byte & 0x7f)
            .checked_shl(shift)
            .unwrap_or_default();
        shift += 7;
        if byte & 0x80 == 0 {
            numbers.push(i64::try_from(number).unwrap_or(i64::MAX));
            (number, shift) = (0, 0);
        }
    }
    if shift != 0 || numbers.len() % 2 != 0 {
        let message = "The export's list does not read.";
        return Err(Problem::new(Kind::Exception, message));
    }
    let pairs = numbers.chunks_exact(2);
    Ok(pairs
        .filter_map(|pair| Some((*pair.first()?, *pair.last()?)))
        .collect())
}

/// Reads the resources of one file.
#[derive(Debug)]
pub struct File {
    store: Store,
    scope: Scope,
    job: String,
    ty: String,
    number: i64,
    part: i64,
    keys: VecDeque<(i64, i64)>,
    bar: Option<Arc<Bar>>,
}

/// A version that was listed, where it stands, and whom its row is about.
struct Listed {
    place: (i64, i64),
    patients: String,
    version: Version,
}

impl Store {
    /// The files of an export: each type with the number of its resources.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn bulk_files(&self, job: &str) -> Result<Vec<(String, u64)>, Problem> {
        let sql = Sql::new(
            "SELECT ty, CAST(SUM(rows) AS BIGINT) FROM bulk_part WHERE job = $1 GROUP BY ty ORDER BY ty",
        );
        let rows = self.rows_apart(sql.with(job.to_string())).await?;
        let file = |row: &Row| {
            let count = u64::try_from(row.int(1)?).unwrap_or_default();
            Ok((row.text(0)?.to_string(), count))
        };
        rows.iter().map(file).collect()
    }

    /// Opens the file of a type. What the export found is given as it was then, but for what was
    /// withheld from the caller since.
    ///
    /// # Errors
    /// `Forbidden` if the scope is no scope for reading.
    pub async fn bulk_file(&self, scope: &Scope, job: &str, ty: &str) -> Result<File, Problem> {
        self.may_look(scope)?;
        File::open(self, scope, job, ty).await
    }
}

impl File {
    async fn open(store: &Store, scope: &Scope, job: &str, ty: &str) -> Result<File, Problem> {
        Ok(File {
            store: store.clone(),
            scope: scope.clone(),
            job: job.to_string(),
            ty: ty.to_string(),
            number: store.word(ty).await?,
            part: 0,
            keys: VecDeque::new(),
            bar: None,
        })
    }

    /// Leaves out what is about people who may not be taken out (any more).
    #[must_use]
    pub fn barring(mut self, bar: Arc<Bar>) -> File {
        self.bar = Some(bar);
        self
    }

    /// Some more resources; empty at the end.
    ///
    /// # Errors
    /// Whatever the store answers; `Incomplete` if a version is gone.
    pub async fn next(&mut self) -> Result<Vec<Version>, Problem> {
        loop {
            if self.keys.is_empty() && !self.next_part().await? {
                return Ok(Vec::new());
            }
            let count = self.keys.len().min(FETCHED_AT_ONCE);
            let asked: Vec<(i64, i64)> = self.keys.iter().take(count).copied().collect();
            let count = self.fitting(&asked, BYTES_AT_ONCE).await?;
            let keys: Vec<(i64, i64)> = self.keys.drain(..count).collect();
            let found = self.fetch(&keys).await?;
            let found = self.sifted(found).await?;
            if !found.is_empty() {
                return Ok(found.into_iter().map(|it| it.version).collect());
            }
        }
    }

    async fn sifted(&self, found: Vec<Listed>) -> Result<Vec<Listed>, Problem> {
        let Some(bar) = &self.bar else {
            return Ok(found);
        };
        let versions: Vec<(&str, &Version)> = found
            .iter()
            .map(|it| (it.patients.as_str(), &it.version))
            .collect();
        let stays = bar.sift(&self.store, &versions).await?;
        let found = found.into_iter().zip(stays);
        Ok(found
            .filter_map(|(it, stays)| stays.then_some(it))
            .collect())
    }

    async fn next_part(&mut self) -> Result<bool, Problem> {
        let sql = Sql::new(
            "SELECT number, keys FROM bulk_part WHERE job = $1 AND number > $2 AND ty = $3 \
             ORDER BY number LIMIT 1",
        );
        let sql = sql.with(self.job.clone()).with(self.part);
        let rows = self.store.rows_apart(sql.with(self.ty.clone())).await?;
        let Some(row) = rows.first() else {
            return Ok(false);
        };
        self.part = row.int(0)?;
        self.keys = unpacked(row.bytes(1)?)?;
        Ok(true)
    }

    /// How many of these, from the first, fit into so many bytes; one at least.
    async fn fitting(&self, keys: &[(i64, i64)], bytes_max: i64) -> Result<usize, Problem> {
        let mut sql = Sql::new(
            "SELECT v.rid, v.ver, length(v.body) FROM res r CROSS JOIN ver v WHERE r.ty = ",
        );
        // Without its type a row is found only by reading all.
        sql.bind(self.number).push(" AND r.rid IN (");
        push_numbers(&mut sql, keys.iter().map(|(rid, _)| *rid));
        sql.push(") AND v.shard = r.shard AND v.rid = r.rid AND v.ver IN (");
        let versions: HashSet<i64> = keys.iter().map(|(_, version)| *version).collect();
        push_numbers(&mut sql, versions.into_iter());
        sql.push(")");
        let mut lengths = HashMap::new();
        for row in self.store.rows_apart(sql).await? {
            let length = row.int_opt(2)?.unwrap_or_default();
            lengths.insert((row.int(0)?, row.int(1)?), length);
        }
        let mut bytes = 0;
        let fits = keys.iter().take_while(|key| {
            let before = bytes;
            bytes += lengths.get(*key).copied().unwrap_or_default();
            before < bytes_max
        });
        Ok(fits.count().max(1).min(keys.len()))
    }

    async fn fetch(&self, keys: &[(i64, i64)]) -> Result<Vec<Listed>, Problem> {
        let wanted: HashSet<(i64, i64)> = keys.iter().copied().collect();
        let versions: HashSet<i64> = keys.iter().map(|(_, version)| *version).collect();
        let mut sql = Sql::new(
            "SELECT r.rid, r.id, v.ver, v.ts, v.splice, v.body, r.patients, w.text \
             FROM res r CROSS JOIN ver v CROSS JOIN word w WHERE r.ty = ",
        );
        sql.bind(self.number).push(" AND r.rid IN (");
        push_numbers(&mut sql, keys.iter().map(|(rid, _)| *rid));
        sql.push(") AND v.shard = r.shard AND v.rid = r.rid AND v.ver IN (");
        push_numbers(&mut sql, versions.into_iter());
        sql.push(") AND w.id = r.ty");
        facts::push_scope(&mut sql, &self.scope);
        sql.push(" ORDER BY r.rid");
        let rows = self.store.rows_apart(sql).await?;
        let mut found = Vec::with_capacity(keys.len());
        for row in &rows {
            let place = (row.int(0)?, row.int(2)?);
            if wanted.contains(&place) {
                let version = rows::version(row)?;
                // An older version may have been about somebody else.
                if is_theirs(&self.scope, &version)? {
                    found.push(Listed {
                        place,
                        patients: row.text(6)?.to_string(),
                        version,
                    });
                }
            }
        }
        let is_all = !matches!(self.scope.reach(), access::Reach::Compartment { .. })
            && self.scope.granted_rows().is_none();
        if is_all && found.len() != wanted.len() {
            let message = "Some of what the export found is not there any more.";
            return Err(Problem::new(Kind::Incomplete, message));
        }
        Ok(found)
    }
}

/// Of these rows of a walk's keys, those that are not about people who may not be taken out.
pub(super) async fn sift(
    store: &Store,
    scope: &Scope,
    bar: &Arc<Bar>,
    rows: Vec<Row>,
) -> Result<Vec<Row>, Problem> {
    let mut types: BTreeMap<String, Vec<(i64, i64)>> = BTreeMap::new();
    for row in &rows {
        let of_type = types.entry(row.text(7)?.to_string()).or_default();
        of_type.push((row.int(0)?, row.int(2)?));
    }
    let mut stays = HashSet::new();
    for (ty, mut keys) in types {
        let file = File::open(store, scope, "", &ty)
            .await?
            .barring(bar.clone());
        while !keys.is_empty() {
            let count = keys.len().min(FETCHED_AT_ONCE);
            let asked = keys.get(..count).unwrap_or_default();
            let count = file.fitting(asked, BYTES_AT_ONCE).await?;
            let some: Vec<(i64, i64)> = keys.drain(..count.min(keys.len())).collect();
            let found = file.sifted(file.fetch(&some).await?).await?;
            stays.extend(found.iter().map(|it| it.place));
        }
    }
    let mut kept = Vec::with_capacity(stays.len());
    for row in rows {
        if stays.contains(&(row.int(0)?, row.int(2)?)) {
            kept.push(row);
        }
    }
    Ok(kept)
}

fn push_numbers(sql: &mut Sql<'static>, numbers: impl Iterator<Item = i64>) {
    for (place, number) in numbers.enumerate() {
        sql.push(if place == 0 { "" } else { ", " }).bind(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_versions_reads_as_it_was_packed() {
        let key = |rid, version| Key {
            ty: "Patient".into(),
            id: "p".into(),
            rid,
            version,
        };
        let keys = [key(0, 1), key(127, 128), key(300, 2), key(i64::MAX, 3)];
        let packed = packed(&keys.iter().collect::<Vec<_>>());
        let expected = [(0, 1), (127, 128), (300, 2), (i64::MAX, 3)];
        assert_eq!(unpacked(&packed).unwrap(), expected);
        for end in [1, packed.len() - 1] {
            assert!(unpacked(&packed[..end]).is_err(), "{end}");
        }
    }
}
