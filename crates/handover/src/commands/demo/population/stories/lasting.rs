//! What one lives with for years.

use super::super::dice::Dice;
use super::super::writing::{
    COMMUNITY, HBA1C, HOSPITAL, MENTAL_HEALTH, OXYGEN, PEAK_FLOW, WEIGHT, Writing, day,
};
use super::{YEAR, years_ago};

/// Days from `from` to `until`, so far apart.
fn every(from: i64, until: i64, days: i64) -> impl Iterator<Item = i64> {
    (0..40)
        .map(move |at| from + at * days)
        .take_while(move |on| *on <= until)
}

pub fn asthma(writing: &mut Writing<'_>, dice: &mut Dice) {
    let (practice, today) = (writing.who.practice, writing.today);
    let since = years_ago(writing, dice, 8, 2);
    writing.condition(practice, "Asthma", since, true);
    writing.repeat(
        "Salbutamol 100micrograms/dose inhaler",
        "Two puffs when needed",
        since,
    );
    writing.repeat(
        "Clenil Modulite 100micrograms/dose inhaler",
        "Two puffs twice a day",
        since + 14,
    );
    let best = if writing.who.age < 16 {
        60 + writing.who.age * 22
    } else {
        430
    };
    for on in every(since + 30, today - 1, YEAR) {
        let value = best - dice.between(0, 60);
        writing.result(practice, &PEAK_FLOW, on, value);
        writing.appointment(practice, on, "Asthma review");
    }
    if dice.chance(35) {
        let on = dice.between(since + 1, today - 1);
        writing.encounter(HOSPITAL, "EMER", (on, on), "Asthma attack");
        writing.letter(
            HOSPITAL,
            "Dr Aoife Byrne",
            "Emergency department attendance",
            on,
            "Came with wheeze and breathlessness. Better after salbutamol by nebuliser; home with prednisolone for three days.\n\
             For the practice: please see within two working days and go through the asthma plan.",
        );
        writing.course(
            "Prednisolone 5mg tablets",
            "Six tablets each morning for three days",
            on,
        );
    }
}

pub fn diabetes(writing: &mut Writing<'_>, dice: &mut Dice) {
    let (practice, today) = (writing.who.practice, writing.today);
    let since = years_ago(writing, dice, 7, 18);
    writing.condition(practice, "Type 2 diabetes mellitus", since, true);
    writing.repeat(
        "Metformin 500mg tablets",
        "One tablet twice a day with food",
        since + 21,
    );
    let mut value = dice.between(62, 92);
    let mut weight = dice.between(78, 112);
    for on in every(since, today - 1, 182) {
        writing.result(practice, &HBA1C, on, value);
        writing.result(practice, &WEIGHT, on, weight);
        // Better at first, then slowly worse.
        let change = if on < since + YEAR {
            dice.between(-14, -5)
        } else {
            dice.between(-3, 5)
        };
        value = (value + change).clamp(42, 105);
        weight = (weight + dice.between(-2, 1)).max(58);
    }
    if value > 64 {
        writing.repeat(
            "Gliclazide 40mg tablets",
            "One tablet each morning",
            (since + 2 * YEAR).min(today - 5),
        );
    }
    if dice.chance(30) {
        let on = dice.between(since + 1, today - 1);
        writing.appointment(COMMUNITY, on, "Foot check");
        writing.letter(
            COMMUNITY,
            "Nadia Moss, district nurse",
            "Diabetic foot check",
            on,
            "Pulses and feeling are good in both feet. Low risk: see again in a year.",
        );
    }
}

