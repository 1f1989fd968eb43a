//! Whole searches, with chains, `_has`, order, pages and includes, over random data and under random
//! scopes: what they find is what a plain reading of the rules picks from what can be read one by
//! one.

use std::collections::BTreeSet;

use access::{Interaction, Scope};
use fhir::search::{Limits, Search};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use store::testing::{START, on_each_database};
use store::{AuditDurability, Change, Expect, Reading, Release, Settings, Store};

use crate::people::{commit, patient, prepared, staff, system};

const ORGANISATIONS: [&str; 2] = ["A81001", "B82002"];
const GENDERS: [&str; 2] = ["female", "male"];

#[derive(Clone, Debug)]
struct Person {
    gender: usize,
    organisation: usize,
    released: bool,
}

#[derive(Clone, Debug)]
struct Seen {
    subject: usize,
    code: usize,
    day: Option<usize>,
    organisation: usize,
    released: bool,
    deleted: bool,
}

#[derive(Clone, Debug)]
struct World {
    people: Vec<Person>,
    seen: Vec<Seen>,
}

/// What is asked, in parts that a plain reading understands.
#[derive(Clone, Debug)]
enum Asked {
    Code(usize),
    NotCode(usize),
    From(usize),
    NoDate,
    /// The subject's gender.
    Chain(usize),
    /// The subject has another observation of that code.
    Both(usize),
}

#[derive(Clone, Debug)]
struct Question {
    asked: Vec<Asked>,
    sort: usize,
    include: bool,
    scope: usize,
    count: usize,
}

const SORTS: [&str; 7] = [
    "",
    "date",
    "-date",
    "code",
    "-code,date",
    "_id",
    "-_lastUpdated",
];

fn world() -> impl Strategy<Value = World> {
    let person =
        (0..2_usize, 0..2_usize, any::<bool>()).prop_map(|(gender, organisation, released)| {
            Person {
                gender,
                organisation,
                released,
            }
        });
    let day = prop_oneof![Just(None), (1..4_usize).prop_map(Some)];
    let seen = (0..3_usize, 0..3_usize, day, 0..2_usize, 0..3_u8, 0..6_u8).prop_map(
        |(subject, code, day, organisation, release, fate)| Seen {
            subject,
            code,
            day,
            organisation,
            released: release > 0,
            deleted: fate == 0,
        },
    );
    let people = prop::collection::vec(person, 3..=3);
    let seen = prop::collection::vec(seen, 1..16);
    (people, seen).prop_map(|(people, seen)| World { people, seen })
}

fn question() -> impl Strategy<Value = Question> {
    let asked = prop_oneof![
        (0..3_usize).prop_map(Asked::Code),
        (0..3_usize).prop_map(Asked::NotCode),
        (1..4_usize).prop_map(Asked::From),
        Just(Asked::NoDate),
        (0..2_usize).prop_map(Asked::Chain),
        (0..3_usize).prop_map(Asked::Both),
    ];
    let asked = prop::collection::vec(asked, 0..3);
    (asked, 0..SORTS.len(), any::<bool>(), 0..4_usize, 1..5_usize).prop_map(
        |(asked, sort, include, scope, count)| Question {
            asked,
            sort,
            include,
            scope,
            count,
        },
    )
}

fn query(question: &Question) -> Search {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for asked in &question.asked {
        let (name, value) = match asked {
            Asked::Code(code) => ("code", format!("c{code}")),
            Asked::NotCode(code) => ("code:not", format!("c{code}")),
            Asked::From(day) => ("date", format!("ge2024-01-0{day}")),
            Asked::NoDate => ("date:missing", "true".into()),
            Asked::Chain(gender) => ("subject:Patient.gender", GENDERS[*gender].into()),
            Asked::Both(code) => (
                "subject:Patient._has:Observation:subject:code",
                format!("c{code}"),
            ),
        };
        pairs.push((name.into(), value));
    }
    if question.sort > 0 {
        pairs.push(("_sort".into(), SORTS[question.sort].into()));
    }
    if question.include {
        pairs.push(("_include".into(), "Observation:subject".into()));
    }
    pairs.push(("_count".into(), question.count.to_string()));
    Search::parse("Observation", &pairs, "", &Limits::default()).unwrap()
}

