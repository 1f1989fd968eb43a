//! What comes, and changes much.

use super::super::dice::Dice;
use super::super::writing::{COMMUNITY, HAEMOGLOBIN, HOSPITAL, SOCIAL_CARE, Writing, day};

pub fn pregnancy(writing: &mut Writing<'_>, dice: &mut Dice) {
    let (practice, today) = (writing.who.practice, writing.today);
    let weeks = dice.between(12, 38);
    let since = today - weeks * 7;
    writing.condition(practice, "Pregnancy", since, true);
    writing.course(
        "Folic acid 400microgram tablets",
        "One tablet a day until week 12",
        since + 30,
    );
    for week in [10, 16, 25, 31] {
        let on = since + week * 7;
        if on < today {
            writing.appointment(COMMUNITY, on, "Midwife");
        }
    }
    if weeks > 13 {
        let on = since + 12 * 7 + 3;
        writing.encounter(HOSPITAL, "AMB", (on, on), "Dating scan");
        writing.result(HOSPITAL, &HAEMOGLOBIN, on, dice.between(108, 132));
        writing.letter(
            HOSPITAL,
            "Antenatal clinic",
            "Dating scan",
            on,
            "One baby, heartbeat seen, size fits the dates. Booked for the scan at 20 weeks.",
        );
    }
}

pub fn hip_fracture(writing: &mut Writing<'_>, dice: &mut Dice) {
    let (practice, today) = (writing.who.practice, writing.today);
    let fell = today - dice.between(30, 500);
    let discharged = fell + dice.between(7, 19);
    writing.condition(practice, "Fracture of neck of femur", fell, false);
    writing.condition(practice, "Osteoporosis", discharged, true);
    writing.encounter(
        HOSPITAL,
        "IMP",
        (fell, discharged),
        "Fall at home, hip fracture",
    );
    writing.result(HOSPITAL, &HAEMOGLOBIN, fell + 1, dice.between(88, 108));
    writing.result(
        HOSPITAL,
        &HAEMOGLOBIN,
        discharged - 1,
        dice.between(101, 118),
    );
    let told = format!(
        "Admitted {}, discharged {}. Ward 7, Anytown General Hospital.\n\n\
         Diagnosis: fracture of the neck of the left femur after a fall at home; hemiarthroplasty the next day.\n\
         What changed: alendronic acid 70 mg once a week STARTED. Zopiclone STOPPED (falls).\n\n\
         Care needs: help with washing and dressing each morning; walks with a frame.\n\
         For the practice: please check vitamin D in three months.",
        day(fell),
        day(discharged)
    );
    writing.letter(
        HOSPITAL,
        "Miss Ruth Lindqvist",
        "Discharge summary",
        discharged,
        &told,
    );
    writing.repeat(
        "Alendronic acid 70mg tablets",
        "One tablet on the same day each week, standing up",
        discharged + 1,
    );
    writing.repeat(
        "Colecalciferol 800unit capsules",
        "One capsule a day",
        discharged + 1,
    );
    let visit = (discharged + 2).min(today - 1);
    writing.encounter(
        SOCIAL_CARE,
        "AMB",
        (visit, visit),
        "Reablement visits at home, each morning for six weeks",
    );
    let seen = (discharged + 10).min(today - 1);
    writing.encounter(
        COMMUNITY,
        "AMB",
        (seen, seen),
        "Physiotherapy at home after hip fracture",
    );
}

pub fn cataract(writing: &mut Writing<'_>, dice: &mut Dice) {
    let (practice, today) = (writing.who.practice, writing.today);
    let seen = today - dice.between(20, 300);
    writing.condition(practice, "Cataract", seen, true);
    writing.appointment(practice, seen, "Sight is getting worse");
    writing.letter(
        practice,
        "The practice's doctor",
        "Referral to the eye clinic",
        seen + 1,
        "Sight is getting worse in the right eye over a year; a cataract was found by the optician.\n\
         Please see with a view to an operation. Lives at home, manages alone.",
    );
    let clinic = seen + dice.between(28, 120);
    if clinic < today {
        writing.encounter(HOSPITAL, "AMB", (clinic, clinic), "Eye clinic, first visit");
        writing.letter(
            HOSPITAL,
            "Eye clinic",
            "Eye clinic, first visit",
            clinic,
            "Cataract in the right eye, sight 6/24. Listed for an operation under local anaesthetic.\n\
             For the practice: nothing to do; we write to the patient with the day.",
        );
    }
}
