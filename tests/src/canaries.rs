//! P30: made-up words that stand for a person are sent through every door, in good requests and in ones that break; then they
//! are looked for in all that the nodes wrote to their logs and in what strangers were told.

use serde_json::json;

use crate::client::http::{Answer, Client, encoded};
use crate::client::message::letter;
use crate::client::mllp::Sender;
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood, PRACTICE, Site, wait_for};

const FAMILY: &str = "Zyxwander";
const GIVEN: &str = "Quillemina";
const NHS_NUMBER: &str = "9990000018";
const STREET: &str = "17 Finchcanary Row";
const POSTCODE: &str = "ZZ99 7QX";
const PHONE: &str = "07700900917";
const BORN: &str = "1951-03-04";
const BORN_HL7: &str = "19510304";
const WORDS: &str = "warbling before breakfast";
const PASSWORD: &str = "songbird-password-91";

const CANARIES: [&str; 10] = [
    FAMILY,
    GIVEN,
    NHS_NUMBER,
    "Finchcanary",
    POSTCODE,
    PHONE,
    BORN,
    BORN_HL7,
    "warbling",
    PASSWORD,
];

fn assert_silent(text: &str, what: &str) {
    let text = text.to_lowercase();
    // As they are, and as an address would have them.
    for canary in CANARIES
        .into_iter()
        .flat_map(|it| [it.to_owned(), encoded(it), it.replace(' ', "+")])
    {
        let at = text.find(&canary.to_lowercase());
        let around = at.map(|at| {
            text[at.saturating_sub(200)..]
                .chars()
                .take(400)
                .collect::<String>()
        });
        assert_eq!(around, None, "{what} tells {canary:?}");
    }
}

fn person() -> serde_json::Value {
    json!({
        "resourceType": "Patient",
        "identifier": [{ "system": "https://fhir.nhs.uk/Id/nhs-number", "value": NHS_NUMBER }],
        "name": [{ "use": "official", "family": FAMILY, "given": [GIVEN] }],
        "telecom": [{ "system": "phone", "value": PHONE }],
        "address": [{ "line": [STREET], "postalCode": POSTCODE }],
        "birthDate": BORN
    })
}

/// A letter about her, with her words in it.
fn about(id: &str, practice: &str) -> String {
    let pid = format!(
        "H100001^^^RZZ98^MR~{NHS_NUMBER}^^^NHS^NH||{FAMILY}^{GIVEN}||{BORN_HL7}|F|||{STREET}^^Anytown^^{POSTCODE}||{PHONE}"
    );
    letter(HOSPITAL, practice, id, &pid).replace("Dear colleague", WORDS)
}

/// The HL7 v2 door: what is taken, what cannot be sent on, and what is no message.
fn by_hl7v2(site: &Site) {
    let good = about("CANARY1", PRACTICE);
    let messages = [
        good.clone(),
        about("CANARY2", "A12345"),
        good.replace("CANARY1", "CANARY3")
            .replace("\rPID|", "\rZID|"),
        good.replace("CANARY1", "CANARY4")
            .replace("\rTXA|", &format!("\rT{FAMILY}|")),
        good.replace(WORDS, &format!("{WORDS} again")),
        good.replace("CANARY1", "CANARY5")
            .replace(BORN_HL7, &format!("{BORN_HL7}99{FAMILY}")),
        good.replace("|P|2.4\r", "|P|2.4||||||ASCII\r")
            .replace(GIVEN, "Quillemin\u{e9}"),
        format!("{FAMILY} {GIVEN} {NHS_NUMBER} {WORDS}"),
    ];
    for message in messages {
        let mut sender = Sender::connect(site.mllp).unwrap();
        sender.send(&message).unwrap();
    }
}

