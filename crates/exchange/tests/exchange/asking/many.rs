//! More organisations than are asked at a time.

use exchange::ask::{SOURCES_MAX, SourceState};
use store::ask::{AskWrite, Pointer};
use store::{Effect, Job};

use super::{BORN, ask, log, point, scope, stocked};
use crate::network::{HOSPITAL, Network, PRACTICE, UNA, on_each_database};

/// That many organisations told the hospital that they hold something of Una.
async fn told(network: &Network, count: usize) {
    for number in 0..count {
        let pointer = Pointer {
            custodian: format!("Y{number:04}"),
            home: network.ods(PRACTICE).to_string(),
            nhs_number: UNA.into(),
            birth_date: BORN.into(),
            family: "Ash".into(),
            version: 1,
            withdrawn: false,
        };
        let hold = Effect::Ask(AskWrite::Hold(Box::new(pointer)));
        let store = network.store(HOSPITAL);
        store.commit(&scope(), Job::effect(hold)).await.unwrap();
    }
}

#[test]
fn of_more_sources_than_are_asked_each_is_named_and_the_cut_is_said() {
    on_each_database(async |network, _| {
        stocked(network).await;
        point(network).await;
        told(network, 40).await;
        let shared = ask(network).await;
        assert!(shared.is_cut);
        let why = |state: &SourceState| match state {
            SourceState::Silent { why, .. } => why.clone(),
            _ => String::new(),
        };
        let not_asked = |it: &&exchange::ask::Source| why(&it.state).starts_with("Not asked");
        let left = shared.sources.iter().filter(not_asked).count();
        let named = shared.sources.len();
        assert_eq!(named - left, SOURCES_MAX, "{:?}", shared.sources);
        let pointed = |it: &&exchange::ask::Source| it.organisation.as_str().starts_with("Y0");
        let count = shared.sources.iter().filter(pointed).count();
        assert_eq!(count, 40, "everybody who holds something is named");
        // The line in the log names those who were asked, and nobody else.
        let lines = log(network, HOSPITAL).await;
        let asked: usize = lines
            .iter()
            .filter_map(|it| {
                it.target
                    .query
                    .as_deref()?
                    .strip_prefix("asked=")
                    .map(str::to_owned)
            })
            .map(|it| it.split(',').count())
            .sum();
        assert_eq!(asked, SOURCES_MAX);
    });
}
