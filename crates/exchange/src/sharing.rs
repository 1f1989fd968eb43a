//! What patients want shared, told between nodes (`docs/protocol/exchange.md`, section 7): the home
//! practice signs a statement of all that one patient wants and sends it to whoever holds something
//! about them; members ask home practices whether anything is outstanding.

use std::collections::HashMap;
use std::sync::Arc;

use access::{Interaction, NhsNumber, Ods, Outcome, Scope, SystemPurpose, Target};
use bytes::Bytes;
use fhir::date::Millis;
use fhir::json::{self, Json, Limits};
use fhir::problem::{Kind, Problem};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use store::parcels::{Incoming, Named, Parcel, ParcelWrite, Proof};
use store::sharing::{Asked, Due, Rule, SharingWrite, Standpoint};
use store::{Change, Effect, Job, Reading};
use tokio::sync::watch;

use crate::exchange::Exchange;
use crate::instant;
use crate::jws::{self, Statement, read_strictly};
use crate::letter::Letter;
use crate::manifest::{PROTOCOL, ParcelKind, ParcelText, PatientNamed};
use crate::transport::Failure;
use crate::wire::{self, AskPreferences, PreferencesTold};
use crate::workers::wait;

/// Patients whose statements are sent in one go.
const AT_ONCE: u32 = 50;
/// Home practices that are asked at a time.
const ASKED_AT_ONCE: usize = 16;
/// How soon a home practice is asked again that said that something is outstanding.
const BEHIND_MILLIS: Millis = 500;
/// How soon one is asked again that did not answer: the link may be back.
const SILENT_MILLIS: Millis = 5_000;
/// Rules of one statement at most.
const RULES_MAX: usize = 200;
const MAX: Millis = Millis::MAX;

/// All that one patient wants, as their home practice signs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preferences {
    pub protocol: u32,
    /// The home practice.
    pub from: String,
    /// Counts up with each change; a lower one is out of date.
    pub version: i64,
    #[serde(with = "instant")]
    pub at: Millis,
    pub patient: PatientNamed,
    pub rules: Vec<RuleText>,
    /// Whether nobody is to learn where the patient lives (P14).
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub restricted: bool,
}

/// One organisation is not to see resources of some types, for a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleText {
    pub organisation: String,
    pub types: Vec<String>,
    #[serde(with = "instant")]
    pub from: Millis,
    /// The first moment in which it counts no more; none for good.
    #[serde(
        with = "instant::or_none",
        skip_serializing_if = "Option::is_none",
        default
    )]
    pub until: Option<Millis>,
}

pub(crate) fn scope() -> Scope {
    Scope::system(SystemPurpose::KeepSharing)
}

