//! Which patients' compartments a resource is in
//! (<https://hl7.org/fhir/R4/compartmentdefinition-patient.html>).

use crate::json::Json;

/// The ids of the Patients whose compartment holds the resource, each once: the Patient itself, what
/// refers to it as the compartment's definition says, and a Binary whose `securityContext` is the
/// Patient.
pub fn patients(_ty: &str, _resource: &Json<'_>) -> Vec<String> {
    Vec::new()
}
