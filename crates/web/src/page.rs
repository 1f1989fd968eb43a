//! HTML pages on the NHS design system: a template, a typed view, and the frame around them.
//!
//! Text from outside goes into auto-escaped places only, never into a macro's `html` parameter.

pub mod assets;
pub mod content;
pub mod elsewhere;
pub mod environment;
pub mod headers;
pub mod look;
pub mod parts;
pub mod problem;
pub mod tongue;
pub mod trend;
pub mod words;

use access::{Role, Who};
use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use minijinja::value::{Kwargs, Serde};
use minijinja::{Value, context};
use serde::Serialize;
use store::desk::COUNTED_MAX;

use crate::node::Site;
use crate::page::tongue::Language;
use crate::secret;
use crate::sign_in::Door;
use crate::visit::Visit;

/// A page to show: which template, with what in it.
pub struct Page<V> {
    template: &'static str,
    title: String,
    view: V,
    current: &'static str,
    status: StatusCode,
    /// Something is wrong with a form that was sent.
    is_faulty: bool,
    tongue: Option<Language>,
}

/// What the frame around every page needs.
#[derive(Serialize)]
struct Frame<'a> {
    title: &'a str,
    organisation: &'a str,
    ods: &'a str,
    /// A page of work: dense, unlike those that are read.
    staff: bool,
    home: &'static str,
    /// The addresses of the organisation's own logo and of the style of its own font.
    logo: Option<&'a str>,
    style: Option<&'a str>,
    /// The name of who is signed in, if anyone is.
    signed_in: Option<String>,
    /// The page about who is signed in.
    profile: &'static str,
    navigation: Vec<Destination>,
    /// The name of whom one acts for, if not for oneself.
    acting: Option<&'a str>,
    /// Whether who is signed in may see to downtime.
    downtime: bool,
    csrf: String,
    nonce: &'a str,
    /// The language, where it is not English.
    lang: Option<&'static str>,
}

#[derive(Serialize)]
struct Destination {
    text: String,
    href: &'static str,
    current: bool,
}

impl<V: Serialize> Page<V> {
    /// A page with status 200.
    pub fn new(template: &'static str, title: impl Into<String>, view: V) -> Page<V> {
        let status = StatusCode::OK;
        Page {
            template,
            title: title.into(),
            view,
            current: "",
            status,
            is_faulty: false,
            tongue: None,
        }
    }

    /// Marks the destination of the main menu that the page belongs to.
    #[must_use]
    pub fn under(mut self, destination: &'static str) -> Page<V> {
        self.current = destination;
        self
    }

    /// Says in which language the page is written, where that is not what its reader wants.
    #[must_use]
    pub fn said_in(mut self, tongue: Language) -> Page<V> {
        self.tongue = Some(tongue);
        self
    }

