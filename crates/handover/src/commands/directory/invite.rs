//! `handover directory invite`.

use std::path::Path;

use access::Ods;
use anyhow::{Context, bail};
use exchange::directory::joining::{Invitation, fingerprint_of};
use exchange::directory::{Directory, Stewards, replace};
use exchange::keys::SigningKey;
use store::Clock;

const DAY_MILLIS: i64 = 24 * 3600 * 1000;
/// Members at whose pages an invitation is answered, where none is named.
const AT: usize = 3;

/// Who is invited.
pub struct Guest {
    pub ods: String,
    pub name: String,
    pub roles: Vec<String>,
    pub days: u16,
    pub at: Vec<String>,
}

/// Signs an invitation to the network of that directory, and writes it.
///
/// # Errors
/// If the organisation is a member, or a member at whom it is to be answered is none.
pub fn invite(
    key: &SigningKey,
    stewards: &Stewards,
    directory: &str,
    guest: Guest,
    out: &Path,
) -> anyhow::Result<()> {
    let now = Clock::system().now();
    let directory = Directory::verify(directory, stewards, now)?;
    let ods = Ods::parse(&guest.ods)?.to_string();
    if directory.members.iter().any(|member| member.ods == ods) {
        bail!("{ods} is a member already");
    }
    let known = |code: &String| directory.members.iter().any(|it| it.ods == *code);
    if let Some(unknown) = guest.at.iter().find(|code| !known(code)) {
        bail!("--at {unknown}: the directory does not list it");
    }
    let chosen = |code: &str| guest.at.is_empty() || guest.at.iter().any(|it| it == code);
    let members = directory.members.iter().filter(|it| chosen(&it.ods));
    let invitation = Invitation {
        protocol: 1,
        id: drawn(),
        ods: ods.clone(),
        name: guest.name,
        roles: guest.roles,
        until: now + i64::from(guest.days) * DAY_MILLIS,
        stewards: stewards.keys().to_vec(),
        signatures_needed: stewards.needed(),
        meet: members.map(|it| it.pages.clone()).take(AT).collect(),
    };
    let text = invitation.sign(key)?;
    replace(out, &format!("{text}\n")).with_context(|| out.display().to_string())?;
    println!(
        "Wrote {}: {} ({ods}) may join within {} days.",
        out.display(),
        invitation.name,
        guest.days
    );
    println!("It is answered at {}.", invitation.meet.join(", "));
    println!(
        "Tell them the stewards' fingerprint by telephone: {}.",
        fingerprint_of(stewards)
    );
    println!("They run: handover join {}", out.display());
    Ok(())
}

/// 64 hexadecimal digits.
fn drawn() -> String {
    let bytes = rand::random::<[u8; 32]>();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
