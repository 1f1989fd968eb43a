//! XML as far as the published suite needs it: elements, attributes, text, the five entities.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, dead_code)]

#[derive(Debug, Default)]
pub struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    pub children: Vec<Element>,
    pub text: String,
}

impl Element {
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let mut found = self.attributes.iter().filter(|(known, _)| known == name);
        found.next().map(|(_, value)| value.as_str())
    }

    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }
}

pub fn read(text: &str) -> Element {
    let mut reader = Reader { text, at: 0 };
    reader.misc();
    reader.element()
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// Skips white space, comments, declarations.
    fn misc(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
            self.at += rest.len() - trimmed.len();
            let end = match trimmed {
                rest if rest.starts_with("<!--") => rest.find("-->").unwrap() + 3,
                rest if rest.starts_with("<?") => rest.find("?>").unwrap() + 2,
                _ => return,
            };
            self.at += end;
        }
    }

    fn element(&mut self) -> Element {
        let open = tag_end(self.rest());
        let tag = self.rest()[1..open].to_string();
        self.at += open + 1;
        let (tag, is_closed) = match tag.strip_suffix('/') {
            Some(tag) => (tag, true),
            None => (tag.as_str(), false),
        };
        let mut element = Element::default();
        let name_end = tag.find(char::is_whitespace).unwrap_or(tag.len());
        element.name = tag[..name_end].to_string();
        let mut rest = tag[name_end..].trim();
        while let Some((name, after)) = rest.split_once('=') {
            let after = after.trim_start();
            let quote = after.chars().next().unwrap();
            let (value, next) = after[1..].split_once(quote).unwrap();
            let pair = (name.trim().to_string(), plain(value));
            element.attributes.push(pair);
            rest = next.trim();
        }
        let mut is_open = !is_closed;
        while is_open {
            let rest = self.rest();
            if rest.starts_with("</") {
                self.at += rest.find('>').unwrap() + 1;
                is_open = false;
            } else if rest.starts_with("<!--") {
                self.at += rest.find("-->").unwrap() + 3;
            } else if let Some(data) = rest.strip_prefix("<![CDATA[") {
                let end = data.find("]]>").unwrap();
                element.text.push_str(&data[..end]);
                self.at += end + 12;
            } else if rest.starts_with('<') {
                let child = self.element();
                element.children.push(child);
            } else {
                let end = rest.find('<').unwrap();
                element.text.push_str(&plain(&rest[..end]));
                self.at += end;
            }
        }
        element
    }
}

/// The `>` that ends a tag, not one within quotes.
fn tag_end(text: &str) -> usize {
    let mut quote = None;
    let ends = |letter: char| {
        match (quote, letter) {
            (None, '>') => return true,
            (None, '"' | '\'') => quote = Some(letter),
            (Some(open), letter) if open == letter => quote = None,
            _ => {}
        }
        false
    };
    text.find(ends).unwrap()
}

fn plain(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&#39;", "'")
        .replace("&#xA;", "\n")
        .replace("&amp;", "&")
}