    /// Answers with that status.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Page<V> {
        self.status = status;
        self
    }

    /// Where something is wrong with a form that was sent, the title says so and the status is 422.
    #[must_use]
    pub fn with_faults(mut self, is_faulty: bool) -> Page<V> {
        if is_faulty {
            self.is_faulty = true;
            self.status = StatusCode::UNPROCESSABLE_ENTITY;
        }
        self
    }

    /// Renders the page for this visit. A template that fails is logged, and answered in plain
    /// words with status 500.
    pub fn answer(mut self, site: &Site, visit: &Visit) -> Response {
        let nonce = secret::nonce();
        let language = self.tongue.unwrap_or(visit.reads());
        self.title = language.say_of(&self.title);
        if self.is_faulty {
            self.title = language.tell("frame-error", &[("title", &self.title)]);
        }
        let frame = self.frame(site, visit, &nonce);
        let frame = environment::without_nulls(Value::from(Serde(&frame)));
        let view = environment::without_nulls(Value::from(Serde(&self.view)));
        let template = environment::environment().get_template(self.template);
        let whole = context! { page => frame, view => view, tell => teller(language) };
        match template.and_then(|found| found.render(whole)) {
            Ok(html) => visit.keep_tongue(html_response(self.status, html, &nonce)),
            Err(error) => {
                let template = self.template;
                tracing::error!(request = &*visit.request_id, template, %error, "a page failed");
                unrendered()
            }
        }
    }

    fn frame<'a>(&'a self, site: &'a Site, visit: &'a Visit, nonce: &'a str) -> Frame<'a> {
        let staff = visit.on_staff_pages();
        let language = self.tongue.unwrap_or(visit.reads());
        let destinations = match visit.caller() {
            Some(caller) => crate::router::menu(site, caller),
            None => Vec::new(),
        };
        let navigation = destinations
            .into_iter()
            .map(|(text, href)| Destination {
                text: counted(language.say(text), href, visit),
                href,
                current: href == self.current,
            })
            .collect();
        Frame {
            title: &self.title,
            organisation: &site.name,
            ods: site.organisation.as_str(),
            staff: staff && visit.caller().is_some(),
            home: if staff { "/staff/inbox" } else { "/" },
            logo: site.look.logo(),
            style: site.look.style(),
            signed_in: visit.caller().map(words::caller),
            profile: Door::of(visit).profile(),
            navigation,
            acting: visit.acting().map(|it| it.name.as_str()),
            downtime: staff && works(visit),
            csrf: visit.form_token(),
            nonce,
            lang: (language != Language::English).then(|| language.code()),
        }
    }
}

/// Whether who is signed in does the organisation's work, and needs what is there when everything is off.
fn works(visit: &Visit) -> bool {
    matches!(
        visit.caller().map(|caller| &caller.who),
        Some(Who::Staff {
            role: Role::Clerk | Role::Clinician,
            ..
        })
    )
}

/// What templates call for a text of the pages in that language: `tell("id", name=value)`.
pub(crate) fn teller(language: Language) -> Value {
    Value::from_function(move |id: &str, with: Kwargs| told(language, id, &with))
}

fn told(language: Language, id: &str, with: &Kwargs) -> Result<String, minijinja::Error> {
    let mut values = Vec::new();
    for name in with.args() {
        let value: Value = with.get(name)?;
        values.push((name, value.to_string()));
    }
    let with: Vec<(&str, &str)> = values.iter().map(|(name, it)| (*name, &**it)).collect();
    Ok(match with.is_empty() {
        true => language.texts().get(id).cloned().unwrap_or_default(),
        false => language.tell(id, &with),
    })
}

/// A destination with how much waits there, so that nothing unsigned, unsent or due hides.
fn counted(text: &str, href: &str, visit: &Visit) -> String {
    let pending = visit.pending().unwrap_or_default();
    let count = match href {
        "/staff/unsigned" => pending.unsigned,
        "/staff/tasks" => pending.due,
        "/staff/sent" => pending.undeliverable,
        "/staff/questionnaires" => pending.unread,
        "/staff/access-queries" => pending.questions,
        "/staff/worklist" => pending.work,
        _ => 0,
    };
    match count {
        0 => text.to_owned(),
        // Of no kind more is counted, so that it costs the same on a bad day.
        count if count >= COUNTED_MAX => format!("{text} ({COUNTED_MAX}+)"),
        count => format!("{text} ({count})"),
    }
}

fn html_response(status: StatusCode, html: String, nonce: &str) -> Response {
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    headers::allow_scripts(response.headers_mut(), nonce);
    response
}

/// The last resort, when even the page that tells of a failure fails.
fn unrendered() -> Response {
    let text = "Something went wrong on our side. Please try again in a minute.\n";
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// Sends the browser on after a form (303), to an address of this node.
pub fn see_other(address: &str) -> Response {
    let mut response = Response::new(Body::empty());
    match HeaderValue::from_str(address) {
        Ok(value) => {
            *response.status_mut() = StatusCode::SEE_OTHER;
            response.headers_mut().insert(header::LOCATION, value);
        }
        Err(_) => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
    }
    response
}
