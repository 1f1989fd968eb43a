//! Referrals between organisations: the practice refers Una to the hospital.

use access::{Interaction, Role, Scope, SystemPurpose};
use exchange::LetterContent;
use exchange::booking::{Session, publish};
use exchange::referrals::{Acceptance, Act, NewReferral, Request, said};
use fhir::problem::Kind;
use fhir::search::Search;
use serde_json::Value;
use store::Reading;
use store::diary::Audience;
use store::referrals::{Referral, ReferralList, ReferralState};

use crate::link::Fate;
use crate::network::{DAY, HOSPITAL, Network, PRACTICE, UNA, on_each_database};

fn work() -> Scope {
    Scope::system(SystemPurpose::KeepReferrals)
}

fn request(urgency: &str) -> Request {
    Request {
        service: "Cardiology".into(),
        urgency: urgency.into(),
        reason: "Chest pain on effort for two weeks".into(),
        question: "Is it angina?".into(),
        referrer: "Dr Ann Bell".into(),
    }
}

/// Dr Bell of the practice.
fn gp(network: &Network) -> Scope {
    network.staff(PRACTICE, "Dr Ann Bell", Role::Clinician, Interaction::Refer)
}

/// Dr Shah of the hospital.
fn consultant(network: &Network) -> Scope {
    let interaction = Interaction::TriageReferral;
    network.staff(HOSPITAL, "Dr Ravi Shah", Role::Clinician, interaction)
}

pub async fn refer(network: &Network, attempt: &str) -> String {
    let request = request("urgent");
    let to = network.ods(HOSPITAL);
    let new = NewReferral {
        patient: "una",
        to: &to,
        request: &request,
        enclosed: vec![LetterContent {
            content_type: "text/plain; charset=utf-8".into(),
            bytes: b"Allergies: penicillin.".to_vec(),
        }],
        large: &[],
        documents: &[],
        held_back: false,
        attempt,
    };
    let referred = network.nodes[PRACTICE].refer(&gp(network), new).await;
    referred.unwrap()
}

/// What one side has to say goes to the other, and the other way.
pub async fn carry(network: &Network) {
    for (from, to) in [(PRACTICE, HOSPITAL), (HOSPITAL, PRACTICE)] {
        network.nodes[from].serve(&network.ods(to)).await;
        while network.nodes[to].take_in().await.unwrap() > 0 {}
    }
}

pub async fn knows_una(network: &Network) {
    network
        .register(HOSPITAL, "una-there", UNA, "Ash", "1980-02-01")
        .await;
}

async fn here(network: &Network, id: &str) -> Referral {
    let found = network.store(PRACTICE).referral(&work(), id).await;
    found.unwrap().unwrap()
}

/// What came to the hospital and waits for a clinician.
async fn to_triage(network: &Network) -> Vec<Referral> {
    let store = network.store(HOSPITAL);
    let list = ReferralList::ToTriage;
    store.referrals(&work(), list, 100).await.unwrap()
}

async fn resource(network: &Network, at: usize, id: &str) -> Value {
    let store = network.store(at);
    let reading = store.read(&work(), "ServiceRequest", id).await.unwrap();
    let Reading::Found(version) = reading else {
        panic!("there is no ServiceRequest {id}")
    };
    serde_json::from_slice(&version.body).unwrap()
}

async fn requests_there(network: &Network) -> usize {
    let search = Search::all("ServiceRequest", 100);
    let page = network.store(HOSPITAL).search(&work(), &search).await;
    page.unwrap().entries.len()
}

