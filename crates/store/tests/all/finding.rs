//! What the richer forms of a search find: chains, `_has`, composites, modifiers, order, includes.

use access::{Interaction, Scope};
use fhir::problem::Kind;
use fhir::search::{Limits, Search, Total};
use store::testing::{START, on_each_database};
use store::{Expect, Reading, Release, Store};

use crate::people::{commit, patient, prepared, put, put_as, staff, system};

const BASE: &str = "https://gp.example/fhir";

pub fn read(ty: &str, text: &str) -> Result<Search, fhir::Problem> {
    let pairs: Vec<_> = text
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect();
    Search::parse(ty, &pairs, BASE, &Limits::default())
}

pub fn query(ty: &str, text: &str) -> Search {
    read(ty, text).unwrap_or_else(|problem| panic!("{ty}?{text}: {problem:?}"))
}

async fn ids(store: &Store, scope: &Scope, search: &Search) -> Vec<String> {
    let page = store.search(scope, search).await.unwrap();
    page.entries.into_iter().map(|entry| entry.id).collect()
}

/// The ids of the matches and, behind a bar, of what came along.
pub async fn found(store: &Store, scope: &Scope, ty: &str, text: &str) -> String {
    let mut search = query(ty, text);
    search.total = Total::Accurate;
    let page = store.search(scope, &search).await.unwrap();
    if search.after.is_none() && page.next.is_none() {
        assert_eq!(page.total, Some(page.entries.len() as u64), "{ty}?{text}");
    }
    let ids = |versions: Vec<store::Version>| {
        let ids: Vec<String> = versions.into_iter().map(|version| version.id).collect();
        ids.join(" ")
    };
    let matches = ids(page.entries);
    match page.included.is_empty() {
        true => matches,
        false => format!("{matches} | {}", ids(page.included)),
    }
}

const ORGANISATION: &str = r#"{"resourceType":"Organization","name":"Surgery","partOf":{"reference":"Organization/trust"}}"#;
const TRUST: &str = r#"{"resourceType":"Organization","name":"Trust"}"#;
const ANN: &str = r#"{"resourceType":"Patient","name":[{"family":"Able","given":["Ann"]}],"gender":"female","birthDate":"1980-02-03","managingOrganization":{"reference":"Organization/surgery"},"generalPractitioner":[{"reference":"Practitioner/gp"}],"identifier":[{"type":{"coding":[{"system":"urn:t","code":"MR"}],"text":"Hospital number"},"system":"urn:mrn","value":"77"}]}"#;
const BOB: &str = r#"{"resourceType":"Patient","name":[{"family":"Baker"}],"gender":"male","birthDate":"1970","meta":{"tag":[{"system":"urn:tags","code":"t"}],"security":[{"system":"urn:labels","code":"R"}],"profile":["https://fhir.example/StructureDefinition/Person"],"source":"urn:feed:1"}}"#;
const GP: &str = r#"{"resourceType":"Practitioner","name":[{"family":"Doctor"}]}"#;
const PRESSURE: &str = r#"{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"85354-9","display":"Blood pressure panel"}],"text":"Pressure"},"subject":{"reference":"Patient/ann"},"effectiveDateTime":"2024-03-05","component":[{"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},"valueQuantity":{"value":140,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}},{"code":{"coding":[{"system":"http://loinc.org","code":"8462-4"}]},"valueQuantity":{"value":90,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}]}"#;
const WEIGHT: &str = r#"{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"29463-7","display":"Body weight"}]},"subject":{"reference":"https://gp.example/fhir/Patient/bob"},"effectiveDateTime":"2023","valueQuantity":{"value":70.5,"unit":"kg","system":"http://unitsofmeasure.org","code":"kg"},"hasMember":[{"reference":"Observation/pressure"}]}"#;
const NOTE: &str = r#"{"resourceType":"Observation","status":"amended","code":{"text":"Note"},"subject":{"reference":"Patient/ann","identifier":{"system":"urn:mrn","value":"77"}},"valueString":"Feels well"}"#;
const LIST: &str = r#"{"resourceType":"List","status":"current","mode":"working","entry":[{"item":{"reference":"Observation/weight"}},{"item":{"reference":"Patient/ann"}}]}"#;
const VALUE_SET: &str =
    r#"{"resourceType":"ValueSet","status":"active","url":"https://fhir.example/vs/a/b"}"#;

