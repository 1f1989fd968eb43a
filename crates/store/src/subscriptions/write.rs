//! Changes of these rows.

use access::Scope;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::{Draft, SUBS_MAX, SubState, Topic, Watch};
use crate::database::Tx;
use crate::sql::Sql;
use crate::write::{Change, Written};
use crate::writer::Core;

/// An event that is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    pub sub: String,
    pub ty: String,
    pub id: String,
    pub version: u64,
    pub at: Millis,
}

/// What the writer can do to these rows.
#[derive(Debug)]
pub enum SubWrite {
    /// These changes have been looked at; what came of them. `Conflict` if somebody else did.
    Looked {
        changes: Vec<i64>,
        events: Vec<NewEvent>,
    },
    /// A subscriber was told of everything up to that number.
    Told { id: String, number: u64 },
    /// A subscriber could not be told.
    Failed {
        id: String,
        reason: String,
        next_try: Millis,
    },
    /// A person or the work itself sets it so; failures are forgotten.
    Set {
        id: String,
        state: SubState,
        error: Option<String>,
    },
    /// Events told before that time are forgotten, and tokens that are too old.
    Tidy { before: Millis },
    /// A token that binds a websocket to these subscriptions.
    Token {
        digest: [u8; 32],
        account: i64,
        subs: Vec<String>,
        expires_at: Millis,
    },
    /// A token is used. `Conflict` if it has been.
    Used { digest: [u8; 32] },
}

/// Applies one change inside the writer's transaction. An error undoes the whole job.
pub(crate) async fn apply(tx: &mut Tx<'_>, now: Millis, write: &SubWrite) -> Result<(), Problem> {
    match write {
        SubWrite::Looked { changes, events } => looked(tx, changes, events).await,
        SubWrite::Told { id, number } => {
            let number = i64::try_from(*number).unwrap_or(i64::MAX);
            let sql = Sql::new(
                "UPDATE sub_event SET sent = 1 WHERE sub = $1 AND number <= $2 AND sent = 0",
            );
            tx.execute(&sql.with(id.as_str()).with(number)).await?;
            let sql = Sql::new(
                "UPDATE sub SET tries = 0, next_try = 0, told_at = $1, error = NULL WHERE id = $2",
            );
            tx.execute(&sql.with(now).with(id.as_str())).await?;
            Ok(())
        }
        SubWrite::Failed {
            id,
            reason,
            next_try,
        } => {
            let sql = Sql::new(
                "UPDATE sub SET tries = tries + 1, next_try = $1, error = $2 WHERE id = $3",
            );
            let sql = sql.with(*next_try).with(reason.as_str());
            tx.execute(&sql.with(id.as_str())).await?;
            Ok(())
        }
        SubWrite::Set { id, state, error } => {
            let sql = Sql::new(
                "UPDATE sub SET state = $1, error = $2, tries = 0, next_try = 0 WHERE id = $3",
            );
            let sql = sql.with(state.code()).with(error.as_deref());
            tx.execute(&sql.with(id.as_str())).await?;
            Ok(())
        }
        SubWrite::Tidy { before } => {
            let sql = Sql::new("DELETE FROM sub_event WHERE sent = 1 AND at < $1");
            tx.execute(&sql.with(*before)).await?;
            let sql = Sql::new("DELETE FROM sub_token WHERE expires_at < $1");
            tx.execute(&sql.with(now)).await?;
            Ok(())
        }
        SubWrite::Token {
            digest,
            account,
            subs,
            expires_at,
        } => {
            let sql = Sql::new(
                "INSERT INTO sub_token (digest, account, subs, expires_at) VALUES ($1, $2, $3, $4)",
            );
            let subs = subs.join("\n");
            let sql = sql.with(digest.as_slice()).with(*account);
            tx.execute(&sql.with(subs.as_str()).with(*expires_at))
                .await?;
            Ok(())
        }
        SubWrite::Used { digest } => {
            let sql = Sql::new("DELETE FROM sub_token WHERE digest = $1");
            if tx.execute(&sql.with(digest.as_slice())).await? == 0 {
                return Err(Problem::new(Kind::Conflict, "The token has been used."));
            }
            Ok(())
        }
    }
}

