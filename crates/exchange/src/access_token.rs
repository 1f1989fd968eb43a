//! Tokens of the NHS's APIs: a statement that this node's key signs is changed for a bearer token, which counts for the node
//! itself (application-restricted,
//! <https://digital.nhs.uk/developer/guides-and-documentation/security-and-authorisation/application-restricted-restful-apis-signed-jwt-authentication>)
//! or, together with an ID token of NHS login, for the person who signed in there (user-restricted, by token exchange).

use std::collections::HashMap;

use bytes::Bytes;
use fhir::date::Millis;
use fhir::members::text;
use fhir::problem::{Kind, Problem};
use http::Method;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::jwt::ClientKey;
use crate::keys::sha256_hex;
use crate::outgoing::{Call, Outgoing};

/// A token is renewed so long before it ends, in milliseconds.
const EARLY: Millis = 30_000;
/// A token counts for so long at most, in seconds, whatever the service says.
const SECONDS_MAX: i64 = 3_600;
/// Tokens of people that are kept at a time.
const KEPT_MAX: usize = 10_000;
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

/// As whom, and with what, a client signs in.
#[derive(Debug)]
pub struct SignedIn {
    /// The address of the token service.
    pub token_url: String,
    /// The application's key ("API key").
    pub client: String,
    pub key: ClientKey,
}

/// Why there is no token that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoToken {
    /// It may be had later.
    NotNow(String),
    /// Not with this key.
    Refused(String),
}

impl NoToken {
    pub fn words(self) -> String {
        match self {
            NoToken::NotNow(words) | NoToken::Refused(words) => words,
        }
    }
}

/// The tokens of one client.
#[derive(Debug)]
pub struct Tokens {
    sign_in: SignedIn,
    /// By the digest of the ID token that each was had for; the node's own by an empty name.
    kept: Mutex<HashMap<String, (String, Millis)>>,
}

impl Tokens {
    pub fn new(sign_in: SignedIn) -> Tokens {
        Tokens {
            sign_in,
            kept: Mutex::new(HashMap::new()),
        }
    }

    /// The host of the token service.
    ///
    /// # Errors
    /// `Value` if its address does not read.
    pub fn host(&self) -> Result<String, Problem> {
        host(&self.sign_in.token_url)
    }

