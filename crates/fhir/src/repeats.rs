//! What of a patient's repeat medicines may be asked for now, and why not of each that may not: pure,
//! from the MedicationRequests and the Tasks of one record.
//!
//! A repeat medicine is a MedicationRequest that allows issues and is none itself: `intent` plan or an
//! order, `courseOfTherapyType` continuous, no `basedOn`
//! (<https://simplifier.net/hl7fhirukcorer4/ukcore-medicationrequest>). An issue is a MedicationRequest
//! that is `basedOn` it.

use crate::members::{each, text};
use serde_json::Value;

use crate::date::{self, Millis};
use crate::whereabouts::{INTEGRITY, REDACTED};

/// How long before the last supply runs out the next may be asked for, in milliseconds: seven days.
pub const EARLY_MILLIS: Millis = 7 * DAY;
/// For how long a prescription is good (EPS: six months). What was asked for longer ago and went nowhere
/// keeps nobody from asking again.
pub const GOOD_MILLIS: Millis = 183 * DAY;
/// The code by which a Task asks for a repeat medicine, and its system.
pub const ORDER_CODE: &str = "order-repeat";
pub const TASK_CODES: &str = "urn:handover:task";
const REPEAT_INFORMATION: &str =
    "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-MedicationRepeatInformation";
const DAY: Millis = 86_400_000;

/// One repeat medicine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The id of its MedicationRequest.
    pub id: String,
    pub name: String,
    /// How it is taken, in the prescriber's words; empty if not said.
    pub dose: String,
    /// How much is supplied at a time, such as `28 tablet`; empty if not said.
    pub quantity: String,
    pub last_issued: Option<Millis>,
    /// Until when it may be issued before somebody looks at it again.
    pub review_by: Option<Millis>,
    /// How many issues are left, where they are counted.
    pub left: Option<i64>,
    pub state: State,
}

/// Whether it may be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Due,
    /// The last supply lasts; it may be asked for from then on.
    TooEarly(Millis),
    /// The practice has to look at it first: it was to be reviewed by then.
    ReviewNeeded(Millis),
    /// All issues that were allowed are used up.
    NoneLeft,
    /// It was stopped, or is on hold.
    Stopped,
    /// It carries a security label, which a request for it would not: it is ordered by speaking to people.
    Labelled,
    /// It was asked for, in the order of that name, which is under way.
    AskedFor(String),
}

impl Item {
    pub fn is_due(&self) -> bool {
        self.state == State::Due
    }
}

/// The repeat medicines among `requests` (MedicationRequests of one patient), as they stand at `now`;
/// `tasks` are the Tasks of that patient. What may be asked for goes first, then by name.
pub fn items(requests: &[Value], tasks: &[Value], now: Millis) -> Vec<Item> {
    let mut items: Vec<Item> = requests
        .iter()
        .filter(|it| is_repeat(it))
        .map(|it| item(it, requests, tasks, now))
        .collect();
    items.sort_by(|a, b| {
        let key = |it: &Item| (!it.is_due(), it.name.to_lowercase(), it.id.clone());
        key(a).cmp(&key(b))
    });
    items
}

/// Whether a MedicationRequest allows issues, and is none itself.
pub fn is_repeat(request: &Value) -> bool {
    let intent = text(request, "/intent");
    let courses = each(request, "/courseOfTherapyType/coding");
    let mut codes = courses.filter_map(|it| it.get("code").and_then(Value::as_str));
    matches!(intent, "plan" | "order" | "original-order")
        && text(request, "/status") != "entered-in-error"
        && each(request, "/basedOn").next().is_none()
        && codes.any(|code| {
            matches!(
                code,
                "continuous" | "repeat" | "repeat-dispensing" | "continuous-repeat-dispensing"
            )
        })
}

