//! Messages that were mapped, mapped anew by a changed mapping.

use serde_json::json;
use store::hl7_inbox::Selection;
use store::{Change, Expect, Prepared, Release};

use super::*;

/// The sex is not taken any more, what the sender puts into PID-22 is.
const LAYER: &str = r#"{
 "changes": [{"map": "PID[Patient]", "from": 8, "to": "gender", "take": false, "why": "it is not the gender"}],
 "rows": {"PID[Patient]": [{"from": 22, "to": "maritalStatus.text", "why": "it stands there"}]}
}"#;

/// A code system of the laboratory's own.
const CODES: &str = r#"{"code_systems": {"LAB": "https://lab.example/codes"}}"#;

impl Hospital {
    /// Has messages mapped anew by the mapping with that layer.
    async fn anew(&self, layer: &str, replay: Replay) -> Replayed {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("layer.json"), layer).unwrap();
        let mappings = Arc::new(Mappings::open(folder.path()).unwrap());
        let intake = Intake::anew(self.store.clone(), mappings);
        let (_hand, stop) = watch::channel(false);
        intake.replay(&replay, &stop, |_| {}).await.unwrap()
    }

    /// First tries it, which must change nothing and tell what then happens.
    async fn tried_and_done(&self, layer: &str, replay: Replay) -> Replayed {
        let before = self.everything().await;
        let replay = |go: bool| Replay {
            go,
            ..replay.clone()
        };
        let tried = self.anew(layer, replay(false)).await;
        assert_eq!(self.everything().await, before, "a try changes nothing");
        let done = self.anew(layer, replay(true)).await;
        assert_eq!(tried, done, "what was told is what was done");
        let after = self.everything().await;
        let again = self.anew(layer, replay(true)).await;
        assert_eq!(again.changed, 0, "{again:?}");
        assert_eq!(
            self.everything().await,
            after,
            "twice changes nothing the second time"
        );
        done
    }

    async fn everything(&self) -> Vec<Value> {
        let mut all = Vec::new();
        for ty in [
            "Patient",
            "Encounter",
            "Observation",
            "DiagnosticReport",
            "DocumentReference",
            "Provenance",
        ] {
            all.extend(self.all(ty).await);
        }
        all
    }

    /// A person changes an element of the patient by FHIR.
    async fn edit(&self, name: &str, value: Value) {
        let mut patient = self.one("Patient").await;
        patient[name] = value;
        patient.as_object_mut().unwrap().remove("meta");
        let id = patient["id"].as_str().unwrap().to_owned();
        let limits = fhir::json::Limits::default();
        let bytes = serde_json::to_vec(&patient).unwrap();
        let resource = fhir::json::parse(&bytes, &limits).unwrap();
        let organisation = self.store.organisation().clone();
        let change = Change::Put {
            resource: Prepared::new(&resource, &id, &organisation).unwrap(),
            expect: Expect::Exists,
            release: Release::Keep,
        };
        let done = self.store.commit(&self.scope, Job::change(change)).await;
        done.unwrap();
    }
}

fn all() -> Replay {
    Replay {
        at_most: 1000,
        ..Replay::default()
    }
}

fn only(selection: Selection) -> Replay {
    Replay { selection, ..all() }
}

/// An admission that says PID-22.
fn single(id: &str) -> String {
    admission(id).replace(
        "1 ANY STREET^^LEEDS^^LS1 1AA",
        "1 ANY STREET^^LEEDS^^LS1 1AA|||||||||||Single",
    )
}

fn update(id: &str, road: &str) -> String {
    admission(id)
        .replace("A01", "A08")
        .replace("1 ANY STREET", road)
}

