//! What somebody sees who acts for a patient (P24).

use std::collections::BTreeSet;
use std::sync::Arc;

use access::category::CATEGORIES;
use access::{
    Acting, Caller, Interaction, NhsNumber, Online, Proxy, Purpose, Scope, Standing, Who,
    decide_for,
};
use fhir::search::{Search, Total};
use store::bulk::{Walk, Within};
use store::testing::{START, on_each_database};
use store::{Change, Expect, Job, Reading, Release, Store};

use crate::people::{commit, observation, person, put_as, staff};

const YEAR: i64 = 31_557_600_000;
const SENSITIVE: [&str; 3] = ["HIV", "SEX", "PSY"];

fn mother() -> Who {
    Who::Patient {
        account: 20,
        name: "Mary Example".into(),
        patient: "mother".into(),
        nhs_number: NhsNumber::parse("9434765919").unwrap(),
    }
}

/// The scope of somebody who acts for `child` and was given these categories.
fn acting(categories: &[&str], interaction: Interaction, ty: &str) -> Option<Scope> {
    let proxy = Proxy {
        number: 1,
        patient: "child".into(),
        categories: categories.iter().map(|it| (*it).to_string()).collect(),
        granted_at: START,
        confirmed_at: START,
        ends_at: START + YEAR,
        born: Some(START - 40 * YEAR),
        ..Proxy::default()
    };
    let standing = Standing {
        online: Online {
            proxies: vec![proxy],
            ..Online::default()
        },
        ..Standing::default()
    };
    let mut caller = Caller::new(mother(), "request-1".into());
    caller.acting = Some(Arc::new(Acting {
        proxy: 1,
        patient: "child".into(),
        name: "A Child".into(),
    }));
    let facts = (&standing, START + 1000);
    decide_for(&caller, interaction, ty, Purpose::PatientRequest, facts).ok()
}

