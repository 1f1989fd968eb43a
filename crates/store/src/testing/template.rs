//! A PostgreSQL database for each test, as a copy of one whose schema was made once: files are copied ten times as fast as
//! the schema's 1,200 tables and indexes are made, and go as fast.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use deadpool_postgres::{Client, Pool};

use super::START;
use crate::database::{Tx, postgres};
use crate::dialect::Dialect;
use crate::migrations;

/// The schema's name in each of these databases.
pub(super) const SCHEMA: &str = "handover";
/// Who makes a template makes it alone; the processes of other tests wait.
const LOCK: i64 = 7_203_441;
const SECONDS_MAX: u64 = 600;

/// A database of one test's own.
pub(super) struct Own {
    /// Its address.
    pub url: String,
    name: String,
}

impl Own {
    /// A new one on that server, with the schema of this program in it.
    pub(super) async fn make(server: &str) -> Own {
        let client = connect(server).await;
        let template = template(&client, server).await;
        let name = format!("t_{}", uuid::Uuid::new_v4().simple());
        let strategy = strategy(&client).await;
        let text = format!("CREATE DATABASE {name} TEMPLATE {template} {strategy}");
        run(&client, &text).await;
        Own {
            url: of_database(server, &name),
            name,
        }
    }

    /// Removes it, whoever is still connected to it.
    pub(super) async fn remove(self, server: &str) {
        remove(&connect(server).await, &self.name).await;
    }
}

/// The template of this program, made if there is none yet. It is known by the program's file, so that a program that
/// was built anew makes its own and removes the one of before.
async fn template(client: &Client, server: &str) -> String {
    let (family, name) = names();
    if exists(client, &name).await {
        return name;
    }
    run(client, &format!("SELECT pg_advisory_lock({LOCK})")).await;
    if !exists(client, &name).await {
        for old in of_family(client, &family).await {
            remove(client, &old).await;
        }
        let unfinished = format!("{name}_new");
        run(client, &format!("CREATE DATABASE {unfinished}")).await;
        migrate(&of_database(server, &unfinished)).await;
        run(
            client,
            &format!("ALTER DATABASE {unfinished} RENAME TO {name}"),
        )
        .await;
    }
    run(client, &format!("SELECT pg_advisory_unlock({LOCK})")).await;
    name
}

/// How the templates of this program begin, and how the one of this build is called.
fn names() -> (String, String) {
    let program = std::env::current_exe().expect("the test's own program");
    let file = program.metadata().expect("its file");
    let digest = |of: &dyn Fn(&mut DefaultHasher)| {
        let mut hasher = DefaultHasher::new();
        of(&mut hasher);
        format!("{:016x}", hasher.finish())
    };
    let family = format!("handover_{}", digest(&|hasher| program.hash(hasher)));
    let build = digest(&|hasher| (file.len(), file.modified().ok()).hash(hasher));
    let name = format!("{family}_{build}");
    (family, name)
}

async fn migrate(url: &str) {
    let pool = pool(url, SCHEMA);
    let client = pool.get().await.expect("a connection");
    postgres::create_schema(&client, SCHEMA)
        .await
        .expect("a schema");
    let tx = &mut Tx::Postgres(&client);
    migrations::run(tx, Dialect::Postgres, START, false)
        .await
        .expect("the schema is made");
}

/// Where nothing is synced, copying the files is twice as fast as logging their pages; elsewhere it is the other way round.
async fn strategy(client: &Client) -> &'static str {
    let text = "SELECT current_setting('fsync') = 'off' \
                AND current_setting('server_version_num')::int >= 150000";
    let row = client.query_one(text, &[]).await.expect("two settings");
    match row.get(0) {
        true => "STRATEGY FILE_COPY",
        false => "",
    }
}

async fn exists(client: &Client, name: &str) -> bool {
    let text = "SELECT 1 FROM pg_database WHERE datname = $1";
    let found = client.query_opt(text, &[&name]).await;
    found.expect("the list of databases").is_some()
}

async fn of_family(client: &Client, family: &str) -> Vec<String> {
    let text = "SELECT datname::text FROM pg_database WHERE starts_with(datname::text, $1)";
    let found = client.query(text, &[&family]).await;
    let found = found.expect("the list of databases");
    found.iter().map(|row| row.get(0)).collect()
}

async fn remove(client: &Client, name: &str) {
    let text = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    run(client, &text).await;
}

async fn run(client: &Client, text: &str) {
    let done = client.batch_execute(text).await;
    done.unwrap_or_else(|error| panic!("{text}: {error:?}"));
}

async fn connect(url: &str) -> Client {
    let pool = pool(url, "public");
    pool.get().await.expect("a connection")
}

fn pool(url: &str, schema: &str) -> Pool {
    postgres::pool(url, schema, 1, SECONDS_MAX).expect("a pool")
}

/// The address of another database of that server.
fn of_database(server: &str, name: &str) -> String {
    let (address, settings) = match server.split_once('?') {
        Some((address, settings)) => (address, format!("?{settings}")),
        None => (server, String::new()),
    };
    let (address, _) = address
        .rsplit_once('/')
        .expect("HANDOVER_TEST_POSTGRES is an address: postgres://user@host:port/database");
    format!("{address}/{name}{settings}")
}
