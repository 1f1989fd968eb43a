//! The stewards of a network: whose signatures its directory needs.

use std::collections::HashSet;

use fhir::problem::{Kind, Problem};
use serde::de::DeserializeOwned;

use crate::jws::{self, Statement};
use crate::keys::PublicKey;

/// The most stewards of one network, and the most signatures that are looked at.
const STEWARDS_MAX: usize = 16;

/// Some keys, and how many of them must have signed. What they sign is a text of lines: the first is a
/// statement signed by one of them, each further one another's header and signature under the same payload,
/// with nothing between (RFC 7515, appendix F).
#[derive(Clone, Debug)]
pub struct Stewards {
    keys: Vec<PublicKey>,
    needed: usize,
}

impl From<PublicKey> for Stewards {
    /// The only one.
    fn from(key: PublicKey) -> Stewards {
        Stewards {
            keys: vec![key],
            needed: 1,
        }
    }
}

impl Stewards {
    /// # Errors
    /// `Invalid` if there are none, too many, one twice, or fewer than are needed.
    pub fn new(keys: Vec<PublicKey>, needed: usize) -> Result<Stewards, Problem> {
        let invalid = |message: String| Err(Problem::new(Kind::Invalid, message));
        let kids: HashSet<&str> = keys.iter().map(PublicKey::kid).collect();
        if keys.is_empty() || keys.len() > STEWARDS_MAX {
            return invalid(format!("A network has 1 to {STEWARDS_MAX} stewards."));
        }
        if kids.len() < keys.len() {
            return invalid("A steward's key is there twice.".to_owned());
        }
        if needed == 0 || needed > keys.len() {
            let count = keys.len();
            return invalid(format!(
                "{needed} signatures are asked for, and there are {count} stewards' keys."
            ));
        }
        Ok(Stewards { keys, needed })
    }

    /// Reads the stewards' keys, one JSON Web Key after another.
    ///
    /// # Errors
    /// `Invalid` if one is no such key, or as `new`.
    pub fn parse(text: &str, needed: usize) -> Result<Stewards, Problem> {
        let keys = serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>();
        let keys = keys.take(STEWARDS_MAX + 1).map(|key| {
            let unread = |cause| {
                Problem::new(Kind::Invalid, "These are not public Ed25519 keys (JWK).")
                    .because(cause)
            };
            PublicKey::parse(key.map_err(unread)?.to_string().as_bytes())
        });
        Stewards::new(keys.collect::<Result<_, _>>()?, needed)
    }

    /// The keys.
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// How many of them must have signed.
    pub fn needed(&self) -> usize {
        self.needed
    }

    /// Reads what enough of them have signed. Lines of others are passed over, so that a network can
    /// change its stewards; a line of one of them whose signature does not fit is not.
    ///
    /// # Errors
    /// `Security` if not enough have, or the lines do not say the same; `Structure` if what they signed is
    /// not of the expected form.
    pub fn verify<T: DeserializeOwned>(
        &self,
        text: &str,
        statement: Statement,
    ) -> Result<T, Problem> {
        let refused = |message: String| Problem::new(Kind::Security, message);
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let lines: Vec<&str> = lines.take(STEWARDS_MAX + 1).collect();
        if lines.len() > STEWARDS_MAX {
            return Err(refused(format!(
                "It has more than {STEWARDS_MAX} signatures."
            )));
        }
        let payload = lines.first().and_then(|line| line.split('.').nth(1));
        let payload = payload.unwrap_or_default();
        let mut signers = HashSet::new();
        let mut read = None;
        for (number, line) in lines.iter().enumerate() {
            let whole = match (number, line.split_once("..")) {
                (0, _) => (*line).to_owned(),
                (_, Some((header, signature))) => format!("{header}.{payload}.{signature}"),
                (_, None) => {
                    return Err(refused(format!(
                        "Line {} is no further signature.",
                        number + 1
                    )));
                }
            };
            let mut signer = None;
            let verified = jws::verify(&whole, statement, |kid| {
                signer = self.keys.iter().find(|key| key.kid() == kid);
                signer.cloned()
            });
            match (verified, signer) {
                (Ok(value), Some(signer)) => {
                    signers.insert(signer.kid());
                    read = Some(value);
                }
                (Err(problem), Some(_)) => return Err(problem),
                (_, None) => {}
            }
        }
        let (count, needed) = (signers.len(), self.needed);
        match read {
            Some(read) if count >= needed => Ok(read),
            _ => Err(refused(format!(
                "{count} of the network's stewards have signed it, and {needed} must have."
            ))),
        }
    }
}

