//! Search by place, by words, and within compartments.

use access::{Interaction, Scope, Standing};
use fhir::problem::Kind;
use fhir::search::{ALL_TYPES, Limits, Search};
use store::testing::{START, on_each_database};
use store::{Change, Expect, Release, Settings, Store};

use crate::people::{commit, delete, patient, prepared, put, staff, staff_with, system};

const BASE: &str = "https://gp.example/fhir";

fn parsed(store: &Store, ty: &str, name: &str, value: &str) -> Result<Search, Kind> {
    let query = [(name.to_string(), value.to_string())];
    let registry = store.registry();
    let search = Search::parse_with(&registry, ty, &query, BASE, &Limits::default());
    search.map_err(|problem| problem.kind)
}

async fn found(store: &Store, scope: &Scope, search: &Search) -> String {
    let page = store.search(scope, search).await.unwrap();
    let mut ids: Vec<String> = page.entries.into_iter().map(|it| it.id).collect();
    ids.sort_unstable();
    ids.join(" ")
}

async fn asked(store: &Store, ty: &str, name: &str, value: &str) -> String {
    let search = parsed(store, ty, name, value).unwrap();
    found(store, &system(), &search).await
}

fn place(id: &str, latitude: f64, longitude: f64) -> Change {
    let text = format!(
        r#"{{"resourceType":"Location","name":"{id}","position":{{"latitude":{latitude},"longitude":{longitude}}}}}"#
    );
    put(&text, id)
}

#[test]
fn near_finds_the_places_within_a_distance() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let places = vec![
            place("leeds", 53.7940, -1.5397),
            place("york", 53.9623, -1.0819),
            place("london", 51.5, -0.12),
            place("fiji", -17.0, 179.9),
            put(r#"{"resourceType":"Location","name":"nowhere"}"#, "nowhere"),
        ];
        commit(&store, places).await.unwrap();
        for (value, expected) in [
            ("53.794|-1.5397", "leeds"),
            ("53.794|-1.5397|36|km", "leeds york"),
            ("53.794|-1.5397|35|km", "leeds"),
            ("53.794|-1.5397|22.1|[mi_i]", "leeds york"),
            ("53.794|-1.5397|300", "leeds london york"),
            ("-17|-179.9|30|km", "fiji"),
            ("-17|-179.9|20|km", ""),
            ("51.5|-0.12|1|m,-17|179.9|1|m", "fiji london"),
            ("0|0|30000|km", "fiji leeds london york"),
        ] {
            assert_eq!(
                asked(&store, "Location", "near", value).await,
                expected,
                "{value}"
            );
        }
        let chained = r#"{"resourceType":"Encounter","status":"finished","class":{"code":"AMB"},"location":[{"location":{"reference":"Location/york"}}]}"#;
        commit(&store, vec![put(chained, "visit")]).await.unwrap();
        let by = "location:Location.near";
        assert_eq!(
            asked(&store, "Encounter", by, "53.96|-1.08|1|km").await,
            "visit"
        );
        assert_eq!(asked(&store, "Encounter", by, "53.79|-1.54|1|km").await, "");
        commit(&store, vec![place("york", 0.0, 0.0)]).await.unwrap();
        assert_eq!(
            asked(&store, "Location", "near", "53.9623|-1.0819").await,
            ""
        );
        for wrong in ["", "91|0", "1|2|3|parsec", "x"] {
            assert_eq!(
                parsed(&store, "Location", "near", wrong).err(),
                Some(Kind::Value)
            );
        }
        let elsewhere = parsed(&store, "Patient", "near", "1|2").err();
        assert_eq!(elsewhere, Some(Kind::NotSupported));
    });
}

fn noted(id: &str, narrative: &str, note: &str, release: Release, organisation: &str) -> Change {
    let text = format!(
        r#"{{"resourceType":"Condition","subject":{{"reference":"Patient/p"}},"text":{{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">{narrative}</div>"}},"note":[{{"text":"{note}"}}]}}"#
    );
    Change::Put {
        resource: prepared(&text, id, organisation),
        expect: Expect::Anything,
        release,
    }
}

