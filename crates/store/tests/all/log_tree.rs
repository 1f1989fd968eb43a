//! The Merkle tree over the audit log, and what a check finds (A21).

use access::merkle::{self, Frontier};
use access::{Interaction, Outcome, Target};
use store::testing::{Ground, on_each_database};
use store::{Check, Finding, Job, Store, Witnessed};

use crate::people::{commit, delete, observation, person, put, system};

/// Adds lines of reads.
async fn read_lines(store: &Store, count: usize) {
    let line = |number: usize| {
        let target = Target {
            ty: "Observation".into(),
            id: Some(format!("o{number}")),
            patient: Some(format!("p{}", number % 7)),
            ..Target::default()
        };
        system().trace(Interaction::Read, Outcome::Success, target)
    };
    let traces = (0..count).map(line).collect();
    let job = Job {
        traces,
        ..Job::default()
    };
    store.commit(&system(), job).await.unwrap();
}

async fn first(store: &Store, signed: &[Witnessed]) -> Option<Finding> {
    let check = store.check_audit(signed.to_vec()).await.unwrap();
    check.findings.into_iter().next()
}

/// What a witness signed of the log as it is.
async fn sign(store: &Store) -> Witnessed {
    let head = store.grow_audit_tree().await.unwrap();
    Witnessed {
        size: head.size,
        root: head.root,
        by: "RZZ01".into(),
    }
}

#[test]
fn the_tree_grows_with_the_log_and_proves_that_it_continues() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let mut heads = vec![];
        for count in [1, 2, 253, 1, 300, 77] {
            read_lines(&store, count).await;
            heads.push(store.grow_audit_tree().await.unwrap());
        }
        assert_eq!(heads.last().unwrap().size, 634);
        assert_eq!(store.grow_audit_tree().await.unwrap(), heads[5]);
        for old in &heads {
            for new in heads.iter().filter(|new| new.size >= old.size) {
                let proof = store.audit_consistency(old.size, new.size).await.unwrap();
                assert_eq!(proof.is_empty(), old.size == new.size);
                let (old, new) = ((old.size, &old.root), (new.size, &new.root));
                assert!(merkle::is_consistent(old, new, &proof), "{old:?} {new:?}");
            }
        }
        assert_eq!(
            store.audit_root(0).await.unwrap(),
            Frontier::default().root()
        );
        assert!(store.audit_root(700).await.is_err());
        store.close().await;
        // It goes on where it was.
        let store = ground.open().await;
        read_lines(&store, 5).await;
        let signed = sign(&store).await;
        let check = store.check_audit(vec![signed.clone()]).await.unwrap();
        assert_eq!((check.lines, check.agreed), (639, Some(signed)));
        assert_eq!((check.fresh, check.findings), (0, vec![]));
        store.close().await;
    });
}

#[test]
fn a21_an_altered_a_missing_and_an_added_line_are_named() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        read_lines(&store, 600).await;
        let signed = [sign(&store).await];
        read_lines(&store, 3).await;
        assert_eq!(first(&store, &signed).await, None);
        // Each column, also those that were empty.
        for column in ["name", "purpose", "patient", "query", "role"] {
            let undo = format!("CREATE TABLE kept AS SELECT seq, {column} AS was FROM audit");
            ground.execute(&undo).await;
            let alter = format!("UPDATE audit SET {column} = 'x' WHERE seq = 300");
            ground.execute(&alter).await;
            let altered = Some(Finding::Altered { seq: 300 });
            assert_eq!(first(&store, &signed).await, altered, "{column}");
            let undo = format!(
                "UPDATE audit SET {column} = (SELECT was FROM kept WHERE seq = 300) WHERE seq = 300; \
                 DROP TABLE kept"
            );
            ground.execute(&undo).await;
        }
        ground
            .execute("DELETE FROM audit WHERE seq IN (580, 581)")
            .await;
        let missing = Finding::Missing {
            after: 579,
            count: 2,
        };
        assert_eq!(first(&store, &signed).await, Some(missing));
        ground
            .execute("UPDATE audit SET seq = 580 WHERE seq = 3")
            .await;
        let missing = Finding::Missing { after: 2, count: 1 };
        assert_eq!(first(&store, &signed).await, Some(missing));
        ground
            .execute("UPDATE audit SET seq = 0 WHERE seq = 1")
            .await;
        assert!(first(&store, &signed).await.is_some());
        store.close().await;
    });
}

