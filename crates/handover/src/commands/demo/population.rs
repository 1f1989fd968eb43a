//! The people of the neighbourhood: households of a made-up town, each person the same each time.
//!
//! One number is one person: whoever is asked for more people gets the same first ones. Names are put together by chance
//! from lists of common ones; nobody is meant.

mod dice;
pub mod feed;
mod names;
pub mod stories;
#[cfg(test)]
mod tests;
pub mod writing;

use serde_json::{Value, json};

pub use dice::Dice;
use names::{ORIGINS, Origin, STREETS, UNITS};
use stories::Story;

/// What all chance hangs on.
pub const SEED: u64 = 2026;
/// The first nine digits of the first person's NHS number; earlier ones are taken by hand-made people.
const FIRST_NUMBER: u64 = 999_001_000;
/// Days of a year, and a bit.
const YEAR: i64 = 365;
/// In one household.
const CHILDREN_MAX: i64 = 3;

/// Somebody who lives there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// From 0.
    pub number: u32,
    /// The id of their Patient resource at their practice.
    pub id: String,
    pub nhs_number: String,
    pub given: &'static str,
    pub family: &'static str,
    pub is_woman: bool,
    /// Days since 1970.
    pub born: i64,
    /// In whole years, today.
    pub age: i64,
    pub line: String,
    pub town: &'static str,
    pub postcode: String,
    pub mobile: String,
    pub practice: &'static str,
    /// The number of a parent at home.
    pub parent: Option<u32>,
    pub story: Story,
}

impl Person {
    pub fn name(&self) -> String {
        format!("{} {}", self.given, self.family)
    }

    /// As a FHIR Patient of that id.
    pub fn patient(&self, id: &str) -> Value {
        let practice = exchange::pds::said::practice_reference(self.practice);
        let mut patient = json!({
            "resourceType": "Patient",
            "id": id,
            "identifier": [{ "system": access::NhsNumber::SYSTEM, "value": self.nhs_number }],
            "active": true,
            "name": [{ "use": "official", "family": self.family, "given": [self.given] }],
            "gender": if self.is_woman { "female" } else { "male" },
            "birthDate": writing::day(self.born),
            "address": [{
                "use": "home", "line": [self.line], "city": self.town, "postalCode": self.postcode,
            }],
            "generalPractitioner": [practice],
        });
        // Children have no telephone of their own here.
        if self.age >= 16
            && let Some(members) = patient.as_object_mut()
        {
            let mobile = json!([{ "system": "phone", "value": self.mobile, "use": "mobile" }]);
            members.insert("telecom".to_owned(), mobile);
        }
        patient
    }
}

/// What kinds of household there are.
#[derive(Clone, Copy)]
enum Home {
    OldAlone,
    OldCouple,
    Alone,
    Couple,
    Family,
    OneParent,
    ThreeGenerations,
}

const HOMES: &[(i64, Home)] = &[
    (13, Home::OldAlone),
    (15, Home::OldCouple),
    (16, Home::Alone),
    (18, Home::Couple),
    (27, Home::Family),
    (8, Home::OneParent),
    (3, Home::ThreeGenerations),
];

/// Someone before they have a number.
struct Member {
    age: i64,
    is_woman: bool,
    is_child: bool,
}

/// The first `count` people, as they are on that day (days since 1970).
pub fn people(seed: u64, count: u32, today: i64) -> Vec<Person> {
    let mut people = Vec::new();
    let mut numbers = (FIRST_NUMBER..).filter_map(with_check_digit);
    let mut household = 0;
    while people.len() < count as usize {
        let mut dice = Dice::of(&[seed, household]);
        household += 1;
        move_in(&mut people, &mut dice, &mut numbers, seed, today);
    }
    people.truncate(count as usize);
    people
}

