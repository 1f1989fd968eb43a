//! PDS as a client: `GET Patient/{nhs}` and `GET Patient?…`, and what its answers mean.

use std::time::Duration;

use access::NhsNumber;
use bytes::Bytes;
use fhir::date::Millis;
use fhir::members::{each, text};
use fhir::problem::{Kind, Problem};
use http::{HeaderMap, Method};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::access_token::{NoToken, SignedIn, Tokens, encode, host};
use crate::outgoing::{Call, Outgoing};

/// How long an answer is waited for.
const SECONDS_MAX: u64 = 15;
/// An answer with 50 people is as long as this at most.
const ANSWER_BYTES_MAX: usize = 2 << 20;
/// Questions under way at a time.
const AT_ONCE: usize = 4;
/// Who wants to ask waits so long for a place.
const PLACE_SECONDS_MAX: u64 = 10;
const REASON_CHARS_MAX: usize = 300;
/// The longest wait that PDS may ask for, in seconds.
const RETRY_AFTER_MAX: u64 = 3_600;

/// Where PDS is.
pub struct Pds {
    base: String,
    client: Outgoing,
    tokens: Option<Tokens>,
    places: Semaphore,
    /// What PDS said is asked for anew after so long, in milliseconds.
    pub(super) fresh_for: Millis,
    /// So long is waited between two questions of the worker.
    pub(super) pace: Duration,
}

impl std::fmt::Debug for Pds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pds").field("base", &self.base).finish()
    }
}

/// What came of asking.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// A Patient, or a Bundle of them.
    Said(Value),
    /// PDS does not know the number.
    Unknown,
    /// The number was taken out of use, and no other stands for it.
    Invalidated,
    /// Nothing can be told from it: the same is to be asked again, under the same request id, and not before
    /// so many seconds if PDS says so.
    NotNow(String, Option<u64>),
    /// It does not take this question, and will not.
    Refused(String),
}

impl From<NoToken> for Answer {
    fn from(no: NoToken) -> Answer {
        match no {
            NoToken::NotNow(why) => Answer::NotNow(why, None),
            NoToken::Refused(why) => Answer::Refused(why),
        }
    }
}

impl Pds {
    /// PDS at that address, such as `https://api.service.nhs.uk/personal-demographics/FHIR/R4`.
    ///
    /// # Errors
    /// `Value` if an address does not read; `Exception` if TLS cannot be set up.
    pub fn new(url: &str, sign_in: Option<SignedIn>) -> Result<Pds, Problem> {
        let mut hosts = vec![host(url)?];
        let tokens = sign_in.map(Tokens::new);
        if let Some(tokens) = &tokens {
            hosts.push(tokens.host()?);
        }
        let client = Outgoing::new(&hosts).map_err(|cause| {
            Problem::new(Kind::Exception, "TLS towards PDS could not be set up.").because(cause)
        })?;
        Ok(Pds {
            base: url.trim_end_matches('/').to_string(),
            client: client.bounded(SECONDS_MAX, ANSWER_BYTES_MAX),
            tokens,
            places: Semaphore::new(AT_ONCE),
            fresh_for: 24 * 3_600_000,
            pace: Duration::from_millis(200),
        })
    }

    /// The same, asking anew after so many hours, and the worker so often a second.
    #[must_use]
    pub fn paced(mut self, fresh_hours: u32, a_second: u32) -> Pds {
        self.fresh_for = i64::from(fresh_hours.max(1)) * 3_600_000;
        self.pace = Duration::from_millis(1_000 / u64::from(a_second.max(1)));
        self
    }

    /// Whom PDS has under that number. `request` names the question, and is the same when it is put again.
    pub async fn read(&self, number: &NhsNumber, request: &str, now: Millis) -> Answer {
        let path = format!("/Patient/{}", number.digits());
        self.get(&path, request, now).await
    }

    /// Whom PDS has who are like this: search parameters as PDS has them.
    pub async fn search(&self, pairs: &[(&str, String)], request: &str, now: Millis) -> Answer {
        let mut path = String::from("/Patient");
        for (at, (name, value)) in pairs.iter().enumerate() {
            path.push(if at == 0 { '?' } else { '&' });
            path.push_str(name);
            path.push('=');
            encode(value, &mut path);
        }
        self.get(&path, request, now).await
    }

    async fn get(&self, path: &str, request: &str, now: Millis) -> Answer {
        match self.answer(path, request, now).await {
            Ok((status, headers, body)) => understood(status, &headers, &body),
            Err(answer) => answer,
        }
    }

