//! A discharge from hospital, from the record to letters that are on their way.

use std::sync::Arc;

use access::{Ods, Scope, SystemPurpose};
use exchange::itk3::{Receiver, Routes, SEND_DOCUMENT};
use exchange::{About, Book, Directory, Exchange, Identity, Member, Settings, SigningKey};
use http::StatusCode;
use store::care::CareWrite;
use store::testing::{Ground, on_each_database};
use store::{Effect, Job, Release};

use crate::Node;
use crate::testing::letters::{self, put};
use crate::testing::{Answer, Browser, bare_node};

const NEW: &str = "/staff/discharges/new?patient=jane";

/// A hospital that can send to the practice `A81002` and the pharmacy `FZZ01` by their nodes, and to the practice
/// `A81003` over MESH; it knows no social care.
pub(super) async fn hospital(ground: &Ground) -> (tempfile::TempDir, Arc<Node>) {
    let mut node = bare_node(ground).await;
    node.site.roles = vec!["hospital".into()];
    let folder = tempfile::tempdir().unwrap();
    let steward = SigningKey::create(&folder.path().join("steward.key")).unwrap();
    let now = node.store.now();
    let (from, until) = (now - 86_400_000, now + 86_400_000);
    let mut identities = Vec::new();
    for (ods, role) in [
        ("A81001", "hospital"),
        ("A81002", "gp-practice"),
        ("FZZ01", "pharmacy"),
    ] {
        let code = Ods::parse(ods).unwrap();
        let identity = Identity::create(&folder.path().join(ods), &code).unwrap();
        identities.push((Arc::new(identity), role));
    }
    let member = |(identity, role): &(Arc<Identity>, &str)| {
        let about = About {
            name: format!("The {role}"),
            roles: vec![(*role).to_owned()],
            exchange: "https://127.0.0.1:9".into(),
            pages: "http://127.0.0.1:9".into(),
            mailboxes: Vec::new(),
        };
        Member::card(identity, about, from, until)
    };
    let directory = Directory {
        protocol: 1,
        version: 1,
        issued_at: from,
        valid_until: until,
        members: identities.iter().map(member).collect(),
        bars: Vec::new(),
    };
    let text = directory.sign(&steward).unwrap();
    let book = Arc::new(Book::new(&text, steward.public().clone(), now).unwrap());
    let own = identities[0].0.clone();
    let receiver = Receiver {
        ods: Ods::parse("A81003").unwrap(),
        mailbox: "A81003OT001".into(),
        workflow: SEND_DOCUMENT.into(),
        discharge: Some("TOC_FHIR_IP_DISCH".into()),
    };
    let routes = Routes {
        receivers: vec![receiver],
        ..Routes::default()
    };
    let settings = Settings {
        itk3: Some(Arc::new(routes)),
        ..Settings::default()
    };
    let exchange = Exchange::new(node.store.clone(), own, book, settings);
    node.exchange = Some(exchange);
    letters::patient(&node.store).await;
    (folder, Arc::new(node))
}

pub(super) async fn staff(node: &Arc<Node>, login: &str) -> Browser {
    let mut browser = Browser::new(node);
    browser.sign_in("/staff/login", login).await;
    browser
}

async fn resource(node: &Node, id: &str, text: &str) {
    put(&node.store, id, text, Release::Keep).await;
}

/// What the hospital's systems know of Jane.
pub(super) async fn stocked(node: &Node) {
    for (id, text) in [
        (
            "c1",
            r#"{"resourceType":"Condition","code":{"text":"Pneumonia"},"subject":{"reference":"Patient/jane"}}"#,
        ),
        (
            "c2",
            r#"{"resourceType":"Condition","code":{"text":"Labelled canary"},"subject":{"reference":"Patient/jane"},
            "meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"PSY"}]}}"#,
        ),
        (
            "a1",
            r#"{"resourceType":"AllergyIntolerance","code":{"text":"Penicillin"},"patient":{"reference":"Patient/jane"}}"#,
        ),
        (
            "m1",
            r#"{"resourceType":"MedicationStatement","status":"active","medicationCodeableConcept":{"text":"Ramipril"},
            "dosage":[{"text":"10mg"}],"subject":{"reference":"Patient/jane"}}"#,
        ),
        (
            "m2",
            r#"{"resourceType":"MedicationRequest","status":"active","intent":"order",
            "medicationCodeableConcept":{"text":"Ramipril"},"dosageInstruction":[{"text":"5mg"}],
            "subject":{"reference":"Patient/jane"}}"#,
        ),
        (
            "m3",
            r#"{"resourceType":"MedicationStatement","status":"active","medicationCodeableConcept":{"text":"Aspirin"},
            "dosage":[{"text":"75mg"}],"subject":{"reference":"Patient/jane"}}"#,
        ),
    ] {
        resource(node, id, text).await;
    }
}

