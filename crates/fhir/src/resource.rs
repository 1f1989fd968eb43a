//! One resource as it is stored and as it is answered.
//!
//! The stored bytes are minified JSON without `meta.versionId` and `meta.lastUpdated`: only the
//! writer knows these, and it knows them last. `render` splices them in.

use crate::date::{self, Millis};
use crate::json::{Json, Member, write, write_text};
use crate::problem::{Kind, Problem};

/// A resource as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    pub bytes: Vec<u8>,
    /// Where in `bytes` the version goes: just after the opening brace of `meta`, which is always
    /// there.
    pub splice: u32,
}

impl Body {
    /// Prepares a resource for storing under `id`, which must be one that `check_id` takes. What
    /// `meta.versionId` and `meta.lastUpdated` it came with is dropped; everything else stays, in
    /// its order and exact.
    pub fn new(resource: &Json<'_>, id: &str) -> Body {
        let members = resource.as_object().unwrap_or_default();
        let has = |name: &str| members.iter().any(|(known, _)| known == name);
        let mut draft = Draft {
            out: Vec::with_capacity(1024),
            splice: 0,
        };
        let (id_is_new, meta_is_new) = (!has("id"), !has("meta"));
        for (name, value) in members {
            match name.as_ref() {
                "id" => draft.id(id),
                "meta" => draft.meta(value.as_object().unwrap_or_default()),
                _ => {
                    draft.name(name);
                    write(value, &mut draft.out);
                }
            }
            if name == "resourceType" && id_is_new {
                draft.id(id);
            }
            if meta_is_new && (name == "id" || name == "resourceType" && id_is_new) {
                draft.meta(&[]);
            }
        }
        draft.finish()
    }

    /// The resource as answered: the stored bytes with `meta.versionId` and `meta.lastUpdated` in
    /// their place.
    pub fn render(bytes: &[u8], splice: u32, version: u64, last_updated: Millis) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len() + 72);
        Body::render_into(&mut out, bytes, splice, version, last_updated);
        out
    }

    /// As `render`, appending to what is there.
    pub fn render_into(
        out: &mut Vec<u8>,
        bytes: &[u8],
        splice: u32,
        version: u64,
        last_updated: Millis,
    ) {
        let at = usize::try_from(splice)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        let (before, after) = bytes.split_at(at);
        out.extend_from_slice(before);
        out.extend_from_slice(b"\"versionId\":\"");
        out.extend_from_slice(version.to_string().as_bytes());
        out.extend_from_slice(b"\",\"lastUpdated\":\"");
        out.extend_from_slice(date::instant(last_updated).as_bytes());
        out.push(b'"');
        if after.first() != Some(&b'}') {
            out.push(b',');
        }
        out.extend_from_slice(after);
    }
}

/// The bytes of a body while they are being written.
struct Draft {
    out: Vec<u8>,
    splice: u32,
}

impl Draft {
    fn name(&mut self, name: &str) {
        self.out.push(if self.out.is_empty() { b'{' } else { b',' });
        write_text(name, &mut self.out);
        self.out.push(b':');
    }

    fn id(&mut self, id: &str) {
        self.name("id");
        write_text(id, &mut self.out);
    }

