//! Rules on events: letters that come in at the practice, and what a rule does with them.

use access::{Interaction, Role, Scope, SystemPurpose};
use exchange::rules::undo;
use fhir::problem::Kind;
use fhir::rule::{Event, StepKind};
use serde_json::{Value, json};
use store::desk::{DeskWrite, TaskList, TaskState};
use store::fax::Asker;
use store::parcels::{Action, Show, State};
use store::rules::{Act, ActState, RuleWrite, UNDO_MILLIS};
use store::{Effect, Job};

use crate::network::{HOSPITAL, Network, PRACTICE, on_each_database};
use crate::referring;

fn work() -> Scope {
    Scope::system(SystemPurpose::FollowRules)
}

fn ann() -> Asker {
    Asker {
        account: 9,
        who: "Ann Manager".into(),
    }
}

fn manager(network: &Network) -> Scope {
    network.staff(PRACTICE, "Ann Manager", Role::Clerk, Interaction::KeepRules)
}

fn step(code: &str, more: Value) -> Value {
    let mut step =
        json!({ "code": [{ "coding": [{ "system": "urn:handover:rule-step", "code": code }] }] });
    for (name, value) in more.as_object().unwrap() {
        step[name] = value.clone();
    }
    step
}

fn plan(condition: &str, steps: &[Value]) -> Value {
    json!({
        "resourceType": "PlanDefinition",
        "url": "urn:example:rule",
        "title": "Attendances",
        "description": "Files what only tells of an attendance.",
        "status": "active",
        "type": { "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/plan-definition-type", "code": "eca-rule"
        }] },
        "action": [{
            "trigger": [{ "type": "named-event", "name": "letter-received" }],
            "condition": [{ "kind": "applicability", "expression": {
                "language": "text/fhirpath", "expression": condition
            } }],
            "action": steps,
        }],
    })
}

async fn write(network: &Network, write: RuleWrite) -> Result<(), Kind> {
    let job = Job::effect(Effect::Rule(write));
    let done = network.store(PRACTICE).commit(&work(), job).await;
    done.map(|_| ()).map_err(|problem| problem.kind)
}

async fn switch_on(network: &Network, version: u64) {
    let on = RuleWrite::On {
        rule: "r".into(),
        version,
        title: "Attendances".into(),
        events: vec![Event::LetterReceived],
        today: 0,
        by: ann(),
    };
    write(network, on).await.unwrap();
}

/// A rule that files attendances, and is on.
async fn files(network: &Network) {
    let rule = plan(
        "description.startsWith('Attendance')",
        &[step("file", json!({}))],
    );
    network.put(PRACTICE, "r", &rule.to_string()).await;
    switch_on(network, 1).await;
}

async fn follow(network: &Network) {
    while network.nodes[PRACTICE].follow_rules().await.unwrap() > 0 {}
}

/// A letter with that title and text comes in and is taken in; its number at the hospital.
async fn comes(network: &Network, id: &str, (title, text): (&str, &str)) -> i64 {
    let mut letter = network.letter(id);
    letter.title = title.into();
    letter.contents[0].bytes = text.as_bytes().to_vec();
    let sent = network.send(letter).await;
    network.carry().await;
    sent
}

const ATTENDED: (&str, &str) = ("Attendance at clinic", "She attended. All was well.");

async fn acts(network: &Network) -> Vec<Act> {
    let store = network.store(PRACTICE);
    store.rule_acts(&work(), ("r", 0), 100).await.unwrap()
}

async fn told(network: &Network, sent: i64) -> Vec<State> {
    let item = network.item(HOSPITAL, sent).await;
    item.events.iter().filter_map(|it| it.state).collect()
}