#[test]
fn a_changed_mapping_corrects_what_messages_said_and_nothing_newer() {
    on_each_database(async |ground| {
        let hospital = hospital(ground).await;
        hospital.take(&single("1")).await;
        ground.clock().advance(1000);
        let newer = hospital.take(&update("2", "2 OTHER ROAD")).await;
        ground.clock().advance(1000);
        let patient = hospital.one("Patient").await;
        assert_eq!(patient["gender"], "female");
        assert_eq!(patient["maritalStatus"], Value::Null);
        // The older one alone: the two were sent at one time, and their order of arrival decides.
        let older = only(Selection {
            before: Some(newer),
            ..Selection::default()
        });
        let done = hospital.tried_and_done(LAYER, older).await;
        assert_eq!((done.messages, done.changed), (1, 1));
        assert_eq!(done.newer["Patient.address"], 1);
        let patient = hospital.one("Patient").await;
        assert_eq!(patient["maritalStatus"]["text"], "Single");
        assert_eq!(patient["address"][0]["line"][0], "2 OTHER ROAD");
        assert_eq!(patient["gender"], "female", "the newer one said it");
        let done = hospital.tried_and_done(LAYER, all()).await;
        assert_eq!((done.messages, done.changed), (2, 1));
        let of = done.types["Patient"];
        assert_eq!((of.updated, of.unchanged), (1, 1));
        assert_eq!((of.elements_added, of.elements_removed), (0, 1));
        let patient = hospital.one("Patient").await;
        assert_eq!(patient["gender"], Value::Null);
        assert_eq!(patient["maritalStatus"]["text"], "Single");
        assert_eq!(patient["address"][0]["line"][0], "2 OTHER ROAD");
        // The mapping as it was: both are corrected back.
        let done = hospital.tried_and_done("{}", all()).await;
        assert_eq!(done.changed, 2);
        let patient = hospital.one("Patient").await;
        assert_eq!(patient["gender"], "female");
        assert_eq!(patient["maritalStatus"], Value::Null);
        hospital.store.close().await;
    });
}

#[test]
fn what_a_message_says_no_more_an_older_one_fills_in() {
    on_each_database(async |ground| {
        let hospital = hospital(ground).await;
        hospital.take(&admission("1")).await;
        ground.clock().advance(1000);
        // The second sender means something else by PID-11.
        let other = update("2", "NO ADDRESS").replace("|PAS|", "|LAB|");
        hospital.take(&other).await;
        ground.clock().advance(1000);
        let layer = r#"{"sender": {"application": "LAB"},
            "changes": [{"map": "PID[Patient]", "from": 11, "to": "", "take": false, "why": "no address"}]}"#;
        let done = hospital.tried_and_done(layer, all()).await;
        assert_eq!(done.changed, 2);
        let patient = hospital.one("Patient").await;
        assert_eq!(patient["address"][0]["line"][0], "1 ANY STREET");
        hospital.store.close().await;
    });
}

#[test]
fn what_people_changed_since_stays() {
    on_each_database(async |ground| {
        let hospital = hospital(ground).await;
        hospital.take(&single("1")).await;
        ground.clock().advance(1000);
        hospital.edit("gender", json!("unknown")).await;
        hospital
            .edit("maritalStatus", json!({"text": "Asked"}))
            .await;
        ground.clock().advance(1000);
        let done = hospital.tried_and_done(LAYER, all()).await;
        assert_eq!(done.others["Patient.gender"], 1);
        assert_eq!(done.others["Patient.maritalStatus"], 1);
        let patient = hospital.one("Patient").await;
        assert_eq!(patient["gender"], "unknown");
        assert_eq!(patient["maritalStatus"]["text"], "Asked");
        // A newer message is believed as ever.
        hospital.take(&update("2", "2 OTHER ROAD")).await;
        assert_eq!(hospital.one("Patient").await["gender"], "female");
        hospital.store.close().await;
    });
}

fn result(id: &str, minute: &str, value: &str, status: &str) -> String {
    let rest = format!(
        "{PATIENT}OBR|1|P7|F8|K^Potassium^LAB|||20260105|||||||||||||||202601050{minute}00|||{status}\n\
         OBX|1|NM|K^Potassium^LAB||{value}|mmol/L|3.5-5.3||||{status}\n"
    );
    message("ORU^R01", id, &rest)
}

#[test]
fn a_result_is_corrected_by_the_message_that_stands_and_no_older_one() {
    on_each_database(async |ground| {
        let hospital = hospital(ground).await;
        hospital.take(&result("1", "900", "7.1", "F")).await;
        ground.clock().advance(1000);
        let newer = hospital.take(&result("2", "930", "4.1", "C")).await;
        ground.clock().advance(1000);
        let older = only(Selection {
            before: Some(newer),
            ..Selection::default()
        });
        let done = hospital.tried_and_done(CODES, older).await;
        assert_eq!(done.types.get("Observation"), None, "{done:?}");
        assert_eq!(done.newer["Observation.all of it"], 1);
        let found = hospital.one("Observation").await;
        assert_eq!(found["valueQuantity"]["value"].to_string(), "4.1");
        let done = hospital.tried_and_done(CODES, all()).await;
        assert_eq!(done.types["Observation"].updated, 1);
        let found = hospital.one("Observation").await;
        assert_eq!(
            found["code"]["coding"][0]["system"],
            "https://lab.example/codes"
        );
        assert_eq!(found["valueQuantity"]["value"].to_string(), "4.1");
        hospital.store.close().await;
    });
}

