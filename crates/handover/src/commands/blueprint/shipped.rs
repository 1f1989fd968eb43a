//! Blueprints that come with the program, so that an installed node needs no source tree. Their wording is made up.

use std::path::Path;

use super::archive::Files;
use super::content::Blueprint;

/// A file by its name below its folder.
type File = (&'static str, &'static [u8]);

macro_rules! files {
    ($folder:literal: $($name:literal,)*) => {
        &[$(($name, include_bytes!(concat!("../../../../../blueprints/", $folder, "/", $name)) as &[u8])),*]
    };
}

const DISCHARGE: &[File] = files!["discharge":
    "Basic-to-pharmacy.json",
    "Basic-to-practice.json",
    "Basic-to-social-care.json",
    "PlanDefinition-follow-up.json",
    "PlanDefinition-medicines.json",
    "PlanDefinition-questions.json",
    "Questionnaire-after-hospital.json",
    "blueprint.json",
    "mapping/ward-pas.json",
    "package.json",
    "samples/discharge.hl7",
    "samples/letter-clinic.json",
    "samples/letter-pharmacy.json",
    "samples/letter-summary.json",
];

const TWO_WEEK_WAIT: &[File] = files!["two-week-wait":
    "Basic-referral.json",
    "Basic-to-patient.json",
    "Basic-to-practice.json",
    "PlanDefinition-missed.json",
    "PlanDefinition-no-appointment.json",
    "PlanDefinition-triage.json",
    "Questionnaire-criteria.json",
    "blueprint.json",
    "package.json",
    "samples/missed.json",
    "samples/other.json",
    "samples/referral.json",
    "samples/routine.json",
];

/// By the names that people type.
const SHIPPED: [(&str, &[File]); 2] = [("discharge", DISCHARGE), ("two-week-wait", TWO_WEEK_WAIT)];

/// The names, in order.
pub fn names() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(name, _)| *name)
}

/// The files of the one of that name.
pub fn files(name: &str) -> Option<Files> {
    let found = SHIPPED.iter().find(|(own, _)| *own == name)?;
    let file = |(name, content): &File| ((*name).to_owned(), content.to_vec());
    Some(found.1.iter().map(file).collect())
}

/// What somebody means who types this in the place of a package: a file that is there is that file.
pub fn meant(typed: &Path) -> Option<Files> {
    let name = typed.to_str().filter(|_| !typed.is_file())?;
    files(name)
}

/// What comes with the program, for people.
///
/// # Errors
/// If one does not read.
pub fn list() -> anyhow::Result<String> {
    let mut text = String::new();
    for name in names() {
        let read = files(name).map(|it| Blueprint::read(&it));
        let Some(Ok(blueprint)) = read else {
            anyhow::bail!("{name}: this program’s own blueprint does not read");
        };
        text.push_str(&format!(
            "{name}\n  {} {}: {}\n  {}\n",
            blueprint.name,
            blueprint.version,
            blueprint.form.title,
            blueprint.form.about.trim()
        ));
    }
    text.push_str(
        "\nTo see what one would do here: handover blueprint inspect NAME\nTo try it on made-up people: handover blueprint apply NAME --try\n",
    );
    Ok(text)
}
