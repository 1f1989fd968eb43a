//! What records are taken out for, and whether the national data opt-out applies to it
//! (<https://digital.nhs.uk/services/national-data-opt-out/operational-policy-guidance-document>,
//! `docs/opt-out.md`).
//!
//! It applies to every use beyond a person's own care, unless somebody states, by name and with a
//! reason, that the people consented, that a law asks for it, or that what leaves is anonymised.

use fhir::problem::{Kind, Problem};

use crate::nhs_number::NhsNumber;

/// A reason is at least so many characters: "n/a" is none.
const REASON_MIN: usize = 10;
/// A reason or a name is at most so many characters.
const TEXT_MAX: usize = 500;

/// Whom a purpose is open to, and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    /// The care of the very people whose records they are.
    Care,
    /// The patient asks for what is theirs.
    Own,
    /// Anything else: the opt-out applies.
    Other,
}

/// The purposes that are known: codes of HL7's PurposeOfUse
/// (<https://terminology.hl7.org/ValueSet-v3-PurposeOfUse.html>). Where a code can mean a person's own
/// care or something else (CAREMGT, POPHLTH), it is something else: then people are asked after.
const USES: &[(&str, Sort)] = &[
    ("TREAT", Sort::Care),
    ("ETREAT", Sort::Care),
    ("COC", Sort::Care),
    ("PATRQT", Sort::Own),
    ("CAREMGT", Sort::Other),
    ("CLINTRCH", Sort::Other),
    ("DONAT", Sort::Other),
    ("FRAUD", Sort::Other),
    ("GOV", Sort::Other),
    ("HACCRED", Sort::Other),
    ("HCOMPL", Sort::Other),
    ("HLEGAL", Sort::Other),
    ("HMARKT", Sort::Other),
    ("HOPERAT", Sort::Other),
    ("HOUTCOMS", Sort::Other),
    ("HPAYMT", Sort::Other),
    ("HQUALIMP", Sort::Other),
    ("HRESCH", Sort::Other),
    ("HSYSADMIN", Sort::Other),
    ("PATADMIN", Sort::Other),
    ("PATSFTY", Sort::Other),
    ("PERFMSR", Sort::Other),
    ("POPHLTH", Sort::Other),
    ("PUBHLTH", Sort::Other),
    ("RECORDMGT", Sort::Other),
    ("TRAIN", Sort::Other),
];

/// Types of resources that say nothing of a person who is cared for. A Location is not among them: it
/// may be somebody's home.
const ABOUT_NOBODY: &[&str] = &[
    "ActivityDefinition",
    "CapabilityStatement",
    "ChargeItemDefinition",
    "CodeSystem",
    "CompartmentDefinition",
    "ConceptMap",
    "DeviceDefinition",
    "Endpoint",
    "EventDefinition",
    "GraphDefinition",
    "HealthcareService",
    "ImplementationGuide",
    "InsurancePlan",
    "Measure",
    "Medication",
    "MedicationKnowledge",
    "MessageDefinition",
    "NamingSystem",
    "ObservationDefinition",
    "OperationDefinition",
    "Organization",
    "OrganizationAffiliation",
    "PlanDefinition",
    "Practitioner",
    "PractitionerRole",
    "Questionnaire",
    "SearchParameter",
    "SpecimenDefinition",
    "StructureDefinition",
    "StructureMap",
    "Substance",
    "TerminologyCapabilities",
    "ValueSet",
];

/// The codes of all purposes that are known.
pub fn purposes() -> impl Iterator<Item = &'static str> {
    USES.iter().map(|(code, _)| *code)
}

/// Whether resources of that type say nothing of a person who is cared for.
pub fn is_about_nobody(ty: &str) -> bool {
    ABOUT_NOBODY.contains(&ty)
}

/// Why the opt-out does not apply to a use beyond care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exemption {
    /// Each of the people consented to this very use.
    Consented,
    /// A law, or a court, asks for it.
    LegalDuty,
    /// What leaves the organisation is anonymised, as the Information Commissioner's code has it. The
    /// node does not anonymise: whoever is named answers for it.
    Anonymised,
}

impl Exemption {
    pub fn code(self) -> &'static str {
        match self {
            Exemption::Consented => "consented",
            Exemption::LegalDuty => "legal-duty",
            Exemption::Anonymised => "anonymised",
        }
    }

    fn parse(code: &str) -> Result<Exemption, Problem> {
        match code {
            "consented" => Ok(Exemption::Consented),
            "legal-duty" => Ok(Exemption::LegalDuty),
            "anonymised" => Ok(Exemption::Anonymised),
            _ => {
                let message = "_optOutExemption is consented, legal-duty or anonymised.";
                Err(Problem::new(Kind::Value, message))
            }
        }
    }
}

/// A stated exemption, as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exempted {
    pub why: Exemption,
    pub reason: String,
    /// Who states it.
    pub by: String,
}

/// What is said of an export when it is asked for, as it came.
#[derive(Clone, Copy, Debug, Default)]
pub struct Said<'t> {
    pub purpose: Option<&'t str>,
    pub exemption: Option<&'t str>,
    pub reason: Option<&'t str>,
    pub by: Option<&'t str>,
}

