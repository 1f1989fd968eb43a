//! A blueprint as it was read: every part checked, each fault with its file and place.

use std::collections::BTreeSet;

use exchange::blueprints::PREFIX;
use exchange::correspondence::FIELDS;
use fhir::Problem;
use fhir::definitions::Definitions;
use fhir::json::{self, Limits};
use fhir::members::{each, text};
use fhir::questionnaire;
use fhir::rule::{Event, Rule, StepKind};
use hl7v2::to_fhir::{Layer, Mapping};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use store::blueprints::PartKind;
use store::desk::TEMPLATE_BYTES_MAX;

use super::archive::Files;
use super::form::{self, Form, Package, Sample};

/// What a Basic says that is a letter template.
pub const TEMPLATE_SYSTEM: &str = "urn:handover:blueprint";
pub const TEMPLATE_CODE: &str = "letter-template";
pub const TEMPLATE_NAME: &str = "urn:handover:template-name";
pub const TEMPLATE_TEAM: &str = "urn:handover:template-team";
pub const TEMPLATE_BODY: &str = "urn:handover:template-body";
/// The longest name of a template or team, in characters.
const NAME_CHARS_MAX: usize = 60;
/// The longest title, and what it is for, in characters.
const TITLE_CHARS_MAX: usize = 120;
const ABOUT_CHARS_MAX: usize = 2_000;
/// Faults that are told.
const FAULTS_MAX: usize = 50;

/// What is wrong, and where: file, place in it, sentence.
pub type Fault = String;

/// A blueprint.
pub struct Blueprint {
    pub name: String,
    pub version: String,
    pub form: Form,
    pub things: Vec<Thing>,
    /// The samples, with their content.
    pub samples: Vec<(Sample, Vec<u8>)>,
}

/// One thing that it brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thing {
    pub kind: PartKind,
    /// Its file; of a team, its name.
    pub file: String,
    /// `Type/id`, the id of a text or team, or the name of a file.
    pub target: String,
    /// For people.
    pub title: String,
    /// The resource as JSON, the layer as it is; of a text and of a team, `Value` as JSON.
    pub body: String,
    /// The resource's canonical address.
    pub url: String,
    pub fors: Vec<String>,
}

impl Blueprint {
    /// Reads and checks it.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn read(files: &Files) -> Result<Blueprint, Vec<Fault>> {
        let mut reading = Reading {
            files,
            faults: Vec::new(),
            used: [
                form::PACKAGE,
                form::BLUEPRINT,
                form::SIGNATURE,
                form::README,
            ]
            .into(),
        };
        let read = reading.blueprint();
        for name in files.keys() {
            if !reading.used.contains(name.as_str()) {
                reading.fault(
                    name,
                    "blueprint.json does not name it; a blueprint holds nothing else",
                );
            }
        }
        reading.faults.truncate(FAULTS_MAX);
        match read {
            Some(blueprint) if reading.faults.is_empty() => Ok(blueprint),
            _ => Err(reading.faults),
        }
    }

    /// The things of one kind.
    pub fn of(&self, kind: PartKind) -> impl Iterator<Item = &Thing> {
        self.things.iter().filter(move |it| it.kind == kind)
    }
}

/// An id that is the same whenever these words are.
fn digest(words: &str) -> [u8; 16] {
    let mut id = [0; 16];
    for (to, from) in id.iter_mut().zip(Sha256::digest(words.as_bytes())) {
        *to = from;
    }
    id
}

