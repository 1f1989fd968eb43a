//! Addresses that an app may be sent back to (RFC 9700 §2.1, RFC 8252 §7).

/// The longest address of an app.
const BYTES_MAX: usize = 500;

/// Whether an app may register the address.
///
/// # Errors
/// Why not, in a sentence.
pub fn check_redirect(uri: &str) -> Result<(), &'static str> {
    let plain = |b: u8| b.is_ascii_graphic() && !b"\"'<>\\^`{|}*;,".contains(&b);
    if uri.len() > BYTES_MAX || !uri.bytes().all(plain) {
        return Err("An app's address is plain ASCII of at most 500 bytes, without wildcards.");
    }
    if uri.contains('#') {
        return Err("An app's address has no fragment.");
    }
    let Some((scheme, rest)) = uri.split_once(':') else {
        return Err("An app's address is absolute.");
    };
    let authority = rest.strip_prefix("//").unwrap_or_default();
    let end = authority.find(['/', '?']).unwrap_or(authority.len());
    let host = authority.split_at(end).0;
    if host.contains('@') {
        return Err("An app's address holds no user name.");
    }
    match scheme {
        "https" if !host.is_empty() => Ok(()),
        "http" if is_loopback(host) => Ok(()),
        "http" => Err("An app's address is https; http is for 127.0.0.1, [::1] and localhost."),
        // A private-use scheme is a domain name turned round, so that apps do not share it.
        _ if scheme.contains('.') && scheme.bytes().all(is_scheme) => Ok(()),
        _ => Err("An app's address is https, or of a scheme like org.example.app."),
    }
}

fn is_scheme(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b)
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix("[::1]") {
        Some(port) => return port.is_empty() || port.starts_with(':'),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "127.0.0.1" || name == "localhost"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_is_sent_back_over_tls_to_itself_or_to_its_own_scheme() {
        for good in [
            "https://app.example/callback?x=1",
            "http://127.0.0.1:9000/cb",
            "http://localhost/cb",
            "http://[::1]:80/",
            "org.example.app:/cb",
        ] {
            assert_eq!(check_redirect(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "/cb",
            "http://app.example/cb",
            "http://localhost.evil.example/cb",
            "https://",
            "https://app.example/#x",
            "https://a@app.example/",
            "https://*.example/",
            "javascript:alert(1)",
            "data:text/html,x",
            "https://a.example/\r\nx",
            "https://a.example/;x",
        ] {
            assert!(check_redirect(bad).is_err(), "{bad}");
        }
    }
}
