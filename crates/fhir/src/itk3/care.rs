//! Transfer of Care: the four documents, what each is known by, and what it holds by its headings.
//!
//! The facts are those of NHS Digital's public repositories `nhsconnect/ITK3-FHIR-eDischarge`,
//! `nhsconnect/ITK-FHIR-Mental-Health-eDischarge`, `nhsconnect/ITK-FHIR-Emergency-Care-eDischarge` and
//! `nhsconnect/ITK-FHIR-Outpatient-Letter` (pages about headings, document profiles, message definitions and
//! replacement). What they leave open, and what is taken instead, is in decision 379.

/// Which of the four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    Inpatient,
    MentalHealth,
    Emergency,
    Outpatient,
}

/// A heading: its title, and its code in SNOMED CT.
pub type Heading = (&'static str, &'static str);

/// What a document of these holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure {
    pub care: Care,
    /// The name of the practice whose ODS code the document bears; empty if it is not known.
    pub practice_name: String,
    /// The days of admission (or arrival) and discharge, `YYYY-MM-DD`; empty where not known.
    pub admitted: String,
    pub discharged: String,
    pub sections: Vec<Section>,
}

/// What stands under one heading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    pub heading: Heading,
    /// At least one that says something.
    pub blocks: Vec<Block>,
    /// The resource that tells the same in codes.
    pub about: Option<About>,
}

/// A piece of a section's narrative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A heading inside the section.
    Heading(String),
    Line(String),
    /// Rows of cells; the first row names the columns.
    Table(Vec<Vec<String>>),
}

/// A resource of the document that a section is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    Patient,
    Practice,
    Author,
    Stay,
}

struct Facts {
    workflow: &'static str,
    /// The code of ITK-MessageEvent-2, and what it is called there.
    event: (&'static str, &'static str),
    definition: &'static str,
    composition: &'static str,
    /// The document's type in SNOMED CT.
    ty: (&'static str, &'static str),
    /// The class of its Encounter.
    class: (&'static str, &'static str),
}

const INPATIENT: Facts = Facts {
    workflow: "TOC_FHIR_IP_DISCH",
    event: ("ITK003D", "ITK eDischarge"),
    definition: "https://fhir.nhs.uk/STU3/MessageDefinition/ITK-eDischarge-MessageDefinition-4",
    composition: "https://fhir.nhs.uk/STU3/StructureDefinition/CareConnect-ITK-EDIS-Composition-1",
    ty: ("373942005", "Discharge summary"),
    class: ("IMP", "inpatient encounter"),
};
const MENTAL_HEALTH: Facts = Facts {
    workflow: "TOC_FHIR_MH_DISCH",
    event: ("ITK004D", "ITK Mental Health eDischarge"),
    definition: "https://fhir.nhs.uk/STU3/MessageDefinition/ITK-MH-eDischarge-MessageDefinition-1",
    composition: "https://fhir.nhs.uk/STU3/StructureDefinition/CareConnect-ITK-MH-Composition-1",
    ty: ("373942005", "Discharge summary"),
    class: ("IMP", "inpatient encounter"),
};
const EMERGENCY: Facts = Facts {
    workflow: "TOC_FHIR_EC_DISCH",
    event: ("ITK005D", "ITK Emergency Care eDischarge"),
    definition: "https://fhir.nhs.uk/STU3/MessageDefinition/ITK-EC-eDischarge-MessageDefinition-1",
    composition: "https://fhir.nhs.uk/STU3/StructureDefinition/CareConnect-ITK-EC-Composition-1",
    ty: ("373942005", "Discharge summary"),
    class: ("EMER", "emergency"),
};
const OUTPATIENT: Facts = Facts {
    workflow: "TOC_FHIR_OP_ATTEN",
    event: ("ITK006D", "ITK Outpatient Letter"),
    definition: "https://fhir.nhs.uk/STU3/MessageDefinition/ITK-OPL-MessageDefinition-4",
    composition: "https://fhir.nhs.uk/STU3/StructureDefinition/CareConnect-ITK-OPL-Composition-1",
    ty: ("823681000000100", "Outpatient letter"),
    class: ("AMB", "ambulatory"),
};

impl Care {
    pub const ALL: [Care; 4] = [
        Care::Inpatient,
        Care::MentalHealth,
        Care::Emergency,
        Care::Outpatient,
    ];

