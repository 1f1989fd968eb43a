//! Work that takes a core for a while, off the threads that serve, and a bounded number at a time.

use fhir::problem::{Kind, Problem};

use super::Door;

/// Bodies up to this size are read where they come in: handing them over would take longer.
const SMALL_BYTES: usize = 32 << 10;

impl Door {
    /// Does a piece of work whose size goes by `bytes`.
    ///
    /// # Errors
    /// The work's own; `Exception` if it could not be done.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        if bytes <= SMALL_BYTES {
            return work();
        }
        let _turn = self.work.acquire().await.map_err(broken)?;
        tokio::task::spawn_blocking(work).await.map_err(broken)?
    }
}

fn broken(cause: impl std::error::Error + Send + Sync + 'static) -> Problem {
    Problem::new(Kind::Exception, "The request could not be worked on.").because(cause)
}