#[test]
fn a_referral_is_accepted_by_a_named_clinician_with_a_first_appointment_and_never_by_its_arrival() {
    on_each_database(async |network, _| {
        knows_una(network).await;
        let from = network.clock.now() + DAY;
        let session = Session {
            from,
            until: from + 600_000,
            minutes: 10,
            with: "Heart clinic".into(),
            kind: "First visit".into(),
            audience: Audience::Staff,
        };
        let diary = Scope::system(SystemPurpose::KeepAppointments);
        publish(network.store(HOSPITAL), &diary, &session)
            .await
            .unwrap();
        let slots = network.store(HOSPITAL);
        let slots = slots
            .slots_between(&diary, (from, from + DAY))
            .await
            .unwrap();
        let slot = slots[0].0.id.clone();

        let id = refer(network, "a").await;
        assert_eq!(refer(network, "a").await, id, "the same form");
        assert_eq!(here(network, &id).await.state, ReferralState::Waiting);
        carry(network).await;
        assert_eq!(
            here(network, &id).await.state,
            ReferralState::Waiting,
            "delivered and taken in is not accepted"
        );
        let came = to_triage(network).await;
        assert_eq!((came.len(), came[0].patient.as_str()), (1, "una-there"));
        let there = resource(network, HOSPITAL, &came[0].id).await;
        assert_eq!(there["priority"], "urgent");
        assert_eq!(there["reasonCode"][0]["text"], request("urgent").reason);
        assert_eq!(there["subject"]["reference"], "Patient/una-there");
        let enclosed = there["supportingInfo"][0]["reference"].as_str().unwrap();
        assert!(enclosed.starts_with("DocumentReference/"), "{enclosed}");

        let day = fhir::date::instant(network.clock.now() + 20 * DAY);
        let acceptance = Acceptance {
            words: "Stop at once if the pain comes back at rest.",
            promised_by: &day[..10],
            slot: &slot,
        };
        let hospital = &network.nodes[HOSPITAL];
        let scope = consultant(network);
        hospital
            .accept_referral(&scope, &came[0].id, &acceptance)
            .await
            .unwrap();
        assert_eq!(
            here(network, &id).await.state,
            ReferralState::Waiting,
            "until the hospital's word is here"
        );
        carry(network).await;
        let accepted = here(network, &id).await;
        assert_eq!(accepted.state, ReferralState::Accepted);
        assert!(accepted.news && accepted.promised_by > network.clock.now());
        let here_now = resource(network, PRACTICE, &id).await;
        let said = said(&here_now);
        let [_, last] = said.as_slice() else {
            panic!("{said:?}")
        };
        assert_eq!(
            (last.act, last.organisation.as_str()),
            (Act::Accept, "RZZ01")
        );
        assert_eq!(last.by, "Dr Ravi Shah, clinician");
        assert_eq!(last.appointment, Some(from));
        // The practice has the appointment too, under the id that the hospital named.
        let reading = network
            .store(PRACTICE)
            .read(&work(), "Appointment", &accepted.appointment)
            .await;
        assert!(matches!(reading.unwrap(), Reading::Found(_)));
        let again = hospital
            .return_referral(&scope, &came[0].id, "Not ours")
            .await;
        assert_eq!(again.unwrap_err().kind, Kind::BusinessRule, "decided once");
    });
}

#[test]
fn a_question_goes_back_and_its_answer_comes_and_what_is_returned_says_why() {
    on_each_database(async |network, _| {
        knows_una(network).await;
        let id = refer(network, "a").await;
        carry(network).await;
        let there = to_triage(network).await.remove(0).id;
        let hospital = &network.nodes[HOSPITAL];
        let scope = consultant(network);
        let empty = hospital.ask_referrer(&scope, &there, " ").await;
        assert_eq!(empty.unwrap_err().kind, Kind::Required);
        hospital
            .ask_referrer(&scope, &there, "Which medicines does she take?")
            .await
            .unwrap();
        carry(network).await;
        assert_eq!(here(network, &id).await.state, ReferralState::Asked);
        let practice = &network.nodes[PRACTICE];
        practice
            .reply_to_question(&gp(network), &id, "Bisoprolol 2.5 mg.")
            .await
            .unwrap();
        carry(network).await;
        let came = to_triage(network).await.remove(0);
        assert_eq!((came.state, came.news), (ReferralState::Waiting, true));
        let body = resource(network, HOSPITAL, &there).await;
        assert_eq!(said(&body).last().unwrap().words, "Bisoprolol 2.5 mg.");
        hospital
            .return_referral(&scope, &there, "Not our patient: she lives in Leeds.")
            .await
            .unwrap();
        carry(network).await;
        assert_eq!(here(network, &id).await.state, ReferralState::Returned);
        let body = resource(network, PRACTICE, &id).await;
        assert_eq!(body["status"], "revoked");
        let last = said(&body).pop().unwrap();
        assert_eq!(
            (last.act, last.words.as_str()),
            (Act::Return, "Not our patient: she lives in Leeds.")
        );
        let late = practice.withdraw_referral(&gp(network), &id, "x").await;
        assert_eq!(late.unwrap_err().kind, Kind::BusinessRule);
    });
}

