//! Wiring: one node from its settings, with all its doors and workers.

mod bars;
pub mod copies;
pub mod downtime;
pub mod fax;
mod gp_connect;
pub mod hl7v2;
pub mod itk3;
pub mod mesh;
pub mod opt_out;
mod pds;
mod places;
mod sign_in;
mod tls;
mod tokens;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use access::{Ods, Role};
use anyhow::{Context, bail};
use exchange::Ways;
use exchange::backoff::Backoff;
use exchange::jwt::IdentityKey;
use exchange::keys::read_private;
use exchange::outgoing::Outgoing;
use exchange::prescriptions::eps::Eps;
use exchange::sealing::SealingKey;
use exchange::{Book, Exchange, Identity, Workers};
use rustls::ServerConfig;
use store::{Database, Store};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use web::page::look::Look;
use web::serve::{Limits, behind_proxy, serve};
use web::{Site, router, serve_peers};

use crate::commands::directory::read_stewards;
use crate::config::Config;
use places::Places;

/// How long each part may take to stop.
const STOP_SECONDS_MAX: u64 = 15;

/// A running node.
pub struct Running {
    pub store: Store,
    stop: watch::Sender<bool>,
    workers: Workers,
    parts: Vec<JoinHandle<()>>,
    copies: Option<copies::Worker>,
}

/// What the demo gives its nodes, and no setting does.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Lines to the neighbours that can be cut.
    pub ways: Option<Ways>,
    pub backoff: Option<Backoff>,
}

/// The listeners of a node, open before anything is promised.
struct Listeners {
    pages: TcpListener,
    exchange: TcpListener,
    apps: Option<TcpListener>,
    hl7v2: Vec<(TcpListener, Option<Arc<ServerConfig>>)>,
    mesh: Option<TcpListener>,
}

impl Running {
    /// Opens the store and all listeners, then starts the doors and the workers.
    ///
    /// # Errors
    /// Names what could not be opened, and the setting it came from.
    pub async fn start(config: &Config) -> anyhow::Result<Running> {
        let store = open_store(config).await?;
        Box::pin(Running::start_on(config, store, Surroundings::default())).await
    }

