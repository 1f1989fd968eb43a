//! What the neighbourhood's pages show.

use axum::body::Body;
use axum::response::Response;
use fhir::date::Millis;
use http::{HeaderValue, StatusCode, header};
use minijinja::value::Serde;
use minijinja::{Value, context};
use serde::Serialize;

use super::map::{self, Map};
use super::{Line, Organisation, Picture, SPEEDS, Way};
use crate::page::tongue::Language;
use crate::page::words::{self, Moment};
use crate::page::{environment, headers, teller};
use crate::secret;

#[derive(Serialize)]
struct Frame<'a> {
    title: &'a str,
    organisation: &'static str,
    staff: bool,
    home: &'static str,
    navigation: Vec<Destination>,
    csrf: &'a str,
    nonce: &'a str,
}

#[derive(Serialize)]
struct Destination {
    text: &'static str,
    href: &'static str,
    current: bool,
}

#[derive(Serialize)]
struct Start {
    organisations: Vec<Place>,
    password: &'static str,
    filling: Option<String>,
}

#[derive(Serialize)]
struct Place {
    name: String,
    ods: String,
    pages: String,
    is_up: bool,
    staff: Vec<Someone>,
    patients: Vec<Someone>,
}

#[derive(Serialize)]
struct Someone {
    username: String,
    name: String,
    about: String,
}

#[derive(Serialize)]
struct Network {
    map: Map,
    done: Option<String>,
    fault: Option<String>,
    totals: Vec<Total>,
    settled: bool,
    filling: Option<String>,
    counted: Option<String>,
    rows: Vec<Row>,
    idle: usize,
    nodes: Vec<NodeRow>,
    lines: Vec<Choice>,
    time: String,
    speed: String,
    speeds: Vec<Speed>,
    is_over: bool,
    to_come: usize,
    happened: Vec<Happened>,
}

#[derive(Serialize)]
struct Total {
    name: &'static str,
    count: u64,
    class: &'static str,
}

#[derive(Serialize)]
struct Row {
    from: String,
    to: String,
    sent: u64,
    arrived: u64,
    waiting: u64,
    ended: u64,
    lost: u64,
    last_receipt: Option<Moment>,
    state: &'static str,
}

#[derive(Serialize)]
struct NodeRow {
    ods: String,
    name: String,
    pages: String,
    is_up: bool,
    waiting: u64,
}

#[derive(Serialize)]
struct Choice {
    value: String,
    text: String,
}

#[derive(Serialize)]
struct Speed {
    value: u32,
    text: &'static str,
    current: bool,
}

#[derive(Serialize)]
struct Happened {
    time: String,
    what: String,
}

/// The page that says who can sign in where, and what to try.
pub fn start(picture: &Picture) -> Response {
    let someone = |it: &super::SignIn| Someone {
        username: it.username.clone(),
        name: it.name.clone(),
        about: it.about.clone(),
    };
    let places = picture.organisations.iter().map(|it| Place {
        name: it.name.clone(),
        ods: it.ods.clone(),
        pages: it.pages.clone(),
        is_up: it.is_up,
        staff: it.staff.iter().map(someone).collect(),
        patients: it.patients.iter().map(someone).collect(),
    });
    let view = Start {
        organisations: places.collect(),
        password: "handover-demo",
        filling: filling(picture),
    };
    answer(
        "neighbourhood/start.jinja",
        "Start here",
        "/",
        "",
        StatusCode::OK,
        &view,
    )
}

/// What is said while histories are filled in, or if that stopped.
fn filling(picture: &Picture) -> Option<String> {
    let (done, all) = picture.filled;
    if let Some(why) = &picture.unfilled {
        return Some(format!(
            "Histories are filled in for {} of {} people; it stopped: {why} Start the demo again to go on.",
            counted(done),
            counted(all)
        ));
    }
    (done < all).then(|| {
        format!(
            "Histories are being filled in: {} of {}. The pages work meanwhile.",
            counted(done),
            counted(all)
        )
    })
}

/// With a comma at the thousands.
fn counted(number: u32) -> String {
    match (number / 1000, number % 1000) {
        (0, rest) => rest.to_string(),
        (thousands, rest) => format!("{thousands},{rest:03}"),
    }
}

/// The network's page.
pub fn network(
    picture: &Picture,
    token: &str,
    now: Millis,
    (done, fault): (&str, Option<&str>),
) -> Response {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let all = || picture.lines.iter().flat_map(|line| line.ways.iter());
    let sum = |of: fn(&Way) -> u64| all().map(of).sum::<u64>();
    let (waiting, lost) = (sum(|it| it.waiting), sum(|it| it.lost));
    let rows: Vec<Row> = picture
        .lines
        .iter()
        .flat_map(|line| both(picture, line, now))
        .collect();
    let view = Network {
        map: map::draw(picture),
        done: some(done),
        fault: fault.map(str::to_owned),
        totals: totals(&sum),
        settled: waiting == 0 && lost == 0,
        filling: filling(picture),
        counted: picture.counted_of_each.map(|most| {
            format!(
                "Of each node the newest {} parcels each way are counted; there are more.",
                counted(most)
            )
        }),
        idle: (picture.lines.len() * 2).saturating_sub(rows.len()),
        rows,
        nodes: picture
            .organisations
            .iter()
            .map(|it| node(picture, it))
            .collect(),
        lines: picture.lines.iter().map(|it| choice(picture, it)).collect(),
        time: picture.day.time.clone(),
        speed: SPEEDS
            .iter()
            .find(|it| it.0 == picture.day.speed)
            .map_or_else(|| format!("{}×", picture.day.speed), |it| it.1.to_owned()),
        speeds: SPEEDS
            .map(|(value, text)| Speed {
                value,
                text,
                current: value == picture.day.speed,
            })
            .into(),
        is_over: picture.day.is_over,
        to_come: picture.day.to_come,
        happened: picture
            .day
            .happened
            .iter()
            .map(|(time, what)| Happened {
                time: time.clone(),
                what: what.clone(),
            })
            .collect(),
    };
    let (title, status) = match fault {
        Some(_) => ("Error: The network", StatusCode::UNPROCESSABLE_ENTITY),
        None => ("The network", StatusCode::OK),
    };
    answer(
        "neighbourhood/network.jinja",
        title,
        "/demo",
        token,
        status,
        &view,
    )
}

