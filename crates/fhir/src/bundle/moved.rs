//! Where links to what a Bundle brings must go, and which links those are
//! (<https://hl7.org/fhir/R4/bundle.html#references>).

use std::collections::HashMap;

use crate::definitions::Definitions;
use crate::resource::check_id;

/// What the entries became here, by their `fullUrl`.
#[derive(Debug, Default)]
pub(super) struct Moved {
    by_full_url: HashMap<String, String>,
}

impl Moved {
    pub(super) fn note(&mut self, full_url: String, target: String) {
        self.by_full_url.insert(full_url, target);
    }

    /// What a link in an entry becomes, if it leads to an entry. `root` is where the entry that it
    /// stands in comes from: `Patient/1` means that server's Patient, and in an entry that comes from
    /// none it is no link within the Bundle.
    pub(super) fn find(&self, link: &str, root: Option<&str>) -> Option<String> {
        if let Some(target) = self.target(link, root) {
            return Some(target.clone());
        }
        let (before, fragment) = link.split_once('#')?;
        let target = self.target(before, root)?;
        Some(format!("{target}#{fragment}"))
    }

    fn target(&self, link: &str, root: Option<&str>) -> Option<&String> {
        self.by_full_url.get(link).or_else(|| {
            let (root, _) = root.zip(type_and_id(link))?;
            self.by_full_url.get(&format!("{root}/{link}"))
        })
    }
}

/// The server that a `fullUrl` such as `https://a.example/fhir/Patient/1` names; `None` for one that is
/// no address of a resource on a server, such as `urn:uuid:…`.
pub(super) fn root(full_url: &str) -> Option<&str> {
    let is_web = full_url.starts_with("https://") || full_url.starts_with("http://");
    let unversioned = full_url
        .split_once("/_history/")
        .map_or(full_url, |(url, _)| url);
    let (rest, id) = unversioned.rsplit_once('/')?;
    let (root, ty) = rest.rsplit_once('/')?;
    let is_resource = Definitions::r4().is_resource(ty) && check_id(id).is_ok();
    // Of `https://Patient/1` nothing but the scheme is left.
    (is_web && is_resource && !root.ends_with('/')).then_some(root)
}

/// `Patient/1` taken apart.
fn type_and_id(link: &str) -> Option<(&str, &str)> {
    let (ty, id) = link.split_once('/')?;
    (Definitions::r4().is_resource(ty) && check_id(id).is_ok()).then_some((ty, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_by_the_address_of_a_resource() {
        for (url, expected) in [
            ("https://a.example/Patient/1", Some("https://a.example")),
            ("http://a.example/r4/Patient/1", Some("http://a.example/r4")),
            (
                "https://a.example/Patient/1/_history/2",
                Some("https://a.example"),
            ),
            ("urn:uuid:11111111-1111-4111-8111-111111111111", None),
            ("https://Patient/1", None),
            ("https://a.example/Nobody/1", None),
            ("https://a.example/Patient/a_b", None),
            ("Patient/1", None),
        ] {
            assert_eq!(root(url), expected, "{url}");
        }
    }

    #[test]
    fn a_relative_link_is_one_of_its_own_entry_s_server() {
        let mut moved = Moved::default();
        moved.note("https://a.example/Patient/1".into(), "Patient/x".into());
        moved.note("urn:a".into(), "Patient/y".into());
        let a = Some("https://a.example");
        for (link, root, expected) in [
            ("Patient/1", a, Some("Patient/x")),
            ("Patient/1#p", a, Some("Patient/x#p")),
            ("Patient/1", Some("https://b.example"), None),
            ("Patient/1", None, None),
            ("Patient/2", a, None),
            ("https://a.example/Patient/1", None, Some("Patient/x")),
            ("urn:a", a, Some("Patient/y")),
        ] {
            assert_eq!(moved.find(link, root).as_deref(), expected, "{link}");
        }
    }
}