#[test]
fn a21_a_line_put_in_between_is_named() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        read_lines(&store, 20).await;
        // A gap, as undone transactions leave on PostgreSQL.
        ground
            .execute("UPDATE audit SET seq = 40 WHERE seq = 20")
            .await;
        let signed = [sign(&store).await];
        assert_eq!(first(&store, &signed).await, None);
        ground
            .execute("CREATE TABLE one AS SELECT * FROM audit WHERE seq = 5")
            .await;
        ground.execute("UPDATE one SET seq = 30").await;
        ground
            .execute("INSERT INTO audit SELECT * FROM one; DROP TABLE one")
            .await;
        assert_eq!(
            first(&store, &signed).await,
            Some(Finding::Added { seq: 30 })
        );
        store.close().await;
    });
}

/// Makes the tree anew from the rows, as whoever has the whole database could.
async fn make_tree_anew(ground: &Ground, store: &Store) {
    ground
        .execute("DELETE FROM audit_tile; UPDATE audit_tree SET size = 0, last_seq = 0")
        .await;
    store.grow_audit_tree().await.unwrap();
}

#[test]
fn a21_who_makes_the_tree_anew_is_found_out_by_what_was_signed() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let mut signed = vec![];
        for _ in 0..4 {
            read_lines(&store, 100).await;
            signed.push(sign(&store).await);
        }
        ground
            .execute("UPDATE audit SET name = 'x' WHERE seq = 250")
            .await;
        make_tree_anew(ground, &store).await;
        let rewritten = Finding::Rewritten {
            after: 200,
            upto: 300,
            by: "RZZ01".into(),
        };
        let check = store.check_audit(signed.clone()).await.unwrap();
        assert_eq!(check.findings, [rewritten]);
        assert_eq!(check.agreed, Some(signed[1].clone()));
        // Nothing tells without a witness.
        assert_eq!(first(&store, &[]).await, None);
        ground.execute("DELETE FROM audit WHERE seq > 150").await;
        make_tree_anew(ground, &store).await;
        let short = Finding::Short {
            last: 150,
            lines: 150,
            signed: 400,
            by: "RZZ01".into(),
        };
        assert_eq!(first(&store, &signed).await, Some(short));
        store.close().await;
    });
}

#[test]
fn a21_what_was_done_to_the_trees_own_rows_is_told_apart() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        read_lines(&store, 600).await;
        let signed = [sign(&store).await];
        let flip = "UPDATE audit_tile SET hashes = (SELECT o.hashes FROM audit_tile o \
                    WHERE o.level = 0 AND o.number = 0) WHERE level = 1";
        ground.execute(flip).await;
        assert_eq!(first(&store, &signed).await, Some(Finding::Tree));
        store.close().await;
    });
}

async fn records(store: &Store) -> Check {
    store.grow_audit_tree().await.unwrap();
    store.check_audit(vec![]).await.unwrap()
}

#[test]
fn a21_what_was_done_to_records_past_the_log_is_found() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let both = vec![
            put(&person("One"), "p"),
            put(&observation("p", "1-1", "2024"), "o"),
        ];
        commit(&store, both).await.unwrap();
        for day in ["2025", "2026"] {
            let change = put(&observation("p", "1-1", day), "o");
            commit(&store, vec![change]).await.unwrap();
        }
        let any = store::Expect::Anything;
        commit(&store, vec![delete("Observation", "o", any)])
            .await
            .unwrap();
        let check = records(&store).await;
        assert_eq!((check.versions, check.findings), (5, vec![]));
        ground
            .execute("CREATE TABLE kept AS SELECT * FROM ver")
            .await;
        let again = "DELETE FROM ver; INSERT INTO ver SELECT * FROM kept";
        let names = |check: Check| -> Vec<Finding> { check.findings };
        let version = |number: i64| format!("Observation/o/_history/{number}");

        let other = "UPDATE ver SET body = (SELECT k.body FROM kept k WHERE k.ver = 2) \
                     WHERE ver.ver = 3";
        ground.execute(other).await;
        let found = names(records(&store).await);
        let [
            Finding::Changed {
                version: changed, ..
            },
        ] = &found[..]
        else {
            panic!("{found:?}")
        };
        assert_eq!(*changed, version(3));

        ground.execute(again).await;
        ground.execute("DELETE FROM ver WHERE ver = 2").await;
        let found = names(records(&store).await);
        let [Finding::Gone { version: gone, .. }] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!(*gone, version(2));

        ground.execute(again).await;
        ground.execute("UPDATE ver SET ver = 9 WHERE ver = 2").await;
        let found = names(records(&store).await);
        assert!(
            found.contains(&Finding::Untold {
                version: version(9)
            }),
            "{found:?}"
        );

        ground.execute(again).await;
        ground
            .execute("UPDATE res SET ver = 3, del = 0 WHERE id = 'o'")
            .await;
        let put_back = Finding::PutBack {
            version: version(4),
        };
        assert_eq!(names(records(&store).await), [put_back]);
        ground.execute("DROP TABLE kept").await;
        store.close().await;
    });
}
