//! The XHTML that a narrative may hold (<https://hl7.org/fhir/R4/narrative.html#xhtml>): a `div` of
//! plain formatting, nothing active, everything closed.

/// Elements inside each other.
const DEPTH_MAX: usize = 256;

const ELEMENTS: &[&str] = &[
    "a",
    "abbr",
    "acronym",
    "b",
    "big",
    "blockquote",
    "br",
    "caption",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "li",
    "ol",
    "p",
    "pre",
    "q",
    "samp",
    "small",
    "span",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "tt",
    "ul",
    "var",
];

/// Whether a narrative's `div` is as R4 allows: well formed, only elements of formatting, no scripts,
/// forms, frames, event attributes or addresses that run.
pub fn is_allowed(div: &str) -> bool {
    read(div).is_some()
}

fn read(text: &str) -> Option<()> {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text.trim();
    rest.starts_with("<div").then_some(())?;
    while !rest.is_empty() {
        let Some(inside) = rest.strip_prefix('<') else {
            let end = rest.find('<')?;
            let content = rest.get(..end)?;
            // Text stands only inside the div.
            (!open.is_empty() || content.trim().is_empty()).then_some(())?;
            rest = rest.get(end..)?;
            continue;
        };
        if let Some(comment) = inside.strip_prefix("!--") {
            rest = comment.get(comment.find("-->")? + 3..)?;
            continue;
        }
        let end = tag_end(inside)?;
        let tag = inside.get(..end)?;
        rest = inside.get(end + 1..)?;
        if let Some(name) = tag.strip_prefix('/') {
            (open.pop()? == name.trim_end()).then_some(())?;
        } else {
            open_tag(tag, &mut open)?;
        }
        if open.is_empty() {
            return rest.trim().is_empty().then_some(());
        }
    }
    None
}

/// The `>` that ends a tag, not one within quotes.
fn tag_end(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at),
            (None, b'<') => return None,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

fn open_tag<'t>(tag: &'t str, open: &mut Vec<&'t str>) -> Option<()> {
    let (tag, is_closed) = match tag.strip_suffix('/') {
        Some(tag) => (tag, true),
        None => (tag, false),
    };
    let name_end = tag.find(char::is_whitespace).unwrap_or(tag.len());
    let name = tag.get(..name_end)?;
    ELEMENTS.contains(&name).then_some(())?;
    attributes(tag.get(name_end..)?)?;
    if !is_closed {
        open.push(name);
    }
    (open.len() <= DEPTH_MAX).then_some(())
}

fn attributes(text: &str) -> Option<()> {
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let name = name.trim().to_ascii_lowercase();
        let after = after.trim_start();
        let quote = after
            .chars()
            .next()
            .filter(|quote| matches!(quote, '"' | '\''))?;
        let (value, next) = after.get(1..)?.split_once(quote)?;
        is_harmless(&name, value).then_some(())?;
        rest = next.trim_start();
    }
    Some(())
}

/// No event attribute, and no address that runs something.
fn is_harmless(name: &str, value: &str) -> bool {
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b':' | b'_'));
    let is_address = matches!(name, "href" | "src");
    let compact: String = value
        .chars()
        .filter(|letter| !letter.is_whitespace() && !letter.is_control())
        .collect();
    let lower = compact.to_ascii_lowercase();
    let runs = ["javascript:", "vbscript:", "data:text"]
        .iter()
        .any(|scheme| lower.starts_with(scheme));
    let is_active = name.starts_with("on") || (is_address && runs);
    plain && !name.is_empty() && !is_active
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrative_holds_formatting_and_nothing_active() {
        for good in [
            r#"<div xmlns="http://www.w3.org/1999/xhtml"><p>A <b>b</b><br/> &amp; c</p></div>"#,
            "<div><!-- <script> --> <a href=\"https://a.example\">x</a></div>",
            "<div><img src='data:image/png;base64,AA==' alt='x > y'/></div>\n",
        ] {
            assert!(is_allowed(good), "{good}");
        }
        for bad in [
            "",
            "text",
            "<p>x</p>",
            "<div><script>x</script></div>",
            "<div onclick=\"x()\">x</div>",
            "<div><a href=\" java\tscript:x()\">x</a></div>",
            "<div><b>x</div></b>",
            "<div>x",
            "<div>x</div><div>y</div>",
            "<div><form/></div>",
        ] {
            assert!(!is_allowed(bad), "{bad}");
        }
        assert!(!is_allowed(&"<div>".repeat(300)));
    }
}