/// A child's record with a bit of everything, of which each third is sensitive, all released to the
/// child by a clinician.
async fn record(store: &Store) {
    let mut changes = vec![("Patient", "child".to_string(), person("Example"))];
    changes.push(("Patient", "other".to_string(), person("Other")));
    for number in 0..18_usize {
        let patient = if number % 6 == 5 { "other" } else { "child" };
        let label = match number % 3 {
            0 => format!(
                r#""meta":{{"security":[{{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"{}"}}]}},"#,
                SENSITIVE[number / 3 % 3]
            ),
            1 => r#""meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"N"}]},"#.to_string(),
            _ => String::new(),
        };
        let labelled = |text: String| text.replacen('{', &format!("{{{label}"), 1);
        let about = format!(r#""subject":{{"reference":"Patient/{patient}"}}"#);
        changes.push((
            "Observation",
            format!("o{number}"),
            labelled(observation(
                patient,
                &format!("c{}", number % 2),
                "2024-01-02",
            )),
        ));
        changes.push((
            "Condition",
            format!("k{number}"),
            labelled(format!(
                r#"{{"resourceType":"Condition",{about},"evidence":[{{"detail":[{{"reference":"Observation/o{number}"}}]}}]}}"#
            )),
        ));
        changes.push((
            "Binary",
            format!("b{number}"),
            format!(
                r#"{{"resourceType":"Binary","contentType":"text/plain","securityContext":{{"reference":"Patient/{patient}"}},"data":"aGk="}}"#
            ),
        ));
        changes.push((
            "DocumentReference",
            format!("d{number}"),
            labelled(format!(
                r#"{{"resourceType":"DocumentReference","status":"current",{about},"content":[{{"attachment":{{"url":"Binary/b{number}"}}}}]}}"#
            )),
        ));
    }
    let put = changes
        .iter()
        .map(|(_, id, text)| put_as(text, id, Expect::Anything, Release::At(START)));
    commit(store, put.collect()).await.unwrap();
    let release = |(ty, id, _): &(&str, String, String)| Change::Release {
        ty: (*ty).to_string(),
        id: id.clone(),
        release: Release::At(START),
    };
    let job = Job {
        changes: changes.iter().map(release).collect(),
        ..Job::default()
    };
    let clinician = staff("A81001", Interaction::ReleaseToPatient);
    store.commit(&clinician, job).await.unwrap();
}

/// By the rules, read plainly: what of the record those categories show.
fn expected(categories: &[&str], ty: &str) -> BTreeSet<String> {
    let granted = CATEGORIES
        .iter()
        .any(|it| categories.contains(&it.code) && it.types.contains(&ty));
    let letter = match ty {
        "Observation" => "o",
        "Condition" => "k",
        "Binary" => "b",
        _ => "d",
    };
    let shown = (0..18).filter(|number| granted && number % 3 != 0 && number % 6 != 5);
    shown.map(|number| format!("{letter}{number}")).collect()
}

const TYPES: [&str; 4] = ["Observation", "Condition", "Binary", "DocumentReference"];

async fn read_one_by_one(store: &Store, scope: &Scope, ty: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for number in 0..18 {
        let letter = match ty {
            "Observation" => "o",
            "Condition" => "k",
            "Binary" => "b",
            _ => "d",
        };
        let id = format!("{letter}{number}");
        // Twice: the second may come from memory.
        for _ in 0..2 {
            let is_there = matches!(store.read(scope, ty, &id).await.unwrap(), Reading::Found(_));
            if is_there {
                found.insert(id.clone());
            }
            assert_eq!(is_there, found.contains(&id), "{ty}/{id}");
        }
        let past = store.history(scope, ty, &id, 9).await.unwrap();
        assert_eq!(!past.is_empty(), found.contains(&id), "{ty}/{id}");
        let first = store.vread(scope, ty, &id, 1).await.unwrap();
        let is_there = matches!(first, Reading::Found(_));
        assert_eq!(is_there, found.contains(&id), "{ty}/{id}");
    }
    found
}

async fn search(
    store: &Store,
    scope: &Scope,
    ty: &str,
    query: &[(&str, &str)],
) -> BTreeSet<String> {
    let pairs: Vec<(String, String)> = query
        .iter()
        .map(|(name, value)| ((*name).to_string(), (*value).to_string()))
        .collect();
    let registry = store.registry();
    let limits = fhir::search::Limits::default();
    let mut search =
        Search::parse_with(&registry, ty, &pairs, "http://a.example/fhir", &limits).unwrap();
    search.count = 100;
    search.total = Total::Accurate;
    let page = store.search(scope, &search).await.unwrap();
    let found: BTreeSet<String> = page.entries.iter().map(|it| it.id.clone()).collect();
    assert_eq!(page.total, Some(found.len() as u64), "{ty} {query:?}");
    for version in page.entries.iter().chain(&page.included) {
        let kept = fhir::search::fold(&String::from_utf8_lossy(&version.body));
        assert!(!kept.contains("v3-actcode"), "{ty} {query:?}: {kept}");
    }
    let included = page.included.iter().map(|it| it.id.clone());
    found.into_iter().chain(included).collect()
}

#[test]
fn p24_a_proxys_search_is_what_they_may_read_one_by_one_and_nothing_leaks_elsewhere() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        record(&store).await;
        for categories in [
            &["results"][..],
            &["letters"],
            &["conditions", "results"],
            &["letters", "results", "conditions", "details"],
            &["visits", "medicines", "allergies"],
        ] {
            let scope = acting(categories, Interaction::Search, "").unwrap();
            let mut all = BTreeSet::new();
            for ty in TYPES {
                let expected = expected(categories, ty);
                let read = read_one_by_one(&store, &scope, ty).await;
                assert_eq!(read, expected, "{categories:?} {ty}");
                if ty != "Binary" {
                    assert_eq!(search(&store, &scope, ty, &[]).await, expected, "{ty}");
                    all.extend(expected);
                }
            }
            hold_to_it(&store, &scope, categories).await;
            // Everything at once: what is listed, and what comes along with it.
            let types = acting(categories, Interaction::Everything, "").unwrap();
            let within = Within::Patients(vec!["child".into()]);
            let walk = Walk {
                with_referenced: true,
                ..Walk::all(within)
            };
            let mut walker = store
                .walk(&types, Interaction::Everything, Default::default(), walk)
                .await
                .unwrap();
            let mut walked = BTreeSet::new();
            while let Some(one) = walker.next().await.unwrap() {
                if one.version.ty != "Patient" && one.version.ty != "Binary" {
                    walked.insert(one.version.id);
                }
            }
            assert_eq!(walked, all, "{categories:?}");
        }
        store.close().await;
    });
}