    fn meta(&mut self, members: &[Member<'_>]) {
        self.name("meta");
        self.out.push(b'{');
        self.splice = u32::try_from(self.out.len()).unwrap_or(u32::MAX);
        let mut first = true;
        for (name, value) in members {
            if name == "versionId" || name == "lastUpdated" {
                continue;
            }
            if !first {
                self.out.push(b',');
            }
            first = false;
            write_text(name, &mut self.out);
            self.out.push(b':');
            write(value, &mut self.out);
        }
        self.out.push(b'}');
    }

    fn finish(mut self) -> Body {
        if self.out.is_empty() {
            self.out.push(b'{');
        }
        self.out.push(b'}');
        Body {
            bytes: self.out,
            splice: self.splice,
        }
    }
}

/// The type and the id that a resource says it has.
///
/// # Errors
/// `Structure` if it is no object, `Required` without a `resourceType`, `Value` if type or id are
/// no strings or the id is not one that FHIR allows. Whether the type is one of R4 is `validate`'s
/// question.
pub fn type_and_id<'r>(resource: &'r Json<'_>) -> Result<(&'r str, Option<&'r str>), Problem> {
    if resource.as_object().is_none() {
        return Err(Problem::new(
            Kind::Structure,
            "A resource is a JSON object.",
        ));
    }
    let ty = match resource.get("resourceType") {
        Some(Json::String(ty)) => ty.as_ref(),
        Some(_) => {
            return Err(Problem::new(
                Kind::Value,
                "The resourceType must be a string.",
            ));
        }
        None => return Err(Problem::new(Kind::Required, "The resourceType is missing.")),
    };
    match resource.get("id") {
        None => Ok((ty, None)),
        Some(Json::String(id)) => {
            check_id(id).map_err(|problem| problem.at(format!("{ty}.id")))?;
            Ok((ty, Some(id.as_ref())))
        }
        Some(_) => {
            Err(Problem::new(Kind::Value, "The id must be a string.").at(format!("{ty}.id")))
        }
    }
}

/// Whether a text may be a resource's id: 1 to 64 of `A`–`Z`, `a`–`z`, `0`–`9`, `-`, `.`
/// (<https://hl7.org/fhir/R4/datatypes.html#id>).
///
/// # Errors
/// `Value`.
pub fn check_id(id: &str) -> Result<(), Problem> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    if (1..=64).contains(&id.len()) && id.bytes().all(allowed) {
        return Ok(());
    }
    let message = "An id is 1 to 64 letters, digits, hyphens and full stops.";
    Err(Problem::new(Kind::Value, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Limits, parse};

    fn stored(text: &str, id: &str) -> Body {
        Body::new(&parse(text.as_bytes(), &Limits::default()).unwrap(), id)
    }

    fn answered(text: &str, id: &str) -> String {
        let body = stored(text, id);
        String::from_utf8(Body::render(&body.bytes, body.splice, 3, 0)).unwrap()
    }

    #[test]
    fn the_version_is_spliced_into_meta_and_all_else_is_kept() {
        assert_eq!(
            answered(
                r#"{"resourceType":"Patient", "meta":{"versionId":"9","tag":[{"code":"x"}]},"id":"old","n":1.50}"#,
                "p"
            ),
            r#"{"resourceType":"Patient","meta":{"versionId":"3","lastUpdated":"1970-01-01T00:00:00.000Z","tag":[{"code":"x"}]},"id":"p","n":1.50}"#
        );
    }

    #[test]
    fn id_and_meta_are_made_where_they_are_missing() {
        let meta = r#""meta":{"versionId":"3","lastUpdated":"1970-01-01T00:00:00.000Z"}"#;
        assert_eq!(
            answered(r#"{"resourceType":"Patient","active":true}"#, "p"),
            format!(r#"{{"resourceType":"Patient","id":"p",{meta},"active":true}}"#)
        );
        assert_eq!(
            answered(r#"{"active":true,"id":"x","resourceType":"Patient"}"#, "p"),
            format!(r#"{{"active":true,"id":"p",{meta},"resourceType":"Patient"}}"#)
        );
        assert_eq!(
            answered(
                r#"{"meta":{"lastUpdated":"2020"},"resourceType":"Patient"}"#,
                "p"
            ),
            format!(r#"{{{meta},"resourceType":"Patient","id":"p"}}"#)
        );
    }

    #[test]
    fn an_id_that_fhir_does_not_allow_is_refused() {
        for id in ["", "a/b", "a b", "é", &"x".repeat(65)] {
            assert!(check_id(id).is_err(), "{id}");
        }
        assert!(check_id("a-1.B").is_ok());
        let json = parse(
            br#"{"resourceType":"Patient","id":"a b"}"#,
            &Limits::default(),
        )
        .unwrap();
        assert_eq!(
            type_and_id(&json).unwrap_err().expression.as_deref(),
            Some("Patient.id")
        );
    }
}
