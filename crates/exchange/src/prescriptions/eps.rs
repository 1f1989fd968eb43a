//! EPS as a client: what it answers, and what follows from that. It is reached over the guarded client, with a bearer token
//! that a statement signed by this node's key is changed for; today only its stand-in can be, since a prescriber's signature
//! needs their smartcard (decision 0171).

use bytes::Bytes;
use fhir::date::Millis;
use fhir::members::{each, text};
use fhir::problem::{Kind, Problem};
use http::Method;
use serde_json::{Value, json};

use super::message::cancel::Outcome;
use crate::access_token::{NoToken, SignedIn, Tokens, host};
use crate::outgoing::{Call, Outgoing};

/// How long an answer is waited for.
const SECONDS_MAX: u64 = 20;
/// An answer with many prescriptions is as long as this at most.
const ANSWER_BYTES_MAX: usize = 8 << 20;
const REASON_CHARS_MAX: usize = 300;

/// Where EPS is.
pub struct Eps {
    base: String,
    client: Outgoing,
    tokens: Option<Tokens>,
}

impl std::fmt::Debug for Eps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Eps").field("base", &self.base).finish()
    }
}

/// What came of asking.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Taken(Value),
    /// Nothing can be told from it: the same bytes are to be sent again.
    NotNow(String),
    /// It does not take this, and will not.
    Refused(String),
}

impl From<NoToken> for Answer {
    fn from(no: NoToken) -> Answer {
        match no {
            NoToken::NotNow(why) => Answer::NotNow(why),
            NoToken::Refused(why) => Answer::Refused(why),
        }
    }
}

/// What `$prepare` gives to be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    pub digest: String,
    pub timestamp: String,
    pub algorithm: String,
}

impl Eps {
    /// EPS at that address, such as `http://127.0.0.1:8107`, with tokens of whoever signs in.
    ///
    /// # Errors
    /// `Value` if it is no address; `Exception` if TLS cannot be set up.
    pub fn new(url: &str, sign_in: Option<SignedIn>) -> Result<Eps, Problem> {
        let mut hosts = vec![host(url)?];
        let tokens = sign_in.map(Tokens::new);
        if let Some(tokens) = &tokens {
            hosts.push(tokens.host()?);
        }
        let client = Outgoing::new(&hosts).map_err(|cause| {
            Problem::new(Kind::Exception, "TLS towards EPS could not be set up.").because(cause)
        })?;
        Ok(Eps {
            base: url.trim_end_matches('/').to_string(),
            client: client.bounded(SECONDS_MAX, ANSWER_BYTES_MAX),
            tokens,
        })
    }

    /// What is to be signed of a prescription.
    pub async fn prepare(&self, draft: &str, now: Millis) -> Result<Prepared, Answer> {
        let draft = draft.to_string();
        let answer = self.post("/FHIR/R4/$prepare", "", draft, now).await;
        let Answer::Taken(parameters) = answer else {
            return Err(answer);
        };
        let value = |name: &str| {
            let mut all = each(&parameters, "/parameter");
            let found = all.find(|it| text(it, "/name") == name);
            found.map_or("", |it| text(it, "/valueString")).to_string()
        };
        let prepared = Prepared {
            digest: value("digest"),
            timestamp: value("timestamp"),
            algorithm: value("algorithm"),
        };
        if prepared.digest.is_empty() || prepared.timestamp.is_empty() {
            let why = "What EPS gave to be signed does not read.";
            return Err(Answer::Refused(why.to_string()));
        }
        Ok(prepared)
    }

    /// Has the stand-in sign with its software key: no lawful signature.
    pub async fn sign_at_stand_in(
        &self,
        prepared: &Prepared,
        prescriber: &str,
        now: Millis,
    ) -> Result<String, Answer> {
        let body = json!({ "digest": prepared.digest, "prescriber": prescriber });
        let body = body.to_string();
        match self.post("/stand-in/sign", "", body, now).await {
            Answer::Taken(answer) => {
                let signature = text(&answer, "/signature").to_string();
                match signature.is_empty() {
                    false => Ok(signature),
                    true => Err(Answer::Refused("There was no signature.".to_string())),
                }
            }
            Answer::Refused(why) => Err(Answer::Refused(format!(
                "Only the stand-in of EPS can be used: a prescriber's smartcard signs elsewhere. {why}"
            ))),
            not_now => Err(not_now),
        }
    }

    /// Sends a message; `key` names it among requests.
    pub async fn process(&self, key: &str, payload: &str, now: Millis) -> Answer {
        let body = payload.to_string();
        self.post("/FHIR/R4/$process-message", key, body, now).await
    }

    /// Sends a cancellation. Taken is every answer that says what became of the item: EPS answers 400 where it cancelled
    /// nothing.
    pub async fn cancel(&self, key: &str, payload: &str, now: Millis) -> Answer {
        let body = payload.to_string();
        match self.send("/FHIR/R4/$process-message", key, body, now).await {
            Ok((status, body)) => cancelled(status, &body),
            Err(answer) => answer,
        }
    }

    /// Asks for what is waiting for a pharmacy.
    pub async fn release(&self, key: &str, payload: &str, now: Millis) -> Answer {
        let body = payload.to_string();
        self.post("/FHIR/R4/Task/$release", key, body, now).await
    }

