//! What the files of a package are.

use std::path::Path;

use fhir::definitions::Definitions;
use fhir::json::{Json, Limits, parse};
use fhir::validate::validate;
use sha2::{Digest as _, Sha256};

use super::archive;

/// The types that are taken in; examples and the rest are left where they are.
const TAKEN: [&str; 5] = [
    "StructureDefinition",
    "ValueSet",
    "CodeSystem",
    "ConceptMap",
    "SearchParameter",
];

pub const LIMITS: Limits = Limits {
    depth: 64,
    bytes: 48 << 20,
    nodes: 8_000_000,
};

/// A package as read.
pub struct Package {
    pub name: String,
    pub version: String,
    pub resources: Vec<Resource>,
    /// Files that hold one of the types that are taken and cannot be: name and reason.
    pub left_out: Vec<String>,
}

/// A resource to be stored under an id that is the same whenever its address is.
pub struct Resource {
    pub ty: String,
    pub id: String,
    pub json: Vec<u8>,
}

impl Package {
    /// Reads a `.tgz` or a folder.
    pub fn read(path: &Path) -> anyhow::Result<Package> {
        let files = archive::files(path)?;
        let mut package = Package {
            name: path
                .file_stem()
                .map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
            version: "0".to_string(),
            resources: Vec::new(),
            left_out: Vec::new(),
        };
        for (name, content) in &files {
            let last = name.rsplit('/').next().unwrap_or(name);
            if last == "package.json" {
                package.named(content);
            } else if !is_beside(name) {
                package.take(name, content);
            }
        }
        Ok(package)
    }

    /// The name and version that `package.json` says.
    fn named(&mut self, content: &[u8]) {
        let Ok(json) = parse(content, &LIMITS) else {
            return self
                .left_out
                .push("package.json: it is no JSON".to_string());
        };
        if let Some(name) = json.text("name") {
            self.name = name.to_string();
        }
        if let Some(version) = json.text("version") {
            self.version = version.to_string();
        }
    }

    fn take(&mut self, name: &str, content: &[u8]) {
        let json = match name.ends_with(".xml") {
            true => fhir::xml::to_json(content, &LIMITS),
            false => Ok(content.to_vec()),
        };
        let taken = json.and_then(|json| {
            let found = Resource::of(&parse(&json, &LIMITS)?)?;
            Ok(found.map(|(ty, id)| Resource { ty, id, json }))
        });
        match taken {
            Ok(Some(resource)) => {
                let known = self
                    .resources
                    .iter()
                    .any(|known| known.id == resource.id && known.ty == resource.ty);
                match known {
                    true => self
                        .left_out
                        .push(format!("{name}: another file has the same url")),
                    false => self.resources.push(resource),
                }
            }
            Ok(None) => {}
            Err(problem) => self.left_out.push(format!("{name}: {problem}")),
        }
    }
}

/// Indexes, examples and tests that packages hold beside their content.
fn is_beside(name: &str) -> bool {
    let beside = [
        "example", "examples", "tests", "other", "openapi", "xml", "rdf",
    ];
    name.split('/')
        .rev()
        .skip(1)
        .any(|folder| beside.contains(&folder))
}

impl Resource {
    /// Type and id; `None` of a type that is not taken.
    fn of(json: &Json<'_>) -> Result<Option<(String, String)>, fhir::Problem> {
        let ty = json.text("resourceType").unwrap_or_default();
        if !TAKEN.contains(&ty) {
            return Ok(None);
        }
        validate(json, Definitions::r4())?;
        let url = json.text("url").ok_or_else(|| {
            let message = "It has no url, so nothing could refer to it.";
            fhir::Problem::new(fhir::Kind::Required, message)
        })?;
        let digest = Sha256::digest(format!("{ty}|{url}").as_bytes());
        let id: String = digest
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Ok(Some((ty.to_string(), id)))
    }
}
