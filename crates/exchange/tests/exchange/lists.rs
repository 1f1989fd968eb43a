use access::{Interaction, Role};
use store::parcels::{Action, ListFilter, Place, Show, State};

use crate::network::{HOSPITAL, PHARMACY, PRACTICE, on_each_database};

#[test]
fn a_letter_for_a_stranger_waits_for_a_person_who_says_whose_it_is() {
    on_each_database(async |network, _| {
        let mut letter = network.letter("p1");
        letter.birth_date = Some("1980-02-02".into());
        let sent = network.send(letter).await;
        network.carry().await;
        let unmatched = network.list(PRACTICE, Show::Unmatched).await;
        assert_eq!(unmatched.len(), 1);
        let reason = unmatched[0].reason.clone().unwrap();
        assert!(reason.contains("another date of birth"), "{reason}");
        assert!(network.list(PRACTICE, Show::ToDo).await.is_empty());
        let pid = unmatched[0].pid;
        assert!(
            network.clerk(pid, Action::File).await.is_err(),
            "whose is it?"
        );
        let scope = network.staff(PRACTICE, "Clara Clerk", Role::Clerk, Interaction::Item);
        let part = network.store(PRACTICE).part(&scope, pid, 0).await.unwrap();
        assert!(
            part.bytes.starts_with(b"Letter p1"),
            "it can be read before it is matched"
        );
        let patient = "una".to_string();
        network.clerk(pid, Action::Match { patient }).await.unwrap();
        network.carry().await;
        let letter = network.received().await;
        assert_eq!(letter.made.patient.as_deref(), Some("una"));
        network.clerk(pid, Action::File).await.unwrap();
        network.tell().await;
        assert_eq!(network.state(HOSPITAL, sent).await, State::Filed);
    });
}

#[test]
fn only_number_and_birth_date_and_family_name_together_match() {
    on_each_database(async |network, _| {
        network
            .register(PRACTICE, "twin", "9434765870", "Ash", "1990-01-01")
            .await;
        network
            .register(PRACTICE, "twin2", "9434765870", "ASH", "1990-01-01")
            .await;
        type Change = fn(&mut exchange::Letter);
        let cases: [(&str, Change, &str); 5] = [
            (
                "name",
                |it| it.family = "Oak".into(),
                "another date of birth or family name",
            ),
            (
                "born",
                |it| it.birth_date = None,
                "no NHS number or no date of birth",
            ),
            (
                "number",
                |it| it.nhs_number = None,
                "no NHS number or no date of birth",
            ),
            (
                "unknown",
                |it| it.nhs_number = Some(access::NhsNumber::parse("4010232137").unwrap()),
                "Nobody here has this NHS number",
            ),
            (
                "double",
                |it| {
                    it.nhs_number = Some(access::NhsNumber::parse("9434765870").unwrap());
                    it.birth_date = Some("1990-01-01".into());
                },
                "More than one record",
            ),
        ];
        for (id, change, _) in &cases {
            let mut letter = network.letter(id);
            change(&mut letter);
            network.send(letter).await;
        }
        network.carry().await;
        let unmatched = network.list(PRACTICE, Show::Unmatched).await;
        for (id, _, expected) in cases {
            let letter = unmatched.iter().find(|it| it.id == id).unwrap();
            let reason = letter.reason.as_deref().unwrap();
            assert!(reason.contains(expected), "{id}: {reason}");
        }
        assert_eq!(network.taken_in().await, 0);
    });
}

#[test]
fn lists_are_paged_by_key_and_show_an_organisation_only_its_own() {
    on_each_database(async |network, _| {
        for number in 0..5 {
            let mut letter = network.letter(&format!("p{number}"));
            letter.urgent = number == 2;
            network.send(letter).await;
        }
        network.carry().await;
        let scope = network.staff(PRACTICE, "Clara Clerk", Role::Clerk, Interaction::Inbox);
        let mut filter = ListFilter {
            count: 2,
            ..ListFilter::new(Show::ToDo)
        };
        let mut ids = Vec::new();
        loop {
            let page = network
                .store(PRACTICE)
                .letters(&scope, &filter)
                .await
                .unwrap();
            ids.extend(page.letters.into_iter().map(|it| it.id));
            filter.after = page.next;
            if filter.after.is_none() {
                break;
            }
        }
        assert_eq!(ids.len(), 5);
        assert_eq!(ids[0], "p2", "urgent first");
        let counts = network.store(PRACTICE).letter_counts(&scope).await.unwrap();
        assert_eq!((counts.to_do, counts.urgent, counts.unmatched), (5, 1, 0));
        let stranger = network.staff(PHARMACY, "Phil", Role::Clerk, Interaction::Inbox);
        let page = network
            .store(PRACTICE)
            .letters(&stranger, &ListFilter::new(Show::AllIn))
            .await;
        assert!(page.unwrap().letters.is_empty());
        let pid = network.list(PRACTICE, Show::AllIn).await[0].pid;
        assert!(network.store(PRACTICE).item(&stranger, pid).await.is_err());
        let act = network.store(PRACTICE).act(&scope, pid, Action::Open).await;
        assert!(act.is_err(), "a scope to look is no scope to act");
    });
}

#[test]
fn a_clerk_does_not_act_on_a_letter_and_an_engineer_does_not_see_one() {
    on_each_database(async |network, _| {
        network.send(network.letter("p1")).await;
        network.carry().await;
        let pid = network.received().await.pid;
        let outcome = "done".to_string();
        assert!(network.clerk(pid, Action::ActOn { outcome }).await.is_err());
        let engineer = network.staff(PRACTICE, "Ed", Role::Engineer, Interaction::WorkList);
        let store = network.store(PRACTICE);
        assert!(
            store
                .letters(&engineer, &ListFilter::new(Show::AllIn))
                .await
                .is_err()
        );
        assert!(store.item(&engineer, pid).await.is_err());
        assert!(store.notices(&engineer).await.is_err());
        store.stuck(&engineer, Place::default(), 10).await.unwrap();
        store.waits(&engineer, 10).await.unwrap();
        assert_eq!(store.neighbours(&engineer).await.unwrap().len(), 0);
        let sent = network.store(HOSPITAL).neighbours(&engineer).await.unwrap();
        assert_eq!((sent[0].ods.as_str(), sent[0].waiting), ("A81001", 0));
        assert!(sent[0].last_ok_at.is_some());
    });
}
