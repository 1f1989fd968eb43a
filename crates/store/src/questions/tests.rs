//! Questions, on each database.

use access::{
    Caller, Interaction, NhsNumber, Ods, Purpose, Role, Scope, SystemPurpose, Who, decide,
};
use fhir::problem::Kind;

use super::{About, Answer, Question, QuestionList, QuestionState, QuestionWrite, Way};
use crate::store::Store;
use crate::testing::on_each_database;
use crate::write::{Effect, Job};

fn staff(role: Role, interaction: Interaction, purpose: Purpose) -> Scope {
    let who = Who::Staff {
        account: 2,
        name: "Ann".into(),
        role,
        organisation: Ods::parse("A81001").unwrap(),
    };
    decide(&Caller::new(who, "r".into()), interaction, "", purpose, 0).unwrap()
}

fn patient(id: &str) -> Scope {
    let who = Who::Patient {
        account: 1,
        patient: id.into(),
        name: "Jane".into(),
        nhs_number: NhsNumber::parse("9434765919").unwrap(),
    };
    let caller = Caller::new(who, "r".into());
    decide(&caller, Interaction::Record, "", Purpose::PatientRequest, 0).unwrap()
}

fn question(id: &str, way: Way, about: About) -> Question {
    Question {
        id: id.into(),
        way,
        about,
        other: if way == Way::Here { "" } else { "RZZ01" }.into(),
        asked_as: id.into(),
        patient: "jane".into(),
        subject: "Condition/c".into(),
        title: "Asthma".into(),
        question: "I never had this.".into(),
        asked_by: "Jane".into(),
        asked_at: 5,
        state: QuestionState::Waiting,
        opened_at: 0,
        answer: String::new(),
        answered_by: String::new(),
        answered_role: String::new(),
        answered_at: 0,
        read_at: 0,
        parcel: String::new(),
        version: 1,
    }
}

async fn write(store: &Store, write: QuestionWrite) -> Result<(), Kind> {
    let scope = Scope::system(SystemPurpose::KeepQuestions);
    let done = store
        .commit(&scope, Job::effect(Effect::Question(write)))
        .await;
    done.map(|_| ()).map_err(|problem| problem.kind)
}

fn answer() -> Answer {
    Answer {
        text: "We looked it up.".into(),
        by: "Dr Bo".into(),
        role: "clinician".into(),
        at: 9,
    }
}

#[test]
fn a_question_is_answered_once_and_what_came_late_moves_nothing_back() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        for (id, way, about) in [
            ("q1", Way::Here, About::Entry),
            ("q2", Way::Out, About::Entry),
            ("q3", Way::In, About::Entry),
            ("q4", Way::Here, About::Look),
        ] {
            let new = Box::new(question(id, way, about));
            write(&store, QuestionWrite::Ask(new)).await.unwrap();
        }
        // What comes by parcel a second time changes nothing.
        let again = Box::new(question("q3", Way::In, About::Entry));
        write(&store, QuestionWrite::Take(again)).await.unwrap();
        let clerk = staff(
            Role::Clerk,
            Interaction::RecordQuestions,
            Purpose::DirectCare,
        );
        let open = store
            .questions(&clerk, QuestionList::Open, 9)
            .await
            .unwrap();
        let ids: Vec<&str> = open.iter().map(|it| it.id.as_str()).collect();
        assert_eq!(ids, ["q1", "q3"], "not what others answer, nor looks");
        let officer = staff(
            Role::PrivacyOfficer,
            Interaction::AccessLog,
            Purpose::Compliance,
        );
        let looks = store
            .questions(&officer, QuestionList::Open, 9)
            .await
            .unwrap();
        assert_eq!(looks.len(), 1);
        assert_eq!(store.question(&officer, "q1").await.unwrap(), None);
        assert_eq!(store.open_questions(&clerk).await.unwrap(), (2, 1));

        let of = |version| QuestionWrite::Answer {
            id: "q1".into(),
            answer: answer(),
            parcel: String::new(),
            version,
        };
        assert_eq!(write(&store, of(7)).await, Err(Kind::Conflict));
        write(&store, of(1)).await.unwrap();
        assert_eq!(write(&store, of(2)).await, Err(Kind::Conflict));

        let told = |sender: &str, state| QuestionWrite::Told {
            id: "q2".into(),
            sender: sender.into(),
            state,
            answer: answer(),
        };
        write(&store, told("FZZ01", QuestionState::Answered))
            .await
            .unwrap();
        let jane = patient("jane");
        let found = store.question(&jane, "q2").await.unwrap().unwrap();
        assert_eq!(
            found.state,
            QuestionState::Waiting,
            "another's word counts for nothing"
        );
        write(&store, told("RZZ01", QuestionState::Answered))
            .await
            .unwrap();
        write(&store, told("RZZ01", QuestionState::Opened))
            .await
            .unwrap();
        let found = store.question(&jane, "q2").await.unwrap().unwrap();
        assert_eq!(found.state, QuestionState::Answered);
        assert_eq!(found.answer, "We looked it up.");
        let mine = store.questions_of(&jane, "jane").await.unwrap();
        assert_eq!(mine.len(), 3, "what came from elsewhere was not asked here");
        assert!(store.questions_of(&patient("una"), "jane").await.is_err());
        assert_eq!(store.question(&patient("una"), "q1").await.unwrap(), None);
    });
}
