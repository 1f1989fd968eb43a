//! The pages of the demo's neighbourhood, on a listener of their own: who can sign in where, the network with its parcels,
//! and switches that cut lines and stop nodes. No node serves them; what they show comes from whoever runs the demo.
//!
//! Only who is on this machine reaches them, and a change takes the page's own token: another site's page cannot make one.

mod map;
#[cfg(test)]
mod tests;
mod views;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ::fhir::date::Millis;
use ::fhir::problem::{Kind, Problem};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Form, Query, Request, State};
use axum::middleware::{Next, from_fn, map_response};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::stream;
use http::{StatusCode, header};
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};

use crate::failure;
use crate::page::{assets, headers, see_other};
use crate::secret;

/// A form at most, in bytes.
const FORM_BYTES_MAX: usize = 4 * 1024;
/// Pages that are told of changes at a time.
const WATCHERS_MAX: usize = 32;
/// How often is looked whether something changed, and how long one connection lasts.
const LOOKED_EVERY: Duration = Duration::from_secs(1);
const LASTS: Duration = Duration::from_secs(300);

/// What comes of something asked of the neighbourhood.
pub type Answering<'a, T> = Pin<Box<dyn Future<Output = Result<T, Problem>> + Send + 'a>>;

/// Whoever runs the neighbourhood.
pub trait Neighbourhood: Send + Sync + 'static {
    /// How it stands, by the tables of all nodes.
    fn picture(&self) -> Answering<'_, Picture>;
    /// Does that; a sentence that says what was done.
    fn act(&self, act: Act) -> Answering<'_, String>;
    /// Another number whenever something changed.
    fn pulse(&self) -> u64;
    fn now(&self) -> Millis;
}

/// A switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Between two organisations, by ODS code.
    Cut(String, String),
    Mend(String, String),
    /// All lines, and all nodes that were stopped.
    MendAll,
    Stop(String),
    Start(String),
    /// So many times as fast as the clock; 0 for a pause.
    Speed(u32),
    /// Plays the day again, when it has ended or now.
    Again,
}

/// The neighbourhood as it stands.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    pub organisations: Vec<Organisation>,
    /// Each two of them once.
    pub lines: Vec<Line>,
    pub day: Day,
    /// How many histories are filled in, of how many, and what stopped it if something did.
    pub filled: (u32, u32),
    pub unfilled: Option<String>,
    /// The newest so many parcels of each node are counted, and some have more; none if all are.
    pub counted_of_each: Option<u32>,
}

/// One of the organisations.
#[derive(Clone, Debug, Default)]
pub struct Organisation {
    pub ods: String,
    pub name: String,
    /// A word or two, for the map.
    pub short: String,
    pub is_up: bool,
    pub pages: String,
    pub staff: Vec<SignIn>,
    pub patients: Vec<SignIn>,
}

/// Somebody who can sign in.
#[derive(Clone, Debug, Default)]
pub struct SignIn {
    pub username: String,
    pub name: String,
    pub about: String,
}

/// The line between two organisations (ODS codes), both ways.
#[derive(Clone, Debug, Default)]
pub struct Line {
    pub between: (String, String),
    pub is_cut: bool,
    /// From the first to the second, and back.
    pub ways: [Way; 2],
}

/// Parcels one way, by what both ends' tables say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// The sender has them.
    pub sent: u64,
    /// The receiver has them too.
    pub arrived: u64,
    /// The sender has them, is to deliver them, and the receiver has them not.
    pub waiting: u64,
    /// The sender gave them up or took them back before they arrived, which people there are told.
    pub ended: u64,
    /// The sender holds a receipt, and the receiver has no such parcel.
    pub lost: u64,
    /// Of those that arrived: in the last few seconds.
    pub lately: u64,
    /// When the sender last learned from the receiver what became of one.
    pub last_receipt: Option<Millis>,
}

/// The day that plays itself.
#[derive(Clone, Debug, Default)]
pub struct Day {
    /// In it, such as `07:30`.
    pub time: String,
    /// So many times as fast as the clock; 0 while it is paused.
    pub speed: u32,
    pub is_over: bool,
    /// The latest first: when, and what.
    pub happened: Vec<(String, String)>,
    /// How much is still to come.
    pub to_come: usize,
}

/// Speeds that can be chosen, with their words.
pub const SPEEDS: [(u32, &str); 4] = [(0, "paused"), (1, "1×"), (60, "60×"), (600, "600×")];

struct Site {
    neighbourhood: Arc<dyn Neighbourhood>,
    /// What every form of this process carries.
    token: String,
    /// What was done last.
    last: Mutex<String>,
    watchers: Arc<Semaphore>,
}