    /// As `start`, on a store that is open.
    ///
    /// # Errors
    /// As `start`.
    pub async fn start_on(
        config: &Config,
        store: Store,
        around: Surroundings,
    ) -> anyhow::Result<Running> {
        let ods = Ods::parse(&config.organisation.ods)?;
        let book = Arc::new(open_book(config, &store)?);
        let identity = Arc::new(open_identity(config, &ods, &book, &store)?);
        let listeners = Listeners::open(config).await?;
        let copies = copies::open(config, &store, &identity).await?;
        let opt_outs = opt_out::open(config, &store)?;
        let hl7v2 = hl7v2::Parts::open(config)?;
        let faxes = fax::open(config, &store).await?;
        let itk3 = itk3::open(config, &store)?;
        let settings = exchange::Settings {
            release_after_days: config.letters.release_after_days,
            undeliverable_after_days: config.letters.undeliverable_after_days,
            second_keeper: second_keeper(config)?,
            confirm_every_millis: confirm_every_millis(config),
            mailboxes: Arc::new(mesh::mailboxes(config, &store)?),
            directory: Some(config.exchange.directory.clone()),
            bounds: config.exchange.bounds(),
            ask_millis: config.sharing.ask_milliseconds,
            ask_keep_hours: config.sharing.keep_answers_hours,
            clinics: clinics(config)?,
            keeps_diary: config.appointments.keeps_diary(),
            fax: faxes.as_ref().map(|it| it.allowed.clone()),
            itk3: itk3.as_ref().map(|it| it.routes.clone()),
            eps: eps(config)?,
            system: gp_connect::system(config, &ods)?,
            medicines: gp_connect::medicines(config, &ods)?,
            pds: pds::open(config)?,
            bars: bars::open(config)?,
            ways: around.ways,
            backoff: around.backoff.unwrap_or_default(),
            ..exchange::Settings::default()
        };
        let tls = tls::pages(config)?;
        let exchange = Exchange::new(store.clone(), identity, book.clone(), settings);
        exchange
            .remember_directory()
            .await
            .context("exchange.directory")?;
        let mut node = web_node(config, &ods, &store, &book)?;
        node.exchange = Some(exchange.clone());
        node.gp_connect = gp_connect::door(config)?;
        node.downtime = downtime::open(config)?;
        node.sign_in = sign_in::sign_in(config)?;
        if let Some(oidc) = &node.sign_in.staff_oidc {
            let remembered = store
                .remember_role_table(u64::from(oidc.roles.version))
                .await;
            remembered.context("staff_oidc.role_table")?;
        }
        let sealing = SealingKey::open(&config.exchange.keys.join("secrets.key"));
        node.sign_in.sealing = sealing.context("exchange.keys: secrets.key")?;
        let outgoing = Outgoing::new(&config.subscriptions.allowed_hosts);
        let outgoing = outgoing.context("subscriptions: no TLS")?;
        node.oauth.outgoing = Some(outgoing.clone());
        let identity_key = IdentityKey::open(&config.exchange.keys.join("openid.pk8"));
        node.oauth
            .sign_with(identity_key.context("exchange.keys: openid.pk8")?);
        node.subscriptions.outgoing = Some(outgoing);
        node.subscriptions.failures_max = config.subscriptions.failures_max.max(1);
        let node = Arc::new(node);
        let pages = router(node.clone());
        let pages = if config.pages.behind_proxy {
            behind_proxy(pages, config.pages.public_url.starts_with("https://"))
        } else {
            pages
        };
        let places = Places::of_this_process();
        let (stop, stopped) = watch::channel(false);
        let workers = exchange.start();
        let mut parts = vec![
            tokio::spawn(serve(
                listeners.pages,
                pages,
                tls,
                places.pages,
                stopped.clone(),
            )),
            tokio::spawn(peers(
                listeners.exchange,
                exchange.clone(),
                places.peers,
                stopped.clone(),
            )),
        ];
        let telling = web::subscriptions::run(node.clone(), stopped.clone());
        parts.push(tokio::spawn(telling));
        if let Some(listener) = listeners.apps {
            let tls = tls::apps(config)?;
            let door = web::apps_router(node.clone());
            let serving = serve(listener, door, tls, places.apps, stopped.clone());
            parts.push(tokio::spawn(serving));
        }
        if let Some(listener) = listeners.mesh {
            let tls = mesh::server_tls(config)?;
            let bytes_max = config.mesh_server.message_bytes_max;
            let door = Arc::new(web::mesh::Door::new(exchange.clone(), bytes_max));
            let door = web::mesh::mesh_router(door);
            let serving = serve(listener, door, tls, places.mesh, stopped.clone());
            parts.push(tokio::spawn(serving));
        }
        parts.push(tokio::spawn(web::downtime::run(
            node.clone(),
            stopped.clone(),
        )));
        parts.push(tokio::spawn(web::bulk::run(node, stopped.clone())));
        parts.extend(faxes.map(|it| tokio::spawn(it.worker.run(stopped.clone()))));
        parts.extend(itk3.map(|it| tokio::spawn(it.worker.run(stopped.clone()))));
        parts.extend(opt_outs.map(|it| tokio::spawn(it.run(stopped.clone()))));
        parts.extend(hl7v2.start(&store, &exchange, listeners.hl7v2, &stopped));
        Ok(Running {
            store,
            stop,
            workers,
            parts,
            copies: copies.map(copies::Copies::start),
        })
    }

    /// Stops taking connections, lets what is under way end, and closes the store.
    pub async fn stop(self) {
        self.halt().await.close().await;
    }

    /// As `stop`, but leaves the store open, and gives it.
    pub async fn halt(self) -> Store {
        let _ = self.stop.send(true);
        self.workers.stop().await;
        for mut part in self.parts {
            let limit = Duration::from_secs(STOP_SECONDS_MAX);
            if tokio::time::timeout(limit, &mut part).await.is_err() {
                part.abort();
            }
        }
        // Last, so that all that was done is in the last copy.
        if let Some(copies) = self.copies {
            copies.stop().await;
        }
        self.store
    }
}

impl Listeners {
    async fn open(config: &Config) -> anyhow::Result<Listeners> {
        Ok(Listeners {
            pages: listen(config.pages.listen, "pages.listen").await?,
            exchange: listen(config.exchange.listen, "exchange.listen").await?,
            apps: match config.apps.mtls_listen {
                Some(address) => Some(listen(address, "apps.mtls_listen").await?),
                None => None,
            },
            hl7v2: hl7v2::listeners(config).await?,
            mesh: match config.mesh_server.listen {
                Some(address) => Some(listen(address, "mesh_server.listen").await?),
                None => None,
            },
        })
    }
}

async fn listen(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("{setting}: {address} cannot be listened on"))
}

