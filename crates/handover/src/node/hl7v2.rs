//! The parts of a node that speak HL7 v2: the doors, the worker that maps what came in, the mapping's
//! folder, and what tells other systems of changes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use exchange::hl7_out::{Destination, Kind, Outwards};
use exchange::intake::Intake;
use exchange::mllp::{self, Door};
use exchange::{Exchange, Mappings};
use rustls::{ClientConfig, ServerConfig};
use store::Store;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::config::{Config, Hl7v2Destination, Hl7v2Listener};

/// What is read of the settings before anything starts.
pub(super) struct Parts {
    settings: mllp::Settings,
    mappings: Arc<Mappings>,
    destinations: Vec<Destination>,
    sends_results: bool,
}

impl Parts {
    /// # Errors
    /// Names the setting, and the file of the mapping, that is wrong.
    pub(super) fn open(config: &Config) -> anyhow::Result<Parts> {
        let (layers, folder) = (&config.hl7v2.layers, config.hl7v2.mapping.as_deref());
        let mappings = Mappings::with(layers, folder).context("hl7v2.layers and hl7v2.mapping")?;
        let destinations = config.hl7v2.destinations().iter().map(destination);
        Ok(Parts {
            settings: mllp::Settings {
                connections_max: config.hl7v2.connections_max,
                message_bytes_max: config.hl7v2.message_bytes_max,
                ..mllp::Settings::default()
            },
            mappings: Arc::new(mappings),
            destinations: destinations.collect::<anyhow::Result<_>>()?,
            sends_results: config.hl7v2.results,
        })
    }

    /// Starts the doors that are open, and the workers, which also work off what came before a door
    /// was shut.
    pub(super) fn start(
        self,
        store: &Store,
        exchange: &Arc<Exchange>,
        listeners: Vec<(TcpListener, Option<Arc<ServerConfig>>)>,
        stopped: &watch::Receiver<bool>,
    ) -> Vec<JoinHandle<()>> {
        let arrivals = Arc::new(Notify::new());
        let organisation = store.organisation().clone();
        let intake = Intake::new(store.clone(), organisation, exchange.clone())
            .sending_results(self.sends_results);
        let intake = intake.with(self.mappings.clone());
        let door = Door::new(store.clone(), arrivals.clone())
            .with(self.mappings.clone())
            .keeping_large(exchange.clone());
        let door = Arc::new(door);
        let stop = stopped.clone();
        let mut parts = vec![tokio::spawn(
            async move { intake.run(arrivals, stop).await },
        )];
        parts.push(tokio::spawn(
            self.mappings.follow(store.clone(), stopped.clone()),
        ));
        for (listener, tls) in listeners {
            let serving = mllp::serve(listener, tls, door.clone(), self.settings, stopped.clone());
            parts.push(tokio::spawn(serving));
        }
        if !self.destinations.is_empty() {
            let outwards = Outwards::new(store.clone(), self.destinations);
            let stop = stopped.clone();
            parts.push(tokio::spawn(async move { outwards.run(stop).await }));
        }
        parts
    }
}

/// Opens every door's listener, with its TLS.
///
/// # Errors
/// Names the setting that cannot be listened on, or whose files cannot be read.
pub(super) async fn listeners(
    config: &Config,
) -> anyhow::Result<Vec<(TcpListener, Option<Arc<ServerConfig>>)>> {
    let mut listeners = Vec::new();
    if let Some(address) = config.hl7v2.listen {
        listeners.push((super::listen(address, "hl7v2.listen").await?, None));
    }
    for listener in config.hl7v2.listeners() {
        let named = || format!("hl7v2.listener {}", listener.listen);
        let tls = server(listener).with_context(named)?;
        let opened = super::listen(listener.listen, "hl7v2.listener").await?;
        listeners.push((opened, tls));
    }
    Ok(listeners)
}

/// The types of resources whose changes some destination is told of.
pub(crate) fn told(config: &Config) -> Vec<String> {
    let kinds = config.hl7v2.destinations().iter().flat_map(|it| &it.sends);
    let mut types: Vec<String> = kinds
        .filter_map(|kind| Kind::parse(kind).ok())
        .flat_map(|kind| kind.told_of().iter().map(|ty| (*ty).to_owned()))
        .collect();
    types.sort();
    types.dedup();
    types
}

/// The addresses of all doors, each with how it is guarded, for who starts the node.
pub fn doors(config: &Config) -> Vec<(SocketAddr, &'static str)> {
    let first = config.hl7v2.listen.map(|address| (address, "without TLS"));
    let more = config.hl7v2.listeners().iter().map(|it| {
        let guard = match (&it.certificate, &it.client_authorities) {
            (None, _) => "without TLS",
            (Some(_), None) => "TLS",
            (Some(_), Some(_)) => "TLS with client certificates",
        };
        (it.listen, guard)
    });
    first.into_iter().chain(more).collect()
}

fn server(listener: &Hl7v2Listener) -> anyhow::Result<Option<Arc<ServerConfig>>> {
    let (Some(certificate), Some(key)) = (&listener.certificate, &listener.key) else {
        return Ok(None);
    };
    let authorities = listener.client_authorities.as_deref();
    Ok(Some(mllp::tls::server(certificate, key, authorities)?))
}

fn destination(it: &Hl7v2Destination) -> anyhow::Result<Destination> {
    let named = || format!("hl7v2.destination {:?}", it.name);
    let kinds: Result<Vec<Kind>, _> = it.sends.iter().map(|kind| Kind::parse(kind)).collect();
    Ok(Destination {
        name: it.name.clone(),
        address: it.address.clone(),
        kinds: kinds.with_context(named)?,
        application: it.application.clone(),
        facility: it.facility.clone(),
        tls: client(it).with_context(named)?,
        answer_within: Duration::from_secs(it.answer_seconds),
    })
}

fn client(it: &Hl7v2Destination) -> anyhow::Result<Option<Arc<ClientConfig>>> {
    let Some(authorities) = &it.authorities else {
        return Ok(None);
    };
    let own = it.certificate.as_deref().zip(it.key.as_deref());
    Ok(Some(mllp::tls::client(authorities, own)?))
}
