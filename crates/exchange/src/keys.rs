//! A node's own keys: one Ed25519 key to sign with, one certificate and key for TLS.
//!
//! Keys live in a folder that only the node's user can read; settings name the folder, never a key.

mod renewal;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use access::Ods;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fhir::problem::{Kind, Problem};
use parking_lot::RwLock;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const SIGNING_KEY: &str = "signing.key";
const TLS_KEY: &str = "tls.key";
const TLS_CERTIFICATE: &str = "tls.crt";
/// A key file is a few hundred bytes; a larger one is some other file.
const KEY_FILE_BYTES_MAX: u64 = 64 << 10;

/// A public Ed25519 key as a JSON Web Key (RFC 8037). Its `kid` is its thumbprint (RFC 7638), so
/// that a key cannot stand under another's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicKey {
    kty: String,
    crv: String,
    x: String,
    kid: String,
}

impl PublicKey {
    /// From the 32 bytes of the key.
    pub fn new(bytes: &[u8]) -> PublicKey {
        let x = URL_SAFE_NO_PAD.encode(bytes);
        let kid = thumbprint(&x);
        PublicKey {
            kty: "OKP".into(),
            crv: "Ed25519".into(),
            x,
            kid,
        }
    }

    /// Reads a JSON Web Key, such as the steward's file.
    ///
    /// # Errors
    /// `Invalid` if it is no Ed25519 key or its `kid` is not its thumbprint.
    pub fn parse(json: &[u8]) -> Result<PublicKey, Problem> {
        let wrong = || Problem::new(Kind::Invalid, "This is not a public Ed25519 key (JWK).");
        let key: PublicKey =
            serde_json::from_slice(json).map_err(|cause| wrong().because(cause))?;
        key.bytes().map(|_| key.clone()).ok_or_else(wrong)
    }

    /// The key's name: its thumbprint, 43 characters of base64url.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The 32 bytes, if it is a sound Ed25519 key under its own name.
    pub(crate) fn bytes(&self) -> Option<[u8; 32]> {
        let sound = self.kty == "OKP" && self.crv == "Ed25519" && self.kid == thumbprint(&self.x);
        let bytes = sound
            .then(|| URL_SAFE_NO_PAD.decode(&self.x).ok())
            .flatten()?;
        bytes.try_into().ok()
    }

    /// The key as the text of a file.
    pub fn to_json(&self) -> String {
        format!(
            "{{\"kty\":\"{}\",\"crv\":\"{}\",\"x\":\"{}\",\"kid\":\"{}\"}}\n",
            self.kty, self.crv, self.x, self.kid
        )
    }
}

/// RFC 7638 over the members that RFC 8037 names.
fn thumbprint(x: &str) -> String {
    let canonical = format!("{{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"{x}\"}}");
    URL_SAFE_NO_PAD.encode(Sha256::digest(canonical.as_bytes()))
}

/// A private Ed25519 key.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl SigningKey {
    /// Makes a new key and writes it to `path`, readable by its owner only.
    ///
    /// # Errors
    /// `Duplicate` if there is a file already: keys are never overwritten.
    pub fn create(path: &Path) -> Result<SigningKey, Problem> {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519)
            .map_err(|cause| could_not("A key could not be made.").because(cause))?;
        write_private(path, pair.serialize_pem().as_bytes())?;
        SigningKey::open(path)
    }

    /// Reads the key at `path` (PKCS #8 in PEM).
    ///
    /// # Errors
    /// `Security` if others may read the file, `Invalid` if it is no such key.
    pub fn open(path: &Path) -> Result<SigningKey, Problem> {
        let pem = read_private(path)?;
        let wrong = || Problem::new(Kind::Invalid, format!("{}: no Ed25519 key.", name(path)));
        let der = PrivatePkcs8KeyDer::from_pem_slice(&pem).map_err(|e| wrong().because(e))?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der())
            .map_err(|_| wrong())?;
        let public = PublicKey::new(pair.public_key().as_ref());
        Ok(SigningKey { pair, public })
    }

    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(crate) fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        self.pair.sign(bytes).as_ref().to_vec()
    }
}

/// Who a node is to its neighbours: its organisation and keys. The keys may be changed while the node runs: whoever
/// signs or shows a certificate asks for them anew each time.
pub struct Identity {
    organisation: Ods,
    folder: PathBuf,
    keys: RwLock<Keys>,
}

#[derive(Clone)]
struct Keys {
    signing: Arc<SigningKey>,
    tls: Arc<CertifiedKey>,
}

impl Keys {
    fn read(folder: &Path) -> Result<Keys, Problem> {
        let wrong = |file: &str| Problem::new(Kind::Invalid, format!("{file}: no such PEM file."));
        let certificate = read_private(&folder.join(TLS_CERTIFICATE))?;
        let certificate = CertificateDer::from_pem_slice(&certificate)
            .map_err(|cause| wrong(TLS_CERTIFICATE).because(cause))?;
        let key = PrivatePkcs8KeyDer::from_pem_slice(&read_private(&folder.join(TLS_KEY))?)
            .map_err(|cause| wrong(TLS_KEY).because(cause))?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let key = PrivateKeyDer::Pkcs8(key);
        let tls = CertifiedKey::from_der(vec![certificate], key, &provider).map_err(|cause| {
            let message = "The TLS certificate and key cannot be used.";
            Problem::new(Kind::Invalid, message).because(cause)
        })?;
        Ok(Keys {
            signing: Arc::new(SigningKey::open(&folder.join(SIGNING_KEY))?),
            tls: Arc::new(tls),
        })
    }
}

