//! The network as a drawing: the hospital in the middle, the others around it, lines between them.

use serde::Serialize;

use super::{Line, Organisation, Picture, Way};

/// The drawing's size.
const WIDTH: f64 = 660.0;
const HEIGHT: f64 = 560.0;
/// How far the others stand from the middle.
const ACROSS: f64 = 248.0;
const DOWN: f64 = 224.0;
/// Parcels drawn on their way at a time, one way of one line.
const DRAWN_MAX: u64 = 4;

/// What is drawn.
#[derive(Debug, Default, Serialize)]
pub struct Map {
    pub width: String,
    pub height: String,
    pub lines: Vec<Drawn>,
    pub nodes: Vec<Node>,
    /// The same in a sentence or two.
    pub says: String,
}

/// A line.
#[derive(Debug, Serialize)]
pub struct Drawn {
    pub path: String,
    pub class: &'static str,
    /// The middle, where a cut is marked.
    pub cut_at: Option<(String, String)>,
    /// Where so many wait.
    pub waiting: Vec<(String, String, u64)>,
    /// Parcels that have just gone over it: path and delay in seconds.
    pub moving: Vec<(String, String)>,
}

/// An organisation.
#[derive(Debug, Serialize)]
pub struct Node {
    pub x: String,
    pub y: String,
    pub name: String,
    pub says: &'static str,
    pub class: &'static str,
}

type Point = (f64, f64);

fn text(value: f64) -> String {
    format!("{value:.0}")
}

/// Where the organisation at that place of the list stands: the first in the middle.
fn place(at: usize, all: usize) -> Point {
    let middle = (WIDTH / 2.0, HEIGHT / 2.0);
    if at == 0 {
        return middle;
    }
    let small = |value: usize| f64::from(u16::try_from(value).unwrap_or(u16::MAX));
    let turn = small(at - 1) / small(all.saturating_sub(1).max(1)) * std::f64::consts::TAU;
    let angle = turn - std::f64::consts::FRAC_PI_2;
    (
        middle.0 + ACROSS * angle.cos(),
        middle.1 + DOWN * angle.sin(),
    )
}

/// Draws it.
pub fn draw(picture: &Picture) -> Map {
    let all = picture.organisations.len();
    let at = |ods: &str| picture.organisations.iter().position(|it| it.ods == ods);
    let lines = picture.lines.iter().filter_map(|line| {
        let (a, b) = (at(&line.between.0)?, at(&line.between.1)?);
        drawn(line, place(a, all), place(b, all))
    });
    let nodes = picture.organisations.iter().enumerate();
    Map {
        width: text(WIDTH),
        height: text(HEIGHT),
        lines: lines.collect(),
        nodes: nodes
            .map(|(number, it)| node(it, place(number, all)))
            .collect(),
        says: says(picture),
    }
}

fn node(organisation: &Organisation, (x, y): Point) -> Node {
    Node {
        x: text(x),
        y: text(y),
        name: organisation.short.clone(),
        says: if organisation.is_up { "up" } else { "stopped" },
        class: if organisation.is_up {
            "net-node"
        } else {
            "net-node net-node--stopped"
        },
    }
}

/// A line that carried something, or is cut; others would only be in the way.
fn drawn(line: &Line, a: Point, b: Point) -> Option<Drawn> {
    let carried = line.ways.iter().any(|way| way.sent > 0);
    if !carried && !line.is_cut {
        return None;
    }
    let way = |(ax, ay): Point, (bx, by): Point| {
        format!("M{} {}L{} {}", text(ax), text(ay), text(bx), text(by))
    };
    let between = |from: Point, to: Point, share: f64| {
        (
            from.0 + (to.0 - from.0) * share,
            from.1 + (to.1 - from.1) * share,
        )
    };
    let ends = [(a, b), (b, a)];
    let mut waiting = Vec::new();
    let mut moving = Vec::new();
    for (
        Way {
            waiting: wait,
            lately,
            ..
        },
        (from, to),
    ) in line.ways.iter().zip(ends)
    {
        if *wait > 0 {
            let (x, y) = between(from, to, 0.34);
            waiting.push((text(x), text(y), *wait));
        }
        for number in 0..(*lately).min(DRAWN_MAX) {
            let small = f64::from(u16::try_from(number).unwrap_or(0));
            moving.push((way(from, to), format!("{:.2}", small * 0.35)));
        }
    }
    let cut = between(a, b, 0.5);
    Some(Drawn {
        path: way(a, b),
        class: if line.is_cut {
            "net-line net-line--cut"
        } else {
            "net-line"
        },
        cut_at: line.is_cut.then(|| (text(cut.0), text(cut.1))),
        waiting,
        moving,
    })
}

fn says(picture: &Picture) -> String {
    let stopped = picture.organisations.iter().filter(|it| !it.is_up).count();
    let cut = picture.lines.iter().filter(|it| it.is_cut).count();
    format!(
        "{} organisations, {stopped} of them stopped, and the lines between them, {cut} of them cut. The table \
         below has the same facts.",
        picture.organisations.len()
    )
}
