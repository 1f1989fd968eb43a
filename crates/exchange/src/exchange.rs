//! One node's exchange: what the binary starts, what the doors call.

use std::path::PathBuf;
use std::sync::Arc;

use access::{Ods, Scope, SystemPurpose};
use fhir::problem::Problem;
use parking_lot::Mutex;
use store::parcels::ParcelWrite;
use store::{Effect, Job, Store};
use tokio::sync::Semaphore;

use crate::backoff::Backoff;
use crate::bars::Bars;
use crate::bounds::{Bounds, Known};
use crate::client::{HttpTransport, Ways};
use crate::delivery::Paces;
use crate::directory::Book;
use crate::fax::Allowed;
use crate::gp_connect::System;
use crate::gp_connect::medicines::Holder;
use crate::itk3::Routes;
use crate::keys::Identity;
use crate::mailboxes::Mailboxes;
use crate::pds::Pds;
use crate::prescriptions::eps::Eps;
use crate::tls;
use crate::transport::Transport;
use crate::workers::Workers;

/// How a node sends and takes in.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A letter that nobody filed is shown to the patient after so many days.
    pub release_after_days: u32,
    /// A letter that could not be delivered for so many days goes onto the work list.
    pub undeliverable_after_days: u32,
    pub backoff: Backoff,
    /// How long workers sleep at most when nothing wakes them, in milliseconds.
    pub poll_millis: u64,
    /// Neighbours that are served at a time.
    pub peers_at_once: usize,
    /// Parcels in one request, at most `manifest::PARCELS_MAX`.
    pub parcels_at_once: u32,
    /// The member that holds a copy of our patients' sharing preferences, for when we are down.
    pub second_keeper: Option<Ods>,
    /// How often home practices are asked whether a preference is outstanding, in milliseconds.
    pub confirm_every_millis: u64,
    /// The mailboxes of systems here, and the way to those that no member has.
    pub mailboxes: Arc<Mailboxes>,
    /// The file of the directory, where the node is to follow newer ones.
    pub directory: Option<PathBuf>,
    /// To whom letters go as ITK3 documents over MESH, where they have no node. `None`: to nobody.
    pub itk3: Option<Arc<Routes>>,
    /// To whom letters may go by fax, where they have no node. `None`: there is no fax server.
    pub fax: Option<Arc<Allowed>>,
    /// The Electronic Prescription Service, where prescriptions go through it from here.
    pub eps: Option<Arc<Eps>>,
    /// PDS, where it is asked who the people here are.
    pub pds: Option<Arc<Pds>>,
    /// Organisations that are referred to by BaRS, where they have no node.
    pub bars: Option<Arc<Bars>>,
    /// How long all organisations together are waited for that are asked about a patient, in
    /// milliseconds.
    pub ask_millis: u64,
    /// What contents and parcels are taken here, and how much of them unfinished.
    pub bounds: Bounds,
    /// For how many hours the last good answer of each is kept; 0 for not at all.
    pub ask_keep_hours: u32,
    /// Whose free appointments are offered here.
    pub clinics: Vec<Ods>,
    /// Whether this node holds its organisation's diary.
    pub keeps_diary: bool,
    /// The organisation's own system, which holds its diary, where it is booked into from here.
    pub system: Option<Arc<System>>,
    /// The organisation's own system where it holds the medicines, which are then ordered there.
    pub medicines: Option<Arc<Holder>>,
    /// Other ways to members than to the directory's addresses.
    pub ways: Option<Ways>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            release_after_days: 14,
            undeliverable_after_days: 5,
            backoff: Backoff::default(),
            poll_millis: 1000,
            peers_at_once: 16,
            parcels_at_once: 100,
            second_keeper: None,
            confirm_every_millis: 300_000,
            mailboxes: Arc::default(),
            directory: None,
            itk3: None,
            fax: None,
            eps: None,
            pds: None,
            bars: None,
            ask_millis: 2_000,
            bounds: Bounds::default(),
            ask_keep_hours: 24,
            clinics: Vec::new(),
            keeps_diary: true,
            system: None,
            medicines: None,
            ways: None,
        }
    }
}