/// The neighbourhood's own pages.
pub fn neighbourhood_router(neighbourhood: Arc<dyn Neighbourhood>) -> Router {
    let site = Arc::new(Site {
        neighbourhood,
        token: secret::nonce(),
        last: Mutex::default(),
        watchers: Arc::new(Semaphore::new(WATCHERS_MAX)),
    });
    Router::new()
        .route("/", get(start))
        .route("/demo", get(network))
        .route("/demo/events", get(events))
        .route("/demo/act", post(act))
        .route("/assets/{file}", get(assets::file))
        .route("/assets/images/{icon}", get(assets::icon))
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(from_fn(here_only))
        .layer(map_response(headers::on))
        .with_state(site)
}

/// Only under a name of this machine, so that no other site's name leads here.
async fn here_only(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|it| it.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if !matches!(name, "127.0.0.1" | "localhost" | "[::1]") {
        let said =
            "This page is for this machine alone: open it as http://127.0.0.1 with its port.\n";
        return (StatusCode::MISDIRECTED_REQUEST, said).into_response();
    }
    next.run(request).await
}

async fn start(State(site): State<Arc<Site>>) -> Response {
    match site.neighbourhood.picture().await {
        Ok(picture) => views::start(&picture),
        Err(problem) => failed(&problem),
    }
}

/// Whether something was done just now.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    done: String,
}

async fn network(State(site): State<Arc<Site>>, asked: Query<Asked>) -> Response {
    let done = match asked.done.is_empty() {
        true => String::new(),
        false => site.last.lock().clone(),
    };
    shown(&site, &done, None).await
}

async fn shown(site: &Site, done: &str, fault: Option<&str>) -> Response {
    match site.neighbourhood.picture().await {
        Ok(picture) => {
            let now = site.neighbourhood.now();
            views::network(&picture, &site.token, now, (done, fault))
        }
        Err(problem) => failed(&problem),
    }
}

/// A form of the network page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Typed {
    csrf: String,
    act: String,
    line: String,
    node: String,
    speed: String,
}

impl Typed {
    fn act(&self) -> Result<Act, &'static str> {
        let line = || -> Result<(String, String), &'static str> {
            let ends = self.line.split_once(' ').ok_or("Choose a line.")?;
            Ok((ends.0.to_owned(), ends.1.to_owned()))
        };
        let node = || match self.node.is_empty() {
            true => Err("Choose a node."),
            false => Ok(self.node.clone()),
        };
        Ok(match self.act.as_str() {
            "cut" => line().map(|(a, b)| Act::Cut(a, b))?,
            "mend" => line().map(|(a, b)| Act::Mend(a, b))?,
            "mend-all" => Act::MendAll,
            "stop" => Act::Stop(node()?),
            "start" => Act::Start(node()?),
            "again" => Act::Again,
            "speed" => {
                let speed = self.speed.parse().ok();
                let known = SPEEDS.iter().map(|it| it.0).find(|it| Some(*it) == speed);
                Act::Speed(known.ok_or("Choose a speed.")?)
            }
            _ => return Err("There is no such switch."),
        })
    }
}

async fn act(State(site): State<Arc<Site>>, form: Form<Typed>) -> Response {
    if form.csrf != site.token {
        let said = "The page was out of date. Nothing was changed; choose again.";
        return shown(&site, "", Some(said)).await;
    }
    let act = match form.act() {
        Ok(act) => act,
        Err(said) => return shown(&site, "", Some(said)).await,
    };
    match site.neighbourhood.act(act).await {
        Ok(said) => {
            *site.last.lock() = said;
            see_other("/demo?done=it")
        }
        Err(problem) => shown(&site, "", Some(&problem.message)).await,
    }
}

fn failed(problem: &Problem) -> Response {
    tracing::error!(?problem, "the neighbourhood cannot be shown");
    let said = format!("{} Reload the page in a moment.\n", problem.message);
    (failure::status(problem.kind), said).into_response()
}

struct Watch {
    site: Arc<Site>,
    seen: u64,
    until: Instant,
    _place: OwnedSemaphorePermit,
}

/// Says when something has changed; the browser then fetches the page itself.
async fn events(State(site): State<Arc<Site>>) -> Response {
    let Ok(place) = site.watchers.clone().try_acquire_owned() else {
        let message = "Too many pages are open just now; reload by hand.";
        return failed(&Problem::new(Kind::Transient, message));
    };
    let watch = Watch {
        seen: site.neighbourhood.pulse(),
        site,
        until: Instant::now() + LASTS,
        _place: place,
    };
    let told = stream::unfold(watch, async |mut watch| {
        loop {
            if Instant::now() >= watch.until {
                return None;
            }
            sleep(LOOKED_EVERY).await;
            let pulse = watch.site.neighbourhood.pulse();
            if pulse != watch.seen {
                watch.seen = pulse;
                let event = Event::default().event("changed").data("now");
                return Some((Ok::<_, Infallible>(event), watch));
            }
        }
    });
    Sse::new(told).keep_alive(KeepAlive::new()).into_response()
}
