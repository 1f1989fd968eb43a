//! `handover demo`: a neighbourhood of made-up organisations in one process.

mod day;
mod filling;
mod lines;
mod neighbours;
mod network;
mod people;
pub(super) mod population;
mod post;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail};
use store::Clock;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use web::serve::{Limits, serve};

use super::directory::{open_or_create_steward, sign_members};
use super::serve::told_to_stop;
use day::Day;
use filling::Filling;
use neighbours::{NEIGHBOURS, Neighbour, Place};
use network::Network;

/// The file by which a demo's data folder is known, so that `--fresh` never removes anything else.
const MARK: &str = "made-by-handover-demo";
/// Everybody's password: all people are made up, and nothing listens beyond this machine.
pub const PASSWORD: &str = "handover-demo";
/// That of the packs for when everything is off.
const PASSPHRASE: &str = "handover-demo-pack";
/// Connections to the neighbourhood's own pages at a time.
const CONNECTIONS: usize = 64;

/// Starts a neighbourhood on this machine: a hospital, two GP practices, a pharmacy, social care, an ambulance service, a
/// mental health trust and a community trust, with 2,000 people, and plays a day.
///
/// Each is a full node with its own keys, its own SQLite file and its own address. All people are made up; their histories are
/// filled in behind while the pages work. The printed address leads to who can sign in where, and to the network with
/// its switches. A second start finds what the first left. Ctrl-C ends it.
#[derive(clap::Args)]
pub struct Demo {
    /// Where the nodes keep their keys and records.
    #[arg(long, default_value = "demo-data")]
    data: PathBuf,
    /// Removes what an earlier demo left, and starts over.
    #[arg(long)]
    fresh: bool,
    /// The first of 23 ports on 127.0.0.1.
    #[arg(long, default_value_t = 8100, value_parser = clap::value_parser!(u16).range(1024..=65_500))]
    base_port: u16,
    /// How many people live there, beside the hand-made ones.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    people: u32,
    /// How fast the day goes: so many times as fast as the clock, 0 for paused. It can be changed on the network's page.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(0..=3_600))]
    speed: u32,
    /// Starts the nodes without playing the day.
    #[arg(long)]
    quiet: bool,
}

impl Demo {
    pub async fn run(self) -> anyhow::Result<()> {
        let began = Instant::now();
        prepare_folder(&self.data, self.fresh)?;
        let places = NEIGHBOURS
            .iter()
            .map(|it| it.place(&self.data, self.base_port))
            .collect::<anyhow::Result<Vec<Place>>>()?;
        make_keys_and_directory(&self.data, &places)?;
        let today = Clock::system().now() / people::DAY_MS;
        let everybody = population::people(population::SEED, self.people, today);
        let known = people::known_to_pds(&everybody);
        let filling = Arc::new(Filling::of(everybody));
        let file = self.data.join("day");
        let day = Arc::new(Day::new(filling.people.clone(), self.speed, file));
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let shelf = self.data.join("stand-in-of-eps.json");
        let listen = neighbours::eps_address(self.base_port);
        let eps = super::stand_in::start_eps(listen, Some(&shelf), stopped.clone()).await?;
        let listen = neighbours::pds_address(self.base_port);
        let pds = super::stand_in::start_pds(listen, &known, stopped.clone()).await?;
        let network = Network::start(places, filling, day).await?;
        let own = neighbours::own_address(self.base_port);
        let pages = serve_own(own, network.clone(), stopped).await?;
        tell(&network.places, own, began);
        let behind = self.start_behind(&network);
        told_to_stop().await?;
        println!("\nStopping. `--fresh` starts over next time; without it, everything is kept.");
        for task in behind {
            task.abort();
        }
        let _ = stop.send(true);
        network.stop().await;
        for part in [eps, pds, pages] {
            let _ = part.await;
        }
        Ok(())
    }

    /// What goes on behind the nodes: histories are filled in, the post of the days before is sent, and the day is played.
    fn start_behind(&self, network: &Arc<Network>) -> Vec<JoinHandle<()>> {
        let filling = network.filling.clone().run(network.stores().clone());
        let mut behind = vec![tokio::spawn(tell_filled(filling, network.clone()))];
        if !self.quiet {
            behind.push(tokio::spawn(post::play(network.places.clone())));
            behind.push(tokio::spawn(network.day.clone().play(network.clone())));
        }
        behind
    }
}

/// Fills in, and says on the terminal when that is done.
async fn tell_filled(filling: impl Future<Output = ()>, network: Arc<Network>) {
    let began = Instant::now();
    filling.await;
    let (done, all) = network.filling.progress();
    if all > 0 {
        let seconds = began.elapsed().as_secs_f64();
        println!("Histories are there for {done} of {all} people, after {seconds:.1} s.");
    }
}

