//! What other organisations hold of a patient, asked for in a person's name.

mod letters;
mod located;
mod many;
mod patient;
mod silent;
mod withheld;

use access::{AuditEntry, Caller, Interaction, Outcome, Purpose, Role, Scope, SystemPurpose, Who};
use exchange::ask::{Held, Person, SharedRecord, Source, SourceState};
use serde_json::json;
use store::ask::{AskWrite, Look};
use store::sharing::SharingWrite;
use store::{AuditFilter, Effect, Job};

use crate::network::{HOSPITAL, Network, PHARMACY, PRACTICE, UNA, on_each_database};

const BORN: &str = "1980-02-01";

fn scope() -> Scope {
    Scope::system(SystemPurpose::Measure)
}

/// A resource about a patient, under a laboratory's number if there is one. Its code is the words up to a comma.
fn about(ty: &str, patient: &str, words: &str, number: Option<&str>) -> String {
    let mut resource = json!({
        "resourceType": ty,
        "status": "final",
        "code": {
            "coding": [{ "system": "urn:tests", "code": words.split(',').next() }],
            "text": words,
        },
    });
    let subject = json!({ "reference": format!("Patient/{patient}") });
    let name = if ty == "AllergyIntolerance" {
        "patient"
    } else {
        "subject"
    };
    resource[name] = subject;
    if ty == "AllergyIntolerance" || ty == "Condition" {
        resource.as_object_mut().unwrap().remove("status");
    }
    if let Some(number) = number {
        resource["identifier"] = json!([{ "system": "urn:lab", "value": number }]);
    }
    resource.to_string()
}

/// All three know Una: the practice her allergy, the pharmacy two measurements, and the hospital nothing
/// yet.
async fn stocked(network: &Network) {
    for (at, id) in [(HOSPITAL, "una-there"), (PHARMACY, "una-p")] {
        network.register(at, id, UNA, "Ash", BORN).await;
    }
    let allergy = about("AllergyIntolerance", "una", "Penicillin", None);
    network.put(PRACTICE, "allergy", &allergy).await;
    let measured = about("Observation", "una", "Potassium", Some("1"));
    network.put(PRACTICE, "at-practice", &measured).await;
    network.clock.advance(1_000);
    let same = about("Observation", "una-p", "Potassium, corrected", Some("1"));
    network.put(PHARMACY, "at-pharmacy", &same).await;
    let other = about("Observation", "una-p", "Peak flow", Some("2"));
    network.put(PHARMACY, "peak-flow", &other).await;
}

/// The pharmacy tells the practice that it holds something.
async fn point(network: &Network) {
    network.clock.advance(3_000);
    while network.nodes[PHARMACY].tell_pointers().await.unwrap() {}
    network.nodes[PHARMACY].serve(&network.ods(PRACTICE)).await;
}

fn nurse(network: &Network) -> Who {
    Who::Staff {
        account: 7,
        name: "Nura Nurse".into(),
        role: Role::Clinician,
        organisation: network.ods(HOSPITAL),
    }
}

pub async fn asking(network: &Network) -> Scope {
    let (who, now) = (nurse(network), network.clock.now());
    let standing = network.store(HOSPITAL).standing(&who, now).await.unwrap();
    let caller = Caller::new(who, "r-9".into());
    let facts = (&*standing, now);
    let purpose = Purpose::DirectCare;
    access::decide_for(&caller, Interaction::Ask, "Patient", purpose, facts).unwrap()
}

pub fn person() -> Person {
    Person {
        name: "Nura Nurse".into(),
        role: Some(Role::Clinician),
    }
}

/// The hospital's nurse asks around.
async fn ask(network: &Network) -> SharedRecord {
    let scope = asking(network).await;
    let node = &network.nodes[HOSPITAL];
    let asked = node.shared_record(&scope, "una-there", person());
    asked.await.unwrap()
}

fn source<'s>(network: &Network, shared: &'s SharedRecord, at: usize) -> &'s Source {
    let own = network.ods(at);
    let mut sources = shared.sources.iter();
    sources
        .find(|it| it.organisation == own)
        .unwrap_or_else(|| panic!("{own} is not in {:?}", shared.sources))
}

/// Why a source is silent.
fn why(network: &Network, shared: &SharedRecord, at: usize) -> String {
    match &source(network, shared, at).state {
        SourceState::Silent { why, .. } => why.clone(),
        other => panic!("{other:?}"),
    }
}

