//! Reading copies back: which chains there are, whether they are whole, and up to when.

use std::collections::{BTreeMap, HashMap, HashSet};

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::manifest::{CopyKind, Name};
use super::object::Opened;
use super::place::Place;
use crate::keys::PublicKey;

/// A state that can be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    pub chain: String,
    /// The object that closes it.
    pub sequence: u64,
    pub taken_at: Millis,
    pub database_bytes: u64,
    /// `sqlite` or `postgres`.
    pub database: String,
}

/// One chain: a full copy and what followed it.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    pub name: String,
    /// Its objects in order, as far as they follow one another.
    objects: Vec<(Name, String)>,
    /// In order.
    pub points: Vec<Point>,
    /// What its first object says of the chain before.
    before: Option<String>,
    pub bytes: u64,
}

/// What was found at a place.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// In order.
    pub chains: Vec<Chain>,
    /// What is wrong: each a sentence that names the object.
    pub wrong: Vec<String>,
    /// What is odd, and does no harm.
    pub odd: Vec<String>,
    /// Objects that were read.
    pub objects: u64,
}

impl Chain {
    /// How many objects it has.
    pub fn length(&self) -> usize {
        self.objects.len()
    }
}

impl Survey {
    /// Reads every object of an organisation's copies (of the newest `chains_max` chains) and checks each
    /// and all together. `progress` is told how many of how many were read.
    ///
    /// # Errors
    /// Those of the place. What is wrong with the objects themselves is in the answer.
    pub async fn take(
        place: &Place,
        (organisation, signers): (&str, &[PublicKey]),
        chains_max: usize,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<Survey, Problem> {
        let mut by_chain: BTreeMap<String, Vec<Name>> = BTreeMap::new();
        for name in place.names(organisation).await? {
            by_chain.entry(name.chain.clone()).or_default().push(name);
        }
        let left_out = by_chain.len().saturating_sub(chains_max);
        let by_chain: Vec<_> = by_chain.into_iter().skip(left_out).collect();
        let count = by_chain.iter().map(|(_, names)| names.len()).sum();
        let mut survey = Survey::default();
        let mut ends = HashSet::new();
        for (chain, names) in by_chain {
            let (mut objects, mut refused) = (Vec::new(), Vec::new());
            for name in names {
                survey.objects += 1;
                progress(survey.objects as usize, count);
                let bytes = place.read(&name).await?;
                match Opened::check(&name, &bytes, signers) {
                    Ok(opened) => objects.push((name, opened.without_content())),
                    Err(problem) => refused.push((name, problem)),
                }
            }
            ends.extend(objects.iter().map(|(_, it)| it.sha256.clone()));
            survey.add(chain, objects);
            survey.tell_refused(refused);
        }
        survey.compare_chains(&ends, left_out > 0);
        Ok(survey)
    }

    /// The newest state that was copied at or before `at`; the newest of all without it.
    pub fn point(&self, at: Option<Millis>) -> Option<&Point> {
        let points = self.chains.iter().flat_map(|chain| &chain.points);
        points
            .filter(|point| at.is_none_or(|at| point.taken_at <= at))
            .max_by_key(|point| point.taken_at)
    }

    /// Whether an object is there, sound and in its place.
    pub fn holds(&self, sha256: &str) -> bool {
        let objects = self.chains.iter().flat_map(|chain| &chain.objects);
        objects.into_iter().any(|(_, known)| known == sha256)
    }

    /// Puts a chain's objects in order: the longest way through them, each named by the next.
    fn add(&mut self, name: String, objects: Vec<(Name, Opened)>) {
        let highest = objects.iter().map(|(name, _)| name.sequence).max();
        let way = longest(&objects);
        let mut chain = Chain {
            name: name.clone(),
            before: way
                .first()
                .and_then(|first| first.1.manifest.before.clone()),
            ..Chain::default()
        };
        for (name, opened) in &way {
            chain.bytes += opened.manifest.bytes;
            chain.objects.push((name.clone(), opened.sha256.clone()));
            chain
                .points
                .extend(opened.manifest.taken_at.map(|taken_at| Point {
                    chain: name.chain.clone(),
                    sequence: name.sequence,
                    taken_at,
                    database_bytes: opened.manifest.database_bytes,
                    database: opened.manifest.database.clone(),
                }));
        }
        if let Some(highest) = highest
            && chain.objects.len() as u64 <= highest
        {
            let next = chain.objects.len();
            self.wrong.push(format!(
                "In the chain {name} object {next} is missing or is not the one that the next was \
                 made after; what comes after it, up to object {highest}, cannot be restored."
            ));
        }
        let left = objects.len().saturating_sub(chain.objects.len());
        if left > 0 && highest.is_some_and(|highest| chain.objects.len() as u64 > highest) {
            self.odd.push(format!(
                "In the chain {name} {left} objects were added twice; the others of their numbers count."
            ));
        }
        if chain.points.is_empty() {
            self.odd
                .push(format!("The chain {name} has no copy that was finished."));
        }
        self.chains.push(chain);
    }

    /// What is no sound object: a write that broke off and was made good by another object of its number
    /// does no harm.
    fn tell_refused(&mut self, refused: Vec<(Name, Problem)>) {
        let chain = self.chains.last();
        let length = chain.map_or(0, |chain| chain.objects.len() as u64);
        for (name, problem) in refused {
            let told = format!("{} {}.", name.text(), problem.message);
            if problem.kind == Kind::Incomplete && name.sequence < length {
                self.odd
                    .push(format!("{told} Another object of its number is whole."));
            } else {
                self.wrong.push(told);
            }
        }
    }

    /// Each chain names the last object of the one before it.
    fn compare_chains(&mut self, known: &HashSet<String>, is_part: bool) {
        for (count, chain) in self.chains.iter().enumerate() {
            let Some(before) = &chain.before else {
                if count > 0 {
                    self.odd.push(format!(
                        "The chain {} names none before it, as that of a new node.",
                        chain.name
                    ));
                }
                continue;
            };
            // What is before a part of the chains is elsewhere.
            let is_elsewhere = is_part && count == 0;
            if !known.contains(before) && !is_elsewhere {
                self.wrong.push(format!(
                    "Before the chain {} there was an object that is missing: the end of an earlier \
                     chain, or all of it.",
                    chain.name
                ));
            }
        }
    }

    /// Opens the objects up to a point, in order, and hands on what each holds.
    ///
    /// # Errors
    /// Those of the place; `Security` if an object is no longer the one that was surveyed; what `each`
    /// refuses.
    pub async fn read(
        &self,
        (place, signers): (&Place, &[PublicKey]),
        point: &Point,
        mut each: impl AsyncFnMut(Opened) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        let chain = self.chains.iter().find(|chain| chain.name == point.chain);
        let objects = chain
            .map(|chain| chain.objects.as_slice())
            .unwrap_or_default();
        for (name, sha256) in objects
            .iter()
            .filter(|(it, _)| it.sequence <= point.sequence)
        {
            let bytes = place.read(name).await?;
            let opened = Opened::check(name, &bytes, signers)?;
            if opened.sha256 != *sha256 {
                let message = format!("{} was changed while it was read.", name.text());
                return Err(Problem::new(Kind::Security, message));
            }
            each(opened).await?;
        }
        Ok(())
    }
}

/// The longest way from an object numbered 0 on; each object follows the one whose digest it names.
fn longest(objects: &[(Name, Opened)]) -> Vec<&(Name, Opened)> {
    let mut followers: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, (_, opened)) in objects.iter().enumerate() {
        if let Some(before) = &opened.manifest.before {
            followers.entry(before).or_default().push(at);
        }
    }
    // How many objects follow each, from the last one back.
    let mut order: Vec<usize> = (0..objects.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(objects.get(*at).map(|it| it.0.sequence)));
    let mut lengths: HashMap<usize, (usize, Option<usize>)> = HashMap::new();
    for at in &order {
        let Some((name, opened)) = objects.get(*at) else {
            continue;
        };
        let next = followers.get(opened.sha256.as_str()).into_iter().flatten();
        let next = next
            .filter(|next| {
                let follower = objects.get(**next);
                follower.is_some_and(|it| it.0.sequence == name.sequence + 1)
            })
            .max_by_key(|next| lengths.get(next).map_or(0, |it| it.0));
        let length = next.and_then(|next| lengths.get(next)).map_or(0, |it| it.0);
        lengths.insert(*at, (length + 1, next.copied()));
    }
    let first = order.iter().filter(|at| {
        let object = objects.get(**at);
        object.is_some_and(|(name, it)| name.sequence == 0 && it.manifest.kind == CopyKind::Full)
    });
    let mut now = first
        .max_by_key(|at| lengths.get(at).map_or(0, |it| it.0))
        .copied();
    let mut way = Vec::new();
    while let Some(at) = now {
        way.extend(objects.get(at));
        now = lengths.get(&at).and_then(|it| it.1);
    }
    way
}
