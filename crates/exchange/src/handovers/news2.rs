//! The National Early Warning Score 2 of the Royal College of Physicians (2017): what each measurement counts, and what the sum
//! means. <https://www.rcp.ac.uk/improving-care/resources/national-early-warning-score-news-2/>
//!
//! Invariant: a score of which a part is missing is no score: it is named as incomplete, with what is missing.

use super::text::{Consciousness, Observations};

/// What a score calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    /// 0 to 4.
    Low,
    /// 0 to 4, and 3 in one part.
    LowMedium,
    /// 5 or 6.
    Medium,
    /// 7 or more.
    High,
}

/// One part. `points` is none for what was not measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub name: &'static str,
    pub value: String,
    pub points: Option<u32>,
}

/// What the parts come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Total {
    Whole {
        points: u32,
        risk: Risk,
    },
    /// Something was not measured. What was comes to that much, to which what is missing may add.
    Incomplete {
        at_least: u32,
        missing: Vec<&'static str>,
    },
    /// It is not for children under 16.
    NotForChildren,
}

/// The parts, and what they come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Score {
    pub parts: Vec<Part>,
    pub total: Total,
}

/// From which age it counts.
const AGE_LEAST: u32 = 16;

fn breaths(rate: u32) -> u32 {
    match rate {
        0..=8 => 3,
        9..=11 => 1,
        12..=20 => 0,
        21..=24 => 2,
        _ => 3,
    }
}

fn saturation(scale: u32, percent: u32, on_oxygen: bool) -> u32 {
    match scale {
        2 => match percent {
            0..=83 => 3,
            84..=85 => 2,
            86..=87 => 1,
            88..=92 => 0,
            _ if !on_oxygen => 0,
            93..=94 => 1,
            95..=96 => 2,
            _ => 3,
        },
        _ => match percent {
            0..=91 => 3,
            92..=93 => 2,
            94..=95 => 1,
            _ => 0,
        },
    }
}

fn pressure(systolic: u32) -> u32 {
    match systolic {
        0..=90 => 3,
        91..=100 => 2,
        101..=110 => 1,
        111..=219 => 0,
        _ => 3,
    }
}

fn beats(pulse: u32) -> u32 {
    match pulse {
        0..=40 => 3,
        41..=50 => 1,
        51..=90 => 0,
        91..=110 => 1,
        111..=130 => 2,
        _ => 3,
    }
}

fn warmth(tenths: u32) -> u32 {
    match tenths {
        0..=350 => 3,
        351..=360 => 1,
        361..=380 => 0,
        381..=390 => 1,
        _ => 2,
    }
}

/// The score of what was measured at one time. `age` in years, if it is known.
pub fn score(of: &Observations, age: Option<u32>) -> Score {
    // By scale 2 high saturations count by whether oxygen is given: without that the part is missing.
    let by_oxygen = of.scale == 2 && of.oxygen_saturation.is_some_and(|it| it > 92);
    let saturation = match (of.oxygen_saturation, of.on_oxygen) {
        (Some(_), None) if by_oxygen => None,
        (percent, on) => percent.map(|it| saturation(of.scale, it, on.unwrap_or_default())),
    };
    let part = |name, value: Option<String>, points| Part {
        name,
        value: value.unwrap_or_else(|| "not measured".to_owned()),
        points,
    };
    let number = |it: Option<u32>, unit: &str| it.map(|it| format!("{it}{unit}"));
    let parts = vec![
        part(
            "Respiratory rate",
            number(of.respiratory_rate, " a minute"),
            of.respiratory_rate.map(breaths),
        ),
        part(
            match of.scale {
                2 => "Oxygen saturation, scale 2",
                _ => "Oxygen saturation, scale 1",
            },
            number(of.oxygen_saturation, " %"),
            saturation,
        ),
        part(
            "Air or oxygen",
            of.on_oxygen.map(|on| match on {
                true => "oxygen".to_owned(),
                false => "air".to_owned(),
            }),
            of.on_oxygen.map(|on| if on { 2 } else { 0 }),
        ),
        part(
            "Systolic blood pressure",
            number(of.systolic, " mmHg"),
            of.systolic.map(pressure),
        ),
        part("Pulse", number(of.pulse, " a minute"), of.pulse.map(beats)),
        part(
            "Consciousness",
            of.consciousness.map(|it| it.words().to_owned()),
            of.consciousness
                .map(|it| if it == Consciousness::Alert { 0 } else { 3 }),
        ),
        part(
            "Temperature",
            of.temperature
                .map(|it| format!("{}.{} °C", it / 10, it % 10)),
            of.temperature.map(warmth),
        ),
    ];
    let total = match age {
        Some(0..AGE_LEAST) => Total::NotForChildren,
        _ => total(&parts),
    };
    Score { parts, total }
}

fn total(parts: &[Part]) -> Total {
    let points: u32 = parts.iter().filter_map(|it| it.points).sum();
    let missing = parts.iter().filter(|it| it.points.is_none());
    let missing: Vec<&'static str> = missing.map(|it| it.name).collect();
    if !missing.is_empty() {
        return Total::Incomplete {
            at_least: points,
            missing,
        };
    }
    let risk = match points {
        7.. => Risk::High,
        5..=6 => Risk::Medium,
        _ if parts.iter().any(|it| it.points == Some(3)) => Risk::LowMedium,
        _ => Risk::Low,
    };
    Total::Whole { points, risk }
}

