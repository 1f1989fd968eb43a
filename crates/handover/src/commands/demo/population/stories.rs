//! Life stories: what happens to people, told so that it hangs together.

mod lasting;
mod passing;

use super::dice::Dice;
use super::writing::Writing;
use super::{Person, SEED};

/// What a person's record tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Story {
    Healthy,
    Asthma,
    Diabetes,
    Hypertension,
    Copd,
    Pregnancy,
    Depression,
    HipFracture,
    Cataract,
}

const YEAR: i64 = 365;

/// Which story, at that age.
pub fn of(age: i64, is_woman: bool, dice: &mut Dice) -> Story {
    use Story::{
        Asthma, Cataract, Copd, Depression, Diabetes, Healthy, HipFracture, Hypertension, Pregnancy,
    };
    let chances: &[(i64, Story)] = match (age, is_woman) {
        (3..16, _) => &[(12, Asthma), (88, Healthy)],
        (19..42, true) => &[
            (8, Pregnancy),
            (9, Depression),
            (4, Asthma),
            (2, Diabetes),
            (77, Healthy),
        ],
        (16..45, _) => &[(7, Depression), (4, Asthma), (3, Diabetes), (86, Healthy)],
        (45..65, _) => &[
            (10, Diabetes),
            (18, Hypertension),
            (4, Copd),
            (6, Depression),
            (62, Healthy),
        ],
        (65..76, _) => &[
            (15, Diabetes),
            (28, Hypertension),
            (10, Copd),
            (8, Cataract),
            (39, Healthy),
        ],
        (76.., _) => &[
            (14, Diabetes),
            (26, Hypertension),
            (11, Copd),
            (11, Cataract),
            (10, HipFracture),
            (28, Healthy),
        ],
        _ => &[(1, Healthy)],
    };
    dice.weighed(chances).copied().unwrap_or(Healthy)
}

/// Writes a person's history up to today.
pub fn tell<'a>(who: &'a Person, today: i64) -> Writing<'a> {
    let mut writing = Writing::new(who, today);
    let mut dice = Dice::of(&[SEED, u64::from(who.number), 11]);
    everyday(&mut writing, &mut dice);
    match who.story {
        Story::Healthy => {}
        Story::Asthma => lasting::asthma(&mut writing, &mut dice),
        Story::Diabetes => lasting::diabetes(&mut writing, &mut dice),
        Story::Hypertension => lasting::hypertension(&mut writing, &mut dice),
        Story::Copd => lasting::copd(&mut writing, &mut dice),
        Story::Depression => lasting::depression(&mut writing, &mut dice),
        Story::Pregnancy => passing::pregnancy(&mut writing, &mut dice),
        Story::HipFracture => passing::hip_fracture(&mut writing, &mut dice),
        Story::Cataract => passing::cataract(&mut writing, &mut dice),
    }
    writing
}

/// A day some years ago, but not before that age.
fn years_ago(writing: &Writing<'_>, dice: &mut Dice, most: i64, not_before_age: i64) -> i64 {
    let earliest = writing.who.born + not_before_age * YEAR;
    let latest = writing.today - 60;
    let earliest = earliest.max(writing.today - most * YEAR).min(latest);
    dice.between(earliest, latest)
}

/// What everybody has: allergies (asked about, or not), vaccinations, a visit to the practice.
fn everyday(writing: &mut Writing<'_>, dice: &mut Dice) {
    let (born, today) = (writing.who.born, writing.today);
    let practice = writing.who.practice;
    let asked = dice.between(born.max(today - 8 * YEAR), today);
    // Of some, nobody has asked: that is not the same as none.
    match dice.between(0, 99) {
        0..74 => writing.allergy(None, asked),
        74..80 => writing.allergy(Some("Penicillin: rash"), asked),
        80..83 => writing.allergy(Some("Peanut: swelling of the lips"), asked),
        83..85 => writing.allergy(Some("Sticking plasters: skin soreness"), asked),
        _ => {}
    }
    if writing.who.age < 18 {
        let vaccines = [
            ("6-in-1 vaccine, first dose", 56),
            ("6-in-1 vaccine, second dose", 84),
            ("MMR vaccine, first dose", 370),
            ("4-in-1 pre-school booster", 1_220),
        ];
        for (vaccine, at) in vaccines {
            if born + at < today && dice.chance(94) {
                writing.immunization(vaccine, born + at);
            }
        }
    }
    if writing.who.age >= 65 {
        for year in (1..=3).rev() {
            if dice.chance(80) {
                writing.immunization(
                    "Influenza vaccine",
                    today - year * YEAR + dice.between(0, 40),
                );
            }
        }
    }
    if dice.chance(45) {
        let seen = dice.between(born.max(today - 2 * YEAR), today - 1);
        let why = [
            "Sore throat",
            "Back pain",
            "Skin rash",
            "Earache",
            "Tiredness",
            "Knee pain",
        ];
        let why = dice.word(&why);
        writing.appointment(practice, seen, why);
        writing.encounter(practice, "AMB", (seen, seen), why);
        if why == "Sore throat" && dice.chance(40) && writing.who.age > 11 {
            writing.course(
                "Phenoxymethylpenicillin 250mg tablets",
                "Two tablets four times a day",
                seen,
            );
        }
    }
}
