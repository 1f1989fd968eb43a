//! `/referrals`: where my referral is, with what was promised. What was only delivered is never told as accepted.

use std::sync::Arc;

use access::{Interaction, NOT_FOR_PROXIES, Scope};
use axum::extract::{Path, State};
use axum::response::Response;
use exchange::referrals::{Act, Said, requested, said};
use fhir::problem::{Kind, Problem};
use serde::Serialize;
use store::Reading;
use store::parcels::State as Parcel;
use store::referrals::{Referral, ReferralState};

use crate::node::Node;
use crate::page::Page;
use crate::page::parts::{Label, Step};
use crate::page::problem::Refusal;
use crate::page::tongue::{Language, Tongue};
use crate::patient::appointments::{text, whose};
use crate::patient::views::ReferralsTile;
use crate::record::json;
use crate::visit::Visit;

/// `patient/referrals.jinja`
#[derive(Serialize)]
pub struct List {
    pub t: &'static std::collections::BTreeMap<&'static str, String>,
    pub lang: &'static str,
    pub rows: Vec<Row>,
}

/// A referral in the list.
#[derive(Serialize)]
pub struct Row {
    pub href: String,
    pub service: String,
    pub place: String,
    pub state: Label,
    pub sent: String,
}

/// `patient/referral.jinja`
#[derive(Serialize)]
pub struct One {
    pub t: &'static std::collections::BTreeMap<&'static str, String>,
    pub lang: &'static str,
    pub row: Row,
    pub reason: String,
    pub explain: String,
    /// What was promised, each in a sentence.
    pub promised: Vec<String>,
    /// The appointment's page here, if it is here.
    pub appointment: Option<String>,
    pub steps: Vec<Step>,
}

/// A referral that the patient may read.
struct Mine {
    referral: Referral,
    service: String,
    reason: String,
    said: Vec<Said>,
    parcel: Option<Parcel>,
}

impl Mine {
    async fn read(node: &Node, scope: &Scope, referral: Referral) -> Result<Option<Mine>, Problem> {
        let read = node
            .store
            .read(scope, "ServiceRequest", &referral.id)
            .await?;
        let Reading::Found(version) = read else {
            return Ok(None);
        };
        let resource = json(&version)?;
        let request = requested(&resource);
        let parcel = match referral.inward {
            true => None,
            false => node.store.referral_parcel(&referral).await?,
        };
        Ok(Some(Mine {
            service: request.service,
            reason: request.reason,
            said: said(&resource),
            parcel: parcel.map(|it| it.0),
            referral,
        }))
    }

    /// Who was asked.
    fn place(&self, node: &Node) -> String {
        match self.referral.inward {
            true => node.site.name.clone(),
            false => (node.organisation_name)(&self.referral.other),
        }
    }

    /// Id of the words for how it stands, and a colour.
    fn stands(&self) -> (&'static str, &'static str) {
        match self.referral.state {
            ReferralState::Waiting if self.referral.inward => ("referral-delivered", "blue"),
            ReferralState::Waiting => match self.parcel {
                Some(Parcel::Undeliverable) => ("referral-undelivered", "red"),
                Some(Parcel::Accepted | Parcel::Waiting) | None => {
                    ("referral-on-the-way", "yellow")
                }
                Some(_) => ("referral-delivered", "blue"),
            },
            ReferralState::Asked => ("referral-asked", "blue"),
            ReferralState::Accepted => ("referral-accepted", "green"),
            ReferralState::Returned => ("referral-returned", "orange"),
            ReferralState::Withdrawn => ("referral-withdrawn", "grey"),
        }
    }

    fn row(&self, node: &Node, language: Language) -> Row {
        let (id, colour) = self.stands();
        Row {
            href: format!("/referrals/{}", self.referral.id),
            service: self.service.clone(),
            place: self.place(node),
            state: Label {
                text: text(language, id),
                colour: Some(colour),
            },
            sent: language.day(self.referral.made_at),
        }
    }

    fn explain(&self, node: &Node, language: Language) -> String {
        let place = self.place(node);
        let with = [("place", place.as_str())];
        language.tell(&format!("{}-explain", self.stands().0), &with)
    }

