//! Wiring of GP Connect: the door for others, and the organisation's own system.

use std::path::Path;
use std::sync::Arc;

use access::Ods;
use anyhow::Context;
use exchange::gp_connect::System;
use exchange::gp_connect::gateway::Gateway;
use exchange::gp_connect::medicines::Holder;
use exchange::jwt::{IdentityKey, Jwks};
use fhir::gp_connect::BookedBy;
use web::gp_connect::{Consumer, Door, PatientsGateway};

use super::tokens;
use crate::config::{Config, GatewaySetting};

/// The door, where the settings name systems that may call, or the NHS's gateway for patients' apps.
///
/// # Errors
/// Names the setting and the reason.
pub fn door(config: &Config) -> anyhow::Result<Option<Door>> {
    let settings = &config.gp_connect;
    if settings.consumers().is_empty() && settings.gateway.is_none() {
        return Ok(None);
    }
    let mut consumers = Vec::new();
    for it in settings.consumers() {
        let named = || format!("gp_connect.consumer: {}", it.asid);
        let keys = it.keys.as_deref().map(keys_in);
        consumers.push(Consumer {
            asid: it.asid.clone(),
            ods: Ods::parse(&it.ods).with_context(named)?,
            keys: keys.transpose().with_context(named)?,
            patients: it.patients,
        });
    }
    let gateway = settings.gateway.as_ref().map(gateway).transpose();
    Ok(Some(Door {
        asid: settings.asid.clone().unwrap_or_default(),
        consumers,
        proxy: settings.proxy_certificate.clone(),
        gateway: gateway.context("gp_connect.gateway")?,
    }))
}

fn gateway(it: &GatewaySetting) -> anyhow::Result<PatientsGateway> {
    Ok(PatientsGateway {
        client: it.client.clone(),
        keys: keys_in(&it.keys)?,
        audience: it.audience.clone(),
        issuer: it.issuer.clone(),
        issuer_keys: keys_in(&it.issuer_keys)?,
        apps: it.apps.clone(),
        certificate: it.certificate.clone(),
    })
}

/// The public keys of a file.
fn keys_in(path: &Path) -> anyhow::Result<Jwks> {
    let text = std::fs::read(path).with_context(|| path.display().to_string())?;
    Jwks::read(&text).map_err(|wrong| anyhow::anyhow!("{}: {wrong}", path.display()))
}

/// The organisation's own system where it holds the medicines.
///
/// # Errors
/// Names the setting and the reason.
pub fn medicines(config: &Config, ods: &Ods) -> anyhow::Result<Option<Arc<Holder>>> {
    let settings = &config.gp_connect;
    let Some(url) = &settings.medicines else {
        return Ok(None);
    };
    let path = config.exchange.keys.join("openid.pk8");
    let key = IdentityKey::open(&path).context("exchange.keys: openid.pk8")?;
    let issuer = config.pages.public_url.trim_end_matches('/');
    let asid = settings.asid.clone().unwrap_or_default();
    let holder = Holder::new(url, &asid, (issuer, ods), key);
    let holder = holder.context("gp_connect.medicines")?;
    let signed = (&settings.medicines_token_url, &settings.medicines_client);
    let key = (
        settings.medicines_key.as_path(),
        settings.medicines_key_id.as_str(),
    );
    let holder = match tokens::signed_in(signed, key, "gp_connect.medicines_key")? {
        Some(sign_in) => {
            let gateway = Gateway::new(sign_in).context("gp_connect.medicines_token_url")?;
            holder.behind(gateway)
        }
        None => holder,
    };
    Ok(Some(Arc::new(holder)))
}

/// The organisation's own system, where the settings name its address.
///
/// # Errors
/// Names the setting and the reason.
pub fn system(config: &Config, ods: &Ods) -> anyhow::Result<Option<Arc<System>>> {
    let settings = &config.gp_connect;
    let Some(url) = &settings.system else {
        return Ok(None);
    };
    let text = |setting: &Option<String>| setting.clone().unwrap_or_default();
    let booked_by = BookedBy {
        ods: ods.to_string(),
        name: config.organisation.name.clone(),
        phone: text(&settings.telephone),
        sort: String::new(),
    };
    let key = settings.signed.then(|| {
        let path = config.exchange.keys.join("openid.pk8");
        IdentityKey::open(&path).context("exchange.keys: openid.pk8")
    });
    let issuer = config.pages.public_url.trim_end_matches('/');
    let asids = (text(&settings.system_asid), text(&settings.asid));
    let system = System::new(
        url,
        (&asids.0, &asids.1),
        (issuer, ods, booked_by),
        key.transpose()?,
    );
    Ok(Some(Arc::new(system.context("gp_connect.system")?)))
}