/// The whole story: filed by a rule, marked, undone, back in the inbox; nobody is ever told that it was filed or acted on.
#[test]
fn a_letter_that_a_rule_filed_is_marked_and_put_back_before_anybody_is_told() {
    on_each_database(async |network, _| {
        files(network).await;
        let sent = comes(network, "p1", ATTENDED).await;
        assert_eq!(network.list(PRACTICE, Show::ToDo).await.len(), 1);
        follow(network).await;
        let letter = network.received().await;
        assert_eq!(letter.state, State::Filed);
        assert!(network.list(PRACTICE, Show::ToDo).await.is_empty());
        let item = network.item(PRACTICE, letter.pid).await;
        let filed = item
            .events
            .iter()
            .find(|it| it.state == Some(State::Filed))
            .unwrap();
        assert_eq!(
            (filed.who.as_str(), filed.role.as_str()),
            ("Rule: Attendances", "rule")
        );
        network.tell().await;
        assert_eq!(
            told(network, sent).await,
            [State::Accepted, State::Delivered]
        );
        let act = acts(network).await.remove(0);
        assert_eq!(
            (act.kind, act.state, act.pid),
            (StepKind::File, ActState::Done, letter.pid)
        );
        let store = network.store(PRACTICE);
        let now = network.clock.now();
        undo::one(store, &manager(network), act.number, now)
            .await
            .unwrap();
        assert_eq!(network.received().await.state, State::Delivered);
        assert_eq!(
            network.list(PRACTICE, Show::ToDo).await.len(),
            1,
            "it is back in the inbox"
        );
        let act = acts(network).await.remove(0);
        assert_eq!(
            (act.state, act.ended_by.as_str()),
            (ActState::Undone, "Ann Manager")
        );
        let again = undo::one(store, &manager(network), act.number, now).await;
        assert_eq!(again.unwrap_err().kind, Kind::BusinessRule);
        // The rule does not do it again, and nobody is told after the time either.
        follow(network).await;
        network.clock.advance(UNDO_MILLIS + 60_000);
        network.tell().await;
        let states = told(network, sent).await;
        assert!(
            !states.contains(&State::Filed) && !states.contains(&State::ActedOn),
            "{states:?}"
        );
        // A person can still do all that is done with a letter.
        network.clerk(letter.pid, Action::Open).await.unwrap();
        network.clerk(letter.pid, Action::File).await.unwrap();
        network.tell().await;
        assert_eq!(told(network, sent).await.last(), Some(&State::Filed));
    });
}

#[test]
fn once_the_three_days_are_over_the_sender_is_told_that_a_rule_filed_it_and_nobody_that_it_was_acted_on()
 {
    on_each_database(async |network, _| {
        files(network).await;
        let sent = comes(network, "p1", ATTENDED).await;
        follow(network).await;
        network.clock.advance(UNDO_MILLIS + 60_000);
        network.tell().await;
        let item = network.item(HOSPITAL, sent).await;
        let last = item.events.last().unwrap();
        assert_eq!(last.state, Some(State::Filed));
        assert_eq!(
            (last.who.as_str(), last.role.as_str()),
            ("Rule: Attendances", "rule")
        );
        assert!(last.note.contains("nobody here opened it"), "{}", last.note);
        let act = acts(network).await.remove(0);
        let late = undo::one(
            network.store(PRACTICE),
            &manager(network),
            act.number,
            network.clock.now(),
        )
        .await;
        assert_eq!(late.unwrap_err().kind, Kind::BusinessRule);
        assert_eq!(network.received().await.state, State::Filed);
    });
}

#[test]
fn a_rule_never_files_what_a_person_should_read() {
    on_each_database(async |network, _| {
        files(network).await;
        let mut letters = Vec::new();
        for id in ["asks", "urgent", "marked", "replaces", "pdf", "titled"] {
            let mut letter = network.letter(id);
            letter.title = ATTENDED.0.into();
            letter.contents[0].bytes = format!("{} {id}", ATTENDED.1).into_bytes();
            match id {
                "asks" => {
                    letter.contents[0].bytes = b"She attended. Please repeat her bloods.".to_vec()
                }
                "urgent" => letter.urgent = true,
                "marked" => letter.marks = vec![exchange::manifest::Mark::SeriousHarm],
                "replaces" => letter.replaces = Some("D-earlier".into()),
                "pdf" => letter.contents[0].content_type = "application/pdf".into(),
                _ => letter.title = "Attendance: action for the GP".into(),
            }
            letters.push(letter);
        }
        for letter in letters {
            network.send(letter).await;
        }
        network.carry().await;
        follow(network).await;
        assert_eq!(network.list(PRACTICE, Show::ToDo).await.len(), 6);
        let mut why: Vec<String> = acts(network).await.into_iter().map(|it| it.note).collect();
        why.sort();
        assert_eq!(
            why,
            ["asks", "asks", "asks", "correction", "urgent", "withheld"]
        );
        assert!(
            acts(network)
                .await
                .iter()
                .all(|it| it.state == ActState::Left)
        );
    });
}

