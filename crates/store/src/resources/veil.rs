//! What tells where a restricted patient is, taken out of bodies before they are stored: what is not
//! in the rows is in no answer, no index, no order and no count (P13).
//!
//! The whole bodies stand aside in `whereabouts`, for reads by those to whom it was released.

use std::collections::{HashMap, HashSet};

use access::{Interaction, Ods, Scope};
use fhir::json::Json;
use fhir::problem::Problem;
use fhir::resource::Body;
use fhir::whereabouts::{self, Places};
use sha2::{Digest, Sha256};

use super::prepared::each_word;
use super::stored::Stored;
use super::{Prepared, body};
use crate::database::Tx;
use crate::sql::Sql;
use crate::whereabouts as flags;
use crate::words::UNKNOWN;
use crate::write::Change;
use crate::writer::Core;

/// Patients asked for at a time.
const ASKED_AT_ONCE: usize = 200;

/// What these changes store in place of what they brought, by type and id.
#[derive(Debug, Default)]
pub(crate) struct Veil {
    put: HashMap<(String, String), Put>,
    swept: HashMap<(String, String), Swept>,
}

/// What one change stores.
#[derive(Debug)]
pub(crate) struct Put {
    pub(crate) resource: Prepared,
    /// The whole body, compressed.
    pub(crate) whole: Vec<u8>,
}

/// The versions of one resource, as they are to be from now on.
#[derive(Debug)]
pub(crate) struct Swept {
    pub(crate) versions: Vec<Version>,
    /// The current one, unless it is a deletion or stays as it is.
    pub(crate) current: Option<Prepared>,
}

#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) number: i64,
    pub(crate) body: Vec<u8>,
    pub(crate) splice: u32,
    pub(crate) digest: [u8; 32],
    /// What it said before; `None` if it says so again.
    pub(crate) whole: Option<Vec<u8>>,
}

impl Veil {
    pub(crate) fn put(&self, ty: &str, id: &str) -> Option<&Put> {
        if self.put.is_empty() {
            return None;
        }
        self.put.get(&(ty.to_string(), id.to_string()))
    }

    pub(crate) fn swept(&self, ty: &str, id: &str) -> Option<&Swept> {
        self.swept.get(&(ty.to_string(), id.to_string()))
    }
}

/// Finds out what to take out, and notes flags that come or go with these changes.
pub(crate) async fn draw(
    core: &mut Core,
    tx: &mut Tx<'_>,
    scope: &Scope,
    changes: &[Change],
    before: &[Option<Stored>],
) -> Result<Veil, Problem> {
    let mut veil = Veil::default();
    let known = known(tx, changes, before).await?;
    for (change, before) in changes.iter().zip(before) {
        let (ty, id) = change.names();
        let key = || (ty.to_string(), id.to_string());
        match change {
            Change::Put { resource, .. } => {
                let is_lifted = is_lifted(resource, scope, &known);
                let is_flagged = resource.ty == "Patient" && resource.labels.is_restricted();
                let mut patients = resource.patients.iter();
                if is_flagged || !is_lifted && patients.any(|it| known.contains_key(it)) {
                    let places = places(tx, core, resource, &known).await?;
                    if let Some(put) = put(core, tx, resource, &places, before.as_ref()).await? {
                        veil.put.insert(key(), put);
                    }
                }
                if is_lifted {
                    flags::lift(tx, core.now(), &resource.id).await?;
                }
            }
            Change::Veil { .. } => {
                if let Some(stored) = before {
                    let swept = sweep(core, tx, id, stored, &known).await?;
                    veil.swept.insert(key(), swept);
                }
            }
            Change::Delete { .. } | Change::Release { .. } => {}
        }
    }
    Ok(veil)
}

/// Whether a change takes the flag away from a Patient, which is a decision of its own; what a home
/// practice told is not this node's to take back.
fn is_lifted(resource: &Prepared, scope: &Scope, known: &HashMap<String, Known>) -> bool {
    let is_taken = resource.ty == "Patient"
        && !resource.labels.is_restricted()
        && scope.interaction() == Interaction::RemoveLabel;
    let was = known.get(&resource.id).filter(|_| is_taken);
    was.is_some_and(|was| was.is_own && !was.is_told)
}

/// A restricted patient.
#[derive(Debug)]
struct Known {
    is_own: bool,
    /// By their home practice.
    is_told: bool,
    places: Places,
}

/// Those restricted of the patients whom the changes are about.
async fn known(
    tx: &mut Tx<'_>,
    changes: &[Change],
    before: &[Option<Stored>],
) -> Result<HashMap<String, Known>, Problem> {
    let mut asked: HashSet<&str> = HashSet::new();
    for (change, before) in changes.iter().zip(before) {
        match change {
            Change::Put { resource, .. } => {
                asked.extend(resource.patients.iter().map(String::as_str));
            }
            Change::Veil { .. } => asked.extend(before.iter().flat_map(|it| it.facts.patients())),
            Change::Delete { .. } | Change::Release { .. } => {}
        }
    }
    let mut known = HashMap::new();
    let asked: Vec<&str> = asked.into_iter().collect();
    for some in asked.chunks(ASKED_AT_ONCE) {
        let mut sql = Sql::new(
            "SELECT patient, own, home, places FROM restricted \
             WHERE (own = 1 OR home <> '') AND patient IN (",
        );
        for (number, patient) in some.iter().enumerate() {
            sql.push(if number == 0 { "" } else { ", " })
                .bind((*patient).to_string());
        }
        sql.push(")");
        for row in tx.rows(&sql).await? {
            let patient = Known {
                is_own: row.flag(1)?,
                is_told: !row.text(2)?.is_empty(),
                places: Places::from_lines(row.text(3)?),
            };
            known.insert(row.text(0)?.to_string(), patient);
        }
    }
    Ok(known)
}