impl Exchange {
    /// Puts what is due on its way to everyone who holds something about its patient, and to the
    /// second keeper. The worker does this by itself.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn tell_sharing(&self) -> Result<usize, Problem> {
        let due = self.store.sharing_due(AT_ONCE).await?;
        for one in &due {
            let job = self.telling(one).await?;
            self.store.commit(&scope(), job).await?;
        }
        Ok(due.len())
    }

    /// The job that sends one patient's statement.
    async fn telling(&self, due: &Due) -> Result<Job, Problem> {
        let mut job = Job::effect(Effect::Sharing(SharingWrite::Sent {
            patient: due.patient.clone(),
            version: due.version,
            stirred: due.stirred,
        }));
        let scope = scope();
        let Some(patient) = self.told_about(&scope, &due.patient).await? else {
            return Ok(job);
        };
        let rules = self.store.sharing_rules(&scope, &due.patient, None).await?;
        let statement = Preferences {
            protocol: PROTOCOL,
            from: self.organisation().to_string(),
            version: due.version,
            at: due.at,
            patient: patient.clone(),
            rules: rules.into_iter().map(RuleText::from).collect(),
            restricted: self.store.is_flagged(&scope, &due.patient).await?,
        };
        let signed = jws::sign(&self.identity.signing(), Statement::Preferences, &statement)?;
        let mut holders = self.store.holders(&scope, &due.patient).await?;
        // Whoever only pointed holds something too, and answers whoever asks for it.
        if let (Some(number), Some(born)) = (&patient.nhs_number, &patient.birth_date) {
            let pointed = self.store.pointers_held(number, born, &patient.family);
            holders.extend(pointed.await?);
            holders.sort();
            holders.dedup();
        }
        holders.retain(|ods| ods != self.organisation() && self.book.listed(ods).is_some());
        let keeper = self.settings.second_keeper.as_ref();
        let others = holders.iter().filter(|ods| Some(*ods) != keeper);
        let tell: Vec<String> = others.map(Ods::to_string).collect();
        if let Some(keeper) = keeper {
            holders.retain(|ods| ods != keeper);
            holders.push(keeper.clone());
        }
        for to in holders {
            let tell = if Some(&to) == keeper {
                tell.clone()
            } else {
                Vec::new()
            };
            let made = (due, &patient, signed.as_str());
            job.effects
                .extend(self.preference_to(&scope, &to, made, tell).await?);
        }
        Ok(job)
    }

    /// The parcel for one member, unless it is on its way already.
    async fn preference_to(
        &self,
        scope: &Scope,
        to: &Ods,
        (due, patient, signed): (&Due, &PatientNamed, &str),
        tell: Vec<String>,
    ) -> Result<Option<Effect>, Problem> {
        let (number, version) = (patient.nhs_number.as_deref(), due.version.to_string());
        let parts = [
            "sharing",
            number.unwrap_or_default(),
            &version,
            to.as_str(),
            &tell.join(" "),
        ];
        let id = Letter::parcel_id(&parts);
        let own = self.organisation();
        if self
            .store
            .made_of(scope, own.as_str(), &id)
            .await?
            .is_some()
        {
            return Ok(None);
        }
        let text = ParcelText {
            id,
            made_at: due.at,
            urgent: true,
            patient: patient.clone(),
            statement: Some(signed.to_string()),
            tell,
            moved: self.store.move_proof(scope, &due.patient).await?,
            ..ParcelText::of(ParcelKind::SharingPreference, own, to)
        };
        text.accepted(&due.patient).map(Some)
    }

    /// The patient as others know them; `None` if this is not their home practice, or they cannot
    /// be told from others: then their wishes hold here alone.
    async fn told_about(
        &self,
        scope: &Scope,
        patient: &str,
    ) -> Result<Option<PatientNamed>, Problem> {
        let Reading::Found(version) = self.store.read(scope, "Patient", patient).await? else {
            return Ok(None);
        };
        let json = json::parse(&version.body, &Limits::default())?;
        let home = self.practice_of(patient, &json).await?;
        if home.is_some_and(|home| home != self.organisation().as_str()) {
            return Ok(None);
        }
        let named = named(&json);
        Ok(named.nhs_number.is_some().then_some(named))
    }

    /// The job that holds a preference which came in, puts it into force, and keeps its parcel.
    ///
    /// # Errors
    /// `Security` if it is not the patient's home practice that signed it; `Structure`, `Value` for
    /// what does not read.
    pub(crate) async fn preference_job(
        &self,
        scope: &Scope,
        parcel: &Parcel,
        manifest: &Proof,
    ) -> Result<Job, Problem> {
        let text = ParcelText::parse(&parcel.text)?;
        let jws = text.statement.unwrap_or_default();
        let from = (&parcel.sender, parcel.id.as_str());
        let (hold, moved) = self
            .held(scope, (&jws, &text.moved), from, text.tell)
            .await?;
        let mut job = Job::effect(hold);
        job.changes = moved;
        let incoming = Box::new(Incoming {
            parcel: parcel.clone(),
            manifest: manifest.clone(),
            after: Vec::new(),
        });
        job.effects
            .push(Effect::Parcel(ParcelWrite::Receive(incoming)));
        let target = Target {
            ty: "Consent".into(),
            query: Some(format!("parcel={}/{}", parcel.sender, parcel.id).into()),
            ..Target::default()
        };
        job.traces
            .push(scope.trace(Interaction::System, Outcome::Success, target));
        Ok(job)
    }

    /// The effect that holds a statement of that home practice's, with the parcel that brought it.
    async fn hold(
        &self,
        scope: &Scope,
        jws: &str,
        from: (&Ods, &str),
        audience: Vec<String>,
    ) -> Result<Effect, Problem> {
        let held = self.held(scope, (jws, &[]), from, audience).await;
        held.map(|(effect, _)| effect)
    }

    /// The same for a statement with signed words of practices that the patient left: with the changes that make records
    /// here name the new one.
    async fn held(
        &self,
        scope: &Scope,
        (jws, moved): (&str, &[String]),
        (home, parcel): (&Ods, &str),
        audience: Vec<String>,
    ) -> Result<(Effect, Vec<Change>), Problem> {
        let keys = self.audit_keys(home);
        let find = |kid: &str| keys.iter().find(|key| key.kid() == kid).cloned();
        let read: Preferences = jws::verify(jws, Statement::Preferences, find)?;
        read.check(home)?;
        let patient = &read.patient;
        let who = Named {
            nhs_number: patient.nhs_number.clone(),
            birth_date: patient.birth_date.clone(),
            family: patient.family.clone(),
            given: patient.given.clone(),
        };
        let (_, fitting) = self.fitting(scope, &who).await?;
        let mut changes = Vec::new();
        for (id, practice) in &fitting {
            let Some(before) = practice.as_deref().filter(|it| *it != home.as_str()) else {
                continue;
            };
            let number = patient.nhs_number.as_deref().unwrap_or_default();
            if !self.leads(moved, (before, home.as_str()), number) {
                let message = "The patient's record here names another practice.";
                return Err(Problem::new(Kind::BusinessRule, message));
            }
            changes.push(self.named_anew(id, home).await?);
        }
        let number = patient.nhs_number.as_deref().unwrap_or_default();
        // What the practices before said, which this node keeps for others, has ended with their signed word.
        let mut left = self.store.kept_of(number).await?;
        left.retain(|before| self.leads(moved, (before, home.as_str()), number));
        let rules = read.rules.into_iter().map(Rule::from).collect();
        let statement = store::sharing::Statement {
            home: home.to_string(),
            nhs_number: patient.nhs_number.clone().unwrap_or_default(),
            birth_date: patient.birth_date.clone().unwrap_or_default(),
            family: patient.family.clone(),
            version: read.version,
            rules,
            restricted: read.restricted,
            jws: jws.to_string(),
            audience,
            parcel: parcel.to_string(),
            left,
        };
        let hold = Effect::Sharing(SharingWrite::Hold {
            statement: Box::new(statement),
            patients: fitting.into_iter().map(|(id, _)| id).collect(),
        });
        Ok((hold, changes))
    }

    /// Looks again for those whom nobody fitted when their statement came. The worker does this by
    /// itself.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn match_sharing(&self) -> Result<(), Problem> {
        let scope = scope();
        for held in self.store.held_for_nobody(AT_ONCE).await? {
            let who = Named {
                nhs_number: Some(held.nhs_number),
                birth_date: Some(held.birth_date),
                family: held.family,
                given: String::new(),
            };
            if self.fitting(&scope, &who).await?.1.is_empty() {
                continue;
            }
            let home = Ods::parse(&held.home)?;
            let from = (&home, held.parcel.as_str());
            match self.hold(&scope, &held.jws, from, Vec::new()).await {
                Ok(hold) => self
                    .store
                    .commit(&scope, Job::effect(hold))
                    .await
                    .map(|_| ())?,
                Err(problem) => tracing::warn!(?problem, "a preference is not put into force"),
            }
        }
        Ok(())
    }

    /// Answers `POST /exchange/v1/preferences`: how much is on its way to `peer`, or, in the place of
    /// a home practice whose second keeper this is, what it wants `peer` told.
    ///
    /// # Errors
    /// `NotFound` if this organisation has nothing to say for that practice.
    pub async fn answer_preferences(&self, peer: &Ods, body: &[u8]) -> Result<Vec<u8>, Problem> {
        let asked: AskPreferences = read_strictly(body)?;
        let home = Ods::parse(&asked.home)?;
        if &home == self.organisation() {
            let outstanding = self.store.sharing_outstanding(peer).await?.0;
            self.heard_from(peer).await;
            let keeper = self.settings.second_keeper.as_ref();
            return wire::write(&PreferencesTold {
                outstanding,
                keeper: keeper.map(Ods::to_string),
                statements: Vec::new(),
            });
        }
        if !self.store.keeps_for(&home).await? {
            let message = "This node keeps no preferences for that practice.";
            return Err(Problem::new(Kind::NotFound, message));
        }
        let kept = self.store.kept_for(&home, peer).await?;
        wire::write(&PreferencesTold {
            outstanding: 0,
            keeper: Some(self.organisation().to_string()),
            statements: kept.into_iter().map(|it| it.jws).collect(),
        })
    }

    /// Asks one home practice, or its second keeper if it does not answer, whether a preference is
    /// outstanding, and notes what was said. The worker does this by itself.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn confirm_sharing(&self, standpoint: &Standpoint) -> Result<Asked, Problem> {
        let home = Ods::parse(&standpoint.home)?;
        let (asked, keeper) = match self.book.listed(&home) {
            None => (Asked::NoMember, None),
            Some(_) => match self.ask_preferences(&home, &home).await {
                Ok(told) if told.outstanding == 0 => (Asked::Confirmed, told.keeper),
                Ok(told) => (Asked::Behind, told.keeper),
                Err(_) => self.ask_keeper(&home, standpoint.keeper.clone()).await?,
            },
        };
        let write = SharingWrite::Asked {
            home: standpoint.home.clone(),
            keeper,
            asked,
        };
        let job = Job::effect(Effect::Sharing(write));
        self.store.commit(&scope(), job).await?;
        Ok(asked)
    }

    async fn ask_keeper(
        &self,
        home: &Ods,
        keeper: Option<String>,
    ) -> Result<(Asked, Option<String>), Problem> {
        let known = keeper.as_deref().and_then(|it| Ods::parse(it).ok());
        let other = known.filter(|it| it != self.organisation());
        let Some(other) = other else {
            return Ok((Asked::Silent, keeper));
        };
        let Ok(told) = self.ask_preferences(&other, home).await else {
            return Ok((Asked::Silent, keeper));
        };
        for jws in &told.statements {
            match self.hold(&scope(), jws, (home, ""), Vec::new()).await {
                Ok(hold) => self
                    .store
                    .commit(&scope(), Job::effect(hold))
                    .await
                    .map(|_| ())?,
                Err(problem) => tracing::warn!(?problem, "a kept preference was not taken"),
            }
        }
        Ok((Asked::Confirmed, keeper))
    }

    async fn ask_preferences(&self, to: &Ods, home: &Ods) -> Result<PreferencesTold, Failure> {
        let asked = AskPreferences {
            home: home.to_string(),
        };
        let body = wire::write(&asked).map_err(|problem| Failure::new(problem.message))?;
        let answer = self.transport.preferences(to, Bytes::from(body)).await?;
        read_strictly(&answer).map_err(|problem| Failure::answered(problem.message))
    }
}

