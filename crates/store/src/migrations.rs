//! The schema, step by step. One text for both databases; see `Dialect` for the words in braces.

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use sha2::{Digest, Sha256};

use crate::database::Tx;
use crate::dialect::Dialect;
use crate::resources::reindex;
use crate::sql::Sql;

/// One step. Once released it is never changed: its digest stands in every database that took it.
struct Migration {
    number: i64,
    name: &'static str,
    text: &'static str,
    kind: Kept,
}

/// Whether a binary that does not know a step may work with what it leaves. Between two releases
/// every step is `Added`, so that the newest and the one before run side by side while processes are
/// replaced one by one; what must go (a column nobody uses any more) goes one release later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// It only adds: tables, indexes, columns with a default.
    Added,
    /// What was there means something else now.
    #[allow(
        dead_code,
        reason = "no step has needed it yet; a binary must know it all the same"
    )]
    Changed,
}

macro_rules! migration {
    ($number:literal, $name:literal) => {
        Migration {
            number: $number,
            name: $name,
            text: include_str!(concat!("../../../migrations/", $name, ".sql")),
            kind: Kept::Added,
        }
    };
}

/// All steps, in order.
const MIGRATIONS: &[Migration] = &[
    migration!(1, "0001_resources"),
    migration!(2, "0002_audit"),
    migration!(3, "0003_hl7_inbox"),
    migration!(4, "0004_parcels"),
    migration!(5, "0005_accounts"),
    migration!(6, "0006_hl7_mapped"),
    migration!(10, "0010_journal"),
    migration!(20, "0020_history"),
    migration!(30, "0030_search"),
    migration!(31, "0031_reindex"),
    migration!(40, "0040_packages"),
    migration!(50, "0050_terminology"),
    migration!(60, "0060_bulk"),
    migration!(61, "0061_subscriptions"),
    migration!(75, "0075_topics"),
    migration!(80, "0080_audit_tree"),
    migration!(85, "0085_oauth"),
    migration!(90, "0090_sign_in"),
    migration!(95, "0095_care"),
    migration!(96, "0096_locked"),
    migration!(100, "0100_copies"),
    migration!(110, "0110_sharing"),
    migration!(111, "0111_opt_out"),
    migration!(112, "0112_people"),
    migration!(115, "0115_whereabouts"),
    migration!(116, "0116_familiar"),
    migration!(120, "0120_hl7_out"),
    migration!(130, "0130_mesh"),
    migration!(140, "0140_ask"),
    migration!(150, "0150_fax"),
    migration!(160, "0160_diary"),
    migration!(170, "0170_prescriptions"),
    migration!(180, "0180_topics"),
    migration!(190, "0190_itk3"),
    migration!(200, "0200_gp_connect"),
    migration!(210, "0210_referrals"),
    migration!(220, "0220_draft"),
    migration!(221, "0221_until_emergency"),
    migration!(230, "0230_pds"),
    migration!(231, "0231_nrl"),
    migration!(240, "0240_handovers"),
    migration!(245, "0245_moving"),
    migration!(250, "0250_visits"),
    migration!(251, "0251_downtime"),
    migration!(255, "0255_patient_app"),
    migration!(260, "0260_large"),
    migration!(261, "0261_collected"),
    migration!(262, "0262_order_there"),
    migration!(265, "0265_desk"),
    migration!(280, "0280_to_take_in"),
    migration!(290, "0290_rules"),
    migration!(295, "0295_forms"),
    migration!(298, "0298_blueprints"),
    migration!(300, "0300_bars_out"),
    migration!(301, "0301_pds_practice"),
    migration!(310, "0310_reminders"),
    migration!(320, "0320_moves_said"),
    migration!(330, "0330_handover_moved"),
    migration!(341, "0341_work_waiting"),
    migration!(361, "0361_hl7_said"),
    migration!(362, "0362_parcel_holds"),
    migration!(367, "0367_booking_slots"),
    migration!(369, "0369_sharing_stirred"),
    migration!(381, "0381_home_reference"),
    migration!(382, "0382_parcel_recall"),
    migration!(383, "0383_mesh_round"),
    migration!(385, "0385_visit_told"),
];

const LEDGER: &str = "CREATE TABLE IF NOT EXISTS migration (number {int} NOT NULL PRIMARY KEY, \
     name {text} NOT NULL, digest {text} NOT NULL, added {int} NOT NULL, applied_at {int} NOT NULL)";

/// Brings the schema up to this binary's, one transaction in all: it is the old schema or the new,
/// never between.
///
/// # Errors
/// `BusinessRule` if the schema has a step of a newer binary's that changed what this one relies on,
/// or a step of another text, or if there are tables but no record of steps.
pub(crate) async fn run(
    tx: &mut Tx<'_>,
    dialect: Dialect,
    now: Millis,
    text_search: bool,
) -> Result<(), Problem> {
    let begin = match dialect {
        Dialect::Sqlite => "BEGIN IMMEDIATE",
        // Two processes that start at once take turns.
        Dialect::Postgres => {
            "BEGIN; SELECT pg_advisory_xact_lock(hashtext('handover ' || current_schema()))"
        }
    };
    tx.batch(begin).await?;
    let applied = match apply(tx, dialect, now).await {
        Ok(()) => reindex::catch_up(tx, now, text_search).await,
        Err(problem) => Err(problem),
    };
    match applied {
        Ok(()) => tx.batch("COMMIT").await,
        Err(problem) => {
            tx.batch("ROLLBACK").await?;
            Err(problem)
        }
    }
}

