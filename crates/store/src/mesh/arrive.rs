//! Messages from other nodes, which come in parts: each the content of a parcel.

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::content::{self, Stored};
use super::write::{New, gone, is_whole};
use super::{MeshDone, MeshState, Way};
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
    let row = New {
        id: &arrived.id,
        sender: &arrived.sender,
        recipient: &arrived.recipient,
        local_id: &arrived.local_id,
        workflow: &arrived.workflow,
        kind: "DATA",
        envelope: &arrived.envelope,
        encoding: &arrived.encoding,
        chunks: arrived.chunks,
        parts: arrived.parts,
        way: Way::Arrived.code(),
        organisation: &arrived.organisation,
        state: MeshState::Uploading.code(),
        ..New::default()
    };
    let mut sql = row.insert(now);
    sql.push(" RETURNING number");
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
    is_whole(tx, now, number).await?;
    let sql = Sql::new("DELETE FROM mesh_part WHERE message = $1");
    tx.execute(&sql.with(number)).await.map(|_| ())
}