pub(super) fn hidden<'t>(page: &'t str, name: &str) -> &'t str {
    let (_, rest) = page
        .split_once(&format!("name=\"{name}\" value=\""))
        .unwrap();
    rest.split_once('"').unwrap().0
}

/// All that must be said.
fn whole() -> Vec<(&'static str, &'static str)> {
    vec![
        ("patient", "jane"),
        ("discharged", "2026-11-29"),
        ("diagnoses", "Canary-diagnosis"),
        ("allergies", "Penicillin"),
        ("m0-name", "Ramipril"),
        ("m0-dose", "5mg"),
        ("m0-fate", "changed"),
        ("m0-reason", "low pressure"),
        ("gp-actions", "Check kidneys"),
        ("care-needs", "Canary-care"),
        ("told", "To rest"),
        ("practice", "a81002"),
        ("pharmacy", "FZZ01"),
        ("social-care", "8AA01"),
        ("then", "look"),
    ]
}

/// Begins a draft; where it leads.
async fn begun(who: &mut Browser, fields: &[(&str, &str)]) -> Answer {
    let page = who.get(NEW).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let attempt = hidden(&page.text, "attempt").to_owned();
    let mut fields = fields.to_vec();
    fields.push(("attempt", &attempt));
    who.post("/staff/discharges/new", &fields).await
}

#[test]
fn a_discharge_is_filled_from_the_record_kept_signed_once_and_sent_to_each() {
    on_each_database(async |ground| {
        let (_folder, node) = hospital(ground).await;
        stocked(&node).await;
        let mut ann = staff(&node, "ann").await;
        let form = ann.get(NEW).await.text;
        for shown in [
            "Pneumonia",
            "Penicillin",
            "Ramipril",
            "5mg",
            "Aspirin",
            "The gp-practice",
        ] {
            assert!(form.contains(shown), "{shown}: {form}");
        }
        assert!(form.contains("value=\"changed\" selected"), "{form}");
        // What carries a label is not copied, and the writer is told so.
        assert!(!form.contains("Labelled canary"), "{form}");
        assert!(form.contains("One item in the record with a security label was not copied"));
        let answer = begun(&mut ann, &whole()).await;
        let sign = answer.location().to_owned();
        assert!(sign.ends_with("/sign"), "{} {sign}", answer.text);
        let draft = sign.trim_end_matches("/sign").to_owned();
        let unsigned = ann.get("/staff/unsigned").await.text;
        assert!(
            unsigned.contains(&draft.replace('/', "&#x2f;")) && unsigned.contains("EXAMPLE, Jane")
        );
        assert!(unsigned.contains("Ann Secretary (you)"), "{unsigned}");
        // A clerk writes, and does not sign.
        let look = ann.get(&sign).await.text;
        assert!(look.contains("A clinician signs.") && !look.contains("Sign and send as"));
        let refused = ann.post(&sign, &[("version", "1")]).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert!(
            node.store
                .letter_counts(&sent(&node).await)
                .await
                .unwrap()
                .on_the_way
                == 0
        );
        let mut bo = staff(&node, "bo").await;
        let look = bo.get(&sign).await.text;
        assert!(look.contains("Sign and send as Dr Bo Test"), "{look}");
        let done = bo.post(&sign, &[("version", "1")]).await;
        assert_eq!(done.location(), "/staff/sent?done=signed", "{}", done.text);
        let board = bo.get("/staff/sent?done=signed").await.text;
        for title in [
            "Discharge summary",
            "Medicines changed in hospital",
            "Care needs after hospital",
            "Signed. Each letter is on its way",
        ] {
            assert!(board.contains(title), "{title}: {board}");
        }
        assert!(
            bo.get("/staff/unsigned")
                .await
                .text
                .contains("Nothing is unsigned.")
        );
        // Signed once: the same press again finds no draft and sends nothing.
        let again = bo.post(&sign, &[("version", "1")]).await;
        assert_eq!(again.status, StatusCode::NOT_FOUND);
        let counts = node.store.letter_counts(&sent(&node).await).await.unwrap();
        assert_eq!(counts.on_the_way, 3);
    });
}

