//! The tables' element paths, read: `participant[1].individual(Practitioner.name.given[2])`.

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// An element by name; the label tells occurrences apart within one segment or value.
    Element {
        /// Its name.
        name: String,
        /// The number in brackets, if any.
        label: Option<u16>,
    },
    /// Onwards into another resource that the element refers to.
    Into(String),
}

/// Reads a path; `None` when it is not one that can be followed (an extension that HL7 has not
/// defined yet, or a second value where one is at hand).
///
/// `$this` and `$value` are the value at hand: no steps. So is a leading `[1]`.
pub fn steps(path: &str) -> Option<Vec<Step>> {
    let path = path.trim();
    if matches!(path, "$this" | "$value") {
        return Some(Vec::new());
    }
    let path = path.strip_prefix("[1].").unwrap_or(path);
    let mut steps = Vec::new();
    read(path, &mut steps)?;
    through_roles(&mut steps);
    Some(steps)
}

fn read(path: &str, steps: &mut Vec<Step>) -> Option<()> {
    let end = path.find(['.', '(']).unwrap_or(path.len());
    let (name, rest) = path.split_at(end);
    steps.push(element(name)?);
    if let Some(inner) = rest.strip_prefix('(') {
        // The closing brackets are all at the end, or forgotten.
        let inner = inner.trim_end_matches(')');
        let (ty, inner) = match inner.split_once('.') {
            Some((ty, inner)) => (ty, Some(inner)),
            None => (inner, None),
        };
        let ty = ty.split('[').next().unwrap_or(ty).trim();
        let is_type = ty.chars().all(char::is_alphanumeric) && ty.starts_with(char::is_uppercase);
        is_type.then(|| steps.push(Step::Into(ty.to_owned())))?;
        return inner.map_or(Some(()), |inner| read(inner, steps));
    }
    rest.strip_prefix('.')
        .map_or(Some(()), |rest| read(rest, steps))
}

fn element(text: &str) -> Option<Step> {
    let (name, label) = match text.split_once('[') {
        Some((name, rest)) => (name, Some(rest.strip_suffix(']')?)),
        None => (text, None),
    };
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric());
    // `line[1-3]` holds what `SAD` numbers itself.
    let label = match label {
        Some(number) => Some(number.split('-').next()?.parse().ok()?),
        None => None,
    };
    is_name.then(|| Step::Element {
        name: name.to_owned(),
        label,
    })
}

/// Our rule: no PractitionerRole is made. What refers to a role's practitioner or organisation
/// refers to that; what else is said of the role leads nowhere.
fn through_roles(steps: &mut Vec<Step>) {
    while let Some(at) = steps
        .iter()
        .position(|s| *s == Step::Into("PractitionerRole".into()))
    {
        let next = match steps.get(at + 1) {
            Some(Step::Element { name, .. }) => name.as_str(),
            _ => return,
        };
        if !matches!(next, "practitioner" | "organization") {
            return;
        }
        steps.drain(at..at + 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(path: &str) -> Option<String> {
        let steps = steps(path)?;
        let shown = steps.iter().map(|s| match s {
            Step::Element {
                name,
                label: Some(n),
            } => format!("{name}[{n}]"),
            Step::Element { name, label: None } => name.clone(),
            Step::Into(ty) => format!("->{ty}"),
        });
        Some(shown.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn paths_lead_through_elements_and_resources() {
        assert_eq!(shown("period.start").unwrap(), "period start");
        assert_eq!(shown("[1].given[2]").unwrap(), "given[2]");
        assert_eq!(
            shown("performer[1](PractitionerRole.practitioner(Practitioner))  ").unwrap(),
            "performer[1] ->Practitioner"
        );
        assert_eq!(
            shown("performer[2](Organization.address)").unwrap(),
            "performer[2] ->Organization address"
        );
        assert_eq!(
            shown("assigner(Organization[1].identifier[2].value)").unwrap(),
            "assigner ->Organization identifier[2] value"
        );
        assert_eq!(shown("line[1-3]").unwrap(), "line[1]");
        assert_eq!(shown("$this").unwrap(), "");
    }

    #[test]
    fn what_is_no_path_is_refused() {
        assert_eq!(shown("extension??-producerIdentifier"), None);
        assert_eq!(shown("extension[1]:group.url"), None);
        assert_eq!(shown("[2].given"), None);
    }
}