async fn written(store: &Store) {
    let now = Release::At(START);
    let changes = vec![
        put(r#"{"resourceType":"Patient"}"#, "p"),
        noted(
            "bone",
            "Metastases in <b>bone</b>",
            "seen in clinic",
            now,
            "A81001",
        ),
        noted(
            "liver",
            "Liver metastases",
            "Ménière’s disease",
            Release::Never,
            "A81001",
        ),
        noted(
            "kidney",
            "Stone in the kidney",
            "no metastases",
            now,
            "B82002",
        ),
    ];
    commit(store, changes).await.unwrap();
}

#[test]
fn words_are_found_in_narratives_and_in_all_text() {
    on_each_database(async |ground| {
        let store = store_with_words(&ground.settings).await;
        written(&store).await;
        for (name, value, expected) in [
            ("_text", "metastases", "bone liver"),
            ("_text", "METASTASES bone", "bone"),
            ("_text", "(bone OR liver) and metastases", "bone liver"),
            ("_text", "metastases NOT liver", "bone"),
            ("_text", "bone,stone", "bone kidney"),
            ("_text", "metas", ""),
            ("_content", "metastases", "bone kidney liver"),
            ("_content", "meniere's", "liver"),
            ("_content", "clinic OR stone", "bone kidney"),
            ("_content", "not (clinic or stone)", "liver"),
            ("_content", "generated", ""),
        ] {
            let found = asked(&store, "Condition", name, value).await;
            assert_eq!(found, expected, "{name}={value}");
        }
        let chained = asked(
            &store,
            "Patient",
            "_has:Condition:patient:_content",
            "clinic",
        )
        .await;
        assert_eq!(chained, "p");
        commit(
            &store,
            vec![noted("bone", "Healed", "well", Release::Keep, "A81001")],
        )
        .await
        .unwrap();
        commit(
            &store,
            vec![delete("Condition", "kidney", Expect::Anything)],
        )
        .await
        .unwrap();
        assert_eq!(
            asked(&store, "Condition", "_content", "metastases").await,
            "liver"
        );
        assert_eq!(asked(&store, "Condition", "_text", "healed").await, "bone");
        for (wrong, kind) in [
            ("(bone", Kind::Value),
            ("bone)", Kind::Value),
            ("bone OR", Kind::Value),
            ("--", Kind::Value),
            ("\"bone liver\"", Kind::NotSupported),
            ("bon*", Kind::NotSupported),
        ] {
            let refused = parsed(&store, "Condition", "_text", wrong).err();
            assert_eq!(refused, Some(kind), "{wrong}");
        }
        assert_eq!(
            parsed(&store, ALL_TYPES, "_text", "x").err(),
            Some(Kind::NotSupported)
        );
    });
}

#[test]
fn what_may_not_be_read_is_not_found_by_its_words() {
    on_each_database(async |ground| {
        let store = store_with_words(&ground.settings).await;
        written(&store).await;
        let search = parsed(&store, "Condition", "_content", "metastases").unwrap();
        let own = staff("A81001", Interaction::Search);
        assert_eq!(found(&store, &own, &search).await, "bone liver");
        let other = staff("B82002", Interaction::Search);
        assert_eq!(found(&store, &other, &search).await, "kidney");
        let themselves = patient("p", Interaction::Search, START + 1);
        assert_eq!(found(&store, &themselves, &search).await, "bone kidney");
        let stranger = patient("q", Interaction::Search, START + 1);
        assert_eq!(found(&store, &stranger, &search).await, "");
        let labels = r#""meta":{"security":[{"system":"urn:handover:seal","code":"sealed"},{"system":"urn:handover:workgroup","code":"gum"}]},"note""#;
        let sealed = r#"{"resourceType":"Condition","subject":{"reference":"Patient/p"},"note":[{"text":"metastases"}]}"#;
        let sealed = sealed.replacen("\"note\"", labels, 1);
        commit(&store, vec![put(&sealed, "sealed")]).await.unwrap();
        let outside = staff_with(&Standing::default(), Interaction::Search, START);
        assert_eq!(found(&store, &outside, &search).await, "bone liver");
        let team = Standing {
            workgroups: vec!["gum".into()],
            ..Standing::default()
        };
        let inside = staff_with(&team, Interaction::Search, START);
        assert_eq!(found(&store, &inside, &search).await, "bone liver sealed");
        let mut count = search.clone();
        count.count = 0;
        let page = store.search(&other, &count).await.unwrap();
        assert_eq!(page.total, Some(1), "nor counted");
    });
}

async fn store_with_words(settings: &Settings) -> Store {
    let mut settings = settings.clone();
    settings.text_search = true;
    Store::open(settings).await.unwrap()
}

/// Once all that is there is indexed.
async fn indexed(store: &Store) {
    for _ in 0..600 {
        let jobs = store.reindexing().await.unwrap();
        let is_open = jobs
            .iter()
            .any(|job| job.state != store::ReindexState::Done);
        if !is_open && !store.registry().is_behind() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the reindexing did not end");
}

#[test]
fn words_are_searched_only_where_they_are_indexed_and_never_found_by_what_once_stood_there() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        written(&store).await;
        let refused = parsed(&store, "Condition", "_content", "metastases").err();
        assert_eq!(refused, Some(Kind::NotSupported), "not switched on");
        drop(store);
        let store = store_with_words(&ground.settings).await;
        indexed(&store).await;
        let name = "_content";
        assert_eq!(
            asked(&store, "Condition", name, "metastases").await,
            "bone kidney liver"
        );
        drop(store);
        let store = ground.open().await;
        commit(
            &store,
            vec![noted("bone", "Healed", "well", Release::Keep, "A81001")],
        )
        .await
        .unwrap();
        drop(store);
        let store = store_with_words(&ground.settings).await;
        indexed(&store).await;
        assert_eq!(
            asked(&store, "Condition", name, "metastases").await,
            "kidney liver"
        );
        assert_eq!(asked(&store, "Condition", name, "healed").await, "bone");
    });
}

