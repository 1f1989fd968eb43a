//! Search parameters that a node was given as resources
//! (<https://hl7.org/fhir/R4/searchparameter.html>).

use std::sync::Arc;

use super::extract::extract_one;
use super::names::kept;
use super::parameter::{Asides, Parameter, ParameterKind, kind, parameter};
use super::value::Entry;
use crate::definitions::Definitions;
use crate::json::Json;
use crate::path::Path;
use crate::problem::{Kind, Problem};

/// A search parameter of the node's own, for one or more types.
#[derive(Clone, Debug)]
pub struct Custom {
    pub code: String,
    /// The types that it is for, without those that have a parameter of this code in R4.
    pub types: Vec<(&'static str, Arc<Parameter>)>,
}

impl Custom {
    /// Reads a SearchParameter. Its index entries stand under its code with `@generation` behind, so
    /// that those of an earlier form of it are never taken for its own. `None` if it is not `active`, or if R4 has it for each of its types.
    ///
    /// # Errors
    /// `Value` or `NotSupported`, with the element, for what cannot be indexed by.
    pub fn read(resource: &Json<'_>, generation: i64) -> Result<Option<Custom>, Problem> {
        if resource.text("status") != Some("active") {
            return Ok(None);
        }
        let code = resource.text("code").unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if code.is_empty() || code.len() > 64 || !code.chars().all(plain) || code.starts_with('_') {
            let message = "A code is letters, digits, hyphens and underscores, does not start with \
                           an underscore and has at most 64 characters.";
            return Err(Problem::new(Kind::Value, message).at("SearchParameter.code"));
        }
        let kind = resource.text("type").and_then(kind);
        let kind =
            kind.filter(|kind| !matches!(kind, ParameterKind::Composite | ParameterKind::Special));
        let kind = kind.ok_or_else(|| {
            let message = "Parameters of one's own are of the types token, string, reference, \
                           date, number, quantity and uri.";
            Problem::new(Kind::NotSupported, message).at("SearchParameter.type")
        })?;
        let types = types(resource, &format!("{code}@{generation}"), kind)?;
        let code = code.to_string();
        Ok((!types.is_empty()).then_some(Custom { code, types }))
    }

    /// The index rows that a resource of that type has by it.
    pub fn extract(&self, ty: &str, resource: &Json<'_>) -> Vec<Entry> {
        let mut entries = Vec::new();
        for (_, parameter) in self.types.iter().filter(|(known, _)| *known == ty) {
            extract_one(parameter, resource, &mut entries);
        }
        entries
    }
}

fn types(
    resource: &Json<'_>,
    code: &str,
    kind: ParameterKind,
) -> Result<Vec<(&'static str, Arc<Parameter>)>, Problem> {
    let definitions = Definitions::r4();
    let expression = resource.text("expression").unwrap_or_default();
    let path = Path::compile(expression, definitions).map_err(|reason| {
        let message = format!("The expression cannot be searched by: {reason}.");
        Problem::new(Kind::NotSupported, message).at("SearchParameter.expression")
    })?;
    let too_many = || Problem::new(Kind::TooCostly, "There are too many search parameters.");
    let known = kept(code).ok_or_else(too_many)?;
    let targets = resource.items("target").iter().filter_map(Json::as_str);
    let targets: Vec<&'static str> = targets
        .filter_map(|target| Some(definitions.ty(definitions.resource(target)?).name))
        .collect();
    let mut types = Vec::new();
    for base in bases(resource, definitions)? {
        let Some(ty) = definitions.resource(base) else {
            continue;
        };
        let is_published = parameter(base, plain(code)).is_some_and(Parameter::is_indexed);
        let Some(path) = path.narrowed(ty, definitions).filter(|_| !is_published) else {
            continue;
        };
        let parameter = Parameter {
            code: known,
            kind,
            targets: targets.clone(),
            path: Some(path),
            components: Vec::new(),
            asides: Asides::of(code, kind),
        };
        types.push((definitions.ty(ty).name, Arc::new(parameter)));
    }
    Ok(types)
}

/// The code without its generation.
pub(super) fn plain(code: &str) -> &str {
    code.split_once('@').map_or(code, |(plain, _)| plain)
}

fn bases<'j>(resource: &'j Json<'_>, definitions: &Definitions) -> Result<Vec<&'j str>, Problem> {
    let bases: Vec<&str> = resource
        .items("base")
        .iter()
        .filter_map(Json::as_str)
        .collect();
    if bases
        .iter()
        .any(|base| matches!(*base, "Resource" | "DomainResource"))
    {
        return Ok(definitions.resources());
    }
    match bases.iter().all(|base| definitions.is_resource(base)) {
        true => Ok(bases),
        false => {
            let message = "This is not a resource type of FHIR R4.";
            Err(Problem::new(Kind::Value, message).at("SearchParameter.base"))
        }
    }
}
