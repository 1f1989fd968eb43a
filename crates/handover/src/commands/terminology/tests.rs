//! Releases of made-up content in the published layouts, loaded and asked.

mod made_up;
mod refined;

use std::io::Read;
use std::path::Path;

use access::{Scope, SystemPurpose};
use store::Store;
use store::terminology::{Asked, Coded, ExpansionOptions, TranslationAsk};
use store::testing::on_each_database;

use super::source::Source;
use super::{System, load, remove};
use made_up::{archive, dmd, icd10_claml, icd10_text, id, loinc, snomed, snomed_next};

fn scope() -> Scope {
    Scope::system(SystemPurpose::Measure)
}

fn open(folder: &Path) -> Source {
    Source::open(&[folder.to_path_buf()]).unwrap()
}

async fn loaded(system: System, source: &Source, store: &Store) -> String {
    load(system, source, None, Some(store)).await.unwrap()
}

async fn displays(store: &Store, set: &str, filter: &str) -> Vec<String> {
    let options = ExpansionOptions {
        filter: (!filter.is_empty()).then(|| filter.to_owned()),
        ..ExpansionOptions::default()
    };
    let found = store
        .expand(&scope(), Asked::Url(set), &options)
        .await
        .unwrap();
    found.codes.into_iter().map(|it| it.display).collect()
}

#[test]
fn snomed_ct_loads_with_its_extension_and_is_searched() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let folder = tempfile::tempdir().unwrap();
        snomed(folder.path());
        let told = load(System::Snomed, &open(folder.path()), None, None)
            .await
            .unwrap();
        assert!(
            told.contains("8 concepts, 7 in use, 2 mappings would be loaded"),
            "{told}"
        );
        assert!(
            store.code_systems().await.unwrap().is_empty(),
            "a dry run writes nothing"
        );
        loaded(System::Snomed, &open(folder.path()), &store).await;
        let found = store
            .lookup(&scope(), "http://snomed.info/sct", None, &id(2), None)
            .await
            .unwrap();
        assert_eq!(
            found.display, "Ache of head",
            "the extension's preferred term"
        );
        assert_eq!(
            found.system.version,
            "http://snomed.info/sct/83821000000107/version/20260102"
        );
        let names: Vec<&str> = found
            .detail
            .designations
            .iter()
            .map(|it| it.value.as_str())
            .collect();
        assert_eq!(names.len(), 3, "{names:?}");
        assert_eq!(found.detail.definition, "Pain felt in the head.");
        let under = format!("http://snomed.info/sct?fhir_vs=ecl/<< {}", id(1));
        assert_eq!(displays(&store, &under, "ache").await, ["Ache of head"]);
        let both = format!(
            "http://snomed.info/sct?fhir_vs=ecl/<{} AND <{}",
            id(1),
            id(4)
        );
        assert_eq!(displays(&store, &both, "").await, ["Headache with fever"]);
        let members = format!("http://snomed.info/sct?fhir_vs=refset/{}", id(7));
        assert_eq!(displays(&store, &members, "").await.len(), 2);
        let old = TranslationAsk {
            system: Some("http://snomed.info/sct".into()),
            code: id(6),
            ..TranslationAsk::default()
        };
        let found = store.translate(&scope(), &old).await.unwrap();
        assert_eq!(
            (found[0].code.clone(), found[0].equivalence.as_str()),
            (id(2), "equivalent")
        );
        let icd = TranslationAsk {
            target_system: Some("http://hl7.org/fhir/sid/icd-10".into()),
            code: id(2),
            ..TranslationAsk::default()
        };
        assert_eq!(
            store.translate(&scope(), &icd).await.unwrap()[0].code,
            "R51"
        );
        let coded = Coded {
            system: Some("http://snomed.info/sct"),
            version: None,
            code: &id(6),
            display: None,
        };
        let old = store.validate_in_system(&scope(), coded).await.unwrap();
        assert!(old.result && old.inactive);
    });
}

