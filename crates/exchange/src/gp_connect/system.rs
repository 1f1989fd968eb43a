//! The organisation's own system as a client asks it: GP Connect appointments over the guarded client.

use access::Ods;
use bytes::Bytes;
use fhir::date::Millis;
use fhir::gp_connect::{
    self as stu3, BookedBy, CONTENT_TYPE, Call, Offered, Refusal, Seen, Wanted,
};
use fhir::problem::{Kind, Problem};
use http::Method;
use serde_json::Value;

use super::token::{self, Asking};
use crate::jwt::IdentityKey;
use crate::outgoing::{Call as Request, Outgoing};

/// How long an answer is waited for.
const SECONDS_MAX: u64 = 20;
const ANSWER_BYTES_MAX: usize = 4 << 20;
const REASON_CHARS_MAX: usize = 300;

/// Where the system is, and as whom it is asked.
pub struct System {
    pub base: String,
    /// Its ASID, and this node's.
    pub asid: String,
    pub own_asid: String,
    /// The address of this node.
    pub issuer: String,
    pub organisation: Ods,
    pub booked_by: BookedBy,
    /// Signs the tokens; without it they go unsigned, as they are published.
    pub key: Option<IdentityKey>,
    client: Outgoing,
}

impl std::fmt::Debug for System {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("System").field("base", &self.base).finish()
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum No {
    /// Nothing can be told from it: it is asked again, after a look at how things stand.
    NotNow(String),
    /// It does not do this, and will not: the Spine's code, which may be empty, and words.
    Refused(String, String),
}

impl No {
    /// In words.
    pub fn words(&self) -> &str {
        match self {
            No::NotNow(words) | No::Refused(_, words) => words,
        }
    }

    /// Whether somebody else has the slot.
    pub fn is_taken(&self) -> bool {
        matches!(self, No::Refused(code, _) if code == "DUPLICATE_REJECTED")
    }

    /// Whether there is no such thing there.
    pub fn is_gone(&self) -> bool {
        matches!(self, No::Refused(code, _) if code == "NO_RECORD_FOUND")
    }

    /// Whether it has changed since it was read.
    pub fn is_stale(&self) -> bool {
        matches!(self, No::Refused(code, _) if code == "FHIR_CONSTRAINT_VIOLATION")
    }
}

/// A patient as the system has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub id: String,
    pub born: String,
    pub families: Vec<String>,
}

impl System {
    /// The system at that address, such as `https://system.example/A81001/STU3/1`.
    ///
    /// # Errors
    /// `Value` if it is no address; `Exception` if TLS cannot be set up.
    pub fn client(url: &str) -> Result<(String, Outgoing), Problem> {
        let read: Result<http::Uri, _> = url.parse();
        let read = read
            .ok()
            .filter(|it| matches!(it.scheme_str(), Some("http" | "https")));
        let Some(host) = read.and_then(|it| it.host().map(str::to_string)) else {
            let message = "The address of the organisation's own system does not read.";
            return Err(Problem::new(Kind::Value, message));
        };
        let client = Outgoing::new(&[host]).map_err(|cause| {
            let message = "TLS towards the organisation's own system could not be set up.";
            Problem::new(Kind::Exception, message).because(cause)
        })?;
        Ok((url.trim_end_matches('/').to_string(), client))
    }

    /// # Errors
    /// As `client`.
    pub fn new(
        url: &str,
        (asid, own_asid): (&str, &str),
        (issuer, organisation, booked_by): (&str, &Ods, BookedBy),
        key: Option<IdentityKey>,
    ) -> Result<System, Problem> {
        let (base, client) = System::client(url)?;
        Ok(System {
            base,
            asid: asid.to_string(),
            own_asid: own_asid.to_string(),
            issuer: issuer.to_string(),
            organisation: organisation.clone(),
            booked_by,
            key,
            client: client.bounded(SECONDS_MAX, ANSWER_BYTES_MAX),
        })
    }

    /// The same over another client, such as one that shows a certificate.
    #[must_use]
    pub fn over(mut self, client: Outgoing) -> System {
        self.client = client.bounded(SECONDS_MAX, ANSWER_BYTES_MAX);
        self
    }

