//! Time-based codes of authenticator apps (RFC 6238, <https://www.rfc-editor.org/rfc/rfc6238>): six
//! digits of HMAC-SHA-1 over steps of 30 seconds, which is what every app knows; and recovery codes.

use aws_lc_rs::hmac;
use fhir::date::Millis;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

/// A time step, in milliseconds.
const STEP: Millis = 30_000;
/// How many steps a phone's clock may be off, either way.
const STEPS_OFF: i64 = 1;
/// How many recovery codes one gets.
const RECOVERY_CODES: usize = 8;
/// Characters of base32 (RFC 4648).
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A secret has 160 bits, as RFC 4226 advises.
pub const SECRET_BYTES: usize = 20;

/// A new secret.
pub fn new_secret() -> Vec<u8> {
    rand::random::<[u8; SECRET_BYTES]>().to_vec()
}

/// The secret as people type it into an app: groups of four characters of base32.
pub fn shown(secret: &[u8]) -> String {
    let text = base32(secret);
    let mut groups = String::with_capacity(text.len() + text.len() / 4);
    for (at, letter) in text.chars().enumerate() {
        if at > 0 && at % 4 == 0 {
            groups.push(' ');
        }
        groups.push(letter);
    }
    groups
}

/// The link by which an app on the same device takes the secret over.
pub fn link(secret: &[u8], organisation: &str, login: &str) -> String {
    let escape = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let (issuer, login) = (escape(organisation), escape(login));
    format!(
        "otpauth://totp/{issuer}:{login}?secret={}&issuer={issuer}",
        base32(secret)
    )
}

/// The time step whose code was typed, if it is the present one or a neighbour. The caller refuses a
/// step that was used.
pub fn step_of(secret: &[u8], typed: &str, now: Millis) -> Option<i64> {
    let typed: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
    let current = now.div_euclid(STEP);
    let mut found = None;
    for step in current - STEPS_OFF..=current + STEPS_OFF {
        if crate::secret::same(&typed, &code(secret, step)) {
            found = Some(step);
        }
    }
    found
}

/// The six digits of a time step.
pub fn code(secret: &[u8], step: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let bytes = tag.as_ref();
    let at = usize::from(bytes.last().copied().unwrap_or(0) & 0x0f);
    let four = bytes.iter().skip(at).take(4);
    let number = four.fold(0_u32, |number, byte| (number << 8) | u32::from(*byte));
    format!("{:06}", (number & 0x7fff_ffff) % 1_000_000)
}

/// New recovery codes: 80 random bits each, in four groups of four characters.
pub fn recovery_codes() -> Vec<String> {
    (0..RECOVERY_CODES)
        .map(|_| {
            let text = base32(&rand::random::<[u8; 10]>()).to_lowercase();
            let letters: Vec<char> = text.chars().collect();
            let groups: Vec<String> = letters.chunks(4).map(|it| it.iter().collect()).collect();
            groups.join("-")
        })
        .collect()
}

/// What the store keeps of a recovery code; nothing for what has not the form of one.
pub fn recovery_digest(typed: &str) -> Option<[u8; 32]> {
    let plain: String = typed
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .map(|c| c.to_ascii_lowercase())
        .collect();
    let fits = plain.len() == 16 && plain.bytes().all(|b| b.is_ascii_alphanumeric());
    fits.then(|| Sha256::digest(plain.as_bytes()).into())
}

fn base32(bytes: &[u8]) -> String {
    let (mut text, mut held, mut bits) = (String::new(), 0_u32, 0_u32);
    let letter = |value: u32| char::from(*BASE32.get((value & 31) as usize).unwrap_or(&b'A'));
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(letter(held >> bits));
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        text.push(letter(held << (5 - bits)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 6238, appendix B, cut to six digits.
    #[test]
    fn codes_are_those_of_the_rfc() {
        let secret = b"12345678901234567890";
        for (seconds, expected) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code(secret, seconds / 30), expected, "{seconds}");
        }
    }

    #[test]
    fn a_code_is_good_in_its_step_and_the_neighbours() {
        let secret = new_secret();
        let typed = code(&secret, 100);
        for (now, step) in [
            (99 * STEP, Some(100)),
            (100 * STEP, Some(100)),
            (101 * STEP + 29_999, Some(100)),
            (102 * STEP, None),
            (98 * STEP, None),
        ] {
            assert_eq!(step_of(&secret, &typed, now), step, "{now}");
        }
        let spaced = format!("{} {}", &typed[..3], &typed[3..]);
        assert_eq!(step_of(&secret, &spaced, 100 * STEP), Some(100));
        assert_eq!(step_of(&secret, "", 100 * STEP), None);
    }

    #[test]
    fn base32_is_that_of_rfc_4648() {
        for (plain, expected) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(plain.as_bytes()), expected);
        }
    }

    #[test]
    fn a_recovery_code_is_known_however_it_is_typed() {
        let codes = recovery_codes();
        assert_eq!(codes.len(), RECOVERY_CODES);
        let first = &codes[0];
        let kept = recovery_digest(first).unwrap();
        let loose = format!(" {} ", first.to_uppercase().replace('-', " "));
        assert_eq!(recovery_digest(&loose), Some(kept));
        assert!(recovery_digest("123456").is_none());
    }
}
