//! Where the bodies of a page come from: with its rows, or from memory, each as the version that its row names. The rows have
//! said already who may see them.

use fhir::problem::Problem;
use fhir::search::Search;

use super::Found;
use super::compile::Rows;
use crate::resources::{Version, body};
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// For more results than that, bodies come with their rows.
const EMBODIED_MAX: u32 = 100;

impl Store {
    /// Bodies of a page that is not large are looked for in memory first.
    pub(super) fn rows_of_page(&self, search: &Search) -> Rows {
        match self.cache() {
            Some(_) if search.count <= EMBODIED_MAX => Rows::Bodiless,
            _ => Rows::Whole,
        }
    }

    /// A page's row with its body; `None` if its version is there no more.
    pub(super) async fn embodied(&self, ty: &str, row: &Row) -> Result<Option<Found>, Problem> {
        let (id, number, last_updated) = (row.text(1)?, row.int(2)?, row.int(3)?);
        let version = u64::try_from(number).unwrap_or_default();
        let before = self.cache().map(|cache| cache.ask(ty, id));
        let known = before.as_ref().and_then(|it| it.version(version));
        if let Some(known) = known {
            return Ok(Some(Found::of(known.clone(), row)?));
        }
        let sql =
            Sql::new("SELECT splice, body FROM ver WHERE shard = $1 AND rid = $2 AND ver = $3");
        let sql = sql.with(row.int(4)?).with(row.int(0)?).with(number);
        let rows = self.rows(&sql).await?;
        let Some(stored) = rows.first() else {
            return Ok(None);
        };
        let body = body::render(stored.bytes(1)?, stored.int(0)?, version, last_updated)?;
        let found = Version {
            ty: ty.to_string(),
            id: id.to_string(),
            version,
            last_updated,
            body,
        };
        if let (Some(cache), Some(before)) = (self.cache(), &before) {
            cache.keep_body(before, found.clone());
        }
        Ok(Some(Found::of(found, row)?))
    }
}
