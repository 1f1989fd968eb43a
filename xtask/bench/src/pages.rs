//! How long pages take while a neighbourhood of 2,000 people is loaded and 100 pages a second are asked for.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::demo::{running, wait_until_filled};
use crate::http::Connection;
use crate::measure::{median, quantile};
use crate::report::{Report, Wanted};

/// Past the ports of the demo that is measured by itself.
const BASE_PORT: u16 = 29_600;
/// The day is played in ten seconds, and over before pages are asked for.
const SPEED: &str = "3600";
const DAY_SECONDS_MAX: u32 = 300;
const PASSWORD: &str = "handover-demo";
const A_SECOND: f64 = 100.0;
/// How often each page is asked for; before that a few times, which are not counted.
const EACH: usize = 200;
const WARM: usize = 3;
/// Connections that ask; more than are ever busy at once, unless pages are slow.
const ASKERS: usize = 64;
const MILLISECONDS_MAX: f64 = 30.0;
const LATER_PAGE_KB_MAX: f64 = 6.0;

/// The pages of the album. Those that it must first do something for are left out.
const ALBUM: &str = include_str!("../../album/pages.json");
/// Organisations of the demo, as the album names them, with their ports beyond the base.
const PLACES: [(&str, u16); 8] = [
    ("hospital", 0),
    ("practice", 1),
    ("pharmacy", 2),
    ("riverside", 10),
    ("social-care", 11),
    ("ambulance", 12),
    ("mental-health", 13),
    ("community", 14),
];
/// Accounts that are patients.
const PATIENTS: [&str; 2] = ["margaret", "samuel"];

/// A page of somebody's.
struct Target {
    at: SocketAddr,
    path: String,
    name: String,
    cookies: String,
}

pub fn measure(report: &mut Report) -> Result<()> {
    let measured = running(BASE_PORT, &["--speed", SPEED], |demo| {
        wait_until_filled(demo)?;
        wait_until_over(demo.own)?;
        ask_all(&targets()?)
    })?;
    let mut heaviest: f64 = 0.0;
    let mut all = Vec::new();
    for (name, (milliseconds, kilobytes)) in measured {
        let what = format!("page {name}, 99 in 100");
        let wanted = Wanted::Below(MILLISECONDS_MAX);
        report.figure(&what, "ms", quantile(&milliseconds, 0.99), wanted);
        heaviest = heaviest.max(kilobytes);
        all.extend(milliseconds);
    }
    report.figure(
        "all these pages, 100 a second, the middle",
        "ms",
        median(&all),
        Wanted::Nothing,
    );
    report.figure(
        "the heaviest of these pages, compressed, without its files",
        "kB",
        heaviest,
        Wanted::Below(LATER_PAGE_KB_MAX),
    );
    Ok(())
}

