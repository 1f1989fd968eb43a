//! One round through a mailbox: what is wrong with one message is noted, and what the next would meet as well ends it.

use fhir::problem::{Kind, Problem};

/// After so many in a row that were not served it is the service, and not the messages.
const UNSERVED_MAX: u32 = 3;

/// What went wrong in one round.
#[derive(Debug, Default)]
pub(crate) struct Round {
    trouble: Option<Problem>,
    unserved: u32,
}

impl Round {
    /// What came of one step; `None` if it failed and the round goes on.
    ///
    /// # Errors
    /// What ends the round.
    pub(crate) fn noted<T>(&mut self, outcome: Result<T, Problem>) -> Result<Option<T>, Problem> {
        let problem = match outcome {
            Ok(done) => {
                self.unserved = 0;
                return Ok(Some(done));
            }
            Err(problem) => problem,
        };
        self.unserved = match is_unserved(&problem) {
            true => self.unserved + 1,
            false => 0,
        };
        if is_general(&problem) || self.unserved >= UNSERVED_MAX {
            return Err(problem);
        }
        tracing::warn!(%problem, "something at MESH could not be taken; the round goes on");
        self.trouble.get_or_insert(problem);
        Ok(None)
    }

    /// The same for one message: a person is told which it is.
    ///
    /// # Errors
    /// As `noted`.
    pub(crate) fn of_message<T>(
        &mut self,
        id: &str,
        outcome: Result<T, Problem>,
    ) -> Result<Option<T>, Problem> {
        self.noted(outcome.map_err(|mut problem| {
            problem.message = format!("{} MESH calls the message {id}.", problem.message);
            problem
        }))
    }

    /// # Errors
    /// The first trouble that did not end the round.
    pub(crate) fn ended(self) -> Result<(), Problem> {
        self.trouble.map_or(Ok(()), Err)
    }
}

/// Whether every other message would fail alike: our own credentials, or a disk that is full.
fn is_general(problem: &Problem) -> bool {
    matches!(
        problem.kind,
        Kind::Security | Kind::Login | Kind::Forbidden | Kind::NoStore
    )
}

/// Whether the service or the store may be down. It may as well be about one message: a line that always breaks at it, a
/// server that always stumbles over it.
fn is_unserved(problem: &Problem) -> bool {
    matches!(
        problem.kind,
        Kind::Transient | Kind::Throttled | Kind::Timeout | Kind::Exception
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(kind: Kind) -> Result<(), Problem> {
        Err(Problem::new(kind, "It failed."))
    }

    #[test]
    fn what_is_wrong_with_one_message_is_told_at_the_end_of_the_round() {
        let mut round = Round::default();
        assert_eq!(
            round.of_message("M1", failed(Kind::Processing)).unwrap(),
            None
        );
        assert_eq!(round.of_message("M2", Ok(7)).unwrap(), Some(7));
        assert_eq!(round.of_message("M3", failed(Kind::TooLong)).unwrap(), None);
        let told = round.ended().unwrap_err();
        assert_eq!(told.message, "It failed. MESH calls the message M1.");
        assert!(Round::default().ended().is_ok());
    }

    #[test]
    fn refused_credentials_end_a_round_and_so_does_a_service_that_serves_nothing() {
        let mut round = Round::default();
        assert!(round.noted(failed(Kind::Security)).is_err());
        for _ in 0..5 {
            // One that is not served, and one that is.
            assert_eq!(round.noted(failed(Kind::Transient)).unwrap(), None);
            assert_eq!(round.noted(failed(Kind::Transient)).unwrap(), None);
            assert_eq!(round.noted(Ok(())).unwrap(), Some(()));
        }
        assert_eq!(round.noted(failed(Kind::Transient)).unwrap(), None);
        assert_eq!(round.noted(failed(Kind::Exception)).unwrap(), None);
        assert!(round.noted(failed(Kind::Transient)).is_err());
    }
}
