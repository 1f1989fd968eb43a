//! `handover map`: what a message of a feed would become, without a node.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use exchange::Mappings;
use hl7v2::time::Zone;
use hl7v2::to_fhir::{Context, Layer, Mapping, Unidentified, map_by, show};
use store::Clock;

/// Prints the FHIR that HL7 v2 messages become, and what became of every field: the elements it went to, that it is kept in
/// an extension, or the rule by which it is ignored. Nothing is stored or sent.
///
/// --layer tries a layer that comes with the program, as `[hl7v2] layers` names it; `handover map --print-layer cdc` prints it, to be
/// put into a folder of one's own and changed, for one sender perhaps.
///
/// The file holds one message, or several one after another (each begins with MSH), with or without MLLP frames; lines may
/// end in any way. What is printed holds the message's content: it is for the sender's eyes.
#[derive(clap::Args)]
pub struct Map {
    /// The file; `-` reads standard input.
    #[arg(required_unless_present = "print_layer")]
    file: Option<PathBuf>,
    /// The organisation at whose node the message would arrive.
    #[arg(long, default_value = "RZZ01")]
    ods: String,
    /// A folder of JSON files that change the mapping, as `[hl7v2] mapping` names one. Try a change here before a node reads
    /// it.
    #[arg(long)]
    mapping: Option<PathBuf>,
    /// A layer that comes with the program, under those of the folder; may be given more than once. There is one: cdc.
    #[arg(long)]
    layer: Vec<String>,
    /// Prints a layer that comes with the program, and maps nothing.
    #[arg(long, conflicts_with = "file")]
    print_layer: Option<String>,
}

impl Map {
    pub fn run(self) -> anyhow::Result<()> {
        if let Some(name) = &self.print_layer {
            print!("{}", Layer::shipped(name)?.text);
            return Ok(());
        }
        let bytes = read(&self.file.unwrap_or_else(|| "-".into()))?;
        let messages = messages(&bytes);
        anyhow::ensure!(!messages.is_empty(), "no line begins with MSH");
        let context = Context {
            received_at: Clock::system().now(),
            zone: Zone::London,
            organisation: self.ods,
            unidentified: Unidentified::Refuse,
        };
        let mappings = Mappings::with(&self.layer, self.mapping.as_deref())?;
        let mapping = mappings.current();
        let mut refused = 0;
        for (number, message) in (1..).zip(&messages) {
            if messages.len() > 1 {
                println!("== message {number} of {}", messages.len());
            }
            match mapped(&mapping, message, &context) {
                Ok(text) => println!("{text}"),
                Err(reason) => {
                    refused += 1;
                    println!("It would not be mapped: {reason}\n");
                }
            }
        }
        anyhow::ensure!(
            refused == 0,
            "{refused} of {} messages would not be mapped",
            messages.len()
        );
        Ok(())
    }
}

/// A file; `-` is standard input.
fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    if file.as_os_str() != "-" {
        return std::fs::read(file).with_context(|| file.display().to_string());
    }
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut bytes)?;
    Ok(bytes)
}

fn mapped(mapping: &Mapping, message: &[u8], context: &Context) -> Result<String, String> {
    let message = hl7v2::parse(message).map_err(|fault| fault.to_string())?;
    let mapped =
        map_by(mapping, &message, context).map_err(|problem| match problem.expression {
            Some(place) => format!("{place}: {}", problem.message),
            None => problem.message,
        })?;
    Ok(show(&mapped))
}

/// The messages of a file, as a sender would send them: segments end in CR, no frames.
fn messages(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut messages: Vec<Vec<u8>> = Vec::new();
    let lines = bytes.split(|byte| matches!(byte, b'\r' | b'\n' | 0x0b | 0x1c));
    for line in lines.filter(|line| !line.is_empty()) {
        if line.starts_with(b"MSH") {
            messages.push(Vec::new());
        }
        if let Some(message) = messages.last_mut() {
            message.extend_from_slice(line);
            message.push(b'\r');
        }
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_apart_whatever_ends_their_lines() {
        let file = b"\x0bMSH|^~\\&|A\rPID|1\r\x1c\rMSH|^~\\&|B\r\nPID|2\r\n\nMSH|^~\\&|C\n";
        let expected: [&[u8]; 3] = [
            b"MSH|^~\\&|A\rPID|1\r",
            b"MSH|^~\\&|B\rPID|2\r",
            b"MSH|^~\\&|C\r",
        ];
        assert_eq!(messages(file), expected);
    }
}
