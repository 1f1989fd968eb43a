//! Spreading the rows over machines, where PostgreSQL has the Citus extension
//! (<https://docs.citusdata.com/en/stable/develop/api_udf.html>). Every table stands in one of two
//! lists: spread by `shard`, or held whole by each machine. Tests hold that no table is left out and
//! that every unique key of a spread table holds its shard, which Citus asks for. Citus itself is in
//! no test: Debian does not package it.

use fhir::problem::Problem;

use crate::database::Tx;
use crate::sql::Sql;

/// Tables whose rows carry a shard. Equal shards are on one machine, whatever the table.
const SPREAD: &[&str] = &[
    "res",
    "ver",
    "res_several",
    "compartment",
    "whereabouts",
    "ix_token",
    "ix_string",
    "ix_reference",
    "ix_date",
    "ix_quantity",
    "ix_uri",
    "ix_composite",
    "audit",
    "hl7_message",
    "hl7_said",
    "parcel",
    "parcel_part",
    "parcel_event",
    "parcel_proof",
    "parcel_content",
    "parcel_piece",
    "parcel_receipt",
    "parcel_notice",
    "mesh_piece",
    "fax_piece",
    "itk3_piece",
];

/// Tables of few rows, or looked up before a shard is known.
const EVERYWHERE: &[&str] = &[
    "word",
    "counter",
    "reindex",
    "place",
    "journal",
    "migration",
    "parcel_peer",
    "account",
    "session",
    "api_token",
    "second_factor",
    "recovery_code",
    "sign_in_step",
    "passkey",
    "outside_identity",
    "identity_proof",
    "ts_system",
    "ts_concept",
    "ts_range",
    "ts_posting",
    "ts_length",
    "ts_value_set",
    "ts_map",
    "ts_mapping",
    "bulk_job",
    "bulk_part",
    "bulk_chunk",
    "bulk_line",
    "sub",
    "sub_change",
    "sub_event",
    "sub_topic",
    "sub_token",
    "package",
    "package_file",
    "oauth_client",
    "oauth_ask",
    "oauth_launch",
    "oauth_grant",
    "oauth_code",
    "oauth_refresh",
    "oauth_access",
    "oauth_seen",
    "audit_tree",
    "audit_tile",
    "audit_checkpoint",
    "audit_cosignature",
    "audit_witnessed",
    "audit_alarm",
    "care_link",
    "care_workgroup",
    "care_opening",
    "care_dissent",
    "care_familiar",
    "sharing",
    "sharing_held",
    "sharing_home",
    "home_reference",
    "sharing_link",
    "restricted",
    "pds_trace",
    "nrl_pointer",
    "care_team_opening",
    "proxy",
    "proxy_offer",
    "online_access",
    "privacy_item",
    "patient_notice",
    "copy_head",
    "opt_out_check",
    "opt_out_number",
    "hl7_change",
    "hl7_out",
    "mesh_message",
    "mesh_chunk",
    "mesh_upload",
    "mesh_part",
    "mesh_token",
    "fax_in",
    "fax_out",
    "fax_page",
    "fax_number",
    "itk3_out",
    "itk3_in",
    "itk3_answer",
    "nominated_pharmacy",
    "eps_message",
    "ask_seen",
    "ask_copy",
    "pointer_own",
    "pointer_held",
    "diary_slot",
    "diary_booking",
    "diary_further_slot",
    "system_booking",
    "draft",
    "form_ask",
    "form_draft",
    "referral",
    "bars_message",
    "bars_out",
    "crew_handover",
    "crew_handover_step",
    "patient_move",
    "patient_move_part",
    "patient_move_holder",
    "visit",
    "visit_pack",
    "visit_taken",
    "visit_entry",
    "downtime_pack",
    "downtime_event",
    "downtime_code",
    "downtime_entry",
    "message_thread",
    "message_post",
    "record_question",
    "glossary",
    "taken_out",
    "large_binary",
    "order_there",
    "parcel_back",
    "parcel_recall",
    "parcel_bulk",
    "parcel_bulk_letter",
    "desk_team",
    "desk_member",
    "desk_asked",
    "desk_assigned",
    "desk_filter",
    "desk_task",
    "desk_template",
    "rule_switch",
    "rule_trigger",
    "rule_event",
    "rule_act",
    "blueprint",
    "blueprint_now",
    "blueprint_part",
    "blueprint_file",
];

/// Every table.
pub(crate) fn tables() -> impl Iterator<Item = &'static str> {
    EVERYWHERE.iter().chain(SPREAD).copied()
}

/// How the rows lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// One database; nothing to spread.
    Whole,
    /// Citus is there: this many tables were spread just now (0 when all were).
    Citus(usize),
}

