//! `handover dpia`: the facts that an impact assessment and a record of processing need (P34), from the settings that the
//! node runs with and the directory that it trusts. What is not known from these is said to be so.

mod downtime;
mod gp_connect;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use exchange::Directory;
use web::sign_in::Way;

use super::directory::read_stewards;
use crate::config::fhir::ConditionalDelete;
use crate::config::{AuditDurability, Config, OnFamiliar, Relationships, TlsVersion};

/// Prints the facts for an impact assessment (DPIA) and a record of processing: what is stored and for how long, who may see
/// what, which doors are open, to whom records go, and what protects them. As Markdown, from the settings and the directory.
#[derive(clap::Args)]
pub struct Dpia {
    /// The node's settings.
    #[arg(long, default_value = "handover.toml")]
    config: PathBuf,
}

impl Dpia {
    pub fn run(self) -> anyhow::Result<()> {
        let config = Config::read(&self.config)?;
        let directory = directory(&config)?;
        print!("{}", facts(&config, directory.as_ref()));
        Ok(())
    }
}

/// The directory, if there is one yet.
fn directory(config: &Config) -> anyhow::Result<Option<Directory>> {
    let path = &config.exchange.directory;
    if !path.exists() {
        return Ok(None);
    }
    let named = || format!("exchange.directory: {}", path.display());
    let text = std::fs::read_to_string(path).with_context(named)?;
    let stewards = read_stewards(config)?;
    let now = store::Clock::system().now();
    Ok(Some(
        Directory::verify(&text, &stewards, now).with_context(named)?,
    ))
}

/// All facts, a section each.
fn facts(config: &Config, directory: Option<&Directory>) -> String {
    let organisation = &config.organisation;
    let mut text = format!(
        "# Facts for the impact assessment of {} ({})\n\nMade by `handover dpia` from the settings and the directory. Who \
         decides on the processing: {}, as {}.\n",
        organisation.name,
        organisation.ods,
        organisation.name,
        organisation.roles.join(", ")
    );
    let sections: [(&str, Vec<String>); 8] = [
        ("What is stored, and where", stored(config)),
        ("For how long", kept(config)),
        ("Who comes in, and how", doors(config)),
        ("Who sees what", seen(config)),
        ("The trace", trace(config)),
        ("Mailboxes of systems here", mailboxes(config)),
        ("To whom records go", recipients(config, directory)),
        ("Keys and secrets", keys(config)),
    ];
    for (title, lines) in sections {
        let _ = write!(text, "\n## {title}\n\n");
        for line in lines {
            let _ = writeln!(text, "- {line}");
        }
    }
    text
}

fn shown(path: &Path) -> String {
    format!("`{}`", path.display())
}

fn stored(config: &Config) -> Vec<String> {
    let place = match &config.store.postgres {
        Some(url) => format!(
            "In the schema `{}` of the PostgreSQL database that {} names. Encryption at rest is that database's.",
            config.store.schema,
            shown(url)
        ),
        None => format!(
            "In the SQLite file {} and the files beside it whose names begin with its name (log, journal, reserve). The \
             node does not encrypt them: the disk's own encryption must.",
            shown(&config.store.sqlite)
        ),
    };
    vec![
        "Health records as FHIR R4 resources, in every version; letters with their content and journey; HL7 v2 messages as \
         they came; care relationships, emergency access and dissents; accounts, sessions and tokens; the trace of who saw \
         and changed what."
            .into(),
        place,
        copies(config),
    ]
}

fn copies(config: &Config) -> String {
    let backup = &config.backup;
    let place = match (&backup.folder, &backup.s3_endpoint) {
        (Some(folder), _) => format!("the folder {}", shown(folder)),
        (None, Some(endpoint)) => format!(
            "the bucket {} in {} at {endpoint}{}, which is asked to add only, by the key in {}",
            backup.s3_bucket.as_deref().unwrap_or("?"),
            backup.s3_region,
            if backup.s3_private {
                " (an address that need not be public, or without TLS)"
            } else {
                ""
            },
            shown(&backup.s3_credentials)
        ),
        (None, None) => {
            return "NO COPIES are sent by the node: whoever runs the machine makes them, if anybody does.".into();
        }
    };
    format!(
        "Copies go to {place}, sealed to the offline key whose public half is {}: what changed every {} seconds, all of it \
         every {} hours; one that is late stands on the work list after {} minutes.",
        shown(&backup.key),
        backup.every_seconds,
        backup.full_hours,
        backup.overdue_minutes
    )
}

