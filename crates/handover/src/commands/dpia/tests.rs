use std::collections::BTreeSet;

use super::facts;
use crate::config::{Config, example};

const LEAST: &str = "[organisation]\nods = \"RZZ01\"\nname = \"Anytown\"\nroles = [\"hospital\"]\n";

/// Another value of each setting that matters, with what it needs beside it.
const OTHERS: &[(&str, &str)] = &[
    ("organisation.ods", "\"RZZ02\""),
    ("organisation.name", "\"Othertown\""),
    ("organisation.roles", "[\"pharmacy\"]"),
    ("store.sqlite", "\"other.sqlite\""),
    ("store.postgres", "\"other.url\""),
    ("store.schema", "\"other\"\npostgres = \"postgres.url\""),
    ("pages.listen", "\"127.0.0.1:9999\""),
    ("pages.public_url", "\"https://other.example\""),
    (
        "pages.tls_certificate",
        "\"other.crt\"\ntls_key = \"pages.key\"",
    ),
    (
        "pages.tls_key",
        "\"other.key\"\ntls_certificate = \"pages.crt\"",
    ),
    (
        "pages.tls_oldest",
        "\"1.2\"\ntls_key = \"pages.key\"\ntls_certificate = \"pages.crt\"",
    ),
    ("pages.behind_proxy", "true"),
    ("sign_in.staff", "[\"password\"]"),
    ("sign_in.patients", "[\"password\"]"),
    ("sign_in.idle_minutes", "7"),
    ("sign_in.absolute_hours", "3"),
    (
        "nhs_login.issuer",
        "\"https://other.example\"\nclient_id = \"node\"",
    ),
    (
        "nhs_login.client_id",
        "\"other\"\nissuer = \"https://login.example\"",
    ),
    (
        "nhs_login.key",
        "\"other.pem\"\nissuer = \"https://login.example\"\nclient_id = \"node\"",
    ),
    (
        "nhs_login.vtr",
        "[\"P0.Cp\"]\nissuer = \"https://login.example\"\nclient_id = \"node\"",
    ),
    (
        "staff_oidc.issuer",
        "\"https://other.example\"\nclient_id = \"node\"",
    ),
    (
        "staff_oidc.client_id",
        "\"other\"\nissuer = \"https://login.example\"",
    ),
    (
        "staff_oidc.key",
        "\"other.pem\"\nissuer = \"https://login.example\"\nclient_id = \"node\"",
    ),
    (
        "staff_oidc.role_table",
        "\"other.jws\"\nissuer = \"https://login.example\"\nclient_id = \"node\"",
    ),
    ("fhir.conditional_delete", "\"multiple\""),
    ("fhir.deleted_max", "7\nconditional_delete = \"multiple\""),
    ("exchange.listen", "\"127.0.0.1:9998\""),
    ("exchange.public_url", "\"https://other.example\""),
    ("exchange.directory", "\"other.jws\""),
    ("exchange.steward_key", "\"other.pub\""),
    ("exchange.signatures_needed", "2"),
    ("exchange.keys", "\"other\""),
    ("hl7v2.listen", "\"127.0.0.1:2599\""),
    ("hl7v2.listener", "[{ listen = \"127.0.0.1:2598\" }]"),
    (
        "hl7v2.destination",
        "[{ name = \"lab\", address = \"lab:2575\", sends = [\"ADT\"] }]",
    ),
    ("letters.release_after_days", "3"),
    ("letters.undeliverable_after_days", "3"),
    ("access.relationships", "\"required\""),
    ("access.own_record", "\"flag\""),
    ("access.familiar_records", "\"refuse\""),
    ("access.unnamed_roles", "[\"clerk\"]"),
    ("access.emergency_hours", "2"),
    ("access.proxy_review_age", "10"),
    ("access.proxy_end_age", "15"),
    ("access.proxy_months_max", "6"),
    ("audit.durability", "\"within-one-second\""),
    ("audit.reserve_bytes", "7"),
    ("bulk.jobs_a_caller_max", "7"),
    ("bulk.keep_hours", "7"),
    ("bulk.import_bytes_max", "7"),
    ("subscriptions.allowed_hosts", "[\"lab.internal\"]"),
    ("apps.registration_open", "true"),
    ("apps.secrets_allowed", "true"),
    ("sharing.second_keeper", "\"RZZ03\""),
    ("sharing.unconfirmed_after_seconds", "7"),
    ("sharing.keep_answers_hours", "7"),
    ("backup.folder", "\"/mnt/other\""),
    (
        "backup.s3_endpoint",
        "\"https://other.example\"\ns3_bucket = \"other\"",
    ),
    (
        "backup.s3_region",
        "\"other\"\ns3_bucket = \"b\"\ns3_endpoint = \"https://s3.example\"",
    ),
    (
        "backup.s3_credentials",
        "\"other\"\ns3_bucket = \"b\"\ns3_endpoint = \"https://s3.example\"",
    ),
    (
        "backup.s3_private",
        "true\ns3_bucket = \"b\"\ns3_endpoint = \"https://s3.example\"",
    ),
    ("backup.key", "\"other.pub\"\nfolder = \"/mnt/copies\""),
    ("backup.every_seconds", "7\nfolder = \"/mnt/copies\""),
    ("backup.full_hours", "7\nfolder = \"/mnt/copies\""),
    ("backup.overdue_minutes", "7\nfolder = \"/mnt/copies\""),
    (
        "mesh_server.listen",
        "\"127.0.0.1:8446\"\nmailbox = [{ id = \"M1\", name = \"Lab\", password = \"keys/m1\", workflows = [] }]",
    ),
    (
        "mesh_server.collect",
        "[{ workflow = \"X\", mailbox = \"M1\" }]\nlisten = \"127.0.0.1:8446\"\nmailbox = [{ id = \"M1\", name = \"Lab\", password = \"keys/m1\", workflows = [] }]\n[mesh]\nbase_url = \"https://x.example\"\nmailbox = \"A\"",
    ),
    (
        "mesh_server.client_authorities",
        "\"other.pem\"\nlisten = \"127.0.0.1:8446\"\ntls_certificate = \"c\"\ntls_key = \"k\"\nmailbox = [{ id = \"M1\", name = \"Lab\", password = \"keys/m1\", workflows = [] }]",
    ),
    (
        "mesh.base_url",
        "\"https://other.example\"\nmailbox = \"A\"\n[opt_out]\nmailbox = \"B\"",
    ),
    (
        "mesh.mailbox",
        "\"C\"\nbase_url = \"https://x.example\"\n[opt_out]\nmailbox = \"B\"",
    ),
    (
        "mesh.password",
        "\"other\"\nmailbox = \"A\"\nbase_url = \"https://x.example\"",
    ),
    (
        "mesh.shared_key",
        "\"other\"\nmailbox = \"A\"\nbase_url = \"https://x.example\"",
    ),
    (
        "mesh.authorities",
        "\"other\"\nmailbox = \"A\"\nbase_url = \"https://x.example\"\n[opt_out]\nmailbox = \"B\"",
    ),
    ("mesh.key", "\"other.key\"\ncertificate = \"mesh.crt\""),
    ("fax.enabled", "true"),
    ("fax.sendfax", "\"/usr/bin/sendfax\"\nenabled = true"),
    (
        "fax.spool",
        "\"/mnt/other\"\nenabled = true\nsendfax = \"/usr/bin/sendfax\"",
    ),
    (
        "fax.contact",
        "\"0113 496 0009\"\nenabled = true\nsendfax = \"/usr/bin/sendfax\"",
    ),
    ("fax.keep_days", "7\nenabled = true"),
    ("appointments.diary", "\"another-system\""),
    ("appointments.clinics", "[\"RZZ03\"]"),
    ("appointments.answer_hours", "7\nclinics = [\"RZZ03\"]"),
    ("messages.unopened_hours", "7"),
    (
        "itk3.enabled",
        "true\n[mesh]\nmailbox = \"A\"\nbase_url = \"https://x.example\"",
    ),
    (
        "itk3.receiver",
        "[{ ods = \"A81001\", mailbox = \"B\" }]\nenabled = true\n[mesh]\nmailbox = \"A\"\nbase_url = \"https://x.example\"",
    ),
    (
        "itk3.automatic",
        "true\nenabled = true\n[mesh]\nmailbox = \"A\"\nbase_url = \"https://x.example\"",
    ),
    (
        "itk3.keep_days",
        "7\nenabled = true\n[mesh]\nmailbox = \"A\"\nbase_url = \"https://x.example\"",
    ),
    ("prescriptions.eps", "\"http://127.0.0.1:8107\""),
    ("downtime.folder", "\"/mnt/downtime\""),
    (
        "downtime.passphrase",
        "\"other\"\nfolder = \"/mnt/downtime\"",
    ),
    ("downtime.every_minutes", "7\nfolder = \"/mnt/downtime\""),
    ("downtime.opens_hours", "70\nfolder = \"/mnt/downtime\""),
    (
        "bars.service",
        "[{ ods = \"RZZ09\", name = \"S\", url = \"https://x.example\", service = \"2\", token = \"t\" }]",
    ),
    ("bars.tokens", "\"other\""),
    ("pds.url", "\"http://127.0.0.1:8108\""),
    ("pds.fresh_hours", "7\nurl = \"http://127.0.0.1:8108\""),
    ("pds.a_second", "7\nurl = \"http://127.0.0.1:8108\""),
    (
        "pds.key",
        "\"other.pem\"\nurl = \"https://x.example\"\ntoken_url = \"https://y.example\"\nclient = \"a\"",
    ),
    (
        "prescriptions.key",
        "\"other.pem\"\neps = \"http://127.0.0.1:8107\"\ntoken_url = \"https://y.example\"\nclient = \"a\"",
    ),
    (
        "gp_connect.asid",
        "\"7\"\nconsumer = [{ asid = \"2\", ods = \"RZZ03\", keys = \"k\" }]",
    ),
    (
        "gp_connect.consumer",
        "[{ asid = \"2\", ods = \"RZZ03\", keys = \"k\" }]\nasid = \"1\"",
    ),
    (
        "gp_connect.gateway",
        "{ client = \"g\", keys = \"g.jwks\", issuer = \"https://login.example\", issuer_keys = \"l.jwks\", apps = [\"a\"] }",
    ),
    (
        "gp_connect.proxy_certificate",
        "\"00b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"",
    ),
    (
        "opt_out.mailbox",
        "\"C\"\n[mesh]\nmailbox = \"A\"\nbase_url = \"https://x.example\"",
    ),
    (
        "opt_out.answers_from",
        "\"C\"\nmailbox = \"B\"\n[mesh]\nmailbox = \"A\"\nbase_url = \"https://x.example\"",
    ),
    (
        "opt_out.every_hours",
        "7\nmailbox = \"B\"\n[mesh]\nmailbox = \"A\"\nbase_url = \"https://x.example\"",
    ),
    (
        "opt_out.days_max",
        "7\nmailbox = \"B\"\n[mesh]\nmailbox = \"A\"\nbase_url = \"https://x.example\"",
    ),
];