/// Opens the node's store, making or updating its schema.
///
/// # Errors
/// Names the setting and the reason.
pub async fn open_store(config: &Config) -> anyhow::Result<Store> {
    let ods = Ods::parse(&config.organisation.ods)?;
    let database = match &config.store.postgres {
        Some(path) => Database::Postgres {
            url: secret_text(path)
                .with_context(|| format!("store.postgres: {}", path.display()))?,
            schema: config.store.schema.clone(),
        },
        None => Database::Sqlite(config.store.sqlite.clone()),
    };
    let mut settings = store::Settings::new(database, ods);
    settings.audit = config.audit.durability.into();
    settings.reserve_bytes = config.audit.reserve_bytes;
    settings.reserve_folder = config.store.sqlite.parent().map(Path::to_owned);
    settings.relationships = config.access.relationships.into();
    settings.on_familiar = (
        config.access.own_record.into(),
        config.access.familiar_records.into(),
    );
    settings.ages = access::Ages {
        review: config.access.proxy_review_age,
        end: config.access.proxy_end_age,
    };
    settings.unconfirmed_after_millis = i64::from(config.sharing.unconfirmed_after_seconds) * 1000;
    settings.search_seconds_max = config.fhir.search_seconds_max;
    settings.included_max = config.fhir.included_max;
    settings.text_search = config.fhir.text_search;
    settings.page_bytes_max = config.fhir.page_bytes_max;
    settings.hl7_told = hl7v2::told(config);
    settings.fhir_url = format!("{}/fhir", config.pages.public_url.trim_end_matches('/'));
    Store::open(settings)
        .await
        .context("store: cannot be opened")
}

/// The text of a file that only its owner may read.
/// The organisation's own logo and font.
fn look(config: &Config) -> anyhow::Result<Look> {
    let pages = &config.pages;
    let fonts = [pages.font.as_deref(), pages.font_bold.as_deref()];
    Look::read(pages.logo.as_deref(), fonts).context("pages.logo, pages.font and pages.font_bold")
}

fn secret_text(path: &Path) -> anyhow::Result<String> {
    let text = String::from_utf8(read_private(path)?)?;
    Ok(text.trim().to_owned())
}

/// EPS, where the settings name its address.
fn eps(config: &Config) -> anyhow::Result<Option<Arc<Eps>>> {
    let section = &config.prescriptions;
    let Some(url) = &section.eps else {
        return Ok(None);
    };
    let signed = (&section.token_url, &section.client);
    let key = (section.key.as_path(), section.key_id.as_str());
    let sign_in = tokens::signed_in(signed, key, "prescriptions.key")?;
    let eps = Eps::new(url, sign_in).context("prescriptions.eps")?;
    Ok(Some(Arc::new(eps)))
}

/// The settings are checked when they are read.
fn second_keeper(config: &Config) -> anyhow::Result<Option<Ods>> {
    let keeper = config.sharing.second_keeper.as_deref();
    Ok(keeper.map(Ods::parse).transpose()?)
}

/// The settings are checked when they are read.
fn clinics(config: &Config) -> anyhow::Result<Vec<Ods>> {
    let codes = config.appointments.clinics.iter();
    Ok(codes
        .map(|code| Ods::parse(code))
        .collect::<Result<_, _>>()?)
}

/// Four times before an answer would be too old, so that one that is lost does no harm.
fn confirm_every_millis(config: &Config) -> u64 {
    (u64::from(config.sharing.unconfirmed_after_seconds) * 250).min(300_000)
}

pub(crate) fn open_book(config: &Config, store: &Store) -> anyhow::Result<Book> {
    let path = &config.exchange.directory;
    let text = std::fs::read_to_string(path).with_context(|| {
        format!(
            "exchange.directory: {} (the network's steward signs one)",
            path.display()
        )
    })?;
    let stewards = read_stewards(config)?;
    let book = Book::even_ended(&text, stewards)
        .with_context(|| format!("exchange.directory: {}", path.display()))?;
    if book.has_ended(store.now()) {
        let ended = fhir::date::instant(book.valid_until());
        tracing::error!(
            ended,
            "the directory has ended: no neighbour is believed, and what is for them waits until a newer one is here"
        );
    }
    Ok(book)
}

pub(crate) fn open_identity(
    config: &Config,
    ods: &Ods,
    book: &Book,
    store: &Store,
) -> anyhow::Result<Identity> {
    let folder = &config.exchange.keys;
    let identity = Identity::open(folder, ods)
        .with_context(|| format!("exchange.keys: {}", folder.display()))?;
    let Some(member) = book.listed(ods) else {
        bail!("exchange.directory: {ods} is not in it; give card.json to the steward");
    };
    if !member.has_certificate(&identity.certificate_sha256(), store.now()) {
        bail!(
            "exchange.directory: it lists {ods} with other keys than those in {}; \
             give the present card.json to the steward",
            folder.display()
        );
    }
    Ok(identity)
}

