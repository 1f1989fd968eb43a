//! Requests that the real client never makes: with tokens of our own.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use exchange::mesh::Credentials;

use super::house::{PASSWORD, SHARED_KEY};
use crate::client::http::{Answer, Client};

pub const V2: &str = "application/vnd.mesh.v2+json";

/// Now and so many milliseconds later.
pub fn now(later: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap() + later
}

/// A token of that mailbox.
pub fn token(mailbox: &str, password: &str, later: i64) -> String {
    let credentials = Credentials::new(mailbox, password, SHARED_KEY).unwrap();
    credentials.token(now(later))
}

/// One request with these headers, and nothing else.
pub fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let path = format!("/messageexchange{path}");
    let answered = Client::new(address).request(method, &path, headers, body);
    answered.unwrap()
}

/// The same with a new token of the mailbox that the path begins with.
pub fn ask_as(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mailbox = path.split('/').nth(1).unwrap();
    let token = token(mailbox, PASSWORD, 0);
    let mut all = vec![("authorization", token.as_str()), ("accept", V2)];
    all.extend(headers);
    ask(address, method, path, &all, body)
}
