use super::{Config, example};

#[test]
fn the_example_file_is_the_one_derived_from_the_types() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../handover.example.toml");
    if std::env::var_os("HANDOVER_WRITE_EXAMPLE").is_some() {
        std::fs::write(file, example()).unwrap();
    }
    let written = std::fs::read_to_string(file).unwrap();
    assert_eq!(
        written,
        example(),
        "run the tests once with HANDOVER_WRITE_EXAMPLE=1"
    );
}

#[test]
fn the_example_reads_and_so_does_the_least_file() {
    Config::parse(&example()).unwrap();
    let least = "[organisation]\nods = \"RZZ01\"\nname = \"Anytown\"\nroles = [\"hospital\"]\n";
    let config = Config::parse(least).unwrap();
    assert_eq!(config.letters.release_after_days, 14);
    assert!(config.hl7v2.listen.is_none());
}

#[test]
fn a_wrong_setting_is_named() {
    let with = |more: &str| {
        let text = format!("[organisation]\nods = \"RZZ01\"\nname = \"A\"\nroles = []\n{more}");
        format!("{:#}", Config::parse(&text).unwrap_err())
    };
    assert!(with("[pages]\nlisten_on = \"x\"").contains("listen_on"));
    assert!(with("[pages]\nlisten = \"0.0.0.0:80\"").contains("pages.tls_certificate"));
    assert!(with("[pages]\nlisten = \"nowhere\"").contains("listen"));
    assert!(with("[fhir]\ndepth_max = 65").contains("fhir.depth_max"));
    assert!(with("[fhir]\nbundle_entries_max = 0").contains("fhir.bundle_entries_max"));
    assert!(with("[nhs_login]\nissuer = \"https://x\"").contains("nhs_login.client_id"));
    assert!(
        with("[staff_oidc]\nissuer = \"http://x\"\nclient_id = \"n\"")
            .contains("staff_oidc.issuer")
    );
    assert!(with("[sign_in]\nstaff = []").contains("sign_in.staff"));
    assert!(with("[sign_in]\npatients = [\"oidc\"]").contains("sign_in.patients"));
    assert!(with("[sign_in]\nidle_minutes = 0").contains("sign_in.idle_minutes"));
    assert!(with("[backup]\nfolder = \"a\"\ns3_endpoint = \"b\"").contains("backup.folder"));
    assert!(with("[backup]\nevery_seconds = 61").contains("backup.every_seconds"));
    assert!(with("[fhir]\nincluded_max = 0").contains("fhir.included_max"));
    assert!(with("[fhir]\nconditional_delete = \"some\"").contains("conditional_delete"));
    assert!(with("[access]\nemergency_hours = 5").contains("access.emergency_hours"));
    assert!(with("[access]\nproxy_end_age = 19").contains("access.proxy_end_age"));
    assert!(with("[access]\nproxy_review_age = 17").contains("access.proxy_review_age"));
    assert!(with("[access]\nproxy_months_max = 0").contains("access.proxy_months_max"));
    assert!(with("[access]\nrelationships = \"no\"").contains("relationships"));
    assert!(with("[exchange]\npublic_url = \"http://x\"").contains("exchange.public_url"));
    assert!(with("[exchange]\ncontent_mb_max = 9").contains("exchange.content_mb_max"));
    let missing = Config::parse("[organisation]\nods = \"RZZ01\"\n").unwrap_err();
    assert!(format!("{missing:#}").contains("needs `name`"));
}
