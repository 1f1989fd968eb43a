//! What people of the neighbourhood do on the pages, signed in as themselves.

use super::super::network::Network;
use super::super::population::Person;
use super::super::population::writing::day;
use super::browser::{Browser, Form, Page};
use super::plan::Errand;

/// Does it; what came of it, or why it did not work.
pub async fn run(network: &Network, errand: &Errand) -> Result<String, String> {
    match errand {
        Errand::File { ods, count } => file(network, ods, *count).await,
        Errand::Order { ods, username } => order(network, ods, username).await,
        Errand::Refer { .. } => refer(network, errand).await,
        Errand::Discharge { .. } => discharge(network, errand).await,
        Errand::HandOver { who } => hand_over(network, who).await,
        Errand::Book { ods, username } => book(network, ods, username).await,
        Errand::CrisisPlan { patients } => crisis_plan(network, patients).await,
    }
}

async fn browser(network: &Network, ods: &str, door: &str, login: &str) -> Result<Browser, String> {
    let place = network.places.iter().find(|it| it.neighbour.ods == ods);
    let place = place.ok_or("there is no such organisation")?;
    let mut browser = Browser::at(place.config.pages.listen);
    browser.sign_in(door, login).await?;
    Ok(browser)
}

/// The page, unless it says that something was wrong.
fn good(page: Page) -> Result<Page, String> {
    match page.fault() {
        Some(fault) => Err(format!("the page said: {fault}")),
        None if page.status >= 400 => Err(format!("the page answered {}", page.status)),
        None => Ok(page),
    }
}

fn form(page: &Page, action: &str) -> Result<Form, String> {
    let found = page.form(action);
    found.ok_or_else(|| format!("{} has no such form", page.path))
}

async fn file(network: &Network, ods: &str, count: usize) -> Result<String, String> {
    let mut browser = browser(network, ods, "/staff/login", "secretary").await?;
    let inbox = good(browser.open("/staff/inbox").await?)?;
    let mut filed = 0;
    for link in inbox.links("/staff/item/").iter().take(count) {
        let item = good(browser.open(link).await?)?;
        if let Some(form) = item.form("/file") {
            good(browser.send(&form).await?)?;
            filed += 1;
        }
    }
    Ok(match filed {
        0 => "There was nothing to file.".to_owned(),
        1 => "One letter was filed.".to_owned(),
        many => format!("{many} letters were filed."),
    })
}

async fn order(network: &Network, ods: &str, username: &str) -> Result<String, String> {
    let mut browser = browser(network, ods, "/login", username).await?;
    let page = good(browser.open("/prescriptions/order").await?)?;
    match page.form("/prescriptions/order") {
        Some(form) => {
            good(browser.send(&form).await?).map(|_| "The practice has the order.".to_owned())
        }
        None => Ok("Nothing is due yet.".to_owned()),
    }
}

async fn refer(network: &Network, errand: &Errand) -> Result<String, String> {
    let Errand::Refer {
        ods,
        to,
        who,
        service,
        reason,
    } = errand
    else {
        return Ok(String::new());
    };
    let mut browser = browser(network, ods, "/staff/login", "doctor").await?;
    let page = good(browser.open("/staff/referrals/new").await?)?;
    let mut form = form(&page, "/staff/referrals/new")?;
    let born = day(who.born);
    let typed = [
        ("nhs_number", who.nhs_number.as_str()),
        ("born", born.as_str()),
        ("family", who.family),
        ("to", *to),
        ("service", *service),
        ("reason", *reason),
        ("question", "Please see and advise."),
    ];
    for (name, value) in typed {
        form.set(name, value);
    }
    good(browser.send(&form).await?)?;
    Ok("It is on its way.".to_owned())
}