/// Settings that say how much is done at once, how a key is called, or what a good resource is: nothing of whose data goes
/// where.
const OTHERWISE: &[&str] = &[
    "nhs_login.key_id",
    "sharing.ask_milliseconds",
    // They stand in the facts where appointments.diary is another system's.
    "gp_connect.medicines",
    "gp_connect.medicines_client",
    "gp_connect.medicines_key",
    "gp_connect.medicines_key_id",
    "gp_connect.medicines_token_url",
    "gp_connect.signed",
    "gp_connect.system",
    "gp_connect.system_asid",
    "gp_connect.telephone",
    // They stand in the facts where their partner does: neither goes without.
    "backup.s3_bucket",
    "mesh.certificate",
    "bars.own_service",
    "pds.client",
    "pds.token_url",
    "pds.key_id",
    "prescriptions.client",
    "prescriptions.token_url",
    "prescriptions.key_id",
    "exchange.content_mb_max",
    "exchange.parcel_mb_max",
    "exchange.unfinished_mb_max",
    "mesh_server.collect_seconds",
    "mesh_server.mailbox",
    "mesh_server.message_bytes_max",
    "mesh_server.shared_key",
    "mesh_server.tls_certificate",
    "mesh_server.tls_key",
    "opt_out.answer_hours",
    "opt_out.request_workflow",
    "opt_out.answer_workflow",
    "itk3.automatic_discharge",
    "itk3.discharge_definition",
    "itk3.date_order",
    "itk3.telephone",
    "itk3.tries_max",
    "itk3.infrastructure_hours",
    "itk3.business_hours",
    "itk3.message_bytes_max",
    "itk3.look_seconds",
    "fax.file_bytes_max",
    "fax.pages_max",
    "fax.tries_max",
    "fax.unheard_hours",
    "apps.mtls_listen",
    "apps.mtls_url",
    "staff_oidc.key_id",
    "pages.logo",
    "pages.font",
    "pages.font_bold",
    "hl7v2.connections_max",
    "hl7v2.layers",
    "hl7v2.mapping",
    "hl7v2.message_bytes_max",
    "hl7v2.results",
    "subscriptions.failures_max",
    "profiles.enforced",
    "profiles.enforce_declared",
    "fhir.resource_bytes_max",
    "fhir.bundle_bytes_max",
    "fhir.depth_max",
    "fhir.bundle_entries_max",
    "fhir.search_seconds_max",
    "fhir.page_resources_max",
    "fhir.page_bytes_max",
    "fhir.included_max",
    "fhir.text_search",
    "fhir.chain_max",
    "fhir.last_n_observations_max",
    "fhir.document_resources_max",
    "fhir.validate_bytes_max",
];