/// The words of the items, in order of the alphabet.
fn words(shared: &SharedRecord) -> Vec<&str> {
    let items = shared.items.iter();
    let mut words: Vec<&str> = items
        .filter_map(|it| it.resource["code"]["text"].as_str())
        .collect();
    words.sort_unstable();
    words
}

/// The log's lines about asking, the newest first.
async fn log(network: &Network, at: usize) -> Vec<AuditEntry> {
    let filter = AuditFilter {
        patient: None,
        before: None,
        count: 200,
    };
    let page = network.store(at).audit_page(&scope(), &filter).await;
    let mut entries = page.unwrap().entries;
    entries.retain(|it| it.interaction == "ask");
    entries
}

#[test]
fn p28_p33_what_others_hold_is_asked_for_and_both_sides_log_who_asked_and_why() {
    on_each_database(async |network, _| {
        stocked(network).await;
        point(network).await;
        let shared = ask(network).await;
        for at in [PRACTICE, PHARMACY] {
            let source = source(network, &shared, at);
            assert_eq!(source.state, SourceState::Answered, "{source:?}");
        }
        assert_eq!(
            words(&shared),
            ["Peak flow", "Penicillin", "Potassium, corrected"]
        );
        let twice = shared.items.iter().find(|it| it.sources.len() == 2);
        let newest = twice.unwrap().sources[0];
        assert_eq!(shared.sources[newest].organisation, network.ods(PHARMACY));
        for (at, patient) in [(PRACTICE, "una"), (PHARMACY, "una-p")] {
            let lines = log(network, at).await;
            let [line] = lines.as_slice() else {
                panic!("{lines:?}")
            };
            assert_eq!(line.target.patient.as_deref(), Some(patient));
            assert_eq!(line.agent.name, "Nura Nurse");
            assert_eq!(line.agent.role.as_deref(), Some("clinician"));
            assert_eq!(line.agent.organisation.as_deref(), Some("RZZ01"));
            assert_eq!((&*line.purpose, line.outcome), ("TREAT", Outcome::Success));
        }
        let lines = log(network, HOSPITAL).await;
        let asked: Vec<&str> = lines
            .iter()
            .rev()
            .map(|line| line.target.query.as_deref().unwrap())
            .collect();
        assert_eq!(asked, ["asked=A81001", "asked=FZZ01"]);
        for line in &lines {
            assert_eq!(line.agent.name, "Nura Nurse");
            assert_eq!(line.target.patient.as_deref(), Some("una-there"));
        }
    });
}

#[test]
fn what_is_held_here_is_the_first_source_and_merged_by_its_identifier() {
    on_each_database(async |network, _| {
        stocked(network).await;
        let scope = asking(network).await;
        let here = |text: &str, number| {
            serde_json::from_str(&about("Observation", "una-there", text, number)).unwrap()
        };
        let held = Held {
            resources: vec![here("Potassium, here", Some("1")), here("Weight", None)],
            withheld: vec!["Condition".into()],
            cut: Vec::new(),
        };
        let node = &network.nodes[HOSPITAL];
        let asked = node.shared_record_beside(&scope, "una-there", person(), held);
        let shared = asked.await.unwrap();
        let own = &shared.sources[0];
        assert_eq!(own.organisation, network.ods(HOSPITAL));
        assert_eq!((own.count, own.heard_at), (2, Some(shared.asked_at)));
        assert_eq!(own.withheld, ["Condition"]);
        // Under one number it is one thing: the practice's is the newest, for what is held here says no time.
        assert_eq!(words(&shared), ["Penicillin", "Potassium", "Weight"]);
        let both = shared
            .items
            .iter()
            .find(|it| it.sources.len() == 2)
            .unwrap();
        let of = both
            .sources
            .iter()
            .map(|at| &shared.sources[*at].organisation);
        let of: Vec<_> = of.cloned().collect();
        assert_eq!(of, [network.ods(PRACTICE), network.ods(HOSPITAL)]);
    });
}