async fn looked(tx: &mut Tx<'_>, changes: &[i64], events: &[NewEvent]) -> Result<(), Problem> {
    for seq in changes {
        let sql = Sql::new("DELETE FROM sub_change WHERE seq = $1");
        if tx.execute(&sql.with(*seq)).await? == 0 {
            let message = "The change has been looked at already.";
            return Err(Problem::new(Kind::Conflict, message));
        }
    }
    for event in events {
        let next = Sql::new("UPDATE sub SET events = events + 1 WHERE id = $1 RETURNING events");
        let Some(row) = tx.row(&next.with(event.sub.as_str())).await? else {
            continue;
        };
        let sql = Sql::new(
            "INSERT INTO sub_event (sub, number, ty, id, ver, at, sent) \
             VALUES ($1, $2, $3, $4, $5, $6, 0)",
        );
        let sql = sql.with(event.sub.as_str()).with(row.int(0)?);
        let sql = sql.with(event.ty.as_str()).with(event.id.as_str());
        let version = i64::try_from(event.version).unwrap_or(i64::MAX);
        tx.execute(&sql.with(version).with(event.at)).await?;
    }
    Ok(())
}

/// In the transaction of the changes themselves: Subscriptions become rows, and changes of a type
/// that is watched are written down.
pub(crate) async fn note(
    core: &mut Core,
    tx: &mut Tx<'_>,
    scope: &Scope,
    changes: &[Change],
    written: &[Written],
) -> Result<(), Problem> {
    if written.is_empty() {
        return Ok(());
    }
    for change in changes {
        match change {
            Change::Put { resource, .. } => match resource.watch.as_deref() {
                Some(Watch::Sub(draft)) => {
                    if let Some(account) = scope.agent().account {
                        keep(tx, &resource.id, account, draft).await?;
                        core.watched = None;
                    }
                }
                Some(Watch::Topic(topic)) => keep_topic(tx, &resource.id, Some(topic)).await?,
                None if resource.ty == "Basic" => keep_topic(tx, &resource.id, None).await?,
                None => {}
            },
            Change::Delete { ty, id, .. } if ty == "Basic" => keep_topic(tx, id, None).await?,
            Change::Delete { ty, id, .. } if ty == "Subscription" => {
                for sql in [
                    "DELETE FROM sub_event WHERE sub = $1",
                    "DELETE FROM sub WHERE id = $1",
                ] {
                    tx.execute(&Sql::new(sql).with(id.as_str())).await?;
                }
            }
            Change::Delete { .. } | Change::Release { .. } | Change::Veil { .. } => {}
        }
    }
    if core.watched.is_none() {
        // Telling changes Subscriptions: who were told of those would be so for ever.
        let watched =
            Sql::new("SELECT DISTINCT ty FROM sub WHERE state <> 'off' AND ty <> 'Subscription'");
        let rows = tx.rows(&watched).await?;
        let types = rows.iter().map(|row| row.text(0).map(str::to_string));
        core.watched = Some(types.collect::<Result<_, _>>()?);
    }
    for watched in core.watched.iter().flatten() {
        for written in written.iter().filter(|it| it.ty == *watched) {
            let sql = Sql::new("INSERT INTO sub_change (ty, id, ver, at) VALUES ($1, $2, $3, $4)");
            let version = i64::try_from(written.version).unwrap_or(i64::MAX);
            let sql = sql.with(written.ty.as_str()).with(written.id.as_str());
            tx.execute(&sql.with(version).with(written.last_updated))
                .await?;
        }
    }
    Ok(())
}