/// The words to mask in a resource: those known of its patients, and, of a Patient, those that this
/// and the earlier versions say, which are known from now on.
async fn places(
    tx: &mut Tx<'_>,
    core: &Core,
    resource: &Prepared,
    known: &HashMap<String, Known>,
) -> Result<Places, Problem> {
    let known_ones = resource.patients.iter().filter_map(|it| known.get(it));
    let all = |places: Places, it: &Known| places.and(it.places.clone());
    let mut places = known_ones.fold(Places::default(), all);
    if resource.ty != "Patient" {
        return Ok(places);
    }
    places = places.and(flags::said(&resource.body)?);
    if !known.contains_key(&resource.id) {
        places = places.and(flags::said_ever(tx, &resource.id).await?);
    }
    let is_own = resource.labels.is_restricted();
    let was = known.get(&resource.id);
    if was.is_none_or(|was| was.places != places || was.is_own != is_own) {
        flags::flag(tx, core.now(), &resource.id, is_own, &places).await?;
    }
    Ok(places)
}

/// A resource without what tells where its patient is; `None` if it tells nothing.
async fn put(
    core: &mut Core,
    tx: &mut Tx<'_>,
    resource: &Prepared,
    places: &Places,
    before: Option<&Stored>,
) -> Result<Option<Put>, Problem> {
    let bytes = body::decompress(&resource.body)?;
    let brought = body::parse(&bytes)?;
    let earlier = match before {
        Some(stored) => last_whole(tx, stored).await?,
        None => None,
    };
    let earlier = earlier.as_deref().map(body::parse).transpose()?;
    let filled = earlier.and_then(|it| whereabouts::fill(&brought, &it).map(|it| it.to_bytes()));
    let filled = filled.as_deref().map(body::parse).transpose()?;
    let whole = filled.as_ref().unwrap_or(&brought);
    let Some(redacted) = whereabouts::redact(whole, places) else {
        return Ok(None);
    };
    Ok(Some(Put {
        resource: prepared(core, tx, &redacted, &resource.id, &resource.organisation).await?,
        whole: body::compress(&Body::new(whole, &resource.id).bytes)?,
    }))
}

async fn last_whole(tx: &mut Tx<'_>, stored: &Stored) -> Result<Option<Vec<u8>>, Problem> {
    let sql = Sql::new(
        "SELECT body FROM whereabouts WHERE shard = $1 AND rid = $2 ORDER BY ver DESC LIMIT 1",
    );
    let sql = sql.with(stored.facts.shard).with(stored.facts.rid);
    let row = tx.row(&sql).await?;
    row.map(|row| body::decompress(row.bytes(0)?)).transpose()
}

/// The resource as it is to be stored. By a word that is in no row yet it is not indexed: that can only
/// be one of the labels that redaction put in, and no number was reserved for it.
async fn prepared(
    core: &mut Core,
    tx: &mut Tx<'_>,
    resource: &Json<'_>,
    id: &str,
    organisation: &Ods,
) -> Result<Prepared, Problem> {
    let mut prepared = Prepared::new(resource, id, organisation)?;
    prepared.index_by(&core.registry())?;
    let mut words = Vec::new();
    prepared.each_word(|word| words.push(word.to_string()));
    core.learn(tx, words).await?;
    let ty = prepared.ty.clone();
    prepared.entries.retain(|entry| {
        let mut is_known = true;
        each_word(&ty, std::slice::from_ref(entry), |word| {
            is_known &= core.word(word).is_ok_and(|number| number != UNKNOWN);
        });
        is_known
    });
    Ok(prepared)
}

/// Each version of a resource as it is to be, where it is otherwise.
async fn sweep(
    core: &mut Core,
    tx: &mut Tx<'_>,
    id: &str,
    stored: &Stored,
    known: &HashMap<String, Known>,
) -> Result<Swept, Problem> {
    let organisation = Ods::parse(&stored.facts.organisation)?;
    let restricted = stored.facts.patients().filter_map(|it| known.get(it));
    let places = restricted.map(|it| it.places.clone()).reduce(Places::and);
    let sql = Sql::new(
        "SELECT v.ver, v.body, w.body FROM ver v LEFT JOIN whereabouts w \
         ON w.shard = v.shard AND w.rid = v.rid AND w.ver = v.ver \
         WHERE v.shard = $1 AND v.rid = $2 AND v.del = 0 ORDER BY v.ver",
    );
    let sql = sql.with(stored.facts.shard).with(stored.facts.rid);
    let mut swept = Swept {
        versions: Vec::new(),
        current: None,
    };
    for row in tx.rows(&sql).await? {
        let (number, now, kept) = (row.int(0)?, row.bytes(1)?, row.bytes_opt(2)?);
        let bytes = body::decompress(kept.unwrap_or(now))?;
        let whole = body::parse(&bytes)?;
        let redacted = places
            .as_ref()
            .and_then(|it| whereabouts::redact(&whole, it));
        let new = Body::new(redacted.as_ref().unwrap_or(&whole), id);
        if new.bytes == body::decompress(now)? {
            continue;
        }
        if number == stored.facts.version {
            let current = redacted.as_ref().unwrap_or(&whole);
            swept.current = Some(prepared(core, tx, current, id, &organisation).await?);
        }
        swept.versions.push(Version {
            number,
            body: body::compress(&new.bytes)?,
            splice: new.splice,
            digest: Sha256::digest(&new.bytes).into(),
            whole: redacted.is_some().then(|| kept.unwrap_or(now).to_vec()),
        });
    }
    Ok(swept)
}
