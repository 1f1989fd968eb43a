//! Apps and systems, and whether a person approved them.

use fhir::date::Millis;
use fhir::problem::Problem;

use crate::Store;
use crate::accounts::SecretDigest;
use crate::database::Tx;
use crate::failure;
use crate::row::Row;
use crate::sql::Sql;

/// The most clients that are listed.
const LISTED_MAX: i64 = 500;

/// How a client proves who it is (SMART App Launch 2.2, "client authentication").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientKind {
    /// It cannot keep a secret.
    Public,
    /// It has a shared secret.
    Symmetric,
    /// It signs with a key of its own.
    Asymmetric,
}

/// Whether it may do anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientState {
    /// Nobody has approved it yet.
    Waiting,
    Approved,
    Revoked,
}

/// An app or a system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    pub id: String,
    pub name: String,
    pub kind: ClientKind,
    /// Where a browser may be sent back to, to the letter. Without any it is a system.
    pub redirects: Vec<String>,
    /// Where an EHR launch begins.
    pub launch_uri: Option<String>,
    /// Its public keys, as a JWK set, or where they are.
    pub jwks: Option<String>,
    pub jwks_uri: Option<String>,
    pub secret: Option<SecretDigest>,
    /// The most that it may be granted.
    pub scopes: String,
    pub state: ClientState,
    /// A system's own account.
    pub account: Option<i64>,
    pub made_at: Millis,
    pub decided_by: Option<String>,
}

impl ClientKind {
    pub fn code(self) -> &'static str {
        match self {
            ClientKind::Public => "public",
            ClientKind::Symmetric => "symmetric",
            ClientKind::Asymmetric => "asymmetric",
        }
    }

    fn of(code: &str) -> ClientKind {
        match code {
            "public" => ClientKind::Public,
            "symmetric" => ClientKind::Symmetric,
            _ => ClientKind::Asymmetric,
        }
    }
}

impl ClientState {
    pub fn code(self) -> &'static str {
        match self {
            ClientState::Waiting => "waiting",
            ClientState::Approved => "approved",
            ClientState::Revoked => "revoked",
        }
    }

    fn of(code: &str) -> ClientState {
        match code {
            "waiting" => ClientState::Waiting,
            "approved" => ClientState::Approved,
            _ => ClientState::Revoked,
        }
    }
}

impl Client {
    pub fn is_approved(&self) -> bool {
        self.state == ClientState::Approved
    }

    /// Whether it acts for itself, with nobody signed in.
    pub fn is_system(&self) -> bool {
        self.redirects.is_empty()
    }
}

const ALL: &str = "SELECT id, name, kind, redirects, launch_uri, jwks, jwks_uri, secret, scopes, state, \
     account, made_at, decided_by FROM oauth_client WHERE 1 = 1";

impl Store {
    /// A client, whatever its state.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn oauth_client(&self, id: &str) -> Result<Option<Client>, Problem> {
        let mut sql = Sql::new(ALL);
        sql.push(" AND id = ").bind(id.to_string());
        let rows = self.rows(&sql).await?;
        rows.first().map(client).transpose()
    }

    /// The clients, the newest first, at most 500.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn oauth_clients(&self) -> Result<Vec<Client>, Problem> {
        let mut sql = Sql::new(ALL);
        sql.push(" ORDER BY made_at DESC, id LIMIT ")
            .bind(LISTED_MAX);
        let rows = self.rows_apart(sql).await?;
        rows.iter().map(client).collect()
    }
}

fn client(row: &Row) -> Result<Client, Problem> {
    let text = |place| Ok::<_, Problem>(row.text_opt(place)?.map(str::to_string));
    let wrong = |_| failure::internal("a client's secret has another length");
    let secret = row.bytes_opt(7)?.map(TryInto::try_into);
    let secret = secret.transpose().map_err(wrong)?;
    Ok(Client {
        id: row.text(0)?.to_string(),
        name: row.text(1)?.to_string(),
        kind: ClientKind::of(row.text(2)?),
        redirects: row.text(3)?.lines().map(str::to_string).collect(),
        launch_uri: text(4)?,
        jwks: text(5)?,
        jwks_uri: text(6)?,
        secret,
        scopes: row.text(8)?.to_string(),
        state: ClientState::of(row.text(9)?),
        account: row.int_opt(10)?,
        made_at: row.int(11)?,
        decided_by: text(12)?,
    })
}

/// Writes a new client.
pub(super) async fn put(tx: &mut Tx<'_>, client: &Client) -> Result<u64, Problem> {
    let sql = Sql::new(
        "INSERT INTO oauth_client (id, name, kind, redirects, launch_uri, jwks, jwks_uri, secret, \
         scopes, state, account, made_at, decided_by) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (id) DO NOTHING",
    )
    .with(client.id.as_str())
    .with(client.name.as_str())
    .with(client.kind.code())
    .with(client.redirects.join("\n"))
    .with(client.launch_uri.as_deref())
    .with(client.jwks.as_deref())
    .with(client.jwks_uri.as_deref())
    .with(client.secret.as_ref().map(|digest| digest.as_slice()))
    .with(client.scopes.as_str())
    .with(client.state.code())
    .with(client.account)
    .with(client.made_at)
    .with(client.decided_by.as_deref());
    tx.execute(&sql).await
}

/// Notes a person's decision. What a revoked client holds ends with it.
pub(super) async fn decide(
    tx: &mut Tx<'_>,
    now: Millis,
    (id, state): (&str, ClientState),
    (by, account): (&str, Option<i64>),
) -> Result<u64, Problem> {
    let sql = Sql::new(
        "UPDATE oauth_client SET state = $1, decided_at = $2, decided_by = $3, \
         account = COALESCE($4, account) WHERE id = $5 AND state <> $1",
    );
    let sql = sql.with(state.code()).with(now).with(by).with(account);
    let changed = tx.execute(&sql.with(id)).await?;
    if state != ClientState::Approved {
        super::token::drop_of_client(tx, id).await?;
    }
    Ok(changed)
}