impl Preferences {
    fn check(&self, home: &Ods) -> Result<(), Problem> {
        if self.protocol != PROTOCOL || self.from != home.as_str() {
            let message = "The preference is not that home practice's.";
            return Err(Problem::new(Kind::Security, message));
        }
        let number = self.patient.nhs_number.as_deref();
        let fits = number.is_some_and(|it| NhsNumber::parse(it).is_ok());
        let is_wrong =
            |rule: &RuleText| Ods::parse(&rule.organisation).is_err() || rule.types.is_empty();
        let types: usize = self.rules.iter().map(|rule| rule.types.len()).sum();
        if !fits || types > RULES_MAX * 5 || self.rules.iter().any(is_wrong) {
            let message =
                "A preference names its patient by NHS number, and organisations and types.";
            return Err(Problem::new(Kind::Value, message));
        }
        Ok(())
    }
}

impl From<Rule> for RuleText {
    fn from(rule: Rule) -> RuleText {
        RuleText {
            organisation: rule.organisation,
            types: rule.types,
            from: rule.starts_at,
            until: (rule.ends_at < MAX).then_some(rule.ends_at),
        }
    }
}

impl From<RuleText> for Rule {
    fn from(rule: RuleText) -> Rule {
        Rule {
            organisation: rule.organisation,
            types: rule.types,
            starts_at: rule.from,
            ends_at: rule.until.unwrap_or(MAX),
        }
    }
}

