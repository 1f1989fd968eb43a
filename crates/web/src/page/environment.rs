//! The template engine, set up so that the design system's macros, written for Python's Jinja and
//! used unmodified, come out as their makers' own HTML.

use std::sync::OnceLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};

use crate::page::assets;

/// The one environment of the process: templates hold nothing of any node.
pub fn environment() -> &'static Environment<'static> {
    static ENVIRONMENT: OnceLock<Environment<'static>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let mut environment = empty();
        for (name, source) in assets::TEMPLATES {
            if let Err(error) = environment.add_template(name, source) {
                // A template that cannot be read is a defect of the build; the pages that need it
                // answer with an error, and a test reads every template.
                tracing::error!(template = name, %error, "a template cannot be read");
            }
        }
        environment
    })
}

/// An environment with every setting and no template.
pub fn empty() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    if let Ok(syntax) = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
    {
        environment.set_syntax(syntax);
    }
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_filter("length", length);
    environment.add_filter("truncate", truncate);
    environment.add_function("asset", asset);
    environment
}

/// `length` that takes what is undefined, or has no length, as 0.
fn length(value: &Value) -> usize {
    value.len().unwrap_or(0)
}

/// Python's `truncate`, with its positional arguments: at most `length` characters, cut inside a
/// word when `kill_words`, `end` put after what was cut.
fn truncate(
    text: &str,
    length: Option<usize>,
    kill_words: Option<bool>,
    end: Option<&str>,
    leeway: Option<usize>,
) -> String {
    let length = length.unwrap_or(255);
    let end = end.unwrap_or("...");
    if text.chars().count() <= length.saturating_add(leeway.unwrap_or(5)) {
        return text.to_owned();
    }
    let room = length.saturating_sub(end.chars().count());
    let cut: String = text.chars().take(room).collect();
    let kept = match cut.rsplit_once(' ') {
        Some((words, _)) if !kill_words.unwrap_or(false) => words,
        _ => cut.as_str(),
    };
    format!("{kept}{end}")
}

/// The address of a static file, for templates; it stands in scripts too, so it is not escaped.
fn asset(name: &str) -> Result<Value, Error> {
    let address = assets::address(name).ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidOperation,
            format!("no static file {name}"),
        )
    })?;
    Ok(Value::from_safe_string(address.to_owned()))
}

/// The value without nulls in maps: to the macros, a null is not the same as nothing.
pub fn without_nulls(value: Value) -> Value {
    match value.kind() {
        ValueKind::Map => {
            let Ok(keys) = value.try_iter() else {
                return value;
            };
            Value::from_pairs(keys.filter_map(|key| {
                let item = value.get_item(&key).ok()?;
                (!item.is_none()).then(|| (key, without_nulls(item)))
            }))
        }
        ValueKind::Seq => match value.try_iter() {
            Ok(items) => items.map(without_nulls).collect::<Vec<Value>>().into(),
            Err(_) => value,
        },
        _ => value,
    }
}

#[cfg(test)]
mod tests;