/// Keeps what a Basic says as a topic, or forgets what it said.
async fn keep_topic(tx: &mut Tx<'_>, id: &str, topic: Option<&Topic>) -> Result<(), Problem> {
    let sql = Sql::new("DELETE FROM sub_topic WHERE id = $1");
    tx.execute(&sql.with(id)).await?;
    let Some(topic) = topic else {
        return Ok(());
    };
    let known = Sql::new("SELECT COUNT(*) FROM sub_topic WHERE url = $1");
    let known = tx.row(&known.with(topic.url.as_str())).await?;
    if known.map_or(Ok(0), |row| row.int(0))? > 0 {
        let message = "Another topic has this address already.";
        return Err(Problem::new(Kind::Duplicate, message).at("Basic.extension"));
    }
    let sql = Sql::new(
        "INSERT INTO sub_topic (id, url, ty, creates, updates, query, filters, shape, deletes, \
         previous, both_hold, on_create, on_delete, path) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    );
    let sql = sql
        .with(id)
        .with(topic.url.as_str())
        .with(topic.ty.as_str());
    let sql = sql
        .with(i64::from(topic.creates))
        .with(i64::from(topic.updates));
    let sql = sql.with(topic.query.as_str()).with(topic.filters.as_str());
    let sql = sql
        .with(topic.shape.as_str())
        .with(i64::from(topic.deletes));
    let sql = sql
        .with(topic.previous.as_str())
        .with(i64::from(topic.both));
    let sql = sql
        .with(topic.on_create.map(i64::from))
        .with(topic.on_delete.map(i64::from));
    tx.execute(&sql.with(topic.path.as_str())).await?;
    Ok(())
}

/// The type and the filter of a subscription to a topic that somebody stored, if it holds to it.
async fn held(tx: &mut Tx<'_>, draft: &Draft) -> Result<String, Problem> {
    let refused =
        |message: String| Err(Problem::new(Kind::Invalid, message).at("Subscription.criteria"));
    let sql = Sql::new(
        "SELECT url, ty, creates, updates, query, filters, shape, deletes, previous, both_hold, \
         on_create, on_delete, path FROM sub_topic WHERE url = $1",
    );
    let found = tx.row(&sql.with(draft.topic.as_str())).await?;
    let Some(topic) = found
        .as_ref()
        .map(|row| super::topic(row, 0))
        .transpose()?
        .flatten()
    else {
        return refused(
            "There is no topic of that address here; store it as a Basic first.".into(),
        );
    };
    if !draft.ty.is_empty() && draft.ty != topic.ty {
        return refused(format!("The topic is of {}, so filters are too.", topic.ty));
    }
    topic.allows(&draft.query)?;
    super::draft::searched(&topic.ty, &draft.query)?;
    Ok(topic.ty)
}

async fn keep(tx: &mut Tx<'_>, id: &str, account: i64, draft: &Draft) -> Result<(), Problem> {
    let ty = match draft.is_named {
        true => held(tx, draft).await?,
        false => draft.ty.clone(),
    };
    let count = tx.row(&Sql::new("SELECT COUNT(*) FROM sub")).await?;
    if count.map_or(Ok(0), |row| row.int(0))? >= i64::from(SUBS_MAX) {
        let message = format!("The node keeps at most {SUBS_MAX} subscriptions.");
        return Err(Problem::new(Kind::TooCostly, message));
    }
    let sql = Sql::new(
        "INSERT INTO sub (id, account, state, ty, query, channel, endpoint, headers, payload, \
         content, topic, heartbeat_seconds, ends_at, events, tries, next_try, told_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, 0, 0, 0) \
         ON CONFLICT (id) DO UPDATE SET account = excluded.account, state = excluded.state, \
         ty = excluded.ty, query = excluded.query, channel = excluded.channel, \
         endpoint = excluded.endpoint, headers = excluded.headers, payload = excluded.payload, \
         content = excluded.content, topic = excluded.topic, \
         heartbeat_seconds = excluded.heartbeat_seconds, ends_at = excluded.ends_at, \
         tries = 0, next_try = 0, error = NULL",
    )
    .with(id)
    .with(account)
    .with(draft.state.code())
    .with(ty.as_str())
    .with(draft.query.as_str())
    .with(draft.channel.as_str())
    .with(draft.endpoint.as_str())
    .with(draft.headers.as_str())
    .with(draft.payload.as_str())
    .with(draft.content)
    .with(draft.topic.as_str())
    .with(draft.heartbeat_seconds)
    .with(draft.ends_at);
    tx.execute(&sql).await?;
    Ok(())
}