    fn promised(&self, language: Language) -> Vec<String> {
        if self.referral.state != ReferralState::Accepted {
            return Vec::new();
        }
        let accepted = self.said.iter().rev().find(|it| it.act == Act::Accept);
        let mut promised = Vec::new();
        if let Some(starts) = accepted.and_then(|it| it.appointment) {
            let when = language.when(starts);
            promised.push(language.tell("referral-first", &[("when", &when)]));
        }
        if self.referral.promised_by > 0 {
            let day = language.day(self.referral.promised_by);
            promised.push(language.tell("referral-by", &[("day", &day)]));
        }
        if promised.is_empty() {
            promised.push(text(language, "referral-no-date").to_owned());
        }
        promised
    }

    /// Of staff no names: who looked is the access log's to say. Why it was returned is for the patient too.
    fn steps(&self, node: &Node, language: Language) -> Vec<Step> {
        let step = |it: &Said| Step {
            what: text(
                language,
                match it.act {
                    Act::Refer => "referral-step-refer",
                    Act::Reply => "referral-step-reply",
                    Act::Withdraw => "referral-step-withdraw",
                    Act::Accept => "referral-step-accept",
                    Act::Ask => "referral-step-ask",
                    Act::Return => "referral-step-return",
                },
            ),
            when: language.date(it.at),
            who: Some((node.organisation_name)(&it.organisation)),
            note: (it.act == Act::Return && !it.words.is_empty()).then(|| it.words.clone()),
        };
        self.said.iter().map(step).collect()
    }
}

async fn all(node: &Node, scope: &Scope) -> Result<Vec<Mine>, Problem> {
    let patient = whose(scope)?;
    let mut found = Vec::new();
    for referral in node.store.referrals_of(scope, patient).await? {
        found.extend(Mine::read(node, scope, referral).await?);
    }
    Ok(found)
}

/// What the home page says; nothing where there is none to be told of.
pub(super) async fn tile(
    node: &Node,
    visit: &Visit,
    language: Language,
) -> Result<Option<ReferralsTile>, Problem> {
    let scope = match visit
        .scope(node, Interaction::Record, "ServiceRequest")
        .await
    {
        Ok(scope) => scope,
        // Who acts for somebody may not be shown them.
        Err(problem) if problem.message == NOT_FOR_PROXIES => return Ok(None),
        Err(problem) => return Err(problem),
    };
    let found = all(node, &scope).await?;
    let Some(newest) = found.first() else {
        return Ok(None);
    };
    let row = newest.row(node, language);
    Ok(Some(ReferralsTile {
        lang: language.code(),
        heading: text(language, "referrals"),
        said: format!("{}, {}: {}", row.service, row.place, row.state.text),
    }))
}

/// `GET /referrals`
pub async fn list(
    State(node): State<Arc<Node>>,
    visit: Visit,
    tongue: Tongue,
) -> Result<Response, Refusal> {
    let scope = visit
        .scope(&node, Interaction::Record, "ServiceRequest")
        .await?;
    let language = tongue.language;
    let found = all(&node, &scope).await?;
    let view = List {
        t: language.texts(),
        lang: language.code(),
        rows: found.iter().map(|it| it.row(&node, language)).collect(),
    };
    let title = text(language, "referrals");
    let page = Page::new("patient/referrals.jinja", title, view).under("/referrals");
    Ok(page.answer(&node.site, &visit))
}

/// `GET /referrals/{id}`
pub async fn one(
    State(node): State<Arc<Node>>,
    visit: Visit,
    tongue: Tongue,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let scope = visit
        .scope(&node, Interaction::Record, "ServiceRequest")
        .await?;
    whose(&scope)?;
    let gone = || Problem::new(Kind::NotFound, "There is no such referral of yours here.");
    let referral = node.store.referral(&scope, &id).await?;
    let mine = Mine::read(&node, &scope, referral.ok_or_else(gone)?).await?;
    let mine = mine.ok_or_else(gone)?;
    let language = tongue.language;
    let appointment = match mine.referral.appointment.as_str() {
        "" => None,
        id => {
            let read = node.store.read(&scope, "Appointment", id).await?;
            matches!(read, Reading::Found(_)).then(|| format!("/appointments/{id}"))
        }
    };
    let view = One {
        t: language.texts(),
        lang: language.code(),
        row: mine.row(&node, language),
        reason: mine.reason.clone(),
        explain: mine.explain(&node, language),
        promised: mine.promised(language),
        appointment,
        steps: mine.steps(&node, language),
    };
    let title = text(language, "referrals");
    let page = Page::new("patient/referral.jinja", title, view).under("/referrals");
    Ok(page.answer(&node.site, &visit))
}