/// A scope that sees the sent board.
pub(super) async fn sent(node: &Node) -> Scope {
    let who = access::Who::Staff {
        account: crate::testing::account(&node.store, "ann").await,
        name: "Ann Secretary".into(),
        role: access::Role::Clerk,
        organisation: node.site.organisation.clone(),
    };
    let caller = access::Caller::new(who, "r".into());
    access::decide(
        &caller,
        access::Interaction::Sent,
        "DocumentReference",
        access::Purpose::DirectCare,
        node.store.now(),
    )
    .unwrap()
}

#[test]
fn what_is_missing_is_named_and_nothing_is_sent() {
    on_each_database(async |ground| {
        let (_folder, node) = hospital(ground).await;
        let mut bo = staff(&node, "bo").await;
        let fields = [
            ("patient", "jane"),
            ("practice", "A81002"),
            ("then", "look"),
        ];
        let answer = begun(&mut bo, &fields).await;
        let sign = answer.location().to_owned();
        let page = bo.get(&sign).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        for said in [
            "Write what is known of allergies, or that it is not known",
            "List the medicines, or say that the patient takes none",
            "Write the day of discharge",
        ] {
            assert!(page.text.contains(said), "{said}: {}", page.text);
        }
        let pressed = bo.post(&sign, &[("version", "1")]).await;
        assert_eq!(pressed.status, StatusCode::UNPROCESSABLE_ENTITY);
        let counts = node.store.letter_counts(&sent(&node).await).await.unwrap();
        assert_eq!(counts.on_the_way, 0);
        // To itself nothing is sent: the whole act is refused.
        let mut own = whole();
        own.retain(|(name, _)| *name != "pharmacy");
        own.push(("pharmacy", "A81001"));
        let sign = begun(&mut bo, &own).await.location().to_owned();
        bo.get(&sign).await;
        let refused = bo.post(&sign, &[("version", "1")]).await;
        assert!(refused.status.is_client_error(), "{}", refused.status);
        let counts = node.store.letter_counts(&sent(&node).await).await.unwrap();
        assert_eq!(counts.on_the_way, 0, "none of the three left");
    });
}

