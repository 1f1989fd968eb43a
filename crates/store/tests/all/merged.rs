//! Two records of one person that were merged: a search by the one that stayed finds what stands under
//! both, as far as both may be read.

use access::{Interaction, Role, Scope, Standing, Target};
use fhir::search::{ALL_TYPES, Limits, Search};
use store::bulk::{Walk, Within};
use store::testing::{START, on_each_database};
use store::{AuditFilter, Change, Expect, Release, Store};

use crate::people::{
    commit, observation, officer, patient, prepared, put, staff, staff_with, system,
};

const BASE: &str = "https://gp.example/fhir";

fn search(ty: &str, name: &str, value: &str) -> Search {
    let query = [(name.to_string(), value.to_string())];
    let mut search = Search::parse(ty, &query, BASE, &Limits::default()).unwrap();
    search.follows_merges = true;
    search
}

async fn ids(store: &Store, scope: &Scope, search: &Search) -> String {
    let page = store.search(scope, search).await.unwrap();
    let mut ids: Vec<String> = page.entries.into_iter().map(|it| it.id).collect();
    ids.sort_unstable();
    ids.join(" ")
}

fn linked(id: &str, links: &[(&str, &str)], organisation: &str) -> Change {
    let links: Vec<String> = links
        .iter()
        .map(|(ty, other)| {
            format!(r#"{{"type":"{ty}","other":{{"reference":"Patient/{other}"}}}}"#)
        })
        .collect();
    let links = match links.is_empty() {
        true => String::new(),
        false => format!(r#","link":[{}]"#, links.join(",")),
    };
    let text = format!(r#"{{"resourceType":"Patient","name":[{{"family":"{id}"}}]{links}}}"#);
    Change::Put {
        resource: prepared(&text, id, organisation),
        expect: Expect::Anything,
        release: Release::At(START),
    }
}

/// As ADT A40 leaves it: `old` was given up for `new`, and `older` before that for `old`.
async fn merged(store: &Store) {
    let changes = vec![
        linked("new", &[("replaces", "old")], "A81001"),
        linked(
            "old",
            &[("replaced-by", "new"), ("replaces", "older")],
            "A81001",
        ),
        linked("older", &[("replaced-by", "old")], "A81001"),
        linked("twin", &[("seealso", "new")], "A81001"),
        put(&observation("new", "1", "2024-01-01"), "of-new"),
        put(&observation("old", "1", "2024-01-02"), "of-old"),
        put(&observation("older", "1", "2024-01-03"), "of-older"),
        put(&observation("twin", "1", "2024-01-04"), "of-twin"),
    ];
    commit(store, changes).await.unwrap();
}

#[test]
fn a_search_by_the_record_that_stayed_finds_what_stands_under_those_it_replaced() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        merged(&store).await;
        let all = "of-new of-old of-older";
        for (name, value, expected) in [
            ("patient", "new", all),
            ("subject", "Patient/new", all),
            ("subject", "https://gp.example/fhir/Patient/new", all),
            ("subject:Patient", "new", all),
            (
                "subject",
                "Patient/new,Patient/twin",
                "of-new of-old of-older of-twin",
            ),
            (
                "_filter",
                "subject re Patient/new and date gt 2024-01-01",
                "of-old of-older",
            ),
            ("patient", "old", "of-old of-older"),
            ("patient", "older", "of-older"),
            ("patient", "twin", "of-twin"),
        ] {
            let asked = search("Observation", name, value);
            assert_eq!(
                ids(&store, &system(), &asked).await,
                expected,
                "{name}={value}"
            );
            let staff = staff("A81001", Interaction::Search);
            assert_eq!(
                ids(&store, &staff, &asked).await,
                expected,
                "{name}={value}"
            );
        }
        let mut counted = search("Observation", "patient", "new");
        counted.count = 0;
        let page = store.search(&system(), &counted).await.unwrap();
        assert_eq!(page.total, Some(3));
        let within = |ty: &str| {
            let mut search = Search::parse(ty, &[], BASE, &Limits::default()).unwrap();
            search.follows_merges = true;
            search.within_patient("new")
        };
        assert_eq!(ids(&store, &system(), &within("Observation")).await, all);
        let everything = ids(&store, &system(), &within(ALL_TYPES)).await;
        assert_eq!(everything, "new of-new of-old of-older old older");
        let mut alone = search("Observation", "patient", "new");
        alone.follows_merges = false;
        assert_eq!(ids(&store, &system(), &alone).await, "of-new");
    });
}

