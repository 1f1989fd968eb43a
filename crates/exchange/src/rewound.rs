//! A neighbour that was put back to an old copy of its records has lost what it had taken and was told since. It gets
//! that again from what is here: the same parcels, under the same names, so that what it still has is not there twice.

use std::collections::HashMap;

use access::{Interaction, Ods, Outcome, Scope, SystemPurpose, Target};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use serde_json::Value;
use store::parcels::{LISTED_MAX, ParcelWrite, Rewound};
use store::{Effect, Job, Reading, Store};

use crate::keys::sha256_hex;

/// What was sent again, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SentAgain {
    /// Parcels that go again.
    pub parcels: usize,
    /// Parcels of which only steps are told again.
    pub told: usize,
    /// Parcels that cannot go again, by their ids: their contents are not here any more.
    pub gone: Vec<String>,
}

/// Sends the neighbour again all that it had taken at or after `since` (milliseconds since 1970), and tells it again what it
/// was told since; with `dry`, only counts. A running node delivers it within seconds.
///
/// # Errors
/// Those of the store; what was put on its way before stays so, and may be sent again once more.
pub async fn send_again(
    store: &Store,
    peer: &Ods,
    since: Millis,
    dry: bool,
) -> Result<SentAgain, Problem> {
    let scope = Scope::system(SystemPurpose::DeliverParcels);
    let (mut done, mut after) = (SentAgain::default(), 0);
    loop {
        let found = store.rewound(&scope, peer, (since, after)).await?;
        for it in &found {
            after = it.pid;
            let contents = contents(store, &scope, it).await?;
            match (it.goes, &contents) {
                (true, None) => {
                    done.gone.push(it.id.clone());
                    continue;
                }
                (true, Some(_)) => done.parcels += 1,
                (false, _) => done.told += 1,
            }
            if !dry {
                put_on_its_way(store, &scope, (peer, it, since), contents).await?;
            }
        }
        if found.len() < LISTED_MAX as usize {
            break;
        }
    }
    if !dry {
        let peer = peer.clone();
        let write = Effect::Parcel(ParcelWrite::TryNow { peer });
        store.commit(&scope, Job::effect(write)).await?;
    }
    Ok(done)
}

async fn put_on_its_way(
    store: &Store,
    scope: &Scope,
    (peer, it, since): (&Ods, &Rewound, Millis),
    contents: Option<Vec<(String, Vec<u8>)>>,
) -> Result<(), Problem> {
    let mut job = Job::effect(Effect::Parcel(ParcelWrite::Rewound {
        pid: it.pid,
        since,
        contents: contents.unwrap_or_default(),
    }));
    let target = Target {
        ty: "DocumentReference".into(),
        id: it.document.clone(),
        query: Some(format!("sent-again-to={peer}").into()),
        ..Target::default()
    };
    job.traces
        .push(scope.trace(Interaction::System, Outcome::Success, target));
    store.commit(scope, job).await.map(|_| ())
}

/// The bytes of what it wants, from the document here that it was made of; `None` if one is not to be had.
async fn contents(
    store: &Store,
    scope: &Scope,
    it: &Rewound,
) -> Result<Option<Vec<(String, Vec<u8>)>>, Problem> {
    let mut found: HashMap<String, Vec<u8>> = HashMap::new();
    if let (Some(document), false) = (&it.document, it.wanted.is_empty()) {
        for binary in binaries(store, scope, document).await? {
            if let Some(bytes) = bytes_of(store, scope, &binary).await? {
                found.insert(sha256_hex(&bytes), bytes);
            }
        }
    }
    let part = |sha256: &String| Some((sha256.clone(), found.get(sha256)?.clone()));
    let mut names: Vec<&String> = it.wanted.iter().map(|part| &part.sha256).collect();
    names.sort_unstable();
    names.dedup();
    Ok(names.into_iter().map(part).collect())
}

async fn binaries(store: &Store, scope: &Scope, document: &str) -> Result<Vec<String>, Problem> {
    let Some(document) = read(store, scope, ("DocumentReference", document)).await? else {
        return Ok(Vec::new());
    };
    let contents = document.get("content").and_then(Value::as_array);
    let url = |content: &Value| {
        let url = content.pointer("/attachment/url")?.as_str()?;
        let id = url.strip_prefix("Binary/")?;
        Some(id.split('/').next().unwrap_or(id).to_owned())
    };
    Ok(contents.into_iter().flatten().filter_map(url).collect())
}

async fn bytes_of(store: &Store, scope: &Scope, id: &str) -> Result<Option<Vec<u8>>, Problem> {
    let binary = read(store, scope, ("Binary", id)).await?;
    let data = binary.as_ref().and_then(|binary| binary.get("data"));
    let Some(data) = data.and_then(Value::as_str) else {
        return Ok(None);
    };
    let bytes = STANDARD.decode(data);
    bytes.map(Some).map_err(|cause| {
        Problem::new(Kind::Exception, "A document here is not what was stored.").because(cause)
    })
}

async fn read(
    store: &Store,
    scope: &Scope,
    (ty, id): (&str, &str),
) -> Result<Option<Value>, Problem> {
    match store.read(scope, ty, id).await? {
        Reading::Found(version) => {
            serde_json::from_slice(&version.body)
                .map(Some)
                .map_err(|cause| {
                    Problem::new(Kind::Exception, "A resource here is not JSON.").because(cause)
                })
        }
        Reading::Deleted { .. } | Reading::Absent => Ok(None),
    }
}
