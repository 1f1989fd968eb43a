//! A browser for the day's people: it keeps cookies, finds forms, fills them in and sends them. No script runs in it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A page at most, in bytes.
const PAGE_BYTES_MAX: u64 = 4 << 20;
const REQUEST_SECONDS_MAX: u64 = 15;
/// Redirections that are followed.
const FOLLOWED_MAX: usize = 4;

/// One person's browser at one node.
pub struct Browser {
    at: SocketAddr,
    cookies: BTreeMap<String, String>,
}

/// A page that came.
pub struct Page {
    pub status: u16,
    /// The path that it came from in the end.
    pub path: String,
    pub text: String,
}

/// A form of a page, as it would be sent untouched.
#[derive(Debug)]
pub struct Form {
    pub action: String,
    pub fields: Vec<(String, String)>,
}

impl Browser {
    pub fn at(at: SocketAddr) -> Browser {
        Browser {
            at,
            cookies: BTreeMap::new(),
        }
    }

    /// Signs in by that door, or says why not.
    ///
    /// # Errors
    /// In words.
    pub async fn sign_in(&mut self, door: &str, login: &str) -> Result<(), String> {
        let page = self.open(door).await?;
        let mut form = page.form(door).ok_or("there is no form to sign in with")?;
        form.set("login", login);
        form.set("password", super::super::PASSWORD);
        let page = self.send(&form).await?;
        match page.path.contains("/login") || page.status >= 400 {
            true => Err(format!("{login} could not sign in")),
            false => Ok(()),
        }
    }

    /// # Errors
    /// In words.
    pub async fn open(&mut self, path: &str) -> Result<Page, String> {
        self.follow("GET", path, "").await
    }

    /// # Errors
    /// In words.
    pub async fn send(&mut self, form: &Form) -> Result<Page, String> {
        let body = encoded(&form.fields);
        self.follow("POST", &form.action, &body).await
    }

    async fn follow(&mut self, method: &str, path: &str, body: &str) -> Result<Page, String> {
        let (mut method, mut path, mut body) = (method, path.to_owned(), body.to_owned());
        for _ in 0..FOLLOWED_MAX {
            let limit = Duration::from_secs(REQUEST_SECONDS_MAX);
            let asked = tokio::time::timeout(limit, self.ask(method, &path, &body)).await;
            let answer = asked.map_err(|_| "the page did not come in time")?;
            let (status, head, text) = answer.map_err(|_| "the node does not answer".to_owned())?;
            self.remember(&head);
            let to = header(&head, "location").filter(|_| (300..400).contains(&status));
            let Some(to) = to else {
                return Ok(Page { status, path, text });
            };
            let address = format!("http://{}", self.at);
            path = to.strip_prefix(&address).unwrap_or(to).to_owned();
            (method, body) = ("GET", String::new());
        }
        Err("the page led on and on".to_owned())
    }

