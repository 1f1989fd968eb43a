//! Searches over all types at once, and what is common to all of them
//! (<https://hl7.org/fhir/R4/search.html#all>).

use access::Interaction;
use fhir::problem::Kind;
use store::testing::{START, on_each_database};
use store::{Expect, Release};

use crate::finding::{found, query, read, stocked};
use crate::people::{commit, patient, put_as, staff, system};

const SEEN: &str = r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/bob"},"meta":{"tag":[{"system":"urn:tags","code":"t","display":"Teaching"}]}}"#;
const OWN_LIST: &str = r#"{"resourceType":"List","status":"current","mode":"working","entry":[{"item":{"reference":"https://gp.example/fhir/Observation/weight"}},{"item":{"reference":"Practitioner/gp"}},{"item":{"reference":"https://other.example/fhir/Patient/bob"}},{"item":{"reference":"Observation/note/_history/1"}},{"item":{"reference":"Nobody/ann"}}]}"#;

#[test]
fn all_types_are_searched_by_what_every_type_has() {
    on_each_database(async |ground| {
        let store = stocked(ground).await;
        let seen = put_as(SEEN, "seen", Expect::Absent, Release::At(START));
        commit(&store, vec![seen]).await.unwrap();
        let untagged = "trust surgery gp ann pressure weight note list vs";
        for (text, expected) in [
            ("_tag=urn:tags|t", "bob seen"),
            ("_tag=t", "bob seen"),
            ("_tag=urn:tags|", "bob seen"),
            ("_tag=|t", ""),
            ("_tag=nowhere", ""),
            ("_tag=nowhere,t", "bob seen"),
            ("_tag:text=teach", "seen"),
            ("_tag:not=urn:tags|t", untagged),
            ("_tag:missing=true", untagged),
            ("_tag:missing=false", "bob seen"),
            ("_tag=t&_type=Patient", "bob"),
            ("_tag=t&_security=R", "bob"),
            ("_security=urn:labels|R", "bob"),
            ("_source=urn:feed:1", "bob"),
            (
                "_profile=https://fhir.example/StructureDefinition/Person",
                "bob",
            ),
            ("_profile:below=https://fhir.example/", "bob"),
            ("_profile:missing=false", "bob"),
            ("_filter=_tag eq t and not (_security eq R)", "seen"),
            ("_tag=t&_sort=-_id", "seen bob"),
            ("_id:not=bob&_tag=t", "seen"),
            ("_id:not=ann,gp&_type=Patient,Practitioner", "bob"),
            ("_tag=t&_include=Observation:subject", "bob seen"),
            ("_id=seen&_include=Observation:subject", "seen | bob"),
            ("_id=seen&_include=Patient:organization", "seen"),
            ("_id=ann&_include=Patient:organization", "ann | surgery"),
        ] {
            let ids = found(&store, &system(), "*", text).await;
            assert_eq!(ids, expected, "{text}");
        }
        for text in ["_sort=_tag", "code=x", "_content=x"] {
            let refused = read("*", text).unwrap_err();
            assert_eq!(refused.kind, Kind::NotSupported, "{text}");
        }
        assert_eq!(
            found(&store, &system(), "Patient", "_id:not=bob").await,
            "ann"
        );
        store.close().await;
    });
}

#[test]
fn page_by_page_all_types_hold_each_that_matches_once() {
    on_each_database(async |ground| {
        let store = stocked(ground).await;
        let seen = put_as(SEEN, "seen", Expect::Absent, Release::At(START));
        commit(&store, vec![seen]).await.unwrap();
        let mut search = query("*", "_tag=t&_count=1");
        let mut ids = Vec::new();
        loop {
            let page = store.search(&system(), &search).await.unwrap();
            ids.extend(page.entries.into_iter().map(|entry| entry.id));
            search.after = page.next;
            if search.after.is_none() {
                break;
            }
        }
        assert_eq!(ids, ["bob", "seen"]);
        store.close().await;
    });
}

#[test]
fn what_is_on_a_list_is_found_whatever_its_type() {
    on_each_database(async |ground| {
        let store = stocked(ground).await;
        let list = put_as(OWN_LIST, "own", Expect::Absent, Release::At(START));
        commit(&store, vec![list]).await.unwrap();
        for (text, expected) in [
            ("_list=list", "ann weight"),
            ("_list=List/list", "ann weight"),
            ("_list=own", "gp weight note"),
            ("_list=list,own", "gp ann weight note"),
            ("_list=other", ""),
            ("_list=list&_type=Patient", "ann"),
            ("_list=list&_id=weight", "weight"),
        ] {
            let ids = found(&store, &system(), "*", text).await;
            assert_eq!(ids, expected, "{text}");
        }
        for (text, expected) in [("_list=list", "ann"), ("_list=own", "note")] {
            let search = query("*", text).within_patient("ann");
            let page = store.search(&system(), &search).await.unwrap();
            let ids: Vec<String> = page.entries.into_iter().map(|it| it.id).collect();
            assert_eq!(ids.join(" "), expected, "{text}");
        }
        store.close().await;
    });
}

#[test]
fn over_all_types_nothing_beyond_the_scope_is_found() {
    on_each_database(async |ground| {
        let store = stocked(ground).await;
        let seen = put_as(SEEN, "seen", Expect::Absent, Release::At(START));
        commit(&store, vec![seen]).await.unwrap();
        let elsewhere = staff("B82002", Interaction::Search);
        let bob = patient("bob", Interaction::Search, START);
        let ann = patient("ann", Interaction::Search, START);
        for (scope, text, expected) in [
            (&elsewhere, "_tag=t", ""),
            (&elsewhere, "_list=list", ""),
            // What is labelled is not shown to him before it is released: here his own Patient.
            (&bob, "_tag=t", "seen"),
            (&ann, "_tag=t", ""),
            (&ann, "_id=ann&_include=Patient:organization", "ann"),
        ] {
            let ids = found(&store, scope, "*", text).await;
            assert_eq!(ids, expected, "{text}");
        }
        store.close().await;
    });
}