#[test]
fn reports_of_one_order_are_one_with_their_like_elsewhere_and_are_all_shown() {
    on_each_database(async |network, _| {
        stocked(network).await;
        let report =
            |patient: &str, words: &str| about("DiagnosticReport", patient, words, Some("L123"));
        for (id, words) in [
            ("fbc", "Full blood count"),
            ("u-e", "Urea and electrolytes"),
        ] {
            network.put(PRACTICE, id, &report("una", words)).await;
        }
        let own = ["Clotting", "Full blood count"].map(|words| report("una-there", words));
        let held = own.iter();
        let held = Held {
            resources: held.map(|it| serde_json::from_str(it).unwrap()).collect(),
            ..Held::default()
        };
        let scope = asking(network).await;
        let node = &network.nodes[HOSPITAL];
        let asked = node.shared_record_beside(&scope, "una-there", person(), held);
        let shared = asked.await.unwrap();
        let reports = shared.items.iter();
        let reports = reports.filter(|it| it.ty == "DiagnosticReport");
        let mut told: Vec<(&str, usize)> = reports
            .map(|it| {
                (
                    it.resource["code"]["text"].as_str().unwrap(),
                    it.sources.len(),
                )
            })
            .collect();
        told.sort_unstable();
        let expected = [
            ("Clotting", 1),
            ("Full blood count", 2),
            ("Urea and electrolytes", 1),
        ];
        assert_eq!(told, expected);
    });
}

#[test]
fn what_is_held_here_is_there_where_nobody_may_be_asked() {
    on_each_database(async |network, _| {
        // Without a number that can be asked by.
        network
            .register(HOSPITAL, "nameless", "12", "Ash", BORN)
            .await;
        let scope = asking(network).await;
        let text = about("Observation", "nameless", "Weight", None);
        let held = Held {
            resources: vec![serde_json::from_str(&text).unwrap()],
            ..Held::default()
        };
        let node = &network.nodes[HOSPITAL];
        let asked = node.shared_record_beside(&scope, "nameless", person(), held);
        let shared = asked.await.unwrap();
        assert_eq!(shared.closed, Some(exchange::ask::Closed::Unidentified));
        assert_eq!(words(&shared), ["Weight"]);
        assert_eq!(shared.sources.len(), 1);
    });
}

#[test]
fn p18_a_preference_is_told_to_who_only_pointed() {
    on_each_database(async |network, _| {
        stocked(network).await;
        point(network).await;
        let text = crate::sharing::consent("una", "active", &["Observation"]);
        network.put(PRACTICE, "wish", &text).await;
        let practice = network.nodes[PRACTICE].clone();
        practice.tell_sharing().await.unwrap();
        practice.serve(&network.ods(PHARMACY)).await;
        let store = network.store(PRACTICE);
        let told = store.tellings(&scope(), "una").await.unwrap();
        let pharmacy = network.ods(PHARMACY);
        let it = told.iter().find(|it| it.organisation == pharmacy.as_str());
        assert!(it.is_some_and(|it| it.told_at.is_some()), "{told:?}");
    });
}

#[test]
fn p18_a_preference_is_told_to_who_points_later() {
    on_each_database(async |network, _| {
        stocked(network).await;
        let text = crate::sharing::consent("una", "active", &["Observation"]);
        network.put(PRACTICE, "wish", &text).await;
        let practice = network.nodes[PRACTICE].clone();
        practice.tell_sharing().await.unwrap();
        let store = network.store(PRACTICE);
        assert!(store.sharing_due(10).await.unwrap().is_empty());
        point(network).await;
        practice.tell_sharing().await.unwrap();
        practice.serve(&network.ods(PHARMACY)).await;
        let told = store.tellings(&scope(), "una").await.unwrap();
        let pharmacy = network.ods(PHARMACY);
        let it = told.iter().find(|it| it.organisation == pharmacy.as_str());
        assert!(it.is_some_and(|it| it.told_at.is_some()), "{told:?}");
    });
}

#[test]
fn p18_who_comes_while_others_are_told_is_told_too() {
    on_each_database(async |network, _| {
        stocked(network).await;
        let text = crate::sharing::consent("una", "active", &["Observation"]);
        network.put(PRACTICE, "wish", &text).await;
        let store = network.store(PRACTICE);
        let due = store.sharing_due(10).await.unwrap();
        let [seen] = due.as_slice() else {
            panic!("one patient is due: {due:?}");
        };
        // Between the look at who is to be told and the note that they are.
        point(network).await;
        let sent = SharingWrite::Sent {
            patient: seen.patient.clone(),
            version: seen.version,
            stirred: seen.stirred,
        };
        let job = Job::effect(Effect::Sharing(sent));
        store
            .commit(&Scope::system(SystemPurpose::KeepSharing), job)
            .await
            .unwrap();
        let left = store.sharing_due(10).await.unwrap();
        assert_eq!(left.len(), 1, "the pharmacy is still to be told");
        let practice = network.nodes[PRACTICE].clone();
        practice.tell_sharing().await.unwrap();
        let told = store.tellings(&scope(), "una").await.unwrap();
        let pharmacy = network.ods(PHARMACY);
        assert!(told.iter().any(|it| it.organisation == pharmacy.as_str()));
        assert!(store.sharing_due(10).await.unwrap().is_empty());
    });
}