/// Spreads what is not spread yet, if the extension is there. Repeating it changes nothing.
pub(crate) async fn spread(tx: &mut Tx<'_>) -> Result<Spread, Problem> {
    if matches!(tx, Tx::Sqlite(_)) {
        return Ok(Spread::Whole);
    }
    let there = Sql::new("SELECT COUNT(*) FROM pg_extension WHERE extname = 'citus'");
    if tx.row(&there).await?.map_or(Ok(0), |row| row.int(0))? == 0 {
        return Ok(Spread::Whole);
    }
    let known = Sql::new(
        "SELECT CAST(c.relname AS TEXT) FROM pg_dist_partition d JOIN pg_class c \
         ON c.oid = d.logicalrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = current_schema()",
    );
    let known = tx.rows(&known).await?;
    let known: Vec<&str> = known
        .iter()
        .map(|row| row.text(0))
        .collect::<Result<_, _>>()?;
    spread_all_but(tx, &known).await.map(Spread::Citus)
}

async fn spread_all_but(tx: &mut Tx<'_>, known: &[&str]) -> Result<usize, Problem> {
    let mut count = 0;
    for table in EVERYWHERE.iter().filter(|table| !known.contains(*table)) {
        tx.rows(&Sql::new("SELECT CAST(create_reference_table($1) AS TEXT)").with(*table))
            .await?;
        count += 1;
    }
    for table in SPREAD.iter().filter(|table| !known.contains(*table)) {
        // All lie as the first does.
        let with = if *table == "res" { "none" } else { "res" };
        let sql = Sql::new(
            "SELECT CAST(create_distributed_table($1, 'shard', colocate_with => $2) AS TEXT)",
        );
        tx.rows(&sql.with(*table).with(with)).await?;
        count += 1;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::postgres;
    use crate::testing::{Ground, on_each_database};
    use crate::{Database, Store};

    async fn client(ground: &Ground) -> Option<deadpool_postgres::Client> {
        let Database::Postgres { url, schema } = &ground.settings.database else {
            return None;
        };
        Store::open(ground.settings.clone())
            .await
            .unwrap()
            .close()
            .await;
        let pool = postgres::pool(url, schema, 1, 60).unwrap();
        Some(pool.get().await.unwrap())
    }

    #[test]
    fn every_table_is_spread_or_everywhere() {
        on_each_database(async |ground| {
            let Some(client) = client(ground).await else {
                return;
            };
            let rows = client
                .query(
                    "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1",
                    &[],
                )
                .await
                .unwrap();
            let tables: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
            let mut listed: Vec<&str> = SPREAD.iter().chain(EVERYWHERE).copied().collect();
            listed.sort_unstable();
            assert_eq!(tables, listed, "name each table in one of citus.rs's lists");
        });
    }

    #[test]
    fn every_unique_key_of_a_spread_table_holds_its_shard() {
        on_each_database(async |ground| {
            let Some(client) = client(ground).await else {
                return;
            };
            let rows = client
                .query(
                    "SELECT i.indexrelid::regclass::text, i.indrelid::regclass::text FROM pg_index i \
                     JOIN pg_class c ON c.oid = i.indrelid \
                     JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema() \
                     WHERE i.indisunique AND NOT EXISTS (SELECT 1 FROM pg_attribute a \
                     WHERE a.attrelid = i.indexrelid AND a.attname = 'shard')",
                    &[],
                )
                .await
                .unwrap();
            for row in rows {
                let (index, table): (String, String) = (row.get(0), row.get(1));
                assert!(EVERYWHERE.contains(&table.as_str()), "{index} of {table}");
            }
        });
    }

    /// Functions of the test's own stand in for Citus's, and write down what they were asked.
    #[test]
    fn each_table_is_asked_for_once_and_lies_with_the_resources() {
        on_each_database(async |ground| {
            let Some(client) = client(ground).await else {
                return;
            };
            client
                .batch_execute(
                    "CREATE TABLE asked (what TEXT); \
                     CREATE FUNCTION create_reference_table(t TEXT) RETURNS TEXT LANGUAGE sql AS \
                     'INSERT INTO asked VALUES (t) RETURNING what'; \
                     CREATE FUNCTION create_distributed_table(t TEXT, c TEXT, colocate_with TEXT) \
                     RETURNS TEXT LANGUAGE sql AS \
                     'INSERT INTO asked VALUES (t || ''/'' || c || ''/'' || colocate_with) RETURNING what';",
                )
                .await
                .unwrap();
            let mut tx = Tx::Postgres(&client);
            let count = spread_all_but(&mut tx, &["word", "ver"]).await.unwrap();
            assert_eq!(count, SPREAD.len() + EVERYWHERE.len() - 2);
            let rows = client.query("SELECT what FROM asked", &[]).await.unwrap();
            let asked: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
            for expected in ["account", "res/shard/none", "parcel_event/shard/res"] {
                assert!(asked.iter().any(|it| it == expected), "{asked:?}");
            }
            assert!(
                !asked
                    .iter()
                    .any(|it| it.starts_with("ver/") || it == "word")
            );
        });
    }

    #[test]
    fn where_citus_is_not_there_nothing_is_spread() {
        on_each_database(async |ground| {
            let store = ground.open().await;
            assert_eq!(store.spread().await.unwrap(), Spread::Whole);
            store.close().await;
        });
    }
}