#[test]
fn a_letter_mapped_anew_is_not_sent_again() {
    on_each_database(async |ground| {
        let hospital = hospital(ground).await;
        hospital.take(&letter("1")).await;
        ground.clock().advance(1000);
        let sent = hospital.sent().await;
        assert_eq!(sent.len(), 1);
        // What a letter brings along of the patient, nobody else has written.
        let done = hospital.tried_and_done(LAYER, all()).await;
        assert_eq!(done.types["Patient"].updated, 1);
        assert_eq!(hospital.one("Patient").await["gender"], Value::Null);
        assert_eq!(hospital.sent().await, sent);
        // By another it would have to be told what stays.
        let done = hospital
            .tried_and_done(r#"{"targets": [{"structure": "MDM_T02", "segment": "PV1", "targets": [], "why": "no visit"}]}"#, all())
            .await;
        let visit = hospital.one("Encounter").await;
        let named = format!("Encounter/{}", visit["id"].as_str().unwrap());
        assert!(done.left.contains(&named), "{done:?}");
        hospital.store.close().await;
    });
}

/// Three messages, a second after another: an admission, a laboratory's result about the same patient, and another's admission.
async fn three(ground: &Ground, hospital: &Hospital) {
    hospital.take(&single("1")).await;
    ground.clock().advance(1000);
    let result = result("2", "900", "7.1", "F").replace("|PAS|", "|LAB|");
    hospital.take(&result).await;
    ground.clock().advance(1000);
    let other = single("3")
        .replace("9990000018", "9990000026")
        .replace("H1^", "H2^");
    hospital.take(&other.replace("V1^", "V2^")).await;
}

#[test]
fn messages_are_selected() {
    on_each_database(async |ground| {
        let hospital = hospital(ground).await;
        let start = ground.clock().now();
        three(ground, &hospital).await;
        let text = |text: &str| Some(text.to_owned());
        let with = |change: &dyn Fn(&mut Selection)| {
            let mut selection = Selection::default();
            change(&mut selection);
            selection
        };
        let selections = [
            (with(&|it| it.application = text("LAB")), 1),
            (with(&|it| it.facility = text("RXX01")), 3),
            (with(&|it| it.kind = text("ADT")), 2),
            (with(&|it| it.kind = text("ADT^A01")), 2),
            (with(&|it| it.kind = text("ADT^A0")), 0),
            (with(&|it| it.control_id = text("2")), 1),
            (with(&|it| it.since = Some(start + 1000)), 2),
            (with(&|it| it.until = Some(start + 1000)), 1),
        ];
        for (selection, count) in selections {
            let found = hospital.anew(LAYER, only(selection.clone())).await;
            assert_eq!(found.messages, count, "{selection:?}");
        }
        let of_one = Replay {
            identifier: text("H2"),
            ..all()
        };
        assert_eq!(hospital.anew(LAYER, of_one).await.messages, 1);
        hospital.store.close().await;
    });
}

#[test]
fn a_bound_is_kept_and_gone_on_from() {
    on_each_database(async |ground| {
        let hospital = hospital(ground).await;
        three(ground, &hospital).await;
        let mut bounded = Replay {
            at_most: 2,
            go: true,
            ..all()
        };
        let first = hospital.anew(LAYER, bounded.clone()).await;
        assert_eq!((first.examined, first.is_more), (2, true));
        let changed = hospital.all("Patient").await;
        let changed = changed.iter().filter(|it| it["gender"].is_null()).count();
        assert_eq!(changed, 1);
        bounded.selection.before = first.last;
        let second = hospital.anew(LAYER, bounded).await;
        assert_eq!((second.examined, second.is_more), (1, false));
        for patient in hospital.all("Patient").await {
            assert_eq!(patient["gender"], Value::Null);
        }
        hospital.store.close().await;
    });
}

#[test]
fn a_message_that_the_mapping_takes_no_more_changes_nothing_and_is_named() {
    on_each_database(async |ground| {
        let folder = tempfile::tempdir().unwrap();
        let kind = r#"{"structures": {"ADT^Z01": "ADT_A01"}}"#;
        std::fs::write(folder.path().join("kind.json"), kind).unwrap();
        let mappings = Arc::new(Mappings::open(folder.path()).unwrap());
        let mut hospital = hospital(ground).await;
        hospital.intake = hospital.intake.with(mappings);
        let number = hospital.take(&admission("1").replace("A01", "Z01")).await;
        assert_eq!(hospital.all("Patient").await.len(), 1);
        let done = hospital.tried_and_done("{}", all()).await;
        assert_eq!((done.changed, done.refused_count), (0, 1));
        assert_eq!(done.refused[0].0, number);
        hospital.store.close().await;
    });
}
