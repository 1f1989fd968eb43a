//! Patients' questions about entries that other organisations wrote.

use access::{Caller, Interaction, NhsNumber, Purpose, Role, Scope, SystemPurpose, Who};
use exchange::questions::{self, NewQuestion, Step};
use fhir::problem::Kind;
use store::questions::{About, Question, QuestionList, QuestionState};

use crate::network::{HOSPITAL, Network, PRACTICE, UNA, on_each_database};

fn una(network: &Network, interaction: Interaction) -> Scope {
    let who = Who::Patient {
        account: 3,
        name: "Una Ash".into(),
        patient: "una".into(),
        nhs_number: NhsNumber::parse(UNA).unwrap(),
    };
    let caller = Caller::new(who, "r-3".into());
    let now = network.clock.now();
    access::decide(&caller, interaction, "", Purpose::PatientRequest, now).unwrap()
}

async fn ask(network: &Network) -> String {
    let new = NewQuestion {
        about: About::Entry,
        to: Some(network.ods(HOSPITAL)),
        subject: "Condition/c1".into(),
        title: "Asthma, 3 Feb 2026".into(),
        question: "I never had this.".into(),
        asked_by: "Una Ash".into(),
    };
    let scope = una(network, Interaction::AskAbout);
    let (store, node) = (network.store(PRACTICE), &network.nodes[PRACTICE]);
    questions::ask(store, Some(node), &scope, new)
        .await
        .unwrap()
}

async fn carry(network: &Network) {
    for (from, to) in [(PRACTICE, HOSPITAL), (HOSPITAL, PRACTICE)] {
        network.nodes[from].serve(&network.ods(to)).await;
        while network.nodes[to].take_in().await.unwrap() > 0 {}
    }
}

async fn hers(network: &Network, id: &str) -> Question {
    let scope = una(network, Interaction::Record);
    let found = network.store(PRACTICE).question(&scope, id).await;
    found.unwrap().unwrap()
}

#[test]
fn a_question_crosses_to_who_wrote_the_entry_once_and_its_answer_comes_back_with_its_times() {
    on_each_database(async |network, _| {
        network
            .register(HOSPITAL, "una-there", UNA, "Ash", "1980-02-01")
            .await;
        let id = ask(network).await;
        assert_eq!(hers(network, &id).await.state, QuestionState::Waiting);
        carry(network).await;
        carry(network).await;
        let there = network.store(HOSPITAL);
        let reader = network.staff(
            HOSPITAL,
            "Dr Ravi Shah",
            Role::Clinician,
            Interaction::RecordQuestions,
        );
        let open = there
            .questions(&reader, QuestionList::Open, 9)
            .await
            .unwrap();
        let [question] = open.as_slice() else {
            panic!("{open:?}")
        };
        assert_eq!(
            (question.patient.as_str(), question.subject.as_str()),
            ("una-there", "Condition/c1")
        );
        assert_eq!(question.other, "A81001");
        let scope = network.staff(
            HOSPITAL,
            "Dr Ravi Shah",
            Role::Clinician,
            Interaction::AnswerQuestion,
        );
        let node = &network.nodes[HOSPITAL];
        let step = async |step: Step| {
            questions::step(there, Some(node), &scope, &question.id, &step).await
        };
        step(Step::Open).await.unwrap();
        carry(network).await;
        let opened = hers(network, &id).await;
        assert!(opened.state == QuestionState::Opened && opened.opened_at > 0);
        let answer = |version| Step::Answer {
            text: "It was written into the wrong record.".into(),
            version,
        };
        assert_eq!(step(answer(1)).await.unwrap_err().kind, Kind::Conflict);
        step(answer(2)).await.unwrap();
        carry(network).await;
        let answered = hers(network, &id).await;
        assert_eq!(answered.state, QuestionState::Answered);
        assert_eq!(answered.answer, "It was written into the wrong record.");
        assert_eq!(answered.answered_by, "Dr Ravi Shah");
        let work = Scope::system(SystemPurpose::KeepQuestions);
        assert!(there.question(&work, &question.id).await.unwrap().is_some());
    });
}

#[test]
fn a_question_about_nobody_on_record_is_answered_so_by_itself() {
    on_each_database(async |network, _| {
        let id = ask(network).await;
        carry(network).await;
        let back = hers(network, &id).await;
        assert_eq!(
            (back.state, back.answer.as_str()),
            (QuestionState::Unknown, "")
        );
        assert!(back.answered_at > 0);
    });
}
