//! Until when a certificate is good: the one field of it (RFC 5280 4.1.2.5) that is read here.

use fhir::date::{self, Millis};

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The certificate's notAfter, if it reads.
pub(super) fn until(der: &[u8]) -> Option<Millis> {
    let (_, certificate, _) = element(der)?;
    let (_, mut rest, _) = element(certificate)?;
    if rest.first() == Some(&VERSION) {
        rest = element(rest)?.2;
    }
    // Serial number, algorithm, issuer.
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (tag, validity, _) = element(rest)?;
    if tag != SEQUENCE {
        return None;
    }
    let (_, _, after) = element(validity)?;
    let (tag, text, _) = element(after)?;
    time(tag, std::str::from_utf8(text).ok()?)
}

/// `261130120000Z`, or with four digits of the year.
fn time(tag: u8, text: &str) -> Option<Millis> {
    let (year, rest) = match tag {
        UTC_TIME => {
            let short: u32 = text.get(..2)?.parse().ok()?;
            let century = if short < 50 { 2000 } else { 1900 };
            (century + short, text.get(2..)?)
        }
        GENERALIZED_TIME => (text.get(..4)?.parse().ok()?, text.get(4..)?),
        _ => return None,
    };
    let part = |at: usize| rest.get(at..at + 2);
    let written = format!(
        "{year:04}-{}-{}T{}:{}:{}Z",
        part(0)?,
        part(2)?,
        part(4)?,
        part(6)?,
        part(8)?
    );
    date::span(&written).map(|span| span.low)
}

/// The tag and content of the first element, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match *first {
        short if short < 0x80 => (usize::from(short), rest),
        long => {
            let count = usize::from(long & 0x7f);
            if count == 0 || count > 4 {
                return None;
            }
            let (digits, rest) = rest.split_at_checked(count)?;
            let length = digits.iter().fold(0, |length: usize, digit| {
                (length << 8) | usize::from(*digit)
            });
            (length, rest)
        }
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_says_until_when_it_is_good_and_what_is_none_says_nothing() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["check.example".into()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2031, 2, 3);
        let certificate = params.self_signed(&key).unwrap();
        let day = date::span("2031-02-03T00:00:00Z").unwrap().low;
        assert_eq!(until(certificate.der()), Some(day));
        params.not_after = rcgen::date_time_ymd(2061, 2, 3);
        let certificate = params.self_signed(&key).unwrap();
        let day = date::span("2061-02-03T00:00:00Z").unwrap().low;
        assert_eq!(until(certificate.der()), Some(day));
        for length in 0..certificate.der().len().min(200) {
            let _ = until(certificate.der().get(..length).unwrap());
        }
        assert_eq!(until(b""), None);
        assert_eq!(until(&[0x30, 0xff, 0xff]), None);
    }
}