#[test]
fn nobody_overwrites_another_writers_words_and_nobody_signs_what_they_did_not_see() {
    on_each_database(async |ground| {
        let (_folder, node) = hospital(ground).await;
        let (mut ann, mut bo) = (staff(&node, "ann").await, staff(&node, "bo").await);
        let sign = begun(&mut bo, &whole()).await.location().to_owned();
        let draft = sign.trim_end_matches("/sign").to_owned();
        bo.get(&draft).await;
        ann.get(&draft).await;
        let mut hers = whole();
        hers.extend([("version", "1"), ("course", "Her words")]);
        let kept = ann.post(&draft, &hers).await;
        assert_eq!(kept.status, StatusCode::SEE_OTHER, "{}", kept.text);
        let mut his = whole();
        his.extend([("version", "1"), ("course", "His words")]);
        let late = bo.post(&draft, &his).await;
        assert_eq!(late.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(
            late.text.contains("Somebody else changed this draft")
                && late.text.contains("His words")
        );
        bo.get(&sign).await;
        let signed = bo.post(&sign, &[("version", "1")]).await;
        assert_eq!(signed.location(), format!("{draft}?done=moved"));
        assert!(bo.get(&draft).await.text.contains("Her words"));
        let gone = bo
            .post(&format!("{draft}/discard"), &[("version", "2")])
            .await;
        assert_eq!(gone.location(), "/staff/unsigned?done=discarded");
        assert_eq!(bo.get(&draft).await.status, StatusCode::NOT_FOUND);
    });
}

#[test]
fn allergies_that_are_withheld_from_the_writer_are_never_written_as_none() {
    on_each_database(async |ground| {
        let (_folder, node) = hospital(ground).await;
        stocked(&node).await;
        let dissent = CareWrite::Dissent {
            patient: "jane".into(),
            organisation: node.site.organisation.to_string(),
            consent: "c1".into(),
            types: vec!["AllergyIntolerance".into()],
            starts_at: 0,
            ends_at: i64::MAX,
        };
        let scope = Scope::system(SystemPurpose::Measure);
        let job = Job::effect(Effect::Care(dissent));
        node.store.commit(&scope, job).await.unwrap();
        let mut bo = staff(&node, "bo").await;
        let form = bo.get(NEW).await.text;
        assert!(
            form.contains("Allergies: some of the record is withheld from you."),
            "{form}"
        );
        assert!(
            !form.contains("Penicillin") && !form.contains("No known allergies"),
            "{form}"
        );
        let mut fields = whole();
        fields.retain(|(name, _)| *name != "allergies");
        let sign = begun(&mut bo, &fields).await.location().to_owned();
        assert_eq!(bo.get(&sign).await.status, StatusCode::UNPROCESSABLE_ENTITY);
        let sign = begun(&mut bo, &whole()).await.location().to_owned();
        let look = bo.get(&sign).await.text;
        // To the practice and the pharmacy.
        assert_eq!(
            look.matches("was withheld from whoever wrote this letter")
                .count(),
            2
        );
    });
}

/// Who has no node but a mailbox at MESH gets the letter so, in the same commit as the others theirs.
#[test]
fn a_practice_without_a_node_gets_the_discharge_as_an_itk3_document() {
    on_each_database(async |ground| {
        let (_folder, node) = hospital(ground).await;
        let mut bo = staff(&node, "bo").await;
        let mut fields = whole();
        fields.retain(|(name, _)| *name != "practice");
        fields.push(("practice", "A81003"));
        let sign = begun(&mut bo, &fields).await.location().to_owned();
        bo.get(&sign).await;
        let done = bo.post(&sign, &[("version", "1")]).await;
        assert_eq!(done.location(), "/staff/sent?done=signed", "{}", done.text);
        let board = store::parcels::ListFilter::new(store::parcels::Show::AllOut);
        let page = node
            .store
            .letters(&sent(&node).await, &board)
            .await
            .unwrap();
        let mut ways: Vec<(String, bool)> = page
            .letters
            .iter()
            .map(|it| (it.recipient.clone(), it.by_itk3))
            .collect();
        ways.sort();
        let way = |ods: &str, by_itk3| (ods.to_owned(), by_itk3);
        assert_eq!(
            ways,
            [
                way("8AA01", false),
                way("A81003", true),
                way("FZZ01", false)
            ]
        );
        // The practice takes discharges as documents of their own kind.
        let carrying = Scope::system(SystemPurpose::CarryItk3);
        let due = node.store.itk3_to_send(&carrying, 9).await.unwrap();
        let workflows: Vec<&str> = due.iter().map(|it| it.workflow.as_str()).collect();
        assert_eq!(workflows, ["TOC_FHIR_IP_DISCH"]);
    });
}

/// The release rule holds for what a hospital writes as for any letter, and a mark keeps it back for good.
#[test]
fn the_patient_reads_a_discharge_when_its_rule_says_so_and_never_past_a_mark() {
    on_each_database(async |ground| {
        let (_folder, node) = hospital(ground).await;
        let mut bo = staff(&node, "bo").await;
        for mark in ["", "serious-harm"] {
            let mut fields = whole();
            fields.retain(|(name, _)| *name != "diagnoses");
            let canary = format!("Canary{mark}");
            fields.extend([("mark", mark), ("diagnoses", canary.as_str())]);
            let sign = begun(&mut bo, &fields).await.location().to_owned();
            bo.get(&sign).await;
            let done = bo.post(&sign, &[("version", "1")]).await;
            assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
        }
        let mut jane = Browser::new(&node);
        jane.sign_in("/login", "jane").await;
        let listed = |page: &str| {
            page.matches("/record/letters/")
                .count()
                .max(page.matches("&#x2f;record&#x2f;letters&#x2f;").count())
        };
        assert_eq!(listed(&jane.get("/record").await.text), 0, "not yet");
        let days = i64::from(node.release_after_days) * 86_400_000;
        ground.clock().advance(days + 1_000);
        jane.sign_in("/login", "jane").await;
        let page = jane.get("/record").await.text;
        assert_eq!(
            listed(&page),
            3,
            "of six letters the three unmarked: {page}"
        );
    });
}
