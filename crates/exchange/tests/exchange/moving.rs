//! A patient moves: from the practice to the pharmacy, which is a practice here, while the hospital holds something.

use access::{Interaction, NhsNumber, Purpose, Role, Scope, SystemPurpose, Who};
use exchange::ask::LetterState;
use exchange::moving::{Facts, Registering};
use fhir::Problem;
use serde_json::json;
use store::Reading;
use store::moving::{Move, MoveList, MoveState};
use store::parcels::State;

use crate::asking::{asking, person};
use crate::link::Fate;
use crate::network::{DAY, HOSPITAL, Network, PHARMACY, PRACTICE, UNA, on_each_database};
use crate::sharing::consent;

const NEW: usize = PHARMACY;
const OLD: usize = PRACTICE;

fn scope() -> Scope {
    Scope::system(SystemPurpose::Measure)
}

fn clerk(network: &Network, at: usize) -> Scope {
    network.staff(at, "Clara Clerk", Role::Clerk, Interaction::MovePatient)
}

/// Somebody registers Una, as one who was at `from` before; the Patient's id there.
async fn register(network: &Network, at: usize, from: usize) -> Result<String, Problem> {
    let new = Registering {
        nhs_number: NhsNumber::parse(UNA).unwrap(),
        birth_date: "1980-02-01".into(),
        family: "Ash".into(),
        given: "Una".into(),
        from: network.ods(from),
    };
    let by = clerk(network, at);
    network.nodes[at].register_moved(&by, &new).await
}

async fn moves(network: &Network, at: usize, list: MoveList) -> Vec<Move> {
    let store = network.store(at);
    store.moves(&scope(), list, 50).await.unwrap()
}

