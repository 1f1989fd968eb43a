//! `:above` and `:below` of references and uris.

use super::split::unescaped;
use super::{Asked, Context, no_modifier, unsupported, wrong};
use crate::definitions::Definitions;
use crate::problem::Problem;
use crate::resource::check_id;
use crate::search::clause::{Criterion, Hierarchy, Way};
use crate::search::hierarchy::{self, versions_below};
use crate::search::parameter::Parameter;

/// A reference to a resource, or to one that it is part of or that is part of it; or a reference to a
/// canonical address in that version or one below.
pub(super) fn reference(
    context: Context<'_>,
    known: &Parameter,
    asked: &Asked<'_>,
    value: &str,
) -> Result<Vec<Criterion>, Problem> {
    let text = unescaped(value);
    let is_address = text.contains(':');
    if is_address && known.is_canonical() {
        return canonical(asked, text);
    }
    let way = match asked.modifier {
        Some("above") => Way::Above,
        _ => Way::Below,
    };
    let leads_to = |ty: &str| known.targets.is_empty() || known.targets.contains(&ty);
    let base_url = context.base_url.trim_end_matches('/');
    let own = text
        .strip_prefix(base_url)
        .and_then(|rest| rest.strip_prefix('/'));
    let relative = match own {
        Some(own) if !base_url.is_empty() => own,
        _ if is_address => {
            let message = "With :above and :below a reference names a resource of this server: of \
                           another's it is not known what is part of what.";
            return Err(unsupported(message));
        }
        _ => &text,
    };
    let (types, id): (Vec<&str>, &str) = match relative.split_once('/') {
        Some((ty, id)) if Definitions::r4().is_resource(ty) => {
            if !leads_to(ty) {
                return Err(wrong(
                    asked,
                    "names a type that this parameter does not point at",
                ));
            }
            (vec![ty], id)
        }
        Some(_) => return Err(wrong(asked, "is Type/id, id or an address")),
        None => {
            let types = hierarchy::types().filter(|ty| leads_to(ty));
            (types.collect(), relative)
        }
    };
    if check_id(id).is_err() {
        return Err(wrong(asked, "is Type/id, id or an address"));
    }
    let found = types.into_iter().filter_map(|ty| {
        let by = hierarchy::parameter(ty)?;
        let (ty, id) = (ty.to_string(), id.to_string());
        Some(Criterion::Hierarchy(Hierarchy { ty, id, by, way }))
    });
    let found: Vec<Criterion> = found.collect();
    match found.is_empty() {
        false => Ok(found),
        true => Err(no_hierarchy(known)),
    }
}

fn no_hierarchy(known: &Parameter) -> Problem {
    let types: Vec<&str> = hierarchy::types().collect();
    let message = match known.is_canonical() {
        true => "A canonical address is searched by whole, as in :below=http://example.org/form|1."
            .to_string(),
        false => format!(
            "{} leads to no type whose resources are part of each other, so that nothing is above or \
             below what it names; such types are {}.",
            known.code,
            types.join(", ")
        ),
    };
    unsupported(message)
}

/// R4 has `:below` of these, and no `:above`.
fn canonical(asked: &Asked<'_>, text: String) -> Result<Vec<Criterion>, Problem> {
    if asked.modifier == Some("above") {
        return Err(unsupported(
            "FHIR R4 has :below of canonical addresses, and no :above.",
        ));
    }
    let mut criteria = vec![Criterion::Reference {
        targets: vec![text.clone()],
    }];
    // Without a version it is any, since each reference is also found without its own.
    match text.split_once('|') {
        None => {}
        Some((url, version)) if !url.is_empty() && !version.is_empty() => {
            let Some((from, before)) = versions_below(&text) else {
                return Err(wrong(asked, "with :below is too long an address"));
            };
            criteria.push(Criterion::ReferenceBetween { from, before });
        }
        Some(_) => return Err(wrong(asked, "with :below is an address or address|version")),
    }
    Ok(criteria)
}

/// Addresses that a uri is (`:above`), or that start with it (`:below`).
pub(super) fn uri(asked: &Asked<'_>, value: &str) -> Result<Vec<Criterion>, Problem> {
    let uri = unescaped(value);
    match asked.modifier {
        Some("below") => Ok(vec![Criterion::UriBelow(uri)]),
        // What it is below: itself, and every start of it that ends before or after a slash.
        Some("above") => {
            let slashes = uri.match_indices('/').flat_map(|(at, _)| [at, at + 1]);
            let starts = slashes
                .filter_map(|end| uri.get(..end))
                .chain([uri.as_str()]);
            let mut starts: Vec<&str> = starts.filter(|start| !start.is_empty()).collect();
            starts.dedup();
            if starts.len() > 64 {
                return Err(wrong(asked, "has too many parts"));
            }
            Ok(starts
                .into_iter()
                .map(|start| Criterion::Uri(start.to_string()))
                .collect())
        }
        _ => no_modifier(asked).map(|()| vec![Criterion::Uri(uri)]),
    }
}