/// The FHIR door, for one who may: good requests and bad ones.
fn by_fhir(client: &mut Client) -> String {
    let made = client
        .send_json("POST", "/fhir/Patient", &person())
        .unwrap();
    assert_eq!(made.status, 201, "{}", made.text());
    let id = made.json()["id"].as_str().unwrap().to_owned();
    for query in [
        format!("family={FAMILY}&given={GIVEN}"),
        format!("identifier={NHS_NUMBER}&birthdate={BORN}"),
        format!("{FAMILY}={GIVEN}"),
        format!("birthdate={FAMILY}"),
        format!("_filter=name%20eq%20{FAMILY}%20and%20("),
        format!("_sort={FAMILY}"),
        format!("_id={}", encoded(STREET)),
        format!("general-practitioner.{FAMILY}={PHONE}"),
    ] {
        client.get(&format!("/fhir/Patient?{query}")).unwrap();
    }
    let with = |member: &str, value: serde_json::Value| {
        let mut person = person();
        person[member] = value;
        person.to_string()
    };
    let bodies = [
        with("birthDate", json!(WORDS)),
        with("gender", json!(FAMILY)),
        with(FAMILY, json!(GIVEN)),
        with(
            "link",
            json!([{ "other": { "reference": STREET }, "type": WORDS }]),
        ),
        person()
            .to_string()
            .replace("\"birthDate\"", &format!("\"{WORDS}")),
        format!(
            "<Patient xmlns=\"http://hl7.org/fhir\"><name><family value=\"{FAMILY}\"/></name><{GIVEN}/></Patient>"
        ),
    ];
    for body in &bodies {
        let kind = if body.starts_with('<') {
            "application/fhir+xml"
        } else {
            "application/fhir+json"
        };
        for path in ["/fhir/Patient", "/fhir/Patient/$validate", "/fhir/"] {
            client
                .request("POST", path, &[("content-type", kind)], body.as_bytes())
                .unwrap();
        }
    }
    let patch = json!([{ "op": "replace", "path": format!("/{FAMILY}/{GIVEN}"), "value": WORDS }])
        .to_string();
    let json_patch = [("content-type", "application/json-patch+json")];
    client
        .request(
            "PATCH",
            &format!("/fhir/Patient/{id}"),
            &json_patch,
            patch.as_bytes(),
        )
        .unwrap();
    let lines = bodies.join("\n");
    let import = [
        ("content-type", "application/fhir+ndjson"),
        ("prefer", "respond-async"),
    ];
    client
        .request("POST", "/fhir/$import", &import, lines.as_bytes())
        .unwrap();
    id
}

/// Those who may not: what they are told.
fn by_strangers(site: &Site, id: &str) -> Vec<Answer> {
    let mut stranger = Client::new(site.pages);
    let mut wrong = Client::with_token(site.pages, &format!("{FAMILY}{NHS_NUMBER}"));
    let mut answers = Vec::new();
    for path in [
        format!("/fhir/Patient/{id}"),
        format!("/fhir/Patient?family={FAMILY}&identifier={NHS_NUMBER}"),
        format!("/fhir/Patient/{NHS_NUMBER}"),
        format!("/fhir/Patient/{id}/$everything"),
        format!("/staff/patient/{id}"),
        "/record".to_owned(),
        "/staff/inbox".to_owned(),
    ] {
        answers.push(stranger.get(&path).unwrap());
        answers.push(wrong.get(&path).unwrap());
    }
    answers.push(
        stranger
            .send_json("POST", "/fhir/Patient", &person())
            .unwrap(),
    );
    for door in ["/staff/login", "/login"] {
        let page = stranger.get(door).unwrap().text();
        let csrf = page
            .split_once("name=\"csrf\" value=\"")
            .map_or("", |(_, rest)| rest.split('"').next().unwrap());
        for (login, password) in [("secretary", PASSWORD), ("nobody", PASSWORD)] {
            let fields = [("csrf", csrf), ("login", login), ("password", password)];
            answers.push(stranger.post_form(door, &fields).unwrap());
        }
    }
    let token = [
        ("grant_type", "authorization_code"),
        ("code", PASSWORD),
        ("client_id", FAMILY),
    ];
    answers.push(stranger.post_form("/oauth2/token", &token).unwrap());
    answers
}

#[test]
fn p30_no_log_and_no_stranger_is_told_who_a_patient_is() {
    let nodes = Neighbourhood::start();
    let id = by_fhir(&mut nodes.practice.client());
    by_fhir(&mut nodes.hospital.client());
    by_hl7v2(&nodes.hospital);
    wait_for("the letter at the practice", 20, || {
        nodes.practice.rows.parcels(false).remove("CANARY1")
    });
    nodes.to_practice.cut();
    let mut sender = Sender::connect(nodes.hospital.mllp).unwrap();
    sender.send(&about("CANARY6", PRACTICE)).unwrap();
    wait_for("a try in vain", 30, || {
        let tried = nodes
            .hospital
            .rows
            .number("SELECT CAST(MAX(tries) AS TEXT) FROM parcel_peer");
        (tried > 0).then_some(())
    });
    for site in [&nodes.practice, &nodes.hospital] {
        for answer in by_strangers(site, &id) {
            assert!(
                answer.status != 200 || !answer.text().contains("resourceType"),
                "{}",
                answer.text()
            );
            // Where a page leads back to is the stranger's own asking; no name comes into it.
            for (name, value) in &answer.headers {
                assert_silent(value, &format!("{name} of an answer to a stranger"));
            }
            assert_silent(&answer.text(), "an answer to a stranger");
        }
        let log = site.process.log();
        assert!(!log.is_empty(), "a log that holds nothing shows nothing");
        assert_silent(&log, &format!("the log of {}", site.ods));
        assert!(
            !log.contains(&site.token),
            "the log of {} holds a token",
            site.ods
        );
    }
}
