//! By what one may sign in.

use serde::Deserialize;

use crate::sign_in::begin::Door;

/// One way to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// Staff: another system says who they are and which roles they have, in the shape of CIS2.
    Oidc,
    /// Patients: NHS login.
    NhsLogin,
    Passkey,
    /// A password and a code of an authenticator app.
    PasswordTotp,
    /// A password alone: for demos, with made-up people.
    Password,
}

/// By what staff and patients may sign in.
#[derive(Clone, Debug)]
pub struct Ways {
    pub staff: Vec<Way>,
    pub patients: Vec<Way>,
}

impl Ways {
    pub(crate) fn of(&self, door: Door) -> &[Way] {
        match door {
            Door::Staff => &self.staff,
            Door::Patient => &self.patients,
        }
    }

    pub(crate) fn have(&self, door: Door, way: Way) -> bool {
        self.of(door).contains(&way)
    }

    /// Whether that door takes passwords, with or without a code.
    pub(crate) fn have_passwords(&self, door: Door) -> bool {
        self.have(door, Way::Password) || self.have(door, Way::PasswordTotp)
    }
}

impl Default for Ways {
    /// Everything that needs no other system: for demos and tests.
    fn default() -> Ways {
        Ways {
            staff: vec![Way::Passkey, Way::PasswordTotp, Way::Password],
            patients: vec![Way::Passkey, Way::Password],
        }
    }
}
