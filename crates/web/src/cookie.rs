//! Cookies. Each node has its own names, since browsers send a cookie to every port of a host.

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

use crate::secret::Secret;

/// The most bytes of cookies that are looked through.
const COOKIE_BYTES_MAX: usize = 8192;

/// The secret under that cookie's name, if the request brings one.
pub fn find(headers: &HeaderMap, name: &str) -> Option<Secret> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter(|value| value.len() <= COOKIE_BYTES_MAX)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(found, _)| *found == name)
        .and_then(|(_, value)| Secret::presented(value))
}

/// Hands the browser a secret, until it is closed: not for scripts, not for other sites' forms,
/// and only over TLS where the node has it.
pub fn set(headers: &mut HeaderMap, name: &str, secret: &Secret, secure: bool) {
    let secure = if secure { "; Secure" } else { "" };
    let value = format!(
        "{name}={}; Path=/; HttpOnly; SameSite=Lax{secure}",
        secret.reveal()
    );
    append(headers, &value);
}

/// Takes the cookie away from the browser.
pub fn clear(headers: &mut HeaderMap, name: &str, secure: bool) {
    let secure = if secure { "; Secure" } else { "" };
    append(
        headers,
        &format!("{name}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0{secure}"),
    );
}

fn append(headers: &mut HeaderMap, value: &str) {
    if let Ok(mut value) = HeaderValue::from_str(value) {
        value.set_sensitive(true);
        headers.append(SET_COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let secret = Secret::random();
        let mut headers = HeaderMap::new();
        let line = format!(
            "xhandover-a=aaaaaaaaaaaaaaaaaaaaaaaa; handover-a={}",
            secret.reveal()
        );
        headers.insert(COOKIE, HeaderValue::from_str(&line).unwrap());
        assert_eq!(
            find(&headers, "handover-a").unwrap().digest(),
            secret.digest()
        );
        assert!(find(&headers, "handover").is_none());
    }

    #[test]
    fn a11_a_cookie_is_kept_from_scripts_and_other_sites() {
        let mut headers = HeaderMap::new();
        set(&mut headers, "n", &Secret::random(), true);
        let value = headers[SET_COOKIE].to_str().unwrap();
        for attribute in ["HttpOnly", "SameSite=Lax", "Secure", "Path=/"] {
            assert!(value.contains(attribute), "{value}");
        }
    }
}