#[test]
fn a_referral_whose_parcels_come_twice_late_or_after_a_crash_is_one_and_its_answer_is_not_lost() {
    on_each_database(async |network, grounds| {
        knows_una(network).await;
        for fate in [Fate::Doubled, Fate::AnswerLost, Fate::Late] {
            let before = requests_there(network).await;
            let id = refer(network, &format!("{fate:?}")).await;
            let mut first = true;
            network.link.set(move |from, _| {
                let is_ours = from.as_str() == "A81001";
                let fate = if first && is_ours { fate } else { Fate::Fine };
                first &= !is_ours;
                fate
            });
            network.nodes[PRACTICE].serve(&network.ods(HOSPITAL)).await;
            network.crash(HOSPITAL, grounds).await;
            network.link.let_late_arrive().await;
            while network.nodes[HOSPITAL].take_in().await.unwrap() > 0 {}
            network.crash(HOSPITAL, grounds).await;
            network.crash(PRACTICE, grounds).await;
            for _ in 0..3 {
                network.clock.advance(61_000);
                carry(network).await;
            }
            assert_eq!(requests_there(network).await, before + 1, "{fate:?}: once");
            let waiting = to_triage(network).await;
            let there = waiting.iter().find(|it| it.asked_as == id).unwrap();
            let scope = consultant(network);
            network.nodes[HOSPITAL]
                .accept_referral(&scope, &there.id, &Acceptance::default())
                .await
                .unwrap();
            network.crash(HOSPITAL, grounds).await;
            for _ in 0..3 {
                network.clock.advance(61_000);
                carry(network).await;
            }
            let state = here(network, &id).await.state;
            assert_eq!(state, ReferralState::Accepted, "{fate:?}");
        }
    });
}

#[test]
fn a_referral_of_somebody_unknown_waits_for_a_person_who_matches_registers_or_returns_it() {
    on_each_database(async |network, _| {
        let first = refer(network, "a").await;
        carry(network).await;
        assert!(to_triage(network).await.is_empty(), "nobody is guessed");
        let look = Interaction::Referrals;
        let clerk = network.staff(HOSPITAL, "Clara Clerk", Role::Clerk, look);
        let hospital = &network.nodes[HOSPITAL];
        let waiting = network.store(HOSPITAL);
        let waiting = waiting.referrals_unmatched(&clerk, None, 10).await.unwrap();
        assert_eq!(waiting.len(), 1);
        assert_eq!(waiting[0].named.nhs_number.as_deref(), Some(UNA));
        let nobody = hospital
            .match_referral(&clerk, waiting[0].pid, "nobody")
            .await;
        assert_eq!(nobody.unwrap_err().kind, Kind::NotFound);
        hospital
            .register_for_referral(&clerk, waiting[0].pid)
            .await
            .unwrap();
        carry(network).await;
        let came = to_triage(network).await;
        assert_eq!((came.len(), came[0].asked_as.as_str()), (1, first.as_str()));
        // From now on she is known; another of the same number is not her.
        network
            .register(PRACTICE, "una", UNA, "Ashworth", "1980-02-01")
            .await;
        let second = refer(network, "b").await;
        carry(network).await;
        let waiting = network.store(HOSPITAL);
        let waiting = waiting.referrals_unmatched(&clerk, None, 10).await.unwrap();
        let scope = consultant(network);
        hospital
            .return_unmatched(&scope, waiting[0].pid, "Which name is right?")
            .await
            .unwrap();
        carry(network).await;
        assert_eq!(here(network, &second).await.state, ReferralState::Returned);
        let store = network.store(HOSPITAL);
        let left = store.referrals_unmatched(&clerk, None, 10).await.unwrap();
        assert!(left.is_empty());
    });
}

#[test]
fn a_withdrawal_reaches_who_was_asked_whether_or_not_anybody_has_said_whose_it_is() {
    on_each_database(async |network, _| {
        let unknown = refer(network, "a").await;
        carry(network).await;
        let practice = &network.nodes[PRACTICE];
        let why = "She has moved away.";
        practice
            .withdraw_referral(&gp(network), &unknown, why)
            .await
            .unwrap();
        carry(network).await;
        let counts = network.store(HOSPITAL).referral_counts(&work()).await;
        let counts = counts.unwrap();
        assert_eq!((counts.unmatched, counts.to_triage), (0, 0));
        knows_una(network).await;
        let known = refer(network, "b").await;
        carry(network).await;
        let there = to_triage(network).await.remove(0).id;
        let scope = consultant(network);
        network.nodes[HOSPITAL]
            .accept_referral(&scope, &there, &Acceptance::default())
            .await
            .unwrap();
        practice
            .withdraw_referral(&gp(network), &known, why)
            .await
            .unwrap();
        // The two cross on the way.
        carry(network).await;
        carry(network).await;
        assert_eq!(here(network, &known).await.state, ReferralState::Withdrawn);
        let there = to_triage(network).await;
        assert_eq!(
            there.len(),
            1,
            "it is on the list until somebody has looked"
        );
        assert_eq!(there[0].state, ReferralState::Withdrawn);
    });
}
