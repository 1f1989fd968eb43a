//! What may go into the pack that staff open when everything is off: what any of the organisation's staff on duty may
//! see, and nothing that is kept from any of them.

use std::sync::Arc;

use fhir::date::Millis;

use crate::audit::Agent;
use crate::interaction::Interaction;
use crate::ods::Ods;
use crate::purpose::SystemPurpose;
use crate::scope::{Reach, Scope};
use crate::standing::{Standing, Withholds};

impl Scope {
    /// The organisation's records without what is sealed, what patients do not want seen and where restricted patients
    /// live: nobody is in any team when a pack is opened from a folder. `standing` is what the store knows of an
    /// account that is in no team and has opened nothing.
    pub fn downtime(own: &Ods, standing: &Standing, now: Millis) -> Scope {
        let withholds = Withholds {
            now,
            has_dissents: standing.has_dissents,
            has_sealed: standing.has_sealed,
            unconfirmed_before: standing.unconfirmed_before,
            may_hide: true,
            ..Withholds::default()
        };
        Scope::new(
            Reach::Organisation(own.clone()),
            Interaction::Downtime,
            Agent::node(),
            SystemPurpose::KeepDowntime.code(),
            Arc::from(""),
        )
        .without(withholds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_downtime_pack_reaches_one_organisation_opens_nothing_and_changes_nothing() {
        let own = Ods::parse("A81001").unwrap();
        let standing = Standing {
            has_dissents: true,
            ..Standing::default()
        };
        let scope = Scope::downtime(&own, &standing, 5);
        assert_eq!(*scope.reach(), Reach::Organisation(own));
        assert!(scope.may_look() && !scope.may_change() && !scope.may_audit());
        let withholds = scope.withholds().unwrap();
        assert!(withholds.has_dissents && withholds.may_hide);
        assert!(withholds.located.is_empty() && withholds.opened.is_empty());
        assert!(withholds.workgroups.is_empty());
    }
}
