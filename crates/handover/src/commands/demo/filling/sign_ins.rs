//! Which of the people who were filled in can sign in: a few at each practice, one of them for a child.

use access::{NhsNumber, Scope, SystemPurpose};
use store::accounts::Holder;
use store::care::Told;
use store::people::{Grant, PeopleWrite};
use store::{Effect, Job, Store};
use web::neighbourhood::SignIn;

use super::super::people::{DAY_MS, choose_pharmacy, open_once};
use super::super::population::Person;
use super::super::population::stories::Story;

/// At each practice, beside those of the list.
const EACH: usize = 4;
/// For children below this age parents act.
const PARENTS_ACT_BELOW: i64 = 10;
/// What a parent may see of a child.
const SEEN: [&str; 6] = [
    "letters",
    "results",
    "medicines",
    "allergies",
    "conditions",
    "visits",
];

/// Opens an account for somebody whose record tells something, or for a parent; none if there are enough of that kind.
pub async fn let_in(
    store: &Store,
    person: &Person,
    people: &[Person],
    there: &[SignIn],
) -> anyhow::Result<Option<SignIn>> {
    let about = match person.story {
        Story::Diabetes => "type 2 diabetes, with results over years",
        Story::Copd => "COPD, with a hospital stay",
        Story::HipFracture => "a hip fracture, and help at home after it",
        Story::Asthma if person.age < PARENTS_ACT_BELOW => "acts for a child with asthma",
        _ => return Ok(None),
    };
    if there.len() >= EACH || there.iter().any(|it| it.about.starts_with(about)) {
        return Ok(None);
    }
    let parent = person.parent.and_then(|it| people.get(it as usize));
    let who = parent.unwrap_or(person);
    let username = format!("{}.{}", who.given, who.family).to_lowercase();
    let is_new = open_once(store, &username, &who.name(), holder(who)?).await?;
    choose_pharmacy(store, &who.id, &who.name()).await?;
    let mut about = about.to_owned();
    if parent.is_some() {
        about.push_str(&format!(", {}", person.name()));
        if is_new {
            let_act(store, who, person).await?;
        }
    }
    Ok(Some(SignIn {
        username,
        name: who.name(),
        about,
    }))
}

fn holder(who: &Person) -> anyhow::Result<Holder> {
    Ok(Holder::Patient {
        patient: who.id.clone(),
        nhs_number: NhsNumber::parse(&who.nhs_number)?,
    })
}

/// The practice has seen that the parent may act for the child, until it is sixteen.
async fn let_act(store: &Store, parent: &Person, child: &Person) -> anyhow::Result<()> {
    let grant = Grant {
        patient_name: child.name(),
        person: parent.id.clone(),
        person_name: parent.name(),
        categories: SEEN.map(str::to_owned).into(),
        ends_at: (child.born + 16 * 365) * DAY_MS,
        is_childs: true,
        told: Told {
            patient: child.id.clone(),
            organisation: child.practice.to_owned(),
            account: 1,
            name: "The demo".to_owned(),
            role: "clerk".to_owned(),
            code: String::new(),
            reason: "Parental responsibility was seen at the practice.".to_owned(),
        },
    };
    let scope = Scope::system(SystemPurpose::Demo);
    let write = PeopleWrite::Grant(Box::new(grant));
    store
        .commit(&scope, Job::effect(Effect::People(write)))
        .await?;
    Ok(())
}
