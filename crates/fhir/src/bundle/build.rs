//! Bundles written from resources that are already rendered, without reading them again.

use crate::date::{Millis, instant};
use crate::json::write_text;
use crate::search::Search;

/// A resource that a search found.
#[derive(Clone, Copy, Debug)]
pub struct Found<'r> {
    pub ty: &'r str,
    pub id: &'r str,
    /// Rendered.
    pub resource: &'r [u8],
}

/// A version in a history.
#[derive(Clone, Copy, Debug)]
pub struct Past<'r> {
    pub ty: &'r str,
    pub id: &'r str,
    pub version: u64,
    pub at: Millis,
    /// Rendered; `None` for a deletion.
    pub resource: Option<&'r [u8]>,
}

/// What became of an entry of a transaction or batch.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The HTTP status with its words, such as `201 Created`.
    pub status: String,
    /// `Patient/1/_history/3`, where there is a version.
    pub location: Option<String>,
    pub version: Option<u64>,
    pub last_updated: Option<Millis>,
    /// The rendered resource, where one is returned.
    pub resource: Option<Vec<u8>>,
    /// The rendered OperationOutcome, where there is one.
    pub outcome: Option<Vec<u8>>,
}

/// A JSON object or array while it is being written.
struct Writer {
    out: Vec<u8>,
}

impl Writer {
    fn bundle(kind: &str) -> Writer {
        let mut writer = Writer {
            out: Vec::with_capacity(4096),
        };
        writer.raw("{\"resourceType\":\"Bundle\",\"type\":");
        write_text(kind, &mut writer.out);
        writer
    }

    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// A comma, but at the start of an object or array.
    fn comma(&mut self) {
        if !matches!(self.out.last(), Some(b'{' | b'[')) {
            self.out.push(b',');
        }
    }

    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        write_text(value, &mut self.out);
    }

    fn name(&mut self, name: &str) {
        self.comma();
        write_text(name, &mut self.out);
        self.out.push(b':');
    }

    fn rendered(&mut self, name: &str, json: &[u8]) {
        self.name(name);
        self.out.extend_from_slice(json);
    }

    fn link(&mut self, relation: &str, url: &str) {
        self.comma();
        self.raw("{\"relation\":");
        write_text(relation, &mut self.out);
        self.text("url", url);
        self.raw("}");
    }

    /// An OperationOutcome beside what was found.
    fn warning(&mut self, code: &str, diagnostics: &str) {
        let outcome = serde_json::json!({ "resourceType": "OperationOutcome", "issue": [{
            "severity": "warning", "code": code, "diagnostics": diagnostics,
        }] });
        self.rendered("resource", outcome.to_string().as_bytes());
        self.rendered("search", b"{\"mode\":\"outcome\"}");
    }

    fn full_url(&mut self, base_url: &str, ty: &str, id: &str) {
        self.text(
            "fullUrl",
            &format!("{}/{ty}/{id}", base_url.trim_end_matches('/')),
        );
    }

    /// An array member; left out when empty, since FHIR has no empty arrays.
    fn array<I: Iterator>(&mut self, name: &str, items: I, each: fn(&mut Writer, I::Item)) {
        let mut items = items.peekable();
        if items.peek().is_none() {
            return;
        }
        self.name(name);
        self.raw("[");
        for item in items {
            self.comma();
            self.raw("{");
            each(self, item);
            self.raw("}");
        }
        self.raw("]");
    }

    fn end(mut self) -> Vec<u8> {
        self.raw("}");
        self.out
    }
}

/// A `searchset` Bundle. `next` is the cursor of the page after this one. What the search left out
/// (under `lenient`) is told in an entry of its own.
pub fn searchset<'r>(
    search: &Search,
    base_url: &str,
    found: impl Iterator<Item = Found<'r>>,
    next: Option<&str>,
    total: Option<u64>,
) -> Vec<u8> {
    let nothing = std::iter::empty();
    searchset_with(search, base_url, (found, nothing), next, (total, None))
}