    async fn ask(
        &self,
        method: &str,
        path: &str,
        body: &str,
    ) -> std::io::Result<(u16, String, String)> {
        let mut stream = TcpStream::connect(self.at).await?;
        let cookies: Vec<_> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let path = path.split('#').next().unwrap_or_default();
        let (at, cookies, length) = (self.at, cookies.join("; "), body.len());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {at}\r\nOrigin: http://{at}\r\nCookie: {cookies}\r\nAccept: text/html\r\n\
             Connection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(PAGE_BYTES_MAX).read_to_end(&mut answer).await?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, text) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|it| it.parse().ok())
            .unwrap_or(0);
        let chunked = header(head, "transfer-encoding") == Some("chunked");
        let text = if chunked {
            unchunked(text)
        } else {
            text.to_owned()
        };
        Ok((status, head.to_owned(), text))
    }

    fn remember(&mut self, head: &str) {
        let set = head.lines().filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("set-cookie")
                .then(|| value.trim())
        });
        for cookie in set {
            let pair = cookie.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

fn encoded(fields: &[(String, String)]) -> String {
    let mut body = form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(fields).finish()
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines
        .find(|(it, _)| it.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

fn unchunked(mut text: &str) -> String {
    let mut whole = String::new();
    while let Some((length, rest)) = text.split_once("\r\n") {
        let length = usize::from_str_radix(length.trim(), 16).unwrap_or(0);
        let Some(piece) = rest.get(..length).filter(|_| length > 0) else {
            break;
        };
        whole.push_str(piece);
        text = rest
            .get(length..)
            .and_then(|it| it.strip_prefix("\r\n"))
            .unwrap_or_default();
    }
    whole
}

impl Page {
    /// The first form whose action holds those words.
    pub fn form(&self, action: &str) -> Option<Form> {
        let forms = self.text.split("<form").skip(1);
        let forms = forms.filter_map(|it| it.split("</form>").next());
        forms.filter_map(form).find(|it| it.action.contains(action))
    }

    /// The targets of links that begin so, each once.
    pub fn links(&self, begin: &str) -> Vec<String> {
        let mut links: Vec<String> = Vec::new();
        for rest in self.text.split("href=\"").skip(1) {
            let link = unescaped(rest.split('"').next().unwrap_or_default());
            if link.starts_with(begin) && !links.contains(&link) {
                links.push(link);
            }
        }
        links
    }

    /// The value of the first button of that name.
    pub fn button(&self, name: &str) -> Option<String> {
        let mut tags = self.text.split("<button").skip(1);
        let tag = tags.find_map(|it| {
            let (tag, _) = it.split_once('>')?;
            (attribute(tag, "name") == Some(name)).then_some(tag)
        })?;
        attribute(tag, "value").map(unescaped)
    }

    /// What the page says is wrong, if it does.
    pub fn fault(&self) -> Option<String> {
        let (_, rest) = self.text.split_once("There is a problem")?;
        let plain = rest.split('>').filter_map(|it| it.split('<').next());
        plain.map(str::trim).find(|it| it.len() > 3).map(unescaped)
    }
}

impl Form {
    pub fn set(&mut self, name: &str, value: &str) {
        self.fields.retain(|(it, _)| it != name);
        self.fields.push((name.to_owned(), value.to_owned()));
    }
}

/// Reads a form from behind `<form` on.
fn form(text: &str) -> Option<Form> {
    let (head, mut rest) = text.split_once('>')?;
    let action = unescaped(attribute(head, "action").unwrap_or_default());
    let mut fields = Vec::new();
    while let Some((_, after)) = rest.split_once('<') {
        let (tag, behind) = after.split_once('>')?;
        rest = behind;
        let name = attribute(tag, "name").unwrap_or_default();
        let value = match tag.split_whitespace().next().unwrap_or_default() {
            "input" => {
                let kind = attribute(tag, "type").unwrap_or("text");
                let is_off = matches!(kind, "checkbox" | "radio") && !tag.contains(" checked");
                (!is_off).then(|| attribute(tag, "value").unwrap_or_default())
            }
            "textarea" => behind.split("</textarea>").next(),
            "select" => behind.split("</select>").next().and_then(chosen),
            _ => None,
        };
        if let Some(value) = value.filter(|_| !name.is_empty()) {
            fields.push((unescaped(name), unescaped(value)));
        }
    }
    Some(Form { action, fields })
}

/// The value of the option that is chosen, or else of the first.
fn chosen(options: &str) -> Option<&str> {
    let tags = || {
        options
            .split("<option")
            .skip(1)
            .filter_map(|it| it.split('>').next())
    };
    let tag = tags()
        .find(|it| it.contains(" selected"))
        .or_else(|| tags().next());
    tag.map(|it| attribute(it, "value").unwrap_or_default())
}

fn attribute<'t>(tag: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    rest.split('"').next()
}

fn unescaped(text: &str) -> String {
    let named = [
        ("&quot;", "\""),
        ("&#x27;", "'"),
        ("&#39;", "'"),
        ("&#x2f;", "/"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&amp;", "&"),
    ];
    named.iter().fold(text.to_owned(), |text, (name, plain)| {
        text.replace(name, plain)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_a_browser_would_send_it() {
        let text = "<form method=\"post\" action=\"&#x2f;a\"><input type=\"hidden\" name=\"csrf\" value=\"x&amp;y\">\
            <input type=\"checkbox\" name=\"one\" value=\"1\" checked><input type=\"checkbox\" name=\"two\" value=\"2\">\
            <select id=\"to\" name=\"to\"><option value=\"A\">A</option><option value=\"B\" selected>B</option></select>\
            <textarea name=\"why\" rows=\"3\">so</textarea><button>Go</button></form><form action=\"/b\"></form>";
        let page = Page {
            status: 200,
            path: String::new(),
            text: text.to_owned(),
        };
        let form = page.form("/a").unwrap();
        let pairs: Vec<_> = form
            .fields
            .iter()
            .map(|(a, b)| (a.as_str(), b.as_str()))
            .collect();
        assert_eq!(
            pairs,
            [("csrf", "x&y"), ("one", "1"), ("to", "B"), ("why", "so")]
        );
        assert_eq!(page.form("/b").unwrap().fields, []);
        assert!(page.form("/c").is_none());
        let page = Page {
            text: "<button>x</button><button type=\"submit\" name=\"choice\" value=\"a&amp;b\">"
                .to_owned(),
            ..page
        };
        assert_eq!(page.button("choice").as_deref(), Some("a&b"));
        assert_eq!(page.button("other"), None);
        assert_eq!(unchunked("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), "abcde");
    }
}
