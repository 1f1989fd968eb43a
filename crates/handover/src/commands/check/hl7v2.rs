//! HL7 v2 over MLLP, as a sender meets it. Without --write there is only a connection: whatever is sent, even what cannot
//! be read, a receiver may file, queue, or put on somebody's list.

mod answer;
mod message;

use exchange::probe::{Said, Wire};
use hl7v2::mllp::frame;

use super::Way;
use super::run::{Rest, Run};
use super::uk::is_ods;
use answer::Acknowledgement;
use message::Making;

/// How long a receiver that was asked nothing is listened to.
const SILENCE_SECONDS: u64 = 1;
/// A long message.
const LONG_BYTES: usize = 1 << 20;

const GARBAGE: [&str; 2] = ["hl7-garbage", "hl7-garbage-goes-on"];
const REFUSED: [&str; 6] = [
    "hl7-unknown-type",
    "hl7-msa2",
    "hl7-ack-shape",
    "hl7-ack-addressed",
    "hl7-ack-terminators",
    "hl7-ods",
];
const FRAMES: [&str; 3] = ["hl7-two-frames", "hl7-split", "hl7-long"];
const TAKEN: [&str; 3] = ["hl7-accepts", "hl7-repeat", "hl7-charset"];

pub(super) async fn check(run: &mut Run, way: &Way, receiver: &str) {
    let rest = Box::pin(connects(run, way)).await;
    run.ends(&["hl7-connects", "hl7-silent"], rest);
    if !run.is_reached() || !run.write || !run.wants("hl7v2") {
        return;
    }
    let making = Making::new(receiver, run.clock.now());
    let rest = Box::pin(garbage(run, way, &making)).await;
    run.ends(&GARBAGE, rest);
    let rest = Box::pin(refused(run, way, &making)).await;
    run.ends(&REFUSED, rest);
    let rest = Box::pin(frames(run, way, &making)).await;
    run.ends(&FRAMES, rest);
    let rest = Box::pin(taken(run, way, &making)).await;
    run.ends(&TAKEN, rest);
    run.left.push(
        "messages from HANDOVERCHECK (MSH-3) that were to be refused may stand on the receiver's list of errors".into(),
    );
}

async fn connected(run: &mut Run, way: &Way) -> Result<Wire, String> {
    run.count()?;
    let (host, port, tls) = run.target.place();
    let tls = tls.then_some(&way.config);
    let wire = Wire::connect(&host, port, tls, way.seconds).await;
    wire.inspect_err(|reason| {
        run.unanswered.push(("connect".into(), reason.clone()));
    })
}

async fn connects(run: &mut Run, way: &Way) -> Rest {
    let mut first = connected(run, way).await?;
    run.reach();
    let second = connected(run, way).await;
    let found = match &second {
        Ok(_) => "two connections side by side".to_owned(),
        Err(reason) => format!("one connection, but no second beside it: {reason}"),
    };
    run.shows("hl7-connects", second.is_ok(), "connect", found);
    drop(second);
    let said = first.read(Some(SILENCE_SECONDS)).await;
    let found = match said {
        Said::Nothing => "it says nothing before it is asked",
        Said::Closed => "it closed a connection on which nothing had been sent yet",
        _ => "it sent something before it was asked",
    };
    run.shows("hl7-silent", said == Said::Nothing, "connect", found);
    Ok(())
}

/// Sends a message in a frame; its answer.
async fn asked(run: &mut Run, wire: &mut Wire, message: &[u8]) -> Result<Said, String> {
    run.count()?;
    wire.write(&frame(message)).await?;
    Ok(wire.read(None).await)
}

/// Sends a message and wants an acknowledgement.
async fn answered(
    run: &mut Run,
    wire: &mut Wire,
    message: &[u8],
) -> Result<Acknowledgement, String> {
    match asked(run, wire, message).await? {
        Said::Message(bytes) => Acknowledgement::read(&bytes),
        said => Err(format!("A message was not answered: {}.", told(&said))),
    }
}

fn told(said: &Said) -> &'static str {
    match said {
        Said::Message(_) => "a message came",
        Said::Unframed => "what came was no MLLP frame",
        Said::Closed => "the connection was closed",
        Said::Nothing => "nothing came in time",
    }
}

async fn garbage(run: &mut Run, way: &Way, making: &Making) -> Rest {
    let mut wire = connected(run, way).await?;
    let said = asked(
        run,
        &mut wire,
        b"This is no HL7 v2 message. It is made up by handover check.",
    )
    .await?;
    let code = match &said {
        Said::Message(bytes) => Acknowledgement::read(bytes).map(|it| it.code).ok(),
        _ => None,
    };
    let refusal = code.as_deref().is_some_and(is_refusal);
    let found = match (&said, &code) {
        (Said::Message(_), Some(code)) => format!("answered with {code}"),
        (Said::Message(_), None) => "answered with what is no acknowledgement".to_owned(),
        (said, _) => told(said).to_owned(),
    };
    run.shows(
        "hl7-garbage",
        refusal,
        "a frame that holds no HL7 v2",
        found,
    );
    let (_, message) = making.unknown_type();
    let after = asked(run, &mut wire, &message).await;
    let good = match &after {
        Ok(Said::Message(bytes)) => Acknowledgement::read(bytes).is_ok(),
        _ => false,
    };
    let found = match (&after, good) {
        (_, true) => "the next message on the same connection is answered".to_owned(),
        (Ok(said), false) => format!(
            "the next message on the same connection is not answered: {}",
            told(said)
        ),
        (Err(reason), false) => reason.clone(),
    };
    run.shows(
        "hl7-garbage-goes-on",
        good,
        "a message behind a frame that holds no HL7 v2",
        found,
    );
    Ok(())
}