fn totals(sum: &impl Fn(fn(&Way) -> u64) -> u64) -> Vec<Total> {
    let total = |name, count, class| Total { name, count, class };
    let bad = |count: u64| {
        if count > 0 {
            "net-total net-total--bad"
        } else {
            "net-total"
        }
    };
    let (waiting, lost) = (sum(|it| it.waiting), sum(|it| it.lost));
    let mut all = vec![
        total("sent", sum(|it| it.sent), "net-total"),
        total("arrived", sum(|it| it.arrived), "net-total"),
        total(
            "waiting",
            waiting,
            if waiting > 0 {
                "net-total net-total--waiting"
            } else {
                "net-total"
            },
        ),
        total("lost", lost, bad(lost)),
    ];
    let ended = sum(|it| it.ended);
    if ended > 0 {
        all.push(total("taken back or given up", ended, "net-total"));
    }
    all
}

fn name<'p>(picture: &'p Picture, ods: &'p str) -> &'p str {
    let found = picture.organisations.iter().find(|it| it.ods == ods);
    found.map_or(ods, |it| it.name.as_str())
}

/// The rows of a line: those ways that carried something, or both if it is cut.
fn both(picture: &Picture, line: &Line, now: Millis) -> Vec<Row> {
    let (a, b) = (line.between.0.as_str(), line.between.1.as_str());
    let is_stopped = |ods: &str| {
        picture
            .organisations
            .iter()
            .any(|it| it.ods == ods && !it.is_up)
    };
    let state = match (line.is_cut, is_stopped(a) || is_stopped(b)) {
        (true, _) => "cut",
        (false, true) => "a node is stopped",
        (false, false) => "up",
    };
    let [there, back] = &line.ways;
    let ways = [(a, b, there), (b, a, back)];
    let shown = ways
        .iter()
        .filter(|(_, _, way)| way.sent > 0 || line.is_cut);
    shown
        .map(|(from, to, way)| Row {
            from: name(picture, from).to_owned(),
            to: name(picture, to).to_owned(),
            sent: way.sent,
            arrived: way.arrived,
            waiting: way.waiting,
            ended: way.ended,
            lost: way.lost,
            last_receipt: way.last_receipt.map(|at| words::moment(at, now)),
            state,
        })
        .collect()
}

fn node(picture: &Picture, organisation: &Organisation) -> NodeRow {
    let ods = organisation.ods.as_str();
    let waits = |line: &Line| match (line.between.0 == ods, line.between.1 == ods) {
        (true, _) => line.ways[0].waiting,
        (_, true) => line.ways[1].waiting,
        _ => 0,
    };
    NodeRow {
        ods: organisation.ods.clone(),
        name: organisation.name.clone(),
        pages: organisation.pages.clone(),
        is_up: organisation.is_up,
        waiting: picture.lines.iter().map(waits).sum(),
    }
}

fn choice(picture: &Picture, line: &Line) -> Choice {
    let (a, b) = (&line.between.0, &line.between.1);
    Choice {
        value: format!("{a} {b}"),
        text: format!("{} – {}", name(picture, a), name(picture, b)),
    }
}

fn answer(
    template: &'static str,
    title: &str,
    current: &str,
    token: &str,
    status: StatusCode,
    view: &impl Serialize,
) -> Response {
    let nonce = secret::nonce();
    let destination = |text, href| Destination {
        text,
        href,
        current: href == current,
    };
    let frame = Frame {
        title,
        organisation: "The neighbourhood",
        staff: true,
        home: "/",
        navigation: vec![
            destination("Start here", "/"),
            destination("The network", "/demo"),
        ],
        csrf: token,
        nonce: &nonce,
    };
    let frame = environment::without_nulls(Value::from(Serde(&frame)));
    let view = environment::without_nulls(Value::from(Serde(view)));
    let found = environment::environment().get_template(template);
    let html = found.and_then(|it| {
        it.render(context! { page => frame, view => view, tell => teller(Language::English) })
    });
    let (status, body, kind) = match html {
        Ok(html) => (status, html, "text/html; charset=utf-8"),
        Err(error) => {
            tracing::error!(template, %error, "a page failed");
            let said = "The page could not be made. Reload it.\n".to_owned();
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                said,
                "text/plain; charset=utf-8",
            )
        }
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    headers::allow_scripts(response.headers_mut(), &nonce);
    response
}