/// The neighbourhood's own pages.
async fn serve_own(
    listen: SocketAddr,
    network: Arc<Network>,
    stopped: watch::Receiver<bool>,
) -> anyhow::Result<JoinHandle<()>> {
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("the neighbourhood's pages: {listen} cannot be listened on"))?;
    let router = web::neighbourhood::neighbourhood_router(network);
    let limits = Limits::of(CONNECTIONS);
    Ok(tokio::spawn(serve(listener, router, None, limits, stopped)))
}

/// Makes the data folder, or with `fresh` empties one that a demo made.
fn prepare_folder(data: &Path, fresh: bool) -> anyhow::Result<()> {
    let is_ours = data.join(MARK).exists();
    let is_empty = data
        .read_dir()
        .map_or(true, |mut files| files.next().is_none());
    if !is_ours && !is_empty {
        bail!(
            "{} holds something that no demo made; give another --data",
            data.display()
        );
    }
    if fresh && is_ours {
        std::fs::remove_dir_all(data).with_context(|| data.display().to_string())?;
    }
    std::fs::create_dir_all(data).with_context(|| data.display().to_string())?;
    std::fs::write(
        data.join(MARK),
        "A folder of made-up people. It may be removed.\n",
    )
    .with_context(|| data.display().to_string())
}

/// Keys for each node that has none, and one directory that lists them as they are.
fn make_keys_and_directory(data: &Path, places: &[Place]) -> anyhow::Result<()> {
    let steward = open_or_create_steward(&data.join("steward"))?;
    let members = places
        .iter()
        .map(Place::member)
        .collect::<anyhow::Result<Vec<_>>>()?;
    let previous = places
        .iter()
        .filter_map(|place| std::fs::read_to_string(&place.config.exchange.directory).ok())
        .filter_map(|text| {
            exchange::Directory::verify(&text, &steward.public().clone().into(), 0).ok()
        })
        .map(|directory| directory.version)
        .max();
    let (_, text) = sign_members(&steward, members, previous.unwrap_or(0), 90)?;
    for place in places {
        std::fs::write(&place.config.exchange.directory, &text)?;
        std::fs::write(
            &place.config.exchange.steward_key,
            steward.public().to_json(),
        )?;
    }
    Ok(())
}

fn tell(places: &[Place], own: SocketAddr, began: Instant) {
    println!(
        "A neighbourhood of eight, ready after {:.1} s.\n\n  \
         start here    http://{own}/\n  the network   http://{own}/demo\n",
        began.elapsed().as_secs_f64()
    );
    for place in places {
        let Neighbour {
            ods,
            name,
            accounts,
            ..
        } = place.neighbour;
        println!("  {name} ({ods})");
        println!(
            "    staff     {}/staff/inbox",
            place.config.pages.public_url
        );
        if !place.neighbour.patients.is_empty() {
            println!("    patients  {}/", place.config.pages.public_url);
        }
        println!(
            "    FHIR R4   {}/fhir/metadata",
            place.config.pages.public_url
        );
        if let Some(address) = place.config.hl7v2.listen {
            println!("    HL7 v2    {address} (MLLP)");
        }
        if let Some(folder) = &place.config.downtime.folder {
            println!("    downtime  {} (packs)", folder.display());
        }
        for account in *accounts {
            println!(
                "      sign in as {:<12} {}",
                account.username, account.about
            );
        }
        for patient in place.neighbour.patients {
            println!(
                "      sign in as {:<12} patient {}",
                patient.username, patient.name
            );
        }
        println!();
    }
    println!(
        "  Everybody's password is {PASSWORD}, the packs' passphrase {PASSPHRASE}. All people are made up; a real node asks for more than a password.\n"
    );
    println!("{}", neighbours::ONE_THING_TO_TRY);
    println!("{}", neighbours::ANOTHER);
    println!("\nCtrl-C ends it.\n");
}

#[cfg(test)]
mod tests {
    use super::{MARK, prepare_folder};

    #[test]
    fn a_fresh_start_removes_only_what_a_demo_made() {
        let folder = tempfile::tempdir().unwrap();
        let theirs = folder.path().join("theirs");
        std::fs::create_dir(&theirs).unwrap();
        std::fs::write(theirs.join("thesis.txt"), "years of work").unwrap();
        assert!(prepare_folder(&theirs, true).is_err());
        assert!(theirs.join("thesis.txt").exists());
        let ours = folder.path().join("ours");
        prepare_folder(&ours, false).unwrap();
        std::fs::write(ours.join("letter"), "x").unwrap();
        prepare_folder(&ours, false).unwrap();
        assert!(ours.join("letter").exists());
        prepare_folder(&ours, true).unwrap();
        assert!(!ours.join("letter").exists() && ours.join(MARK).exists());
    }
}