/// The exchange of one node. Shared by its doors and workers.
pub struct Exchange {
    pub(crate) store: Store,
    pub(crate) identity: Arc<Identity>,
    pub(crate) book: Arc<Book>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) settings: Settings,
    /// This process among those that serve the node.
    pub(crate) holder: String,
    /// Until when this process has the work for a neighbour.
    pub(crate) leases: Mutex<std::collections::HashMap<Ods, i64>>,
    pub(crate) paces: Paces,
    /// Of neighbours, how far their clocks were told to staff as apart from this node's, if at all.
    pub(crate) apart: Mutex<std::collections::HashMap<Ods, Option<i64>>>,
    /// What neighbours take, as they told lately.
    pub(crate) takes: Known,
    /// Places for questions of others that are being answered.
    pub(crate) answering: Semaphore,
}

/// Questions that are answered at a time.
pub(crate) const ANSWERING_MAX: usize = 32;

impl Exchange {
    /// An exchange over HTTP and mutual TLS.
    pub fn new(
        store: Store,
        identity: Arc<Identity>,
        book: Arc<Book>,
        settings: Settings,
    ) -> Arc<Exchange> {
        let clock = store.clock().clone();
        let transport = HttpTransport::new(identity.clone(), book.clone(), clock);
        let transport = Arc::new(transport.by(settings.ways.clone()));
        Exchange::with_transport(store, identity, book, settings, transport)
    }

    /// An exchange over any transport.
    pub fn with_transport(
        store: Store,
        identity: Arc<Identity>,
        book: Arc<Book>,
        settings: Settings,
        transport: Arc<dyn Transport>,
    ) -> Arc<Exchange> {
        Arc::new(Exchange {
            store,
            identity,
            book,
            transport,
            settings,
            holder: uuid::Uuid::new_v4().to_string(),
            leases: Mutex::default(),
            paces: Paces::default(),
            apart: Mutex::default(),
            takes: Known::default(),
            answering: Semaphore::new(ANSWERING_MAX),
        })
    }

    /// Starts delivering and taking in. Stop with `Workers::stop`.
    pub fn start(self: &Arc<Exchange>) -> Workers {
        Workers::start(self.clone())
    }

    /// The organisation whose node this is.
    pub fn organisation(&self) -> &Ods {
        self.identity.organisation()
    }

    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The directory.
    pub fn book(&self) -> &Arc<Book> {
        &self.book
    }

    /// Notes the version of the directory in force, so that no older one is believed after a
    /// restart.
    ///
    /// # Errors
    /// `Conflict` if a newer one was in force here before; those of the store.
    pub async fn remember_directory(&self) -> Result<(), Problem> {
        let version = self.book.version();
        let write = Effect::Parcel(ParcelWrite::Directory { version });
        let scope = Scope::system(SystemPurpose::DeliverParcels);
        self.store
            .commit(&scope, Job::effect(write))
            .await
            .map(|_| ())
    }

    /// The mailboxes here.
    pub fn mailboxes(&self) -> &Arc<Mailboxes> {
        &self.settings.mailboxes
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    /// TLS for the listener of other nodes.
    ///
    /// # Errors
    /// `Invalid` if certificate and key do not belong together.
    pub fn server_tls(&self) -> Result<rustls::ServerConfig, Problem> {
        tls::server(
            &self.identity,
            self.book.clone(),
            self.store.clock().clone(),
        )
    }

    /// The organisation that owns a TLS certificate (DER) now, as the directory says.
    pub fn peer(&self, certificate: &[u8]) -> Option<Ods> {
        let digest = crate::keys::sha256_hex(certificate);
        self.book
            .owner(&digest, self.store.now())?
            .organisation()
            .ok()
    }
}