#[test]
fn what_somebody_has_opened_or_been_given_is_theirs() {
    on_each_database(async |network, _| {
        files(network).await;
        comes(network, "p1", ATTENDED).await;
        let pid = network.received().await.pid;
        network.clerk(pid, Action::Open).await.unwrap();
        follow(network).await;
        assert_eq!(network.received().await.state, State::Opened);
        assert_eq!(acts(network).await[0].note, "touched");
    });
}

#[test]
fn a_rule_that_is_off_does_nothing_and_one_that_was_changed_goes_on_as_it_was_switched_on() {
    on_each_database(async |network, _| {
        let rule = plan(
            "description.startsWith('Attendance')",
            &[step("file", json!({}))],
        );
        network.put(PRACTICE, "r", &rule.to_string()).await;
        comes(network, "p1", ATTENDED).await;
        follow(network).await;
        assert!(acts(network).await.is_empty(), "it is not on");
        switch_on(network, 1).await;
        let wider = plan("true", &[step("file", json!({}))]);
        network.put(PRACTICE, "r", &wider.to_string()).await;
        comes(network, "p2", ("Discharge summary", "She may go home.")).await;
        comes(network, "p3", ATTENDED).await;
        follow(network).await;
        let done = acts(network).await;
        assert_eq!(
            (done.len(), done[0].version),
            (1, 1),
            "the change is not in force"
        );
        switch_on(network, 2).await;
        comes(network, "p4", ("Discharge summary", "She is at home.")).await;
        follow(network).await;
        assert_eq!(acts(network).await.len(), 2);
        // Off while something waits to be judged: it is not judged any more.
        comes(network, "p5", ATTENDED).await;
        let off = RuleWrite::Off {
            rule: "r".into(),
            by: ann(),
        };
        write(network, off).await.unwrap();
        follow(network).await;
        assert_eq!(acts(network).await.len(), 2);
        // Retired or deleted: on, and does nothing.
        switch_on(network, 2).await;
        network.remove(PRACTICE, "PlanDefinition", "r").await;
        comes(network, "p6", ATTENDED).await;
        follow(network).await;
        assert_eq!(acts(network).await.len(), 2);
    });
}

#[test]
fn after_a_crash_a_rule_does_what_it_had_not_done_and_nothing_twice() {
    on_each_database(async |network, grounds| {
        let days = json!([{ "url": "urn:handover:rule-days", "valuePositiveInt": 14 }]);
        let remind = step(
            "remind",
            json!({ "description": "Look whether it is booked.", "extension": days }),
        );
        let rule = plan("true", &[remind]);
        network.put(PRACTICE, "r", &rule.to_string()).await;
        switch_on(network, 1).await;
        comes(network, "p1", ATTENDED).await;
        network.crash(PRACTICE, grounds).await;
        follow(network).await;
        network.crash(PRACTICE, grounds).await;
        follow(network).await;
        let done = acts(network).await;
        assert_eq!(done.len(), 1);
        let store = network.store(PRACTICE);
        let (tasks, _) = store.tasks(&work(), &TaskList::Open).await.unwrap();
        assert_eq!(
            (tasks.len(), tasks[0].id.as_str()),
            (1, done[0].task.as_str())
        );
        assert_eq!(
            (tasks[0].made_by.as_str(), tasks[0].patient.as_str()),
            ("Rule: Attendances", "una")
        );
        // Noted once more, as a resource that is stored again is: it is done already.
        grounds[PRACTICE].note_again_what_rules_did().await;
        follow(network).await;
        assert_eq!(acts(network).await.len(), 1);
    });
}

#[test]
fn a_rule_that_cannot_be_followed_stands_on_the_work_list_and_the_letter_in_the_inbox() {
    on_each_database(async |network, _| {
        let team = json!([{ "url": "urn:handover:rule-team", "valueString": "Results" }]);
        let rule = plan("true", &[step("route", json!({ "extension": team }))]);
        network.put(PRACTICE, "r", &rule.to_string()).await;
        switch_on(network, 1).await;
        comes(network, "p1", ATTENDED).await;
        follow(network).await;
        let store = network.store(PRACTICE);
        let stuck = store.stuck_rules(&work(), 10).await.unwrap();
        assert_eq!(stuck.len(), 1);
        assert!(
            stuck[0].reason.contains("no team “Results”"),
            "{}",
            stuck[0].reason
        );
        assert_eq!(network.list(PRACTICE, Show::ToDo).await.len(), 1);
        let begin = DeskWrite::Team {
            id: "t1".into(),
            name: "Results".into(),
            by: "Ann".into(),
        };
        store
            .commit(&work(), Job::effect(Effect::Desk(begin)))
            .await
            .unwrap();
        write(network, RuleWrite::Again { seq: stuck[0].seq })
            .await
            .unwrap();
        follow(network).await;
        assert!(store.stuck_rules(&work(), 10).await.unwrap().is_empty());
        let pid = network.received().await.pid;
        let given = store.assigned(&work(), &[pid]).await.unwrap();
        assert_eq!(
            (given[&pid].team.as_str(), given[&pid].by.as_str()),
            ("Results", "Rule: Attendances")
        );
        let act = acts(network).await.remove(0);
        undo::one(store, &manager(network), act.number, network.clock.now())
            .await
            .unwrap();
        assert!(store.assigned(&work(), &[pid]).await.unwrap().is_empty());
    });
}

