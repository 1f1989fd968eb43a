//! Plain words for clinical terms: a few of our own, and those that an organisation's staff write on the page "Plain words",
//! which go before. They explain a term; they say nothing of what it means for anybody.

use std::collections::BTreeMap;

use fhir::problem::Problem;
use fhir::search::fold;
use store::patient_app::Explained;

use super::entries::Code;
use crate::node::Node;
use crate::page::tongue::Language;

/// Our own words: term in folded letters, English, Welsh. They hold no content of any code system.
pub const OWN: [(&str, &str, &str); 24] = [
    ("hypertension", "High blood pressure", "Pwysedd gwaed uchel"),
    (
        "essential hypertension",
        "High blood pressure",
        "Pwysedd gwaed uchel",
    ),
    (
        "type 2 diabetes mellitus",
        "Type 2 diabetes: too much sugar in the blood",
        "Diabetes math 2: gormod o siwgr yn y gwaed",
    ),
    (
        "asthma",
        "Asthma: the airways narrow at times",
        "Asthma: mae'r llwybrau anadlu'n culhau ar adegau",
    ),
    (
        "atrial fibrillation",
        "Uneven heartbeat",
        "Curiad calon anwastad",
    ),
    (
        "hypothyroidism",
        "Underactive thyroid gland",
        "Chwarren thyroid dangweithgar",
    ),
    (
        "hypercholesterolaemia",
        "High cholesterol",
        "Colesterol uchel",
    ),
    ("osteoarthritis", "Worn joints", "Cymalau wedi treulio"),
    (
        "haemoglobin",
        "Red blood pigment, which carries oxygen",
        "Pigment coch y gwaed, sy'n cario ocsigen",
    ),
    (
        "white cell count",
        "White blood cells, which fight infections",
        "Celloedd gwyn y gwaed, sy'n ymladd heintiau",
    ),
    (
        "platelets",
        "Blood cells that help to stop bleeding",
        "Celloedd gwaed sy'n helpu i atal gwaedu",
    ),
    (
        "haemoglobin a1c",
        "Average blood sugar of the last two to three months",
        "Siwgr gwaed cyfartalog y ddau i dri mis diwethaf",
    ),
    (
        "hba1c",
        "Average blood sugar of the last two to three months",
        "Siwgr gwaed cyfartalog y ddau i dri mis diwethaf",
    ),
    (
        "creatinine",
        "A measure of how the kidneys work",
        "Mesur o sut mae'r arennau'n gweithio",
    ),
    (
        "egfr",
        "A measure of how the kidneys work",
        "Mesur o sut mae'r arennau'n gweithio",
    ),
    (
        "c-reactive protein",
        "A sign of inflammation in the blood",
        "Arwydd o lid yn y gwaed",
    ),
    ("sodium", "Salt in the blood", "Halen yn y gwaed"),
    (
        "potassium",
        "A salt in the blood that the heart needs",
        "Halen yn y gwaed y mae ei angen ar y galon",
    ),
    (
        "tsh",
        "A measure of the thyroid gland",
        "Mesur o'r chwarren thyroid",
    ),
    (
        "serum cholesterol",
        "Fat in the blood",
        "Braster yn y gwaed",
    ),
    ("blood pressure", "Blood pressure", "Pwysedd gwaed"),
    ("body weight", "Weight", "Pwysau"),
    (
        "appendicectomy",
        "Taking out the appendix",
        "Tynnu'r pendics",
    ),
    ("urticaria", "Itchy raised rash", "Brech gosi wedi codi"),
];

/// The words of one organisation.
pub struct Plain {
    staffs: BTreeMap<String, Explained>,
}

impl Plain {
    /// Those in force now.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn read(node: &Node) -> Result<Plain, Problem> {
        let staffs = node.store.glossary().await?;
        Ok(Plain { staffs })
    }

    /// Plain words for a term, by one of its codes or by the term itself.
    pub fn say(&self, term: &str, codes: &[Code], language: Language) -> Option<&str> {
        let by_code = codes.iter().map(|it| format!("{}|{}", it.system, it.code));
        let names: Vec<String> = by_code.chain([fold(term)]).collect();
        for name in &names {
            if let Some(found) = self.staffs.get(name) {
                let words = match language {
                    Language::English => &found.english,
                    Language::Welsh => &found.welsh,
                };
                return Some(words.as_str()).filter(|it| !it.is_empty());
            }
        }
        let mut own = OWN
            .iter()
            .filter(|it| names.iter().any(|name| name == it.0));
        own.next().map(|(_, english, welsh)| match language {
            Language::English => *english,
            Language::Welsh => *welsh,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(term: &str, english: &str) -> Plain {
        let explained = Explained {
            term: term.into(),
            english: english.into(),
            welsh: String::new(),
            by: "Ann".into(),
            at: 0,
        };
        Plain {
            staffs: BTreeMap::from([(term.to_owned(), explained)]),
        }
    }

    #[test]
    fn what_staff_write_goes_before_our_own_words_and_may_take_them_out() {
        let none = Plain {
            staffs: BTreeMap::new(),
        };
        assert_eq!(
            none.say("Essential Hypertension", &[], Language::English),
            Some("High blood pressure")
        );
        assert_eq!(none.say("Something rare", &[], Language::English), None);
        let written = plain("essential hypertension", "Raised pressure");
        let english = written.say("Essential hypertension", &[], Language::English);
        assert_eq!(english, Some("Raised pressure"));
        let welsh = written.say("Essential hypertension", &[], Language::Welsh);
        assert_eq!(welsh, None, "not our own word for what staff took out");
        let code = Code {
            system: "urn:x".into(),
            code: "7".into(),
        };
        let by_code = plain("urn:x|7", "A thing");
        assert_eq!(
            by_code.say("?", &[code], Language::English),
            Some("A thing")
        );
    }

    #[test]
    fn our_own_terms_are_folded_and_named_once() {
        for (at, (term, english, welsh)) in OWN.iter().enumerate() {
            assert_eq!(*term, fold(term));
            assert!(!english.is_empty() && !welsh.is_empty());
            assert!(!OWN.iter().skip(at + 1).any(|it| it.0 == *term), "{term}");
        }
    }
}
