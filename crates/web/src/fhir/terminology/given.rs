//! What an operation was given, in the query or in a Parameters resource.

use fhir::json::Json;
use fhir::problem::{Kind, Problem};

use crate::failure::Failure;
use crate::fhir::ask::Ask;
use crate::fhir::format;
use crate::fhir::operations::parameters::Parameters;

/// An operation's parameters.
pub struct Given<'b> {
    query: &'b [(String, String)],
    body: Option<Parameters<'b>>,
}

/// A coding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coding {
    pub system: Option<String>,
    pub version: Option<String>,
    pub code: String,
    pub display: Option<String>,
}

impl Coding {
    fn of(json: &Json<'_>) -> Option<Coding> {
        let text = |name: &str| json.text(name).map(str::to_string);
        Some(Coding {
            system: text("system"),
            version: text("version"),
            code: text("code")?,
            display: text("display"),
        })
    }
}

impl<'b> Given<'b> {
    /// What a GET has in its query, or a POST in its body (and query). `known` are all the names
    /// that mean something: nothing is ignored silently.
    ///
    /// # Errors
    /// What does not read, a name that is not known, one that stands twice in the query.
    pub fn read(
        ask: &'b Ask,
        body: Option<&'b [u8]>,
        known: &[&str],
    ) -> Result<Given<'b>, Failure> {
        let body = match body {
            Some(body) => {
                format::is_sent(&ask.headers)?;
                let parameters = Parameters::read(body)?;
                parameters.only(known)?;
                Some(parameters)
            }
            None => None,
        };
        for (at, (name, _)) in ask.query.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let message = format!("This operation takes {}.", known.join(", "));
                return Err(Problem::new(Kind::NotSupported, message).into());
            }
            if ask.query.iter().take(at).any(|(other, _)| other == name) && name != "property" {
                let message = format!("The parameter {name} is given twice.");
                return Err(Problem::new(Kind::Value, message).into());
            }
        }
        Ok(Given {
            query: &ask.query,
            body,
        })
    }

    /// The values of that name as text.
    pub fn texts(&self, name: &str) -> Vec<String> {
        let in_query = self
            .query
            .iter()
            .filter(|(known, _)| known == name)
            .map(|(_, value)| value.clone());
        let mut found: Vec<String> = in_query.collect();
        if let Some(body) = &self.body {
            found.extend(body.values(name).filter_map(|value| match value {
                Json::String(text) => Some(text.to_string()),
                Json::Number(text) => Some((*text).to_string()),
                Json::Bool(value) => Some(value.to_string()),
                _ => None,
            }));
        }
        found
    }

    /// The value of that name; an empty one is none.
    pub fn text(&self, name: &str) -> Option<String> {
        self.texts(name)
            .into_iter()
            .next()
            .filter(|text| !text.is_empty())
    }

    /// # Errors
    /// `Value` if it is neither true nor false.
    pub fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.text(name).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::new(
                Kind::Value,
                format!("{name} is true or false."),
            )),
        }
    }

    /// # Errors
    /// `Value` if it is no whole number from 0.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let message = format!("{name} is a whole number from 0.");
        text.parse()
            .map(Some)
            .map_err(|_| Problem::new(Kind::Value, message))
    }

    /// The resource of that name.
    pub fn resource<'g>(&'g self, name: &'g str) -> Option<&'g Json<'b>> {
        self.body.as_ref()?.resource(name)
    }

    /// A coding of that name.
    pub fn coding(&self, name: &str) -> Option<Coding> {
        self.body.as_ref()?.values(name).next().and_then(Coding::of)
    }

    /// What is asked about: `code` with `system`, a `coding`, or the codings of a `codeableConcept`.
    ///
    /// # Errors
    /// `Required` if there is none of these.
    pub fn codings(&self, version: &str) -> Result<Vec<Coding>, Problem> {
        if let Some(code) = self.text("code") {
            return Ok(vec![Coding {
                system: self.text("system"),
                version: self.text(version),
                code,
                display: self.text("display"),
            }]);
        }
        if let Some(coding) = self.coding("coding") {
            return Ok(vec![coding]);
        }
        let concept = self
            .body
            .as_ref()
            .and_then(|body| body.values("codeableConcept").next());
        let codings: Vec<Coding> = concept
            .map(|it| it.items("coding").iter().filter_map(Coding::of).collect())
            .unwrap_or_default();
        if codings.is_empty() {
            let message = "Give a code with its system, a coding with a code, or a codeableConcept with codings.";
            return Err(Problem::new(Kind::Required, message));
        }
        Ok(codings)
    }
}

pub fn missing(name: &str) -> Problem {
    Problem::new(Kind::Required, format!("The parameter {name} is missing."))
}
