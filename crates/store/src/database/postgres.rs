//! The PostgreSQL half: the pool, settings, binding, rows.

use std::borrow::Cow;
use std::error::Error;
use std::time::Instant;

use deadpool_postgres::{Client, Manager, ManagerConfig, Pool, RecyclingMethod};
use fhir::problem::{Kind, Problem};
use futures_util::TryStreamExt;
use futures_util::future::try_join_all;
use tokio_postgres::types::{IsNull, ToSql, Type as PgType, private::BytesMut, to_sql_checked};
use tokio_postgres::{NoTls, RowStream, Statement};

use crate::failure;
use crate::row::{Cell, Row};
use crate::sql::{Bind, Sql};
use crate::table::Table;

/// What every connection sets. Without `force_custom_plan` a plan made for no value in particular
/// has been seen to take 20 s where its own takes a millisecond; compiling and parallel workers cost
/// more than these short statements do.
const SETTINGS: &str = "-c plan_cache_mode=force_custom_plan -c jit=off \
     -c max_parallel_workers_per_gather=0 -c synchronous_commit=on -c timezone=UTC \
     -c application_name=handover";

/// Opens a pool on a schema. `statement_seconds_max` ends a statement that takes longer.
pub(crate) fn pool(
    url: &str,
    schema: &str,
    connections: usize,
    statement_seconds_max: u64,
) -> Result<Pool, Problem> {
    check_schema(schema)?;
    let mut config: tokio_postgres::Config =
        url.parse().map_err(|error: tokio_postgres::Error| {
            Problem::new(
                Kind::Value,
                "The address of the PostgreSQL database does not read.",
            )
            .because(error)
        })?;
    config.options(format!(
        "{SETTINGS} -c search_path={schema} -c statement_timeout={statement_seconds_max}s"
    ));
    let recycling = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    let manager = Manager::from_config(config, NoTls, recycling);
    Pool::builder(manager)
        .max_size(connections)
        .build()
        .map_err(|error| failure::internal("no pool").because(error))
}

/// Ends statements once that time has come, until the transaction's end; without a time as long as
/// the pool allows.
pub(crate) async fn end_at(client: &Client, end: Option<Instant>) -> Result<(), Problem> {
    let text = match end {
        // 0 would mean for ever.
        Some(end) => format!(
            "SET LOCAL statement_timeout = {}",
            end.saturating_duration_since(Instant::now())
                .as_millis()
                .max(1)
        ),
        None => "SET LOCAL statement_timeout TO DEFAULT".to_string(),
    };
    client.batch_execute(&text).await.map_err(failure::postgres)
}

/// The schema's name becomes part of settings and DDL, where nothing can be bound.
fn check_schema(schema: &str) -> Result<(), Problem> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let first = schema
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_lowercase());
    if first && schema.len() <= 63 && schema.bytes().all(plain) {
        return Ok(());
    }
    let message =
        "A schema's name is small letters, digits and underscores, at most 63, the first a letter.";
    Err(Problem::new(Kind::Value, message))
}

/// Makes the schema if it is not there. The name must have been through `pool`.
pub(crate) async fn create_schema(client: &Client, schema: &str) -> Result<(), Problem> {
    check_schema(schema)?;
    let text = format!("CREATE SCHEMA IF NOT EXISTS {schema}");
    client.batch_execute(&text).await.map_err(failure::postgres)
}

/// Texts that a connection keeps prepared. What a search is made of is built in many ways: when that
/// many have been seen, all are given up, and those in use are soon back.
const PREPARED_MAX: usize = 256;

async fn prepared(client: &Client, text: &str) -> Result<Statement, Problem> {
    if client.statement_cache.size() >= PREPARED_MAX {
        client.statement_cache.clear();
    }
    client.prepare_cached(text).await.map_err(failure::postgres)
}

pub(crate) async fn execute(client: &Client, sql: &Sql<'_>) -> Result<u64, Problem> {
    let statement = prepared(client, sql.text()).await?;
    let binds = binds(sql);
    client
        .execute(&statement, &binds)
        .await
        .map_err(failure::postgres)
}

