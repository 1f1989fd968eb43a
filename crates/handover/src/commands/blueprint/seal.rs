//! Who signed a blueprint: digests of its files as `sha256sum` prints them, signed beside them (`docs/blueprints.md`).

use access::Ods;
use anyhow::{Context as _, bail};
use exchange::jws::{self, Statement};
use exchange::keys::sha256_hex;
use exchange::{Book, SigningKey};
use fhir::date::Millis;

use super::archive::Files;
use super::form::{self, By, Form};

/// What stands for the signer of what comes with the program.
const SHIPPED: &str = "Handover";

/// Who signed, and what this node makes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    pub ods: String,
    pub name: String,
    /// The key's thumbprint.
    pub kid: String,
    pub standing: Standing,
    /// SHA-256 of what was signed.
    pub digest: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// This node's own key signed it.
    Own,
    /// The directory names that key for that organisation now.
    Known,
    /// It came with this program, which was trusted when it was installed.
    Shipped,
    /// Nobody whom we trust says whose key it is.
    Stranger,
}

/// The digests of all files but the signature, one a line, in the order of their names' bytes.
pub fn digests(files: &Files) -> String {
    let signed = files.iter().filter(|(name, _)| *name != form::SIGNATURE);
    let line =
        |(name, content): (&String, &Vec<u8>)| format!("{}  package/{name}\n", sha256_hex(content));
    signed.map(line).collect()
}

/// Writes into the files who packs them, and their signature.
///
/// # Errors
/// If `blueprint.json` does not read.
pub fn sign(files: &mut Files, key: &SigningKey, ods: &str, name: &str) -> anyhow::Result<()> {
    let bytes = files.get(form::BLUEPRINT).context(form::BLUEPRINT)?;
    let mut it: Form = serde_json::from_slice(bytes).context(form::BLUEPRINT)?;
    it.by = Some(By {
        ods: ods.to_owned(),
        name: name.to_owned(),
        key: key.public().clone(),
    });
    let text = serde_json::to_string_pretty(&it)? + "\n";
    files.insert(form::BLUEPRINT.to_owned(), text.into_bytes());
    let signed = jws::sign_detached(key, Statement::Blueprint, digests(files).as_bytes())?;
    files.insert(form::SIGNATURE.to_owned(), (signed + "\n").into_bytes());
    Ok(())
}

/// Who signed these files.
///
/// # Errors
/// If nobody did, or a file is not as it was signed.
pub fn open(
    files: &Files,
    own: Option<&str>,
    book: Option<&Book>,
    now: Millis,
) -> anyhow::Result<Seal> {
    let Some(signature) = files.get(form::SIGNATURE) else {
        bail!("nobody signed it: there is no {}", form::SIGNATURE);
    };
    let signature = std::str::from_utf8(signature).context(form::SIGNATURE)?;
    let bytes = files.get(form::BLUEPRINT);
    let bytes = bytes.with_context(|| format!("there is no {}", form::BLUEPRINT))?;
    let it: Form = serde_json::from_slice(bytes).context(form::BLUEPRINT)?;
    let by = it
        .by
        .with_context(|| format!("{}: by: does not say who signed it", form::BLUEPRINT))?;
    let digests = digests(files);
    jws::verify_detached(signature, Statement::Blueprint, digests.as_bytes(), &by.key).context(
        "the signature does not fit the files: something was changed, added or taken out after it was signed",
    )?;
    let ods = Ods::parse(&by.ods).with_context(|| format!("{}: by.ods", form::BLUEPRINT))?;
    let kid = by.key.kid();
    let member = book.and_then(|book| book.member(&ods, now));
    let known = member.as_ref().filter(|it| it.key(kid, now).is_some());
    let standing = match (own == Some(kid), known) {
        (true, _) => Standing::Own,
        (_, Some(_)) => Standing::Known,
        _ => Standing::Stranger,
    };
    Ok(Seal {
        ods: ods.to_string(),
        // The directory's name of somebody is believed before their own.
        name: known.map_or(by.name.clone(), |it| it.name.clone()),
        kid: kid.to_owned(),
        standing,
        digest: sha256_hex(digests.as_bytes()),
    })
}

impl Seal {
    /// Of files that are in the program itself: nobody signed them, and no organisation vouches for them.
    pub fn shipped(files: &Files) -> Seal {
        Seal {
            ods: String::new(),
            name: SHIPPED.to_owned(),
            kid: String::new(),
            standing: Standing::Shipped,
            digest: sha256_hex(digests(files).as_bytes()),
        }
    }

    /// For people.
    pub fn said(&self) -> String {
        let who = format!("{} ({})", self.name, self.ods);
        match self.standing {
            Standing::Shipped => "It comes with this program, and nobody signed it apart from that. Its wording is made up: read it, \
                                  and make it yours."
                .to_owned(),
            Standing::Own => format!("Signed by this node’s own key, as {who}."),
            Standing::Known => format!("Signed by {who}; the directory names that key."),
            Standing::Stranger => format!(
                "Signed by somebody who says that they are {who}; no directory that this node trusts names that key \
                 ({}) for them now.",
                self.kid
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Files {
        let form = r#"{"blueprint":1,"title":"T","about":"A","contains":[]}"#;
        let mut files = Files::new();
        files.insert(form::BLUEPRINT.into(), form.as_bytes().to_vec());
        files.insert("a/b.json".into(), b"{}".to_vec());
        files
    }

    #[test]
    fn what_was_signed_is_what_sha256sum_prints_and_any_change_breaks_it() {
        let folder = tempfile::tempdir().unwrap();
        let key = SigningKey::create(&folder.path().join("k")).unwrap();
        let mut files = files();
        sign(&mut files, &key, "RZZ98", "Anytown").unwrap();
        let lines = digests(&files);
        let first = lines.lines().next().unwrap();
        assert_eq!(
            first,
            "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a  package/a/b.json"
        );
        let seal = open(&files, None, None, 0).unwrap();
        assert_eq!(
            (seal.ods.as_str(), seal.standing),
            ("RZZ98", Standing::Stranger)
        );
        assert!(
            seal.said()
                .contains("who says that they are Anytown (RZZ98)")
        );
        let own = open(&files, Some(key.public().kid()), None, 0).unwrap();
        assert_eq!(own.standing, Standing::Own);
        let mut again = files.clone();
        again.insert("a/c.json".into(), b"{}".to_vec());
        assert!(open(&again, None, None, 0).is_err());
        let mut again = files.clone();
        again.remove("a/b.json");
        assert!(open(&again, None, None, 0).is_err());
        let mut again = files.clone();
        again.insert("a/b.json".into(), b"[]".to_vec());
        assert!(open(&again, None, None, 0).is_err());
        // Somebody else's key under the same name: whole, and by a stranger.
        let other = SigningKey::create(&folder.path().join("o")).unwrap();
        let mut again = files.clone();
        sign(&mut again, &other, "RZZ98", "Anytown").unwrap();
        let seal = open(&again, Some(key.public().kid()), None, 0).unwrap();
        assert_eq!(seal.standing, Standing::Stranger);
        // A name of another with the first one's signature.
        let signature = files.get(form::SIGNATURE).unwrap().clone();
        again.insert(form::SIGNATURE.into(), signature);
        assert!(open(&again, None, None, 0).is_err());
        files.remove(form::SIGNATURE);
        let said = open(&files, None, None, 0).unwrap_err().to_string();
        assert!(said.contains("nobody signed it"), "{said}");
    }
}