pub async fn stocked(ground: &store::testing::Ground) -> Store {
    let store = ground.open().await;
    let all = [
        (TRUST, "trust"),
        (ORGANISATION, "surgery"),
        (GP, "gp"),
        (ANN, "ann"),
        (BOB, "bob"),
        (PRESSURE, "pressure"),
        (WEIGHT, "weight"),
        (NOTE, "note"),
        (LIST, "list"),
        (VALUE_SET, "vs"),
    ];
    let changes = all.map(|(text, id)| put_as(text, id, Expect::Absent, Release::At(START)));
    commit(&store, changes.into()).await.unwrap();
    store
}

#[test]
fn modifiers_and_composites_find_what_they_should() {
    on_each_database(async |ground| {
        let store = stocked(ground).await;
        for (ty, text, expected) in [
            ("Observation", "code:text=blood", "pressure"),
            ("Observation", "code:text=pressure", "pressure"),
            ("Observation", "code:text=well", ""),
            ("Observation", "code:not=29463-7", "pressure note"),
            ("Patient", "identifier:of-type=urn:t|MR|77", "ann"),
            ("Patient", "identifier:of-type=urn:t|MR|78", ""),
            ("Patient", "identifier:text=hospital", "ann"),
            ("Observation", "subject:identifier=urn:mrn|77", "note"),
            ("Observation", "subject:Patient=ann", "pressure note"),
            ("Observation", "subject=bob", "weight"),
            ("ValueSet", "url=https://fhir.example/vs/a/b", "vs"),
            ("ValueSet", "url:below=https://fhir.example/vs", "vs"),
            ("ValueSet", "url:below=https://fhir.example/other", ""),
            ("ValueSet", "url:above=https://fhir.example/vs/a/b/c", "vs"),
            ("Patient", "_tag=urn:tags|t", "bob"),
            ("Patient", "_tag:not=urn:tags|t", "ann"),
            ("Patient", "_security=R", "bob"),
            (
                "Patient",
                "_profile=https://fhir.example/StructureDefinition/Person",
                "bob",
            ),
            ("Patient", "_profile:below=https://fhir.example/", "bob"),
            ("Patient", "_source=urn:feed:1", "bob"),
            (
                "Patient",
                "gender:in=http://hl7.org/fhir/ValueSet/administrative-gender",
                "ann bob",
            ),
            (
                "Patient",
                "gender:not-in=http://hl7.org/fhir/ValueSet/administrative-gender",
                "",
            ),
            // 140 mmHg is 14 cmHg; a part's code and value belong together.
            (
                "Observation",
                "component-value-quantity=14|http://unitsofmeasure.org|cm[Hg]",
                "pressure",
            ),
            (
                "Observation",
                "value-quantity=70500|http://unitsofmeasure.org|g",
                "weight",
            ),
            (
                "Observation",
                "value-quantity=gt70|http://unitsofmeasure.org|kg",
                "weight",
            ),
            (
                "Observation",
                "value-quantity=gt71|http://unitsofmeasure.org|kg",
                "",
            ),
            ("Observation", "value-quantity=70.5||kg", "weight"),
            ("Observation", "value-quantity=70.5", "weight"),
            ("Observation", "value-quantity=70500", ""),
            (
                "Observation",
                "component-code-value-quantity=8480-6$gt130",
                "pressure",
            ),
            (
                "Observation",
                "component-code-value-quantity=8462-4$gt130",
                "",
            ),
            (
                "Observation",
                "combo-code-value-quantity=http://loinc.org|8462-4$90|http://unitsofmeasure.org|mm[Hg]",
                "pressure",
            ),
            (
                "Observation",
                "code-value-quantity=29463-7$70.5,8480-6$1",
                "weight",
            ),
            ("Observation", "value-string=feels", "note"),
            (
                "Observation",
                "value-quantity:missing=true",
                "pressure note",
            ),
            (
                "Observation",
                "component-code-value-quantity:missing=false",
                "pressure",
            ),
            ("Observation", "_list=list", "weight"),
            ("Patient", "_list=list", "ann"),
            ("Patient", "_list=other", ""),
            ("Patient", "_id=ann,bob&gender=male", "bob"),
        ] {
            let ids = found(&store, &system(), ty, text).await;
            assert_eq!(ids, expected, "{ty}?{text}");
        }
        store.close().await;
    });
}

