//! Times on the wire: RFC 3339 in UTC with milliseconds, `2026-11-22T09:30:00.000Z`.

use fhir::date::{self, Millis};
use serde::{Deserialize, Deserializer, Serializer, de};

pub(crate) fn serialize<S: Serializer>(at: &Millis, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&date::instant(*at))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Millis, D::Error> {
    let text = String::deserialize(from)?;
    read(&text).ok_or_else(|| de::Error::custom("a time is written as 2026-11-22T09:30:00.000Z"))
}

/// The same where there may be none.
pub(crate) mod or_none {
    use super::{Deserialize, Deserializer, Millis, Serializer, date, de, read};

    pub(crate) fn serialize<S: Serializer>(at: &Option<Millis>, to: S) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => to.serialize_some(&date::instant(*at)),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Millis>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        let wrong = || de::Error::custom("a time is written as 2026-11-22T09:30:00.000Z");
        text.map(|text| read(&text).ok_or_else(wrong)).transpose()
    }
}

/// Only whole instants in UTC: a time without a zone, or a bare date, is refused.
fn read(text: &str) -> Option<Millis> {
    let whole = text.len() >= 20 && text.len() <= 30 && text.ends_with('Z');
    whole
        .then(|| date::span(text))
        .flatten()
        .map(|span| span.low)
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn only_whole_instants_in_utc_are_read() {
        assert_eq!(read("1970-01-01T00:00:01.500Z"), Some(1500));
        for text in [
            "1970-01-01",
            "1970-01-01T00:00:01.500",
            "1970-01-01T00:00:01+01:00",
            "",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