#[test]
fn pages_over_both_records_hold_each_result_once() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        merged(&store).await;
        for sort in ["", "-date"] {
            let mut asked = search("Observation", "patient", "new");
            if !sort.is_empty() {
                let query = [("_sort".to_string(), sort.to_string())];
                let sorted = Search::parse("Observation", &query, BASE, &Limits::default());
                asked.sort = sorted.unwrap().sort;
            }
            asked.count = 1;
            let mut found = Vec::new();
            loop {
                let page = store.search(&system(), &asked).await.unwrap();
                found.extend(page.entries.into_iter().map(|it| it.id));
                asked.after = page.next;
                if asked.after.is_none() {
                    break;
                }
            }
            let mut expected = vec!["of-new", "of-old", "of-older"];
            if !sort.is_empty() {
                expected.reverse();
            }
            assert_eq!(found, expected, "{sort}");
        }
    });
}

#[test]
fn a_record_is_followed_only_where_both_may_be_read_and_an_undone_merge_not_at_all() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let changes = vec![
            linked("new", &[("replaces", "old")], "A81001"),
            linked("old", &[("replaced-by", "new")], "B82002"),
            put(&observation("new", "1", "2024-01-01"), "of-new"),
            put(&observation("old", "1", "2024-01-02"), "of-old"),
        ];
        commit(&store, changes).await.unwrap();
        let asked = search("Observation", "patient", "new");
        let own = staff("A81001", Interaction::Search);
        assert_eq!(
            ids(&store, &own, &asked).await,
            "of-new",
            "the other is another's record"
        );
        assert_eq!(ids(&store, &system(), &asked).await, "of-new of-old");
        let themselves = patient("new", Interaction::Search, START + 1);
        assert_eq!(
            ids(&store, &themselves, &asked).await,
            "",
            "nothing is released"
        );
        // A37 takes both links away.
        let changes = vec![linked("new", &[], "A81001"), linked("old", &[], "B82002")];
        commit(&store, changes).await.unwrap();
        assert_eq!(ids(&store, &system(), &asked).await, "of-new");
    });
}

#[test]
fn what_is_withheld_of_the_record_that_was_given_up_is_told_as_withheld() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        merged(&store).await;
        let labels = r#""meta":{"security":[{"system":"urn:handover:seal","code":"sealed"},{"system":"urn:handover:workgroup","code":"gum"}]},"status""#;
        let sealed = observation("old", "1", "2024-01-05").replacen("\"status\"", labels, 1);
        commit(&store, vec![put(&sealed, "sealed")]).await.unwrap();
        let standing = Standing {
            has_sealed: true,
            ..Standing::default()
        };
        let scope = staff_with(&standing, Interaction::Search, START);
        let asked = search("Observation", "patient", "new");
        let page = store.search(&scope, &asked).await.unwrap();
        assert_eq!(page.entries.len(), 3);
        assert_eq!((page.withheld.count, page.withheld.sealed), (1, 1));
        let team = Standing {
            workgroups: vec!["gum".into()],
            ..standing
        };
        let scope = staff_with(&team, Interaction::Search, START);
        let page = store.search(&scope, &asked).await.unwrap();
        assert_eq!((page.entries.len(), page.withheld.count), (4, 0));
    });
}