#[test]
fn a_pointer_is_told_once_and_withdrawn_when_nothing_is_held_any_more() {
    on_each_database(async |network, _| {
        stocked(network).await;
        point(network).await;
        let held = async || {
            let practice = network.store(PRACTICE);
            practice.pointers_held(UNA, BORN, "ASH").await.unwrap()
        };
        assert_eq!(held().await, [network.ods(PHARMACY)]);
        let other = network.store(PRACTICE);
        let other = other.pointers_held(UNA, "1980-02-02", "Ash").await.unwrap();
        assert!(other.is_empty(), "another date of birth is another person");
        let sent = *network.link.sent.lock();
        point(network).await;
        assert_eq!(*network.link.sent.lock(), sent, "it is told once");
        for id in ["at-pharmacy", "peak-flow"] {
            network.remove(PHARMACY, "Observation", id).await;
        }
        network.clock.advance(3_700_000);
        point(network).await;
        assert!(held().await.is_empty(), "it is withdrawn");
    });
}

#[test]
fn p12_what_is_sealed_makes_no_pointer_and_is_in_no_answer() {
    on_each_database(async |network, _| {
        stocked(network).await;
        for id in ["at-pharmacy", "peak-flow"] {
            let mut sealed: serde_json::Value =
                serde_json::from_str(&about("Observation", "una-p", "Sealed", None)).unwrap();
            sealed["meta"] = json!({ "security": [
                { "system": "urn:handover:seal", "code": "sealed" },
                { "system": "urn:handover:workgroup", "code": "gum" },
            ] });
            network.put(PHARMACY, id, &sealed.to_string()).await;
        }
        point(network).await;
        let practice = network.store(PRACTICE);
        let held = practice.pointers_held(UNA, BORN, "Ash").await.unwrap();
        assert!(held.is_empty(), "{held:?}");
        // A letter has made the hospital ask the pharmacy all the same.
        let mut letter = network.letter("2");
        letter.to = network.ods(PHARMACY);
        network.send(letter).await;
        let shared = ask(network).await;
        let source = source(network, &shared, PHARMACY);
        assert_eq!(source.state, SourceState::Answered);
        assert!(source.withheld.is_empty() && source.count == 0);
        assert!(!words(&shared).contains(&"Sealed"));
    });
}

#[test]
fn whoever_held_only_an_appointment_before_others_could_know_of_it_is_pointed_at_all_the_same() {
    on_each_database(async |network, _| {
        for (at, id) in [(HOSPITAL, "una-there"), (PHARMACY, "una-p")] {
            network.register(at, id, UNA, "Ash", BORN).await;
        }
        let appointment = json!({ "resourceType": "Appointment", "status": "booked", "participant": [
            { "actor": { "reference": "Patient/una-p" }, "status": "accepted" }] });
        network.put(PHARMACY, "jab", &appointment.to_string()).await;
        network.clock.advance(3_000);
        // A node of before looked at it, and told nobody.
        let pharmacy = network.store(PHARMACY);
        let keeps = Scope::system(SystemPurpose::KeepPointers);
        while let Some((_, upto)) = pharmacy.newly_held(&keeps, 10).await.unwrap() {
            let noted = AskWrite::Noted {
                patients: Vec::new(),
                upto,
                look: Look::Ahead,
            };
            let job = Job::effect(Effect::Ask(noted));
            pharmacy.commit(&keeps, job).await.unwrap();
        }
        let held = async || {
            let practice = network.store(PRACTICE);
            practice.pointers_held(UNA, BORN, "ASH").await.unwrap()
        };
        assert!(held().await.is_empty());
        point(network).await;
        assert_eq!(held().await, [network.ods(PHARMACY)]);
        let sent = *network.link.sent.lock();
        point(network).await;
        assert_eq!(*network.link.sent.lock(), sent, "it is told once");
    });
}