/// The line under a statement that says that another steward signed it too; its own is `line`.
pub(super) fn further(line: &str) -> String {
    let mut parts = line.split('.');
    let header = parts.next().unwrap_or_default();
    let signature = parts.nth(1).unwrap_or_default();
    format!("{header}..{signature}")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::keys::SigningKey;

    fn stewards(count: usize) -> (Vec<SigningKey>, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let key = |n| SigningKey::create(&folder.path().join(format!("{n}.pem"))).unwrap();
        ((0..count).map(key).collect(), folder)
    }

    fn public(keys: &[SigningKey]) -> Vec<PublicKey> {
        keys.iter().map(|key| key.public().clone()).collect()
    }

    fn signed(key: &SigningKey, said: &Value) -> String {
        jws::sign(key, Statement::Roles, said).unwrap()
    }

    #[test]
    fn enough_of_the_stewards_must_have_signed_the_same() {
        let (keys, _folder) = stewards(4);
        let two = Stewards::new(public(&keys[..3]), 2).unwrap();
        let said = json!({"said": 1});
        let line = |n: usize| signed(&keys[n], &said);
        // The first as it is, of the others header and signature.
        let text = |lines: &[String]| {
            let (first, others) = lines.split_first().unwrap();
            let others = others.iter().map(|line| further(line));
            [first.clone()]
                .into_iter()
                .chain(others)
                .collect::<Vec<_>>()
                .join("\n")
        };
        let read = |lines: &[String]| two.verify::<Value>(&text(lines), Statement::Roles);
        assert_eq!(read(&[line(0), line(2)]).unwrap(), said);
        // A stranger's line is passed over, and stands for nobody.
        assert_eq!(read(&[line(3), line(0), line(2)]).unwrap(), said);
        let problem = read(&[line(0), line(3)]).unwrap_err();
        assert_eq!(
            problem.message,
            "1 of the network's stewards have signed it, and 2 must have."
        );
        // One who signs twice is one.
        assert!(read(&[line(0), line(0)]).is_err());
        assert!(two.verify::<Value>("", Statement::Roles).is_err());
        // One who signed something else, whether it is told or not.
        let other = signed(&keys[2], &json!({"said": 2}));
        assert_eq!(
            read(&[line(0), other.clone()]).unwrap_err().kind,
            Kind::Security
        );
        let both = format!("{}\n{other}", line(0));
        assert_eq!(
            two.verify::<Value>(&both, Statement::Roles)
                .unwrap_err()
                .kind,
            Kind::Security
        );
        // A steward's line with another's signature.
        let (two_s, three_s) = (line(2), line(3));
        let head = two_s.rsplit_once('.').unwrap().0;
        let forged = format!("{head}.{}", three_s.rsplit_once('.').unwrap().1);
        assert!(read(&[line(0), line(1), forged]).is_err());
    }

    #[test]
    fn a_network_has_stewards_and_asks_for_no_more_than_there_are() {
        let (keys, _folder) = stewards(2);
        let text: String = public(&keys)
            .iter()
            .map(|key| key.to_json() + "\n")
            .collect();
        assert_eq!(Stewards::parse(&text, 2).unwrap().keys().len(), 2);
        for (text, needed) in [("", 1), (&*text, 0), (&*text, 3), ("{}", 1)] {
            assert!(Stewards::parse(text, needed).is_err(), "{needed}");
        }
        let twice = [public(&keys[..1]), public(&keys[..1])].concat();
        assert!(Stewards::new(twice, 1).is_err());
    }
}