/// What an export is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disclosure {
    code: &'static str,
    sort: Sort,
    exempted: Option<Exempted>,
}

impl Disclosure {
    /// Reads what was said. `is_own` for a patient who takes out their own record.
    ///
    /// # Errors
    /// `Required` where something is missing, `Value` for what is not known or does not fit.
    pub fn of(said: Said<'_>, is_own: bool) -> Result<Disclosure, Problem> {
        let Some(purpose) = said.purpose else {
            let message = format!("_purpose is required: what the export is for. {}", known());
            return Err(Problem::new(Kind::Required, message));
        };
        let Some((code, sort)) = USES.iter().copied().find(|(code, _)| *code == purpose) else {
            let message = format!("That _purpose is not known. {}", known());
            return Err(Problem::new(Kind::Value, message));
        };
        if is_own != (sort == Sort::Own) {
            let message = match is_own {
                true => "Who takes out their own record says so: _purpose=PATRQT.",
                false => "_purpose=PATRQT is for patients who take out their own record.",
            };
            return Err(Problem::new(Kind::Value, message));
        }
        let exempted = exempted(said)?;
        if exempted.is_some() && sort != Sort::Other {
            let message = "To care, and to one's own record, the opt-out does not apply: \
                           leave _optOutExemption, _optOutReason and _optOutBy out.";
            return Err(Problem::new(Kind::Value, message));
        }
        Ok(Disclosure {
            code,
            sort,
            exempted,
        })
    }

    /// The code of HL7's PurposeOfUse.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// Whether people who opted out are to be left out.
    pub fn opt_out_applies(&self) -> bool {
        self.sort == Sort::Other && self.exempted.is_none()
    }

    pub fn exempted(&self) -> Option<&Exempted> {
        self.exempted.as_ref()
    }

    /// As a line of the audit log tells it.
    pub fn told(&self) -> String {
        match &self.exempted {
            Some(Exempted { why, reason, by }) => {
                format!(
                    "purpose {}, exempt: {}, by {by}: {reason}",
                    self.code,
                    why.code()
                )
            }
            None => format!("purpose {}", self.code),
        }
    }
}

fn exempted(said: Said<'_>) -> Result<Option<Exempted>, Problem> {
    let Some(why) = said.exemption else {
        if said.reason.is_some() || said.by.is_some() {
            let message = "_optOutReason and _optOutBy go with _optOutExemption.";
            return Err(Problem::new(Kind::Required, message));
        }
        return Ok(None);
    };
    let why = Exemption::parse(why)?;
    let by = plain("_optOutBy", said.by, 2)?;
    let reason = plain("_optOutReason", said.reason, REASON_MIN)?;
    Ok(Some(Exempted { why, reason, by }))
}

/// A text for the log: there, of one line, and without a patient's number in it.
fn plain(name: &str, text: Option<&str>, min: usize) -> Result<String, Problem> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else {
        let message = format!("An exemption needs {name}: the log keeps who states it, and why.");
        return Err(Problem::new(Kind::Required, message));
    };
    let length = text.chars().count();
    if !(min..=TEXT_MAX).contains(&length) || text.chars().any(char::is_control) {
        let message = format!("{name} is one line of {min} to {TEXT_MAX} characters.");
        return Err(Problem::new(Kind::Value, message));
    }
    if numbers(text).next().is_some() {
        let message = format!("{name} holds an NHS number, which belongs into no log.");
        return Err(Problem::new(Kind::Value, message));
    }
    Ok(text.to_string())
}

/// The NHS numbers in a text: ten digits whose last checks the others, alone or with single blanks
/// or hyphens between them. What other digits stand directly before or after is none.
pub fn numbers(text: &str) -> impl Iterator<Item = NhsNumber> {
    let mut found = Vec::new();
    let mut run = String::new();
    let mut gap = false;
    for letter in text.chars().chain(['\n']) {
        if letter.is_ascii_digit() {
            run.push(letter);
            gap = false;
        } else if matches!(letter, ' ' | '-' | '\u{a0}') && !gap && !run.is_empty() {
            gap = true;
        } else {
            found.extend(windows(&run));
            run.clear();
            gap = false;
        }
    }
    found.into_iter()
}

/// Digits that are parted by blanks may be several numbers: every ten of them are looked at.
fn windows(run: &str) -> impl Iterator<Item = NhsNumber> {
    let last = run.len().saturating_sub(9);
    (0..last).filter_map(|at| NhsNumber::parse(run.get(at..at + 10)?).ok())
}

/// The known purposes, for whoever named another.
fn known() -> String {
    let of = |wanted: Sort| {
        let codes = USES.iter().filter(move |(_, sort)| *sort == wanted);
        codes.map(|(code, _)| *code).collect::<Vec<_>>().join(", ")
    };
    format!(
        "For the care of these people: {}. For other uses, to which the national data opt-out \
         applies: {}. For a patient's own record: {}.",
        of(Sort::Care),
        of(Sort::Other),
        of(Sort::Own)
    )
}

#[cfg(test)]
mod tests;