pub(crate) fn named(patient: &Json<'_>) -> PatientNamed {
    let mut numbers = patient.items("identifier").iter();
    let number = numbers.find(|it| it.text("system") == Some(NhsNumber::SYSTEM));
    let names = patient.items("name");
    let official = names.iter().find(|it| it.text("use") == Some("official"));
    let name = official.or(names.first());
    let text = |json: Option<&Json<'_>>, key: &str| {
        let text = json.and_then(|it| it.text(key));
        text.unwrap_or_default().to_string()
    };
    PatientNamed {
        nhs_number: number.and_then(|it| it.text("value")).map(str::to_string),
        birth_date: patient.text("birthDate").map(str::to_string),
        family: text(name, "family"),
        given: String::new(),
    }
}

/// The worker that tells, and matches what came for nobody.
pub(crate) async fn tell(exchange: Arc<Exchange>, mut stopped: watch::Receiver<bool>) {
    let mut changed = exchange.store.parcels_changed();
    while !*stopped.borrow() {
        changed.mark_unchanged();
        if let Err(problem) = exchange.match_sharing().await {
            tracing::error!(?problem, "held preferences could not be matched");
        }
        if let Err(problem) = exchange.tell_moves().await {
            tracing::error!(?problem, "practices before could not be asked");
        }
        let more = exchange.tell_sharing().await.unwrap_or_else(|problem| {
            tracing::error!(?problem, "preferences could not be sent");
            0
        });
        if more < AT_ONCE as usize {
            wait(&mut stopped, &mut changed, exchange.settings.poll_millis).await;
        }
    }
}

