//! The file itself: a page that asks for the passphrase, with its style, its script and what is sealed, and a policy
//! that lets it run these two and load nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fhir::problem::{Kind, Problem};
use minijinja::value::Serde;
use minijinja::{Value, context};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::seal::{self, Facts};
use crate::page::environment;

const SCRIPT: &str = include_str!("../../carried/carried.js");
const STYLE: &str = include_str!("../../carried/carried.css");

/// What is inside: HTML that a template of ours made, and what the script needs.
#[derive(Serialize)]
struct Inside<'i, M: Serialize> {
    html: &'i str,
    more: M,
}

/// Renders a template for the inside. User text is escaped by the template, as on every page.
///
/// # Errors
/// `Exception` for a template that fails.
pub fn inside(template: &str, view: impl Serialize) -> Result<String, Problem> {
    let view = environment::without_nulls(Value::from(Serde(&view)));
    let found = environment::environment().get_template(template);
    let html = found.and_then(|it| it.render(context! { view => view }));
    html.map_err(|cause| {
        Problem::new(Kind::Exception, "The file could not be made.").because(cause)
    })
}

/// Makes the whole file. It takes long by design, for the passphrase: not on a thread that serves others.
///
/// # Errors
/// `Exception` if it cannot be made.
pub fn make(
    facts: &Facts,
    html: &str,
    more: impl Serialize,
    passphrase: &str,
) -> Result<String, Problem> {
    let failed = |cause: serde_json::Error| {
        Problem::new(Kind::Exception, "The file could not be made.").because(cause)
    };
    let text = serde_json::to_vec(&Inside { html, more }).map_err(failed)?;
    let sealed = seal::seal(facts, &text, passphrase)?;
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        digest(SCRIPT),
        digest(STYLE)
    );
    let found = environment::environment().get_template("carried/file.jinja");
    let whole = found.and_then(|it| {
        it.render(context! {
            facts => Value::from(Serde(facts)),
            policy => policy,
            script => Value::from_safe_string(SCRIPT.to_owned()),
            style => Value::from_safe_string(STYLE.to_owned()),
            sealed => Value::from_safe_string(sealed),
        })
    });
    whole.map_err(|cause| {
        Problem::new(Kind::Exception, "The file could not be made.").because(cause)
    })
}

/// Opens a file: its facts and the HTML inside.
///
/// # Errors
/// `Structure`, `Security`: as `seal::open`.
pub fn open(file: &str, passphrase: &str) -> Result<(Facts, String), Problem> {
    let (facts, text) = seal::open(seal::in_file(file)?, passphrase)?;
    let inside: serde_json::Value = serde_json::from_slice(&text).map_err(|cause| {
        Problem::new(Kind::Structure, "What is inside does not read.").because(cause)
    })?;
    let html = inside.get("html").and_then(serde_json::Value::as_str);
    Ok((facts, html.unwrap_or_default().to_owned()))
}

fn digest(text: &str) -> String {
    STANDARD.encode(Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_what_it_runs_and_nothing_readable_of_what_it_is_about() {
        let facts = Facts {
            kind: "visits".into(),
            id: "p".into(),
            organisation: "A & B <trust>".into(),
            title: "Day pack".into(),
            made: 1,
            expires: 2,
        };
        let file = make(&facts, "<p>Jane Canary</p>", (), "correct horse battery").unwrap();
        assert!(!file.contains("Canary"));
        assert!(file.contains("A &amp; B &lt;trust&gt;"));
        // The policy fits the script and the style that stand there, to the byte.
        for (element, directive) in [("script", "script-src"), ("style", "style-src")] {
            let open = format!("<{element}>");
            let (_, rest) = file.split_once(&open).unwrap();
            let (text, _) = rest.split_once(&format!("</{element}>")).unwrap();
            // The policy's quotes are escaped in its attribute.
            let wanted = format!("{directive} &#x27;sha256-{}", digest(text));
            assert!(
                file.replace("&#39;", "&#x27;")
                    .replace('\'', "&#x27;")
                    .replace("&#x2f;", "/")
                    .contains(&wanted),
                "{element}"
            );
        }
        assert!(!file.contains("http://") && !file.contains("https://"));
        let (read, html) = open(&file, "correct horse battery").unwrap();
        assert_eq!((read, html.as_str()), (facts, "<p>Jane Canary</p>"));
    }
}
