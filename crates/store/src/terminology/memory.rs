//! What is kept between requests: lengths of displays by release, and answers given before. Rows of
//! a live release never change, so that what is kept of one stays true.

use std::sync::Arc;

use fhir::problem::Problem;
use parking_lot::Mutex;

use super::Answers;
use super::system::SystemRow;
use crate::sql::Sql;
use crate::store::Store;

/// Releases whose lengths are kept, and their bytes in all.
const KEPT_MAX: usize = 16;
const KEPT_BYTES_MAX: usize = 4 << 20;

#[derive(Debug, Default)]
pub(crate) struct Memory {
    lengths: Mutex<Vec<(i64, Arc<Vec<u8>>)>>,
    pub(crate) answers: Arc<Answers>,
}

impl Memory {
    fn known(&self, system: i64) -> Option<Arc<Vec<u8>>> {
        let kept = self.lengths.lock();
        kept.iter()
            .find(|(id, _)| *id == system)
            .map(|(_, lengths)| lengths.clone())
    }

    fn keep(&self, system: i64, lengths: Arc<Vec<u8>>) {
        let mut kept = self.lengths.lock();
        kept.push((system, lengths));
        let bytes =
            |kept: &[(i64, Arc<Vec<u8>>)]| kept.iter().map(|(_, it)| it.len()).sum::<usize>();
        while kept.len() > KEPT_MAX || (kept.len() > 1 && bytes(&kept) > KEPT_BYTES_MAX) {
            kept.remove(0);
        }
    }
}

impl Store {
    /// The lengths of the displays of a system, by number; 255 is 255 or more.
    pub(super) async fn lengths(&self, system: &SystemRow) -> Result<Arc<Vec<u8>>, Problem> {
        if let Some(known) = self.terminology_memory().known(system.id) {
            return Ok(known);
        }
        let sql = Sql::new("SELECT bytes FROM ts_length WHERE system = $1 ORDER BY part");
        let mut lengths = Vec::new();
        for row in self.rows(&sql.with(system.id)).await? {
            lengths.extend_from_slice(row.bytes(0)?);
        }
        let lengths = Arc::new(lengths);
        self.terminology_memory().keep(system.id, lengths.clone());
        Ok(lengths)
    }
}
