//! L05: TLS as others misuse it, with the `openssl` program against a real node. L02: many who say nothing.

mod idle;

use std::fs::Permissions;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::node::neighbourhood::{Neighbourhood, Site, wait_for};
use crate::setting::handover;

const GET: &str = "GET /staff/login HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

/// A certificate and its key, made by `openssl` for `localhost` and, with `usage`, for that use only.
fn certificate(folder: &Path, name: &str, usage: &str) -> [PathBuf; 2] {
    let [certificate, key] = ["crt", "key"].map(|end| folder.join(format!("{name}.{end}")));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ])
        .args([
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
        ])
        .args(["-addext", usage])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    [certificate, key]
}

/// What `openssl s_client` says and is told when it sends `input`.
fn s_client(to: SocketAddr, arguments: &[&str], input: &str) -> String {
    let mut client = Command::new("timeout")
        .args([
            "20",
            "openssl",
            "s_client",
            "-connect",
            &to.to_string(),
            "-ign_eof",
        ])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may be gone already.
    let _ = client.stdin.take().unwrap().write_all(input.as_bytes());
    let output = client.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// Gives the site's pages TLS, with what else stands in that section.
fn with_tls(site: &Site, more: &str) {
    let settings = site.folder.join("handover.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    let plain = format!("public_url = \"http://{}\"\n", site.pages);
    assert!(text.contains(&plain), "{text}");
    let port = site.pages.port();
    let tls = format!(
        "public_url = \"https://localhost:{port}\"\ntls_certificate = \"pages.crt\"\ntls_key = \"pages.key\"\n{more}"
    );
    std::fs::write(&settings, text.replace(&plain, &tls)).unwrap();
}

fn start(site: &mut Site) {
    site.process.start_only();
    let to = site.pages;
    wait_for("the door", 20, || {
        s_client(to, &["-servername", "localhost"], GET)
            .contains("HTTP/1.1 200")
            .then_some(())
    });
}

fn assert_answers(site: &Site) {
    let told = s_client(site.pages, &["-servername", "localhost"], GET);
    assert!(told.contains("HTTP/1.1 200"), "{told}");
    assert!(
        !site.process.log().contains("panicked"),
        "{}",
        site.process.log()
    );
}

#[test]
fn l05_a11_the_pages_speak_the_newest_tls_only_and_bind_what_they_hand_out_to_it() {
    let mut nodes = Neighbourhood::set_up(None);
    let site = &mut nodes.practice;
    let [certificate, _] = certificate(&site.folder, "pages", "extendedKeyUsage=serverAuth");
    with_tls(site, "");
    start(site);
    let to = site.pages;
    let authority = certificate.display().to_string();
    let strict = [
        "-CAfile",
        &authority,
        "-verify_return_error",
        "-verify_hostname",
    ];

    let told = s_client(
        to,
        &[&strict[..], &["localhost", "-servername", "localhost"]].concat(),
        GET,
    );
    assert!(
        told.contains("TLSv1.3") && told.contains("HTTP/1.1 200"),
        "{told}"
    );
    let header = |name: &str| {
        let lines = told.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        found.next().map_or("", |(_, value)| value).to_owned()
    };
    assert!(
        header("strict-transport-security").contains("max-age=31536000"),
        "{told}"
    );
    let cookie = header("set-cookie");
    assert!(cookie.starts_with("__Host-handover-"), "{cookie}");
    for attribute in ["; Path=/", "; HttpOnly", "; SameSite=Lax", "; Secure"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");

    for old in ["-tls1_2", "-tls1_1", "-tls1"] {
        let told = s_client(to, &[old, "-cipher", "ALL:@SECLEVEL=0"], GET);
        assert!(told.contains(" alert "), "{old}: {told}");
        assert!(!told.contains("HTTP/1.1"), "{old}: {told}");
    }
    let other = s_client(
        to,
        &[
            &strict[..],
            &["other.invalid", "-servername", "other.invalid"],
        ]
        .concat(),
        GET,
    );
    assert!(
        other.to_lowercase().contains("hostname mismatch") && !other.contains("HTTP/1.1 200"),
        "{other}"
    );
    for bytes in [GET.as_bytes(), &[0; 4096], &[0x16, 3, 1, 255, 255, 1]] {
        let mut stream = TcpStream::connect(to).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP"), "{}", answer.escape_ascii());
    }
    assert!(
        site.process.log().contains("a TLS handshake failed"),
        "{}",
        site.process.log()
    );
    assert_answers(site);
}

#[test]
fn l05_older_tls_is_spoken_where_the_setting_says_so_and_weak_ciphers_never() {
    let mut nodes = Neighbourhood::set_up(None);
    let site = &mut nodes.practice;
    certificate(&site.folder, "pages", "extendedKeyUsage=serverAuth");
    with_tls(site, "tls_oldest = \"1.2\"\n");
    start(site);
    let to = site.pages;
    let told = s_client(to, &["-tls1_2"], GET);
    assert!(
        told.contains("TLSv1.2") && told.contains("HTTP/1.1 200"),
        "{told}"
    );
    for old in ["-tls1_1", "-tls1"] {
        let told = s_client(to, &[old, "-cipher", "ALL:@SECLEVEL=0"], GET);
        assert!(
            told.contains("alert") && !told.contains("HTTP/1.1"),
            "{old}: {told}"
        );
    }
    for weak in [
        "AES128-SHA",
        "ECDHE-ECDSA-AES128-SHA",
        "eNULL",
        "aNULL",
        "AES128-GCM-SHA256",
    ] {
        let cipher = format!("{weak}:@SECLEVEL=0");
        let told = s_client(to, &["-tls1_2", "-cipher", &cipher], GET);
        assert!(told.contains("alert handshake failure"), "{weak}: {told}");
    }
    // A renegotiation is not had: the connection ends, and no answer comes on it.
    let told = s_client(to, &["-tls1_2", "-legacy_renegotiation"], "R\n");
    assert!(!told.contains("HTTP/1.1 200"), "{told}");
    assert_answers(site);
}

#[test]
fn l05_the_exchange_door_hears_nobody_whose_certificate_the_directory_does_not_name() {
    let mut nodes = Neighbourhood::set_up(None);
    nodes.practice.process.start();
    let site = &nodes.practice;
    let settings = std::fs::read_to_string(site.folder.join("handover.toml")).unwrap();
    let (_, rest) = settings.split_once("[exchange]\nlisten = \"").unwrap();
    let to: SocketAddr = rest.split('"').next().unwrap().parse().unwrap();
    let request = "POST /exchange/v1/parcels HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
    let mut refused = vec![s_client(to, &[], request)];
    for (name, usage) in [
        ("client", "extendedKeyUsage=clientAuth"),
        ("server", "extendedKeyUsage=serverAuth"),
        ("signer", "keyUsage=critical,keyCertSign"),
    ] {
        let [certificate, key] = certificate(&site.folder, name, usage);
        let [certificate, key] = [certificate, key].map(|path| path.display().to_string());
        refused.push(s_client(
            to,
            &["-cert", &certificate, "-key", &key],
            request,
        ));
    }
    for told in refused {
        assert!(
            told.contains("alert") && !told.contains("HTTP/1.1"),
            "{told}"
        );
    }
    let old = s_client(to, &["-tls1_2"], request);
    assert!(old.contains("alert protocol version"), "{old}");
    let mut client = site.client();
    assert_eq!(client.get("/fhir/metadata").unwrap().status, 200);
    assert!(
        !site.process.log().contains("panicked"),
        "{}",
        site.process.log()
    );
}

#[test]
fn a_node_does_not_start_while_others_may_read_a_secret_of_its_settings() {
    let mut nodes = Neighbourhood::set_up(None);
    let site = &mut nodes.practice;
    let [_, key] = certificate(&site.folder, "pages", "extendedKeyUsage=serverAuth");
    with_tls(site, "");
    let url = site.folder.join("postgres.url");
    std::fs::write(&url, "postgres://user:secret@127.0.0.1:1/x").unwrap();
    let sealing = site.folder.join("keys/secrets.key");
    std::fs::write(&sealing, [7; 32]).unwrap();
    let settings = site.folder.join("handover.toml");
    let sqlite = std::fs::read_to_string(&settings).unwrap();
    let postgres = sqlite.replace(
        "sqlite = \"handover.sqlite\"",
        "postgres = \"postgres.url\"",
    );
    let refused = |file: &Path, settings_text: &str, setting: &str| {
        std::fs::write(&settings, settings_text).unwrap();
        for mode in [0o604, 0o640] {
            std::fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
            let output = Command::new(handover())
                .arg("serve")
                .current_dir(&site.folder)
                .output()
                .unwrap();
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success(), "{setting} {mode:o}");
            let name = file.file_name().unwrap().to_str().unwrap();
            for part in [setting, name, "0600"] {
                assert!(told.contains(part), "{setting} {mode:o}: {told}");
            }
            assert!(!told.contains("secret@"), "{told}");
        }
        std::fs::set_permissions(file, Permissions::from_mode(0o600)).unwrap();
    };
    refused(&url, &postgres, "store.postgres");
    refused(&key, &sqlite, "pages.tls_key");
    refused(&sealing, &sqlite, "secrets.key");
}
