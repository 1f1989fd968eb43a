//! How results of one kind went over time, as a drawing and as the same figures. Each unit has a drawing of its own: numbers
//! in different units are never put beside each other.

use fhir::date::Millis;
use serde::Serialize;

use super::entries::Entry;
use super::results::Range;

/// Points of one drawing; the newest go first.
pub const POINTS_MAX: usize = 60;
/// Drawings of one kind of result: as many as there are units.
const UNITS_MAX: usize = 8;
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 32.0;

/// Results of one kind in one unit, oldest first.
#[derive(Clone, Debug)]
pub struct Series<'e> {
    pub unit: String,
    pub entries: Vec<&'e Entry>,
    /// There are older ones than are drawn.
    pub is_cut: bool,
}

/// A drawing, in units of its view box.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Drawing {
    pub width: i64,
    pub height: i64,
    pub left: i64,
    pub right: i64,
    pub bottom: i64,
    pub points: Vec<Point>,
    /// The points, as `polyline` takes them.
    pub line: String,
    /// The range, where all results have the same: its top edge and its height.
    pub band: Option<(i64, i64)>,
    pub ticks: Vec<Tick>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Point {
    pub x: i64,
    pub y: i64,
    pub corrected: bool,
}

/// A line across, with its number.
#[derive(Clone, Debug, Serialize)]
pub struct Tick {
    pub y: i64,
    pub text: String,
}

/// The results of that kind that are numbers, by unit: the unit of the newest first.
pub fn series<'e>(entries: impl Iterator<Item = &'e Entry>) -> Vec<Series<'e>> {
    let mut found: Vec<Series<'e>> = Vec::new();
    for entry in entries {
        let Some(result) = &entry.result else {
            continue;
        };
        if result.number.is_none() || result.is_void || entry.at.is_none() {
            continue;
        }
        if let Some(series) = found.iter_mut().find(|it| it.unit == result.unit) {
            series.entries.push(entry);
        } else if found.len() < UNITS_MAX {
            found.push(Series {
                unit: result.unit.clone(),
                entries: vec![entry],
                is_cut: false,
            });
        }
    }
    for series in &mut found {
        series.entries.sort_by_key(|it| std::cmp::Reverse(it.at));
        series.is_cut = series.entries.len() > POINTS_MAX;
        series.entries.truncate(POINTS_MAX);
        series.entries.reverse();
    }
    found.sort_by_key(|it| std::cmp::Reverse(it.entries.last().and_then(|it| it.at)));
    found
}

/// The range of a series, where all its results were given the same.
pub fn range<'e>(series: &Series<'e>) -> Option<&'e Range> {
    let mut ranges = series
        .entries
        .iter()
        .map(|it| it.result.as_ref().and_then(|it| it.range.as_ref()));
    let first = ranges.next().flatten()?;
    ranges.all(|it| it == Some(first)).then_some(first)
}

