//! Messages from other nodes, which come in parts: each the content of a parcel.

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::MeshDone;
use super::content::{self, Stored};
use super::write::gone;
use crate::database::Tx;
use crate::sql::Sql;

/// Rows of bytes that one part takes at most.
const ROWS_A_PART: i64 = 64;

/// A part of a message, with all that is written on the message.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// The ODS code of the organisation whose node brought it.
    pub organisation: String,
    pub id: String,
    pub sender: String,
    pub recipient: String,
    pub local_id: String,
    pub workflow: String,
    pub envelope: String,
    pub encoding: String,
    pub chunks: u32,
    /// Parts of the message in all, which this one of them is (from 1), and which chunk it is of.
    pub parts: u32,
    pub part: u32,
    pub chunk: u32,
    /// Bytes of that whole chunk, unpacked.
    pub plain: u64,
    pub bytes: Vec<u8>,
}

/// Keeps a part; with the last the message stands in its mailbox.
pub(super) async fn take(
    tx: &mut Tx<'_>,
    now: Millis,
    arrived: &Arrived,
) -> Result<MeshDone, Problem> {
    let number = message(tx, now, arrived).await?;
    let sql = Sql::new(
        "INSERT INTO mesh_part (message, part, chunk, size, plain) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (message, part) DO NOTHING",
    )
    .with(number)
    .with(arrived.part)
    .with(arrived.chunk)
    .with(content::int(arrived.bytes.len() as u64))
    .with(content::int(arrived.plain));
    if tx.execute(&sql).await? == 0 {
        return Ok(MeshDone::Whole(false));
    }
    let upload = upload(number, arrived.chunk);
    let first = i64::from(arrived.part) * ROWS_A_PART;
    content::append(tx, &upload, first, &arrived.bytes).await?;
    let sql = Sql::new("SELECT COUNT(*) FROM mesh_part WHERE message = $1");
    let here = tx.row(&sql.with(number)).await?.ok_or_else(gone)?.int(0)?;
    if here < i64::from(arrived.parts) {
        return Ok(MeshDone::Whole(false));
    }
    whole(tx, now, number).await?;
    Ok(MeshDone::Whole(true))
}

fn upload(number: i64, chunk: u32) -> String {
    format!("arrived-{number}-{chunk}")
}

/// The row of the message, made with the first part that comes.
async fn message(tx: &mut Tx<'_>, now: Millis, arrived: &Arrived) -> Result<i64, Problem> {
    let sql = Sql::new(
        "SELECT number, organisation, way, parts, recipient, chunks FROM mesh_message WHERE id = $1",
    );
    if let Some(row) = tx.row(&sql.with(arrived.id.as_str())).await? {
        let same = row.text(1)? == arrived.organisation
            && row.text(2)? == "arrived"
            && row.int(3)? == i64::from(arrived.parts)
            && row.text(4)? == arrived.recipient
            && row.int(5)? == i64::from(arrived.chunks);
        return match same {
            true => row.int(0),
            false => Err(Problem::new(
                Kind::BusinessRule,
                "Another message is here under this id.",
            )),
        };
    }
    let sql = Sql::new(
        "INSERT INTO mesh_message (id, sender, recipient, local_id, workflow, kind, envelope, \
         encoding, chunks, parts, first_sha256, way, organisation, state, begun_at, accepted_at, \
         fetched_at, state_at, handed, outside, linked, status_code, reason, kept) VALUES ($1, $2, \
         $3, $4, $5, 'DATA', $6, $7, $8, $9, '', 'arrived', $10, 'uploading', $11, 0, 0, $12, 0, \
         '', '', '', '', 1) RETURNING number",
    )
    .with(arrived.id.as_str())
    .with(arrived.sender.as_str())
    .with(arrived.recipient.as_str())
    .with(arrived.local_id.as_str())
    .with(arrived.workflow.as_str())
    .with(arrived.envelope.as_str())
    .with(arrived.encoding.as_str())
    .with(arrived.chunks)
    .with(arrived.parts)
    .with(arrived.organisation.as_str())
    .with(now)
    .with(now);
    tx.row(&sql).await?.ok_or_else(gone)?.int(0)
}

/// All parts are here: the chunks are what they make up.
async fn whole(tx: &mut Tx<'_>, now: Millis, number: i64) -> Result<(), Problem> {
    let sql = Sql::new(
        "SELECT chunk, CAST(SUM(size) AS BIGINT), MAX(plain) FROM mesh_part WHERE message = $1 \
         GROUP BY chunk ORDER BY chunk",
    );
    for row in tx.rows(&sql.with(number)).await? {
        let chunk = row.int(0)?;
        let unsigned = |value: i64| u64::try_from(value).unwrap_or_default();
        let stored = Stored {
            upload: upload(number, u32::try_from(chunk).unwrap_or_default()),
            size: unsigned(row.int(1)?),
            plain: unsigned(row.int(2)?),
            sha256: String::new(),
        };
        content::place(tx, (number, chunk), &stored).await?;
    }
    let sql = Sql::new(
        "UPDATE mesh_message SET state = 'accepted', accepted_at = $1, state_at = $2 \
         WHERE number = $3 AND state = 'uploading'",
    );
    tx.execute(&sql.with(now).with(now).with(number)).await?;
    let sql = Sql::new("DELETE FROM mesh_part WHERE message = $1");
    tx.execute(&sql.with(number)).await.map(|_| ())
}