    /// What is free and lies wholly in that span, in the name of that person.
    ///
    /// # Errors
    /// If it is not told.
    pub async fn free(
        &self,
        (from, until): (Millis, Millis),
        (person, now): (&str, Millis),
    ) -> Result<Vec<Offered>, No> {
        let query = [
            ("start", format!("ge{}", stu3::local(from))),
            ("end", format!("le{}", stu3::local(until))),
            ("status", "free".to_string()),
            ("_include", "Slot:schedule".to_string()),
            (
                "_include:recurse",
                "Schedule:actor:Practitioner".to_string(),
            ),
            (
                "searchFilter",
                format!("{}|{}", stu3::ODS, self.organisation),
            ),
        ];
        let path = format!("/Slot?{}", encoded(&query));
        let answer = self
            .ask(Call::FindSlots, (Method::GET, &path), None, (person, now))
            .await?;
        Ok(stu3::offered(&answer))
    }

    /// The patient of that NHS number; `None` if there is none. Whether it is the one that is meant is for the
    /// caller to check.
    ///
    /// # Errors
    /// If it is not told.
    pub async fn patient(
        &self,
        nhs_number: &str,
        (person, now): (&str, Millis),
    ) -> Result<Option<Known>, No> {
        let identifier = format!("{}|{nhs_number}", stu3::NHS_NUMBER);
        let path = format!("/Patient?{}", encoded(&[("identifier", identifier)]));
        let answer = self
            .ask(Call::FindPatient, (Method::GET, &path), None, (person, now))
            .await?;
        let entries = answer.pointer("/entry").and_then(Value::as_array);
        let mut found = entries
            .into_iter()
            .flatten()
            .filter_map(|it| it.get("resource"))
            .filter(|it| it.get("resourceType").and_then(Value::as_str) == Some("Patient"));
        let (Some(patient), None) = (found.next(), found.next()) else {
            return Ok(None);
        };
        let text = |value: &Value, name: &str| {
            let text = value.get(name).and_then(Value::as_str);
            text.unwrap_or_default().to_string()
        };
        let id = text(patient, "id");
        let names = patient.get("name").and_then(Value::as_array);
        let families = names.into_iter().flatten().map(|it| text(it, "family"));
        Ok(fhir::resource::check_id(&id).is_ok().then(|| Known {
            id,
            born: text(patient, "birthDate"),
            families: families.collect(),
        }))
    }

    /// The patient's appointments on the days of that span, the cancelled too.
    ///
    /// # Errors
    /// If they are not told.
    pub async fn appointments(
        &self,
        patient: &str,
        (from, until): (Millis, Millis),
        (person, now): (&str, Millis),
    ) -> Result<Vec<Seen>, No> {
        let query = [
            ("start", format!("ge{}", stu3::local_day(from.max(now)))),
            ("start", format!("le{}", stu3::local_day(until.max(now)))),
        ];
        let path = format!("/Patient/{patient}/Appointment?{}", encoded(&query));
        let answer = self
            .ask(
                Call::PatientAppointments,
                (Method::GET, &path),
                None,
                (person, now),
            )
            .await?;
        let entries = answer.pointer("/entry").and_then(Value::as_array);
        let entries = entries.into_iter().flatten();
        Ok(entries
            .filter_map(|it| stu3::read(it.get("resource")?))
            .collect())
    }

    /// Books.
    ///
    /// # Errors
    /// If it is not booked, or nobody knows.
    pub async fn book(&self, wanted: &Wanted, (person, now): (&str, Millis)) -> Result<Seen, No> {
        let body = stu3::wanted(wanted).to_string();
        let to = (Method::POST, "/Appointment");
        let answer = self
            .ask(Call::Book, to, Some((body, None)), (person, now))
            .await?;
        stu3::read(&answer).ok_or_else(unreadable)
    }

    /// One appointment, as its holder wrote it.
    ///
    /// # Errors
    /// If it is not told.
    pub async fn appointment(
        &self,
        id: &str,
        (person, now): (&str, Millis),
    ) -> Result<(Seen, Value), No> {
        let path = format!("/Appointment/{id}");
        let answer = self
            .ask(
                Call::ReadAppointment,
                (Method::GET, &path),
                None,
                (person, now),
            )
            .await?;
        let seen = stu3::read(&answer).filter(|it| it.id == id);
        Ok((seen.ok_or_else(unreadable)?, answer))
    }

    /// Cancels an appointment that was read just before.
    ///
    /// # Errors
    /// If it is not cancelled, or nobody knows.
    pub async fn cancel(
        &self,
        (seen, whole): (&Seen, &Value),
        reason: &str,
        (person, now): (&str, Millis),
    ) -> Result<(), No> {
        let body = stu3::cancel(whole, reason).to_string();
        let path = format!("/Appointment/{}", seen.id);
        let version = Some(seen.version.as_str());
        let answer = self
            .ask(
                Call::Cancel,
                (Method::PUT, &path),
                Some((body, version)),
                (person, now),
            )
            .await?;
        match stu3::read(&answer) {
            Some(it) if it.status == "cancelled" => Ok(()),
            _ => Err(unreadable()),
        }
    }

