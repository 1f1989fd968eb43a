//! What the caller prefers (<https://hl7.org/fhir/R4/http.html#ops>).

use http::HeaderMap;

/// What a change answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Return {
    /// Headers only.
    Minimal,
    /// The resource as it is now.
    Representation,
    /// An OperationOutcome.
    Outcome,
}

/// The `Prefer` header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preference {
    /// `None` where the caller does not say.
    pub returns: Option<Return>,
    /// `handling=lenient`: a search leaves out what it does not know, and says so.
    pub lenient: bool,
    /// `handling=strict`: also refused is what could be done in part.
    pub strict: bool,
}

impl Preference {
    /// Reads the header. What is not known is no order, so it is left.
    pub fn of(headers: &HeaderMap) -> Preference {
        let mut preference = Preference::default();
        let values = headers
            .get_all("prefer")
            .iter()
            .filter_map(|value| value.to_str().ok());
        for wish in values.flat_map(|value| value.split([',', ';'])) {
            match wish.trim() {
                "return=minimal" => preference.returns = Some(Return::Minimal),
                "return=representation" => preference.returns = Some(Return::Representation),
                "return=OperationOutcome" => preference.returns = Some(Return::Outcome),
                "handling=lenient" => (preference.lenient, preference.strict) = (true, false),
                "handling=strict" => (preference.lenient, preference.strict) = (false, true),
                _ => {}
            }
        }
        preference
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn wishes_are_read_from_one_header_or_more() {
        let mut headers = HeaderMap::new();
        assert_eq!(Preference::of(&headers), Preference::default());
        headers.append(
            "prefer",
            HeaderValue::from_static("return=minimal; respond-async"),
        );
        headers.append("prefer", HeaderValue::from_static("handling=lenient"));
        let preference = Preference::of(&headers);
        assert_eq!(
            (preference.returns, preference.lenient),
            (Some(Return::Minimal), true)
        );
        headers.append("prefer", HeaderValue::from_static("handling=strict"));
        let preference = Preference::of(&headers);
        assert_eq!((preference.lenient, preference.strict), (false, true));
    }
}
