//! What an operation was given: a Parameters resource
//! (<https://hl7.org/fhir/R4/parameters.html>), or the query.

use fhir::definitions::Definitions;
use fhir::json::{Json, Limits, parse};
use fhir::problem::{Kind, Problem};
use fhir::validate::validate;

use crate::fhir::{RESOURCE_BYTES_MAX, VALUES_MAX};

/// A Parameters resource that was checked.
pub struct Parameters<'b>(Json<'b>);

impl<'b> Parameters<'b> {
    /// # Errors
    /// What does not read or is no Parameters.
    pub fn read(body: &'b [u8]) -> Result<Parameters<'b>, Problem> {
        let limits = Limits {
            bytes: RESOURCE_BYTES_MAX,
            nodes: VALUES_MAX,
            ..Limits::default()
        };
        let json = parse(body, &limits)?;
        if json.text("resourceType") != Some("Parameters") {
            let message = "The body of this operation is a Parameters resource.";
            return Err(Problem::new(Kind::Invalid, message).at("Parameters"));
        }
        validate(&json, Definitions::r4())?;
        Ok(Parameters(json))
    }

    /// Refuses what the operation does not know: nothing is ignored silently.
    ///
    /// # Errors
    /// `NotSupported`, with the place.
    pub fn only(&self, known: &[&str]) -> Result<(), Problem> {
        for (at, parameter) in self.0.items("parameter").iter().enumerate() {
            let name = parameter.text("name").unwrap_or_default();
            if !known.contains(&name) {
                let message = format!("This operation takes {}.", known.join(", "));
                let place = format!("Parameters.parameter[{at}]");
                return Err(Problem::new(Kind::NotSupported, message).at(place));
            }
        }
        Ok(())
    }

    /// The resource of the parameter of that name.
    pub fn resource<'p>(&'p self, name: &'p str) -> Option<&'p Json<'b>> {
        self.named(name).find_map(|it| it.get("resource"))
    }

    /// The values of that name, whatever their type.
    pub fn values<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p Json<'b>> {
        self.named(name).filter_map(|it| {
            let members = it.as_object().unwrap_or_default().iter();
            let mut values = members.filter(|(member, _)| member.starts_with("value"));
            values.next().map(|(_, value)| value)
        })
    }

    fn named<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p Json<'b>> {
        let all = self.0.items("parameter").iter();
        all.filter(move |it| it.text("name") == Some(name))
    }
}
