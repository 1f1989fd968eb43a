//! The language that a patient reads: English, or Welsh where the address, a cookie or the browser asks for it. Texts are
//! Fluent messages (<https://projectfluent.org>) in `crates/web/locales`; those about prescriptions are a table of their own.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::LazyLock;

use axum::extract::{FromRequestParts, Query};
use axum::response::Response;
use fhir::date::Millis;
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use http::header::{ACCEPT_LANGUAGE, COOKIE, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;

use crate::page::see_other;
use crate::page::words::{self, Moment};

/// The cookie that keeps the choice; it says nothing of anybody.
const COOKIE_NAME: &str = "handover-language";
/// Headers longer than this are not looked through.
const HEADER_BYTES_MAX: usize = 8192;
const ENGLISH: &str = include_str!("../../locales/en.ftl");
const WELSH: &str = include_str!("../../locales/cy.ftl");

/// A language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    #[default]
    English,
    Welsh,
}

/// What the reader wants, and whether the address has just said so.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tongue {
    pub language: Language,
    is_chosen: bool,
}

struct Texts {
    bundle: FluentBundle<FluentResource>,
    /// Messages that stand by themselves, for templates.
    plain: BTreeMap<&'static str, String>,
    /// Ids of messages that stand by themselves, by their text.
    ids: BTreeMap<&'static str, &'static str>,
}

impl Texts {
    fn of(source: &'static str, language: &str) -> Texts {
        let locale = language.parse().ok();
        let mut bundle = FluentBundle::new_concurrent(locale.into_iter().collect());
        // The marks around what is put in are for mixed directions, which these two are not.
        bundle.set_use_isolating(false);
        let resource = match FluentResource::try_new(source.to_owned()) {
            Ok(resource) => resource,
            Err((resource, errors)) => {
                tracing::error!(?errors, language, "a text of the pages cannot be read");
                resource
            }
        };
        if let Err(errors) = bundle.add_resource(resource) {
            tracing::error!(?errors, language, "a text of the pages cannot be used");
        }
        let mut texts = Texts {
            bundle,
            plain: BTreeMap::new(),
            ids: BTreeMap::new(),
        };
        for (id, text) in messages(source).filter(|(_, text)| !text.contains("{ $")) {
            let told = texts.tell(id, &[]);
            texts.plain.insert(id, told);
            texts.ids.entry(text).or_insert(id);
        }
        texts
    }

    fn tell(&self, id: &str, with: &[(&str, &str)]) -> String {
        let message = self.bundle.get_message(id);
        let Some(pattern) = message.and_then(|it| it.value()) else {
            tracing::error!(id, "a text of the pages is missing");
            return String::new();
        };
        let mut arguments = FluentArgs::new();
        for (name, value) in with {
            arguments.set(*name, (*value).to_owned());
        }
        let mut errors = Vec::new();
        let told = self
            .bundle
            .format_pattern(pattern, Some(&arguments), &mut errors);
        told.into_owned()
    }
}

/// Ids and texts, as they stand in a source: each on one line.
fn messages(source: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = source.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(" = "))
}

fn texts(language: Language) -> &'static Texts {
    static TEXTS: LazyLock<[Texts; 2]> =
        LazyLock::new(|| [Texts::of(ENGLISH, "en-GB"), Texts::of(WELSH, "cy")]);
    let [english, welsh] = &*TEXTS;
    match language {
        Language::English => english,
        Language::Welsh => welsh,
    }
}

impl Language {
    fn of(text: &str) -> Option<Language> {
        match text.trim() {
            "cy" => Some(Language::Welsh),
            "en" => Some(Language::English),
            _ => None,
        }
    }

    /// What a request asks for: what was chosen before, or else what the browser likes best.
    pub fn wanted(headers: &HeaderMap) -> Language {
        if let Some(language) = kept(headers) {
            return language;
        }
        let first = texts_of(headers, ACCEPT_LANGUAGE).next();
        let first = first.unwrap_or_default().trim_start();
        match first
            .get(..2)
            .is_some_and(|it| it.eq_ignore_ascii_case("cy"))
        {
            true => Language::Welsh,
            false => Language::English,
        }
    }

