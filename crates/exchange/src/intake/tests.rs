mod again;
mod bookings;
mod called_back;
mod labels;
mod numbers;
mod replay;
mod results;
mod undone;

use std::sync::Arc;

use fhir::search::Search;
use serde_json::Value;
use store::hl7_inbox::{Hl7Done, Hl7Write, Kept, Received, Verdict};
use store::parcels::{ListFilter, Show};
use store::testing::{Ground, START, on_each_database};
use store::{Done, Effect, Job, Reading};
use tokio::sync::watch;

use super::*;
use crate::{About, Book, Directory, Exchange, Identity, Member, Settings, SigningKey};

/// A hospital whose directory knows one practice.
struct Hospital {
    store: Store,
    intake: Intake,
    scope: Scope,
    _folder: tempfile::TempDir,
}

const DAY: i64 = 86_400_000;

async fn hospital(ground: &Ground) -> Hospital {
    let store = ground.open().await;
    let folder = tempfile::tempdir().unwrap();
    let steward = SigningKey::create(&folder.path().join("steward.key")).unwrap();
    let identity =
        |ods: &str| Identity::create(&folder.path().join(ods), &Ods::parse(ods).unwrap()).unwrap();
    let member = |identity: &Identity| {
        let about = About {
            name: identity.organisation().to_string(),
            roles: vec!["practice".into()],
            exchange: "https://127.0.0.1:9".into(),
            pages: "http://127.0.0.1:9".into(),
            mailboxes: Vec::new(),
        };
        Member::card(identity, about, START - DAY, START + DAY)
    };
    let (ours, theirs) = (identity("A81001"), identity("A99999"));
    let directory = Directory {
        protocol: 1,
        version: 1,
        issued_at: START,
        valid_until: START + DAY,
        members: vec![member(&ours), member(&theirs)],
        bars: Vec::new(),
    };
    let text = directory.sign(&steward).unwrap();
    let book = Book::new(&text, steward.public().clone(), START).unwrap();
    let organisation = ours.organisation().clone();
    let exchange = Exchange::new(
        store.clone(),
        Arc::new(ours),
        Arc::new(book),
        Settings::default(),
    );
    let intake = Intake::new(store.clone(), organisation, exchange);
    let scope = Scope::system(SystemPurpose::MapMessages);
    Hospital {
        store,
        intake,
        scope,
        _folder: folder,
    }
}

impl Hospital {
    /// Keeps a message, as the door does; gives its number.
    async fn keep(&self, text: &str) -> i64 {
        let header = hl7v2::header(text.as_bytes()).unwrap();
        let received = Received {
            application: header.sending_application,
            facility: header.sending_facility,
            control_id: header.control_id,
            kind: format!("{}^{}", header.message_type, header.trigger),
            body: text.as_bytes().to_vec(),
            verdict: Verdict::Take {
                accepted: b"AA".to_vec(),
                conflict: |_, _| b"AE".to_vec(),
            },
        };
        let write = Hl7Write::receive(received);
        let done = self
            .store
            .commit(&self.scope, Job::effect(Effect::Hl7(write)))
            .await
            .unwrap();
        assert!(matches!(
            &done.done[0],
            Done::Hl7(Hl7Done::Kept {
                kept: Kept::New,
                ..
            })
        ));
        let waiting = self.store.hl7_waiting(&self.scope, 0, 1000, usize::MAX);
        waiting.await.unwrap().last().unwrap().number
    }

    async fn work(&self) {
        let (_hand, stop) = watch::channel(false);
        self.intake.work_off(&stop).await.unwrap();
    }

    async fn take(&self, text: &str) -> i64 {
        let number = self.keep(text).await;
        self.work().await;
        number
    }

    /// A person has it mapped again.
    async fn replay(&self, number: i64) -> Result<(), Problem> {
        let replay = Job::effect(Effect::Hl7(Hl7Write::Replay { number }));
        self.store.commit(&self.scope, replay).await?;
        self.work().await;
        Ok(())
    }

    async fn all(&self, ty: &str) -> Vec<Value> {
        let page = self
            .store
            .search(&self.scope, &Search::all(ty, 100))
            .await
            .unwrap();
        page.entries
            .iter()
            .map(|e| serde_json::from_slice(&e.body).unwrap())
            .collect()
    }