/// What moves in messages that the node does not read.
fn mailboxes(config: &Config) -> Vec<String> {
    let section = &config.mesh_server;
    let Some(listen) = section.listen else {
        return vec!["None: that door is shut.".into()];
    };
    let certificates = match &section.client_authorities {
        Some(path) => format!("with a certificate of the authorities in {}", shown(path)),
        None => "without client certificates".into(),
    };
    let named = section.mailboxes().iter();
    let named: Vec<String> = named.map(|it| format!("{} ({})", it.id, it.name)).collect();
    let outside = match &config.mesh.mailbox {
        Some(mailbox) => format!("by the mailbox {mailbox} at MESH"),
        None => "nowhere: they are refused".into(),
    };
    let rules = section.collect.iter().flatten();
    let rules: Vec<String> = rules
        .map(|it| format!("{} to {}", it.workflow, it.mailbox))
        .collect();
    let collected = match rules.is_empty() {
        true => {
            "Nothing that comes for the organisation's mailbox at MESH is put into them.".into()
        }
        false => format!(
            "Of what comes for the organisation's mailbox at MESH, by workflow: {}. What fits none of these is kept for a \
             person to look at.",
            rules.join(", ")
        ),
    };
    vec![
        collected,
        format!(
            "{} mailboxes at {listen}, opened by password and shared key, {certificates}: {}.",
            named.len(),
            named.join(", ")
        ),
        format!(
            "What they send goes to mailboxes here and of other members; messages for others go {outside}. Content is kept \
             30 days, what is written on a message a year."
        ),
    ]
}

fn kept(config: &Config) -> Vec<String> {
    vec![
        "Records, letters, messages and the trace: until somebody deletes them. The node carries out no retention schedule."
            .into(),
        format!(
            "Bulk exports and imports: {} hours, then their files are dropped; at most {} bytes each import.",
            config.bulk.keep_hours, config.bulk.import_bytes_max
        ),
        format!(
            "Sessions: {} minutes without use, {} hours at most.",
            config.sign_in.idle_minutes, config.sign_in.absolute_hours
        ),
        match config.fhir.conditional_delete {
            ConditionalDelete::Single => "A request deletes one resource; its earlier versions stay.".into(),
            ConditionalDelete::Multiple => format!(
                "A request may delete up to {} resources; their earlier versions stay.",
                config.fhir.deleted_max
            ),
        },
    ]
}

fn way(way: Way) -> &'static str {
    match way {
        Way::Oidc => "the organisation's identity provider",
        Way::NhsLogin => "NHS login",
        Way::Passkey => "a passkey",
        Way::PasswordTotp => "a password and an app's code",
        Way::Password => "a PASSWORD ALONE, which is for made-up people only",
    }
}

fn ways(ways: &[Way]) -> String {
    let all: Vec<&str> = ways.iter().map(|it| way(*it)).collect();
    if all.is_empty() {
        "nobody".into()
    } else {
        all.join("; ")
    }
}

fn doors(config: &Config) -> Vec<String> {
    let pages = &config.pages;
    let protected = match (&pages.tls_certificate, pages.behind_proxy) {
        (Some(certificate), _) => format!(
            "TLS {} and newer with the certificate {}",
            match pages.tls_oldest {
                TlsVersion::V12 => "1.2",
                TlsVersion::V13 => "1.3",
            },
            shown(certificate)
        ),
        (None, true) => "TLS ended by a proxy before it".into(),
        (None, false) => "without TLS, from this machine alone".into(),
    };
    let provider = |issuer: &Option<String>, client: &Option<String>| {
        let known = client.as_deref().unwrap_or("?");
        issuer
            .as_ref()
            .map(|issuer| format!("{issuer} (as {known})"))
    };
    let nhs_login = provider(&config.nhs_login.issuer, &config.nhs_login.client_id);
    let nhs_login =
        nhs_login.map(|it| format!("{it}, asking for {}", config.nhs_login.vtr.join(", ")));
    let staff = provider(&config.staff_oidc.issuer, &config.staff_oidc.client_id);
    let staff = staff.map(|it| {
        format!(
            "{it}, its roles read by {}",
            shown(&config.staff_oidc.role_table)
        )
    });
    let off = || "off".to_owned();
    vec![
        format!(
            "Pages and FHIR: {} on {}, {protected}.",
            pages.public_url, pages.listen
        ),
        format!("Staff sign in by: {}.", ways(&config.sign_in.staff)),
        format!("Patients sign in by: {}.", ways(&config.sign_in.patients)),
        format!("NHS login: {}.", nhs_login.unwrap_or_else(off)),
        format!("Staff identities of others: {}.", staff.unwrap_or_else(off)),
        format!(
            "Apps of others: {}; {}.",
            if config.apps.registration_open {
                "anybody may register one, and a person approves it"
            } else {
                "a person registers each"
            },
            if config.apps.secrets_allowed {
                "shared secrets are allowed"
            } else {
                "each has a key of its own"
            }
        ),
        match (&config.apps.mtls_url, config.apps.mtls_listen) {
            (Some(url), Some(address)) => format!(
                "Apps with certificates: {url} on {address}, mutual TLS 1.3; their tokens are bound to the certificate."
            ),
            _ => "Apps with certificates: the door is shut.".into(),
        },
        hl7v2_doors(config),
        hl7v2_destinations(config),
        format!(
            "Other nodes: {} on {}, mutual TLS 1.3.",
            config.exchange.public_url, config.exchange.listen
        ),
    ]
}