#[test]
fn a_new_release_from_an_archive_takes_the_place_of_the_old_one() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let folder = tempfile::tempdir().unwrap();
        snomed(folder.path());
        loaded(System::Snomed, &open(folder.path()), &store).await;
        let next = tempfile::tempdir().unwrap();
        snomed_next(next.path());
        let zip = folder.path().join("next.zip");
        archive(next.path(), &zip);
        loaded(System::Snomed, &Source::open(&[zip]).unwrap(), &store).await;
        let systems = store.code_systems().await.unwrap();
        let states: Vec<&str> = systems.iter().map(|it| it.state.as_str()).collect();
        assert_eq!(states, ["live", "gone"]);
        assert_eq!(
            displays(&store, "http://snomed.info/sct?fhir_vs", "newly").await,
            ["Newly found"]
        );
        remove(&store, systems[0].id).await.unwrap();
        let set = Asked::Url("http://snomed.info/sct?fhir_vs");
        assert!(
            store
                .expand(&scope(), set, &ExpansionOptions::default())
                .await
                .is_err()
        );
        assert!(remove(&store, 9999).await.is_err());
    });
}

#[test]
fn a_release_that_is_damaged_is_refused_by_file_and_line_and_nothing_changes() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let folder = tempfile::tempdir().unwrap();
        snomed(folder.path());
        loaded(System::Snomed, &open(folder.path()), &store).await;
        let file = folder.path().join(
            "International/Snapshot/Terminology/sct2_Description_Snapshot-en_INT_20260101.txt",
        );
        let whole = std::fs::read_to_string(&file).unwrap();
        for (damaged, expected) in [
            (
                whole.replacen(&id(2), "12345678", 1),
                "is no SNOMED CT identifier",
            ),
            (whole.replacen("\ten\t", "\t", 1), "columns"),
            (
                whole.replacen("languageCode", "lang", 1),
                "languageCode is missing",
            ),
        ] {
            std::fs::write(&file, damaged).unwrap();
            let refused = load(System::Snomed, &open(folder.path()), None, Some(&store))
                .await
                .unwrap_err();
            let told = format!("{refused:#}");
            assert!(
                told.contains(expected)
                    && told.contains("sct2_Description")
                    && told.contains("line"),
                "{told}"
            );
        }
        std::fs::remove_file(&file).unwrap();
        let missing = load(System::Snomed, &open(folder.path()), None, None)
            .await
            .unwrap_err();
        assert!(missing.to_string().contains("has no name"), "{missing}");
        assert_eq!(
            displays(&store, "http://snomed.info/sct?fhir_vs", "ache head").await,
            ["Ache of head"]
        );
    });
}

#[test]
fn dmd_loads_with_its_five_kinds_ingredients_and_lookups() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let folder = tempfile::tempdir().unwrap();
        dmd(folder.path());
        let told = loaded(System::Dmd, &open(folder.path()), &store).await;
        assert!(told.contains("9 concepts, 2 mappings"), "{told}");
        let found = store
            .lookup(&scope(), "https://dmd.nhs.uk", None, &id(12), None)
            .await
            .unwrap();
        assert_eq!(found.display, "Madeupine 5mg tablets & wrapper");
        assert_eq!(found.system.version, "010125");
        let value = |code: &str| {
            let all = found.detail.properties.iter().filter(|it| it.code == code);
            all.map(|it| it.value.clone()).collect::<Vec<_>>().join(",")
        };
        assert_eq!(value("type"), "VMP");
        assert_eq!(value("STRNT_NMRTR_VAL"), "5");
        assert_eq!(value("STRNT_NMRTR_UOM"), "mg");
        assert_eq!(value("FORM"), "Tablet");
        assert_eq!(found.parents[0].0, id(11));
        let below = store
            .subsumes(&scope(), "https://dmd.nhs.uk", None, &id(11), &id(15))
            .await
            .unwrap();
        assert_eq!(below.code(), "subsumes");
        assert_eq!(
            displays(&store, "https://dmd.nhs.uk/vs", "madeup drugco")
                .await
                .len(),
            2
        );
        let before = TranslationAsk {
            code: id(99),
            system: Some("https://dmd.nhs.uk".into()),
            ..TranslationAsk::default()
        };
        assert_eq!(
            store.translate(&scope(), &before).await.unwrap()[0].code,
            id(12)
        );
    });
}