    /// Its code (BCP 47).
    pub fn code(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::Welsh => "cy",
        }
    }

    /// The texts that stand by themselves, by id.
    pub fn texts(self) -> &'static BTreeMap<&'static str, String> {
        &texts(self).plain
    }

    /// What code says in English, in this language. What is no text of `locales/en.ftl` stays as it is.
    pub fn say(self, english: &'static str) -> &'static str {
        if self == Language::English {
            return english;
        }
        let id = texts(Language::English).ids.get(english);
        let said = id.and_then(|id| texts(self).plain.get(id));
        said.map_or(english, String::as_str)
    }

    /// The same of a word that somebody else gave, such as a code without words of its own.
    pub fn say_of(self, english: &str) -> String {
        let id = texts(Language::English).ids.get(english);
        let said = id.and_then(|id| texts(self).plain.get(id));
        said.map_or_else(|| english.to_owned(), String::clone)
    }

    /// One text, with what is put into it.
    pub fn tell(self, id: &str, with: &[(&str, &str)]) -> String {
        texts(self).tell(id, with)
    }

    /// A day in full: `Monday 5 January 2026`.
    pub fn day(self, at: Millis) -> String {
        let Some(there) = words::there(at) else {
            return String::new();
        };
        match self {
            Language::English => there.strftime("%A %-d %B %Y").to_string(),
            Language::Welsh => {
                let weekday = usize::try_from(there.weekday().to_monday_zero_offset());
                let day = weekday.ok().and_then(|it| DAYS.get(it));
                let month = usize::try_from(there.month() - 1);
                let month = month.ok().and_then(|it| MONTHS.get(it));
                let (day, month) = (day.unwrap_or(&""), month.unwrap_or(&""));
                format!("{day} {} {month} {}", there.day(), there.year())
            }
        }
    }

    /// A day in short, as `words::date` has it.
    pub fn date(self, at: Millis) -> Moment {
        self.translated(words::date(at), at)
    }

    /// A moment, told from `now` as `words::moment` has it.
    pub fn moment(self, at: Millis, now: Millis) -> Moment {
        self.translated(words::moment(at, now), at)
    }

    /// The same moment with the months' names of this language.
    fn translated(self, mut moment: Moment, at: Millis) -> Moment {
        if self == Language::English {
            return moment;
        }
        let mut months = SHORT_MONTHS.iter().zip(MONTHS);
        if let Some((english, welsh)) = months.find(|it| moment.short.contains(it.0)) {
            moment.short = moment.short.replace(english, welsh);
        }
        moment.full = format!("{}, {}", self.day(at), self.time(at));
        moment
    }

    /// A time of day: `9:30`.
    pub fn time(self, at: Millis) -> String {
        let there = words::there(at);
        there.map_or(String::new(), |it| it.strftime("%-H:%M").to_string())
    }

    /// Day and time in one.
    pub fn when(self, at: Millis) -> String {
        let (day, time) = (self.day(at), self.time(at));
        self.tell("when", &[("day", &day), ("time", &time)])
    }
}

const DAYS: [&str; 7] = [
    "Dydd Llun",
    "Dydd Mawrth",
    "Dydd Mercher",
    "Dydd Iau",
    "Dydd Gwener",
    "Dydd Sadwrn",
    "Dydd Sul",
];
const SHORT_MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const MONTHS: [&str; 12] = [
    "Ionawr",
    "Chwefror",
    "Mawrth",
    "Ebrill",
    "Mai",
    "Mehefin",
    "Gorffennaf",
    "Awst",
    "Medi",
    "Hydref",
    "Tachwedd",
    "Rhagfyr",
];

impl Tongue {
    /// What a request asks for: by its address, or else as `Language::wanted` has it.
    pub fn of(request: &Parts) -> Tongue {
        let query = request.uri.query().unwrap_or_default();
        let mut asked = query.split('&').filter_map(|it| it.strip_prefix("lang="));
        match asked.next().and_then(Language::of) {
            Some(language) => Tongue {
                language,
                is_chosen: true,
            },
            None => Tongue {
                language: Language::wanted(&request.headers),
                is_chosen: false,
            },
        }
    }

