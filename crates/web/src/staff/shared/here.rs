//! What this node holds of one patient, as one of the sources of the shared record: as of now, as far as the reader may see it.

use access::{Interaction, Scope};
use exchange::ask::Held;
use fhir::problem::Problem;
use fhir::search::{Limits, Search};
use futures_util::future::try_join_all;
use store::Page;
use store::ask::TYPES;

use crate::node::Node;
use crate::record;
use crate::visit::Visit;

/// Resources of one type that are read; those that changed last go first.
const OF_A_TYPE_MAX: u32 = 100;

/// What is here, and how much of it is sealed from the reader.
pub(super) async fn held(
    node: &Node,
    visit: &Visit,
    patient: &str,
) -> Result<(Held, u64), Problem> {
    let scope = visit.scope(node, Interaction::Read, "Patient").await?;
    // All at once: each reading waits for its line in the log, and they share the waiting.
    let pages = TYPES.iter().map(|ty| of_type(node, &scope, patient, ty));
    let pages = try_join_all(pages).await?;
    let (mut held, mut sealed) = (Held::default(), 0);
    for (ty, page) in TYPES.iter().zip(pages) {
        for version in &page.entries {
            held.resources.push(record::json(version)?);
        }
        if page.withheld.count > 0 {
            held.withheld.push((*ty).to_owned());
        }
        if page.next.is_some() {
            held.cut.push((*ty).to_owned());
        }
        sealed += page.withheld.sealed;
    }
    Ok((held, sealed))
}

async fn of_type(node: &Node, scope: &Scope, patient: &str, ty: &str) -> Result<Page, Problem> {
    let sort = [("_sort".to_owned(), "-_lastUpdated".to_owned())];
    let search = Search::parse(ty, &sort, &node.site.fhir_url(), &Limits::default())?;
    let mut search = search.within_patient(patient);
    search.count = OF_A_TYPE_MAX;
    node.store.search(scope, &search).await
}
