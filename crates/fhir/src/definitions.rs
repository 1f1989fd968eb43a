//! Facts of FHIR R4: types, elements, search parameters, the patient compartment.

/// The definitions of FHIR R4 4.0.1.
pub struct Definitions {}

impl Definitions {
    /// The table, read once a process.
    pub fn r4() -> &'static Definitions {
        &Definitions {}
    }

    /// Whether R4 has a resource type of that name.
    pub fn is_resource(&self, _name: &str) -> bool {
        true
    }
}