#[test]
fn compartments_hold_what_refers_to_what_they_are_of() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let seen = |id: &str, rest: &str| {
            let text = format!(
                r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}}{rest}}}"#
            );
            put(&text, id)
        };
        let other = r#"{"resourceType":"Encounter","status":"finished","class":{"code":"AMB"},"participant":[{"individual":{"reference":"Practitioner/1"}}]}"#;
        let changes = vec![
            put(other, "1"),
            put(r#"{"resourceType":"Practitioner"}"#, "1"),
            put(
                r#"{"resourceType":"RelatedPerson","patient":{"reference":"Patient/p"}}"#,
                "1",
            ),
            put(r#"{"resourceType":"Device"}"#, "1"),
            put(
                r#"{"resourceType":"Patient","generalPractitioner":[{"reference":"Practitioner/1"}]}"#,
                "p",
            ),
            seen("visit", r#","encounter":{"reference":"Encounter/1"}"#),
            seen(
                "absolute",
                &format!(r#","encounter":{{"reference":"{BASE}/Encounter/1"}}"#),
            ),
            seen("doctor", r#","performer":[{"reference":"Practitioner/1"}]"#),
            seen(
                "mother",
                r#","performer":[{"reference":"RelatedPerson/1"}]"#,
            ),
            seen("device", r#","device":{"reference":"Device/1"}"#),
            seen("on-device", r#","subject":{"reference":"Device/1"}"#),
            seen("none", r#","encounter":{"reference":"Encounter/2"}"#),
        ];
        for change in changes {
            commit(&store, vec![change]).await.unwrap();
        }
        let in_ = async |of: &str, ty: &str| {
            let search = Search::parse(ty, &[], BASE, &Limits::default()).unwrap();
            let search = search.within(of, "1").unwrap();
            found(&store, &system(), &search).await
        };
        for (of, ty, expected) in [
            ("Encounter", "Observation", "absolute visit"),
            ("Encounter", "Encounter", "1"),
            ("Encounter", "Procedure", ""),
            ("Encounter", ALL_TYPES, "1 absolute visit"),
            ("Practitioner", "Observation", "doctor"),
            ("Practitioner", "Encounter", "1"),
            ("Practitioner", ALL_TYPES, "1 1 doctor p"),
            ("RelatedPerson", "Observation", "mother"),
            ("RelatedPerson", ALL_TYPES, "1 mother"),
            ("Device", "Observation", "device on-device"),
            ("Device", ALL_TYPES, "device on-device"),
        ] {
            assert_eq!(in_(of, ty).await, expected, "{of} {ty}");
        }
        let search = parsed(&store, "Observation", "performer", "Practitioner/1").unwrap();
        let within = search.within("Encounter", "1").unwrap();
        assert_eq!(
            found(&store, &system(), &within).await,
            "",
            "both have to hold"
        );
        let all = Search::parse(ALL_TYPES, &[], BASE, &Limits::default()).unwrap();
        let all = all.within("Practitioner", "1").unwrap();
        let other = staff("B82002", Interaction::Search);
        assert_eq!(
            found(&store, &other, &all).await,
            "",
            "under the same scope"
        );
        let link = all.self_link(BASE);
        assert_eq!(link, format!("{BASE}/Practitioner/1/*"));
    });
}

#[test]
fn a_filter_leads_over_several_references_with_conditions_on_the_way() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let person = |id: &str, active: bool, practitioner: &str| {
            let text = format!(
                r#"{{"resourceType":"Patient","active":{active},"generalPractitioner":[{{"reference":"Practitioner/{practitioner}"}}]}}"#
            );
            put(&text, id)
        };
        let seen = |id: &str, subject: &str| {
            let text = format!(
                r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},"subject":{{"reference":"Patient/{subject}"}}}}"#
            );
            put(&text, id)
        };
        let doctor = |id: &str, family: &str| {
            let text =
                format!(r#"{{"resourceType":"Practitioner","name":[{{"family":"{family}"}}]}}"#);
            put(&text, id)
        };
        let changes = vec![
            doctor("jones", "Jones"),
            doctor("smith", "Smith"),
            person("a", true, "jones"),
            person("b", false, "jones"),
            person("c", true, "smith"),
            seen("of-a", "a"),
            seen("of-b", "b"),
            seen("of-c", "c"),
        ];
        commit(&store, changes).await.unwrap();
        let patient = "subject:Patient";
        let doctor = "general-practitioner:Practitioner";
        for (filter, expected) in [
            (format!("{patient}.{doctor}.family eq jones"), "of-a of-b"),
            (
                format!("{patient}[active eq true].{doctor}.family eq jones"),
                "of-a",
            ),
            (
                format!("{patient}[active eq true].{doctor}[family sw \"s\"]._id pr true"),
                "400",
            ),
            (
                format!("{patient}.{doctor}[family sw s].name co mit"),
                "of-c",
            ),
            (
                format!("{patient}.{doctor}.family eq jones and not ({patient}.active eq true)"),
                "of-b",
            ),
            (
                format!(
                    "{patient}[active eq true or {doctor}.family eq jones].{doctor}.family pr true"
                ),
                "of-a of-b of-c",
            ),
            (
                "patient.general-practitioner.family eq smith".to_string(),
                "of-c",
            ),
            (format!("{patient}.birthdate.family eq jones"), "400"),
            (format!("{patient}[active eq true].{doctor}"), "400"),
            (
                format!("{patient}[active eq true] {doctor}.family eq x"),
                "400",
            ),
            (format!("{patient}[].active eq true"), "400"),
            (format!("{patient}[active eq true.active eq true"), "400"),
            (
                format!("{patient}.general-practitioner.{doctor}.x.y.z eq 1"),
                "400",
            ),
        ] {
            let found = match parsed(&store, "Observation", "_filter", &filter) {
                Ok(search) => found(&store, &system(), &search).await,
                Err(_) => "400".to_string(),
            };
            assert_eq!(found, expected, "{filter}");
        }
    });
}
