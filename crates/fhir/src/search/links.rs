//! What a resource points at, for `_include`.

use super::parameter::Parameter;
use crate::definitions::Definitions;
use crate::json::Json;
use crate::path::Item;
use crate::resource::check_id;

/// The type and id of each of our own resources that the resource points at by a reference
/// parameter, in their order, each once. `base_url` is the node's own FHIR address: references to it
/// count as relative ones do.
pub fn references(
    parameter: &Parameter,
    resource: &Json<'_>,
    base_url: &str,
) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let Some(path) = &parameter.path else {
        return found;
    };
    path.each(resource, Definitions::r4(), &mut |item| {
        let Item::Node { json, .. } = item else {
            return;
        };
        let reference = json.text("reference").or(json.as_str());
        let own = reference.and_then(|reference| target(reference, base_url));
        if let Some((ty, id)) = own
            && !found.iter().any(|(a, b)| a == ty && b == id)
        {
            found.push((ty.to_string(), id.to_string()));
        }
    });
    found
}

/// `Patient/1`, with or without a version behind or our own address before it.
pub(crate) fn target<'r>(reference: &'r str, base_url: &str) -> Option<(&'r str, &'r str)> {
    let base_url = base_url.trim_end_matches('/');
    let own = reference
        .strip_prefix(base_url)
        .filter(|_| !base_url.is_empty());
    let relative = own
        .and_then(|rest| rest.strip_prefix('/'))
        .unwrap_or(reference);
    let unversioned = relative
        .split_once("/_history/")
        .map_or(relative, |(it, _)| it);
    let (ty, id) = unversioned.split_once('/')?;
    (Definitions::r4().is_resource(ty) && check_id(id).is_ok()).then_some((ty, id))
}