fn item(request: &Value, requests: &[Value], tasks: &[Value], now: Millis) -> Item {
    let id = text(request, "/id").to_string();
    let named = format!("MedicationRequest/{id}");
    let is_issue = |it: &&Value| {
        let mut based = each(it, "/basedOn");
        based.any(|on| text(on, "/reference") == named)
            && !matches!(text(it, "/status"), "entered-in-error" | "cancelled")
    };
    let issues: Vec<Millis> = requests
        .iter()
        .filter(is_issue)
        .filter_map(|it| moment(text(it, "/authoredOn")))
        .collect();
    let told = repeat_information(request);
    let last_issued = issues.iter().copied().max().max(told.last_issued);
    let issued = i64::try_from(issues.len()).unwrap_or(i64::MAX);
    let issued = issued.max(told.issued.unwrap_or(0));
    // "Repeats" are those behind the first supply (R4 MedicationRequest.dispenseRequest).
    let allowed = request
        .pointer("/dispenseRequest/numberOfRepeatsAllowed")
        .and_then(Value::as_i64)
        .map(|repeats| repeats.saturating_add(1))
        .or(told.allowed);
    let left = allowed.map(|allowed| allowed.saturating_sub(issued).max(0));
    let ends = last_moment(text(request, "/dispenseRequest/validityPeriod/end"));
    let review_by = [told.review_by, ends].into_iter().flatten().min();
    let state = if let Some(order) = under_way(tasks, &named, now) {
        State::AskedFor(order)
    } else if text(request, "/status") != "active" {
        State::Stopped
    } else if is_labelled(request) {
        State::Labelled
    } else if let Some(by) = review_by.filter(|by| *by <= now) {
        State::ReviewNeeded(by)
    } else if left == Some(0) {
        State::NoneLeft
    } else {
        match next(request, last_issued).filter(|from| *from > now) {
            Some(from) => State::TooEarly(from),
            None => State::Due,
        }
    };
    Item {
        name: name(request),
        dose: dose(request),
        quantity: quantity(request),
        id,
        last_issued,
        review_by,
        left,
        state,
    }
}

/// Whether it carries a label that keeps it from anybody.
pub fn is_labelled(request: &Value) -> bool {
    let mut labels = each(request, "/meta/security");
    // That something was taken out of it keeps it from nobody.
    labels.any(|it| text(it, "/system") != INTEGRITY || text(it, "/code") != REDACTED)
}

/// From when on the next supply may be asked for.
fn next(request: &Value, last_issued: Option<Millis>) -> Option<Millis> {
    let every = ["dispenseInterval", "expectedSupplyDuration"];
    let mut every = every
        .iter()
        .filter_map(|name| days(request.pointer(&format!("/dispenseRequest/{name}"))?));
    let early = EARLY_MILLIS;
    let interval = every.next()?.saturating_mul(DAY);
    // Of what lasts a week or less, half of it must be used first.
    let wait = interval.saturating_sub(early).max(interval / 2);
    Some(last_issued?.saturating_add(wait))
}

/// A Duration in whole days.
fn days(duration: &Value) -> Option<i64> {
    let value = duration.get("value")?.as_f64()?;
    let unit = duration.get("code").or_else(|| duration.get("unit"))?;
    let each = match unit.as_str()? {
        "h" => 1.0 / 24.0,
        "d" | "day" | "days" => 1.0,
        "wk" | "week" | "weeks" => 7.0,
        "mo" | "month" | "months" => 28.0,
        "a" | "year" | "years" => 365.0,
        _ => return None,
    };
    let days = (value * each).floor();
    // Nobody is supplied for longer than a few years, and no number is too large to be cut.
    (0.0..=10_000.0).contains(&days).then_some(days as i64)
}

/// The order in which the medicine was asked for, if that is under way.
fn under_way(tasks: &[Value], named: &str, now: Millis) -> Option<String> {
    let asks = |it: &&Value| is_order(it) && text(it, "/focus/reference") == named;
    let is_open = |it: &&Value| {
        let asked = moment(text(it, "/authoredOn")).unwrap_or(now);
        is_open(it) && now.saturating_sub(asked) < GOOD_MILLIS
    };
    let task = tasks.iter().filter(asks).find(is_open)?;
    Some(text(task, "/groupIdentifier/value").to_string())
}

/// Whether a Task asks for a repeat medicine.
pub fn is_order(task: &Value) -> bool {
    let mut codes = each(task, "/code/coding");
    codes.any(|it| text(it, "/system") == TASK_CODES && text(it, "/code") == ORDER_CODE)
}

/// Whether something is still to come of a Task.
pub fn is_open(task: &Value) -> bool {
    matches!(
        text(task, "/status"),
        "requested" | "received" | "accepted" | "ready" | "in-progress" | "on-hold"
    )
}

#[derive(Default)]
struct Told {
    issued: Option<i64>,
    allowed: Option<i64>,
    review_by: Option<Millis>,
    last_issued: Option<Millis>,
}

/// What UK Core's extension says of the repeats.
fn repeat_information(request: &Value) -> Told {
    let mut extensions = each(request, "/extension");
    let found = extensions.find(|it| text(it, "/url") == REPEAT_INFORMATION);
    let mut told = Told::default();
    for part in found.into_iter().flat_map(|it| each(it, "/extension")) {
        let number = ["valueUnsignedInt", "valueInteger", "valuePositiveInt"]
            .iter()
            .find_map(|name| part.get(name)?.as_i64());
        match text(part, "/url") {
            "numberOfPrescriptionsIssued" => told.issued = number,
            "numberOfRepeatPrescriptionsAllowed" => told.allowed = number,
            "authorisationExpiryDate" => {
                told.review_by = last_moment(text(part, "/valueDateTime"));
            }
            "lastIssueDate" | "mostRecentIssueDate" => {
                told.last_issued = moment(text(part, "/valueDateTime"));
            }
            _ => {}
        }
    }
    told
}

