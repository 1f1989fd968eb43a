//! `GET /messageexchange/{mailbox}/outbox/tracking?messageID=` and `…/tracking/{local_id}`: what
//! became of a message, for its sender.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use fhir::date::{self, Millis};
use fhir::problem::Kind;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use store::mesh::{COLLECT_MILLIS, MeshState, Message};

use super::Door;
use super::answer::{Refused, put};
use super::caller::Caller;

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(rename = "messageID")]
    id: Option<String>,
}

pub(super) async fn by_id(
    State(door): State<Arc<Door>>,
    caller: Caller,
    Query(asked): Query<Asked>,
) -> Response {
    let work = async {
        let Some(id) = asked.id else {
            let words = "Name the message with messageID";
            return Err(Refused::parameter("messageID", words));
        };
        let found = door.exchange.store().mesh_message(&caller.scope, &id).await;
        let message = found.map_err(|problem| match problem.kind {
            // Whether there is such a message is the sender's to know.
            Kind::NotFound | Kind::Forbidden => Refused::not_found(),
            _ => problem.into(),
        })?;
        match message.sender == caller.mailbox && !message.is_report {
            true => answer(&door, &caller, &message).await,
            false => Err(Refused::not_found()),
        }
    };
    caller.answer(&door, Box::pin(work)).await
}

pub(super) async fn by_local_id(
    State(door): State<Arc<Door>>,
    caller: Caller,
    Path((_, local_id)): Path<(String, String)>,
) -> Response {
    let work = async {
        let store = door.exchange.store();
        let found = store.mesh_sent_as(&caller.scope, &local_id).await?;
        match found.as_slice() {
            [] => Err(Refused::not_found()),
            [one] => answer(&door, &caller, one).await,
            _ => {
                let told = ("", "", "Multiple Choices");
                Err(Refused::told(StatusCode::MULTIPLE_CHOICES, told))
            }
        }
    };
    caller.answer(&door, Box::pin(work)).await
}

async fn answer(door: &Door, caller: &Caller, message: &Message) -> Result<Response, Refused> {
    let store = door.exchange.store();
    let size = store.mesh_size(&caller.scope, message).await?;
    let name = door.exchange.mailbox_name(&message.recipient);
    let one = version_one(caller, message, &name, size);
    let two = version_two(message, &name);
    Ok(caller.version.answer(StatusCode::OK, one, two))
}

fn envelope(message: &Message) -> Map<String, Value> {
    serde_json::from_str(&message.envelope).unwrap_or_default()
}

/// `2026-11-22T09:59:41.497`, in UTC; no text for no time.
fn instant(at: Millis) -> String {
    match at {
        0 => String::new(),
        _ => date::instant(at).trim_end_matches('Z').to_owned(),
    }
}

/// `20261122095941`, in UTC.
fn digits(at: Millis) -> String {
    let text = instant(at);
    text.chars().filter(char::is_ascii_digit).take(14).collect()
}

fn expiry(message: &Message) -> Millis {
    message.begun_at.saturating_add(COLLECT_MILLIS)
}

fn version_two(message: &Message, name: &str) -> Value {
    let envelope = envelope(message);
    let ods = &message.organisation;
    let mut told = json!({
        "message_id": message.id,
        "local_id": message.local_id,
        "workflow_id": message.workflow,
        "filename": envelope.get("mex-filename").unwrap_or(&Value::Null),
        "expiry_time": instant(expiry(message)),
        "upload_timestamp": instant(message.begun_at),
        "recipient": message.recipient,
        "recipient_name": name,
        "recipient_ods_code": ods,
        "recipient_org_code": ods,
        "recipient_org_name": "",
        "status_success": message.state != MeshState::Undeliverable,
        "status": message.state.code(),
    });
    if message.state == MeshState::Undeliverable {
        put(&mut told, "status_event", "SEND");
        put(&mut told, "status_description", &message.reason);
    }
    told
}

fn version_one(caller: &Caller, message: &Message, name: &str, size: i64) -> Value {
    let envelope = envelope(message);
    let written = |name: &str| envelope.get(name).cloned().unwrap_or_else(|| "".into());
    let undeliverable = message.state == MeshState::Undeliverable;
    let ods = &message.organisation;
    let own = &caller.scope.agent().organisation;
    json!({
        "addressType": "ALL",
        "checksum": written("mex-content-checksum"),
        "chunkCount": message.chunks,
        "compressFlag": written("mex-content-compressed"),
        "contentEncoding": message.encoding,
        "downloadTimestamp": digits(message.fetched_at),
        "dtsId": message.id,
        "encryptedFlag": written("mex-content-encrypted"),
        "expiryTime": digits(expiry(message)),
        "fileName": written("mex-filename"),
        "fileSize": size,
        "isCompressed": written("mex-content-compressed"),
        "localId": message.local_id,
        "meshRecipientOdsCode": ods,
        "messageId": message.id,
        "messageType": "Data",
        "partnerId": written("mex-partnerid"),
        "recipient": message.recipient,
        "recipientName": name,
        "recipientOrgCode": ods,
        "recipientOrgName": "",
        "recipientSmtp": "",
        "sender": message.sender,
        "senderName": caller.name,
        "senderOdsCode": own,
        "senderOrgCode": own,
        "senderOrgName": "",
        "senderSmtp": "",
        "status": message.state.code(),
        "statusCode": if undeliverable { "14" } else { "00" },
        "statusDescription": message.reason,
        "statusEvent": if undeliverable { "SEND" } else { "TRANSFER" },
        "statusSuccess": if undeliverable { "ERROR" } else { "SUCCESS" },
        "statusTimestamp": digits(message.state_at),
        "subject": written("mex-subject"),
        "uploadTimestamp": digits(message.begun_at),
        "version": "1.0",
        "workflowId": message.workflow,
    })
}
