//! Looking into a node's store from outside, as an engineer would with `sqlite3` or `psql`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, params_from_iter};

/// Where a node keeps its rows.
#[derive(Clone, Debug)]
pub enum Rows {
    Sqlite(PathBuf),
    Postgres { url: String, schema: String },
}

/// A letter as one node has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    pub state: String,
    /// It has become a document of this node's own.
    pub taken_in: bool,
    pub unmatched: bool,
}

fn open(store: &Path) -> Connection {
    let connection = Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    connection.busy_timeout(Duration::from_secs(5)).unwrap();
    connection
}

impl Rows {
    /// The rows that a query gives, all columns as text. It must read the same on both databases.
    pub fn texts(&self, query: &str) -> Vec<Vec<Option<String>>> {
        match self {
            Rows::Sqlite(file) => {
                let connection = open(file);
                let mut statement = connection.prepare(query).unwrap();
                let columns = statement.column_count();
                let read =
                    |row: &rusqlite::Row<'_>| (0..columns).map(|column| row.get(column)).collect();
                statement
                    .query_map([], read)
                    .unwrap()
                    .collect::<Result<_, _>>()
                    .unwrap()
            }
            Rows::Postgres { url, schema } => block_on(async {
                let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
                    .await
                    .unwrap();
                let connection = tokio::spawn(connection);
                client
                    .batch_execute(&format!("SET search_path TO {schema}"))
                    .await
                    .unwrap();
                let rows = client.query(query, &[]).await.unwrap();
                connection.abort();
                rows.iter()
                    .map(|row| (0..row.len()).map(|column| row.get(column)).collect())
                    .collect()
            }),
        }
    }

    /// All letters that came in (`sent` false) or went out, by the sender's id of the document. Two rows of one id stand
    /// under it together: that is what must not be. What nodes tell each other beside letters (that one holds something about a
    /// patient, say) is of another kind and is left out.
    pub fn parcels(&self, sent: bool) -> BTreeMap<String, Vec<Parcel>> {
        let query = format!(
            "SELECT unique_id, state, document, CAST(unmatched AS TEXT) FROM parcel \
             WHERE direction = {} AND kind = 'letter'",
            i32::from(!sent)
        );
        let mut by_id: BTreeMap<String, Vec<Parcel>> = BTreeMap::new();
        for row in self.texts(&query) {
            let [Some(id), Some(state), document, unmatched] = row.as_slice() else {
                panic!("{row:?}")
            };
            let unmatched = unmatched.as_deref() == Some("1");
            let parcel = Parcel {
                state: state.clone(),
                taken_in: document.is_some(),
                unmatched,
            };
            by_id.entry(own_number(id)).or_default().push(parcel);
        }
        by_id
    }

    /// One number that a query gives as text.
    pub fn number(&self, query: &str) -> i64 {
        self.texts(query)[0][0].as_ref().unwrap().parse().unwrap()
    }

    /// Changes rows of a node that does not run: so that hours pass, say. How many were changed.
    pub fn change(&self, sql: &str) -> usize {
        match self {
            Rows::Sqlite(file) => Connection::open(file).unwrap().execute(sql, []).unwrap(),
            Rows::Postgres { url, schema } => block_on(async {
                let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
                    .await
                    .unwrap();
                let connection = tokio::spawn(connection);
                let path = format!("SET search_path TO {schema}");
                client.batch_execute(&path).await.unwrap();
                let changed = client.execute(sql, &[]).await.unwrap();
                connection.abort();
                usize::try_from(changed).unwrap()
            }),
        }
    }

    /// Nothing is broken in the file; PostgreSQL looks after its own.
    pub fn assert_sound(&self) {
        if let Rows::Sqlite(file) = self {
            let check: String = open(file)
                .query_row("PRAGMA integrity_check", params_from_iter([""; 0]), |row| {
                    row.get(0)
                })
                .unwrap();
            assert_eq!(check, "ok", "{}", file.display());
        }
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// The message's own part of a document's number, which is kept as facility, number and namespace:
/// `RZZ98/LETTER1^RZZ98`.
fn own_number(number: &str) -> String {
    let number = number.split_once('/').map_or(number, |(_, rest)| rest);
    number.split('^').next().unwrap_or(number).to_owned()
}