fn seen(config: &Config) -> Vec<String> {
    vec![
        match config.access.relationships {
            Relationships::Required => "Staff see a patient's record while a care relationship is recorded.".into(),
            Relationships::Organisation => "Staff see every record that the organisation holds.".into(),
        },
        format!(
            "What patients do not want shared is told to those who hold something about them; without word of their home \
             practice for {} seconds, what came from others is withheld, but in an emergency. A signed copy of their wishes \
             is with: {}.",
            config.sharing.unconfirmed_after_seconds,
            config.sharing.second_keeper.as_deref().unwrap_or("nobody")
        ),
        match config.sharing.keep_answers_hours {
            0 => "What other organisations answer about a patient is shown, and not kept.".into(),
            hours => format!(
                "The last answer of each other organisation about a patient is kept for {hours} hours, for when it is down; never \
                 what an emergency opened, and never of whom a preference or a restriction is known."
            ),
        },
        match config.appointments.keeps_diary() {
            true => "This node holds the diary: patients and, where a session is published for them, other \
                 organisations book into it.".into(),
            false => "Another system holds the diary; nothing is booked into this node.".into(),
        },
        match config.appointments.clinics.as_slice() {
            [] => "No appointments of other organisations are booked from here.".into(),
            clinics => format!(
                "Who books an appointment at one of these has their NHS number, date of birth, family name and reason sent \
                 there: {}. What they do not answer is before staff after {} hours.",
                clinics.join(", "),
                config.appointments.answer_hours
            ),
        },
        "What is sealed is its workgroup's; what a patient dissents from is withheld, and said to be.".into(),
        format!(
            "In an emergency a clinician opens one record with a reason and a second proof for {} hours; the privacy \
             officer is told at once, and so is the patient.",
            config.access.emergency_hours
        ),
        format!(
            "Staff who would open their own record are {}; records of family and colleagues are {}.",
            then(config.access.own_record),
            then(config.access.familiar_records)
        ),
        match config.access.unnamed_roles.as_slice() {
            [] => "Patients see the name of everyone who looked.".into(),
            roles => format!("Patients see who looked, without the names of: {}.", roles.join(", ")),
        },
        "Where a restricted patient lives is taken out of all that is answered, and released by reason to one who must visit.".into(),
        format!(
            "A patient sees their own record once their identity is proved; a letter when it is filed, or after {} days.",
            config.letters.release_after_days
        ),
        format!(
            "People who act for a patient see what the patient or the practice chose, and nothing with a mark of a sensitive \
             matter; a child's is looked at again at {} and ends at {}, an adult's lasts {} months at most. A patient's record \
             can be shut to all online use.",
            config.access.proxy_review_age, config.access.proxy_end_age, config.access.proxy_months_max
        ),
        format!(
            "What a patient writes to the practice is read on its pages alone and mailed nowhere; what nobody has opened for {} \
             hours stands on the work list. Questions about an entry go to the organisation that wrote it.",
            config.messages.unopened_hours
        ),
        "Engineers see queues and no records; a privacy officer sees the trace and the list.".into(),
    ]
}

