//! What lies in the hospital's systems when the demo starts: a short day of the days before, sent over real MLLP.

use std::time::Duration;

use exchange::mllp::Sender;

use super::neighbours::Place;

/// The pause between two messages: quick, but slow enough to watch.
const PAUSE: Duration = Duration::from_millis(100);

/// What the hospital's systems say, in their order.
const MESSAGES: &[&str] = &[
    include_str!("../../../demo/01-adt-a01-margaret-hill.hl7"),
    include_str!("../../../demo/02-adt-a01-george-whitlock.hl7"),
    include_str!("../../../demo/03-result-margaret-hill.hl7"),
    include_str!("../../../demo/04-adt-a08-george-whitlock.hl7"),
    include_str!("../../../demo/05-letter-samuel-okoro.hl7"),
    include_str!("../../../demo/06-letter-ewa-kowalska.hl7"),
    include_str!("../../../demo/07-result-ewa-kowalska.hl7"),
    include_str!("../../../demo/08-adt-a03-margaret-hill.hl7"),
    include_str!("../../../demo/09-letter-margaret-hill.hl7"),
    include_str!("../../../demo/10-letter-priya-sharma.hl7"),
    include_str!("../../../demo/11-letter-thomas-ashby.hl7"),
    include_str!("../../../demo/12-letter-daniel-price.hl7"),
    include_str!("../../../demo/13-letter-nobody-here.hl7"),
    include_str!("../../../demo/14-letter-fatima-begum.hl7"),
    include_str!("../../../demo/15-result-fatima-begum.hl7"),
    include_str!("../../../demo/16-letter-samuel-okoro.hl7"),
    include_str!("../../../demo/17-letter-ewa-kowalska.hl7"),
    include_str!("../../../demo/18-letter-thomas-ashby.hl7"),
    include_str!("../../../demo/19-letter-priya-sharma.hl7"),
    include_str!("../../../demo/20-letter-george-whitlock.hl7"),
    include_str!("../../../demo/21-letter-daniel-price.hl7"),
    include_str!("../../../demo/22-letter-fatima-begum.hl7"),
    include_str!("../../../demo/23-adt-a03-george-whitlock.hl7"),
    include_str!("../../../demo/24-letter-george-whitlock.hl7"),
    include_str!("../../../demo/25-letter-margaret-hill.hl7"),
    include_str!("../../../demo/26-letter-samuel-okoro.hl7"),
    include_str!("../../../demo/27-broken-no-patient.hl7"),
];

/// The hospital's node, whose systems these are.
const HOSPITAL: &str = "RZZ01";

/// Sends them. What was sent before changes nothing: the node knows each message.
pub async fn play(places: Vec<Place>) {
    for place in places.into_iter().filter(|it| it.neighbour.ods == HOSPITAL) {
        let Some(address) = place.config.hl7v2.listen else {
            continue;
        };
        match play_to(address).await {
            Ok(taken) => println!(
                "{}: {taken} of {} HL7 v2 messages of a short day were taken in.",
                place.neighbour.name,
                MESSAGES.len()
            ),
            Err(problem) => eprintln!("The day stopped early: {}", problem.message),
        }
    }
}

async fn play_to(address: std::net::SocketAddr) -> Result<usize, fhir::problem::Problem> {
    let mut sender = Sender::connect(address).await?;
    let mut taken = 0;
    for message in MESSAGES {
        let answer = sender.send(message.replace('\n', "\r").as_bytes()).await?;
        taken += usize::from(answer.windows(6).any(|part| part == b"MSA|AA"));
        tokio::time::sleep(PAUSE).await;
    }
    Ok(taken)
}
