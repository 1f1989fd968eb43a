//! People at a real node: accounts as an administrator adds them, and forms as browsers send them.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::client::http::{Answer, Client};
use crate::node::neighbourhood::Site;
use crate::setting::handover;

pub const PASSWORD: &str = "correct horse battery staple";

/// Adds an account with that role and `PASSWORD`.
pub fn account(site: &Site, login: &str, name: &str, role: &str) {
    let mut command = Command::new(handover())
        .args(["account", "add", "--username", login])
        .args(["--name", name, "--role", role])
        .current_dir(&site.folder)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut typed = command.stdin.take().unwrap();
    typed.write_all(format!("{PASSWORD}\n").as_bytes()).unwrap();
    drop(typed);
    assert!(command.wait().unwrap().success());
}

/// A clinician who signs in with a password, for made-up people.
pub fn clinician(site: &Site) -> Client {
    account(site, "bo", "Dr Bo Test", "clinician");
    Client::new(site.pages)
}

/// A field that a page's forms carry.
pub fn hidden(page: &Answer, name: &str) -> String {
    let text = page.text();
    let begins = format!("name=\"{name}\" value=\"");
    let (_, rest) = text
        .split_once(&begins)
        .unwrap_or_else(|| panic!("no {name} in {text}"));
    rest.split('"').next().unwrap().to_owned()
}

/// The token that a page's forms carry.
pub fn form_token(page: &Answer) -> String {
    hidden(page, "csrf")
}

/// The clinician's password alone, where the node takes that.
pub fn sign_in(client: &mut Client) {
    let answer = password(client, "bo");
    assert_eq!(answer.status, 303, "{}", answer.text());
}

/// What follows a password.
pub fn password(client: &mut Client, login: &str) -> Answer {
    let csrf = form_token(&client.get("/staff/login").unwrap());
    let fields = [
        ("csrf", csrf.as_str()),
        ("login", login),
        ("password", PASSWORD),
    ];
    client.post_form("/staff/login", &fields).unwrap()
}

/// Signs in with a password and, for the first time, a code of an authenticator app; gives its secret.
pub fn sign_in_with_code(client: &mut Client, login: &str) -> String {
    let page = password(client, login);
    let text = page.text();
    let (_, rest) = text
        .split_once("id=\"secret\">")
        .unwrap_or_else(|| panic!("{text}"));
    let secret = rest.split('<').next().unwrap().to_owned();
    let (csrf, step) = (form_token(&page), hidden(&page, "step"));
    let code = code(&secret, 0);
    let fields = [("csrf", csrf.as_str()), ("step", &step), ("code", &code)];
    let answer = client
        .post_form("/staff/login/second-factor", &fields)
        .unwrap();
    assert!(answer.status < 400, "{}", answer.text());
    secret
}

/// Proves anew by password and the next code, which has not been taken yet, who they are; then goes on to `next`.
pub fn step_up(client: &mut Client, secret: &str, next: &str) {
    let csrf = form_token(&client.get(&format!("/staff/step-up?next={next}")).unwrap());
    let code = code(secret, 1);
    let fields = [
        ("csrf", csrf.as_str()),
        ("next", next),
        ("password", PASSWORD),
        ("code", &code),
    ];
    let answer = client.post_form("/staff/step-up", &fields).unwrap();
    assert_eq!(answer.header("location"), Some(next), "{}", answer.text());
}

/// The code of now, or of so many steps later (RFC 6238), with `openssl` for the digest.
fn code(secret: &str, later: u64) -> String {
    let key: String = base32(secret)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let mut openssl = Command::new("openssl")
        .args(["dgst", "-sha1", "-binary", "-mac", "HMAC", "-macopt"])
        .arg(format!("hexkey:{key}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = openssl.stdin.take().unwrap();
    input.write_all(&(now / 30 + later).to_be_bytes()).unwrap();
    drop(input);
    let digest = openssl.wait_with_output().unwrap().stdout;
    let at = usize::from(digest[19] & 15);
    let number = u32::from_be_bytes(digest[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

fn base32(text: &str) -> Vec<u8> {
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes().filter(u8::is_ascii_alphanumeric) {
        let value = match letter {
            b'2'..=b'7' => letter - b'2' + 26,
            _ => letter.to_ascii_uppercase() - b'A',
        };
        held = (held << 5 | u32::from(value)) & 0xffff;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits & 0xff).unwrap());
        }
    }
    bytes
}