/// A patient with that number, who replaced another or was replaced by one; a resource that names them by
/// the number alone; and one that refers to them.
fn numbered(id: &str, link: (&str, &str), organisation: &str) -> Vec<Change> {
    let number = format!(r#"{{"system":"urn:mrn","value":"n-{id}"}}"#);
    let link = match link {
        ("", _) => String::new(),
        (ty, other) => {
            format!(r#","link":[{{"type":"{ty}","other":{{"reference":"Patient/{other}"}}}}]"#)
        }
    };
    let patient = format!(r#"{{"resourceType":"Patient","identifier":[{number}]{link}}}"#);
    let named = observation(id, "1", "2024-01-01").replace(
        &format!(r#""reference":"Patient/{id}""#),
        &format!(r#""type":"Patient","identifier":{number}"#),
    );
    let of = |text: &str, id: &str| Change::Put {
        resource: prepared(text, id, organisation),
        expect: Expect::Anything,
        release: Release::At(START),
    };
    vec![
        of(&patient, id),
        of(&named, &format!("named-{id}")),
        of(&observation(id, "1", "2024-01-01"), &format!("of-{id}")),
    ]
}

async fn of_each(store: &Store, scope: &Scope, rows: &[(&str, &str, &str)]) {
    for (name, value, expected) in rows {
        let asked = search("Observation", name, value);
        assert_eq!(ids(store, scope, &asked).await, *expected, "{name}={value}");
    }
}

#[test]
fn a_search_by_a_number_finds_what_stands_under_each_record_of_the_person() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let mut changes = numbered("new", ("replaces", "old"), "A81001");
        changes.extend(numbered("old", ("replaced-by", "new"), "A81001"));
        changes.extend(numbered("twin", ("seealso", "new"), "A81001"));
        commit(&store, changes).await.unwrap();
        let rows = [
            ("patient.identifier", "urn:mrn|n-new", "of-new of-old"),
            ("patient.identifier", "n-old", "of-new of-old"),
            (
                "subject:Patient.identifier",
                "urn:mrn|n-old",
                "of-new of-old",
            ),
            ("subject.identifier", "urn:mrn|n-new", "of-new of-old"),
            ("patient.identifier", "urn:mrn|n-twin", "of-twin"),
            (
                "patient.identifier",
                "urn:mrn|n-old,n-twin",
                "of-new of-old of-twin",
            ),
            ("subject:identifier", "urn:mrn|n-new", "named-new named-old"),
            ("patient:identifier", "urn:mrn|n-old", "named-new named-old"),
            ("subject:identifier", "urn:mrn|n-twin", "named-twin"),
            ("subject:identifier", "urn:other|n-new", ""),
            ("performer:identifier", "urn:mrn|n-new", ""),
        ];
        of_each(&store, &system(), &rows).await;
        of_each(&store, &staff("A81001", Interaction::Search), &rows).await;
        of_each(
            &store,
            &staff("B82002", Interaction::Search),
            &[
                ("patient.identifier", "urn:mrn|n-new", ""),
                ("subject:identifier", "urn:mrn|n-new", ""),
            ],
        )
        .await;
        let chained = search(
            "Patient",
            "_has:Observation:patient:subject.identifier",
            "n-new",
        );
        assert_eq!(ids(&store, &system(), &chained).await, "new old");
        let mut alone = search("Observation", "patient.identifier", "n-new");
        alone.follows_merges = false;
        assert_eq!(ids(&store, &system(), &alone).await, "of-new");
        let themselves = patient("new", Interaction::Search, START + 1);
        of_each(
            &store,
            &themselves,
            &[
                ("patient.identifier", "n-new", "of-new"),
                ("patient.identifier", "n-old", ""),
            ],
        )
        .await;
    });
}

#[test]
fn a_number_is_followed_only_between_records_that_may_both_be_read() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let mut changes = numbered("new", ("replaces", "old"), "A81001");
        changes.extend(numbered("old", ("replaced-by", "new"), "B82002"));
        commit(&store, changes).await.unwrap();
        of_each(
            &store,
            &staff("A81001", Interaction::Search),
            &[
                ("patient.identifier", "n-new", "of-new"),
                ("patient.identifier", "n-old", ""),
                ("subject:identifier", "n-old", ""),
            ],
        )
        .await;
        of_each(
            &store,
            &staff("B82002", Interaction::Search),
            &[
                ("patient.identifier", "n-old", "of-old"),
                ("subject:identifier", "n-new", ""),
            ],
        )
        .await;
        of_each(
            &store,
            &system(),
            &[("patient.identifier", "n-old", "of-new of-old")],
        )
        .await;
        let own = staff("A81001", Interaction::Everything);
        assert_eq!(everything(&store, &own, "new", true).await, "new of-new");
        let all = everything(&store, &system(), "new", true).await;
        assert_eq!(all, "new of-new of-old old");
    });
}

async fn everything(store: &Store, scope: &Scope, id: &str, follows_merges: bool) -> String {
    let walk = Walk {
        follows_merges,
        ..Walk::all(Within::Patients(vec![id.into()]))
    };
    let target = Target {
        ty: "Patient".into(),
        id: Some(id.into()),
        ..Target::default()
    };
    let action = Interaction::Everything;
    let mut walker = store.walk_from(scope, action, target, walk).await.unwrap();
    let mut ids = Vec::new();
    while let Some(walked) = walker.next().await.unwrap() {
        ids.push(walked.version.id);
    }
    ids.sort_unstable();
    ids.join(" ")
}

#[test]
fn everything_of_the_record_that_stayed_is_of_those_it_replaced_too() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        merged(&store).await;
        let whole = "new of-new of-old of-older old older";
        for scope in [system(), staff("A81001", Interaction::Everything)] {
            assert_eq!(everything(&store, &scope, "new", true).await, whole);
            assert_eq!(everything(&store, &scope, "new", false).await, "new of-new");
            let old = everything(&store, &scope, "old", true).await;
            assert_eq!(old, "of-old of-older old older");
            assert_eq!(
                everything(&store, &scope, "twin", true).await,
                "of-twin twin"
            );
        }
        let officer = officer(Role::PrivacyOfficer);
        let filter = AuditFilter {
            patient: Some("older".into()),
            ..AuditFilter::default()
        };
        let read = store.audit_page(&officer, &filter);
        let read = read.await.unwrap().entries;
        assert!(!read.is_empty(), "each record has its line");
        let themselves = patient("new", Interaction::Everything, START + 1);
        assert_eq!(everything(&store, &themselves, "new", true).await, "new");
    });
}
