//! The language in which a page is read: English, or Welsh where a page has it. It is chosen on the page and
//! kept in a cookie that says nothing else; else the browser's own wish counts.

use axum::extract::Query;
use axum::response::Response;
use fhir::date::Millis;
use http::header::{ACCEPT_LANGUAGE, COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;

use crate::page::see_other;
use crate::page::words::{self, Moment};

const NAME: &str = "handover-language";
/// Headers longer than this are not looked through.
const HEADER_BYTES_MAX: usize = 8192;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tongue {
    #[default]
    English,
    Welsh,
}

impl Tongue {
    /// What the request asks for.
    pub fn of(headers: &HeaderMap) -> Tongue {
        let texts = |name| {
            let values = headers.get_all(name).iter();
            values
                .filter(|value| value.len() <= HEADER_BYTES_MAX)
                .filter_map(|value| value.to_str().ok())
        };
        let mut cookies = texts(COOKIE)
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        match cookies.find(|(name, _)| *name == NAME) {
            Some((_, "cy")) => return Tongue::Welsh,
            Some(_) => return Tongue::English,
            None => {}
        }
        let first = texts(ACCEPT_LANGUAGE).next().unwrap_or_default();
        match first
            .get(..2)
            .is_some_and(|it| it.eq_ignore_ascii_case("cy"))
        {
            true => Tongue::Welsh,
            false => Tongue::English,
        }
    }

    /// Its code (BCP 47).
    pub fn code(self) -> &'static str {
        match self {
            Tongue::English => "en",
            Tongue::Welsh => "cy",
        }
    }

    /// The day of a moment, as `words::date` has it.
    pub fn date(self, at: Millis) -> Moment {
        let mut moment = words::date(at);
        if self == Tongue::Welsh {
            for (english, welsh) in MONTHS {
                if moment.short.contains(english) {
                    moment.short = moment.short.replace(english, welsh);
                    moment.full = moment.short.clone();
                    break;
                }
            }
        }
        moment
    }
}

const MONTHS: [(&str, &str); 12] = [
    ("Jan", "Ionawr"),
    ("Feb", "Chwefror"),
    ("Mar", "Mawrth"),
    ("Apr", "Ebrill"),
    ("May", "Mai"),
    ("Jun", "Mehefin"),
    ("Jul", "Gorffennaf"),
    ("Aug", "Awst"),
    ("Sep", "Medi"),
    ("Oct", "Hydref"),
    ("Nov", "Tachwedd"),
    ("Dec", "Rhagfyr"),
];

/// What the address may ask for.
#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    to: String,
    #[serde(default)]
    next: String,
}

/// `GET /language`: keeps the choice, and goes back to one of the pages that has both.
pub async fn choose(Query(asked): Query<Asked>) -> Response {
    let is_ours = asked.next.starts_with("/prescriptions") || asked.next == "/pharmacy";
    let is_plain = asked
        .next
        .bytes()
        .all(|it| it.is_ascii_alphanumeric() || b"/-".contains(&it));
    let next = if is_ours && is_plain {
        asked.next.as_str()
    } else {
        "/prescriptions"
    };
    let mut response = see_other(next);
    let code = if asked.to == "cy" { "cy" } else { "en" };
    let cookie = format!("{NAME}={code}; Path=/; HttpOnly; SameSite=Lax; Max-Age=31536000");
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(SET_COOKIE, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_counts_before_the_browsers_wish() {
        let of = |pairs: &[(http::HeaderName, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(name, HeaderValue::from_str(value).unwrap());
            }
            Tongue::of(&headers)
        };
        assert_eq!(of(&[]), Tongue::English);
        assert_eq!(of(&[(ACCEPT_LANGUAGE, "cy-GB,en;q=0.5")]), Tongue::Welsh);
        assert_eq!(of(&[(ACCEPT_LANGUAGE, "en-GB,cy;q=0.5")]), Tongue::English);
        let chosen = (COOKIE, "a=b; handover-language=en");
        assert_eq!(of(&[(ACCEPT_LANGUAGE, "cy"), chosen]), Tongue::English);
        assert_eq!(of(&[(COOKIE, "handover-language=cy")]), Tongue::Welsh);
    }

    #[test]
    fn days_are_said_in_either() {
        let noon = 1_782_129_600_000;
        assert_eq!(Tongue::English.date(noon).short, "22 Jun 2026");
        assert_eq!(Tongue::Welsh.date(noon).short, "22 Mehefin 2026");
    }
}
