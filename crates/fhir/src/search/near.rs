//! `near` (<https://hl7.org/fhir/R4/location.html#search>): how far a Location is from a place, along the
//! earth's surface. A place is a point of the sphere of radius 1, so that "not farther than" is a sum
//! of squares, which every database knows.

use super::clause::{Criterion, Numbers};
use super::value::{Entry, Value};
use crate::json::Json;
use crate::problem::{Kind, Problem};

/// The parameter's code.
pub(super) const CODE: &str = "near";

/// The earth's mean radius in metres (International Union of Geodesy and Geophysics).
const EARTH_METRES: f64 = 6_371_008.8;

/// What "near" means where no distance is given, in metres.
const METRES_DEFAULT: f64 = 5_000.0;

/// Half way round the earth: nothing is farther.
const METRES_MAX: f64 = 20_040_000.0;

/// The units that a distance may be in, by UCUM's code and the common English one, in metres.
const UNITS: &[(&str, f64)] = &[
    ("km", 1_000.0),
    ("m", 1.0),
    ("[mi_i]", 1_609.344),
    ("mi", 1_609.344),
    ("[mi_us]", 1_609.347_218_694),
    ("[nmi_i]", 1_852.0),
    ("[ft_i]", 0.3048),
    ("[yd_i]", 0.9144),
    ("cm", 0.01),
    ("dm", 0.1),
];

/// A point of the sphere: of this latitude and longitude, in degrees.
fn point(latitude: f64, longitude: f64) -> Option<[f64; 3]> {
    if !(-90.0..=90.0).contains(&latitude) || !(-180.0..=180.0).contains(&longitude) {
        return None;
    }
    let (latitude, longitude) = (latitude.to_radians(), longitude.to_radians());
    let across = latitude.cos();
    Some([
        across * longitude.cos(),
        across * longitude.sin(),
        latitude.sin(),
    ])
}

/// The entry of a Location that says where it is.
pub(super) fn entry(location: &Json<'_>) -> Option<Entry> {
    let position = location.get("position")?;
    let degrees = |name| position.get(name)?.as_number()?.parse::<f64>().ok();
    let [x, y, z] = point(degrees("latitude")?, degrees("longitude")?)?;
    let pair = |low, high| Value::Quantity {
        low,
        high,
        system: None,
        code: None,
    };
    Some(Entry {
        code: CODE,
        value: Value::Composite(vec![Value::Uri(String::new()), pair(x, y), pair(z, 0.0)]),
    })
}

/// `latitude|longitude|distance|units`, the last two as wished; without units it is kilometres.
pub(super) fn criterion(parts: &[String]) -> Result<Criterion, Problem> {
    let wrong = |what: &str| Problem::new(Kind::Value, format!("near {what}."));
    let (Some(latitude), Some(longitude), true) = (parts.first(), parts.get(1), parts.len() <= 4)
    else {
        return Err(wrong("is latitude|longitude|distance|units"));
    };
    let number = |text: &str| text.parse::<f64>().ok().filter(|it| it.is_finite());
    let at = number(latitude)
        .zip(number(longitude))
        .and_then(|(latitude, longitude)| point(latitude, longitude))
        .ok_or_else(|| {
            wrong("begins with a latitude from -90 to 90 and a longitude from -180 to 180, in degrees")
        })?;
    let text = |place: usize| {
        parts
            .get(place)
            .map(String::as_str)
            .filter(|it| !it.is_empty())
    };
    let metres = match text(2) {
        None => METRES_DEFAULT,
        Some(distance) => {
            let unit = text(3).unwrap_or("km");
            let known = UNITS.iter().find(|(name, _)| *name == unit);
            let (_, metres) = known.ok_or_else(|| {
                let names: Vec<&str> = UNITS.iter().map(|(name, _)| *name).collect();
                wrong(&format!(
                    "has units that are not known: it knows {}",
                    names.join(", ")
                ))
            })?;
            let distance = number(distance).filter(|it| *it >= 0.0);
            distance.ok_or_else(|| wrong("has a distance that is no number from 0"))? * metres
        }
    };
    // The straight line through the earth between two places that far apart.
    let angle = metres.min(METRES_MAX) / EARTH_METRES;
    let chord = 2.0 * (angle.min(std::f64::consts::PI) / 2.0).sin();
    // A millimetre for what reckoning loses.
    let chord = chord + 0.001 / EARTH_METRES;
    Ok(Criterion::Near {
        at,
        square: chord * chord,
        height: Numbers {
            from: at.get(2).map(|height| height - chord),
            above_from: false,
            before: at.get(2).map(|height| height + chord),
            up_to_before: true,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Limits, parse};

    /// Whether a Location there is found.
    fn finds(asked: &str, latitude: f64, longitude: f64) -> bool {
        let parts: Vec<String> = asked.split('|').map(str::to_string).collect();
        let Criterion::Near { at, square, height } = criterion(&parts).unwrap() else {
            panic!()
        };
        let here = point(latitude, longitude).unwrap();
        let sum: f64 = here.iter().zip(at).map(|(a, b)| (a - b) * (a - b)).sum();
        let within = height.from.unwrap() <= here[2] && here[2] <= height.before.unwrap();
        assert!(within || sum > square, "the band holds all that is near");
        sum <= square
    }

    #[test]
    fn a_distance_is_along_the_surface_in_its_units() {
        // From Leeds Bridge to York Minster it is 35.4 km.
        let leeds = "53.7940|-1.5397";
        let york = (53.9623, -1.0819);
        for (distance, expected) in [
            ("|36|km", true),
            ("|35|km", false),
            ("|36", true),
            ("|36000|m", true),
            ("|35000|m", false),
            ("|22.1|[mi_i]", true),
            ("|21.5|mi", false),
            ("", false),
            ("||km", false),
            ("|30000|km", true),
        ] {
            let asked = format!("{leeds}{distance}");
            assert_eq!(finds(&asked, york.0, york.1), expected, "{asked}");
        }
        assert!(finds("51.5|0|0|km", 51.5, 0.0), "just there");
        assert!(finds("0|179.9|30|km", 0.0, -179.9), "over the date line");
        assert!(finds("89.9|0|30|km", 89.9, 180.0), "over the pole");
        assert!(!finds("0|0|19000|km", 0.0, 179.0));
        assert!(finds("51.500000|0|2|m", 51.500_017, 0.0));
        assert!(!finds("51.500000|0|1|m", 51.500_017, 0.0));
    }

    #[test]
    fn what_is_no_place_or_distance_is_refused_by_name() {
        for asked in [
            "",
            "1",
            "91|0",
            "0|181",
            "x|y",
            "0|0|-1|km",
            "0|0|1|parsec",
            "0|0|1|km|5",
            "NaN|0",
        ] {
            let parts: Vec<String> = asked.split('|').map(str::to_string).collect();
            let refused = criterion(&parts).unwrap_err();
            assert_eq!(refused.kind, Kind::Value, "{asked}");
            assert!(refused.message.starts_with("near "), "{}", refused.message);
        }
    }

    #[test]
    fn only_a_location_with_a_position_has_an_entry() {
        let of = |text: &str| entry(&parse(text.as_bytes(), &Limits::default()).unwrap());
        let at = r#"{"resourceType":"Location","position":{"longitude":-1.54,"latitude":53.8}}"#;
        assert!(of(at).is_some());
        assert!(of(r#"{"resourceType":"Location"}"#).is_none());
        let wrong =
            r#"{"resourceType":"Location","position":{"longitude":-1.54,"latitude":153.8}}"#;
        assert!(of(wrong).is_none());
    }
}
