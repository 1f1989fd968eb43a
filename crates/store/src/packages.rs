//! Packages (<https://hl7.org/fhir/packages.html>) that are here, and the profiles that their
//! StructureDefinitions, and those that came in otherwise, make.
//!
//! Invariant: a package's resources and its row are written in one commit.

use std::sync::Arc;

use fhir::date::Millis;
use fhir::definitions::Definitions;
use fhir::problem::{Kind, Problem};
use fhir::profile::Profiles;
use parking_lot::RwLock;

use crate::database::Tx;
use crate::resources::body;
use crate::sql::Sql;
use crate::store::Store;

/// StructureDefinitions that are looked at; more are refused loudly, not passed over.
const PROFILES_MAX: i64 = 20_000;

/// A change of which packages are here.
#[derive(Debug)]
pub enum PackageWrite {
    /// A package with the resources (type, id) that it brought; replaces one of that name.
    Put {
        name: String,
        version: String,
        files: Vec<(String, String)>,
    },
    Remove {
        name: String,
    },
}

/// A package that is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    pub name: String,
    pub version: String,
    pub at: Millis,
    /// Resources that it brought.
    pub total: i64,
}

/// The profiles as of a state of the StructureDefinitions: how many, their versions' sum, the last
/// change.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    known: RwLock<Option<Known>>,
}

#[derive(Debug)]
struct Known {
    state: [i64; 3],
    profiles: Arc<Profiles>,
}

pub(crate) async fn apply(
    tx: &mut Tx<'_>,
    now: Millis,
    write: &PackageWrite,
) -> Result<(), Problem> {
    let name = match write {
        PackageWrite::Put { name, .. } | PackageWrite::Remove { name } => name,
    };
    for sql in [
        Sql::new("DELETE FROM package_file WHERE package = $1").with(name),
        Sql::new("DELETE FROM package WHERE name = $1").with(name),
    ] {
        tx.execute(&sql).await?;
    }
    let PackageWrite::Put { version, files, .. } = write else {
        return Ok(());
    };
    let total = i64::try_from(files.len()).unwrap_or(i64::MAX);
    let sql = Sql::new("INSERT INTO package (name, version, at, total) VALUES ($1, $2, $3, $4)");
    tx.execute(&sql.with(name).with(version).with(now).with(total))
        .await?;
    for (ty, id) in files {
        let sql = Sql::new("INSERT INTO package_file (package, ty, id) VALUES ($1, $2, $3)");
        tx.execute(&sql.with(name).with(ty).with(id)).await?;
    }
    Ok(())
}

impl Store {
    /// The packages that are here, by name.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn packages(&self) -> Result<Vec<Package>, Problem> {
        let sql = Sql::new("SELECT name, version, at, total FROM package ORDER BY name");
        let rows = self.rows(&sql).await?;
        rows.iter()
            .map(|row| {
                Ok(Package {
                    name: row.text(0)?.to_string(),
                    version: row.text(1)?.to_string(),
                    at: row.int(2)?,
                    total: row.int(3)?,
                })
            })
            .collect()
    }

    /// The resources (type, id) that a package brought and no other package did.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn package_files(&self, name: &str) -> Result<Vec<(String, String)>, Problem> {
        let sql = Sql::new(
            "SELECT f.ty, f.id FROM package_file f WHERE f.package = $1 AND NOT EXISTS \
             (SELECT 1 FROM package_file o WHERE o.ty = f.ty AND o.id = f.id AND o.package <> f.package) \
             ORDER BY f.ty, f.id",
        );
        let rows = self.rows_apart(sql.with(name.to_string())).await?;
        rows.iter()
            .map(|row| Ok((row.text(0)?.to_string(), row.text(1)?.to_string())))
            .collect()
    }

    /// The profiles of all StructureDefinitions that are here now, whoever wrote them and on
    /// whichever process; remembered until one changes. One that cannot be used is passed over and
    /// told in the log.
    ///
    /// # Errors
    /// If the store cannot be read; `TooCostly` if there are more than 20,000.
    pub async fn profiles(&self) -> Result<Arc<Profiles>, Problem> {
        let ty = self.word("StructureDefinition").await?;
        let sql = Sql::new(
            "SELECT COUNT(*), CAST(COALESCE(SUM(ver), 0) AS BIGINT), COALESCE(MAX(ts), 0) FROM res WHERE ty = $1",
        );
        let rows = self.rows(&sql.with(ty)).await?;
        let state = match rows.first() {
            Some(row) => [row.int(0)?, row.int(1)?, row.int(2)?],
            None => [0; 3],
        };
        if let Some(known) = self.package_memory().known.read().as_ref()
            && known.state == state
        {
            return Ok(known.profiles.clone());
        }
        let profiles = Arc::new(self.read_profiles(ty).await?);
        *self.package_memory().known.write() = Some(Known {
            state,
            profiles: profiles.clone(),
        });
        Ok(profiles)
    }

    async fn read_profiles(&self, ty: i64) -> Result<Profiles, Problem> {
        let sql = Sql::new(
            "SELECT v.body FROM res r JOIN ver v ON v.shard = r.shard AND v.rid = r.rid AND v.ver = r.ver \
             WHERE r.ty = $1 AND r.del = 0 ORDER BY r.rid LIMIT $2",
        );
        let rows = self.rows_apart(sql.with(ty).with(PROFILES_MAX + 1)).await?;
        if rows.len() > usize::try_from(PROFILES_MAX).unwrap_or(0) {
            return Err(Problem::new(
                Kind::TooCostly,
                "There are too many StructureDefinitions.",
            ));
        }
        let bodies: Result<Vec<Vec<u8>>, Problem> = rows
            .iter()
            .map(|row| body::decompress(row.bytes(0)?))
            .collect();
        let bodies = bodies?;
        let read = move || {
            let parsed: Result<Vec<_>, Problem> =
                bodies.iter().map(|bytes| body::parse(bytes)).collect();
            let (profiles, broken) = Profiles::read_all(Definitions::r4(), &parsed?);
            for problem in broken {
                tracing::warn!(%problem, "a StructureDefinition cannot be used");
            }
            Ok(profiles)
        };
        tokio::task::spawn_blocking(read).await.map_err(|cause| {
            Problem::new(Kind::Exception, "The profiles could not be read.").because(cause)
        })?
    }
}