/// What the medicine is called.
pub fn name(request: &Value) -> String {
    let coded = |it: &Value| {
        it.get("display")
            .and_then(Value::as_str)
            .map(str::to_string)
    };
    let concept = "/medicationCodeableConcept";
    let words = text(request, &format!("{concept}/text"));
    if !words.trim().is_empty() {
        return words.trim().to_string();
    }
    each(request, &format!("{concept}/coding"))
        .find_map(coded)
        .or_else(|| request.get("medicationReference").and_then(coded))
        .filter(|it| !it.trim().is_empty())
        .unwrap_or_else(|| "Medicine without a name".to_string())
}

/// How it is taken.
pub fn dose(request: &Value) -> String {
    let doses = each(request, "/dosageInstruction").map(|it| text(it, "/text").trim());
    let doses: Vec<&str> = doses.filter(|it| !it.is_empty()).collect();
    doses.join("; ")
}

/// How much is supplied at a time.
pub fn quantity(request: &Value) -> String {
    let Some(quantity) = request.pointer("/dispenseRequest/quantity") else {
        return String::new();
    };
    let value = quantity.get("value").map(ToString::to_string);
    let value = value.unwrap_or_default();
    format!("{value} {}", text(quantity, "/unit"))
        .trim()
        .to_string()
}

fn moment(text: &str) -> Option<Millis> {
    date::span(text).map(|it| it.low)
}

