//! What the pages about prescriptions say, in English and Welsh. `{}` stands for what is put in.

use exchange::prescriptions::task::Step;
use serde::Serialize;

use crate::page::tongue::Language;

/// All of it, in one language.
#[derive(Serialize)]
pub struct Words {
    pub prescriptions: &'static str,
    pub other_language: &'static str,
    pub other_code: &'static str,
    pub can_order: &'static str,
    pub one_due: &'static str,
    pub many_due: &'static str,
    pub none_due: &'static str,
    pub order_now: &'static str,
    pub under_way: &'static str,
    pub nothing_under_way: &'static str,
    pub before: &'static str,
    pub asked_on: &'static str,
    pub not_due: &'static str,
    pub order_heading: &'static str,
    pub choose: &'static str,
    pub order_button: &'static str,
    pub nothing_to_order: &'static str,
    pub problem: &'static str,
    pub choose_one: &'static str,
    pub took_last: &'static str,
    pub left: &'static str,
    pub early: &'static str,
    pub review: &'static str,
    pub none_left: &'static str,
    pub stopped: &'static str,
    pub labelled: &'static str,
    pub asked_for: &'static str,
    pub see_order: &'static str,
    pub your_pharmacy: &'static str,
    pub no_pharmacy: &'static str,
    pub restricted_pharmacy: &'static str,
    pub change_pharmacy: &'static str,
    pub choose_pharmacy: &'static str,
    pub pharmacy_about: &'static str,
    pub no_pharmacies: &'static str,
    pub save: &'static str,
    pub pharmacy_saved: &'static str,
    pub choose_one_pharmacy: &'static str,
    pub done_asked: &'static str,
    pub done_already: &'static str,
    pub done_part: &'static str,
    pub held_back: &'static str,
    pub stand_in: &'static str,
    pub number: &'static str,
    pub order_of: &'static str,
    pub how_far: &'static str,
    pub owed: &'static str,
    pub reason: &'static str,
    pub back: &'static str,
    pub no_eps: &'static str,
    pub silent: &'static str,
    pub done_there: &'static str,
}

const ENGLISH: Words = Words {
    prescriptions: "Prescriptions",
    other_language: "Cymraeg",
    other_code: "cy",
    can_order: "What you can order",
    one_due: "1 medicine can be ordered now",
    many_due: "{} medicines can be ordered now",
    none_due: "No medicine can be ordered now.",
    order_now: "Order now",
    under_way: "Under way",
    nothing_under_way: "Nothing is under way.",
    before: "Before",
    asked_on: "Asked for on {}",
    not_due: "What you cannot order now, and why",
    order_heading: "Order repeat medicines",
    choose: "Untick what you do not need.",
    order_button: "Order",
    nothing_to_order: "Nothing can be ordered now.",
    problem: "There is a problem",
    choose_one: "Tick at least one medicine",
    took_last: "Last prescribed on {}",
    left: "{} left before the practice looks at it again",
    early: "Too early: you can order it from {}",
    review: "The practice has to look at it first: it was to be reviewed by {}. Contact the practice.",
    none_left: "All issues that were allowed are used up. Contact the practice.",
    stopped: "It was stopped. Contact the practice if you still take it.",
    labelled: "It is kept with special care, so it is not ordered here. Contact the practice.",
    asked_for: "You have asked for it already.",
    see_order: "See how far it is",
    your_pharmacy: "Your pharmacy: {}",
    no_pharmacy: "You have not chosen a pharmacy. Any pharmacy can then fetch the prescription when you ask there.",
    restricted_pharmacy: "Your pharmacy is not shown here, since where you live is restricted. Ask the practice.",
    change_pharmacy: "Change your pharmacy",
    choose_pharmacy: "Choose your pharmacy",
    pharmacy_about: "Prescriptions ordered here go to this pharmacy from now on. What is under way stays where it is.",
    no_pharmacies: "No pharmacy is in this network yet.",
    save: "Save",
    pharmacy_saved: "Saved. Your next prescription goes there.",
    choose_one_pharmacy: "Choose a pharmacy",
    done_asked: "Your practice has your request. You can follow it here.",
    done_already: "This was ordered already. It is not ordered twice.",
    done_part: "Your practice has your request. What could not be ordered any more is left out.",
    held_back: "A medicine can be held back from this page, and one that was entered lately may not be here yet. If you miss one, ask the practice.",
    stand_in: "A stand-in takes the place of the national prescription service here. Nothing that is ordered on this page is a lawful prescription.",
    number: "The prescription’s number, for the pharmacy: {}",
    order_of: "Order of {}",
    how_far: "How far each medicine is",
    owed: "Still owed to you: {}",
    reason: "Why: {}",
    back: "All prescriptions",
    no_eps: "Your practice sends the prescription in its own way. Ask the practice or the pharmacy when it is ready.",
    silent: "Your practice’s system did not answer, so it is not known what you can order. Try again later, or contact the practice.",
    done_there: "Your request is kept and on its way to your practice’s system. It is not ordered until that system has confirmed it: this page says when it has.",
};

