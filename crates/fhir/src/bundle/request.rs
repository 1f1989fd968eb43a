//! What an entry asks for (<https://hl7.org/fhir/R4/bundle.html#transaction>).

use crate::definitions::Definitions;
use crate::json::Json;
use crate::problem::{Kind, Problem};
use crate::resource::{check_id, type_and_id};

/// The methods that an entry may ask for, in the order in which they are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    Delete,
    Post,
    Put,
    Get,
}

/// What must hold before an entry is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    Nothing,
    /// `ifMatch`: the version now.
    Version(u64),
    /// `ifNoneExist`, answered: the resource is there already, and nothing is done.
    AlreadyThere,
}

/// An entry's request, read.
#[derive(Debug)]
pub(super) struct Request {
    pub method: Method,
    /// As it came, without the node's own address before it.
    pub url: String,
    pub ty: String,
    /// `None` for a POST.
    pub id: Option<String>,
    pub version: Option<u64>,
    pub none_exist: Option<String>,
}

impl Request {
    pub(super) fn read(entry: &Json<'_>, base_url: &str) -> Result<Request, Problem> {
        let request = entry.get("request").ok_or_else(|| {
            Problem::new(Kind::Required, "The entry has no request.").at("request")
        })?;
        let method = method(request.text("method").unwrap_or_default())?;
        let url = relative(request.text("url").unwrap_or_default(), base_url);
        for name in ["ifNoneMatch", "ifModifiedSince"] {
            if request.get(name).is_some() {
                let problem = Problem::new(Kind::NotSupported, format!("{name} is not supported."));
                return Err(problem.at(format!("request.{name}")));
            }
        }
        let mut read = Request {
            method,
            url: url.to_string(),
            ty: String::new(),
            id: None,
            version: request.text("ifMatch").map(version).transpose()?,
            none_exist: request.text("ifNoneExist").map(str::to_string),
        };
        if method == Method::Get {
            return Ok(read);
        }
        let (ty, id) = target(url)?;
        read.ty = ty.to_string();
        read.id = id.map(str::to_string);
        read.check(entry.get("resource"))?;
        Ok(read)
    }

    /// Whether method, url and resource go together.
    fn check(&self, resource: Option<&Json<'_>>) -> Result<(), Problem> {
        match (self.method, &self.id) {
            (Method::Post, Some(_)) => return Err(wrong_url("The url of a POST is a type.")),
            (Method::Put | Method::Delete, None) => {
                return Err(wrong_url("The url of a PUT or DELETE is Type/id."));
            }
            _ => {}
        }
        let of_post = self.none_exist.is_none() || self.method == Method::Post;
        let of_change = self.version.is_none() || self.method != Method::Post;
        if !of_post || !of_change {
            let message = "ifNoneExist belongs to a POST, ifMatch to a PUT or DELETE.";
            return Err(Problem::new(Kind::Invalid, message).at("request"));
        }
        match (self.method, resource) {
            (Method::Delete, None) => Ok(()),
            (Method::Delete, Some(_)) => {
                Err(Problem::new(Kind::Invalid, "A DELETE has no resource.").at("resource"))
            }
            (_, None) => {
                Err(Problem::new(Kind::Required, "The entry has no resource.").at("resource"))
            }
            (_, Some(resource)) => self.agrees(resource),
        }
    }

    fn agrees(&self, resource: &Json<'_>) -> Result<(), Problem> {
        let (ty, id) = type_and_id(resource)?;
        if ty != self.ty || self.id.is_some() && id != self.id.as_deref() {
            let message = "The resource's type and id are not those of the url.";
            return Err(Problem::new(Kind::Invalid, message).at("request.url"));
        }
        Ok(())
    }
}

fn method(name: &str) -> Result<Method, Problem> {
    match name {
        "DELETE" => Ok(Method::Delete),
        "POST" => Ok(Method::Post),
        "PUT" => Ok(Method::Put),
        "GET" => Ok(Method::Get),
        _ => {
            let message = "Only GET, POST, PUT and DELETE are supported in a Bundle.";
            Err(Problem::new(Kind::NotSupported, message).at("request.method"))
        }
    }
}

/// `W/"3"`.
fn version(etag: &str) -> Result<u64, Problem> {
    let quoted = etag.strip_prefix("W/").unwrap_or(etag);
    let text = quoted
        .strip_prefix('"')
        .and_then(|quoted| quoted.strip_suffix('"'));
    text.and_then(|text| text.parse().ok()).ok_or_else(|| {
        let message = "ifMatch names a version such as W/\"3\".";
        Problem::new(Kind::Value, message).at("request.ifMatch")
    })
}

/// Without the node's own address, or a slash, before it.
pub(super) fn relative<'u>(url: &'u str, base_url: &str) -> &'u str {
    let base_url = base_url.trim_end_matches('/');
    let own = url
        .strip_prefix(base_url)
        .filter(|rest| rest.starts_with('/'));
    own.unwrap_or(url).trim_start_matches('/')
}

/// `Patient` or `Patient/1`.
fn target(url: &str) -> Result<(&str, Option<&str>), Problem> {
    if url.contains('?') {
        let message = "Conditional updates and deletes are not supported.";
        return Err(Problem::new(Kind::NotSupported, message).at("request.url"));
    }
    let (ty, id) = match url.split_once('/') {
        Some((ty, id)) => (ty, Some(id)),
        None => (url, None),
    };
    if !Definitions::r4().is_resource(ty) {
        return Err(wrong_url(
            "The url does not start with a resource type of R4.",
        ));
    }
    match id {
        Some(id) if check_id(id).is_err() => Err(wrong_url("The url is not Type or Type/id.")),
        id => Ok((ty, id)),
    }
}

fn wrong_url(message: &str) -> Problem {
    Problem::new(Kind::Value, message).at("request.url")
}