fn then(on: OnFamiliar) -> &'static str {
    match on {
        OnFamiliar::Refuse => "refused",
        OnFamiliar::Flag => "let in, and the privacy officer is told",
    }
}

fn trace(config: &Config) -> Vec<String> {
    vec![
        match config.audit.durability {
            AuditDurability::BeforeAnswer => "Every look, change and refusal is on the disk before its answer leaves.".into(),
            AuditDurability::WithinOneSecond => "Traces are on the disk a SECOND AFTER the answer: for measuring only.".into(),
        },
        format!(
            "{} bytes of the disk are kept for it, for when there is no other room left.",
            config.audit.reserve_bytes
        ),
        "It is under a Merkle tree whose signed checkpoints the neighbours witness; patients see their part of it.".into(),
    ]
}

fn recipients(config: &Config, directory: Option<&Directory>) -> Vec<String> {
    let mut lines = vec![format!(
        "Letters go to the practice that each names; one that cannot be delivered for {} days is put before a person.",
        config.letters.undeliverable_after_days
    )];
    match directory {
        None => lines.push(format!(
            "There is no directory yet at {}: nobody.",
            shown(&config.exchange.directory)
        )),
        Some(directory) => {
            let others = directory
                .members
                .iter()
                .filter(|it| it.ods != config.organisation.ods);
            lines.extend(others.map(|it| {
                format!(
                    "Member of the network: {} ({}), {}, at {}",
                    it.name,
                    it.ods,
                    it.roles.join(", "),
                    it.exchange
                )
            }));
        }
    }
    let inside = &config.subscriptions.allowed_hosts;
    lines.push(match inside.is_empty() {
        true => "Subscribers are told at public addresses only.".into(),
        false => format!(
            "Subscribers may also be at these hosts, which are not public: {}.",
            inside.join(", ")
        ),
    });
    lines.push(format!(
        "Bulk exports: to systems and patients who ask, as far as each may read, at most {} at a time each.",
        config.bulk.jobs_a_caller_max
    ));
    lines.push(opt_outs(config));
    lines.push(faxes(config));
    lines.push(itk3(config));
    lines.push(prescriptions(config));
    lines.extend(gp_connect::told(config));
    lines.push(pds(config));
    lines.push(config.bars.told());
    lines.extend(downtime::told(config));
    lines.push("Which apps and subscribers there are now: `handover app`, and the pages Apps and Work list.".into());
    lines
}

fn opt_outs(config: &Config) -> String {
    let (mesh, asked) = (&config.mesh, &config.opt_out);
    let (Some(theirs), Some(url), Some(own)) = (&asked.mailbox, &mesh.base_url, &mesh.mailbox)
    else {
        return "National data opt-outs are not asked after: exports for other uses than care are refused.".into();
    };
    let believed = match &mesh.authorities {
        Some(path) => format!("by {}", shown(path)),
        None => "by the system's certificate authorities".into(),
    };
    format!(
        "The NHS numbers of everybody here go to the mailbox {theirs} every {} hours, to ask after national data opt-outs: over \
         MESH at {url}, believed {believed}, from the mailbox {own}; answers come from {}. Exports for other uses than care leave \
         out whoever is not in an answer of at most {} days.",
        asked.every_hours,
        asked.answers_from.as_ref().unwrap_or(theirs),
        asked.days_max
    )
}

fn faxes(config: &Config) -> String {
    let fax = &config.fax;
    if !fax.enabled {
        return "Faxes are neither taken nor sent.".into();
    }
    let out = match &fax.sendfax {
        Some(program) => format!(
            "Letters for organisations without a node leave by {} IN CLEAR over the telephone network, to numbers that two \
             people have put onto a list; their pages lie in {} while it takes them; cover sheets say to ring {}.",
            shown(program),
            shown(&fax.spool),
            fax.contact.as_deref().unwrap_or("the sender")
        ),
        None => "None leave.".into(),
    };
    format!(
        "Faxes are taken from a fax server and wait until a person says whose they are; their files are kept {} days after \
         that. {out}",
        fax.keep_days
    )
}

