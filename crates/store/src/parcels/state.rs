//! The states of a parcel and the one table of which may follow which.

/// Where a parcel is, in the words of the glossary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Written down by the sender.
    Accepted,
    /// A try to deliver failed; another follows.
    Waiting,
    /// Stored by the receiver.
    Delivered,
    /// A person looked at it.
    Opened,
    /// A clerk or a rule put it away.
    Filed,
    /// A named clinician recorded an outcome.
    ActedOn,
    /// Sent back with a reason.
    Returned,
    /// Taken back by the sender.
    Withdrawn,
    /// A newer letter stands in its place.
    Superseded,
    /// Not delivered in time, or refused by the other node.
    Undeliverable,
}

/// All states.
pub const STATES: [State; 10] = [
    State::Accepted,
    State::Waiting,
    State::Delivered,
    State::Opened,
    State::Filed,
    State::ActedOn,
    State::Returned,
    State::Withdrawn,
    State::Superseded,
    State::Undeliverable,
];

/// Whose step it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    Sender,
    Receiver,
}

impl State {
    /// The word in tables and on the wire.
    pub fn code(self) -> &'static str {
        match self {
            State::Accepted => "accepted",
            State::Waiting => "waiting",
            State::Delivered => "delivered",
            State::Opened => "opened",
            State::Filed => "filed",
            State::ActedOn => "acted-on",
            State::Returned => "returned",
            State::Withdrawn => "withdrawn",
            State::Superseded => "superseded",
            State::Undeliverable => "undeliverable",
        }
    }

    /// The state of that word.
    pub fn from_code(code: &str) -> Option<State> {
        STATES.into_iter().find(|state| state.code() == code)
    }

    /// Which side brings a parcel into this state.
    pub fn side(self) -> Side {
        match self {
            State::Accepted
            | State::Waiting
            | State::Withdrawn
            | State::Superseded
            | State::Undeliverable => Side::Sender,
            State::Delivered | State::Opened | State::Filed | State::ActedOn | State::Returned => {
                Side::Receiver
            }
        }
    }

    /// Whether `next` may follow. A receiver's state may be reached from a sender's state that comes
    /// long before it, since a later receipt can overtake an earlier one; never the way back.
    pub fn may_become(self, next: State) -> bool {
        match self {
            State::Accepted | State::Waiting => next != State::Accepted,
            // A person may have it sent again, and a receipt may still come.
            State::Undeliverable => !matches!(next, State::Accepted | State::Undeliverable),
            State::Delivered => matches!(
                next,
                State::Opened
                    | State::Filed
                    | State::ActedOn
                    | State::Returned
                    | State::Withdrawn
                    | State::Superseded
            ),
            State::Opened => matches!(
                next,
                State::Filed
                    | State::ActedOn
                    | State::Returned
                    | State::Withdrawn
                    | State::Superseded
            ),
            State::Filed => {
                matches!(next, State::ActedOn | State::Withdrawn | State::Superseded)
            }
            State::ActedOn => matches!(next, State::Withdrawn | State::Superseded),
            // A letter that was wrong is withdrawn, though a newer one stands in its place.
            State::Superseded => next == State::Withdrawn,
            State::Returned | State::Withdrawn => false,
        }
    }

    /// Whether nothing more can follow.
    pub fn is_final(self) -> bool {
        !STATES.into_iter().any(|next| self.may_become(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_names_one_state() {
        for state in STATES {
            assert_eq!(State::from_code(state.code()), Some(state));
        }
        assert_eq!(State::from_code("lost"), None);
    }

    /// The table as people read it: a row a state, `x` where the column's state may follow.
    #[test]
    fn the_table_of_what_may_follow_what() {
        let expected = [
            //                acc wai del ope fil act ret wit sup und
            ("accepted", ". x x x x x x x x x"),
            ("waiting", ". x x x x x x x x x"),
            ("delivered", ". . . x x x x x x ."),
            ("opened", ". . . . x x x x x ."),
            ("filed", ". . . . . x . x x ."),
            ("acted-on", ". . . . . . . x x ."),
            ("returned", ". . . . . . . . . ."),
            ("withdrawn", ". . . . . . . . . ."),
            ("superseded", ". . . . . . . x . ."),
            ("undeliverable", ". x x x x x x x x ."),
        ];
        for (code, row) in expected {
            let state = State::from_code(code).unwrap();
            let told: Vec<&str> = STATES
                .iter()
                .map(|next| if state.may_become(*next) { "x" } else { "." })
                .collect();
            assert_eq!(told.join(" "), row, "{code}");
        }
    }

    #[test]
    fn no_parcel_comes_back_to_a_state_that_it_left_but_by_being_sent_again() {
        for from in STATES {
            for to in STATES
                .into_iter()
                .filter(|to| from.may_become(*to) && to.may_become(from))
            {
                let pair = [from, to];
                assert!(pair.contains(&State::Waiting), "{from:?} and {to:?}");
            }
        }
    }
}
