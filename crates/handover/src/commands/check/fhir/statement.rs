//! <https://hl7.org/fhir/R4/http.html#capabilities>: what the system says of itself.

use serde_json::Value;

use super::faults_of;
use crate::commands::check::run::{Ask, Run, Seen};
use crate::commands::check::shown::encoded;

/// What a CapabilityStatement declares.
pub(in crate::commands::check) struct Statement {
    pub(in crate::commands::check) cors: bool,
    pub(in crate::commands::check) smart: bool,
    pub(super) xml: bool,
    pub(super) types: Vec<Declared>,
    /// Interactions of the whole system.
    pub(super) whole: Vec<String>,
}

/// What is declared of a type.
pub(in crate::commands::check) struct Declared {
    pub(super) ty: String,
    pub(super) interactions: Vec<String>,
    /// Names and kinds.
    pub(super) parameters: Vec<(String, String)>,
    pub(super) conditional_read: String,
    pub(super) conditional_create: bool,
    pub(super) versioning: String,
}

impl Declared {
    pub(super) fn has(&self, interaction: &str) -> bool {
        self.interactions.iter().any(|it| it == interaction)
    }

    pub(super) fn takes(&self, parameter: &str) -> bool {
        self.parameters.iter().any(|(name, _)| name == parameter)
    }
}

pub(super) async fn check(run: &mut Run) -> Result<Statement, String> {
    let seen = run.ask(Ask::get("/metadata")).await?;
    let told = seen
        .json()
        .filter(|_| seen.status == 200 && seen.is("CapabilityStatement"));
    let found = match &told {
        Some(_) => "a CapabilityStatement".to_owned(),
        None => format!("{} and no CapabilityStatement", seen.media_type()),
    };
    run.holds("fhir-metadata", told.is_some(), &seen, found);
    let told = told.ok_or("There is no CapabilityStatement, so nothing is known of the system.")?;
    let kind = seen.media_type();
    run.holds(
        "fhir-json-type",
        kind == "application/fhir+json",
        &seen,
        format!("Content-Type: {kind}"),
    );
    facts(run, &seen, &told);
    let statement = read(&told);
    Box::pin(content(run, &statement)).await?;
    Ok(statement)
}

fn facts(run: &mut Run, seen: &Seen, told: &Value) {
    let faults = faults_of(told);
    let found = match faults.first() {
        None => "valid against R4".to_owned(),
        Some(first) => format!("{} faults, the first at {first}", faults.len()),
    };
    run.holds("fhir-metadata-valid", faults.is_empty(), seen, found);
    let text = |name: &str| told.get(name).and_then(Value::as_str).unwrap_or("nothing");
    let (version, kind) = (text("fhirVersion"), text("kind"));
    let is_r4 = version == "4.0" || version.starts_with("4.0.");
    let found = format!("fhirVersion {version}, kind {kind}");
    run.holds("fhir-version", is_r4 && kind == "instance", seen, found);
    let rest = server(told);
    let types = rest
        .and_then(|it| it.get("resource")?.as_array())
        .map_or(0, Vec::len);
    let formats = told
        .get("format")
        .and_then(Value::as_array)
        .map_or(0, Vec::len);
    let found = format!("{types} types in rest with mode server, {formats} formats");
    run.holds("fhir-metadata-rest", types > 0 && formats > 0, seen, found);
}

fn server(told: &Value) -> Option<&Value> {
    let all = told.get("rest")?.as_array()?;
    all.iter()
        .find(|it| it.get("mode").and_then(Value::as_str) == Some("server"))
}

fn codes(of: &Value, list: &str, member: &str) -> Vec<String> {
    let items = of.get(list).and_then(Value::as_array);
    let texts = items
        .into_iter()
        .flatten()
        .filter_map(|it| it.get(member)?.as_str());
    texts.map(str::to_owned).collect()
}

fn read(told: &Value) -> Statement {
    let nothing = Value::Null;
    let rest = server(told).unwrap_or(&nothing);
    let formats = told.get("format").and_then(Value::as_array);
    let xml = formats
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .any(|it| it.contains("xml"));
    let services = rest.pointer("/security/service").map(Value::to_string);
    let types = rest.get("resource").and_then(Value::as_array);
    Statement {
        cors: rest.pointer("/security/cors") == Some(&Value::Bool(true)),
        smart: services.is_some_and(|it| it.contains("SMART-on-FHIR")),
        xml,
        types: types.into_iter().flatten().filter_map(declared).collect(),
        whole: codes(rest, "interaction", "code"),
    }
}

fn declared(of: &Value) -> Option<Declared> {
    let text = |name: &str| of.get(name).and_then(Value::as_str);
    let parameters = of.get("searchParam").and_then(Value::as_array);
    let parameter = |it: &Value| {
        let text = |name: &str| Some(it.get(name)?.as_str()?.to_owned());
        Some((text("name")?, text("type")?))
    };
    Some(Declared {
        ty: text("type")?.to_owned(),
        interactions: codes(of, "interaction", "code"),
        parameters: parameters
            .into_iter()
            .flatten()
            .filter_map(parameter)
            .collect(),
        conditional_read: text("conditionalRead").unwrap_or_default().to_owned(),
        conditional_create: of.get("conditionalCreate") == Some(&Value::Bool(true)),
        versioning: text("versioning").unwrap_or_default().to_owned(),
    })
}

/// Formats (<https://hl7.org/fhir/R4/http.html#mime-type>).
async fn content(run: &mut Run, statement: &Statement) -> Result<(), String> {
    match statement.xml {
        true => {
            let seen = run
                .ask(Ask::get("/metadata").with("accept", "application/fhir+xml"))
                .await?;
            let kind = seen.media_type();
            let reads = fhir::xml::to_json(&seen.body, &fhir::json::Limits::default()).is_ok();
            let found = match reads {
                true => format!("Content-Type: {kind}, which reads as FHIR"),
                false => format!("Content-Type: {kind}, which does not read as FHIR in XML"),
            };
            run.holds(
                "fhir-xml",
                reads && kind == "application/fhir+xml",
                &seen,
                found,
            );
        }
        false => run.spares("fhir-xml", "The CapabilityStatement does not list XML."),
    }
    let format = encoded("application/fhir+json");
    let ask = Ask::get(format!("/metadata?_format={format}")).with("accept", "text/html");
    let seen = run.ask(ask).await?;
    let kind = seen.media_type();
    let good = seen.is_ok() && kind == "application/fhir+json";
    run.holds(
        "fhir-format",
        good,
        &seen,
        format!("Content-Type: {kind}, with Accept: text/html"),
    );
    let seen = run
        .ask(Ask::get("/metadata").with("accept", "image/png"))
        .await?;
    let found = format!(
        "Content-Type: {}, with Accept: image/png",
        seen.media_type()
    );
    run.holds("fhir-not-acceptable", seen.status == 406, &seen, found);
    Ok(())
}