const WELSH: Words = Words {
    prescriptions: "Presgripsiynau",
    other_language: "English",
    other_code: "en",
    can_order: "Beth allwch chi ei archebu",
    one_due: "Gellir archebu 1 feddyginiaeth nawr",
    many_due: "Nifer y meddyginiaethau y gellir eu harchebu nawr: {}",
    none_due: "Ni ellir archebu unrhyw feddyginiaeth nawr.",
    order_now: "Archebu nawr",
    under_way: "Ar y gweill",
    nothing_under_way: "Does dim byd ar y gweill.",
    before: "Cyn hyn",
    asked_on: "Gofynnwyd amdano ar {}",
    not_due: "Beth na allwch ei archebu nawr, a pham",
    order_heading: "Archebu meddyginiaethau rheolaidd",
    choose: "Tynnwch y tic oddi wrth yr hyn nad oes ei angen arnoch.",
    order_button: "Archebu",
    nothing_to_order: "Ni ellir archebu dim nawr.",
    problem: "Mae problem",
    choose_one: "Ticiwch o leiaf un feddyginiaeth",
    took_last: "Presgripsiwn diwethaf ar {}",
    left: "{} ar ôl cyn i’r practis edrych arno eto",
    early: "Rhy gynnar: gallwch ei archebu o {}",
    review: "Rhaid i’r practis edrych arno yn gyntaf: roedd i’w adolygu erbyn {}. Cysylltwch â’r practis.",
    none_left: "Mae pob presgripsiwn a ganiatawyd wedi’i ddefnyddio. Cysylltwch â’r practis.",
    stopped: "Mae wedi dod i ben. Cysylltwch â’r practis os ydych yn dal i’w gymryd.",
    labelled: "Fe’i cedwir â gofal arbennig, felly nid yw’n cael ei archebu yma. Cysylltwch â’r practis.",
    asked_for: "Rydych wedi gofyn amdano eisoes.",
    see_order: "Gweld pa mor bell y mae",
    your_pharmacy: "Eich fferyllfa: {}",
    no_pharmacy: "Nid ydych wedi dewis fferyllfa. Gall unrhyw fferyllfa nôl y presgripsiwn pan ofynnwch yno.",
    restricted_pharmacy: "Nid yw eich fferyllfa yn cael ei dangos yma, gan fod y man lle rydych yn byw wedi’i gyfyngu. Gofynnwch i’r practis.",
    change_pharmacy: "Newid eich fferyllfa",
    choose_pharmacy: "Dewis eich fferyllfa",
    pharmacy_about: "Bydd presgripsiynau a archebir yma yn mynd i’r fferyllfa hon o hyn ymlaen. Mae’r hyn sydd ar y gweill yn aros lle y mae.",
    no_pharmacies: "Nid oes fferyllfa yn y rhwydwaith hwn eto.",
    save: "Cadw",
    pharmacy_saved: "Wedi’i gadw. Bydd eich presgripsiwn nesaf yn mynd yno.",
    choose_one_pharmacy: "Dewiswch fferyllfa",
    done_asked: "Mae eich cais gyda’ch practis. Gallwch ei ddilyn yma.",
    done_already: "Archebwyd hyn eisoes. Nid yw’n cael ei archebu ddwywaith.",
    done_part: "Mae eich cais gyda’ch practis. Gadawyd allan yr hyn na ellid ei archebu mwyach.",
    held_back: "Gellir dal meddyginiaeth yn ôl o’r dudalen hon, ac efallai nad yw un a gofnodwyd yn ddiweddar yma eto. Os oes un ar goll, gofynnwch i’r practis.",
    stand_in: "Mae rhywbeth yn sefyll yn lle’r gwasanaeth presgripsiwn cenedlaethol yma. Nid yw dim a archebir ar y dudalen hon yn bresgripsiwn cyfreithlon.",
    number: "Rhif y presgripsiwn, ar gyfer y fferyllfa: {}",
    order_of: "Archeb {}",
    how_far: "Pa mor bell y mae pob meddyginiaeth",
    owed: "Yn dal yn ddyledus i chi: {}",
    reason: "Pam: {}",
    back: "Pob presgripsiwn",
    no_eps: "Mae eich practis yn anfon y presgripsiwn yn ei ffordd ei hun. Gofynnwch i’r practis neu’r fferyllfa pryd y bydd yn barod.",
    silent: "Ni atebodd system eich practis, felly nid yw’n hysbys beth y gallwch ei archebu. Rhowch gynnig arall arni yn nes ymlaen, neu cysylltwch â’r practis.",
    done_there: "Mae eich cais wedi’i gadw ac ar ei ffordd i system eich practis. Nid yw wedi’i archebu nes bod y system honno wedi’i gadarnhau: bydd y dudalen hon yn dweud pan fydd wedi gwneud.",
};

