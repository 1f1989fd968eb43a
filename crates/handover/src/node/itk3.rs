//! ITK3 documents over MESH, as the settings say.

use std::sync::Arc;

use anyhow::Context as _;
use exchange::itk3::{Itk3, Routes, Settings};
use store::Store;

use crate::config::Config;

/// The worker, and to whom letters go so.
pub struct Parts {
    pub worker: Itk3,
    pub routes: Arc<Routes>,
}

/// Opens what is needed, if it is on.
///
/// # Errors
/// Names the setting and the reason.
pub fn open(config: &Config, store: &Store) -> anyhow::Result<Option<Parts>> {
    let section = &config.itk3;
    if !section.enabled {
        return Ok(None);
    }
    let mesh = super::mesh::client(config, store)?;
    let mesh = mesh.context("itk3.enabled: needs mesh.base_url and mesh.mailbox")?;
    let receivers = section.receivers().iter().map(|it| it.receiver());
    let routes = Arc::new(Routes {
        receivers: receivers.collect::<anyhow::Result<_>>()?,
        automatic: section.automatic,
        discharge: section.automatic_discharge.clone(),
    });
    let settings = Settings {
        name: config.organisation.name.clone(),
        telephone: section.telephone.clone().unwrap_or_default(),
        tries_max: section.tries_max,
        infrastructure_hours: section.infrastructure_hours,
        business_hours: section.business_hours,
        keep_days: section.keep_days,
        message_bytes_max: usize::try_from(section.message_bytes_max)?,
        look_seconds: section.look_seconds,
        date_order: section.date_order.into(),
        discharge_definition: section.discharge_definition.clone(),
    };
    let worker = Itk3::new(store.clone(), mesh, settings);
    Ok(Some(Parts { worker, routes }))
}
