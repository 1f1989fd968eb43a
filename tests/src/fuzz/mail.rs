//! What systems with mailboxes send, and other nodes about their messages.

use exchange::mailboxes::MailPart;
use exchange::mesh::{Credentials, Shown};

use super::mutate::explore;
use super::refusal;

fn token(mailbox: &Credentials, text: &str) -> &'static str {
    let Some(shown) = Shown::read(text) else {
        return "no token";
    };
    assert!(shown.nonce.len() <= 100, "{text}");
    // Nobody who made it knew the password.
    assert!(!mailbox.proves(&shown), "{text}");
    match shown.at() {
        Some(_) => "a token",
        None => "a token of no time",
    }
}

fn mail_target(mailbox: &Credentials, bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let token = token(mailbox, text.trim());
    let part = match serde_json::from_slice::<MailPart>(bytes) {
        Ok(part) => match part.check() {
            Ok(()) => {
                assert!(part.part >= 1 && part.part <= part.parts && part.chunk <= part.chunks);
                "a part".to_owned()
            }
            Err(problem) => refusal(&problem),
        },
        Err(_) => "no part".to_owned(),
    };
    format!("{token} {part}")
}

#[test]
fn no_bytes_are_a_mailbox_s_token_or_a_part_of_a_message_that_does_not_fit_it() {
    let mailbox = Credentials::new("X26ABC1", "a password that is in no corpus", "key").unwrap();
    let words = [
        "NHSMESH ",
        "X26ABC1:",
        ":1:202611281015:",
        "00000000",
        "\"parts\":",
        "\"chunk\":0",
        "4294967296",
        "\"plain\":-1",
        "\"written\":{\"mex-",
        "gzip",
        "\u{0}",
        "::",
    ];
    explore("mail", &words, |bytes| mail_target(&mailbox, bytes));
}