fn told(text: &str) -> String {
    facts(
        &Config::parse(text).unwrap_or_else(|error| panic!("{text}: {error:#}")),
        None,
    )
}

/// The least file with a setting of another value; and with what that needs alone.
fn changed(setting: &str, value: &str) -> [String; 2] {
    let (section, key) = setting.split_once('.').unwrap();
    let (own, needed) = value
        .split_once('\n')
        .map_or((value, ""), |(own, needed)| (own, needed));
    if section == "organisation" {
        let line = LEAST
            .lines()
            .find(|line| line.starts_with(&format!("{key} = ")))
            .unwrap();
        return [
            LEAST.to_owned(),
            LEAST.replace(line, &format!("{key} = {own}")),
        ];
    }
    // A certificate goes with its key, an issuer with a name: what the setting would be otherwise.
    let usual = match (section, key) {
        (_, "tls_certificate") => "tls_certificate = \"pages.crt\"\n",
        (_, "tls_key") => "tls_key = \"pages.key\"\n",
        (_, "client_id") => "client_id = \"node\"\n",
        ("mesh", "base_url") => "base_url = \"https://mesh.example\"\n",
        ("mesh", "mailbox") => "mailbox = \"A\"\n",
        ("mesh", "key") => "key = \"mesh.key\"\n",
        ("opt_out", "mailbox") => "mailbox = \"B\"\n",
        ("gp_connect", "asid") => "asid = \"1\"\n",
        _ => "",
    };
    let without = format!("{LEAST}\n[{section}]\n{usual}{needed}\n");
    let without = if matches!(key, "issuer" | "s3_endpoint") {
        LEAST.to_owned()
    } else {
        without
    };
    [without, format!("{LEAST}\n[{section}]\n{key} = {value}\n")]
}