    async fn ask(
        &self,
        call: Call,
        (method, path): (Method, &str),
        body: Option<(String, Option<&str>)>,
        (person, now): (&str, Millis),
    ) -> Result<Value, No> {
        let asking = Asking {
            issuer: &self.issuer,
            audience: &self.base,
            organisation: &self.organisation,
            organisation_name: &self.booked_by.name,
            person,
        };
        let claims = token::claims(&asking, call, now);
        let token = match &self.key {
            Some(key) => key
                .sign(&claims)
                .map_err(|problem| No::NotNow(problem.message))?,
            None => token::unsigned(&claims),
        };
        let mut headers = vec![
            ("accept", CONTENT_TYPE.to_string()),
            ("authorization", format!("Bearer {token}")),
            ("ssp-traceid", uuid::Uuid::new_v4().to_string()),
            ("ssp-from", self.own_asid.clone()),
            ("ssp-to", self.asid.clone()),
            ("ssp-interactionid", call.id().to_string()),
        ];
        if let Some((_, version)) = &body {
            headers.push(("content-type", CONTENT_TYPE.to_string()));
            headers.extend(version.map(|it| ("if-match", format!("W/\"{it}\""))));
        }
        let request = Request {
            method,
            url: format!("{}{path}", self.base),
            headers: headers
                .into_iter()
                .map(|(name, value)| (name.to_string(), value))
                .collect(),
            body: body.map_or_else(Bytes::new, |(body, _)| Bytes::from(body)),
        };
        match self.client.answer(request).await {
            Ok((status, body)) => understood(status, &body),
            Err(why) => Err(No::NotNow(format!("It did not answer: {why}"))),
        }
    }
}

fn unreadable() -> No {
    No::NotNow("Its answer cannot be read.".into())
}

/// A query as it stands in an address.
pub(crate) fn encoded(query: &[(&str, String)]) -> String {
    let mut text = String::new();
    for (name, value) in query {
        if !text.is_empty() {
            text.push('&');
        }
        percent(name, &mut text);
        text.push('=');
        percent(value, &mut text);
    }
    text
}

/// All but what RFC 3986 never reserves, and the colon, goes by its number.
fn percent(value: &str, text: &mut String) {
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
                text.push(char::from(byte));
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
}

/// What an answer means: final is only what the system itself says of this request, in an OperationOutcome.
pub(super) fn understood(status: u16, body: &[u8]) -> Result<Value, No> {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    match (status, json) {
        (200 | 201, Some(json)) => Ok(json),
        (400..=499, Some(json))
            if !matches!(status, 401 | 403 | 408 | 425 | 429)
                && json.get("resourceType").and_then(Value::as_str) == Some("OperationOutcome") =>
        {
            let (code, words) = Refusal::said(&json);
            let words: String = words.chars().take(REASON_CHARS_MAX).collect();
            Err(No::Refused(code, words))
        }
        (status, json) => {
            let words = json.map(|it| Refusal::said(&it).1).unwrap_or_default();
            let words: String = words.chars().take(REASON_CHARS_MAX).collect();
            let words = format!("It answered {status}. {words}");
            Err(No::NotNow(words.trim().to_string()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_system_says_of_a_request_in_an_outcome_is_final() {
        let taken = Refusal::new(fhir::gp_connect::Trouble::Duplicate, "The slot is taken.");
        let outcome = taken.outcome().to_string();
        let no = understood(409, outcome.as_bytes()).unwrap_err();
        assert!(no.is_taken() && !no.is_gone() && no.words() == "The slot is taken.");
        assert!(understood(201, b"{}").is_ok());
        for status in [200, 302, 401, 403, 404, 408, 409, 429, 500, 502, 503, 504] {
            let no = understood(status, b"<html>").unwrap_err();
            assert!(matches!(no, No::NotNow(_)), "{status}");
        }
        for status in [401, 403, 429, 500, 504] {
            let no = understood(status, outcome.as_bytes()).unwrap_err();
            assert!(matches!(no, No::NotNow(_)), "{status}");
        }
    }

    #[test]
    fn a_query_is_written_so_that_it_reads_back() {
        let query = [
            ("start", "ge2027-06-01T09:00:00+01:00".to_string()),
            ("a", "x|y&z".into()),
        ];
        assert_eq!(
            encoded(&query),
            "start=ge2027-06-01T09:00:00%2B01:00&a=x%7Cy%26z"
        );
        assert!(System::client("nonsense").is_err());
    }
}
