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
    Patch,
    /// A POST of an operation, or of a search in a form.
    Call,
    Get,
    Head,
}

impl Method {
    /// Whether it is done by the address that it names, once the changes are made: it looks, or calls
    /// an operation.
    pub fn is_look(self) -> bool {
        matches!(self, Method::Get | Method::Head | Method::Call)
    }

    /// As HTTP spells it.
    pub fn name(self) -> &'static str {
        match self {
            Method::Delete => "DELETE",
            Method::Post | Method::Call => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Get => "GET",
            Method::Head => "HEAD",
        }
    }
}

/// What must hold before an entry is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    Nothing,
    /// `ifMatch`: the version now.
    Version(u64),
    /// `ifNoneExist`, answered: the resource is there already, and nothing is done.
    AlreadyThere,
    /// A conditional update that found nothing, or `ifNoneMatch: *`: nothing of this id is there.
    Absent,
    /// A conditional delete that found nothing: nothing is done.
    NothingThere,
}

/// What an entry's url names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// A type, for a POST.
    Type,
    /// A resource.
    Id(String),
    /// What matches this query, still encoded.
    Query(String),
}

/// An entry's request, read.
#[derive(Debug)]
pub(super) struct Request {
    pub method: Method,
    /// As it came, without the node's own address before it.
    pub url: String,
    pub ty: String,
    pub named: Named,
    pub version: Option<u64>,
    pub none_exist: Option<String>,
    pub none_match: Option<String>,
    pub modified_since: Option<String>,
}

impl Request {
    pub(super) fn read(entry: &Json<'_>, base_url: &str) -> Result<Request, Problem> {
        let request = entry.get("request").ok_or_else(|| {
            Problem::new(Kind::Required, "The entry has no request.").at("request")
        })?;
        let method = method(request.text("method").unwrap_or_default())?;
        let url = relative(request.text("url").unwrap_or_default(), base_url);
        let method = match method {
            Method::Post if is_call(url) => Method::Call,
            method => method,
        };
        let mut read = Request {
            method,
            url: url.to_string(),
            ty: String::new(),
            named: Named::Type,
            version: request.text("ifMatch").map(version).transpose()?,
            none_exist: request.text("ifNoneExist").map(str::to_string),
            none_match: request.text("ifNoneMatch").map(str::to_string),
            modified_since: request.text("ifModifiedSince").map(str::to_string),
        };
        if method == Method::Call {
            read.has_no_condition()?;
        }
        if method.is_look() {
            return Ok(read);
        }
        let (ty, named) = target(url)?;
        read.ty = ty.to_string();
        read.named = named;
        read.check(entry.get("resource"))?;
        Ok(read)
    }

    /// A call is done whatever is there.
    fn has_no_condition(&self) -> Result<(), Problem> {
        let texts = [&self.none_exist, &self.none_match, &self.modified_since];
        if self.version.is_none() && texts.iter().all(|it| it.is_none()) {
            return Ok(());
        }
        let message = "An operation or a search by POST takes no condition.";
        Err(Problem::new(Kind::Invalid, message).at("request"))
    }

    /// Whether method, url and resource go together.
    fn check(&self, resource: Option<&Json<'_>>) -> Result<(), Problem> {
        match (self.method, &self.named) {
            (Method::Post, Named::Type) => {}
            (Method::Post, _) => return Err(wrong_url("The url of a POST is a type.")),
            (_, Named::Type) => {
                let message = "The url of a PUT, PATCH or DELETE is Type/id or Type?query.";
                return Err(wrong_url(message));
            }
            _ => {}
        }
        let is_create_only = self.none_match.as_deref() == Some("*") && self.method == Method::Put;
        if (self.none_match.is_some() && !is_create_only) || self.modified_since.is_some() {
            let message = "ifNoneMatch and ifModifiedSince belong to a GET.";
            return Err(Problem::new(Kind::Invalid, message).at("request"));
        }
        let of_post = self.none_exist.is_none() || self.method == Method::Post;
        let of_change = self.version.is_none() || self.method != Method::Post;
        if !of_post || !of_change {
            let message = "ifNoneExist belongs to a POST, ifMatch to a PUT, PATCH or DELETE.";
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
            (Method::Patch, Some(_)) => Ok(()),
            (_, Some(resource)) => self.agrees(resource),
        }
    }

    fn agrees(&self, resource: &Json<'_>) -> Result<(), Problem> {
        let (ty, id) = type_and_id(resource)?;
        let other_id = matches!(&self.named, Named::Id(named) if id != Some(named));
        if ty != self.ty || other_id {
            let message = "The resource's type and id are not those of the url.";
            return Err(Problem::new(Kind::Invalid, message).at("request.url"));
        }
        Ok(())
    }
}

/// Whether a url names an operation (`Patient/1/$everything`) or a search (`Patient/_search`).
fn is_call(url: &str) -> bool {
    let path = url.split_once('?').map_or(url, |(path, _)| path);
    let mut segments = path.split('/');
    segments.any(|segment| segment.starts_with('$') || segment == "_search")
}

fn method(name: &str) -> Result<Method, Problem> {
    match name {
        "DELETE" => Ok(Method::Delete),
        "POST" => Ok(Method::Post),
        "PUT" => Ok(Method::Put),
        "PATCH" => Ok(Method::Patch),
        "GET" => Ok(Method::Get),
        "HEAD" => Ok(Method::Head),
        _ => {
            let message = "The method is one of GET, HEAD, POST, PUT, PATCH and DELETE.";
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

/// `Patient`, `Patient/1` or `Patient?identifier=x`.
fn target(url: &str) -> Result<(&str, Named), Problem> {
    let (path, query) = match url.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (url, None),
    };
    let (ty, id) = match path.split_once('/') {
        Some((ty, id)) => (ty, Some(id)),
        None => (path, None),
    };
    if !Definitions::r4().is_resource(ty) {
        return Err(wrong_url(
            "The url does not start with a resource type of R4.",
        ));
    }
    match (id, query) {
        (None, None) => Ok((ty, Named::Type)),
        (None, Some(query)) => Ok((ty, Named::Query(query.to_string()))),
        (Some(id), None) if check_id(id).is_ok() => Ok((ty, Named::Id(id.to_string()))),
        _ => Err(wrong_url("The url is not Type, Type/id or Type?query.")),
    }
}

fn wrong_url(message: &str) -> Problem {
    Problem::new(Kind::Value, message).at("request.url")
}