#[test]
fn p34_each_setting_that_matters_changes_the_facts_and_no_setting_is_forgotten() {
    for (setting, value) in OTHERS {
        let [before, after] = changed(setting, value);
        assert_ne!(told(&before), told(&after), "{setting} changes nothing");
    }
    let mut section = String::new();
    let mut all = BTreeSet::new();
    let text = example();
    for line in text.lines() {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            section = name.to_owned();
        } else if let Some((key, _)) = line.trim_start_matches("# ").split_once(" = ")
            && !key.contains(' ')
        {
            all.insert(format!("{section}.{key}"));
        }
    }
    let known = OTHERS
        .iter()
        .map(|(setting, _)| *setting)
        .chain(OTHERWISE.iter().copied());
    let known: BTreeSet<String> = known.map(str::to_owned).collect();
    let forgotten: Vec<_> = all.difference(&known).collect();
    assert!(
        forgotten.is_empty(),
        "the facts say nothing of {forgotten:?}: does it matter whose data goes where?"
    );
    let gone: Vec<_> = known.difference(&all).collect();
    assert!(gone.is_empty(), "there is no setting {gone:?} any more");
}

#[test]
fn p34_what_is_dangerous_is_told_loudly() {
    let plain = told(LEAST);
    assert!(
        !plain.contains("PASSWORD") && !plain.contains("SECOND AFTER"),
        "{plain}"
    );
    let open = "[sign_in]\nstaff = [\"password\"]\n[audit]\ndurability = \"within-one-second\"\n[hl7v2]\nlisten = \"127.0.0.1:2575\"\n";
    let told = told(&format!("{LEAST}\n{open}"));
    for loud in ["PASSWORD ALONE", "SECOND AFTER", "HL7 v2 without sign-in"] {
        assert!(told.contains(loud), "{told}");
    }
}