/// The id of a resource of that type and address; the one that a package's resource has too.
pub fn resource_id(ty: &str, url: &str) -> String {
    let digest = digest(&format!("{ty}|{url}"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The id of a text or team.
pub fn row_id(words: &str) -> String {
    uuid::Uuid::from_bytes(digest(words)).to_string()
}

/// A text as it is kept beside what was there before.
pub fn template_body(team: &str, name: &str, body: &str) -> String {
    serde_json::json!({ "team": team, "name": name, "body": body }).to_string()
}

struct Reading<'f> {
    files: &'f Files,
    faults: Vec<Fault>,
    used: BTreeSet<&'f str>,
}

impl<'f> Reading<'f> {
    fn fault(&mut self, file: &str, what: &str) {
        self.faults.push(format!("{file}: {what}"));
    }

    fn problem(&mut self, file: &str, problem: &Problem) {
        match &problem.expression {
            Some(place) => self.fault(file, &format!("{place}: {}", problem.message)),
            None => self.fault(file, &problem.message),
        }
        for further in &problem.more {
            self.problem(file, further);
        }
    }

    fn json<T: serde::de::DeserializeOwned>(&mut self, file: &str) -> Option<T> {
        let Some(bytes) = self.files.get(file) else {
            self.fault(file, "it is not there");
            return None;
        };
        if let Err(problem) = json::parse(bytes, &Limits::default()) {
            self.problem(file, &problem);
            return None;
        }
        match serde_json::from_slice(bytes) {
            Ok(read) => Some(read),
            Err(cause) => {
                self.fault(file, &cause.to_string());
                None
            }
        }
    }

    fn blueprint(&mut self) -> Option<Blueprint> {
        let package: Option<Package> = self.json(form::PACKAGE);
        let form: Option<Form> = self.json(form::BLUEPRINT);
        let (package, form) = (package?, form?);
        self.check_package(&package);
        self.check_form(&form);
        let mut things = Vec::new();
        for need in form.needs.teams.iter().filter(|it| it.begin) {
            things.push(Thing {
                kind: PartKind::Team,
                file: need.name.clone(),
                target: row_id(&format!("{}|team|{}", package.name, need.name)),
                title: need.name.clone(),
                body: serde_json::json!({ "name": need.name }).to_string(),
                url: String::new(),
                fors: need.fors.clone(),
            });
        }
        for contained in &form.contains {
            let Some(kind) =
                PartKind::from_code(&contained.kind).filter(|it| *it != PartKind::Team)
            else {
                let what = format!(
                    "{} is not rule, questionnaire, template or mapping",
                    contained.kind
                );
                self.fault(&contained.file, &what);
                continue;
            };
            let Some((file, content)) = self.files.get_key_value(&contained.file) else {
                self.fault(
                    &contained.file,
                    "blueprint.json names it, and it is not there",
                );
                continue;
            };
            if !self.used.insert(file) {
                self.fault(file, "blueprint.json names it twice");
            }
            let thing = match kind {
                PartKind::Mapping => self.mapping(&package.name, file, content),
                PartKind::Template => self.template(&package.name, file, &form),
                _ => self.resource(kind, file),
            };
            things.extend(thing.map(|thing| Thing {
                fors: contained.fors.clone(),
                ..thing
            }));
        }
        let samples = self.samples(&form, &things);
        self.check_together(&form, &things);
        Some(Blueprint {
            name: package.name,
            version: package.version,
            form,
            things,
            samples,
        })
    }

    fn check_package(&mut self, package: &Package) {
        if !form::is_name(&package.name) {
            self.fault(
                form::PACKAGE,
                "name: is up to 60 lower-case letters, digits, hyphens and full stops, the first a letter",
            );
        }
        if form::version(&package.version).is_none() {
            self.fault(
                form::PACKAGE,
                "version: is up to four numbers with full stops between them",
            );
        }
        if package.kind != form::PACKAGE_TYPE {
            let what = format!("type: is \"{}\"", form::PACKAGE_TYPE);
            self.fault(form::PACKAGE, &what);
        }
        if !package.fhir_versions.iter().any(|it| it.starts_with("4.0")) {
            self.fault(
                form::PACKAGE,
                "fhirVersions: names 4.0.1, which this node speaks",
            );
        }
    }

    fn check_form(&mut self, it: &Form) {
        if it.blueprint != form::FORM {
            let what = format!(
                "blueprint: is {}, the form that this node knows",
                form::FORM
            );
            self.fault(form::BLUEPRINT, &what);
        }
        let line = |text: &str, most: usize| {
            let count = text.trim().chars().count();
            (1..=most).contains(&count) && !text.chars().any(char::is_control)
        };
        if !line(&it.title, TITLE_CHARS_MAX) {
            self.fault(form::BLUEPRINT, "title: is a line of up to 120 characters");
        }
        if it.about.trim().is_empty() || it.about.chars().count() > ABOUT_CHARS_MAX {
            self.fault(
                form::BLUEPRINT,
                "about: says in up to 2,000 characters what it is for",
            );
        }
        if it.contains.is_empty() {
            self.fault(form::BLUEPRINT, "contains: is empty");
        }
        let mut seen = BTreeSet::new();
        for need in &it.needs.teams {
            if !line(&need.name, NAME_CHARS_MAX) || need.name.trim() != need.name {
                self.fault(
                    form::BLUEPRINT,
                    "needs.teams: a name is a line of up to 60 characters",
                );
            }
            if !seen.insert(&need.name) {
                let what = format!("needs.teams: {} stands there twice", need.name);
                self.fault(form::BLUEPRINT, &what);
            }
        }
        for need in &it.needs.roles {
            if !matches!(need.role.as_str(), "clinician" | "clerk") {
                let what = format!("needs.roles: {} is not clinician or clerk", need.role);
                self.fault(form::BLUEPRINT, &what);
            }
        }
    }

    fn mapping(&mut self, name: &str, file: &str, content: &[u8]) -> Option<Thing> {
        let Ok(text) = String::from_utf8(content.to_vec()) else {
            self.fault(file, "it is no text in UTF-8");
            return None;
        };
        let layer = Layer {
            name: file.to_owned(),
            text: text.clone(),
        };
        if let Err(problem) = Mapping::with(&[layer]) {
            // It names the file already.
            self.faults.push(problem.message.to_string());
            return None;
        }
        let read: Value = serde_json::from_str(&text).unwrap_or_default();
        let last = file.rsplit('/').next().unwrap_or(file);
        Some(Thing {
            kind: PartKind::Mapping,
            file: file.to_owned(),
            target: format!("{PREFIX}{name}.{last}"),
            title: match self::text(&read, "/about") {
                "" => last.to_owned(),
                about => about.to_owned(),
            },
            body: text,
            url: String::new(),
            fors: Vec::new(),
        })
    }

    /// A resource that is stored as it is.
    fn resource(&mut self, kind: PartKind, file: &str) -> Option<Thing> {
        let value: Value = self.json(file)?;
        let ty = match kind {
            PartKind::Rule => "PlanDefinition",
            _ => "Questionnaire",
        };
        if text(&value, "/resourceType") != ty {
            self.fault(file, &format!("it is no {ty}"));
            return None;
        }
        let before = self.faults.len();
        self.validate(file);
        if kind == PartKind::Rule
            && let Err(problem) = Rule::read(&value)
        {
            self.problem(file, &problem);
        }
        if kind == PartKind::Questionnaire
            && let Err(problem) = questionnaire::Form::read(&value)
        {
            self.problem(file, &problem);
        }
        for member in ["url", "version", "title"] {
            if text(&value, &format!("/{member}")).trim().is_empty() {
                self.fault(file, &format!("{ty}.{member}: must be said"));
            }
        }
        if self.faults.len() > before {
            return None;
        }
        let url = text(&value, "/url").to_owned();
        let id = resource_id(ty, &url);
        let mut stored = value.clone();
        fhir::members::set(&mut stored, "id", Value::String(id.clone()));
        Some(Thing {
            kind,
            file: file.to_owned(),
            target: format!("{ty}/{id}"),
            title: text(&value, "/title").to_owned(),
            body: stored.to_string(),
            url,
            fors: Vec::new(),
        })
    }

    fn validate(&mut self, file: &str) {
        let Some(bytes) = self.files.get(file) else {
            return;
        };
        let parsed = json::parse(bytes, &Limits::default());
        let checked = parsed.and_then(|it| fhir::validate::validate(&it, Definitions::r4()));
        if let Err(problem) = checked {
            self.problem(file, &problem);
        }
    }

    fn template(&mut self, name: &str, file: &str, form: &Form) -> Option<Thing> {
        let value: Value = self.json(file)?;
        let before = self.faults.len();
        self.validate(file);
        let is_template = text(&value, "/resourceType") == "Basic"
            && text(&value, "/code/coding/0/system") == TEMPLATE_SYSTEM
            && text(&value, "/code/coding/0/code") == TEMPLATE_CODE;
        if !is_template {
            let what = format!("it is no Basic with the code {TEMPLATE_CODE} of {TEMPLATE_SYSTEM}");
            self.fault(file, &what);
        }
        let said = |url: &str| {
            let mut all = each(&value, "/extension").filter(|it| text(it, "/url") == url);
            all.next()
                .map_or("", |it| text(it, "/valueString"))
                .to_owned()
        };
        let (title, team, body) = (
            said(TEMPLATE_NAME),
            said(TEMPLATE_TEAM),
            said(TEMPLATE_BODY),
        );
        if title.trim().is_empty() || title.chars().count() > NAME_CHARS_MAX {
            self.fault(
                file,
                &format!("{TEMPLATE_NAME}: is a line of up to 60 characters"),
            );
        }
        if body.trim().is_empty() || body.len() > TEMPLATE_BYTES_MAX {
            self.fault(file, &format!("{TEMPLATE_BODY}: is a text of up to 32 KiB"));
        }
        let odd = |it: char| it.is_control() && it != '\n' && it != '\t';
        if body.chars().any(odd) || title.chars().any(char::is_control) {
            self.fault(file, "it holds characters that cannot be shown");
        }
        if !team.is_empty() && !form.needs.teams.iter().any(|it| it.name == team) {
            let what =
                format!("{TEMPLATE_TEAM}: needs.teams of blueprint.json does not name {team}");
            self.fault(file, &what);
        }
        for field in unknown_fields(&body) {
            let what = format!("{TEMPLATE_BODY}: there is no field {{{field}}}");
            self.fault(file, &what);
        }
        (self.faults.len() == before).then(|| Thing {
            kind: PartKind::Template,
            file: file.to_owned(),
            target: row_id(&format!("{name}|template|{file}")),
            body: template_body(&team, title.trim(), &body),
            title: title.trim().to_owned(),
            url: String::new(),
            fors: Vec::new(),
        })
    }

    fn samples(&mut self, form: &Form, things: &[Thing]) -> Vec<(Sample, Vec<u8>)> {
        let mut samples = Vec::new();
        for sample in &form.samples {
            let Some((file, content)) = self.files.get_key_value(&sample.file) else {
                self.fault(&sample.file, "blueprint.json names it, and it is not there");
                continue;
            };
            self.used.insert(file);
            match things
                .iter()
                .find(|it| it.file == sample.of)
                .map(|it| it.kind)
            {
                Some(PartKind::Mapping) => {
                    if let Err(fault) = hl7v2::parse(&super::trial::segments(content)) {
                        self.fault(file, &format!("it is no HL7 v2 message: {fault}"));
                    }
                }
                Some(PartKind::Rule) => {
                    if Event::from_name(&sample.event).is_none() {
                        let what = format!(
                            "blueprint.json says the event {:?}, which there is not",
                            sample.event
                        );
                        self.fault(file, &what);
                    }
                    if let Some(step) = sample
                        .does
                        .iter()
                        .find(|it| StepKind::from_code(it).is_none())
                    {
                        self.fault(
                            file,
                            &format!("blueprint.json says the step {step:?}, which there is not"),
                        );
                    }
                    self.validate(file);
                }
                _ => self.fault(
                    file,
                    "it is a sample of no mapping and no rule of this blueprint",
                ),
            }
            samples.push((sample.clone(), content.clone()));
        }
        samples
    }

    /// What hangs together: teams that rules name, targets that two parts would have, samples that are missing.
    fn check_together(&mut self, form: &Form, things: &[Thing]) {
        let mut seen = BTreeSet::new();
        for thing in things {
            if !seen.insert(&thing.target) {
                self.fault(&thing.file, "another part has the same address or name");
            }
            let is_tried = form.samples.iter().any(|it| it.of == thing.file);
            if matches!(thing.kind, PartKind::Mapping | PartKind::Rule) && !is_tried {
                self.fault(&thing.file, "no sample tries it");
            }
            if thing.kind != PartKind::Rule {
                continue;
            }
            let read: Value = serde_json::from_str(&thing.body).unwrap_or_default();
            let Ok(rule) = Rule::read(&read) else {
                continue;
            };
            for step in rule.steps().filter(|it| !it.team.is_empty()) {
                if !form.needs.teams.iter().any(|it| it.name == step.team) {
                    let what = format!(
                        "needs.teams of blueprint.json does not name the team {}",
                        step.team
                    );
                    self.fault(&thing.file, &what);
                }
            }
            for step in rule.steps().filter(|it| !it.questionnaire.is_empty()) {
                let url = step.questionnaire.split('|').next().unwrap_or_default();
                let is_it = |it: &Thing| it.kind == PartKind::Questionnaire && it.url == url;
                if !things.iter().any(is_it) {
                    let what = format!(
                        "it asks for the questionnaire {url}, which the blueprint does not hold"
                    );
                    self.fault(&thing.file, &what);
                }
            }
        }
    }
}

/// What stands in braces and is no field.
fn unknown_fields(body: &str) -> Vec<String> {
    let mut unknown = Vec::new();
    let mut rest = body;
    while let Some((_, after)) = rest.split_once('{') {
        let Some((name, behind)) = after.split_once('}') else {
            unknown.push(after.chars().take(20).collect());
            break;
        };
        let field = name.trim().to_lowercase();
        if !FIELDS.iter().any(|(known, _)| *known == field) {
            unknown.push(name.trim().to_owned());
        }
        rest = behind;
    }
    unknown
}