/// The same with what comes along with the matches behind them.
pub fn searchset_with<'r>(
    search: &Search,
    base_url: &str,
    (found, included): (
        impl Iterator<Item = Found<'r>>,
        impl Iterator<Item = Found<'r>>,
    ),
    next: Option<&str>,
    (total, withheld): (Option<u64>, Option<String>),
) -> Vec<u8> {
    let mut writer = Writer::bundle("searchset");
    if let Some(total) = total {
        writer.rendered("total", total.to_string().as_bytes());
    }
    writer.name("link");
    writer.raw("[");
    writer.link("self", &search.self_link(base_url));
    if let Some(next) = next {
        writer.link("first", &search.first_link(base_url));
        writer.link("next", &search.next_link(base_url, next));
    }
    writer.raw("]");
    let left_out = (!search.ignored.is_empty()).then(|| Listed::LeftOut(search.ignored.join(", ")));
    let withheld = withheld.map(Listed::Withheld);
    let found = found.map(|found| Listed::Found(base_url, found, b"{\"mode\":\"match\"}"));
    let included = included.map(|it| Listed::Found(base_url, it, b"{\"mode\":\"include\"}"));
    writer.array(
        "entry",
        found.chain(included).chain(left_out).chain(withheld),
        |writer, listed| match listed {
            Listed::Found(base_url, found, mode) => {
                writer.full_url(base_url, found.ty, found.id);
                writer.rendered("resource", found.resource);
                writer.rendered("search", mode);
            }
            Listed::LeftOut(names) => {
                let diagnostics = format!("Not supported, and left out: {names}.");
                writer.warning("not-supported", &diagnostics);
            }
            Listed::Withheld(diagnostics) => writer.warning("suppressed", &diagnostics),
        },
    );
    writer.end()
}

enum Listed<'r> {
    Found(&'r str, Found<'r>, &'static [u8]),
    LeftOut(String),
    /// What the caller is to be told of what is kept from them.
    Withheld(String),
}

/// A `history` Bundle, newest first as handed in. `links` are relations and addresses.
pub fn history<'r>(
    base_url: &str,
    links: &[(&str, &str)],
    versions: impl Iterator<Item = Past<'r>>,
    total: Option<u64>,
) -> Vec<u8> {
    let mut writer = Writer::bundle("history");
    if let Some(total) = total {
        writer.rendered("total", total.to_string().as_bytes());
    }
    writer.name("link");
    writer.raw("[");
    for (relation, link) in links {
        writer.link(relation, link);
    }
    writer.raw("]");
    let versions = versions.map(|version| (base_url, version));
    writer.array("entry", versions, |writer, (base_url, past)| {
        writer.full_url(base_url, past.ty, past.id);
        let address = format!("{}/{}", past.ty, past.id);
        let (method, status) = match (past.resource, past.version) {
            (None, _) => ("DELETE", "204 No Content"),
            (Some(_), 1) => ("PUT", "201 Created"),
            (Some(_), _) => ("PUT", "200 OK"),
        };
        if let Some(resource) = past.resource {
            writer.rendered("resource", resource);
        }
        writer.name("request");
        writer.raw("{");
        writer.text("method", method);
        writer.text("url", &address);
        writer.raw("}");
        writer.name("response");
        writer.raw("{");
        writer.text("status", status);
        writer.text("etag", &format!("W/\"{}\"", past.version));
        writer.text("lastModified", &instant(past.at));
        writer.raw("}");
    });
    writer.end()
}

/// A `transaction-response` or `batch-response` Bundle (`kind`), its entries in the order of the
/// request's.
pub fn response(kind: &str, outcomes: &[Outcome]) -> Vec<u8> {
    let mut writer = Writer::bundle(kind);
    writer.array("entry", outcomes.iter(), |writer, outcome| {
        if let Some(resource) = &outcome.resource {
            writer.rendered("resource", resource);
        }
        writer.name("response");
        writer.raw("{");
        writer.text("status", &outcome.status);
        if let Some(location) = &outcome.location {
            writer.text("location", location);
        }
        if let Some(version) = outcome.version {
            writer.text("etag", &format!("W/\"{version}\""));
        }
        if let Some(at) = outcome.last_updated {
            writer.text("lastModified", &instant(at));
        }
        if let Some(rendered) = &outcome.outcome {
            writer.rendered("outcome", rendered);
        }
        writer.raw("}");
    });
    writer.end()
}