#[test]
fn a_task_that_a_rule_made_is_undone_until_somebody_has_worked_on_it() {
    on_each_database(async |network, _| {
        questionnaire(network).await;
        let ask = json!({ "definitionCanonical": "urn:example:questionnaire" });
        let todo = json!({ "description": "Ring her." });
        let rule = plan("true", &[step("assign", todo), step("ask", ask)]);
        network.put(PRACTICE, "r", &rule.to_string()).await;
        switch_on(network, 1).await;
        comes(network, "p1", ATTENDED).await;
        follow(network).await;
        let store = network.store(PRACTICE);
        let (tasks, _) = store.tasks(&work(), &TaskList::Open).await.unwrap();
        assert_eq!(tasks.len(), 2);
        let now = network.clock.now();
        let mut ring = tasks
            .iter()
            .find(|it| acts_task(&tasks, it))
            .unwrap()
            .clone();
        let was = store::desk::TaskWas::At(ring.version);
        ring.state = TaskState::Done;
        let done = DeskWrite::Task {
            task: Box::new(ring.clone()),
            was,
        };
        store
            .commit(&work(), Job::effect(Effect::Desk(done)))
            .await
            .unwrap();
        let came = undo::all(store, &manager(network), ("r", 0), now)
            .await
            .unwrap();
        assert_eq!((came.undone, came.stay, came.more), (1, 1, false));
        let (open, _) = store.tasks(&work(), &TaskList::Open).await.unwrap();
        assert!(open.is_empty());
        let (over, _) = store.tasks(&work(), &TaskList::Over).await.unwrap();
        assert_eq!(
            over.iter().filter(|it| it.state == TaskState::Done).count(),
            1
        );
    });
}

/// A referral comes to the hospital, and a rule there gives somebody a task.
#[test]
fn a_referral_that_comes_is_an_event_where_it_comes_and_not_where_it_was_made() {
    on_each_database(async |network, _| {
        referring::knows_una(network).await;
        let todo = step("assign", json!({ "description": "Look at it today." }));
        let rule = plan("priority = 'urgent'", &[todo]);
        let rule = rule
            .to_string()
            .replace("letter-received", "referral-received");
        for at in [PRACTICE, HOSPITAL] {
            network.put(at, "r", &rule).await;
            let on = RuleWrite::On {
                rule: "r".into(),
                version: 1,
                title: "Attendances".into(),
                events: vec![Event::ReferralReceived],
                today: 0,
                by: ann(),
            };
            let job = Job::effect(Effect::Rule(on));
            network.store(at).commit(&work(), job).await.unwrap();
        }
        referring::refer(network, "once").await;
        referring::carry(network).await;
        for (at, count) in [(PRACTICE, 0), (HOSPITAL, 1)] {
            while network.nodes[at].follow_rules().await.unwrap() > 0 {}
            let store = network.store(at);
            let (tasks, _) = store.tasks(&work(), &TaskList::Open).await.unwrap();
            assert_eq!(tasks.len(), count);
            assert!(tasks.iter().all(|it| it.patient == "una-there"));
        }
    });
}

/// A questionnaire that can be asked.
async fn questionnaire(network: &Network) {
    let asks = json!({
        "resourceType": "Questionnaire", "status": "active", "title": "How you are",
        "url": "urn:example:questionnaire",
        "item": [{ "linkId": "1", "type": "boolean", "text": "Are you well?" }],
    });
    network.put(PRACTICE, "q", &asks.to_string()).await;
}

/// The first of them.
fn acts_task(tasks: &[store::desk::Task], it: &store::desk::Task) -> bool {
    tasks[0].id == it.id
}