/// The one move on a list.
async fn the(network: &Network, at: usize, list: MoveList) -> Move {
    let mut all = moves(network, at, list).await;
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

/// What one node has for another arrives there and is taken in.
async fn carry(network: &Network, from: usize, to: usize) {
    network.nodes[from].tell_moves().await.unwrap();
    network.nodes[from].tell_sharing().await.unwrap();
    assert!(network.nodes[from].serve(&network.ods(to)).await);
    while network.nodes[to].take_in().await.unwrap() > 0 {}
}

async fn agree(network: &Network, at: usize) {
    let claims = moves(network, at, MoveList::Outward).await;
    let claim = claims
        .iter()
        .find(|it| it.state == MoveState::Claimed)
        .unwrap();
    let by = clerk(network, at);
    network.nodes[at]
        .agree_to_move(&by, &claim.id)
        .await
        .unwrap();
}

async fn home(network: &Network, at: usize, patient: &str) -> String {
    let store = network.store(at);
    store.home_of(patient).await.unwrap().unwrap_or_default()
}

/// Whether the hospital's nurse sees what was measured there.
async fn hospital_sees(network: &Network) -> bool {
    let who = Who::Staff {
        account: 7,
        name: "Nura Nurse".into(),
        role: Role::Clinician,
        organisation: network.ods(HOSPITAL),
    };
    let (store, now) = (network.store(HOSPITAL), network.clock.now());
    let standing = store.standing(&who, now).await.unwrap();
    let caller = access::Caller::new(who, "r-2".into());
    let facts = (&*standing, now);
    let purpose = Purpose::DirectCare;
    let scope = access::decide_for(&caller, Interaction::Read, "Observation", purpose, facts);
    let read = store.read(&scope.unwrap(), "Observation", "measured").await;
    matches!(read.unwrap(), Reading::Found(_))
}

/// What the hospital's nurse is told of a letter that the new practice holds.
async fn note(network: &Network) -> LetterState {
    let scope = asking(network).await;
    let (source, node) = (network.ods(NEW), &network.nodes[HOSPITAL]);
    let opened = node.shared_letter(&scope, ("una-there", person()), (&source, "note"));
    opened.await.unwrap().state
}

/// The hospital holds something and has told so, and may not see measurements; the practice has an allergy, a letter, and a
/// measurement with a mark.
async fn stocked(network: &Network) {
    network
        .register(HOSPITAL, "una-there", UNA, "Ash", "1980-02-01")
        .await;
    let about = |ty: &str, patient: &str| {
        let mut it = json!({ "resourceType": ty, "code": { "text": "x" } });
        let name = if ty == "AllergyIntolerance" {
            "patient"
        } else {
            "subject"
        };
        it[name] = json!({ "reference": format!("Patient/{patient}") });
        if ty == "Observation" {
            it["status"] = "final".into();
        }
        it
    };
    let text = about("Observation", "una-there").to_string();
    network.put(HOSPITAL, "measured", &text).await;
    network.clock.advance(3_000);
    while network.nodes[HOSPITAL].tell_pointers().await.unwrap() {}
    carry(network, HOSPITAL, OLD).await;
    network.send(network.letter("1")).await;
    network.carry().await;
    let text = about("AllergyIntolerance", "una").to_string();
    network.put(OLD, "allergy", &text).await;
    let mut marked = about("Observation", "una");
    marked["meta"] = json!({ "security": [{
        "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "PSY" }] });
    network.put(OLD, "marked", &marked.to_string()).await;
    let mut sealed = about("Condition", "una");
    sealed["meta"] = json!({ "security": [
        { "system": "urn:handover:seal", "code": "sealed" },
        { "system": "urn:handover:workgroup", "code": "mental-health" },
    ] });
    network.put(OLD, "sealed", &sealed.to_string()).await;
    let text = consent("una", "active", &["Observation"]);
    network.put(OLD, "wish", &text).await;
    carry(network, OLD, HOSPITAL).await;
    assert!(!hospital_sees(network).await);
}

#[test]
fn a_patient_who_moves_takes_the_record_pointers_and_preferences_along_and_no_step_of_it_is_weaker()
{
    on_each_database(async |network, grounds| {
        stocked(network).await;
        let una = register(network, NEW, OLD).await.unwrap();
        let again = register(network, NEW, OLD).await.unwrap_err();
        assert!(again.message.contains("already"), "{again:?}");
        // The new practice answers nobody about her meanwhile.
        let letter = json!({ "resourceType": "DocumentReference", "status": "current", "content": [{
            "attachment": { "title": "x" } }], "subject": { "reference": format!("Patient/{una}") } });
        network.put(NEW, "note", &letter.to_string()).await;
        assert_eq!(note(network).await, LetterState::Withheld);
        // The old practice is down for a day: nothing is lost, and the new one's list says what it waits for.
        network.link.set(|_, _| Fate::Lost);
        assert!(!network.nodes[NEW].serve(&network.ods(OLD)).await);
        network.clock.advance(DAY);
        assert_eq!(
            the(network, NEW, MoveList::Inward).await.state,
            MoveState::Asked
        );
        assert!(network.store(NEW).is_moving_here(&una).await.unwrap());
        network.link.set(|_, _| Fate::Fine);
        carry(network, NEW, OLD).await;
        let claim = the(network, OLD, MoveList::Outward).await;
        assert_eq!(
            (claim.state, claim.patient.as_str()),
            (MoveState::Claimed, "una")
        );
        // Asked, and not answered yet: nothing has changed.
        assert_eq!(home(network, OLD, "una").await, "A81001");
        agree(network, OLD).await;
        // It is the home practice no more, and ends before a word of it has left.
        network.crash(OLD, grounds).await;
        assert_eq!(home(network, OLD, "una").await, "FZZ01");
        assert!(!hospital_sees(network).await);
        carry(network, OLD, NEW).await;
        let done = the(network, NEW, MoveList::Inward).await;
        assert_eq!(
            (done.state, done.parts, done.here),
            (MoveState::Done, 1, 1),
            "{done:?}"
        );
        assert_eq!(home(network, NEW, &una).await, "FZZ01");
        assert!(!network.store(NEW).is_moving_here(&una).await.unwrap());
        let rules = network
            .store(NEW)
            .sharing_rules(&scope(), &una, None)
            .await
            .unwrap();
        assert_eq!((rules.len(), rules[0].organisation.as_str()), (1, "RZZ01"));
        let pointers = network
            .store(NEW)
            .pointers_held(UNA, "1980-02-01", "Ash")
            .await;
        assert_eq!(pointers.unwrap(), [network.ods(HOSPITAL)]);
        // The record is here: the allergy, what bears a mark with its mark, and the letter with its text.
        let given = network
            .store(NEW)
            .record_to_give(&scope(), &una)
            .await
            .unwrap();
        let mut types: Vec<&str> = given.entries.iter().map(|(it, _)| it.ty.as_str()).collect();
        types.sort_unstable();
        let came = [
            "AllergyIntolerance",
            "Binary",
            "DocumentReference",
            "DocumentReference",
            "Observation",
        ];
        assert_eq!(types, came);
        // What is sealed stays, and that something did is said.
        let facts: Facts = serde_json::from_str(&done.facts).unwrap();
        assert_eq!((facts.sealed, facts.given, facts.left_out), (1, 4, 0));
        // The hospital learns of the new practice by its first statement, and goes on withholding.
        assert_eq!(home(network, HOSPITAL, "una-there").await, "A81001");
        carry(network, NEW, HOSPITAL).await;
        assert_eq!(home(network, HOSPITAL, "una-there").await, "FZZ01");
        assert_eq!(note(network).await, LetterState::Answered);
        assert!(!hospital_sees(network).await);
        // What the patient says at the new practice counts, at the hospital and at the old practice.
        let own = exchange::Letter::parcel_id(&["sharing", &una]);
        network
            .put(NEW, &own, &consent(&una, "inactive", &["Observation"]))
            .await;
        carry(network, NEW, HOSPITAL).await;
        carry(network, NEW, OLD).await;
        assert!(hospital_sees(network).await);
        let left = network
            .store(OLD)
            .sharing_rules(&scope(), "una", None)
            .await
            .unwrap();
        assert!(left.is_empty(), "{left:?}");
        // The next pointer goes to the new practice.
        network.clock.advance(3_000);
        while network.nodes[HOSPITAL].tell_pointers().await.unwrap() {}
        let waits = network.store(HOSPITAL).peers_to_serve().await.unwrap();
        assert!(
            waits.iter().any(|it| it.peer == network.ods(NEW)),
            "{waits:?}"
        );
    });
}

#[test]
fn a_letter_for_a_patient_who_moved_goes_back_with_the_new_practice_named() {
    on_each_database(async |network, _| {
        stocked(network).await;
        register(network, NEW, OLD).await.unwrap();
        carry(network, NEW, OLD).await;
        agree(network, OLD).await;
        let pid = network.send(network.letter("late")).await;
        network.carry().await;
        network.tell().await;
        let item = network.item(HOSPITAL, pid).await;
        assert_eq!(item.letter.state, State::Returned);
        let reason = item.letter.reason.unwrap_or_default();
        assert!(reason.contains("FZZ01"), "{reason}");
    });
}

#[test]
fn a_practice_that_claims_somebody_who_did_not_move_gets_nothing_and_reads_why() {
    on_each_database(async |network, _| {
        stocked(network).await;
        let una = register(network, NEW, OLD).await.unwrap();
        carry(network, NEW, OLD).await;
        let claim = the(network, OLD, MoveList::Outward).await;
        let by = clerk(network, OLD);
        let silent = network.nodes[OLD].object_to_move(&by, &claim.id, " ").await;
        assert!(silent.is_err());
        let why = "She is here today and has not moved.";
        network.nodes[OLD]
            .object_to_move(&by, &claim.id, why)
            .await
            .unwrap();
        let late = network.nodes[OLD].agree_to_move(&by, &claim.id).await;
        assert!(late.is_err(), "what was objected to is not given");
        carry(network, OLD, NEW).await;
        let refused = the(network, NEW, MoveList::Inward).await;
        assert_eq!(
            (refused.state, refused.reason.as_str()),
            (MoveState::Refused, why)
        );
        assert_eq!(home(network, OLD, "una").await, "A81001");
        assert_eq!(home(network, NEW, &una).await, "A81001");
        let given = network
            .store(NEW)
            .record_to_give(&scope(), &una)
            .await
            .unwrap();
        assert!(given.entries.is_empty());
    });
}

#[test]
fn of_two_practices_that_claim_a_patient_the_one_that_registered_them_last_gets_the_record() {
    on_each_database(async |network, _| {
        network
            .register(HOSPITAL, "una-there", UNA, "Ash", "1980-02-01")
            .await;
        // The hospital stands for a second practice. Its claim is the older one, and comes later.
        register(network, HOSPITAL, OLD).await.unwrap();
        network.clock.advance(60_000);
        register(network, NEW, OLD).await.unwrap();
        carry(network, NEW, OLD).await;
        carry(network, HOSPITAL, OLD).await;
        carry(network, OLD, HOSPITAL).await;
        let lost = the(network, HOSPITAL, MoveList::Inward).await;
        assert_eq!(lost.state, MoveState::Refused);
        assert!(lost.reason.contains("since"), "{}", lost.reason);
        agree(network, OLD).await;
        carry(network, OLD, NEW).await;
        assert_eq!(
            the(network, NEW, MoveList::Inward).await.state,
            MoveState::Done
        );
        // A claim at the practice before the last is sent on to the last.
        network.clock.advance(60_000);
        register(network, HOSPITAL, OLD).await.unwrap();
        carry(network, HOSPITAL, OLD).await;
        carry(network, OLD, HOSPITAL).await;
        carry(network, HOSPITAL, NEW).await;
        assert_eq!(
            the(network, NEW, MoveList::Outward).await.state,
            MoveState::Claimed
        );
    });
}

#[test]
fn a_patient_who_moves_back_is_the_first_practices_again_with_what_they_said_meanwhile() {
    on_each_database(async |network, _| {
        stocked(network).await;
        let una = register(network, NEW, OLD).await.unwrap();
        carry(network, NEW, OLD).await;
        agree(network, OLD).await;
        carry(network, OLD, NEW).await;
        network.clock.advance(60_000);
        let own = exchange::Letter::parcel_id(&["sharing", &una]);
        network
            .put(NEW, &own, &consent(&una, "active", &["Condition"]))
            .await;
        assert_eq!(register(network, OLD, NEW).await.unwrap(), "una");
        carry(network, OLD, NEW).await;
        agree(network, NEW).await;
        carry(network, NEW, OLD).await;
        assert_eq!(home(network, OLD, "una").await, "A81001");
        let rules = network
            .store(OLD)
            .sharing_rules(&scope(), "una", None)
            .await
            .unwrap();
        let types: Vec<&str> = rules
            .iter()
            .flat_map(|it| &it.types)
            .map(String::as_str)
            .collect();
        assert!(types.contains(&"Condition"), "{types:?}");
        // The hospital, which heard nothing of either move, believes the practice that it knows.
        carry(network, OLD, HOSPITAL).await;
        assert_eq!(home(network, HOSPITAL, "una-there").await, "A81001");
        let pid = network.send(network.letter("now")).await;
        network.carry().await;
        network.tell().await;
        assert_eq!(network.state(HOSPITAL, pid).await, State::Delivered);
    });
}

#[test]
fn a_record_that_names_this_practice_by_itself_makes_it_ask_the_one_before() {
    on_each_database(async |network, _| {
        stocked(network).await;
        let patient = |practice: &str| {
            json!({
                "resourceType": "Patient",
                "identifier": [{ "system": "https://fhir.nhs.uk/Id/nhs-number", "value": UNA }],
                "name": [{ "family": "Ash" }],
                "birthDate": "1980-02-01",
                "generalPractitioner": [{ "identifier": {
                    "system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": practice } }],
            })
            .to_string()
        };
        network.put(NEW, "una-n", &patient("A81001")).await;
        // As an ADT message of the practice's own system does.
        network.put(NEW, "una-n", &patient("FZZ01")).await;
        carry(network, NEW, OLD).await;
        agree(network, OLD).await;
        carry(network, OLD, NEW).await;
        let done = the(network, NEW, MoveList::Inward).await;
        assert_eq!(
            (done.state, done.patient.as_str()),
            (MoveState::Done, "una-n")
        );
    });
}

#[test]
fn a_second_keeper_keeps_the_old_practices_word_until_it_has_the_new_ones() {
    on_each_database(async |network, grounds| {
        network.second_keeper = Some(network.ods(HOSPITAL));
        network.crash(OLD, grounds).await;
        network.crash(NEW, grounds).await;
        // The pharmacy holds a letter about her: it is to be told what she wants.
        let mut letter = network.letter("p");
        letter.to = network.ods(NEW);
        letter.patient = "una".into();
        let job = store::Job::effect(network.nodes[OLD].send_letter(letter).unwrap());
        network.store(OLD).commit(&scope(), job).await.unwrap();
        let text = consent("una", "active", &["Observation"]);
        network.put(OLD, "wish", &text).await;
        carry(network, OLD, HOSPITAL).await;
        let (old, new) = (network.ods(OLD), network.ods(NEW));
        let kept = async |home: &access::Ods, peer: &access::Ods| {
            let kept = network.store(HOSPITAL).kept_for(home, peer).await;
            kept.unwrap().len()
        };
        assert_eq!(kept(&old, &new).await, 1);
        carry(network, OLD, NEW).await;
        register(network, NEW, OLD).await.unwrap();
        carry(network, NEW, OLD).await;
        agree(network, OLD).await;
        // Until the new practice's first word the old one's is in force, also at its keeper.
        assert_eq!(kept(&old, &new).await, 1);
        carry(network, OLD, NEW).await;
        let done = the(network, NEW, MoveList::Inward).await;
        assert_eq!(done.state, MoveState::Done, "{done:?}");
        // The new practice is gone after it has told its keeper: the old one hears of its word there.
        carry(network, NEW, HOSPITAL).await;
        assert_eq!(
            kept(&new, &old).await,
            1,
            "the keeper has the new practice's word"
        );
        assert_eq!(
            kept(&old, &new).await,
            0,
            "the old practice's last word is told to nobody"
        );
        let door = &network.nodes[HOSPITAL];
        let asked = format!("{{\"home\":\"{old}\"}}");
        let refused = door.answer_preferences(&new, asked.as_bytes()).await;
        assert_eq!(refused.unwrap_err().kind, fhir::problem::Kind::NotFound);
    });
}
