//! What a search finds, against a plain reading of the rules and against reading one by one.

use std::sync::Arc;

use access::{
    Acquaintance, Interaction, OnFamiliar, Opening, OpeningKind, Relationships, Scope, Standing,
};
use fhir::json::{Limits, parse};
use fhir::search::{Clause, Criterion, Entry, Range, Search, System, Total, Value, extract};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use store::care::{CareWrite, Kind, Link};
use store::testing::{START, on_each_database};
use store::{AuditDurability, Change, Effect, Expect, Job, Reading, Release, Settings, Store};

use crate::people::{
    app, commit, delete, observation, patient, prepared, staff, staff_with, system,
};

/// One made-up resource, and what became of it.
#[derive(Clone, Debug)]
struct Made {
    id: usize,
    patient: usize,
    code: usize,
    day: usize,
    organisation: usize,
    release: Option<i64>,
    deleted: bool,
    /// 0 open, 1 sealed, 2 sealed and locked.
    seal: usize,
    /// About a second patient as well.
    several: bool,
}

/// What else decides: relationships and dissents of the patients p0 to p2, at a time.
#[derive(Clone, Debug)]
struct Care {
    /// The patient, whose it is (0 the organisation, 1 the account, 2 another's, 3 the team's), and
    /// when it starts and ends.
    links: Vec<(usize, usize, i64, i64)>,
    /// The patient, and whether of Observations alone.
    dissents: Vec<(usize, bool, i64, i64)>,
    opened: Option<usize>,
    unsealed: Option<usize>,
    in_team: bool,
    /// Whose record is the reader's own, which is withheld from them.
    own: Option<usize>,
}

fn care() -> impl Strategy<Value = Care> {
    let link = (0..3_usize, 0..4_usize, -1..2_i64, 0..3_i64);
    let dissent = (0..3_usize, any::<bool>(), -1..2_i64, 0..3_i64);
    (
        prop::collection::vec(link, 0..4),
        prop::collection::vec(dissent, 0..3),
        prop::option::of(0..3_usize),
        prop::option::of(0..3_usize),
        any::<bool>(),
        prop::option::weighted(0.2, 0..3_usize),
    )
        .prop_map(|(links, dissents, opened, unsealed, in_team, own)| Care {
            links,
            dissents,
            opened,
            unsealed,
            in_team,
            own,
        })
}

impl Care {
    async fn apply(&self, store: &Store) {
        let mut effects = Vec::new();
        for (number, (patient, whose, from, to)) in self.links.iter().enumerate() {
            effects.push(Effect::Care(CareWrite::Relate(Link {
                patient: format!("p{patient}"),
                organisation: "A81001".into(),
                account: [None, Some(1), Some(9), None][*whose],
                workgroup: if *whose == 3 {
                    "team".into()
                } else {
                    String::new()
                },
                kind: Kind::Encounter,
                source: format!("Encounter/{number}"),
                reason: String::new(),
                starts_at: START + from,
                ends_at: START + to,
            })));
        }
        for (number, (patient, some, from, to)) in self.dissents.iter().enumerate() {
            effects.push(Effect::Care(CareWrite::Dissent {
                patient: format!("p{patient}"),
                organisation: "A81001".into(),
                types: if *some {
                    vec!["Observation".into()]
                } else {
                    vec![]
                },
                consent: format!("c{number}"),
                starts_at: START + from,
                ends_at: START + to,
            }));
        }
        let job = Job {
            effects,
            ..Job::default()
        };
        store.commit(&system(), job).await.unwrap();
    }

    fn standing(&self, relationships: Relationships) -> Standing {
        let opening = |kind, patient: Option<usize>| {
            patient.map(|patient| Opening {
                kind,
                patient: format!("p{patient}"),
                ends_at: START + 100,
            })
        };
        let emergency = opening(OpeningKind::Emergency, self.opened);
        let unseal = opening(OpeningKind::Unseal, self.unsealed);
        Standing {
            relationships,
            acquaintance: Some(Arc::new(Acquaintance {
                own: self.own.iter().map(|own| format!("p{own}")).collect(),
                on_own: OnFamiliar::Refuse,
                ..Acquaintance::default()
            })),
            workgroups: if self.in_team {
                vec!["team".into()]
            } else {
                vec![]
            },
            openings: emergency.into_iter().chain(unseal).collect(),
            has_dissents: true,
            has_sealed: true,
            has_teams: true,
            ..Standing::default()
        }
    }