fn is_refusal(code: &str) -> bool {
    ["AE", "AR", "CE", "CR"].contains(&code)
}

async fn refused(run: &mut Run, way: &Way, making: &Making) -> Rest {
    let mut wire = connected(run, way).await?;
    let (control, message) = making.unknown_type();
    let ack = answered(run, &mut wire, &message).await?;
    let asked = "a message of type ZZZ^Z99, which there is not";
    run.shows(
        "hl7-unknown-type",
        is_refusal(&ack.code),
        asked,
        format!("answered with {}", ack.code),
    );
    let same = ack.control == control;
    let found = match same {
        true => "MSA-2 is the message's MSH-10",
        false => "MSA-2 is not the message's MSH-10",
    };
    run.shows("hl7-msa2", same, asked, found);
    let shape = ack.shape();
    run.shows(
        "hl7-ack-shape",
        shape.is_ok(),
        asked,
        shape.unwrap_or_else(|it| it),
    );
    let addressed = ack.addressed == making.sender();
    let found = match addressed {
        true => "MSH-5 and MSH-6 name the sender",
        false => "MSH-5 and MSH-6 are not the message's MSH-3 and MSH-4",
    };
    run.shows("hl7-ack-addressed", addressed, asked, found);
    let found = match ack.has_line_feeds {
        true => "segments end with a line feed",
        false => "segments end with a carriage return alone",
    };
    run.shows("hl7-ack-terminators", !ack.has_line_feeds, asked, found);
    let found = match is_ods(&ack.facility) {
        true => "MSH-4 of the answer is an ODS code",
        false => "MSH-4 of the answer is no ODS code",
    };
    run.shows("hl7-ods", is_ods(&ack.facility), asked, found);
    Ok(())
}

async fn frames(run: &mut Run, way: &Way, making: &Making) -> Rest {
    let mut wire = connected(run, way).await?;
    let (first, one) = making.unknown_type();
    let (second, two) = making.unknown_type();
    run.count()?;
    wire.write(&[frame(&one), frame(&two)].concat()).await?;
    let mut controls = Vec::new();
    for _ in 0..2 {
        if let Said::Message(bytes) = wire.read(None).await {
            controls.push(
                Acknowledgement::read(&bytes)
                    .map(|it| it.control)
                    .unwrap_or_default(),
            );
        }
    }
    let found = format!("{} answers", controls.len());
    run.shows(
        "hl7-two-frames",
        controls.len() == 2 && controls != [second, first],
        "two messages sent in one go",
        found,
    );
    let mut wire = connected(run, way).await?;
    let (_, message) = making.unknown_type();
    let framed = frame(&message);
    run.count()?;
    for part in framed.chunks(framed.len().div_ceil(3).max(1)) {
        wire.write(part).await?;
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    let said = wire.read(None).await;
    let good = matches!(&said, Said::Message(bytes) if Acknowledgement::read(bytes).is_ok());
    run.shows(
        "hl7-split",
        good,
        "a message that came in three parts",
        told(&said),
    );
    let mut wire = connected(run, way).await?;
    let message = making.long(LONG_BYTES);
    let said = asked(run, &mut wire, &message).await?;
    let good = matches!(&said, Said::Message(bytes) if Acknowledgement::read(bytes).is_ok());
    run.shows("hl7-long", good, "a message of 1 MiB", told(&said));
    Ok(())
}

async fn taken(run: &mut Run, way: &Way, making: &Making) -> Rest {
    let mut wire = connected(run, way).await?;
    let (control, message) = making.person();
    let ack = answered(run, &mut wire, &message).await?;
    let asked = "ADT^A28 of a made-up person, with a letter beyond ASCII in UTF-8";
    let accepted = ["AA", "CA"].contains(&ack.code.as_str());
    if !accepted && ack.control == control {
        let why = format!(
            "The receiver answers ADT^A28 with {}: it takes no message that could be made up here.",
            ack.code
        );
        run.leaves(&TAKEN, &why);
        return Ok(());
    }
    run.shows(
        "hl7-accepts",
        ack.control == control,
        asked,
        format!("answered with {}", ack.code),
    );
    let again = answered(run, &mut wire, &message).await?;
    let same = (&again.code, &again.control) == (&ack.code, &ack.control);
    let found = format!("{}, and {} when it comes again", ack.code, again.code);
    run.shows("hl7-repeat", same, asked, found);
    let (_, odd) = making.odd_charset();
    let ack = answered(run, &mut wire, &odd).await?;
    let found = format!("answered with {}", ack.code);
    run.shows(
        "hl7-charset",
        is_refusal(&ack.code),
        "MSH-18 with a character set that there is not",
        found,
    );
    let removed = answered(run, &mut wire, &making.removal()).await;
    if !removed.is_ok_and(|it| ["AA", "CA"].contains(&it.code.as_str())) {
        run.left.push(format!(
            "the made-up person {} (ADT^A28), of whom ADT^A29 was not accepted",
            making.person_id()
        ));
    }
    Ok(())
}