async fn discharge(network: &Network, errand: &Errand) -> Result<String, String> {
    let Errand::Discharge { patient, who } = errand else {
        return Ok(String::new());
    };
    let mut browser = browser(network, "RZZ01", "/staff/login", "registrar").await?;
    let page = good(
        browser
            .open(&format!("/staff/discharges/new?patient={patient}"))
            .await?,
    )?;
    let mut letter = form(&page, "/staff/discharges/new")?;
    let now = web::neighbourhood::Neighbourhood::now(network);
    let today = now / super::super::people::DAY_MS;
    let (admitted, discharged) = (day(today - 6), day(today));
    let typed = [
        ("admitted", admitted.as_str()),
        ("discharged", discharged.as_str()),
        ("diagnoses", "Fall at home; bruised hip, no new fracture."),
        ("course", "Seen by the physiotherapist; walks with a frame."),
        ("allergies", "None known."),
        ("m0-name", "Paracetamol 500mg tablets"),
        ("m0-dose", "Two tablets four times a day"),
        ("m0-fate", "started"),
        ("m0-reason", "Pain"),
        ("gp-actions", "Please look at the falls risk."),
        (
            "care-needs",
            "Help with washing and dressing each morning, for two weeks.",
        ),
        ("contacts", "The ward: 0113 496 0104."),
        ("told", "Told what to look out for, and whom to call."),
        ("practice", who.practice),
        ("pharmacy", "FZZ01"),
        ("social-care", "VZZ01"),
    ];
    for (name, value) in typed {
        letter.set(name, value);
    }
    letter.set("then", "look");
    let look = good(browser.send(&letter).await?)?;
    let sign = form(&look, "/staff/discharges/")?;
    good(browser.send(&sign).await?)?;
    Ok("Three letters are on their way.".to_owned())
}

async fn hand_over(network: &Network, who: &Person) -> Result<String, String> {
    let mut browser = browser(network, "RYZ01", "/staff/login", "crew").await?;
    let page = good(browser.open("/staff/handovers/new").await?)?;
    let mut handover = form(&page, "/staff/handovers/new")?;
    let born = day(who.born);
    let typed = [
        ("to", "RZZ01"),
        ("nhs_number", who.nhs_number.as_str()),
        ("born", born.as_str()),
        ("family", who.family),
        ("given", who.given),
        ("as_told", "yes"),
        ("crew", "A204"),
        ("happened", "Fell at home and cannot stand."),
        ("found", "Left hip painful, leg shortened."),
        ("rate", "20"),
        ("saturation", "95"),
        ("oxygen", "air"),
        ("systolic", "118"),
        ("diastolic", "70"),
        ("pulse", "98"),
        ("consciousness", "A"),
        ("temperature", "36.6"),
    ];
    for (name, value) in typed {
        handover.set(name, value);
    }
    good(browser.send(&handover).await?)?;
    Ok("The emergency department's board has it.".to_owned())
}

async fn book(network: &Network, ods: &str, username: &str) -> Result<String, String> {
    let mut browser = browser(network, ods, "/login", username).await?;
    let page = good(browser.open("/appointments/book").await?)?;
    let Some(choice) = page.button("choice") else {
        return Ok("No time is free.".to_owned());
    };
    let mut chosen = form(&page, "/appointments/book/check")?;
    chosen.set("choice", &choice);
    chosen.set("reason", "Cough for three weeks");
    let check = good(browser.send(&chosen).await?)?;
    let sure = form(&check, "/appointments/book")?;
    good(browser.send(&sure).await?)?;
    Ok("The time is theirs.".to_owned())
}

async fn crisis_plan(network: &Network, patients: &[String]) -> Result<String, String> {
    let mut browser = browser(network, "RTZ01", "/staff/login", "nurse").await?;
    for patient in patients {
        let page = browser
            .open(&format!("/staff/crisis-plan/{patient}"))
            .await?;
        if page.status < 400 && page.text.contains("What helps, and what to do") {
            return Ok("Its opening stands in the log.".to_owned());
        }
    }
    Ok("None of those looked for has one.".to_owned())
}
