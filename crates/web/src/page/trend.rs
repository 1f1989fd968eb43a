//! A trend as a drawing: where each point lies, and what the axes say. Pure: the template (`trend-parts.jinja`) writes it as SVG,
//! with every text escaped, and the same figures stand in a table beside it.

use fhir::date::Millis;
use serde::Serialize;

use crate::page::words;

/// A figure at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub at: Millis,
    pub value: f64,
    /// Outside what is usual, by whoever measured it.
    pub abnormal: bool,
}

/// What is usual: from, to; either may be open.
pub type Range = (Option<f64>, Option<f64>);

/// The drawing, in units of the SVG's view box.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Drawing {
    pub id: String,
    pub title: String,
    pub description: String,
    pub width: i64,
    pub height: i64,
    /// The line's corners, as `points` of a polyline.
    pub line: String,
    pub dots: Vec<Dot>,
    /// Top and height of the band of what is usual.
    pub band: Option<(f64, f64)>,
    pub left: f64,
    pub inner: f64,
    pub bottom: f64,
    /// Figures beside the axis: where, and what.
    pub marks: Vec<(f64, String)>,
    /// The first and the last day.
    pub from: String,
    pub to: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Dot {
    pub x: f64,
    pub y: f64,
    pub abnormal: bool,
}

const WIDTH: i64 = 480;
const HEIGHT: i64 = 140;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const FOOT: f64 = 24.0;
/// Points drawn at most; the newest.
pub const POINTS_MAX: usize = 200;

/// A figure without needless digits.
pub fn figure(value: f64) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    match text {
        "-0" | "" => "0".to_owned(),
        text => text.to_owned(),
    }
}

/// Draws the points, oldest first. `None` for fewer than two: one point is no trend. What is no number is left out.
pub fn draw(
    id: &str,
    (title, unit): (&str, &str),
    points: &[Point],
    range: Option<Range>,
) -> Option<Drawing> {
    let mut points: Vec<Point> = points
        .iter()
        .filter(|it| it.value.is_finite())
        .copied()
        .collect();
    points.sort_by_key(|it| it.at);
    let start = points.len().saturating_sub(POINTS_MAX);
    let points = points.get(start..).unwrap_or_default();
    let (first, last) = match points {
        [first, .., last] => (*first, *last),
        _ => return None,
    };
    let (low, high) = range.unwrap_or((None, None));
    let ends = points.iter().map(|it| it.value);
    let bounds = ends.chain(low).chain(high);
    let (least, most) = bounds.fold((f64::MAX, f64::MIN), |(a, b), it| (a.min(it), b.max(it)));
    let span = if most > least { most - least } else { 1.0 };
    let (floor, ceiling) = (least - span * 0.08, most + span * 0.08);
    let inner = WIDTH as f64 - LEFT - RIGHT;
    let bottom = HEIGHT as f64 - FOOT;
    let y = |value: f64| round(bottom - (value - floor) / (ceiling - floor) * (bottom - TOP));
    let time = (last.at - first.at).max(1) as f64;
    let x = |at: Millis| round(LEFT + (at - first.at) as f64 / time * inner);
    let dots: Vec<Dot> = points
        .iter()
        .map(|it| Dot {
            x: x(it.at),
            y: y(it.value),
            abnormal: it.abnormal,
        })
        .collect();
    let corner = |it: &Dot| format!("{},{}", it.x, it.y);
    let line: Vec<String> = dots.iter().map(corner).collect();
    let band = range.filter(|it| *it != (None, None)).map(|_| {
        let top = high.map_or(TOP, y);
        let foot = low.map_or(bottom, y);
        (top, round((foot - top).max(0.0)))
    });
    let day = |at: Millis| words::date(at).short;
    let said = figure;
    Some(Drawing {
        id: id.to_owned(),
        title: title.to_owned(),
        description: format!(
            "{} figures from {} to {}, in {}: the first {}, the last {}, the least {}, the most {}.{}",
            points.len(),
            day(first.at),
            day(last.at),
            if unit.is_empty() { "no unit" } else { unit },
            said(first.value),
            said(last.value),
            said(points.iter().map(|it| it.value).fold(f64::MAX, f64::min)),
            said(points.iter().map(|it| it.value).fold(f64::MIN, f64::max)),
            match (low, high) {
                (Some(low), Some(high)) => format!(" Usual: {} to {}.", said(low), said(high)),
                (Some(low), None) => format!(" Usual: {} or more.", said(low)),
                (None, Some(high)) => format!(" Usual: {} or less.", said(high)),
                (None, None) => String::new(),
            }
        ),
        width: WIDTH,
        height: HEIGHT,
        line: line.join(" "),
        dots,
        band,
        left: LEFT,
        inner,
        bottom,
        marks: vec![(y(most), said(most)), (y(least), said(least))],
        from: day(first.at),
        to: day(last.at),
    })
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(at: Millis, value: f64) -> Point {
        Point {
            at,
            value,
            abnormal: false,
        }
    }

    #[test]
    fn one_figure_is_no_trend_and_what_is_no_number_is_left_out() {
        let named = ("Potassium", "mmol/L");
        assert_eq!(draw("a", named, &[point(0, 4.0)], None), None);
        let odd = [point(0, 4.0), point(1, f64::NAN)];
        assert_eq!(draw("a", named, &odd, None), None);
    }

    #[test]
    fn later_lies_further_right_and_more_lies_higher() {
        let day = 86_400_000;
        let points = [point(2 * day, 5.0), point(0, 4.0), point(day, 4.5)];
        let range = Some((Some(3.5), Some(5.3)));
        let drawn = draw("a", ("Potassium", "mmol/L"), &points, range).unwrap();
        assert!(drawn.dots.windows(2).all(|it| it[0].x < it[1].x));
        assert!(drawn.dots.windows(2).all(|it| it[0].y > it[1].y));
        let (top, height) = drawn.band.unwrap();
        let inside = |it: &Dot| it.y >= top && it.y <= top + height;
        assert!(drawn.dots.iter().all(inside));
        assert!(
            drawn.description.contains("3 figures") && drawn.description.contains("3.5 to 5.3")
        );
    }

    #[test]
    fn figures_have_no_needless_digits() {
        assert_eq!(figure(4.50), "4.5");
        assert_eq!(figure(120.0), "120");
        assert_eq!(figure(-0.0), "0");
        assert_eq!(figure(0.1 + 0.2), "0.3");
    }
}