    async fn one(&self, ty: &str) -> Value {
        let mut all = self.all(ty).await;
        assert_eq!(all.len(), 1, "{ty}");
        all.remove(0)
    }

    async fn stuck(&self) -> Vec<(String, String)> {
        let list = self.store.hl7_work_list(&self.scope, 0, 100).await.unwrap();
        list.into_iter().map(|s| (s.state, s.reason)).collect()
    }

    async fn sent(&self) -> Vec<store::parcels::Letter> {
        self.store
            .letters(&self.scope, &ListFilter::new(Show::AllOut))
            .await
            .unwrap()
            .letters
    }
}

fn message(kind: &str, id: &str, rest: &str) -> String {
    let head = format!("MSH|^~\\&|PAS|RXX01|HO|RXX01|20260105083000||{kind}|{id}|P|2.4\r");
    head + &rest.replace('\n', "\r")
}

const PATIENT: &str = "PID|1||H1^^^RXX01^MR~9990000018^^^NHS^NH||TESTER^AMINA^^^MRS||19510304|F|||1 ANY STREET^^LEEDS^^LS1 1AA\n\
     PD1||||A99999^^^^^^^^ODS\n";
const VISIT: &str = "PV1|1|I|WARD5||||C1^PATEL^RAVI^^^DR^^^GMC||||||||||||V1^^^RXX01^VN|||||||||||||||||||||||||20260104100000\n";
const LETTER: &str = "TXA|1|DS^Discharge summary|TX||| 20260105|||C1^PATEL^RAVI^^^DR^^^GMC|||D1^RXX01|||||AU\n\
     OBX|1|TX|DS||Dear colleague,||||||F\nOBX|2|TX|DS||She went home.||||||F\n";

fn admission(id: &str) -> String {
    message("ADT^A01", id, &format!("{PATIENT}{VISIT}"))
}

fn letter(id: &str) -> String {
    message("MDM^T02", id, &format!("{PATIENT}{VISIT}{LETTER}"))
}

#[test]
fn a_visit_is_admitted_updated_and_ended() {
    on_each_database(async |ground| {
        let hospital = hospital(ground).await;
        hospital.take(&admission("1")).await;
        assert_eq!(hospital.one("Encounter").await["status"], "in-progress");
        let moved = admission("2")
            .replace("A01", "A08")
            .replace("1 ANY STREET", "2 OTHER ROAD");
        hospital.take(&moved).await;
        let patient = hospital.one("Patient").await;
        assert_eq!(patient["address"][0]["line"][0], "2 OTHER ROAD");
        assert_eq!(patient["meta"]["versionId"], "2");
        hospital
            .take(
                &admission("3")
                    .replace("A01", "A03")
                    .replace("|1 ANY STREET^^LEEDS^^LS1 1AA", ""),
            )
            .await;
        assert_eq!(hospital.one("Encounter").await["status"], "finished");
        assert!(
            hospital.one("Patient").await["address"].is_array(),
            "what is not sent stays"
        );
        hospital.take(&moved.replace("|2|P|", "|4|P|")).await;
        assert_eq!(
            hospital.one("Encounter").await["status"],
            "finished",
            "A08 reopens nothing"
        );
        assert_eq!(hospital.all("Provenance").await.len(), 4);
        assert!(hospital.stuck().await.is_empty());
        hospital.store.close().await;
    });
}

#[test]
fn a_letter_is_kept_and_becomes_a_parcel_once() {
    on_each_database(async |ground| {
        let hospital = hospital(ground).await;
        let number = hospital.take(&letter("1")).await;
        let document = hospital.one("DocumentReference").await;
        assert_eq!(document["description"], "Discharge summary");
        let binary = hospital.one("Binary").await;
        assert_eq!(binary["contentType"], "text/plain; charset=utf-8");
        let sent = hospital.sent().await;
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].recipient, "A99999");
        assert_eq!(sent[0].author, "DR RAVI PATEL");
        assert_eq!(sent[0].made.document.as_deref(), document["id"].as_str());
        // A person's wish to map what is mapped: nothing more.
        assert_eq!(
            hospital.replay(number).await.unwrap_err().kind,
            Kind::Conflict
        );
        hospital.work().await;
        assert_eq!(hospital.sent().await.len(), 1);
        assert_eq!(
            hospital.store.hl7_counts(&hospital.scope).await.unwrap(),
            (0, 0)
        );
        hospital.store.close().await;
    });
}