fn wait_until_over(own: SocketAddr) -> Result<()> {
    for _ in 0..DAY_SECONDS_MAX {
        let (status, page) = Connection::open(own)?.send("GET", "/demo", None, &[])?;
        ensure!(status == 200, "the network's page answered {status}");
        if String::from_utf8_lossy(&page).contains("The day is over") {
            return Ok(());
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    anyhow::bail!("the demo's day does not end")
}

/// An entry of the album's list.
struct Entry {
    place: String,
    login: String,
    route: String,
    /// Where it is, if that is not the route.
    address: Option<String>,
    /// The page with the link that leads there.
    from: Option<String>,
}

fn entries() -> Result<Vec<Entry>> {
    let list: serde_json::Value = serde_json::from_str(ALBUM)?;
    let pages = list.get("pages").and_then(serde_json::Value::as_array);
    let pages = pages.context("the album has no pages")?;
    let mut entries = Vec::new();
    for page in pages {
        let text = |name: &str| Some(page.get(name)?.as_str()?.to_owned());
        let who = text("as");
        let Some((place, login)) = who.as_deref().and_then(|it| it.split_once('/')) else {
            continue;
        };
        if text("do").is_some() {
            continue;
        }
        entries.push(Entry {
            place: place.to_owned(),
            login: login.to_owned(),
            route: text("route").context("a page without a route")?,
            address: text("address"),
            from: text("from"),
        });
    }
    Ok(entries)
}

/// All pages, each with the cookies of who looks at it. One that does not answer 200 to them in this demo is named and left out.
fn targets() -> Result<Vec<Target>> {
    let mut cookies: BTreeMap<(String, String), String> = BTreeMap::new();
    let mut all: Vec<Target> = Vec::new();
    for entry in entries()? {
        let place = PLACES.iter().find(|(name, _)| *name == entry.place);
        let (_, offset) = place.with_context(|| format!("no such place: {}", entry.place))?;
        let at = ([127, 0, 0, 1], BASE_PORT + offset).into();
        let cookies = match cookies.entry((entry.place.clone(), entry.login.clone())) {
            Slot::Occupied(known) => known.into_mut(),
            Slot::Vacant(new) => {
                let door = match PATIENTS.contains(&entry.login.as_str()) {
                    true => "/login",
                    false => "/staff/login",
                };
                let signed_in = sign_in(at, door, &entry.login);
                new.insert(signed_in.with_context(|| format!("signing in as {}", entry.login))?)
            }
        };
        let look = |path: &str| -> Result<(u16, String)> {
            let lines = format!("host: {at}\r\ncookie: {cookies}\r\n");
            let (status, _, body) = Connection::open(at)?.visit("GET", path, &lines, "")?;
            Ok((status, String::from_utf8_lossy(&body).into_owned()))
        };
        let path = match (&entry.from, entry.address) {
            (Some(from), _) => linked(&look(from)?.1, &entry.route),
            (None, address) => Some(address.unwrap_or_else(|| entry.route.clone())),
        };
        let Some(path) = path else {
            eprintln!("left out: {}, to which nothing links", entry.route);
            continue;
        };
        let (status, _) = look(&path)?;
        let name = format!("{path} ({} at the {})", entry.login, entry.place);
        if status != 200 {
            eprintln!("left out: {name} answers {status}");
        } else if !all.iter().any(|it| it.name == name) {
            all.push(Target {
                at,
                path,
                name,
                cookies: cookies.clone(),
            });
        }
    }
    Ok(all)
}

/// The first link on a page to that route, such as `/staff/item/{pid}`. One that makes something anew is not meant.
fn linked(page: &str, route: &str) -> Option<String> {
    let links = page.split("href=\"").skip(1);
    let links = links.filter_map(|it| it.split('"').next());
    let mut links = links.map(|it| it.replace("&#x2f;", "/").replace("&amp;", "&"));
    links.find(|link| {
        let path = link.split(['?', '#']).next().unwrap_or_default();
        let (given, wanted) = (path.split('/'), route.split('/'));
        let fits = |given: &str, wanted: &str| {
            given == wanted || (wanted.starts_with('{') && !given.is_empty())
        };
        !path.ends_with("/new")
            && given.clone().count() == wanted.clone().count()
            && given.zip(wanted).all(|(given, wanted)| fits(given, wanted))
    })
}

fn sign_in(at: SocketAddr, door: &str, login: &str) -> Result<String> {
    let mut connection = Connection::open(at)?;
    let (status, head, body) = connection.visit("GET", door, "", "")?;
    ensure!(status == 200, "{door} answered {status}");
    let mut cookies = BTreeMap::new();
    keep(&mut cookies, &head);
    let body = String::from_utf8_lossy(&body).into_owned();
    let token = body.split_once("name=\"csrf\" value=\"");
    let token = token.and_then(|(_, rest)| rest.split('"').next());
    let token = token.context("the form has no token")?;
    let form = format!("csrf={token}&login={login}&password={PASSWORD}");
    let lines = format!(
        "cookie: {}\r\norigin: http://{at}\r\nhost: {at}\r\ncontent-type: application/x-www-form-urlencoded\r\n",
        said(&cookies)
    );
    let (status, head, _) = connection.visit("POST", door, &lines, &form)?;
    ensure!(status == 303, "signing in was answered {status}");
    keep(&mut cookies, &head);
    Ok(said(&cookies))
}

fn keep(cookies: &mut BTreeMap<String, String>, head: &[String]) {
    for line in head {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let pair = value.trim().split(';').next().unwrap_or_default();
        if name.eq_ignore_ascii_case("set-cookie")
            && let Some((name, value)) = pair.split_once('=')
        {
            cookies.insert(name.to_owned(), value.to_owned());
        }
    }
}

fn said(cookies: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = cookies.iter().map(|(a, b)| format!("{a}={b}")).collect();
    pairs.join("; ")
}

/// What was measured of a page: milliseconds of each time, and its kilobytes.
type Measured = BTreeMap<String, (Vec<f64>, f64)>;

/// Asks for all pages in turns, at set moments whether earlier ones are answered or not: an answer that is late for its moment
/// counts as long as somebody would have waited for it.
fn ask_all(targets: &[Target]) -> Result<Measured> {
    let next = AtomicUsize::new(0);
    let count = targets.len() * (EACH + WARM);
    let began = Instant::now();
    let ask = || -> Result<Vec<(usize, f64, usize)>> {
        let mut connections: BTreeMap<SocketAddr, Connection> = BTreeMap::new();
        let mut measured = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return Ok(measured);
            }
            let which = number % targets.len();
            let target = targets.get(which).context("a page")?;
            let moment = began + Duration::from_secs_f64(number as f64 / A_SECOND);
            std::thread::sleep(moment.saturating_duration_since(Instant::now()));
            let connection = match connections.entry(target.at) {
                Slot::Occupied(open) => open.into_mut(),
                Slot::Vacant(place) => place.insert(Connection::open(target.at)?),
            };
            let lines = format!(
                "host: {}\r\naccept-encoding: gzip\r\ncookie: {}\r\n",
                target.at, target.cookies
            );
            let answer = match connection.visit("GET", &target.path, &lines, "") {
                Ok(answer) => answer,
                // Nobody had used it for so long that the node closed it.
                Err(_) => {
                    *connection = Connection::open(target.at)?;
                    connection.visit("GET", &target.path, &lines, "")?
                }
            };
            let (status, _, body) = answer;
            ensure!(status == 200, "{} answered {status}", target.name);
            if number >= targets.len() * WARM {
                let waited = moment.elapsed().as_secs_f64() * 1000.0;
                measured.push((which, waited, body.len()));
            }
        }
    };
    let all = std::thread::scope(|scope| {
        let askers: Vec<_> = (0..ASKERS).map(|_| scope.spawn(ask)).collect();
        let joined = askers.into_iter().map(|it| match it.join() {
            Ok(outcome) => outcome,
            Err(_) => Err(anyhow::anyhow!("an asker failed")),
        });
        joined.collect::<Result<Vec<_>>>()
    })?;
    let mut measured = Measured::new();
    for (which, milliseconds, bytes) in all.into_iter().flatten() {
        let target = targets.get(which).context("a page")?;
        let one = measured.entry(target.name.clone()).or_default();
        one.0.push(milliseconds);
        one.1 = one.1.max(bytes as f64 / 1000.0);
    }
    Ok(measured)
}