pub(crate) async fn rows(client: &Client, sql: &Sql<'_>) -> Result<Vec<Row>, Problem> {
    let statement = prepared(client, sql.text()).await?;
    let binds = binds(sql);
    if sql.bytes_max() < usize::MAX {
        let stream = client.query_raw(&statement, binds).await;
        return rows_up_to(stream.map_err(failure::postgres)?, sql.bytes_max()).await;
    }
    let rows = client
        .query(&statement, &binds)
        .await
        .map_err(failure::postgres)?;
    rows.iter().map(row).collect()
}

/// What comes behind is dropped as it comes, and never held.
async fn rows_up_to(stream: RowStream, bytes_max: usize) -> Result<Vec<Row>, Problem> {
    let mut stream = std::pin::pin!(stream);
    let (mut out, mut bytes) = (Vec::new(), 0);
    while let Some(found) = stream.try_next().await.map_err(failure::postgres)? {
        let is_last = bytes >= bytes_max;
        let row = row(&found)?;
        bytes += row.bytes_held();
        out.push(row);
        if is_last {
            break;
        }
    }
    Ok(out)
}

/// As `rows`, each made into something while it is at hand.
pub(crate) async fn mapped<T, const N: usize>(
    client: &Client,
    sql: &Sql<'_>,
    mut each: impl FnMut(&[Cell<'_>; N]) -> Result<T, Problem>,
) -> Result<Vec<T>, Problem> {
    let statement = prepared(client, sql.text()).await?;
    let binds = binds(sql);
    let rows = client
        .query(&statement, &binds)
        .await
        .map_err(failure::postgres)?;
    let mut out = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut cells = [Cell::Null; N];
        for ((at, column), cell) in row.columns().iter().enumerate().zip(&mut cells) {
            let value = match *column.type_() {
                PgType::TEXT => row
                    .try_get::<_, Option<&str>>(at)
                    .map(|value| value.map(|text| Cell::Bytes(text.as_bytes()))),
                PgType::BYTEA => row
                    .try_get::<_, Option<&[u8]>>(at)
                    .map(|value| value.map(Cell::Bytes)),
                _ => row
                    .try_get::<_, Option<i64>>(at)
                    .map(|value| value.map(Cell::Int)),
            };
            *cell = value.map_err(failure::postgres)?.unwrap_or(Cell::Null);
        }
        out.push(each(&cells)?);
    }
    Ok(out)
}

/// Waits for whoever is adding rows to the audit log, so that none with a lower number comes after:
/// the highest number there is.
pub(crate) async fn settled_audit(client: &Client) -> Result<i64, Problem> {
    // It waits for the transactions that have added lines, and holds up others for one read.
    let lock = "BEGIN; SET LOCAL lock_timeout = '5s'; LOCK TABLE audit IN SHARE MODE";
    let read = async {
        client.batch_execute(lock).await?;
        let row = client
            .query_one("SELECT COALESCE(MAX(seq), 0) FROM audit", &[])
            .await?;
        row.try_get::<_, i64>(0)
    };
    let highest = read.await.map_err(failure::postgres);
    client
        .batch_execute("ROLLBACK")
        .await
        .map_err(failure::postgres)?;
    highest
}

fn binds<'s>(sql: &'s Sql<'_>) -> Vec<&'s (dyn ToSql + Sync)> {
    sql.binds().iter().map(|bind| bind as _).collect()
}

// The futures are gathered by loops: closures that borrow across an await are not `Send` enough.

pub(crate) async fn execute_each(client: &Client, each: &[Sql<'_>]) -> Result<(), Problem> {
    let mut all = Vec::with_capacity(each.len());
    for sql in each {
        all.push(execute(client, sql));
    }
    try_join_all(all).await?;
    Ok(())
}

pub(crate) async fn rows_each(client: &Client, each: &[Sql<'_>]) -> Result<Vec<Vec<Row>>, Problem> {
    let mut all = Vec::with_capacity(each.len());
    for sql in each {
        all.push(rows(client, sql));
    }
    try_join_all(all).await
}

pub(crate) async fn insert_each(
    client: &Client,
    each: &[(&'static Table, Vec<Bind<'_>>)],
) -> Result<(), Problem> {
    let mut all = Vec::with_capacity(each.len());
    for (table, values) in each {
        all.push(insert_many(client, table, values));
    }
    try_join_all(all).await?;
    Ok(())
}

pub(crate) async fn insert_many(
    client: &Client,
    table: &'static Table,
    values: &[Bind<'_>],
) -> Result<(), Problem> {
    if values.is_empty() {
        return Ok(());
    }
    let width = table.columns().len();
    let columns: Vec<Column<'_>> = (0..width)
        .map(|at| Column(values.iter().skip(at).step_by(width).collect()))
        .collect();
    let binds: Vec<&(dyn ToSql + Sync)> = columns.iter().map(|column| column as _).collect();
    let statement = prepared(client, table.insert_arrays()).await?;
    client
        .execute(&statement, &binds)
        .await
        .map_err(failure::postgres)?;
    Ok(())
}

/// One column of many rows, sent as an array.
#[derive(Debug)]
struct Column<'a>(Vec<&'a Bind<'a>>);

impl ToSql for Column<'_> {
    fn to_sql(
        &self,
        ty: &PgType,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.0.to_sql(ty, out)
    }

    fn accepts(_: &PgType) -> bool {
        true
    }

    to_sql_checked!();
}

impl ToSql for Bind<'_> {
    fn to_sql(
        &self,
        ty: &PgType,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Bind::Null => Ok(IsNull::Yes),
            Bind::Int(value) => match *ty {
                PgType::INT4 => i32::try_from(*value)?.to_sql(ty, out),
                PgType::INT2 => i16::try_from(*value)?.to_sql(ty, out),
                _ => value.to_sql(ty, out),
            },
            Bind::Real(value) => value.to_sql(ty, out),
            // PostgreSQL has no text with a NUL in it. None is stored as such (doors refuse it), but
            // one may be asked for, or stand in a query that the audit log keeps.
            Bind::Text(value) if value.contains('\0') => {
                value.replace('\0', "\u{fffd}").to_sql(ty, out)
            }
            Bind::Text(value) => value.as_ref().to_sql(ty, out),
            Bind::Bytes(value) => value.as_ref().to_sql(ty, out),
        }
    }

    /// Which type goes where is the statement's business: PostgreSQL checks it.
    fn accepts(_: &PgType) -> bool {
        true
    }

    to_sql_checked!();
}

fn row(row: &tokio_postgres::Row) -> Result<Row, Problem> {
    let cells = row.columns().iter().enumerate();
    cells
        .map(|(at, column)| cell(row, at, column.type_()))
        .collect::<Result<_, _>>()
        .map(Row)
        .map_err(failure::postgres)
}

fn cell(
    row: &tokio_postgres::Row,
    at: usize,
    ty: &PgType,
) -> Result<Bind<'static>, tokio_postgres::Error> {
    Ok(match *ty {
        PgType::INT2 => row.try_get::<_, Option<i16>>(at)?.map(i64::from).into(),
        PgType::INT4 => row.try_get::<_, Option<i32>>(at)?.map(i64::from).into(),
        PgType::BOOL => row.try_get::<_, Option<bool>>(at)?.map(i64::from).into(),
        PgType::FLOAT8 => row.try_get::<_, Option<f64>>(at)?.into(),
        PgType::TEXT | PgType::VARCHAR => row
            .try_get::<_, Option<String>>(at)?
            .map_or(Bind::Null, |text| Bind::Text(Cow::Owned(text))),
        PgType::BYTEA => row.try_get::<_, Option<Vec<u8>>>(at)?.into(),
        _ => row.try_get::<_, Option<i64>>(at)?.into(),
    })
}
