//! The standard security handler, revision 6 (ISO 32000-2, 7.6.4.3 and 7.6.4.4).

use exchange::keys::hex;

use aws_lc_rs::cipher::{
    AES_128, AES_256, Algorithm, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use fhir::problem::{Kind, Problem};
use sha2::{Digest, Sha256, Sha384, Sha512};

const BLOCK: usize = 16;
/// All but changing the file is allowed: it is for printing. Readers hold to it as a courtesy.
const PERMISSIONS: i32 = -4;
/// UTF-8 bytes of a passphrase that count.
const PASSPHRASE_BYTES_MAX: usize = 127;

/// The key of one file, and how it is told to who knows the passphrase.
pub(super) struct Lock {
    key: [u8; 32],
    user: Vec<u8>,
    user_key: Vec<u8>,
    owner: Vec<u8>,
    owner_key: Vec<u8>,
    permissions: Vec<u8>,
    id: [u8; 16],
}

impl Lock {
    pub(super) fn new(passphrase: &str) -> Result<Lock, Problem> {
        let key: [u8; 32] = rand::random();
        let passphrase = passphrase.as_bytes();
        let passphrase = passphrase.get(..PASSPHRASE_BYTES_MAX).unwrap_or(passphrase);
        let (user, user_key) = told(passphrase, &[], &key)?;
        // Nobody is the owner: their passphrase is forgotten here.
        let nobody: [u8; 32] = rand::random();
        let (owner, owner_key) = told(&nobody, &user, &key)?;
        let mut permissions = PERMISSIONS.to_le_bytes().to_vec();
        permissions.extend_from_slice(&[0xff; 4]);
        permissions.extend_from_slice(b"Tadb");
        permissions.extend_from_slice(&rand::random::<[u8; 4]>());
        let permissions = blocks(&AES_256, &key, [0; BLOCK], &permissions)?;
        Ok(Lock {
            key,
            user,
            user_key,
            owner,
            owner_key,
            permissions,
            id: rand::random(),
        })
    }

    /// What the file says of its lock.
    pub(super) fn dictionary(&self) -> String {
        format!(
            "<< /Filter /Standard /V 5 /R 6 /Length 256 /P {PERMISSIONS} /U <{}> /UE <{}> /O <{}> /OE <{}> \
             /Perms <{}> /CF << /StdCF << /AuthEvent /DocOpen /CFM /AESV3 /Length 32 >> >> /StmF /StdCF \
             /StrF /StdCF /EncryptMetadata true >>",
            hex(&self.user),
            hex(&self.user_key),
            hex(&self.owner),
            hex(&self.owner_key),
            hex(&self.permissions)
        )
    }

    pub(super) fn id(&self) -> String {
        hex(&self.id)
    }

    /// A stream, sealed: its first block is the vector.
    pub(super) fn seal(&self, stream: &[u8]) -> Result<Vec<u8>, Problem> {
        let vector: [u8; BLOCK] = rand::random();
        let mut sealed = vector.to_vec();
        sealed.extend(padded(&AES_256, &self.key, vector, stream)?);
        Ok(sealed)
    }
}

/// How a passphrase is known, and the file's key under it.
fn told(passphrase: &[u8], user: &[u8], key: &[u8; 32]) -> Result<(Vec<u8>, Vec<u8>), Problem> {
    let (known, opens): ([u8; 8], [u8; 8]) = (rand::random(), rand::random());
    let mut said = hardened(passphrase, &known, user)?.to_vec();
    said.extend_from_slice(&known);
    said.extend_from_slice(&opens);
    let under = hardened(passphrase, &opens, user)?;
    Ok((said, blocks(&AES_256, &under, [0; BLOCK], key)?))
}

/// Algorithm 2.B.
fn hardened(passphrase: &[u8], salt: &[u8], user: &[u8]) -> Result<[u8; 32], Problem> {
    let first = [passphrase, salt, user].concat();
    let mut key = Sha256::digest(&first).to_vec();
    let mut round = 0_usize;
    loop {
        round += 1;
        let text = [passphrase, &key, user].concat().repeat(64);
        let (under, vector) = key.split_at(BLOCK);
        let vector = vector.get(..BLOCK).and_then(|it| it.try_into().ok());
        let text = blocks(&AES_128, under, vector.ok_or_else(failed)?, &text)?;
        let sum: u32 = text.iter().take(BLOCK).map(|it| u32::from(*it)).sum();
        key = match sum % 3 {
            0 => Sha256::digest(&text).to_vec(),
            1 => Sha384::digest(&text).to_vec(),
            _ => Sha512::digest(&text).to_vec(),
        };
        let last = text.last().copied().unwrap_or_default();
        // The last byte is a number from 0 to 255, so this ends by itself.
        if round >= 64 && usize::from(last) <= round - 32 {
            break;
        }
    }
    let key = key.get(..32).and_then(|it| it.try_into().ok());
    key.ok_or_else(failed)
}

/// AES in CBC mode over whole blocks.
fn blocks(
    algorithm: &'static Algorithm,
    key: &[u8],
    vector: [u8; BLOCK],
    text: &[u8],
) -> Result<Vec<u8>, Problem> {
    let mut sealed = padded(algorithm, key, vector, text)?;
    sealed.truncate(text.len());
    Ok(sealed)
}

/// The same with the padding of PKCS #7.
fn padded(
    algorithm: &'static Algorithm,
    key: &[u8],
    vector: [u8; BLOCK],
    text: &[u8],
) -> Result<Vec<u8>, Problem> {
    let key = UnboundCipherKey::new(algorithm, key).map_err(|_| failed())?;
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(key).map_err(|_| failed())?;
    let mut bytes = text.to_vec();
    let context = EncryptionContext::Iv128(FixedLength::from(vector));
    key.less_safe_encrypt(&mut bytes, context)
        .map_err(|_| failed())?;
    Ok(bytes)
}

fn failed() -> Problem {
    Problem::new(Kind::Exception, "The file could not be locked.")
}
