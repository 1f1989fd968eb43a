//! Passwords: argon2id with the crate's settings (19 MiB, two passes), as OWASP advises
//! (<https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html>).

use std::sync::OnceLock;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use fhir::problem::{Kind, Problem};

/// The fewest characters of a new password.
pub const PASSWORD_CHARACTERS_MIN: usize = 10;
/// The most bytes of a password that are looked at: longer ones are refused, not cut.
pub const PASSWORD_BYTES_MAX: usize = 256;

/// The hash to keep of a new password: a PHC string with its own salt and settings. Takes tens of
/// milliseconds of CPU: not for an async thread.
///
/// # Errors
/// `Value` if the password is too short or too long.
pub fn hash(password: &str) -> Result<String, Problem> {
    let characters = password.chars().count();
    if characters < PASSWORD_CHARACTERS_MIN || password.len() > PASSWORD_BYTES_MAX {
        let message = format!("A password has at least {PASSWORD_CHARACTERS_MIN} characters.");
        return Err(Problem::new(Kind::Value, message));
    }
    hash_any(password)
}

fn hash_any(password: &str) -> Result<String, Problem> {
    let settings = Argon2::default();
    let hashed = made(&settings, password, &rand::random::<[u8; 16]>());
    hashed.map(|hash| hash.to_string()).map_err(|error| {
        Problem::new(Kind::Exception, "The password could not be hashed.")
            .because(error.to_string())
    })
}

fn made(
    settings: &Argon2<'_>,
    password: &str,
    salt: &[u8],
) -> argon2::password_hash::Result<PasswordHash> {
    Ok(PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(settings.params())?,
        salt: Some(Salt::new(salt)?),
        hash: Some(output(settings, password, salt)?),
    })
}

/// The memory asked for, in blocks of 1 KiB. glibc gives memory back to the system at once only if
/// more than 32 MiB were asked for; the 19 MiB that are used would stay with the process, once for
/// every few passwords. What is asked for and not used costs nothing.
const BLOCKS_ASKED: usize = 33 << 10;

fn output(
    settings: &Argon2<'_>,
    password: &str,
    salt: &[u8],
) -> argon2::password_hash::Result<Output> {
    let mut out = [0; Params::DEFAULT_OUTPUT_LEN];
    let count = settings.params().block_count();
    let mut blocks = Vec::with_capacity(count.max(BLOCKS_ASKED));
    blocks.resize(count, Block::new());
    settings.hash_password_into_with_memory(password.as_bytes(), salt, &mut out, &mut blocks)?;
    Ok(Output::new(&out)?)
}

/// Whether the password is the one that was hashed. Without a hash (nobody has that name) it works
/// as long and says no, so that time does not tell who has an account.
pub fn verify(password: &str, hash: Option<&str>) -> bool {
    if password.len() > PASSWORD_BYTES_MAX {
        return false;
    }
    let known = hash.is_some();
    let Ok(parsed) = PasswordHash::new(hash.unwrap_or_else(|| nobodys())) else {
        return false;
    };
    matches(password, &parsed).unwrap_or(false) && known
}

/// Outputs are compared in constant time.
fn matches(password: &str, kept: &PasswordHash) -> argon2::password_hash::Result<bool> {
    let (Some(salt), Some(expected)) = (&kept.salt, &kept.hash) else {
        return Ok(false);
    };
    let algorithm = Algorithm::try_from(kept.algorithm.as_str())?;
    let version = kept.version.map(Version::try_from).transpose()?;
    let settings = Argon2::new(
        algorithm,
        version.unwrap_or_default(),
        Params::try_from(&kept.params)?,
    );
    Ok(output(&settings, password, salt)? == *expected)
}

/// The hash of a password that nobody has.
fn nobodys() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| hash_any(crate::secret::Secret::random().reveal()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_kept_as_argon2id_and_known_again() {
        let kept = hash("correct horse battery").unwrap();
        assert!(
            kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{kept}"
        );
        assert!(verify("correct horse battery", Some(&kept)));
        assert!(!verify("correct horse batterx", Some(&kept)));
        assert!(!verify("correct horse battery", None));
        assert!(!verify("correct horse battery", Some("$argon2id$broken")));
    }

    #[test]
    fn a_hash_that_the_crate_itself_made_is_known() {
        use argon2::PasswordHasher;
        let made = Argon2::default().hash_password(b"correct horse battery");
        let made = made.unwrap().to_string();
        assert!(verify("correct horse battery", Some(&made)));
        assert!(!verify("correct horse batterx", Some(&made)));
    }

    #[test]
    fn a_short_or_endless_password_is_refused() {
        assert!(hash("123456789").is_err());
        assert!(hash(&"x".repeat(257)).is_err());
    }
}