/// The worker that asks home practices.
pub(crate) async fn confirm(exchange: Arc<Exchange>, mut stopped: watch::Receiver<bool>) {
    let mut next: HashMap<String, Millis> = HashMap::new();
    let every = Millis::try_from(exchange.settings.confirm_every_millis).unwrap_or(MAX);
    let nap = std::time::Duration::from_millis(every.clamp(100, 1000).unsigned_abs());
    while !*stopped.borrow() {
        if let Err(problem) = ask_due(&exchange, &mut next, every).await {
            tracing::error!(?problem, "home practices could not be asked");
        }
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => {}
            () = tokio::time::sleep(nap) => {}
        }
    }
}

async fn ask_due(
    exchange: &Exchange,
    next: &mut HashMap<String, Millis>,
    every: Millis,
) -> Result<(), Problem> {
    let own = exchange.organisation().as_str();
    let now = exchange.store.now();
    let mut all = exchange.store.standpoints().await?;
    all.retain(|it| it.home != own && next.get(&it.home).is_none_or(|at| *at <= now));
    for some in all.chunks(ASKED_AT_ONCE) {
        let asked = some.iter().map(|it| exchange.confirm_sharing(it));
        for (standpoint, asked) in some.iter().zip(join_all(asked).await) {
            let wait = match asked? {
                Asked::Behind => BEHIND_MILLIS,
                Asked::Silent => every.min(SILENT_MILLIS),
                Asked::Confirmed | Asked::NoMember => every,
            };
            next.insert(standpoint.home.clone(), now.saturating_add(wait));
        }
    }
    Ok(())
}