/// By what a board orders: more is worse. What is not known is not taken for little: it stands with the score of 5.
pub fn weight(newest: Option<&Observations>, age: Option<u32>) -> u32 {
    const UNKNOWN: u32 = 50;
    match newest.map(|it| score(it, age).total) {
        Some(Total::Whole { points, risk }) => match risk {
            Risk::LowMedium => points * 10 + 5,
            _ => points * 10,
        },
        Some(Total::Incomplete { at_least, .. }) => (at_least * 10).max(UNKNOWN),
        Some(Total::NotForChildren) | None => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn well() -> Observations {
        Observations {
            respiratory_rate: Some(16),
            oxygen_saturation: Some(98),
            on_oxygen: Some(false),
            systolic: Some(120),
            pulse: Some(70),
            consciousness: Some(Consciousness::Alert),
            temperature: Some(370),
            ..Observations::at(0)
        }
    }

    /// The chart as it is published: from each value on, so many points, up to the next.
    fn holds(name: &str, chart: &[(u32, u32)], points: impl Fn(u32) -> u32) {
        for (at, (from, expected)) in chart.iter().enumerate() {
            assert_eq!(points(*from), *expected, "{name} {from}");
            if let Some((next, _)) = chart.get(at + 1) {
                assert_eq!(points(next - 1), *expected, "{name} {}", next - 1);
            }
        }
    }

    #[test]
    fn each_measurement_counts_as_published_on_both_sides_of_each_threshold() {
        holds(
            "breaths",
            &[(0, 3), (9, 1), (12, 0), (21, 2), (25, 3), (90, 3)],
            breaths,
        );
        holds(
            "scale 1",
            &[(0, 3), (92, 2), (94, 1), (96, 0), (100, 0)],
            |it| saturation(1, it, true),
        );
        holds(
            "scale 2 on air",
            &[(0, 3), (84, 2), (86, 1), (88, 0), (93, 0), (100, 0)],
            |it| saturation(2, it, false),
        );
        holds(
            "scale 2 on oxygen",
            &[
                (0, 3),
                (84, 2),
                (86, 1),
                (88, 0),
                (93, 1),
                (95, 2),
                (97, 3),
                (100, 3),
            ],
            |it| saturation(2, it, true),
        );
        holds(
            "systolic",
            &[(0, 3), (91, 2), (101, 1), (111, 0), (220, 3), (300, 3)],
            pressure,
        );
        holds(
            "pulse",
            &[
                (0, 3),
                (41, 1),
                (51, 0),
                (91, 1),
                (111, 2),
                (131, 3),
                (250, 3),
            ],
            beats,
        );
        holds(
            "temperature",
            &[(150, 3), (351, 1), (361, 0), (381, 1), (391, 2), (420, 2)],
            warmth,
        );
    }

    #[test]
    fn the_sum_and_one_part_of_three_say_how_urgent_it_is() {
        let total = |change: fn(&mut Observations)| {
            let mut it = well();
            change(&mut it);
            match score(&it, Some(40)).total {
                Total::Whole { points, risk } => (points, risk),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(total(|_| {}), (0, Risk::Low));
        assert_eq!(total(|it| it.on_oxygen = Some(true)), (2, Risk::Low));
        for other in &Consciousness::ALL[1..] {
            let it = Observations {
                consciousness: Some(*other),
                ..well()
            };
            let expected = Total::Whole {
                points: 3,
                risk: Risk::LowMedium,
            };
            assert_eq!(score(&it, None).total, expected, "{other:?}");
        }
        let four = total(|it| (it.respiratory_rate, it.on_oxygen) = (Some(21), Some(true)));
        assert_eq!(four, (4, Risk::Low));
        let five = total(|it| {
            (it.respiratory_rate, it.consciousness) = (Some(21), Some(Consciousness::Voice))
        });
        assert_eq!(five, (5, Risk::Medium));
        let six = total(|it| (it.pulse, it.systolic) = (Some(131), Some(90)));
        assert_eq!(six, (6, Risk::Medium));
        let seven =
            total(|it| (it.pulse, it.systolic, it.temperature) = (Some(131), Some(90), Some(360)));
        assert_eq!(seven, (7, Risk::High));
    }

    #[test]
    fn a_score_of_which_a_part_is_missing_is_incomplete_and_never_a_number_or_low() {
        type Take = fn(&mut Observations);
        let without: [(&str, Take); 7] = [
            ("Respiratory rate", |it| it.respiratory_rate = None),
            ("Oxygen saturation, scale 1", |it| {
                it.oxygen_saturation = None
            }),
            ("Air or oxygen", |it| it.on_oxygen = None),
            ("Systolic blood pressure", |it| it.systolic = None),
            ("Pulse", |it| it.pulse = None),
            ("Consciousness", |it| it.consciousness = None),
            ("Temperature", |it| it.temperature = None),
        ];
        for (name, take) in without {
            let mut it = well();
            take(&mut it);
            let expected = Total::Incomplete {
                at_least: 0,
                missing: vec![name],
            };
            assert_eq!(score(&it, None).total, expected);
            assert!(weight(Some(&it), None) > weight(Some(&well()), None));
        }
        // High by scale 2, with nobody saying whether oxygen is given.
        let it = Observations {
            scale: 2,
            on_oxygen: None,
            ..well()
        };
        let Total::Incomplete { missing, .. } = score(&it, None).total else {
            panic!("it counts by what is not known");
        };
        assert_eq!(missing, ["Oxygen saturation, scale 2", "Air or oxygen"]);
        assert_eq!(score(&well(), Some(15)).total, Total::NotForChildren);
        assert_ne!(score(&well(), Some(16)).total, Total::NotForChildren);
        assert_eq!(weight(None, None), 50, "no observations are not low");
    }
}
