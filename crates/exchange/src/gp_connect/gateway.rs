//! The NHS's gateway before a GP system that holds the medicines: it lets nobody in but a patient, by a token that their ID
//! token of NHS login is changed for (user-restricted access by token exchange). The ID token is kept in memory alone, no
//! longer than it counts, and only for the patient whose it is: whoever acts for somebody else has none of theirs.

use std::collections::HashMap;

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use parking_lot::Mutex;

use crate::access_token::{NoToken, SignedIn, Tokens};
use crate::outgoing::Outgoing;

const SECONDS_MAX: u64 = 15;
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// An ID token counts for an hour.
const MILLIS_MAX: Millis = 3_600_000;
/// Patients whose ID tokens are kept at a time.
const KEPT_MAX: usize = 10_000;

/// The way in.
pub struct Gateway {
    tokens: Tokens,
    client: Outgoing,
    logins: Mutex<HashMap<String, Login>>,
}

struct Login {
    id_token: String,
    until: Millis,
}

impl Gateway {
    /// # Errors
    /// `Value` if the token service's address does not read; `Exception` if TLS cannot be set up.
    pub fn new(sign_in: SignedIn) -> Result<Gateway, Problem> {
        let tokens = Tokens::new(sign_in);
        let client = Outgoing::new(&[tokens.host()?]).map_err(|cause| {
            let message = "TLS towards the token service could not be set up.";
            Problem::new(Kind::Exception, message).because(cause)
        })?;
        Ok(Gateway {
            tokens,
            client: client.bounded(SECONDS_MAX, ANSWER_BYTES_MAX),
            logins: Mutex::new(HashMap::new()),
        })
    }

    /// The patient with that NHS number has signed in by NHS login, whose ID token counts until then.
    pub fn signed_in(&self, nhs_number: &str, id_token: &str, (until, now): (Millis, Millis)) {
        let mut logins = self.logins.lock();
        logins.retain(|_, it| now < it.until);
        if logins.len() >= KEPT_MAX {
            return;
        }
        let login = Login {
            id_token: id_token.to_string(),
            until: until.min(now.saturating_add(MILLIS_MAX)),
        };
        logins.insert(nhs_number.to_string(), login);
    }

    /// The token in the patient's name.
    ///
    /// # Errors
    /// Why there is none: for people to read.
    pub(super) async fn token(&self, nhs_number: &str, now: Millis) -> Result<String, NoToken> {
        let id_token = {
            let logins = self.logins.lock();
            let known = logins.get(nhs_number).filter(|it| now < it.until);
            known.map(|it| it.id_token.clone())
        };
        let Some(id_token) = id_token else {
            let why = "It is asked only for a patient who has signed in with NHS login, in the hour after that.";
            return Err(NoToken::NotNow(why.to_string()));
        };
        self.tokens.of_person(&self.client, &id_token, now).await
    }

    /// Looks at the status with which it answered a call in a patient's name.
    ///
    /// # Errors
    /// If it did not take the token.
    pub(super) async fn taken(&self, status: u16) -> Result<(), NoToken> {
        let not_taken = "The gateway did not take the patient's token.";
        self.tokens.taken(status, not_taken).await
    }
}