#[test]
fn icd_10_loads_from_claml_and_from_the_nhs_text() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let (xml, text) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        icd10_claml(xml.path());
        loaded(System::Icd10, &open(xml.path()), &store).await;
        let who = "http://hl7.org/fhir/sid/icd-10";
        let found = store
            .lookup(&scope(), who, None, "z98.1", None)
            .await
            .unwrap();
        assert_eq!(
            (found.code.as_str(), found.display.as_str()),
            ("Z98.1", "Made-up state & after")
        );
        assert_eq!(found.parents[0].0, "Z98");
        assert_eq!(
            displays(&store, &format!("{who}/vs"), "wobbly").await,
            ["Made-up state & after"]
        );
        let chapter = store
            .subsumes(&scope(), who, None, "XXI", "Z98.1")
            .await
            .unwrap();
        assert_eq!(chapter.code(), "subsumes");
        icd10_text(text.path());
        loaded(System::Icd10, &open(text.path()), &store).await;
        let uk = "http://hl7.org/fhir/sid/icd-10-uk";
        let found = store
            .lookup(&scope(), uk, None, "Z98.11", None)
            .await
            .unwrap();
        assert_eq!(
            (found.parents[0].0.as_str(), found.system.version.as_str()),
            ("Z98.1", "20260401")
        );
        assert!(
            store.lookup(&scope(), who, None, "Z98", None).await.is_ok(),
            "the two stand beside each other"
        );
    });
}

#[test]
fn loinc_loads_with_parts_and_replacements() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let folder = tempfile::tempdir().unwrap();
        loinc(folder.path());
        loaded(System::Loinc, &open(folder.path()), &store).await;
        let found = store
            .lookup(&scope(), "http://loinc.org", None, "99901-1", None)
            .await
            .unwrap();
        assert_eq!(
            found.display,
            "Madeupine [Mass/volume] in Serum, \"made up\""
        );
        assert_eq!(
            (found.system.version.as_str(), found.parents[0].0.as_str()),
            ("2.78", "LP99900-1")
        );
        assert_eq!(
            displays(&store, "http://loinc.org/vs", "madeup serum")
                .await
                .len(),
            2
        );
        let parts = store
            .subsumes(&scope(), "http://loinc.org", None, "LP99900-1", "99901-1")
            .await
            .unwrap();
        assert_eq!(parts.code(), "subsumes");
        let old = TranslationAsk {
            code: "99902-9".into(),
            system: Some("http://loinc.org".into()),
            ..TranslationAsk::default()
        };
        assert_eq!(
            store.translate(&scope(), &old).await.unwrap()[0].code,
            "99901-1"
        );
    });
}

#[test]
fn x08_what_is_no_archive_and_no_folder_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.zip");
    std::fs::write(&bad, "no archive").unwrap();
    let told = format!(
        "{:#}",
        Source::open(std::slice::from_ref(&bad)).err().unwrap()
    );
    assert!(
        told.contains("bad.zip") && told.contains("no .zip file"),
        "{told}"
    );
    let none = folder.path().join("nowhere");
    assert!(
        Source::open(&[none])
            .err()
            .unwrap()
            .to_string()
            .contains("nowhere")
    );
    dmd(folder.path());
    let whole = folder.path().join("whole.zip");
    archive(folder.path(), &whole);
    let bytes = std::fs::read(&whole).unwrap();
    for length in (0..bytes.len()).step_by(97) {
        std::fs::write(&bad, &bytes[..length]).unwrap();
        // Cut off anywhere it is refused, or reads as far as its directory says; it never panics.
        if let Ok(source) = Source::open(std::slice::from_ref(&bad)) {
            let _ = super::dmd::read(&source, None);
        }
    }
}

#[test]
fn x08_any_bytes_are_a_zip_archive_or_are_refused() {
    const READ_BYTES_MAX: u64 = 4 << 20;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("any.zip");
    let target = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let members = match super::archive::members(&path) {
            Ok(members) => members,
            Err(error) => return error.root_cause().to_string(),
        };
        let read = |member| {
            let mut content = Vec::new();
            let mut file = super::archive::open(&path, member)?.take(READ_BYTES_MAX);
            Ok(file.read_to_end(&mut content)?)
        };
        let outcomes = members.iter().take(50).map(|member| match read(member) {
            Ok(bytes) => format!("{}", bytes.min(20)),
            Err(error) => anyhow::Error::root_cause(&error).to_string(),
        });
        outcomes.collect::<Vec<_>>().join(" ")
    };
    let words = [
        "PK\x01\x02",
        "PK\x03\x04",
        "PK\x05\x06",
        "PK\x06\x06",
        "PK\x06\x07",
        "../",
        "\u{7f}\u{7f}",
    ];
    crate::commands::fuzz::explore("archives", &words, target);
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing is unpacked to disk"
    );
}
