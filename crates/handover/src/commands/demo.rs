//! `handover demo`: a neighbourhood of made-up organisations in one process.

mod day;
mod neighbours;
mod people;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, bail};

use super::directory::{open_or_create_steward, sign_members};
use super::serve::told_to_stop;
use crate::node::Running;
use neighbours::{NEIGHBOURS, Neighbour, Place};

/// The file by which a demo's data folder is known, so that `--fresh` never removes anything else.
const MARK: &str = "made-by-handover-demo";
/// Everybody's password: all people are made up, and nothing listens beyond this machine.
pub const PASSWORD: &str = "handover-demo";

/// Starts a hospital, a GP practice and a pharmacy on this machine, and plays a short day.
///
/// Each is a full node with its own keys, its own SQLite file and its own address. All people are made up. A second start
/// finds what the first left. Ctrl-C ends it.
#[derive(clap::Args)]
pub struct Demo {
    /// Where the nodes keep their keys and records.
    #[arg(long, default_value = "demo-data")]
    data: PathBuf,
    /// Removes what an earlier demo left, and starts over.
    #[arg(long)]
    fresh: bool,
    /// The first of eight ports on 127.0.0.1.
    #[arg(long, default_value_t = 8100, value_parser = clap::value_parser!(u16).range(1024..=65_500))]
    base_port: u16,
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
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let shelf = self.data.join("stand-in-of-eps.json");
        let listen = neighbours::eps_address(self.base_port);
        let eps = super::stand_in::start_eps(listen, Some(&shelf), stopped).await?;
        let listen = neighbours::pds_address(self.base_port);
        let known = people::known_to_pds();
        let pds = super::stand_in::start_pds(listen, &known, stop.subscribe()).await?;
        let mut running = Vec::new();
        for place in &places {
            running.push(start(place).await?);
        }
        for (place, node) in places.iter().zip(&running) {
            people::settle(place.neighbour, &node.store).await?;
        }
        tell(&places, began);
        let day = (!self.quiet).then(|| tokio::spawn(day::play(places.clone())));
        told_to_stop().await?;
        println!("\nStopping. `--fresh` starts over next time; without it, everything is kept.");
        if let Some(day) = day {
            day.abort();
        }
        for node in running {
            node.stop().await;
        }
        let _ = stop.send(true);
        let _ = eps.await;
        let _ = pds.await;
        Ok(())
    }
}

async fn start(place: &Place) -> anyhow::Result<Running> {
    let started = Running::start(&place.config).await;
    started.with_context(|| {
        format!(
            "{} did not start (another demo on these ports? --base-port takes others)",
            place.neighbour.name
        )
    })
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

fn tell(places: &[Place], began: Instant) {
    println!(
        "A neighbourhood of three, ready after {:.1} s:\n",
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
        "  Everybody's password is {PASSWORD}. All people are made up; a real node asks for more than a password.\n"
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