#[test]
fn a_letter_that_cannot_be_sent_is_kept_and_stands_on_the_work_list() {
    on_each_database(async |ground| {
        let hospital = hospital(ground).await;
        for (n, (from, to, told)) in [
            (
                "A99999^^^^^^^^ODS",
                "A99998^^^^^^^^ODS",
                "A99998 is not in the directory",
            ),
            ("A99999^^^^^^^^ODS", "", "names no registered practice"),
            ("9990000018", "9990000019", "no sound NHS number"),
            ("19510304", "", "date of birth"),
            ("||AU", "||IP", "not authenticated"),
        ]
        .into_iter()
        .enumerate()
        {
            let text = letter(&n.to_string())
                .replace(from, to)
                .replace("D1^", &format!("D{n}^"));
            hospital.take(&text).await;
            let stuck = hospital.stuck().await;
            assert_eq!(stuck.len(), n + 1, "{told}");
            assert_eq!(stuck[n].0, "mapped");
            assert!(stuck[n].1.contains(told), "{}", stuck[n].1);
        }
        assert_eq!(hospital.all("DocumentReference").await.len(), 5);
        assert!(hospital.sent().await.is_empty());
        hospital.store.close().await;
    });
}

#[test]
fn what_cannot_be_mapped_is_told_and_does_not_stop_the_rest() {
    on_each_database(async |ground| {
        let hospital = hospital(ground).await;
        hospital
            .keep(&message("ADT^A01", "1", "PID|1||||NOBODY\n"))
            .await;
        hospital.keep(&message("MDM^T02", "2", PATIENT)).await;
        hospital.keep(&admission("3")).await;
        hospital.work().await;
        let stuck = hospital.stuck().await;
        assert_eq!(stuck.len(), 2);
        assert_eq!(
            stuck[0],
            (
                "failed".into(),
                "PID-3: PID-3 holds no patient identifier".into()
            )
        );
        assert!(stuck[1].1.contains("TXA"), "{}", stuck[1].1);
        assert_eq!(hospital.one("Patient").await["gender"], "female");
        hospital.store.close().await;
    });
}

#[test]
fn messages_about_one_patient_are_applied_in_their_order_among_many() {
    on_each_database(async |ground| {
        let hospital = hospital(ground).await;
        for n in 0..40 {
            let text = admission(&n.to_string())
                .replace("A01", "A08")
                .replace("H1^", &format!("H{}^", n % 8))
                .replace("1 ANY STREET", &format!("{n} ANY STREET"));
            hospital.keep(&text).await;
        }
        hospital.work().await;
        assert!(hospital.stuck().await.is_empty());
        let patients = hospital.all("Patient").await;
        assert_eq!(patients.len(), 8);
        for patient in patients {
            let number: usize = patient["identifier"][0]["value"].as_str().unwrap()[1..]
                .parse()
                .unwrap();
            assert_eq!(
                patient["address"][0]["line"][0],
                format!("{} ANY STREET", 32 + number)
            );
        }
        hospital.store.close().await;
    });
}

#[test]
fn a_result_leaves_the_patient_as_the_hospital_knows_them() {
    on_each_database(async |ground| {
        let hospital = hospital(ground).await;
        hospital.take(&admission("1")).await;
        let result = "PID|1||H1^^^RXX01^MR||TESTER^AMINA\nOBR|1|P7|F8|FBC^Full blood count|||20260105||||||||||||||||||F\n\
             OBX|1|NM|HB^Haemoglobin||131.50|g/L|||||F\n";
        let text = message("ORU^R01", "2", result);
        hospital.take(&text).await;
        hospital
            .take(
                &text
                    .replace("|2|P|", "|3|P|")
                    .replace("131.50", "132.0")
                    .replace("|||||F\n", "|||||C\n"),
            )
            .await;
        let observation = hospital.one("Observation").await;
        assert_eq!(observation["valueQuantity"]["value"].to_string(), "132.0");
        let patient = hospital.one("Patient").await;
        assert_eq!(patient["meta"]["versionId"], "1");
        assert!(patient["address"].is_array());
        let id = observation["id"].as_str().unwrap();
        let first = hospital
            .store
            .vread(&hospital.scope, "Observation", id, 1)
            .await
            .unwrap();
        assert!(
            matches!(first, Reading::Found(_)),
            "the first value stays in the history"
        );
        hospital.store.close().await;
    });
}
