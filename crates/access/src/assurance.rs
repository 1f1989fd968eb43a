//! What a sign-in proves: with how many factors, of whom, and how lately.

use fhir::date::Millis;

/// The facts of a session that decisions ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Assurance {
    /// Authenticator assurance level: 1 for one factor, 2 for two.
    pub aal: u8,
    /// How far the identity is proved: 9, 5, 0 as in NHS login's P9, P5, P0.
    pub identity: u8,
    /// When its holder last proved anew who they are, in the session (step-up).
    pub stepped_up_at: Option<Millis>,
}

impl Assurance {
    /// A program's token: it was handed out by whoever was allowed to, so only the identity counts.
    pub fn of_token(identity: u8) -> Assurance {
        Assurance {
            aal: 2,
            identity,
            stepped_up_at: None,
        }
    }

    /// Whether it opens a patient's clinical data to them (P22): identity proved to P9, two factors.
    pub fn opens_clinical(&self) -> bool {
        self.identity >= 9 && self.aal >= 2
    }

    /// Whether its holder proved with two factors who they are, at most `span` milliseconds ago.
    pub fn stepped_up_within(&self, span: Millis, now: Millis) -> bool {
        let lately = |at: Millis| (0..=span).contains(&now.saturating_sub(at));
        self.aal >= 2 && self.stepped_up_at.is_some_and(lately)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p22_clinical_data_needs_an_identity_proved_to_p9_and_two_factors() {
        for (identity, aal, opens) in [
            (9, 2, true),
            (9, 3, true),
            (9, 1, false),
            (5, 2, false),
            (0, 2, false),
            (0, 0, false),
        ] {
            let assurance = Assurance {
                aal,
                identity,
                stepped_up_at: None,
            };
            assert_eq!(assurance.opens_clinical(), opens, "P{identity} AAL{aal}");
        }
    }

    #[test]
    fn a_step_up_counts_for_its_time_and_only_with_two_factors() {
        let stepped = |aal| Assurance {
            aal,
            identity: 0,
            stepped_up_at: Some(1_000),
        };
        assert!(stepped(2).stepped_up_within(500, 1_500));
        assert!(!stepped(2).stepped_up_within(500, 1_501));
        assert!(!stepped(2).stepped_up_within(500, 999));
        assert!(!stepped(1).stepped_up_within(500, 1_200));
        assert!(!Assurance::default().stepped_up_within(500, 1_200));
    }
}