    /// What came back; or why nothing did that says anything.
    async fn answer(
        &self,
        path: &str,
        request: &str,
        now: Millis,
    ) -> Result<(u16, HeaderMap, Bytes), Answer> {
        let limit = Duration::from_secs(PLACE_SECONDS_MAX);
        let Ok(Ok(_place)) = tokio::time::timeout(limit, self.places.acquire()).await else {
            let why = "Too many questions to PDS are under way.";
            return Err(Answer::NotNow(why.into(), None));
        };
        let mut headers = vec![
            ("accept".to_string(), "application/fhir+json".to_string()),
            ("x-request-id".to_string(), request.to_string()),
            ("x-correlation-id".to_string(), request.to_string()),
        ];
        if let Some(tokens) = &self.tokens {
            let token = tokens.own(&self.client, now).await?;
            headers.push(("authorization".to_string(), format!("Bearer {token}")));
        }
        let call = Call {
            method: Method::GET,
            url: format!("{}{path}", self.base),
            headers,
            body: Bytes::new(),
        };
        let answer = self.client.whole_answer(call).await;
        let answer =
            answer.map_err(|why| Answer::NotNow(format!("PDS did not answer: {why}"), None))?;
        if let Some(tokens) = &self.tokens {
            let not_taken = "PDS did not take this node's token.";
            tokens.taken(answer.0, not_taken).await?;
        }
        Ok(answer)
    }
}

/// The code of the first issue that PDS names.
fn code(outcome: &Value) -> &str {
    each(outcome, "/issue")
        .map(|it| text(it, "/details/coding/0/code"))
        .find(|it| !it.is_empty())
        .unwrap_or_default()
}

/// What an answer means. `diagnostics` are not repeated: they may hold what was asked for.
fn understood(status: u16, headers: &HeaderMap, body: &[u8]) -> Answer {
    let json: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let said: String = code(&json).chars().take(REASON_CHARS_MAX).collect();
    let after = headers.get("retry-after").and_then(|it| it.to_str().ok());
    let after = after.and_then(|it| it.trim().parse::<u64>().ok());
    let after = after.map(|it| it.min(RETRY_AFTER_MAX));
    let kind = text(&json, "/resourceType");
    match (status, said.as_str()) {
        (200, _) if matches!(kind, "Patient" | "Bundle") => Answer::Said(json),
        // An answer that holds only an issue: too many people are like that.
        (200, "TOO_MANY_MATCHES") => Answer::Said(json),
        (404, "INVALIDATED_RESOURCE") => Answer::Invalidated,
        (404, "RESOURCE_NOT_FOUND") => Answer::Unknown,
        (400..=428 | 430..=499, _) if status != 408 && status != 404 => {
            Answer::Refused(format!("PDS answered {status}. {said}").trim().to_string())
        }
        _ => Answer::NotNow(
            format!("PDS answered {status}. {said}").trim().to_string(),
            after,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(code: &str) -> String {
        format!(
            r#"{{"resourceType":"OperationOutcome","issue":[{{"details":{{"coding":[{{"code":"{code}"}}]}},"diagnostics":"9000000009"}}]}}"#
        )
    }

    #[test]
    fn only_what_pds_itself_says_of_a_question_is_final() {
        let headers = HeaderMap::new();
        let of = |status, body: &str| understood(status, &headers, body.as_bytes());
        assert_eq!(of(404, &outcome("RESOURCE_NOT_FOUND")), Answer::Unknown);
        assert_eq!(
            of(404, &outcome("INVALIDATED_RESOURCE")),
            Answer::Invalidated
        );
        assert!(
            matches!(of(404, "<html>"), Answer::NotNow(..)),
            "a proxy's 404 is nobody's word"
        );
        let refused = of(400, &outcome("INVALID_RESOURCE_ID"));
        assert_eq!(
            refused,
            Answer::Refused("PDS answered 400. INVALID_RESOURCE_ID".into())
        );
        for status in [408, 429, 500, 502, 503, 504, 302, 200] {
            let answer = of(status, &outcome("TOO_MANY_REQUESTS"));
            assert!(matches!(answer, Answer::NotNow(..)), "{status}");
        }
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", "5".parse().unwrap());
        let later = understood(503, &headers, b"");
        assert_eq!(later, Answer::NotNow("PDS answered 503.".into(), Some(5)));
        assert!(Pds::new("nonsense", None).is_err());
    }
}
