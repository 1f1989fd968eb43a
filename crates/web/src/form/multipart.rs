//! Forms that bring a file (RFC 7578), as browsers write them: each part a field, a file a field with its text.

use fhir::problem::{Kind, Problem};
use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// The boundary, if it is such a form.
pub fn boundary(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let (kind, rest) = value.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let mut parts = rest.split(';').map(str::trim);
    let found = parts.find_map(|it| it.strip_prefix("boundary="))?;
    let found = found.trim_matches('"');
    (!found.is_empty() && found.len() <= 70).then(|| found.to_owned())
}

/// The fields, in their order.
///
/// # Errors
/// `Structure` for what is not of that form, or no text.
pub fn fields(body: &[u8], boundary: &str) -> Result<Vec<(String, String)>, Problem> {
    let text = std::str::from_utf8(body).map_err(|cause| {
        let message = "The form could not be read: the file is no text.";
        Problem::new(Kind::Structure, message).because(cause)
    })?;
    let mark = format!("--{boundary}");
    let (_, rest) = text.split_once(mark.as_str()).ok_or_else(broken)?;
    let next = format!("\r\n{mark}");
    let mut fields = Vec::new();
    let mut rest = rest;
    while !rest.starts_with("--") {
        let (part, after) = rest.split_once(next.as_str()).ok_or_else(broken)?;
        let part = part.strip_prefix("\r\n").ok_or_else(broken)?;
        let (head, content) = part.split_once("\r\n\r\n").ok_or_else(broken)?;
        fields.push((name(head).ok_or_else(broken)?, content.to_owned()));
        if fields.len() > super::FIELDS_MAX {
            let message = "The form has too many fields.";
            return Err(Problem::new(Kind::TooLong, message));
        }
        rest = after;
    }
    Ok(fields)
}

/// The name of a part's field.
fn name(head: &str) -> Option<String> {
    let mut lines = head.split("\r\n");
    let line = lines.find(|it| {
        it.to_ascii_lowercase()
            .starts_with("content-disposition: form-data;")
    })?;
    let mut parts = line.split(';').map(str::trim);
    let name = parts.find_map(|it| it.strip_prefix("name="))?;
    Some(name.trim_matches('"').to_owned())
}

fn broken() -> Problem {
    Problem::new(Kind::Structure, "The form could not be read.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_a_field_and_what_is_broken_off_is_refused() {
        let form = "--b1\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\nt\r\n--b1\r\n\
             Content-Disposition: form-data; name=\"file\"; filename=\"a.json\"\r\n\
             Content-Type: application/json\r\n\r\n{\"a\":\r\n1}\r\n--b1--\r\n";
        let found = fields(form.as_bytes(), "b1").unwrap();
        let expected = [("csrf", "t"), ("file", "{\"a\":\r\n1}")];
        let expected = expected.map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(found, expected);
        for cut in [form.len() - 10, 60, 20, 0] {
            assert!(fields(&form.as_bytes()[..cut], "b1").is_err(), "{cut}");
        }
        assert!(fields(b"\xff", "b1").is_err());
    }

    #[test]
    fn only_such_a_form_has_a_boundary() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, text.parse().unwrap());
            boundary(&headers)
        };
        assert_eq!(
            of("multipart/form-data; boundary=\"x\"").as_deref(),
            Some("x")
        );
        assert_eq!(of("application/x-www-form-urlencoded"), None);
        assert_eq!(of("multipart/form-data; boundary="), None);
    }
}
