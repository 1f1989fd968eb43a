//! Public keys as JSON (RFC 7517, RFC 7518 §6, RFC 8037).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Wrong;
use crate::jws::read_strictly;

/// The largest set that is read, in bytes, and the most keys in it.
const BYTES_MAX: usize = 64 << 10;
const KEYS_MAX: usize = 20;
/// The bytes of an RSA modulus: 2048 to 8192 bits.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// A public key that signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Jwk {
    Rsa {
        kid: Option<String>,
        n: Vec<u8>,
        e: Vec<u8>,
    },
    P256 {
        kid: Option<String>,
        x: Vec<u8>,
        y: Vec<u8>,
    },
    P384 {
        kid: Option<String>,
        x: Vec<u8>,
        y: Vec<u8>,
    },
    Ed25519 {
        kid: Option<String>,
        x: Vec<u8>,
    },
}

/// The keys of one client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Jwks(pub Vec<Jwk>);

impl Jwk {
    /// Reads a key.
    ///
    /// # Errors
    /// If it is none that is known, or holds a private part, which nobody may be given.
    pub fn of(value: &Value) -> Result<Jwk, Wrong> {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        if value.get("d").is_some() || value.get("k").is_some() {
            return Err("The key holds a private part; keep that to yourself and make a new key.");
        }
        let bytes = |name: &str| {
            let bytes = text(name).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
            bytes.ok_or("The key lacks a number that its kind has.")
        };
        let kid = text("kid").map(str::to_string);
        match (text("kty"), text("crv")) {
            (Some("RSA"), _) => {
                let (n, e) = (bytes("n")?, bytes("e")?);
                if !MODULUS_BYTES.contains(&n.len()) || e.len() > 8 {
                    return Err("An RSA key has 2048 to 8192 bits.");
                }
                Ok(Jwk::Rsa { kid, n, e })
            }
            (Some("EC"), Some("P-256")) => {
                let (x, y) = (sized(bytes("x")?, 32)?, sized(bytes("y")?, 32)?);
                Ok(Jwk::P256 { kid, x, y })
            }
            (Some("EC"), Some("P-384")) => {
                let (x, y) = (sized(bytes("x")?, 48)?, sized(bytes("y")?, 48)?);
                Ok(Jwk::P384 { kid, x, y })
            }
            (Some("OKP"), Some("Ed25519")) => {
                let x = sized(bytes("x")?, 32)?;
                Ok(Jwk::Ed25519 { kid, x })
            }
            _ => Err("The key is not RSA, P-256, P-384 or Ed25519."),
        }
    }

    pub fn kid(&self) -> Option<&str> {
        match self {
            Jwk::Rsa { kid, .. }
            | Jwk::P256 { kid, .. }
            | Jwk::P384 { kid, .. }
            | Jwk::Ed25519 { kid, .. } => kid.as_deref(),
        }
    }

    /// The uncompressed point.
    pub(super) fn point(&self) -> Option<Vec<u8>> {
        match self {
            Jwk::P256 { x, y, .. } | Jwk::P384 { x, y, .. } => {
                let mut point = vec![4];
                point.extend_from_slice(x);
                point.extend_from_slice(y);
                Some(point)
            }
            Jwk::Rsa { .. } | Jwk::Ed25519 { .. } => None,
        }
    }

    /// The key's thumbprint (RFC 7638), in base64url.
    pub fn thumbprint(&self) -> String {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let canonical = match self {
            Jwk::Rsa { n, e, .. } => {
                format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, text(e), text(n))
            }
            Jwk::P256 { x, y, .. } => format!(
                r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#,
                text(x),
                text(y)
            ),
            Jwk::P384 { x, y, .. } => format!(
                r#"{{"crv":"P-384","kty":"EC","x":"{}","y":"{}"}}"#,
                text(x),
                text(y)
            ),
            Jwk::Ed25519 { x, .. } => {
                format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, text(x))
            }
        };
        URL_SAFE_NO_PAD.encode(Sha256::digest(canonical.as_bytes()))
    }
}

fn sized(bytes: Vec<u8>, length: usize) -> Result<Vec<u8>, Wrong> {
    if bytes.len() == length {
        return Ok(bytes);
    }
    Err("The key's numbers have another length than its curve's.")
}

impl Jwks {
    /// Reads a set. Keys of kinds that are not known, or not for signatures, are passed over.
    ///
    /// # Errors
    /// If it is none, is too large, or holds no key that could be used.
    pub fn read(text: &[u8]) -> Result<Jwks, Wrong> {
        if text.len() > BYTES_MAX {
            return Err("The key set is too large.");
        }
        let set: Result<Value, _> = read_strictly(text);
        let set = set.map_err(|_| "The key set is not JSON.")?;
        let list = set.get("keys").and_then(Value::as_array);
        let list = list.ok_or("A key set has a list of keys.")?;
        if list.len() > KEYS_MAX {
            return Err("The key set holds too many keys.");
        }
        let mut keys = Vec::new();
        for key in list {
            if key.get("d").is_some() || key.get("k").is_some() {
                return Err(
                    "The key set holds a private key; keep that to yourself and make a new one.",
                );
            }
            let signs = key.get("use").is_none_or(|it| it == "sig");
            if signs && let Ok(key) = Jwk::of(key) {
                keys.push(key);
            }
        }
        if keys.is_empty() {
            return Err("The key set holds no RSA, P-256, P-384 or Ed25519 key for signatures.");
        }
        Ok(Jwks(keys))
    }
}
