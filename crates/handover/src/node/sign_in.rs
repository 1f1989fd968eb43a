//! How people sign in, from the settings.

use std::path::Path;

use anyhow::Context as _;
use exchange::outgoing::Outgoing;
use web::sign_in::oidc::nhs_login::NhsLogin;
use web::sign_in::oidc::staff::StaffOidc;
use web::sign_in::oidc::{Algorithm, Provider};
use web::sign_in::{SessionLimits, SignIn, Way, Ways};

use crate::commands::directory::read_stewards;
use crate::commands::roles::verified;
use crate::config::Config;

/// What the node's pages need to let people in. Passwords alone are said loudly.
///
/// # Errors
/// Names the setting and the reason.
pub fn sign_in(config: &Config) -> anyhow::Result<SignIn> {
    let section = &config.sign_in;
    let limits = SessionLimits {
        idle: i64::from(section.idle_minutes) * 60_000,
        absolute: i64::from(section.absolute_hours) * 3_600_000,
    };
    for (setting, ways) in [("staff", &section.staff), ("patients", &section.patients)] {
        if ways.contains(&Way::Password) {
            tracing::warn!(
                "sign_in.{setting} lets people in by a password alone: for made-up people only"
            );
        }
    }
    let ways = Ways {
        staff: section.staff.clone(),
        patients: section.patients.clone(),
    };
    let mut sign_in = SignIn::new(limits, ways);
    sign_in.nhs_login = nhs_login(config)?;
    sign_in.staff_oidc = staff_oidc(config)?;
    Ok(sign_in)
}

fn nhs_login(config: &Config) -> anyhow::Result<Option<NhsLogin>> {
    let section = &config.nhs_login;
    let (Some(issuer), Some(client_id)) = (&section.issuer, &section.client_id) else {
        return Ok(None);
    };
    let key = (section.key.as_path(), section.key_id.clone());
    let algorithms = vec![Algorithm::RS512];
    let provider = provider("nhs_login", issuer, client_id, key, algorithms)?;
    let vtr = serde_json::to_string(&section.vtr)?;
    Ok(Some(NhsLogin { provider, vtr }))
}

fn staff_oidc(config: &Config) -> anyhow::Result<Option<StaffOidc>> {
    let section = &config.staff_oidc;
    let (Some(issuer), Some(client_id)) = (&section.issuer, &section.client_id) else {
        return Ok(None);
    };
    let stewards = read_stewards(config)?;
    let roles = verified(&section.role_table, &stewards).context("staff_oidc.role_table")?;
    tracing::info!(version = roles.version, "the table of national roles");
    let key = (section.key.as_path(), section.key_id.clone());
    let algorithms = vec![Algorithm::RS512, Algorithm::RS384, Algorithm::RS256];
    let provider = provider("staff_oidc", issuer, client_id, key, algorithms)?;
    Ok(Some(StaffOidc { provider, roles }))
}

/// A provider that the settings name: its own host may stand at an address that is not public.
fn provider(
    section: &str,
    issuer: &str,
    client_id: &str,
    (key, key_id): (&Path, Option<String>),
    algorithms: Vec<Algorithm>,
) -> anyhow::Result<Provider> {
    let pem = exchange::keys::read_private(key)
        .with_context(|| format!("{section}.key: {}", key.display()))?;
    let host = issuer.split("://").nth(1).unwrap_or_default();
    let host = host.split('/').next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let outgoing = Outgoing::new(&[host.to_owned()]).context("no TLS")?;
    Provider::new(issuer, client_id, (&pem, key_id), algorithms, outgoing)
        .with_context(|| format!("{section}.key"))
}
