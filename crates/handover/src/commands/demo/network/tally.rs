//! Counts parcels by the tables of both ends.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use access::{Scope, SystemPurpose};
use fhir::date::Millis;
use fhir::problem::Problem;
use store::Store;
use store::parcels::{Kept, State};
use web::neighbourhood::{Line, Way};

/// Parcels of each node that are looked at, each way.
const EACH_MAX: u32 = 20_000;
/// What arrived in so many milliseconds is drawn on its way.
const LATELY_MILLIS: Millis = 4_000;

/// What one node keeps of what came in.
struct Came {
    /// Sender and id, with when it came.
    at: HashMap<(String, String), Millis>,
    /// Older ones were not looked at, if there are any.
    since: Millis,
}

/// All lines between these, in their order; and how many of each node were counted if some were not.
///
/// # Errors
/// Those of the stores.
pub async fn lines(
    order: &[&str],
    stores: &BTreeMap<String, Store>,
    now: Millis,
) -> Result<(Vec<Line>, Option<u32>), Problem> {
    let scope = Scope::system(SystemPurpose::Demo);
    // What went out first: what arrives meanwhile is then no riddle.
    let (mut out, mut came) = (BTreeMap::new(), BTreeMap::new());
    let mut is_short = false;
    for (ods, store) in stores {
        let kept = store.parcels_kept(&scope, true, EACH_MAX).await?;
        is_short |= kept.len() >= EACH_MAX as usize;
        out.insert(ods.as_str(), kept);
    }
    for (ods, store) in stores {
        let kept = store.parcels_kept(&scope, false, EACH_MAX).await?;
        let is_full = kept.len() >= EACH_MAX as usize;
        is_short |= is_full;
        let oldest = kept.last().map_or(0, |it| it.stored_at);
        let at = kept
            .into_iter()
            .map(|it| ((it.sender, it.id), it.stored_at));
        let since = if is_full { oldest } else { 0 };
        came.insert(
            ods.as_str(),
            Came {
                at: at.collect(),
                since,
            },
        );
    }
    let mut lines = Vec::new();
    for (number, a) in order.iter().enumerate() {
        for b in order.iter().skip(number + 1) {
            let way = |from: &str, to: &str| {
                let sent = out.get(from).map(Vec::as_slice).unwrap_or_default();
                came.get(to)
                    .map_or_else(Way::default, |came| counted(sent, to, came, now))
            };
            lines.push(Line {
                between: ((*a).to_owned(), (*b).to_owned()),
                is_cut: false,
                ways: [way(a, b), way(b, a)],
            });
        }
    }
    Ok((lines, is_short.then_some(EACH_MAX)))
}

/// One way: what the sender keeps, held against what came.
fn counted(sent: &[Kept], to: &str, came: &Came, now: Millis) -> Way {
    let mut way = Way::default();
    let by_wire = BTreeSet::from(["fax", "itk3"]);
    let relevant = sent.iter().filter(|it| {
        it.recipient == to && it.stored_at >= came.since && !by_wire.contains(it.kind.as_str())
    });
    for parcel in relevant {
        way.sent += 1;
        let arrived = came.at.get(&(parcel.sender.clone(), parcel.id.clone()));
        let has_receipt = !matches!(
            parcel.state,
            State::Accepted
                | State::Waiting
                | State::Undeliverable
                | State::Withdrawn
                | State::Superseded
        );
        if has_receipt {
            way.last_receipt = way.last_receipt.max(Some(parcel.state_at));
        }
        match (arrived, parcel.state) {
            (Some(at), _) => {
                way.arrived += 1;
                way.lately += u64::from((0..LATELY_MILLIS).contains(&(now - at)));
            }
            (None, State::Accepted | State::Waiting) => way.waiting += 1,
            (None, _) if has_receipt => way.lost += 1,
            (None, _) => way.ended += 1,
        }
    }
    way
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(id: &str, state: State) -> Kept {
        Kept {
            sender: "RZZ01".into(),
            recipient: "Z99001".into(),
            id: id.into(),
            kind: "letter".into(),
            urgent: false,
            state,
            stored_at: 1_000,
            state_at: 2_000,
        }
    }

    #[test]
    fn a_parcel_with_a_receipt_that_the_receiver_does_not_have_is_lost_and_nothing_else_is() {
        let sent = [
            kept("here", State::Delivered),
            kept("filed", State::Filed),
            kept("receipt-on-its-way", State::Accepted),
            kept("waiting", State::Waiting),
            kept("given-up", State::Undeliverable),
            kept("lost", State::Delivered),
        ];
        let at = ["here", "filed", "receipt-on-its-way"]
            .map(|id| (("RZZ01".to_owned(), id.to_owned()), 3_000));
        let came = Came {
            at: at.into(),
            since: 0,
        };
        let way = counted(&sent, "Z99001", &came, 4_000);
        assert_eq!(
            (
                way.sent,
                way.arrived,
                way.waiting,
                way.ended,
                way.lost,
                way.lately
            ),
            (6, 3, 1, 1, 1, 3)
        );
        assert_eq!(way.last_receipt, Some(2_000));
        assert_eq!(counted(&sent, "FZZ01", &came, 4_000), Way::default());
        // What the receiver's list no longer reaches back to is not counted, rather than called lost.
        let came = Came {
            since: 1_500,
            ..came
        };
        assert_eq!(counted(&sent, "Z99001", &came, 4_000), Way::default());
    }
}