impl Identity {
    /// Makes the keys of a new node in `folder`, which is made if missing.
    ///
    /// # Errors
    /// `Duplicate` if the folder holds keys already, `NoStore` if it cannot be written.
    pub fn create(folder: &Path, organisation: &Ods) -> Result<Identity, Problem> {
        make_folder(folder)?;
        let made =
            |cause: rcgen::Error| could_not("A certificate could not be made.").because(cause);
        let key = rcgen::KeyPair::generate().map_err(made)?;
        let certificate = certificate_params(organisation)
            .and_then(|params| params.self_signed(&key))
            .map_err(made)?;
        SigningKey::create(&folder.join(SIGNING_KEY))?;
        write_private(&folder.join(TLS_KEY), key.serialize_pem().as_bytes())?;
        write_private(&folder.join(TLS_CERTIFICATE), certificate.pem().as_bytes())?;
        Identity::open(folder, organisation)
    }

    /// Reads the keys in `folder`.
    ///
    /// # Errors
    /// `Security` if others may read a key, `NoStore` or `Invalid` if one is missing or broken.
    pub fn open(folder: &Path, organisation: &Ods) -> Result<Identity, Problem> {
        renewal::finish(folder)?;
        Ok(Identity {
            organisation: organisation.clone(),
            folder: folder.to_owned(),
            keys: RwLock::new(Keys::read(folder)?),
        })
    }

    /// Whether `folder` holds a node's keys.
    pub fn exists(folder: &Path) -> bool {
        folder.join(SIGNING_KEY).exists()
    }

    pub fn organisation(&self) -> &Ods {
        &self.organisation
    }

    pub fn signing(&self) -> Arc<SigningKey> {
        self.keys.read().signing.clone()
    }

    /// SHA-256 of the TLS certificate (DER), 64 hexadecimal digits: what the directory lists.
    pub fn certificate_sha256(&self) -> String {
        let tls = self.tls();
        sha256_hex(tls.cert.first().map_or(&[], |it| it.as_ref()))
    }

    /// The certificate to show, and its key.
    pub(crate) fn tls(&self) -> Arc<CertifiedKey> {
        self.keys.read().tls.clone()
    }
}

/// The certificate names the organisation for people who look at it; nodes believe only the
/// directory, so its own dates are wide.
fn certificate_params(organisation: &Ods) -> Result<rcgen::CertificateParams, rcgen::Error> {
    let host = format!(
        "{}.handover.invalid",
        organisation.as_str().to_ascii_lowercase()
    );
    let mut params = rcgen::CertificateParams::new(vec![host])?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, organisation.as_str());
    params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        rcgen::ExtendedKeyUsagePurpose::ServerAuth,
        rcgen::ExtendedKeyUsagePurpose::ClientAuth,
    ];
    Ok(params)
}

/// SHA-256 as 64 lower-case hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hexadecimal digits, two for each byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            use std::fmt::Write as _;
            let _ = write!(text, "{byte:02x}");
            text
        })
}

fn make_folder(folder: &Path) -> Result<(), Problem> {
    let mut builder = fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(folder);
    made.map_err(|cause| could_not("The key folder cannot be made.").because(cause))
}

fn could_not(message: &'static str) -> Problem {
    Problem::new(Kind::NoStore, message)
}

/// The file's name without its folder: messages must not tell where keys lie.
fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Problem> {
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(path);
    let mut file = match opened {
        Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => {
            let message = format!(
                "{} is there already; keys are never overwritten.",
                name(path)
            );
            return Err(Problem::new(Kind::Duplicate, message));
        }
        other => other.map_err(|e| could_not("A key file cannot be written.").because(e))?,
    };
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map_err(|cause| could_not("A key file cannot be written.").because(cause))
}

/// The bytes of a key file.
///
/// # Errors
/// `Security` if others than its owner may read it, `NoStore` if it is not there, `TooLong` if it is no
/// key.
pub fn read_private(path: &Path) -> Result<Vec<u8>, Problem> {
    let missing = |cause| {
        Problem::new(Kind::NoStore, format!("{} cannot be read.", name(path))).because(cause)
    };
    let about = fs::metadata(path).map_err(missing)?;
    if about.permissions().mode() & 0o077 != 0 {
        let message = format!("{} may be read by others: make it 0600.", name(path));
        return Err(Problem::new(Kind::Security, message));
    }
    if about.len() > KEY_FILE_BYTES_MAX {
        return Err(Problem::new(
            Kind::TooLong,
            format!("{} is no key file.", name(path)),
        ));
    }
    fs::read(path).map_err(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_read_back_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keys");
        let ods = Ods::parse("RZZ01").unwrap();
        let made = Identity::create(&keys, &ods).unwrap();
        let read = Identity::open(&keys, &ods).unwrap();
        assert_eq!(made.signing().public(), read.signing().public());
        assert_eq!(made.certificate_sha256(), read.certificate_sha256());
        assert_eq!(
            Identity::create(&keys, &ods).err().unwrap().kind,
            Kind::Duplicate
        );
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing.key");
        SigningKey::create(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(SigningKey::open(&path).err().unwrap().kind, Kind::Security);
    }

    #[test]
    fn the_published_key_has_the_published_thumbprint() {
        // RFC 8037, appendix A.3.
        let key = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            "kid":"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"}"#;
        assert!(PublicKey::parse(key.as_bytes()).is_ok());
        let renamed = key.replace("kPrK", "AAAA");
        assert!(PublicKey::parse(renamed.as_bytes()).is_err());
    }
}
