//! Changes that a topic looks at together with the version before: deletions, what matched before, and
//! FHIRPath over both.

use std::collections::HashSet;

use access::Scope;
use fhir::definitions::Definitions;
use fhir::fhirpath::{Context, Expression, Node as PathNode};
use fhir::json::{Json, Limits as JsonLimits, parse};
use fhir::problem::{Kind, Problem};
use fhir::search::{About, Limits, Search, extract};
use store::subscriptions::{Changed, Sub, Topic};
use store::{Reading, Version};

use crate::fhir::VALUES_MAX;
use crate::fhir::operations::bulk_worker::matching;
use crate::fhir::query;
use crate::fhir::subscriptions::of_changes;
use crate::node::Node;

/// The steps that one FHIRPath may take.
const STEPS_MAX: u32 = 100_000;

/// What a change made of a resource. The subscriber sees as much of it as of any version.
enum Made {
    Created(Version),
    Updated(Version, Version),
    Deleted(Version),
    /// Nothing that the subscriber may see.
    Nothing,
}

/// Which of these changes the subscriber is told of.
///
/// # Errors
/// As a search; `Invalid` for a FHIRPath that has no answer.
pub async fn told_of(
    node: &Node,
    sub: &Sub,
    topic: &Topic,
    scope: &Scope,
    changes: &[&Changed],
) -> Result<HashSet<i64>, Problem> {
    let ids: HashSet<&str> = changes.iter().map(|change| change.id.as_str()).collect();
    let ids: Vec<&str> = ids.into_iter().collect();
    let filtered = found(node, scope, (&sub.ty, &sub.query), &ids).await?;
    let queried = found(node, scope, (&sub.ty, &topic.query), &ids).await?;
    let mut told = HashSet::new();
    for change in changes {
        let is_told = match made(node, scope, change).await? {
            Made::Created(now) => {
                let current = asked(&topic.query, || queried.contains(&change.id));
                let previous = topic.on_create.filter(|_| !topic.previous.is_empty());
                topic.creates
                    && filtered.contains(&change.id)
                    && topic.is_met(current, previous)
                    && holds(node, topic, None, Some(&now))?
            }
            Made::Updated(before, now) => {
                let current = asked(&topic.query, || queried.contains(&change.id));
                let previous = would_find(node, &sub.ty, &topic.previous, &before)?;
                topic.updates
                    && filtered.contains(&change.id)
                    && topic.is_met(current, previous)
                    && holds(node, topic, Some(&before), Some(&now))?
            }
            Made::Deleted(before) => {
                let previous = would_find(node, &sub.ty, &topic.previous, &before)?;
                let current = match (topic.on_delete, previous) {
                    (Some(counts), _) => asked(&topic.query, || counts),
                    (None, Some(_)) => None,
                    (None, None) => would_find(node, &sub.ty, &topic.query, &before)?,
                };
                topic.deletes
                    && would_find(node, &sub.ty, &sub.query, &before)? != Some(false)
                    && topic.is_met(current, previous)
                    && holds(node, topic, Some(&before), None)?
            }
            Made::Nothing => false,
        };
        if is_told {
            told.insert(change.seq);
        }
    }
    Ok(told)
}

/// The answer of a query, if there is one.
fn asked(query: &str, answer: impl FnOnce() -> bool) -> Option<bool> {
    (!query.is_empty()).then(answer)
}

async fn found(
    node: &Node,
    scope: &Scope,
    (ty, query): (&str, &str),
    ids: &[&str],
) -> Result<HashSet<String>, Problem> {
    let found = matching(node, &of_changes(node), scope, (ty, query), ids).await?;
    Ok(found.into_iter().collect())
}

async fn made(node: &Node, scope: &Scope, change: &Changed) -> Result<Made, Problem> {
    let (ty, id) = (&change.ty, &change.id);
    let before = match change.version.checked_sub(1) {
        None | Some(0) => Reading::Absent,
        Some(version) => node.store.vread(scope, ty, id, version).await?,
    };
    let now = node.store.vread(scope, ty, id, change.version).await?;
    Ok(match (before, now) {
        (Reading::Found(before), Reading::Found(now)) => Made::Updated(before, now),
        (_, Reading::Found(now)) => Made::Created(now),
        (Reading::Found(before), Reading::Deleted { .. }) => Made::Deleted(before),
        _ => Made::Nothing,
    })
}

fn read(version: &Version) -> Result<Json<'_>, Problem> {
    let limits = JsonLimits {
        bytes: crate::fhir::BUNDLE_BYTES_MAX,
        nodes: VALUES_MAX,
        ..JsonLimits::default()
    };
    parse(&version.body, &limits)
}

/// Whether the query would have found that version; nothing if there is no query. What cannot be told
/// counts as found: whoever watches rather hears too much than too little.
fn would_find(
    node: &Node,
    ty: &str,
    query: &str,
    version: &Version,
) -> Result<Option<bool>, Problem> {
    if query.is_empty() {
        return Ok(None);
    }
    let registry = node.store.registry();
    let pairs = query::pairs(query)?;
    let base_url = node.site.fhir_url();
    let search = Search::parse_with(&registry, ty, &pairs, &base_url, &Limits::default())?;
    let resource = read(version)?;
    let mut entries = extract(ty, &resource);
    entries.extend(registry.extract_own(ty, &resource));
    let about = About {
        id: &version.id,
        last_updated: version.last_updated,
        entries: &entries,
    };
    Ok(Some(search.would_find(&about).unwrap_or(true)))
}

/// Whether the topic's FHIRPath holds.
fn holds(
    node: &Node,
    topic: &Topic,
    before: Option<&Version>,
    now: Option<&Version>,
) -> Result<bool, Problem> {
    if topic.path.is_empty() {
        return Ok(true);
    }
    let invalid = |message: String| Problem::new(Kind::Invalid, message);
    let definitions = Definitions::r4();
    let expression = Expression::compile(&topic.path, definitions)
        .map_err(|reason| invalid(format!("fhirPathCriteria does not read: {reason}.")))?;
    let before = before.map(read).transpose()?;
    let now = now.map(read).transpose()?;
    let root = |json| PathNode::resource(json, definitions);
    let (previous, current) = (before.as_ref().and_then(root), now.as_ref().and_then(root));
    let Some(focus) = current.or(previous) else {
        return Ok(false);
    };
    let context = Context {
        previous,
        current,
        now: node.store.now(),
        steps_max: STEPS_MAX,
        ..Context::of(focus)
    };
    let found = expression.holds(&context, definitions);
    let found = found.map_err(|fault| {
        invalid(format!(
            "The topic's fhirPathCriteria has no answer: {fault}."
        ))
    })?;
    Ok(found == Some(true))
}