/// Adds one household.
fn move_in(
    people: &mut Vec<Person>,
    dice: &mut Dice,
    numbers: &mut impl Iterator<Item = String>,
    seed: u64,
    today: i64,
) {
    let Some(origin) = dice.weighed(ORIGINS) else {
        return;
    };
    let family = dice.word(origin.families);
    let (street, town, outward) = dice.one(STREETS).copied().unwrap_or_default();
    let line = format!("{} {street}", dice.between(1, 120));
    let postcode = format!("{outward}{}", dice.word(UNITS));
    // Those by the river go to the practice there, most of the time.
    let practice = match (town == "Anytown", dice.chance(90)) {
        (true, true) | (false, false) => "Z99001",
        (true, false) | (false, true) => "Z99002",
    };
    let mut parent = None;
    for member in members(dice) {
        let number = u32::try_from(people.len()).unwrap_or(u32::MAX);
        let mut own = Dice::of(&[seed, u64::from(number), 7]);
        let born = today - member.age * YEAR - member.age / 4 - own.between(1, 360);
        let given = given(origin, &member, &mut own);
        if !member.is_child && parent.is_none() {
            parent = Some(number);
        }
        people.push(Person {
            number,
            id: format!("person-{number:04}"),
            nhs_number: numbers.next().unwrap_or_default(),
            given,
            family,
            is_woman: member.is_woman,
            born,
            age: member.age,
            line: line.clone(),
            town,
            postcode: postcode.clone(),
            mobile: format!("07700 900{:03}", own.between(200, 999)),
            practice,
            parent: parent.filter(|_| member.is_child),
            story: stories::of(member.age, member.is_woman, &mut own),
        });
    }
}

fn given(origin: &Origin, member: &Member, dice: &mut Dice) -> &'static str {
    let names = if member.is_woman {
        &origin.women
    } else {
        &origin.men
    };
    let [old, middle, young] = names;
    match member.age {
        67.. => dice.word(old),
        32..67 => dice.word(middle),
        _ => dice.word(young),
    }
}

/// Who lives in one household: the grown-ups first.
fn members(dice: &mut Dice) -> Vec<Member> {
    let home = dice.weighed(HOMES).copied().unwrap_or(Home::Alone);
    let grown = |age: i64, is_woman: bool| Member {
        age,
        is_woman,
        is_child: false,
    };
    match home {
        Home::OldAlone => vec![grown(dice.between(66, 97), dice.chance(65))],
        Home::OldCouple => {
            let age = dice.between(65, 88);
            vec![grown(age, true), grown(age + dice.between(-2, 5), false)]
        }
        Home::Alone => vec![grown(dice.between(19, 64), dice.chance(45))],
        Home::Couple => {
            let age = dice.between(22, 64);
            let other = (age + dice.between(-4, 6)).max(19);
            vec![grown(age, true), grown(other, false)]
        }
        Home::Family | Home::OneParent | Home::ThreeGenerations => {
            let age = dice.between(24, 50);
            let mut all = vec![grown(age, true)];
            if !matches!(home, Home::OneParent) {
                all.push(grown(age + dice.between(-2, 6), false));
            }
            if matches!(home, Home::ThreeGenerations) {
                all.push(grown(age + dice.between(23, 36), dice.chance(60)));
            }
            let oldest = (age - 20).min(17);
            let most = dice.between(1, CHILDREN_MAX);
            for _ in 0..dice.between(1, most) {
                all.push(Member {
                    age: dice.between(0, oldest),
                    is_woman: dice.chance(49),
                    is_child: true,
                });
            }
            all
        }
    }
}

/// The NHS number that begins with these nine digits, if there is one.
fn with_check_digit(nine: u64) -> Option<String> {
    let digits = format!("{nine:09}");
    let weighed = digits.bytes().zip((2..=10_u64).rev());
    let sum: u64 = weighed
        .map(|(digit, weight)| u64::from(digit - b'0') * weight)
        .sum();
    match 11 - sum % 11 {
        10 => None,
        11 => Some(format!("{digits}0")),
        check => Some(format!("{digits}{check}")),
    }
}
