//! Parcels of one request about the same patient: none becomes readable before one that was sent before it
//! ([decision 340](../../../../docs/decisions/0340-one-patient-s-parcels-keep-their-order.md)).

use store::parcels::{Named, Parcel};

/// The parcels of a request so far.
#[derive(Default)]
pub(super) struct Order {
    earlier: Vec<Earlier>,
}

struct Earlier {
    id: String,
    urgent: bool,
    named: Named,
}

impl Order {
    /// The parcels that must be here before this one: the last before it about the same patient, and the last urgent one. An urgent
    /// one waits for no routine one. It is then one of those so far.
    pub(super) fn before(&mut self, parcel: &Parcel) -> Vec<String> {
        let last = |urgent: bool| {
            let mut earlier = self.earlier.iter().rev();
            earlier.find(|it| it.urgent == urgent && may_be_one(&it.named, &parcel.named))
        };
        let routine = last(false).filter(|_| !parcel.urgent);
        let before = last(true).into_iter().chain(routine);
        let before = before.map(|it| it.id.clone()).collect();
        self.earlier.push(Earlier {
            id: parcel.id.clone(),
            urgent: parcel.urgent,
            named: parcel.named.clone(),
        });
        before
    }

    /// Nothing waits for that parcel.
    pub(super) fn forget(&mut self, id: &str) {
        self.earlier.retain(|it| it.id != id);
    }
}

/// Whether two parcels may be about one patient: by the NHS number, and where one of them has none, by name and date of birth.
fn may_be_one(one: &Named, other: &Named) -> bool {
    if let (Some(one), Some(other)) = (&one.nhs_number, &other.nhs_number) {
        return one == other;
    }
    let is_named = !one.family.is_empty() || one.birth_date.is_some();
    is_named
        && one.birth_date == other.birth_date
        && one.family.to_lowercase() == other.family.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(number: Option<&str>, family: &str) -> Named {
        Named {
            nhs_number: number.map(str::to_owned),
            birth_date: Some("1980-02-01".into()),
            family: family.into(),
            given: "Una".into(),
        }
    }

    #[test]
    fn two_are_of_one_patient_by_number_or_else_by_name_and_birth() {
        let una = named(Some("9434765919"), "Ash");
        assert!(may_be_one(&una, &named(Some("9434765919"), "Oak")));
        assert!(!may_be_one(&una, &named(Some("9990000018"), "Ash")));
        assert!(may_be_one(&una, &named(None, "ASH")));
        assert!(!may_be_one(&una, &named(None, "Oak")));
        // Messages between mailboxes name nobody.
        assert!(!may_be_one(&Named::default(), &Named::default()));
    }
}