/// Searches that go by way of something else.
async fn hold_to_it(store: &Store, scope: &Scope, categories: &[&str]) {
    let results = expected(categories, "Observation");
    let conditions = expected(categories, "Condition");
    let by_code = search(store, scope, "Observation", &[("code", "c0")]).await;
    assert!(by_code.is_subset(&results), "{by_code:?}");
    // A label that is hidden is not found by its name either.
    let labelled = search(store, scope, "Observation", &[("_security", "HIV")]).await;
    assert!(labelled.is_empty(), "{labelled:?}");
    // By a chain, backwards, and along with what is found: only through what is shown.
    let chained = search(
        store,
        scope,
        "Condition",
        &[("evidence-detail:Observation.code", "c0,c1")],
    )
    .await;
    let both = |id: &String| results.contains(&id.replace('k', "o"));
    let expected: BTreeSet<String> = conditions.iter().filter(|it| both(it)).cloned().collect();
    assert_eq!(chained, expected);
    let has = search(
        store,
        scope,
        "Observation",
        &[("_has:Condition:evidence-detail:_id", "k0,k1,k2,k3,k4")],
    )
    .await;
    let through = |id: &String| conditions.contains(&id.replace('o', "k"));
    assert!(has.iter().all(through), "{has:?}");
    let along = search(
        store,
        scope,
        "Condition",
        &[("_include", "Condition:evidence-detail")],
    )
    .await;
    let allowed: BTreeSet<String> = conditions.union(&results).cloned().collect();
    assert!(along.is_subset(&allowed), "{along:?}");
    let back = search(
        store,
        scope,
        "Observation",
        &[("_revinclude", "Condition:evidence-detail")],
    )
    .await;
    assert!(back.is_subset(&allowed), "{back:?}");
}

#[test]
fn p24_the_contents_of_a_sensitive_letter_stay_hidden_and_are_shown_with_it() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        record(&store).await;
        let scope = acting(&["letters"], Interaction::Read, "Binary").unwrap();
        let seen = async |id: &str| {
            let reading = store.read(&scope, "Binary", id).await.unwrap();
            matches!(reading, Reading::Found(_))
        };
        assert!(!seen("b0").await && seen("b1").await);
        // What an older process wrote, which knew nothing of it, is known anew when it is released.
        ground
            .execute("UPDATE res SET sensitive = 0 WHERE id IN ('d0', 'b0')")
            .await;
        let release = |ty: &str, id: &str| Change::Release {
            ty: ty.into(),
            id: id.into(),
            release: Release::At(START),
        };
        let both = vec![release("DocumentReference", "d0"), release("Binary", "b0")];
        let job = Job {
            changes: both,
            ..Job::default()
        };
        let clinician = staff("A81001", Interaction::ReleaseToPatient);
        store.commit(&clinician, job).await.unwrap();
        let letters = acting(&["letters"], Interaction::Search, "DocumentReference").unwrap();
        let found = search(&store, &letters, "DocumentReference", &[]).await;
        assert!(!found.contains("d0"), "{found:?}");
        let scope = acting(&["letters"], Interaction::Search, "Binary").unwrap();
        let mut search = Search::all("Binary", 50);
        search.total = Total::Accurate;
        let page = store.search(&scope, &search).await.unwrap();
        assert!(page.entries.iter().all(|it| it.id != "b0"));
        // Without the label both are shown; the version that had it is not.
        let text = r#"{"resourceType":"DocumentReference","status":"current","subject":{"reference":"Patient/child"},"content":[{"attachment":{"url":"Binary/b0"}}]}"#;
        let relabelled = put_as(text, "d0", Expect::Anything, Release::At(START));
        commit(&store, vec![relabelled]).await.unwrap();
        let scope = acting(&["letters"], Interaction::Read, "Binary").unwrap();
        let reading = store.read(&scope, "Binary", "b0").await.unwrap();
        assert!(matches!(reading, Reading::Found(_)));
        let scope = acting(&["letters"], Interaction::Read, "DocumentReference").unwrap();
        let old = store
            .vread(&scope, "DocumentReference", "d0", 1)
            .await
            .unwrap();
        assert_eq!(old, Reading::Absent);
        let new = store
            .vread(&scope, "DocumentReference", "d0", 2)
            .await
            .unwrap();
        assert!(matches!(new, Reading::Found(_)));
        store.close().await;
    });
}
