//! `_summary` and `_elements` in a query (<https://hl7.org/fhir/R4/search.html#summary>).

use std::borrow::Cow;

use fhir::json::Json;
use fhir::problem::{Kind, Problem};
use fhir::view::View;

/// The view that a query asks for, and the pairs that ask for it.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub view: View,
    pairs: String,
}

impl Wanted {
    /// Takes `_summary` and `_elements` out of a query. The number of matches only, which
    /// `_summary=count` asks for, is `_count=0`.
    ///
    /// # Errors
    /// `Value` and `TooCostly`, as `View` says; `Invalid` for both at once.
    pub fn taken(query: &mut Vec<(String, String)>) -> Result<Option<Wanted>, Problem> {
        let is_ours = |name: &str| matches!(name, "_summary" | "_elements");
        if !query.iter().any(|(name, _)| is_ours(name)) {
            return Ok(None);
        }
        let (ours, mut others): (Vec<_>, Vec<_>) = std::mem::take(query)
            .into_iter()
            .partition(|(name, _)| is_ours(name));
        let [(name, value)] = ours.as_slice() else {
            let message = "Only one of _summary and _elements is taken, and once.";
            return Err(Problem::new(Kind::Invalid, message));
        };
        if name == "_summary" && value == "count" {
            others.retain(|(name, _)| name != "_count");
            others.push(("_count".to_string(), "0".to_string()));
            *query = others;
            return Ok(None);
        }
        *query = others;
        let view = match name.as_str() {
            "_summary" => View::of_summary(value)?,
            _ => Some(View::of_elements(value)?),
        };
        let pairs = form_urlencoded::Serializer::new(String::new())
            .append_pair(name, value)
            .finish();
        Ok(view.map(|view| Wanted { view, pairs }))
    }

    /// A Bundle's links lead to pages of the same view.
    pub fn repeat_in_links(&self, bundle: &mut Json<'_>) {
        let Json::Object(members) = bundle else {
            return;
        };
        let is_bundle = |(name, value): &(Cow<'_, str>, Json<'_>)| {
            name == "resourceType" && value.as_str() == Some("Bundle")
        };
        if !members.iter().any(is_bundle) {
            return;
        }
        let links = members.iter_mut().find(|(name, _)| name == "link");
        let Some((_, Json::Array(links))) = links else {
            return;
        };
        for link in links {
            let Json::Object(link) = link else { continue };
            let url = link.iter_mut().find(|(name, _)| name == "url");
            if let Some((_, Json::String(url))) = url {
                let mark = if url.contains('?') { '&' } else { '?' };
                *url = Cow::Owned(format!("{url}{mark}{}", self.pairs));
            }
        }
    }
}