    /// The rules, read plainly.
    fn allows(&self, made: &Made, relationships: Relationships) -> bool {
        let patients = made.patients();
        let is_of = |patient: &usize| patients.contains(patient);
        let sealed_off = match made.seal {
            0 => false,
            1 => !self.in_team && !self.unsealed.iter().any(is_of),
            _ => !self.in_team,
        };
        let live = |from: i64, to: i64| from <= 0 && to > 0;
        let related = self.links.iter().any(|(patient, whose, from, to)| {
            let theirs = *whose < 2 || (*whose == 3 && self.in_team);
            is_of(patient) && theirs && live(*from, *to)
        });
        let dissented = self.dissents.iter();
        let dissented = dissented
            .filter(|(patient, _, from, to)| is_of(patient) && live(*from, *to))
            .count()
            > 0;
        let is_opened = self.opened.iter().any(is_of);
        let needed = relationships == Relationships::Required;
        let is_own = self.own.iter().any(is_of);
        made.organisation == 0
            && !sealed_off
            && !is_own
            && (is_opened || ((related || !needed) && !dissented))
    }
}

impl Made {
    fn patients(&self) -> Vec<usize> {
        if self.several {
            vec![self.patient, (self.patient + 1) % 3]
        } else {
            vec![self.patient]
        }
    }
}

fn made() -> impl Strategy<Value = Vec<Made>> {
    let one = (
        0..12_usize,
        0..3_usize,
        0..3_usize,
        1..5_usize,
        -1..2_i64,
        0..8_u8,
        (0..6_usize, 0..5_usize),
    );
    let one = one.prop_map(
        |(id, patient, code, day, release, fate, (seal, several))| Made {
            id,
            patient,
            code,
            day,
            // An id belongs to one organisation; the other may not write over it.
            organisation: id % 2,
            release: (release >= 0).then_some(START + release * 10),
            deleted: fate == 0,
            seal: if seal < 3 { seal } else { 0 },
            several: several == 0,
        },
    );
    prop::collection::vec(one, 1..40)
}

fn clause() -> impl Strategy<Value = Clause> {
    let token = (0..3_usize, any::<bool>()).prop_map(|(code, any)| Criterion::Token {
        system: if any {
            System::Any
        } else {
            System::Is("http://loinc.org".into())
        },
        code: Some(format!("c{code}")),
    });
    let target = (0..3_usize).prop_map(|patient| Criterion::Reference {
        targets: vec![format!("Patient/p{patient}")],
    });
    let date = (1..5_usize, any::<bool>()).prop_map(|(day, from)| {
        let at = fhir::date::span(&format!("2024-01-0{day}")).unwrap().low;
        let (from, before) = if from {
            (Some(at), None)
        } else {
            (None, Some(at))
        };
        Criterion::Date {
            low: Range { from, before },
            high: Range::default(),
        }
    });
    let id = (0..12_usize).prop_map(|id| Criterion::Id(format!("o{id}")));
    let several = |code: &'static str, criterion: BoxedStrategy<Criterion>| {
        let criteria = prop::collection::vec(criterion, 1..3);
        (criteria, any::<bool>()).prop_map(move |(criteria, negated)| Clause {
            code: code.into(),
            negated,
            criteria,
        })
    };
    let missing = any::<bool>().prop_map(Criterion::Missing);
    prop_oneof![
        several("code", token.boxed()),
        several("subject", target.boxed()),
        several("date", date.boxed()),
        several("_id", id.boxed()),
        several("date", missing.boxed()),
    ]
}

/// The rules, read plainly.
fn matches(id: &str, entries: &[Entry], clause: &Clause) -> bool {
    let of_code = entries.iter().filter(|entry| entry.code == clause.code);
    let within = |range: &Range, at: i64| {
        range.from.is_none_or(|from| at >= from) && range.before.is_none_or(|before| at < before)
    };
    let one = |criterion: &Criterion| match criterion {
        Criterion::Id(wanted) => id == wanted,
        Criterion::Missing(missing) => of_code.clone().next().is_none() == *missing,
        _ => of_code
            .clone()
            .any(|entry| match (criterion, &entry.value) {
                (
                    Criterion::Token { system, code },
                    Value::Token {
                        system: has,
                        code: is,
                    },
                ) => {
                    let system = match system {
                        System::Any => true,
                        System::None => has.is_none(),
                        System::Is(system) => has.as_ref() == Some(system),
                    };
                    system && code.as_ref().is_none_or(|code| code == is)
                }
                (Criterion::Reference { targets }, Value::Reference { target }) => {
                    targets.contains(target)
                }
                (
                    Criterion::Date { low, high },
                    Value::Date {
                        low: from,
                        high: to,
                    },
                ) => within(low, *from) && within(high, *to),
                _ => false,
            }),
    };
    clause.criteria.iter().any(one) != clause.negated
}