fn itk3(config: &Config) -> String {
    let (itk3, mesh) = (&config.itk3, &config.mesh);
    let (true, Some(url), Some(own)) = (itk3.enabled, &mesh.base_url, &mesh.mailbox) else {
        return "No ITK3 documents are sent or taken over MESH.".into();
    };
    let known = itk3.receivers().iter();
    let known: Vec<String> = known
        .map(|it| format!("{} ({})", it.ods, it.mailbox))
        .collect();
    let known = match known.as_slice() {
        [] => "nobody by a mailbox that is known".to_owned(),
        known => known.join(", "),
    };
    let others = match itk3.automatic {
        true => {
            "others' practices as MESH finds them by the patient's NHS number, date of birth and surname"
        }
        false => "nobody else",
    };
    format!(
        "Letters for organisations without a node leave as ITK3 documents over MESH at {url} from the mailbox {own}: to {known}; \
         and to {others}. What comes there is kept as it came for {} days.",
        itk3.keep_days
    )
}

fn prescriptions(config: &Config) -> String {
    match &config.prescriptions.eps {
        None => "Prescriptions are neither sent to nor fetched from the Electronic Prescription Service.".into(),
        Some(eps) => format!(
            "Prescriptions go to, and come from, a stand-in of the Electronic Prescription Service at {eps}: names, dates of birth, \
             NHS numbers, addresses and medicines. It is no lawful service."
        ),
    }
}

fn pds(config: &Config) -> String {
    let section = &config.pds;
    match &section.url {
        None => "PDS, the national record of who is who, is not asked.".into(),
        Some(url) => format!(
            "PDS at {url} is asked who the people here are, at most {} times a second and again after {} hours: NHS numbers go there, and \
             names, dates of birth and postcodes where staff look for somebody. What it says is kept here with its time. This node shows itself there as {}.",
            section.a_second,
            section.fresh_hours,
            match (&section.client, &section.token_url) {
                (Some(client), Some(token_url)) =>
                    format!("{client}, by {token_url}, key {}", section.key_id),
                _ => "nobody: it is a stand-in on this machine".into(),
            }
        ),
    }
}

fn keys(config: &Config) -> Vec<String> {
    let of = |issuer: &Option<String>, key: &Path| issuer.as_ref().map(|_| shown(key));
    let mut files = vec![format!(
        "{} (signatures, TLS to nodes, sealing of sign-in secrets)",
        shown(&config.exchange.keys)
    )];
    files.extend(config.pages.tls_key.as_deref().map(shown));
    files.extend(of(&config.nhs_login.issuer, &config.nhs_login.key));
    files.extend(of(&config.staff_oidc.issuer, &config.staff_oidc.key));
    files.extend(of(&config.mesh.base_url, &config.mesh.password));
    files.extend(of(&config.mesh.base_url, &config.mesh.shared_key));
    files.extend(config.mesh.key.as_deref().map(shown));
    files.extend(of(&config.pds.client, &config.pds.key));
    let prescriptions = &config.prescriptions;
    files.extend(of(&prescriptions.client, &prescriptions.key));
    files.extend(config.bars.services().iter().map(|it| shown(&it.token)));
    files.extend(config.bars.tokens.as_deref().map(shown));
    vec![
        format!("Files that only the node's user may read; it does not start otherwise: {}.", files.join(", ")),
        format!(
            "The network's stewards are believed by {}; {} of them must have signed.",
            shown(&config.exchange.steward_key),
            config.exchange.signatures_needed
        ),
        "Passwords, tokens and apps' secrets are stored as digests; the secrets of codes are sealed.".into(),
    ]
}

fn hl7v2_doors(config: &Config) -> String {
    let doors = crate::node::hl7v2::doors(config);
    let told = doors.iter().map(|(address, guard)| match *guard {
        "TLS with client certificates" => {
            format!("HL7 v2 on {address}, TLS: systems that show a certificate of ours may send.")
        }
        guard => format!(
            "HL7 v2 without sign-in on {address} ({guard}): whoever reaches that network may send."
        ),
    });
    match doors.is_empty() {
        true => "HL7 v2: the door is shut.".into(),
        false => told.collect::<Vec<_>>().join(" "),
    }
}

fn hl7v2_destinations(config: &Config) -> String {
    let told = config.hl7v2.destinations().iter().map(|it| {
        let tls = if it.authorities.is_some() {
            "TLS"
        } else {
            "no TLS"
        };
        format!(
            "{} to {} at {} ({tls})",
            it.sends.join(", "),
            it.name,
            it.address
        )
    });
    let told: Vec<String> = told.collect();
    match told.is_empty() {
        true => "HL7 v2: no other system is told of changes.".into(),
        false => format!("HL7 v2 goes out: {}.", told.join("; ")),
    }
}