    /// Keeps in the browser what the address has asked for; pages do it by themselves.
    pub fn keep(self, mut response: Response) -> Response {
        if self.is_chosen {
            let code = self.language.code();
            let cookie =
                format!("{COOKIE_NAME}={code}; Path=/; HttpOnly; SameSite=Lax; Max-Age=31536000");
            if let Ok(cookie) = HeaderValue::from_str(&cookie) {
                response.headers_mut().append(SET_COOKIE, cookie);
            }
        }
        response
    }
}

fn texts_of(headers: &HeaderMap, name: http::HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter();
    values
        .filter(|value| value.len() <= HEADER_BYTES_MAX)
        .filter_map(|value| value.to_str().ok())
}

fn kept(headers: &HeaderMap) -> Option<Language> {
    let mut pairs = texts_of(headers, COOKIE)
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == COOKIE_NAME)?;
    Language::of(value)
}

/// What `/language` is asked for.
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
    let next = match is_ours && is_plain {
        true => asked.next.as_str(),
        false => "/prescriptions",
    };
    let chosen = Tongue {
        language: Language::of(&asked.to).unwrap_or_default(),
        is_chosen: true,
    };
    chosen.keep(see_other(next))
}

impl<S: Sync> FromRequestParts<S> for Tongue {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Tongue, Infallible> {
        Ok(Tongue::of(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ids of a source, each with the names of what is put in.
    fn shape(source: &'static str) -> Vec<(&'static str, Vec<String>)> {
        let holes = |text: &str| {
            let parts = text.split("{ $").skip(1);
            let mut names: Vec<String> = parts
                .filter_map(|part| part.split(' ').next())
                .map(str::to_owned)
                .collect();
            names.sort();
            names
        };
        let mut shape: Vec<_> = messages(source)
            .map(|(id, text)| (id, holes(text)))
            .collect();
        shape.sort();
        shape
    }

    #[test]
    fn every_text_is_there_in_welsh_and_english_with_the_same_holes() {
        let english = shape(ENGLISH);
        assert_eq!(english, shape(WELSH));
        assert!(english.len() > 50);
        for language in [Language::English, Language::Welsh] {
            for (id, text) in language.texts() {
                assert!(!text.is_empty(), "{language:?} {id}");
            }
        }
    }

    #[test]
    fn days_and_times_are_told_in_both_languages() {
        let at = 1_767_605_400_000; // 2026-01-05T09:30:00Z
        assert_eq!(Language::English.when(at), "Monday 5 January 2026 at 9:30");
        assert_eq!(Language::Welsh.when(at), "Dydd Llun 5 Ionawr 2026 am 9:30");
    }

    #[test]
    fn a_choice_counts_before_the_browsers_wish() {
        let of = |pairs: &[(http::HeaderName, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(name, HeaderValue::from_str(value).unwrap());
            }
            Language::wanted(&headers)
        };
        assert_eq!(of(&[]), Language::English);
        assert_eq!(of(&[(ACCEPT_LANGUAGE, "cy-GB,en;q=0.5")]), Language::Welsh);
        assert_eq!(
            of(&[(ACCEPT_LANGUAGE, "en-GB,cy;q=0.5")]),
            Language::English
        );
        let chosen = (COOKIE, "a=b; handover-language=en");
        assert_eq!(of(&[(ACCEPT_LANGUAGE, "cy"), chosen]), Language::English);
        assert_eq!(of(&[(COOKIE, "handover-language=cy")]), Language::Welsh);
    }

    #[test]
    fn days_are_said_in_short_in_either() {
        let noon = 1_782_129_600_000;
        assert_eq!(Language::English.date(noon).short, "22 Jun 2026");
        assert_eq!(Language::Welsh.date(noon).short, "22 Mehefin 2026");
    }
}