/// The node's exchange, without workers or doors: for commands that ask neighbours something.
///
/// # Errors
/// Names the setting and the reason.
pub fn open_exchange(config: &Config, store: &Store) -> anyhow::Result<Arc<Exchange>> {
    let ods = Ods::parse(&config.organisation.ods)?;
    let book = Arc::new(open_book(config, store)?);
    let identity = Arc::new(open_identity(config, &ods, &book, store)?);
    let settings = exchange::Settings::default();
    Ok(Exchange::new(store.clone(), identity, book, settings))
}

/// Writes a pack for when everything is off, without doors: for the command.
///
/// # Errors
/// Names what could not be read or written.
pub async fn downtime_pack(
    config: &Config,
    store: &Store,
    settings: &web::downtime::Downtime,
) -> anyhow::Result<web::downtime::Made> {
    let ods = Ods::parse(&config.organisation.ods)?;
    let book = Arc::new(open_book(config, store)?);
    let node = web_node(config, &ods, store, &book)?;
    Ok(Box::pin(web::downtime::make(&node, settings, "an operator")).await?)
}

fn web_node(
    config: &Config,
    ods: &Ods,
    store: &Store,
    book: &Arc<Book>,
) -> anyhow::Result<web::Node> {
    let site = Site {
        organisation: ods.clone(),
        name: config.organisation.name.clone(),
        base_url: config.pages.public_url.trim_end_matches('/').to_owned(),
        roles: config.organisation.roles.clone(),
        look: Arc::new(look(config)?),
    };
    let mut node = web::Node::new(store.clone(), site);
    let book = book.clone();
    let listed = book.clone();
    node.pharmacies = Arc::new(move || pharmacies(&listed));
    node.has_eps = config.prescriptions.eps.is_some();
    let by_bars = config.bars.services().to_vec();
    node.organisation_name = Arc::new(move |ods| {
        let service = by_bars.iter().find(|it| it.ods == ods);
        match (book.name(ods), service) {
            // Of who has no node, the settings know the name.
            (name, Some(service)) if name == ods => service.name.clone(),
            (name, _) => name,
        }
    });
    node.fhir.bounds = config.fhir.bounds();
    node.fhir.conditional_delete = config.fhir.conditional_delete.into();
    node.oauth.registration_open = config.apps.registration_open;
    node.oauth.secrets_allowed = config.apps.secrets_allowed;
    node.oauth.mtls_url = config
        .apps
        .mtls_url
        .as_ref()
        .map(|url| url.trim_end_matches('/').to_owned());
    node.emergency_hours = config.access.emergency_hours;
    let roles = config.access.unnamed_roles.iter();
    node.unnamed_roles = roles.filter_map(|role| Role::parse(role).ok()).collect();
    node.proxy_months_max = config.access.proxy_months_max;
    node.messages_unopened_hours = config.messages.unopened_hours;
    node.release_after_days = config.letters.release_after_days;
    node.diary = web::Diary {
        kept_here: config.appointments.keeps_diary(),
        answer_hours: config.appointments.answer_hours,
    };
    node.has_fax = config.fax.enabled;
    node.bulk.jobs_a_caller_max = config.bulk.jobs_a_caller_max;
    node.bulk.keep_hours = config.bulk.keep_hours;
    node.bulk.import_bytes_max = config.bulk.import_bytes_max;
    node.bulk.opt_out_days_max = config.opt_out.days_max;
    node.fhir.enforced = enforced(config);
    Ok(node)
}

/// The profiles that resources must follow, whichever way they come in.
pub fn enforced(config: &Config) -> web::fhir::validate::Enforced {
    web::fhir::validate::Enforced {
        profiles: config.profiles.enforced.clone(),
        declared: config.profiles.enforce_declared,
    }
}

/// The pharmacies that the directory lists, by name.
fn pharmacies(book: &Book) -> Vec<(String, String)> {
    let members = book.members();
    let members = members.iter();
    let pharmacies = members.filter(|it| it.roles.iter().any(|role| role == "pharmacy"));
    let mut named: Vec<_> = pharmacies
        .map(|it| (it.ods.clone(), it.name.clone()))
        .collect();
    named.sort_by(|a, b| a.1.cmp(&b.1));
    named
}

async fn peers(
    listener: TcpListener,
    exchange: Arc<Exchange>,
    limits: Limits,
    stopped: watch::Receiver<bool>,
) {
    if let Err(problem) = serve_peers(listener, exchange, limits, stopped).await {
        tracing::error!(%problem, "other nodes cannot reach this one");
    }
}