/// Draws a series of two results or more.
pub fn draw(series: &Series<'_>) -> Option<Drawing> {
    let numbers: Vec<(Millis, f64, bool)> = series
        .entries
        .iter()
        .filter_map(|it| {
            let result = it.result.as_ref()?;
            Some((it.at?, result.number?, result.is_corrected))
        })
        .collect();
    let (first, last) = (numbers.first()?, numbers.last()?);
    if numbers.len() < 2 {
        return None;
    }
    let range = range(series).filter(|it| it.low.is_some() || it.high.is_some());
    let bounds = range.map(|it| [it.low, it.high]).unwrap_or_default();
    let all = || {
        let values = numbers.iter().map(|it| it.1);
        values.chain(bounds.into_iter().flatten())
    };
    let (low, high) = around(
        all().fold(f64::MAX, f64::min),
        all().fold(f64::MIN, f64::max),
    );
    let y = |value: f64| {
        let share = (value - low) / (high - low);
        whole(TOP + (1.0 - share) * (HEIGHT - TOP - BOTTOM))
    };
    let span = last.0.saturating_sub(first.0).max(1);
    let x = |at: Millis| {
        let share = at.saturating_sub(first.0) as f64 / span as f64;
        whole(LEFT + share * (WIDTH - LEFT - RIGHT))
    };
    let points: Vec<Point> = numbers
        .iter()
        .map(|(at, value, corrected)| Point {
            x: x(*at),
            y: y(*value),
            corrected: *corrected,
        })
        .collect();
    let pairs: Vec<String> = points
        .iter()
        .map(|it| format!("{},{}", it.x, it.y))
        .collect();
    let band = range.map(|it| {
        let top = it.high.map_or(whole(TOP), &y);
        let bottom = it.low.map_or(whole(HEIGHT - BOTTOM), &y);
        (top, bottom - top)
    });
    let middle = low + (high - low) / 2.0;
    let tick = |value: f64| Tick {
        y: y(value),
        text: short(value),
    };
    Some(Drawing {
        width: whole(WIDTH),
        height: whole(HEIGHT),
        left: whole(LEFT),
        right: whole(WIDTH - RIGHT),
        bottom: whole(HEIGHT - BOTTOM),
        line: pairs.join(" "),
        points,
        band: band.filter(|it| it.1 > 0),
        ticks: [low, middle, high].map(tick).to_vec(),
    })
}

/// Some room below and above.
fn around(low: f64, high: f64) -> (f64, f64) {
    let room = match high - low {
        none if none.abs() < f64::EPSILON => high.abs().max(1.0) * 0.1,
        some => some * 0.1,
    };
    // What cannot be below nothing is not drawn so.
    let floor = if low >= 0.0 { 0.0 } else { f64::MIN };
    ((low - room).max(floor), high + room)
}

fn whole(number: f64) -> i64 {
    // Within the drawing, so it fits.
    number.round() as i64
}

fn short(number: f64) -> String {
    match number.abs() {
        large if large >= 100.0 => format!("{number:.0}"),
        middle if middle >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(day: u8, value: f64, unit: &str, status: &str) -> Entry {
        Entry::read(
            &json!({"resourceType": "Observation", "id": day.to_string(), "status": status,
            "code": {"text": "Haemoglobin"}, "effectiveDateTime": format!("2026-01-{day:02}"),
            "valueQuantity": {"value": value, "unit": unit},
            "referenceRange": [{"low": {"value": 115, "unit": "g/L"}, "high": {"value": 165, "unit": "g/L"}}]}),
        )
    }

    #[test]
    fn numbers_in_different_units_are_never_in_one_drawing() {
        let entries = [
            entry(1, 11.0, "g/dL", "final"),
            entry(2, 112.0, "g/L", "final"),
            entry(3, 11.6, "g/dL", "final"),
            entry(4, 118.0, "g/L", "corrected"),
            entry(5, 500.0, "g/L", "entered-in-error"),
        ];
        let series = series(entries.iter());
        let told: Vec<(&str, usize)> = series
            .iter()
            .map(|it| (it.unit.as_str(), it.entries.len()))
            .collect();
        assert_eq!(
            told,
            [("g/L", 2), ("g/dL", 2)],
            "the newest unit first, and no mistake"
        );
        let drawing = draw(&series[0]).unwrap();
        assert_eq!(drawing.points.len(), 2);
        assert!(drawing.points[1].corrected && drawing.points[1].y < drawing.points[0].y);
        assert!(drawing.band.is_some());
        // The range is in g/L: it is drawn behind no numbers in g/dL.
        assert!(draw(&series[1]).unwrap().band.is_none());
    }

    #[test]
    fn one_result_is_no_trend_and_many_are_bounded() {
        let one = [entry(1, 112.0, "g/L", "final")];
        assert!(draw(&series(one.iter())[0]).is_none());
        let many: Vec<Entry> = (0..80).map(|_| entry(1, 112.0, "g/L", "final")).collect();
        let cut = &series(many.iter())[0];
        assert!(cut.is_cut && cut.entries.len() == POINTS_MAX);
        assert!(draw(cut).is_some(), "all alike is drawn too");
    }
}