    /// The node's own token that counts now.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn own(&self, client: &Outgoing, now: Millis) -> Result<String, NoToken> {
        let grant = "grant_type=client_credentials";
        self.token(client, ("", grant), now).await
    }

    /// The token of whoever that ID token of NHS login is of.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn of_person(
        &self,
        client: &Outgoing,
        id_token: &str,
        now: Millis,
    ) -> Result<String, NoToken> {
        let name = sha256_hex(id_token.as_bytes());
        let mut grant = String::from("grant_type=");
        encode(
            "urn:ietf:params:oauth:grant-type:token-exchange",
            &mut grant,
        );
        grant.push_str("&subject_token_type=");
        encode(ID_TOKEN, &mut grant);
        grant.push_str("&subject_token=");
        encode(id_token, &mut grant);
        self.token(client, (&name, &grant), now).await
    }

    /// Looks at the status with which a call was answered that showed a token. One that ended early, or was called back, is
    /// answered 401: then all are dropped, and another is fetched for the next try.
    ///
    /// # Errors
    /// `NotNow` with these words if the token was not taken.
    pub async fn taken(&self, status: u16, not_taken: &str) -> Result<(), NoToken> {
        if status != 401 {
            return Ok(());
        }
        self.kept.lock().await.clear();
        Err(NoToken::NotNow(not_taken.to_string()))
    }

    async fn token(
        &self,
        client: &Outgoing,
        (name, grant): (&str, &str),
        now: Millis,
    ) -> Result<String, NoToken> {
        // Held while a new one is fetched: all others wait for that one.
        let mut kept = self.kept.lock().await;
        if let Some((token, until)) = kept.get(name)
            && now < *until
        {
            return Ok(token.clone());
        }
        let (token, until) = self.fetch(client, grant, now).await?;
        kept.retain(|_, (_, until)| now < *until);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(name.to_string(), (token.clone(), until));
        Ok(token)
    }

    async fn fetch(
        &self,
        client: &Outgoing,
        grant: &str,
        now: Millis,
    ) -> Result<(String, Millis), NoToken> {
        let sign_in = &self.sign_in;
        let id = uuid::Uuid::new_v4().to_string();
        let assertion = sign_in
            .key
            .assertion(&sign_in.client, &sign_in.token_url, (&id, now));
        let assertion =
            assertion.map_err(|problem| NoToken::Refused(problem.message.to_string()))?;
        let body = format!(
            "{grant}&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3A\
             client-assertion-type%3Ajwt-bearer&client_assertion={assertion}"
        );
        let form = "application/x-www-form-urlencoded";
        let call = Call {
            method: Method::POST,
            url: sign_in.token_url.clone(),
            headers: vec![
                ("content-type".to_string(), form.to_string()),
                ("accept".to_string(), "application/json".to_string()),
            ],
            body: Bytes::from(body),
        };
        let answer = client.answer(call).await;
        let (status, body) = answer
            .map_err(|why| NoToken::NotNow(format!("The token service did not answer: {why}")))?;
        let json: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let token = text(&json, "/access_token");
        if status != 200 || token.is_empty() {
            let why =
                format!("The token service answered {status} to this node's signed statement.");
            return Err(NoToken::NotNow(why));
        }
        let seconds = match json.get("expires_in") {
            Some(Value::String(text)) => text.parse().unwrap_or(0),
            Some(value) => value.as_i64().unwrap_or(0),
            None => 0,
        };
        let millis = seconds.clamp(0, SECONDS_MAX).saturating_mul(1_000);
        let until = now.saturating_add(millis).saturating_sub(EARLY);
        Ok((token.to_string(), until))
    }
}

/// The host of an address.
///
/// # Errors
/// `Value` if it does not read.
pub(crate) fn host(url: &str) -> Result<String, Problem> {
    let read: Result<http::Uri, _> = url.parse();
    let read = read
        .ok()
        .filter(|it| matches!(it.scheme_str(), Some("http" | "https")));
    let host = read.and_then(|it| it.host().map(str::to_string));
    host.ok_or_else(|| Problem::new(Kind::Value, "An address of a service does not read."))
}

/// Everything but letters, digits and a few signs is written by its bytes.
pub(crate) fn encode(value: &str, into: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            into.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_written_so_that_no_value_adds_a_parameter() {
        let mut path = String::new();
        encode("O'Neil & sons=?", &mut path);
        assert_eq!(path, "O%27Neil%20%26%20sons%3D%3F");
    }

    #[tokio::test]
    async fn a_token_that_was_not_taken_is_dropped_and_one_that_was_serves_again() {
        let tokens = Tokens::new(SignedIn {
            token_url: "http://127.0.0.1:1/oauth2/token".into(),
            client: "app".into(),
            key: ClientKey::generate("anytown-1").unwrap(),
        });
        let had = ("first".to_string(), 60_000);
        tokens.kept.lock().await.insert(String::new(), had);
        let client = Outgoing::new(&["127.0.0.1".to_string()]).unwrap();
        for status in [200, 403, 500] {
            tokens.taken(status, "It was not taken.").await.unwrap();
            assert_eq!(tokens.own(&client, 0).await.unwrap(), "first", "{status}");
        }
        let no = tokens.taken(401, "It was not taken.").await;
        assert_eq!(no, Err(NoToken::NotNow("It was not taken.".into())));
        // Nobody is at that address: that another was to be fetched is all that is seen.
        let no = tokens.own(&client, 0).await;
        assert!(matches!(no, Err(NoToken::NotNow(_))));
    }

    #[test]
    fn an_address_without_a_host_is_none() {
        assert_eq!(host("https://a.example/oauth2/token").unwrap(), "a.example");
        assert!(host("nonsense").is_err() && host("ftp://a.example").is_err());
    }
}