async fn apply(tx: &mut Tx<'_>, dialect: Dialect, now: Millis) -> Result<(), Problem> {
    refuse_strangers(tx, dialect).await?;
    tx.batch(&dialect.translate(LEDGER)).await?;
    let known = Sql::new("SELECT number, name, digest, added FROM migration ORDER BY number");
    let mut taken = Vec::new();
    for row in tx.rows(&known).await? {
        check(row.int(0)?, row.text(1)?, row.text(2)?, row.flag(3)?)?;
        taken.push(row.int(0)?);
    }
    for migration in MIGRATIONS {
        if taken.contains(&migration.number) {
            continue;
        }
        tx.batch(&dialect.translate(migration.text)).await?;
        let note = Sql::new(
            "INSERT INTO migration (number, name, digest, added, applied_at) \
             VALUES ($1, $2, $3, $4, $5)",
        );
        let note = note.with(migration.number).with(migration.name);
        let note = note.with(digest(migration.text));
        tx.execute(&note.with(migration.kind == Kept::Added).with(now))
            .await?;
    }
    Ok(())
}

/// A database with tables but without our ledger is somebody else's.
async fn refuse_strangers(tx: &mut Tx<'_>, dialect: Dialect) -> Result<(), Problem> {
    let tables = match dialect {
        Dialect::Sqlite => {
            "SELECT COUNT(*), COALESCE(SUM(name = 'migration'), 0) FROM sqlite_master \
             WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        }
        Dialect::Postgres => {
            "SELECT COUNT(*), COUNT(*) FILTER (WHERE tablename = 'migration') FROM pg_tables \
             WHERE schemaname = current_schema()"
        }
    };
    let row = tx.row(&Sql::new(tables)).await?;
    let Some(row) = row else { return Ok(()) };
    if row.int(0)? > 0 && row.int(1)? == 0 {
        return Err(refusal(
            "The database holds tables that Handover did not make; give it an empty one.",
        ));
    }
    Ok(())
}

fn check(number: i64, name: &str, known_digest: &str, added: bool) -> Result<(), Problem> {
    let newest = MIGRATIONS.last().map_or(0, |step| step.number);
    let Some(ours) = MIGRATIONS.iter().find(|ours| ours.number == number) else {
        if added && number > newest {
            tracing::info!(step = name, "a newer version has added to the schema");
            return Ok(());
        }
        return Err(refusal(format!(
            "The store's schema has step {name}, which this version of Handover cannot work with: a \
             newer version made it. Start that version, or restore a backup from before."
        )));
    };
    if ours.name != name || digest(ours.text) != known_digest {
        return Err(refusal(format!(
            "The store's schema has a step {name} that differs from this version's {}.",
            ours.name
        )));
    }
    Ok(())
}

fn refusal(message: impl Into<String>) -> Problem {
    Problem::new(Kind::BusinessRule, message)
}

fn digest(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_are_numbered_upwards_and_named_after_their_numbers() {
        for pair in MIGRATIONS.windows(2) {
            assert!(pair[0].number < pair[1].number);
        }
        for step in MIGRATIONS {
            assert!(step.name.starts_with(&format!("{:04}_", step.number)));
        }
    }

    #[test]
    fn no_word_in_braces_is_left_untranslated() {
        for step in MIGRATIONS {
            for dialect in [Dialect::Sqlite, Dialect::Postgres] {
                let text = dialect.translate(step.text);
                assert!(!text.contains(['{', '}']), "{}", step.name);
            }
        }
    }

    /// The schema as a newer binary leaves it: one step more, of that kind.
    async fn with_a_step_of_a_newer_version(ground: &crate::testing::Ground, added: bool) {
        ground.open().await.close().await;
        let added = i64::from(added);
        let step = format!(
            "INSERT INTO migration (number, name, digest, added, applied_at) \
             VALUES (9999, '9999_new', 'd', {added}, 0)"
        );
        ground.execute(&step).await;
    }

    #[test]
    fn a_binary_works_beside_a_newer_one_that_only_added_to_the_schema() {
        crate::testing::on_each_database(async |ground| {
            with_a_step_of_a_newer_version(ground, true).await;
            ground.open().await.close().await;
        });
    }

    #[test]
    fn a_binary_does_not_start_where_a_newer_one_changed_the_schema() {
        crate::testing::on_each_database(async |ground| {
            with_a_step_of_a_newer_version(ground, false).await;
            let refused = crate::Store::open(ground.settings.clone()).await;
            let problem = refused.expect_err("it must not start");
            assert!(problem.message.contains("9999_new"), "{}", problem.message);
        });
    }
}
