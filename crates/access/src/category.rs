//! The sorts of thing that patients speak of when they say what may be seen: of organisations, and of
//! people who act for them.

/// A sort of thing in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Category {
    /// Its word in forms and tables.
    pub code: &'static str,
    /// What people read.
    pub name: &'static str,
    /// The resource types that it is.
    pub types: &'static [&'static str],
}

/// What can be kept from an organisation, and shown to somebody who acts for the patient.
pub const CATEGORIES: [Category; 6] = [
    Category {
        code: "letters",
        name: "Letters",
        types: &["Binary", "Composition", "DocumentReference"],
    },
    Category {
        code: "results",
        name: "Results and measurements",
        types: &["DiagnosticReport", "Observation"],
    },
    Category {
        code: "medicines",
        name: "Medicines",
        types: &[
            "MedicationAdministration",
            "MedicationDispense",
            "MedicationRequest",
            "MedicationStatement",
            // What the patient asked for, and how far it is.
            "Task",
        ],
    },
    Category {
        code: "allergies",
        name: "Allergies",
        types: &["AllergyIntolerance"],
    },
    Category {
        code: "conditions",
        name: "Conditions and treatments",
        types: &["CarePlan", "Condition", "Procedure"],
    },
    Category {
        code: "visits",
        name: "Visits and referrals",
        types: &["Appointment", "Encounter", "ServiceRequest"],
    },
];

/// Only for people who act for the patient, and never given unasked: where the patient lives, to order
/// medicines, to answer questionnaires, and who looked.
pub const FOR_PEOPLE: [Category; 4] = [
    Category {
        code: "details",
        name: "Name, address and other details",
        types: &["Patient"],
    },
    Category {
        code: ORDERS,
        name: "Order the repeat medicines that they see",
        types: &[],
    },
    Category {
        code: QUESTIONNAIRES,
        name: "Answer questionnaires for them",
        types: &["QuestionnaireResponse"],
    },
    Category {
        code: ACCESS_LOG,
        name: "Who looked at the record",
        types: &[],
    },
];

/// The word of the category that opens no resource, but lets somebody ask for what they see.
pub const ORDERS: &str = "orders";
/// The word of the category that lets somebody answer for the patient, and see what was answered.
pub const QUESTIONNAIRES: &str = "questionnaires";
/// The word of the category that opens no resource, but the list of who looked.
pub const ACCESS_LOG: &str = "access-log";

/// All that somebody who acts for a patient can be given.
pub fn for_people() -> impl Iterator<Item = &'static Category> {
    CATEGORIES.iter().chain(&FOR_PEOPLE)
}