fn text(made: &Made) -> String {
    let patient = format!("p{}", made.patient);
    let text = observation(
        &patient,
        &format!("c{}", made.code),
        &format!("2024-01-0{}", made.day),
    );
    let mut more = String::new();
    if made.seal > 0 {
        let seal = ["", "sealed", "sealed-and-locked"][made.seal];
        more += &format!(
            r#""meta":{{"security":[{{"system":"urn:handover:seal","code":"{seal}"}},{{"system":"urn:handover:workgroup","code":"team"}}]}},"#
        );
    }
    if made.several {
        let second = (made.patient + 1) % 3;
        more += &format!(r#""performer":[{{"reference":"Patient/p{second}"}}],"#);
    }
    text.replacen('{', &format!("{{{more}"), 1)
}

async fn apply(store: &Store, made: &Made) {
    let id = format!("o{}", made.id);
    let organisation = if made.organisation == 0 {
        "A81001"
    } else {
        "B82002"
    };
    let change = Change::Put {
        resource: prepared(&text(made), &id, organisation),
        expect: Expect::Anything,
        release: made.release.map_or(Release::Never, Release::At),
    };
    commit(store, vec![change]).await.unwrap();
    if made.deleted {
        commit(store, vec![delete("Observation", &id, Expect::Exists)])
            .await
            .unwrap();
    }
}

/// All pages of a search, a few a page.
async fn paged(store: &Store, scope: &Scope, search: &Search) -> Vec<String> {
    let mut search = search.clone();
    search.count = 2;
    let mut found = Vec::new();
    loop {
        let page = store.search(scope, &search).await.unwrap();
        assert!(page.entries.len() <= 2);
        found.extend(page.entries.into_iter().map(|entry| entry.id));
        search.after = page.next;
        if search.after.is_none() {
            return found;
        }
    }
}

#[test]
fn p17_a_search_returns_exactly_what_matches_and_may_be_read_one_by_one() {
    let searches = prop::collection::vec(prop::collection::vec(clause(), 0..3), 6);
    let config = Config {
        cases: 8,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome =
        TestRunner::new(config).run(&(made(), searches, care()), |(made, searches, care)| {
            on_each_database(async |ground| {
                // So many reads need not each wait for the disk.
                let settings = Settings {
                    audit: AuditDurability::WithinOneSecond,
                    ..ground.settings.clone()
                };
                let store = Store::open(settings).await.unwrap();
                for made in &made {
                    apply(&store, made).await;
                }
                care.apply(&store).await;
                for clauses in &searches {
                    compare(&store, clauses, &care).await;
                }
                hold_to_the_rules(&store, &made, &care).await;
                store.close().await;
            });
            Ok(())
        });
    outcome.unwrap();
}

fn part(scopes: &str) -> access::Scope {
    app(scopes, Interaction::Search, "Observation").unwrap()
}

/// What may be read one by one is what the rules say.
async fn hold_to_the_rules(store: &Store, made: &[Made], care: &Care) {
    for relationships in [Relationships::Organisation, Relationships::Required] {
        let scope = staff_with(&care.standing(relationships), Interaction::Search, START);
        for number in 0..12 {
            let Some(last) = made.iter().rev().find(|made| made.id == number) else {
                continue;
            };
            let id = format!("o{number}");
            let reading = store.read(&scope, "Observation", &id).await.unwrap();
            let is_there = !matches!(reading, Reading::Absent);
            assert_eq!(
                is_there,
                care.allows(last, relationships),
                "{last:?} {care:?}"
            );
            let past = store.history(&scope, "Observation", &id, 9).await.unwrap();
            assert_eq!(!past.is_empty(), is_there, "{last:?} {care:?}");
        }
    }
}

async fn compare(store: &Store, clauses: &[Clause], care: &Care) {
    let scopes = [
        system(),
        staff("A81001", Interaction::Search),
        staff("B82002", Interaction::Search),
        patient("p0", Interaction::Search, START),
        patient("p1", Interaction::Search, START + 10),
        part("user/Observation.rs?code=http://loinc.org|c0,c1 user/Patient.rs"),
        part("patient/Observation.rs?code=c2"),
        part("patient/*.rs user/Observation.s?code=http://loinc.org|c1"),
        part("user/Observation.rs?code=http://other.example|c0"),
        staff_with(
            &care.standing(Relationships::Organisation),
            Interaction::Search,
            START,
        ),
        staff_with(
            &care.standing(Relationships::Required),
            Interaction::Search,
            START,
        ),
    ];
    for scope in scopes {
        let mut expected = Vec::new();
        for number in 0..12 {
            let id = format!("o{number}");
            if let Reading::Found(version) = store.read(&scope, "Observation", &id).await.unwrap() {
                let json = parse(&version.body, &Limits::default()).unwrap();
                let entries = extract("Observation", &json);
                if clauses.iter().all(|clause| matches(&id, &entries, clause)) {
                    expected.push(id);
                }
            }
        }
        let mut search = Search::all("Observation", 100);
        search.clauses = clauses.to_vec();
        search.total = Total::Accurate;
        let page = store.search(&scope, &search).await.unwrap();
        assert_eq!(page.total, Some(expected.len() as u64), "{clauses:?}");
        let mut found: Vec<_> = page.entries.into_iter().map(|entry| entry.id).collect();
        assert_eq!(found, paged(store, &scope, &search).await, "{clauses:?}");
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{clauses:?} {:?}", scope.reach());
    }
}