fn observation(seen: &Seen) -> String {
    let day = seen.day.map_or(String::new(), |day| {
        format!(r#","effectiveDateTime":"2024-01-0{day}""#)
    });
    format!(
        r#"{{"resourceType":"Observation","status":"final","code":{{"coding":[{{"code":"c{}"}}]}},"subject":{{"reference":"Patient/p{}"}}{day}}}"#,
        seen.code, seen.subject
    )
}

fn put(text: &str, id: &str, organisation: usize, released: bool) -> Change {
    Change::Put {
        resource: prepared(text, id, ORGANISATIONS[organisation]),
        expect: Expect::Absent,
        release: match released {
            true => Release::At(START),
            false => Release::Never,
        },
    }
}

async fn fill(store: &Store, world: &World) {
    let mut changes = Vec::new();
    for (number, person) in world.people.iter().enumerate() {
        let gender = GENDERS[person.gender];
        let text = format!(r#"{{"resourceType":"Patient","gender":"{gender}"}}"#);
        let id = format!("p{number}");
        changes.push(put(&text, &id, person.organisation, person.released));
    }
    for (number, seen) in world.seen.iter().enumerate() {
        let id = format!("o{number}");
        changes.push(put(
            &observation(seen),
            &id,
            seen.organisation,
            seen.released,
        ));
    }
    commit(store, changes).await.unwrap();
    let deleted = world
        .seen
        .iter()
        .enumerate()
        .filter(|(_, seen)| seen.deleted);
    for (number, _) in deleted {
        let gone = crate::people::delete("Observation", &format!("o{number}"), Expect::Exists);
        commit(store, vec![gone]).await.unwrap();
    }
}

/// What can be read, one by one.
async fn readable(store: &Store, scope: &Scope, ty: &str, letter: char, count: usize) -> Vec<bool> {
    let mut readable = Vec::new();
    for number in 0..count {
        let read = store.read(scope, ty, &format!("{letter}{number}")).await;
        readable.push(matches!(read.unwrap(), Reading::Found(_)));
    }
    readable
}

/// The rules, read plainly: the numbers of the observations, in their order.
fn expected(world: &World, question: &Question, people: &[bool], seen: &[bool]) -> Vec<usize> {
    let holds = |one: &Seen, asked: &Asked| match asked {
        Asked::Code(code) => one.code == *code,
        Asked::NotCode(code) => one.code != *code,
        Asked::From(from) => one.day.is_some_and(|day| day >= *from),
        Asked::NoDate => one.day.is_none(),
        Asked::Chain(gender) => people[one.subject] && world.people[one.subject].gender == *gender,
        Asked::Both(code) => {
            let mut others = world.seen.iter().zip(seen);
            people[one.subject]
                && others.any(|(other, seen)| {
                    *seen && other.subject == one.subject && other.code == *code
                })
        }
    };
    let all = world
        .seen
        .iter()
        .enumerate()
        .zip(seen)
        .filter(|(_, seen)| **seen);
    let matching = all.filter(|((_, one), _)| question.asked.iter().all(|it| holds(one, it)));
    let mut found: Vec<usize> = matching.map(|((number, _), _)| number).collect();
    let day = |number: &usize| world.seen[*number].day;
    let code = |number: &usize| world.seen[*number].code;
    match SORTS[question.sort] {
        "date" => found.sort_by_key(|it| (day(it).is_none(), day(it))),
        "-date" => found.sort_by_key(|it| (day(it).is_none(), std::cmp::Reverse(day(it)))),
        "code" => found.sort_by_key(code),
        "-code,date" => {
            found.sort_by_key(|it| (std::cmp::Reverse(code(it)), day(it).is_none(), day(it)));
        }
        "_id" => found.sort_by_key(|it| format!("o{it}")),
        // All were written at the same time.
        _ => {}
    }
    found
}

async fn check(store: &Store, world: &World, question: &Question) {
    let scope = match question.scope {
        0 => system(),
        1 => staff(ORGANISATIONS[0], Interaction::Search),
        2 => staff(ORGANISATIONS[1], Interaction::Search),
        _ => patient("p0", Interaction::Search, START),
    };
    let people = readable(store, &scope, "Patient", 'p', world.people.len()).await;
    let seen = readable(store, &scope, "Observation", 'o', world.seen.len()).await;
    let expected = expected(world, question, &people, &seen);
    let mut search = query(question);
    let (mut found, mut grown) = (Vec::new(), 0);
    loop {
        let page = store.search(&scope, &search).await.unwrap();
        let mut subjects = BTreeSet::new();
        for entry in &page.entries {
            // What came while paging is no matter here.
            if let Some(number) = entry.id.strip_prefix('o') {
                let number: usize = number.parse().unwrap();
                found.push(number);
                if people[world.seen[number].subject] {
                    subjects.insert(format!("p{}", world.seen[number].subject));
                }
            } else if people[0] {
                subjects.insert("p0".to_string());
            }
        }
        let included: Vec<String> = page.included.iter().map(|it| it.id.clone()).collect();
        let once: BTreeSet<String> = included.iter().cloned().collect();
        assert_eq!(once.len(), included.len(), "{question:?}");
        match question.include {
            true => assert_eq!(once, subjects, "{question:?}"),
            false => assert!(once.is_empty()),
        }
        let Some(next) = page.next else { break };
        search.after = Some(next);
        if grown < 3 {
            let text = observation(&Seen {
                subject: 0,
                code: grown,
                day: Some(grown + 1),
                organisation: 0,
                released: true,
                deleted: false,
            });
            // Each in a store of its own: the first question's growth is the second's data no more.
            let id = format!("g{}", uuid_like(question, grown));
            commit(store, vec![put(&text, &id, 0, true)]).await.unwrap();
            grown += 1;
        }
        assert!(found.len() < 100, "never ends: {question:?}");
    }
    assert_eq!(found, expected, "{question:?} {world:?}");
}

fn uuid_like(question: &Question, grown: usize) -> String {
    format!(
        "{}-{}-{}-{grown}",
        question.sort, question.scope, question.count
    )
}

#[test]
fn a_search_finds_what_the_rules_pick_from_what_can_be_read_one_by_one() {
    let mut runner = TestRunner::new(Config {
        cases: 25,
        failure_persistence: None,
        ..Config::default()
    });
    runner
        .run(&(world(), question(), question()), |(world, one, two)| {
            on_each_database(async |ground| {
                let settings = Settings {
                    audit: AuditDurability::WithinOneSecond,
                    ..ground.settings.clone()
                };
                let store = Store::open(settings).await.unwrap();
                fill(&store, &world).await;
                // The second question's chains would see what grew under the first.
                let first = Question {
                    count: 50,
                    ..one.clone()
                };
                check(&store, &world, &first).await;
                let plain = |asked: &Asked| !matches!(asked, Asked::Both(_));
                if two.asked.iter().all(plain) {
                    check(&store, &world, &two).await;
                } else {
                    let whole = Question {
                        count: 50,
                        ..two.clone()
                    };
                    check(&store, &world, &whole).await;
                }
                store.close().await;
            });
            Ok(())
        })
        .unwrap();
}