    fn facts(self) -> &'static Facts {
        match self {
            Care::Inpatient => &INPATIENT,
            Care::MentalHealth => &MENTAL_HEALTH,
            Care::Emergency => &EMERGENCY,
            Care::Outpatient => &OUTPATIENT,
        }
    }

    /// The document of that workflow; `None` for a workflow of others.
    pub fn of_workflow(workflow: &str) -> Option<Care> {
        Care::ALL.into_iter().find(|it| it.workflow() == workflow)
    }

    /// Its workflow at MESH.
    pub fn workflow(self) -> &'static str {
        self.facts().workflow
    }

    /// Its code of ITK-MessageEvent-2.
    pub fn event(self) -> &'static str {
        self.facts().event.0
    }

    /// The address of its MessageDefinition, as last published.
    pub fn definition(self) -> &'static str {
        self.facts().definition
    }

    /// The profile of its Composition.
    pub fn composition(self) -> &'static str {
        self.facts().composition
    }

    /// Its type in SNOMED CT: code and name.
    pub fn ty(self) -> (&'static str, &'static str) {
        self.facts().ty
    }

    /// The class of its Encounter: code and name.
    pub(super) fn class(self) -> (&'static str, &'static str) {
        self.facts().class
    }
}

/// What an event is called in its code system, if it is that of one of these documents.
pub(super) fn event_name(event: &str) -> Option<&'static str> {
    let found = Care::ALL.into_iter().find(|it| it.event() == event);
    found.map(|it| it.facts().event.1)
}

/// The headings of these documents that are written.
pub mod headings {
    use super::{Care, Heading};

    pub const PATIENT: Heading = ("Patient demographics", "886731000000109");
    pub const PRACTICE: Heading = ("GP practice", "886711000000101");
    pub const DIAGNOSES: Heading = ("Diagnoses", "887161000000102");
    pub const PROCEDURES: Heading = ("Procedures", "887171000000109");
    pub const ALLERGIES: Heading = ("Allergies and adverse reactions", "886921000000105");
    pub const MEDICINES: Heading = ("Medications and medical devices", "933361000000108");
    pub const PLAN: Heading = ("Plan and requested actions", "887201000000105");
    pub const TOLD: Heading = ("Information and advice given", "1052951000000105");
    pub const COMPLETING: Heading = ("Person completing record", "887231000000104");
    /// Which only an emergency department's has to have.
    pub const PRESENTING: Heading = ("Presenting complaints or issues", "886891000000102");

    const ADMISSION: Heading = ("Admission details", "886781000000108");
    const ATTENDANCE: Heading = ("Attendance details", "1077881000000105");
    const DISCHARGED: Heading = ("Discharge details", "886811000000106");
    const SUMMARY: Heading = ("Clinical summary", "887181000000106");
    const CLINICAL_NARRATIVE: Heading = ("Clinical narrative", "1077901000000108");
    const REQUIREMENTS: Heading = ("Individual requirements", "1078911000000106");
    const MENTAL_HEALTH_REQUIREMENTS: Heading = ("Individual requirements", "1052901000000109");
    const CONTACT: Heading = ("Contact for further information", "1077931000000102");
    const DISTRIBUTION: Heading = ("Distribution list", "887261000000109");

    /// When and how somebody came.
    pub fn arrival(care: Care) -> Heading {
        match care {
            Care::Inpatient | Care::MentalHealth => ADMISSION,
            Care::Emergency | Care::Outpatient => ATTENDANCE,
        }
    }

    /// When and how somebody left: an outpatient letter has no heading of its own for it.
    pub fn discharge(care: Care) -> Heading {
        match care {
            Care::Outpatient => ATTENDANCE,
            Care::Inpatient | Care::MentalHealth | Care::Emergency => DISCHARGED,
        }
    }

    pub fn summary(care: Care) -> Heading {
        match care {
            Care::Emergency => CLINICAL_NARRATIVE,
            Care::Inpatient | Care::MentalHealth | Care::Outpatient => SUMMARY,
        }
    }

    /// What somebody needs: of an emergency department what is asked of others.
    pub fn requirements(care: Care) -> Heading {
        match care {
            Care::Inpatient | Care::Outpatient => REQUIREMENTS,
            Care::MentalHealth => MENTAL_HEALTH_REQUIREMENTS,
            Care::Emergency => PLAN,
        }
    }

    /// Whom to ask: but for an emergency department it stands with the patient's own particulars.
    pub fn contacts(care: Care) -> Heading {
        match care {
            Care::Emergency => CONTACT,
            Care::Inpatient | Care::MentalHealth | Care::Outpatient => PATIENT,
        }
    }

    /// Who else was written to.
    pub fn others(care: Care) -> Heading {
        match care {
            Care::Emergency => PLAN,
            Care::Inpatient | Care::MentalHealth | Care::Outpatient => DISTRIBUTION,
        }
    }
}