pub fn hypertension(writing: &mut Writing<'_>, dice: &mut Dice) {
    let (practice, today) = (writing.who.practice, writing.today);
    let since = years_ago(writing, dice, 9, 30);
    writing.condition(practice, "High blood pressure", since, true);
    let medicines = [
        ("Amlodipine 5mg tablets", "One tablet a day"),
        ("Ramipril 5mg capsules", "One capsule a day"),
        ("Losartan 50mg tablets", "One tablet a day"),
    ];
    if let Some((medicine, dose)) = dice.one(&medicines) {
        writing.repeat(medicine, dose, since + 14);
    }
    if dice.chance(55) {
        writing.repeat(
            "Atorvastatin 20mg tablets",
            "One tablet at night",
            since + 40,
        );
    }
    let mut systolic = dice.between(152, 178);
    for on in every(since, today - 1, 150) {
        writing.pressure(on, systolic, systolic / 2 + dice.between(4, 14));
        let change = if on < since + YEAR {
            dice.between(-12, -3)
        } else {
            dice.between(-4, 5)
        };
        systolic = (systolic + change).clamp(118, 182);
    }
}

pub fn copd(writing: &mut Writing<'_>, dice: &mut Dice) {
    let (practice, today) = (writing.who.practice, writing.today);
    let since = years_ago(writing, dice, 9, 40);
    writing.condition(
        practice,
        "Chronic obstructive pulmonary disease",
        since,
        true,
    );
    writing.repeat(
        "Tiotropium 18microgram inhalation capsules",
        "One capsule a day by inhaler",
        since + 7,
    );
    writing.repeat(
        "Salbutamol 100micrograms/dose inhaler",
        "Two puffs when needed",
        since,
    );
    for on in every(since + 20, today - 1, YEAR) {
        writing.result(practice, &OXYGEN, on, dice.between(90, 96));
    }
    let admitted = dice.between(since + 10, today - 20);
    let discharged = admitted + dice.between(2, 7);
    writing.encounter(HOSPITAL, "IMP", (admitted, discharged), "Worsening of COPD");
    writing.result(HOSPITAL, &OXYGEN, admitted, dice.between(83, 88));
    writing.course(
        "Doxycycline 100mg capsules",
        "One capsule a day for five days",
        discharged,
    );
    let told = format!(
        "Admitted {}, discharged {}. Ward 4, Anytown General Hospital.\n\n\
         Diagnosis: infective worsening of COPD.\n\
         What changed: doxycycline 100 mg a day STARTED, for five days. Nothing stopped.\n\n\
         For the practice: please offer pulmonary rehabilitation and check the inhaler's use.",
        day(admitted),
        day(discharged)
    );
    writing.letter(
        HOSPITAL,
        "Dr Kofi Mensah",
        "Discharge summary",
        discharged,
        &told,
    );
    if dice.chance(60) {
        let visit = (discharged + 3).min(today - 1);
        writing.encounter(
            COMMUNITY,
            "AMB",
            (visit, visit),
            "Respiratory nurse's visit at home",
        );
    }
}

pub fn depression(writing: &mut Writing<'_>, dice: &mut Dice) {
    let (practice, today) = (writing.who.practice, writing.today);
    let since = years_ago(writing, dice, 6, 16);
    writing.condition(practice, "Depression", since, true);
    writing.repeat(
        "Sertraline 50mg tablets",
        "One tablet each morning",
        since + 3,
    );
    writing.appointment(practice, since + 28, "Review of mood");
    // A third are under the trust's team, with a plan for a crisis.
    if !dice.chance(35) {
        return;
    }
    let seen = dice.between(since + 30, today - 1);
    writing.encounter(
        MENTAL_HEALTH,
        "AMB",
        (seen, seen),
        "Assessment, community mental health team",
    );
    writing.letter(
        MENTAL_HEALTH,
        "Nell Firth, community psychiatric nurse",
        "Assessment by the community mental health team",
        seen,
        "Seen at home. Mood low, sleeping badly; no plans to come to harm. We shall visit every two weeks.\n\
         For the practice: please go on with sertraline 50 mg.",
    );
    let helps = [
        "A walk by the canal",
        "Music and a quiet room",
        "Talking to her sister",
        "Being asked, not told",
    ];
    let helps = dice.word(&helps);
    let sections = [
        (
            "Signs that things are getting worse",
            "Stops answering the telephone; does not eat.",
        ),
        ("What helps, and what to do", helps),
        ("What makes it worse", "Several people talking at once."),
        (
            "Who to call",
            "The team's line, 0113 496 0200, day and night.",
        ),
    ];
    writing.crisis_plan(seen, &sections);
}
