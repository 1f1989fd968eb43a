//! A client's public keys: registered themselves, or fetched from where the client keeps them, by the
//! guarded client for addresses that others chose (A15).

use std::collections::HashMap;

use exchange::jwt::Jwks;
use fhir::date::Millis;
use parking_lot::Mutex;
use store::oauth::Client;

use super::failure::Refused;
use crate::node::Node;

/// How long a fetched set is believed, and after how long it is fetched anew when a signature does not
/// fit, in milliseconds.
const BELIEVED: Millis = 300_000;
const AT_MOST_EVERY: Millis = 30_000;
/// The most sets that are kept.
const KEPT_MAX: usize = 500;

/// Key sets that were fetched, by their address, with when.
#[derive(Default)]
pub struct Fetched(Mutex<HashMap<String, (Millis, Jwks)>>);

/// The client's keys. `fresh` asks for a set that has just been fetched.
pub async fn of(node: &Node, client: &Client, fresh: bool) -> Result<Jwks, Refused> {
    if let Some(text) = &client.jwks {
        return Jwks::read(text.as_bytes()).map_err(Refused::client);
    }
    let none = || Refused::client("The client has registered no keys.");
    let address = client.jwks_uri.as_deref().ok_or_else(none)?;
    let now = node.store.now();
    let life = if fresh { AT_MOST_EVERY } else { BELIEVED };
    let kept = node.oauth.keys.0.lock().get(address).cloned();
    if let Some((at, keys)) = kept
        && (0..life).contains(&now.saturating_sub(at))
    {
        return Ok(keys);
    }
    let outgoing = node.oauth.outgoing.as_ref().ok_or_else(none)?;
    let text = outgoing.fetch(address).await.map_err(Refused::client)?;
    let keys = Jwks::read(&text).map_err(Refused::client)?;
    let mut all = node.oauth.keys.0.lock();
    if all.len() >= KEPT_MAX {
        all.clear();
    }
    all.insert(address.to_string(), (now, keys.clone()));
    Ok(keys)
}
