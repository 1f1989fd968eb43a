//! What stands at an address of the door. The table of them is on the router's page; the router,
//! the CapabilityStatement and the OpenAPI document are made from it, so that none can drift.

use std::sync::Arc;

use axum::routing::MethodRouter;
use http::Method;

use crate::node::Node;

/// One method of one address below `/fhir`.
pub struct Route {
    pub method: Method,
    /// With `{ty}`, `{id}` and `{version}` where a request has its own.
    pub path: &'static str,
    pub does: Does,
    pub takes: Takes,
    /// The handler, for that method only.
    pub call: fn() -> MethodRouter<Arc<Node>>,
}

/// What it is in the standard's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// Interactions (<https://hl7.org/fhir/R4/valueset-type-restful-interaction.html>,
    /// <https://hl7.org/fhir/R4/valueset-system-restful-interaction.html>), by their codes.
    Interactions(&'static [&'static str]),
    /// An operation, by its name without the `$` and its definition's address.
    Operation(&'static str, &'static str),
    /// Tells of the server itself.
    Facts,
}

/// What a request's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    Nothing,
    Resource,
    /// A batch or transaction.
    Bundle,
    /// A JSON Patch or a FHIRPath Patch.
    Patch,
    /// A search's parameters.
    Form,
    /// An operation's parameters.
    Parameters,
}

/// What a route is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    System,
    Type,
    Instance,
}

impl Route {
    pub const fn interaction(
        method: Method,
        path: &'static str,
        codes: &'static [&'static str],
        takes: Takes,
        call: fn() -> MethodRouter<Arc<Node>>,
    ) -> Route {
        Route {
            method,
            path,
            does: Does::Interactions(codes),
            takes,
            call,
        }
    }

    pub const fn operation(
        method: Method,
        path: &'static str,
        (name, definition): (&'static str, &'static str),
        call: fn() -> MethodRouter<Arc<Node>>,
    ) -> Route {
        let takes = match method {
            Method::POST => Takes::Parameters,
            _ => Takes::Nothing,
        };
        Route {
            method,
            path,
            does: Does::Operation(name, definition),
            takes,
            call,
        }
    }

    pub const fn facts(path: &'static str, call: fn() -> MethodRouter<Arc<Node>>) -> Route {
        Route {
            method: Method::GET,
            path,
            does: Does::Facts,
            takes: Takes::Nothing,
            call,
        }
    }

    pub fn level(&self) -> Level {
        let mut segments = self
            .segments()
            .map(|segment| segment.starts_with(['$', '_']));
        match (segments.next(), segments.next()) {
            (None | Some(true), _) => Level::System,
            (Some(false), None | Some(true)) => Level::Type,
            (Some(false), Some(false)) => Level::Instance,
        }
    }

    /// Whether it is there for resources of that type.
    pub fn is_of(&self, ty: &str) -> bool {
        let first = self.segments().next();
        self.level() != Level::System && first.is_some_and(|first| first == "{ty}" || first == ty)
    }

    fn segments(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter(|segment| !segment.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_knows_what_it_is_about() {
        let route = |path| Route::facts(path, MethodRouter::new);
        for (path, level) in [
            ("/", Level::System),
            ("/_history", Level::System),
            ("/_search", Level::System),
            ("/$export", Level::System),
            ("/{ty}", Level::Type),
            ("/{ty}/_search", Level::Type),
            ("/Patient/$export", Level::Type),
            ("/{ty}/{id}", Level::Instance),
            ("/{ty}/{id}/_search", Level::Instance),
            ("/Patient/{id}/$everything", Level::Instance),
        ] {
            assert_eq!(route(path).level(), level, "{path}");
        }
        assert!(route("/Patient/{id}/$everything").is_of("Patient"));
        assert!(!route("/Patient/{id}/$everything").is_of("Group"));
        assert!(route("/{ty}/{id}").is_of("Group"));
        assert!(!route("/_history").is_of("Group"));
    }
}