    /// Gives a prescription back.
    pub async fn give_back(&self, key: &str, payload: &str, now: Millis) -> Answer {
        self.post("/FHIR/R4/Task", key, payload.to_string(), now)
            .await
    }

    async fn post(&self, path: &str, key: &str, body: String, now: Millis) -> Answer {
        match self.send(path, key, body, now).await {
            Ok((status, body)) => understood(status, &body),
            Err(answer) => answer,
        }
    }

    /// What came back; or why nothing did that says anything.
    async fn send(
        &self,
        path: &str,
        key: &str,
        body: String,
        now: Millis,
    ) -> Result<(u16, Bytes), Answer> {
        let mut headers = vec![(
            "content-type".to_string(),
            "application/fhir+json".to_string(),
        )];
        if let Some(tokens) = &self.tokens {
            let token = tokens.own(&self.client, now).await?;
            headers.push(("authorization".to_string(), format!("Bearer {token}")));
        }
        if !key.is_empty() {
            headers.push(("x-request-id".to_string(), super::number::uuid(key)));
        }
        let call = Call {
            method: Method::POST,
            url: format!("{}{path}", self.base),
            headers,
            body: Bytes::from(body),
        };
        let answer = self.client.answer(call).await;
        let (status, body) =
            answer.map_err(|why| Answer::NotNow(format!("EPS did not answer: {why}")))?;
        if let Some(tokens) = &self.tokens {
            let not_taken = "EPS did not take this node's token.";
            tokens.taken(status, not_taken).await?;
        }
        Ok((status, body))
    }
}

/// What an answer to a cancellation means.
fn cancelled(status: u16, body: &[u8]) -> Answer {
    let json: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let said = Outcome::read(&json);
    match said.filter(|it| matches!(status, 200 | 201 | 400) && it.is_final()) {
        Some(_) => Answer::Taken(json),
        // An answer without an outcome says nothing of the item.
        None => match understood(status, body) {
            Answer::Taken(_) => Answer::NotNow("EPS did not say what became of it.".to_string()),
            other => other,
        },
    }
}

/// What an answer means. Of a time-out on the way (504), or anything else that is not EPS's own word about
/// this message, nobody knows whether it was taken.
fn understood(status: u16, body: &[u8]) -> Answer {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    match (status, json) {
        (200 | 201, Some(json)) => Answer::Taken(json),
        (400..=428 | 430..=499, json) if status != 408 => {
            let json = json.unwrap_or(Value::Null);
            let mut issues = each(&json, "/issue");
            let said = issues.find_map(|it| {
                let said = [
                    text(it, "/diagnostics"),
                    text(it, "/details/text"),
                    text(it, "/details/coding/0/display"),
                ];
                said.into_iter().find(|it| !it.is_empty())
            });
            let said: String = said
                .unwrap_or_default()
                .chars()
                .take(REASON_CHARS_MAX)
                .collect();
            Answer::Refused(format!("EPS answered {status}. {said}").trim().to_string())
        }
        (status, _) => Answer::NotNow(format!("EPS answered {status}.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_eps_itself_says_of_a_message_is_final() {
        let taken = understood(200, b"{\"resourceType\":\"OperationOutcome\"}");
        assert!(matches!(taken, Answer::Taken(_)));
        let outcome = br#"{"issue":[{"diagnostics":"Invalid signature"}]}"#;
        let refused = understood(400, outcome);
        assert_eq!(
            refused,
            Answer::Refused("EPS answered 400. Invalid signature".into())
        );
        for status in [504, 500, 502, 408, 429, 302, 200] {
            assert!(
                matches!(understood(status, b"<html>"), Answer::NotNow(_)),
                "{status}"
            );
        }
        assert!(Eps::new("nonsense", None).is_err());
    }

    #[test]
    fn of_a_cancellation_only_what_eps_says_of_the_item_is_an_answer() {
        let bundle = |code: &str| {
            json!({ "resourceType": "Bundle", "entry": [{ "resource": {
                "resourceType": "MedicationRequest", "extension": [{ "extension": [{
                    "url": "status", "valueCoding": {
                        "system": "https://fhir.nhs.uk/CodeSystem/medicationrequest-status-history",
                        "code": code, "display": "x",
                    } }] }] } }] })
            .to_string()
        };
        let of = |status, body: &str| cancelled(status, body.as_bytes());
        assert!(matches!(of(200, &bundle("R-0001")), Answer::Taken(_)));
        assert!(matches!(of(400, &bundle("R-0004")), Answer::Taken(_)));
        assert!(matches!(of(400, &bundle("R-5000")), Answer::Refused(_)));
        let outcome = r#"{"resourceType":"OperationOutcome","issue":[{"details":{"coding":[{"display":"Not found"}]}}]}"#;
        assert_eq!(
            of(400, outcome),
            Answer::Refused("EPS answered 400. Not found".into())
        );
        for (status, body) in [(200, "{}"), (504, bundle("R-0001").as_str()), (503, "")] {
            assert!(matches!(of(status, body), Answer::NotNow(_)), "{status}");
        }
    }
}