#[test]
fn chains_go_both_ways_and_filters_combine() {
    on_each_database(async |ground| {
        let store = stocked(ground).await;
        for (ty, text, expected) in [
            ("Observation", "subject:Patient.name=able", "pressure note"),
            ("Observation", "subject.family=baker", "weight"),
            (
                "Observation",
                "patient.organization.name=surgery",
                "pressure note",
            ),
            (
                "Observation",
                "patient.organization.partof.name=trust",
                "pressure note",
            ),
            (
                "Observation",
                "subject:Patient.name=able&code=85354-9",
                "pressure",
            ),
            (
                "Observation",
                "subject=Patient/ann&patient.gender=female",
                "pressure note",
            ),
            ("Observation", "subject=Patient/ann&patient.gender=male", ""),
            ("Observation", "subject:Patient._id=bob", "weight"),
            ("Patient", "_has:Observation:patient:code=85354-9", "ann"),
            ("Patient", "_has:Observation:patient:code=29463-7", "bob"),
            ("Patient", "_has:Observation:patient:code=nothing", ""),
            ("Patient", "_has:Observation:subject:date=ge2024", "ann"),
            (
                "Patient",
                "_id=ann&_has:Observation:patient:code=85354-9",
                "ann",
            ),
            (
                "Patient",
                "_id=bob&_has:Observation:patient:code=85354-9",
                "",
            ),
            (
                "Organization",
                "_has:Patient:organization:_has:Observation:patient:code=85354-9",
                "surgery",
            ),
            ("Organization", "_has:Patient:organization:gender=male", ""),
            (
                "Observation",
                "_has:Observation:has-member:subject.name=baker",
                "pressure",
            ),
            ("Patient", r#"_filter=family eq "able""#, "ann"),
            ("Patient", r#"_filter=family eq "abl""#, ""),
            (
                "Patient",
                r#"_filter=family sw abl or gender eq male"#,
                "ann bob",
            ),
            (
                "Patient",
                r#"_filter=not(gender eq male) and birthdate ge 1980"#,
                "ann",
            ),
            (
                "Patient",
                r#"_filter=(family co ake or family ew ble) and not(family eq able)"#,
                "bob",
            ),
            ("Patient", r#"_filter=identifier pr true"#, "ann"),
            ("Patient", r#"_filter=organization.name eq surgery"#, "ann"),
            (
                "Observation",
                r#"_filter=date po 2024-03 and status ne amended"#,
                "pressure",
            ),
        ] {
            let ids = found(&store, &system(), ty, text).await;
            assert_eq!(ids, expected, "{ty}?{text}");
        }
        for (ty, text, kind) in [
            (
                "Patient",
                "organization.partof.partof.partof.partof.name=x",
                Kind::TooCostly,
            ),
            ("Observation", "code.name=x", Kind::Value),
            ("Patient", "_has:Observation:patient=x", Kind::Value),
            ("Patient", "_filter=family eq", Kind::Value),
            ("Patient", "_filter=(family eq a", Kind::Value),
            (
                "Patient",
                "_filter=link[type eq x].other pr true",
                Kind::NotSupported,
            ),
            ("Patient", "_has:Organization:partof:name=x", Kind::Value),
        ] {
            assert_eq!(read(ty, text).unwrap_err().kind, kind, "{ty}?{text}");
        }
        store.close().await;
    });
}

#[test]
fn includes_bring_each_resource_once_and_count_none() {
    on_each_database(async |ground| {
        let store = stocked(ground).await;
        for (ty, text, expected) in [
            (
                "Observation",
                "code=85354-9&_include=Observation:subject",
                "pressure | ann",
            ),
            (
                "Observation",
                "_id=pressure,note&_include=Observation:subject",
                "pressure note | ann",
            ),
            (
                "Observation",
                "_id=weight&_include=Observation:subject:Patient",
                "weight | bob",
            ),
            (
                "Observation",
                "_id=weight&_include=Observation:subject:Group",
                "weight",
            ),
            (
                "Observation",
                "_id=weight&_include=Observation:*",
                "weight | pressure bob",
            ),
            (
                "Observation",
                "_id=weight,pressure&_include=*",
                "pressure weight | ann bob",
            ),
            ("Patient", "_id=ann&_include=*", "ann | surgery gp"),
            (
                "Patient",
                "_id=ann&_revinclude=Observation:subject",
                "ann | pressure note",
            ),
            (
                "Patient",
                "_id=bob&_revinclude=Observation:*",
                "bob | weight",
            ),
            (
                "Patient",
                "_id=ann&_include=Patient:organization&_include:iterate=Organization:partof",
                "ann | surgery trust",
            ),
            (
                "Patient",
                "_id=ann&_include=Patient:organization",
                "ann | surgery",
            ),
            (
                "Patient",
                "_id=bob&_revinclude=Observation:subject&_include:iterate=Observation:has-member&_include:iterate=Observation:subject",
                "bob | weight pressure ann",
            ),
        ] {
            let ids = found(&store, &system(), ty, text).await;
            assert_eq!(ids, expected, "{ty}?{text}");
        }
        store.close().await;
        let mut settings = ground.settings.clone();
        settings.included_max = 1;
        let store = Store::open(settings).await.unwrap();
        let search = query("Patient", "_id=ann&_revinclude=Observation:subject");
        let refused = store.search(&system(), &search).await.unwrap_err();
        assert_eq!(refused.kind, Kind::TooCostly);
        store.close().await;
    });
}

#[test]
fn a_page_ends_with_its_bytes_and_what_comes_along_is_bounded() {
    on_each_database(async |ground| {
        let mut settings = ground.settings.clone();
        settings.page_bytes_max = 1;
        let store = Store::open(settings).await.unwrap();
        let changes = vec![
            put(ORGANISATION, "surgery"),
            put(ANN, "ann"),
            put(BOB, "bob"),
        ];
        commit(&store, changes).await.unwrap();
        let mut search = query("Patient", "");
        let page = store.search(&system(), &search).await.unwrap();
        assert_eq!(page.entries.len(), 1);
        search.after = page.next;
        assert!(search.after.is_some());
        let page = store.search(&system(), &search).await.unwrap();
        assert_eq!(page.entries[0].id, "bob");
        assert_eq!(page.next, None);
        let search = query("Patient", "_id=ann&_include=Patient:organization");
        let refused = store.search(&system(), &search).await.unwrap_err();
        assert_eq!(refused.kind, Kind::TooCostly);
        assert!(refused.message.contains("_count"), "{refused:?}");
        store.close().await;
    });
}

#[test]
fn what_is_beyond_the_scope_is_neither_included_nor_told_by_a_chain() {
    on_each_database(async |ground| {
        let store = stocked(ground).await;
        // Another organisation's observation about our patient, and its patient.
        let theirs = |text: &str, id: &str| store::Change::Put {
            resource: prepared(text, id, "B82002"),
            expect: Expect::Absent,
            release: Release::Never,
        };
        let secret = PRESSURE.replace("85354-9", "secret");
        let observed = NOTE.replace("Patient/ann", "Patient/cat");
        let cat = ANN.replace("Able", "Cat");
        commit(
            &store,
            vec![
                theirs(&secret, "secret"),
                theirs(&cat, "cat"),
                put(&observed, "of-cat"),
            ],
        )
        .await
        .unwrap();
        let ours = staff("A81001", Interaction::Search);
        let own = patient("ann", Interaction::Search, START);
        for (scope, ty, text, expected) in [
            (&ours, "Patient", "_has:Observation:patient:code=secret", ""),
            (
                &ours,
                "Patient",
                "_id=ann&_revinclude=Observation:patient",
                "ann | pressure note",
            ),
            (&ours, "Observation", "subject.family=cat", ""),
            (&ours, "Observation", "_id=of-cat&subject.gender=female", ""),
            (
                &ours,
                "Observation",
                "_id=of-cat&_include=Observation:subject",
                "of-cat",
            ),
            (&ours, "Observation", "_filter=subject.family eq cat", ""),
            (&own, "Patient", "", "ann"),
            (&own, "Patient", "_include=*", "ann"),
            (&own, "Patient", "organization.name=surgery", ""),
            (
                &own,
                "Patient",
                "_has:Observation:patient:code=85354-9",
                "ann",
            ),
            (&own, "Patient", "_has:Observation:patient:code=secret", ""),
            (&own, "Patient", "_list=list", ""),
            (&own, "Observation", "_sort=-date", "pressure note"),
            (
                &own,
                "Observation",
                "_include=Observation:subject&code=85354-9",
                "pressure | ann",
            ),
        ] {
            let ids = found(&store, scope, ty, text).await;
            assert_eq!(ids, expected, "{ty}?{text}");
        }
        store.close().await;
    });
}

#[test]
fn results_come_in_the_order_that_was_asked_for() {
    on_each_database(async |ground| {
        let store = stocked(ground).await;
        for (ty, text, expected) in [
            ("Patient", "_sort=birthdate", "bob ann"),
            ("Patient", "_sort=-birthdate", "ann bob"),
            ("Patient", "_sort=given", "ann bob"),
            ("Patient", "_sort=-_id", "bob ann"),
            ("Patient", "_sort=_lastUpdated,-_id", "bob ann"),
            ("Observation", "_sort=date", "weight pressure note"),
            ("Observation", "_sort=-date", "pressure weight note"),
            ("Observation", "_sort=status,-date", "note pressure weight"),
            ("Observation", "_sort=-status,date", "weight pressure note"),
            (
                "Observation",
                "_sort=value-quantity",
                "weight pressure note",
            ),
            ("Observation", "_sort=code", "weight pressure note"),
            ("Observation", "_sort=subject,_id", "weight note pressure"),
            (
                "Observation",
                "subject=Patient/ann&_sort=-date,_id",
                "pressure note",
            ),
        ] {
            let all = found(&store, &system(), ty, text).await;
            // The absolute reference sorts behind the relative ones.
            let expected = match text {
                "_sort=subject,_id" => "note pressure weight",
                _ => expected,
            };
            assert_eq!(all, expected, "{ty}?{text}");
            let mut search = query(ty, &format!("{text}&_count=1"));
            let mut paged = Vec::new();
            loop {
                let page = store.search(&system(), &search).await.unwrap();
                paged.extend(page.entries.into_iter().map(|entry| entry.id));
                match page.next {
                    Some(next) => search.after = Some(next),
                    None => break,
                }
                assert!(paged.len() < 10, "{text} never ends");
            }
            assert_eq!(paged.join(" "), expected, "{ty}?{text} page by page");
        }
        for text in ["_sort=code-value-quantity", "_sort=frobnicate"] {
            assert_eq!(
                read("Observation", text).unwrap_err().kind,
                Kind::NotSupported
            );
        }
        store.close().await;
    });
}

#[test]
fn a_compartment_holds_what_is_about_the_patient_of_every_type() {
    on_each_database(async |ground| {
        let store = stocked(ground).await;
        let within = async |ty: &str, text: &str| {
            let search = query(ty, text).within_patient("ann");
            ids(&store, &system(), &search).await.join(" ")
        };
        assert_eq!(within("Observation", "").await, "pressure note");
        assert_eq!(within("Observation", "code=85354-9").await, "pressure");
        assert_eq!(within("Patient", "").await, "ann");
        assert_eq!(within("*", "").await, "ann pressure note");
        assert_eq!(within("*", "_type=Patient").await, "ann");
        assert_eq!(within("*", "_id=note,weight").await, "note");
        let page = store
            .search(&system(), &query("*", "_type=Patient,List"))
            .await;
        let types: Vec<_> = page.unwrap().entries.into_iter().map(|it| it.ty).collect();
        assert_eq!(types, ["Patient", "Patient", "List"]);
        assert!(read("*", "code=x").is_err());
        store.close().await;
    });
}

#[test]
fn a_patient_never_finds_who_looked_however_they_ask() {
    on_each_database(async |ground| {
        let store = stocked(ground).await;
        let looked = r#"{"resourceType":"AuditEvent","type":{"code":"rest"},"recorded":"2024-01-01T00:00:00Z","agent":[{"requestor":true,"name":"Sam","who":{"reference":"Patient/ann"}}],"source":{"observer":{"display":"x"}},"entity":[{"what":{"reference":"Patient/ann"}}]}"#;
        let noted = put_as(looked, "looked", Expect::Absent, Release::At(START));
        commit(&store, vec![noted]).await.unwrap();
        let asked = [
            ("Patient", "_has:AuditEvent:patient:agent-name=Sam", "ann"),
            (
                "Patient",
                "_revinclude=AuditEvent:patient&_id=ann",
                "ann | looked",
            ),
            ("AuditEvent", "", "looked"),
            ("AuditEvent", "patient.name=Able", "looked"),
        ];
        let ann = patient("ann", Interaction::Search, START);
        for (ty, text, expected) in asked {
            assert_eq!(found(&store, &system(), ty, text).await, expected, "{text}");
            let shown = match text.starts_with("_revinclude") {
                true => "ann",
                false => "",
            };
            assert_eq!(found(&store, &ann, ty, text).await, shown, "{text}");
        }
        for _ in 0..2 {
            let read = store.read(&ann, "AuditEvent", "looked").await.unwrap();
            assert_eq!(read, Reading::Absent);
            // What somebody else's reading keeps in memory is withheld as well.
            store.read(&system(), "AuditEvent", "looked").await.unwrap();
        }
        let past = store
            .history(&ann, "AuditEvent", "looked", 9)
            .await
            .unwrap();
        assert!(past.is_empty());
        store.close().await;
    });
}