impl Words {
    pub fn of(tongue: Language) -> &'static Words {
        match tongue {
            Language::English => &ENGLISH,
            Language::Welsh => &WELSH,
        }
    }
}

/// A sentence with what belongs into it.
pub fn with(sentence: &str, value: &str) -> String {
    sentence.replace("{}", value)
}

/// A step as the patient reads it.
pub fn step(step: Step, tongue: Language) -> &'static str {
    let (english, welsh) = match step {
        Step::Asked => ("Asked for", "Gofynnwyd amdano"),
        Step::Asking => (
            "Asked for, not yet confirmed by your practice’s system",
            "Gofynnwyd amdano, heb ei gadarnhau eto gan system eich practis",
        ),
        Step::WithPractice => (
            "Your practice’s system has it",
            "Mae gan system eich practis y cais",
        ),
        Step::Withdrawn => ("You took it back", "Rydych wedi’i dynnu’n ôl"),
        Step::Refused => (
            "Not approved by your practice",
            "Heb ei gymeradwyo gan eich practis",
        ),
        Step::Printed => (
            "Approved by your practice",
            "Wedi’i gymeradwyo gan eich practis",
        ),
        Step::Approved => (
            "Approved, on its way to the pharmacy",
            "Wedi’i gymeradwyo, ar ei ffordd i’r fferyllfa",
        ),
        Step::EpsRefused => (
            "Approved, but held up: the practice is looking at it",
            "Wedi’i gymeradwyo, ond mae oedi: mae’r practis yn edrych arno",
        ),
        Step::WithEps => (
            "Approved: the pharmacy can fetch it",
            "Wedi’i gymeradwyo: gall y fferyllfa ei nôl",
        ),
        Step::Returned => (
            "Given back by the pharmacy: another can fetch it",
            "Dychwelwyd gan y fferyllfa: gall un arall ei nôl",
        ),
        Step::WithPharmacy => ("With the pharmacy", "Gyda’r fferyllfa"),
        Step::PartReady => ("Part is ready to collect", "Rhan yn barod i’w chasglu"),
        Step::Owed => (
            "Part collected, the rest to come",
            "Casglwyd rhan, y gweddill i ddod",
        ),
        Step::Ready => ("Ready to collect", "Yn barod i’w gasglu"),
        Step::NotSupplied => (
            "Not supplied by the pharmacy",
            "Heb ei gyflenwi gan y fferyllfa",
        ),
        Step::Collected => ("Collected", "Wedi’i gasglu"),
        Step::Cancelling => (
            "Your practice is cancelling it: do not rely on collecting it",
            "Mae eich practis yn ei ganslo: peidiwch â dibynnu ar ei gasglu",
        ),
        Step::NotCancelled => (
            "Your practice asked to cancel it, and it was not cancelled",
            "Gofynnodd eich practis am ei ganslo, ac ni chafodd ei ganslo",
        ),
        Step::Cancelled => (
            "Cancelled by your practice",
            "Wedi’i ganslo gan eich practis",
        ),
    };
    match tongue {
        Language::English => english,
        Language::Welsh => welsh,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both say all, and put the same things in.
    #[test]
    fn welsh_says_what_english_says() {
        let read = |tongue| serde_json::to_value(Words::of(tongue)).unwrap();
        let (english, welsh) = (read(Language::English), read(Language::Welsh));
        for (name, text) in english.as_object().unwrap() {
            let other = welsh[name].as_str().unwrap();
            let text = text.as_str().unwrap();
            assert!(!other.is_empty() && other != text, "{name}");
            assert_eq!(
                text.matches("{}").count(),
                other.matches("{}").count(),
                "{name}"
            );
        }
    }
}
