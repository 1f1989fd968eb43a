//! Signed statements that prove steps. One statement proves many: a manifest lists up to 200 parcels.

use std::fmt;
use std::sync::Arc;

use fhir::problem::Problem;
use sha2::{Digest, Sha256};

use crate::database::Tx;
use crate::sql::Sql;

/// A signed statement (JWS) with its name. All that it proves share it, so that it is hashed once and
/// copied never.
#[derive(Clone, PartialEq, Eq)]
pub struct Proof(Arc<Statement>);

#[derive(PartialEq, Eq)]
struct Statement {
    /// SHA-256 of the text, in lower-case hexadecimal digits.
    name: String,
    jws: String,
}

impl Proof {
    /// The proof that this statement is.
    pub fn new(jws: impl Into<String>) -> Proof {
        let jws = jws.into();
        let name = hex(&Sha256::digest(jws.as_bytes()));
        Proof(Arc::new(Statement { name, jws }))
    }

    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proof({})", self.0.name)
    }
}

/// Keeps a statement, once.
pub(crate) async fn keep(tx: &mut Tx<'_>, proof: &Proof) -> Result<(), Problem> {
    let shard = crate::shard::of(proof.name().as_bytes());
    // Looked for first: the text is hundreds of kilobytes, and all but the first parcel of it find it here.
    let sql = Sql::new("SELECT 1 FROM parcel_proof WHERE sha256 = $1 AND shard = $2")
        .with(proof.name())
        .with(shard);
    if tx.row(&sql).await?.is_some() {
        return Ok(());
    }
    let sql = Sql::new(
        "INSERT INTO parcel_proof (shard, sha256, jws) VALUES ($1, $2, $3) \
         ON CONFLICT (sha256, shard) DO NOTHING",
    )
    .with(shard)
    .with(proof.name())
    .with(proof.0.jws.as_str());
    tx.execute(&sql).await.map(|_| ())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