/// The first moment after what is dated so.
fn last_moment(text: &str) -> Option<Millis> {
    date::span(text).map(|it| it.high)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TODAY: &str = "2026-03-20";

    fn at(day: &str) -> Millis {
        date::span(day).unwrap().low
    }

    /// 28 tablets for 28 days, 5 more issues allowed, to be reviewed in September.
    fn plan() -> Value {
        json!({
            "resourceType": "MedicationRequest", "id": "a", "status": "active", "intent": "plan",
            "medicationCodeableConcept": {"text": "Amlodipine 5mg tablets"},
            "courseOfTherapyType": {"coding": [{"code": "continuous"}]},
            "dosageInstruction": [{"text": "One a day"}],
            "extension": [{"url": REPEAT_INFORMATION, "extension": [
                {"url": "authorisationExpiryDate", "valueDateTime": "2026-09-30"},
            ]}],
            "dispenseRequest": {
                "numberOfRepeatsAllowed": 5,
                "quantity": {"value": 28, "unit": "tablet"},
                "dispenseInterval": {"value": 28, "unit": "day", "code": "d"},
            },
        })
    }

    fn issue(day: &str) -> Value {
        json!({
            "resourceType": "MedicationRequest", "id": format!("i{day}"), "status": "active",
            "intent": "instance-order", "authoredOn": day,
            "courseOfTherapyType": {"coding": [{"code": "continuous"}]},
            "basedOn": [{"reference": "MedicationRequest/a"}],
        })
    }

    fn task(status: &str, day: &str) -> Value {
        json!({
            "resourceType": "Task", "status": status, "authoredOn": day,
            "code": {"coding": [{"system": TASK_CODES, "code": ORDER_CODE}]},
            "groupIdentifier": {"value": "o1"},
            "focus": {"reference": "MedicationRequest/a"},
        })
    }

    fn state(requests: &[Value], tasks: &[Value]) -> State {
        let found = items(requests, tasks, at(TODAY));
        assert_eq!(found.len(), 1, "{found:?}");
        found.into_iter().next().unwrap().state
    }

    #[test]
    fn what_was_never_issued_is_due_and_told_with_dose_and_quantity() {
        let found = items(&[plan()], &[], at(TODAY));
        assert_eq!(found[0].state, State::Due);
        assert_eq!(found[0].dose, "One a day");
        assert_eq!(found[0].quantity, "28 tablet");
        assert_eq!(found[0].left, Some(6));
        assert_eq!(found[0].last_issued, None);
    }

    #[test]
    fn a_supply_that_lasts_is_too_early_until_a_week_before_its_end() {
        let early = state(&[plan(), issue("2026-03-10")], &[]);
        assert_eq!(early, State::TooEarly(at("2026-03-31")));
        assert_eq!(state(&[plan(), issue("2026-02-27")], &[]), State::Due);
        // The last one counts, and what only looks like an issue does not.
        let both = [plan(), issue("2026-01-02"), issue("2026-03-10")];
        assert_eq!(state(&both, &[]), State::TooEarly(at("2026-03-31")));
        let mut others = issue("2026-03-19");
        others["basedOn"][0]["reference"] = json!("MedicationRequest/b");
        assert_eq!(state(&[plan(), others], &[]), State::Due);
    }

    #[test]
    fn issues_are_counted_and_run_out() {
        let mut few = plan();
        few["dispenseRequest"]["numberOfRepeatsAllowed"] = json!(1);
        let once = [few.clone(), issue("2026-01-02")];
        assert_eq!(items(&once, &[], at(TODAY))[0].left, Some(1));
        let twice = [few.clone(), issue("2026-01-02"), issue("2026-02-01")];
        assert_eq!(state(&twice, &[]), State::NoneLeft);
        // Issues that only the practice's own system counted.
        few["extension"][0]["extension"] =
            json!([{"url": "numberOfPrescriptionsIssued", "valueUnsignedInt": 2}]);
        assert_eq!(state(&[few], &[]), State::NoneLeft);
        let mut open = plan();
        open["dispenseRequest"]
            .as_object_mut()
            .unwrap()
            .remove("numberOfRepeatsAllowed");
        assert_eq!(items(&[open], &[], at(TODAY))[0].left, None, "not counted");
    }

    #[test]
    fn a_review_that_is_over_due_and_a_medicine_that_was_stopped_are_told_apart() {
        let mut late = plan();
        late["extension"][0]["extension"][0]["valueDateTime"] = json!("2026-03-19");
        assert_eq!(
            state(&[late.clone()], &[]),
            State::ReviewNeeded(at("2026-03-20"))
        );
        // The day itself is still good.
        late["extension"][0]["extension"][0]["valueDateTime"] = json!(TODAY);
        assert_eq!(state(&[late.clone()], &[]), State::Due);
        late["dispenseRequest"]["validityPeriod"] = json!({"end": "2026-03-01"});
        assert_eq!(
            state(&[late.clone()], &[]),
            State::ReviewNeeded(at("2026-03-02"))
        );
        late["status"] = json!("stopped");
        assert_eq!(state(&[late.clone()], &[]), State::Stopped);
        late["status"] = json!("entered-in-error");
        assert!(items(&[late], &[], at(TODAY)).is_empty());
    }

    #[test]
    fn what_is_asked_for_already_is_not_due_and_names_its_order() {
        for status in ["requested", "accepted", "in-progress", "on-hold"] {
            let asked = state(&[plan()], &[task(status, "2026-03-18")]);
            assert_eq!(asked, State::AskedFor("o1".into()), "{status}");
        }
        for status in ["rejected", "completed", "failed", "cancelled"] {
            assert_eq!(
                state(&[plan()], &[task(status, "2026-03-18")]),
                State::Due,
                "{status}"
            );
        }
        // A prescription is good for half a year: one that nobody fetched bars nothing for ever.
        assert_eq!(
            state(&[plan()], &[task("in-progress", "2025-09-01")]),
            State::Due
        );
        let mut another = task("requested", "2026-03-18");
        another["code"]["coding"][0]["code"] = json!("dispense");
        assert_eq!(state(&[plan()], &[another]), State::Due);
    }

    #[test]
    fn what_carries_a_label_is_not_copied_into_a_request() {
        let mut labelled = plan();
        labelled["meta"] = json!({"security": [{"system": "urn:x", "code": "HIV"}]});
        assert_eq!(state(&[labelled.clone()], &[]), State::Labelled);
        labelled["meta"] = json!({"security": [{"system": INTEGRITY, "code": REDACTED}]});
        assert_eq!(state(&[labelled], &[]), State::Due);
    }

    #[test]
    fn only_what_repeats_can_be_ordered_and_what_is_due_goes_first() {
        let mut acute = plan();
        acute["courseOfTherapyType"]["coding"][0]["code"] = json!("acute");
        assert!(!is_repeat(&acute));
        assert!(!is_repeat(&issue("2026-01-02")));
        assert!(!is_repeat(&json!({})));
        let mut other = plan();
        other["id"] = json!("b");
        other["medicationCodeableConcept"] = json!({"coding": [{"display": "Aardvark oil"}]});
        other["status"] = json!("on-hold");
        let found = items(&[other, plan(), acute], &[], at(TODAY));
        let names: Vec<&str> = found.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["Amlodipine 5mg tablets", "Aardvark oil"]);
    }

    #[test]
    fn weeks_months_and_short_supplies_are_reckoned() {
        let mut short = plan();
        short["dispenseRequest"]["dispenseInterval"] = json!({"value": 1, "code": "wk"});
        let asked = state(&[short.clone(), issue("2026-03-19")], &[]);
        assert_eq!(asked, State::TooEarly(at("2026-03-22") + DAY / 2));
        short["dispenseRequest"]["dispenseInterval"] = json!({"value": 1e300, "code": "a"});
        assert_eq!(state(&[short, issue("2026-03-19")], &[]), State::Due);
    }
}
