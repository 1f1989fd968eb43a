//! What goes over GP Connect.

use crate::config::Config;

/// A line for the door, and one for the organisation's own system.
pub(super) fn told(config: &Config) -> Vec<String> {
    let settings = &config.gp_connect;
    let own = settings.asid.as_deref().unwrap_or_default();
    let consumers = settings.consumers().iter().map(|it| {
        let by = match &it.keys {
            Some(keys) => format!("signed with the keys in {}", keys.display()),
            None => "through the Spine's proxy alone".to_owned(),
        };
        format!("{} as ASID {} ({by})", it.ods, it.asid)
    });
    let consumers: Vec<String> = consumers.collect();
    let mut lines = match consumers.as_slice() {
        [] => vec!["No other system books into the diary here under GP Connect.".to_owned()],
        consumers => vec![format!(
            "Under GP Connect (this node's ASID is {own}) these systems find patients by NHS number, with name and date of birth, and see, book \
             and cancel appointments: {}.",
            consumers.join(", ")
        )],
    };
    lines.extend(settings.proxy_certificate.as_ref().map(|it| {
        format!("Whoever shows the certificate {it} is taken for the Spine's proxy, and believed without a signature.")
    }));
    lines.extend(settings.gateway.as_ref().map(|it| {
        let shown = match &it.certificate {
            Some(certificate) => format!("shows the certificate {certificate} and "),
            None => String::new(),
        };
        format!(
            "Through the NHS's gateway, which {shown}calls itself {} and signs with the keys in {}{}, patients see and order repeat medicines with \
             these apps: {}. They are who the ID tokens of {} say (keys in {}).",
            it.client,
            it.keys.display(),
            match &it.audience {
                Some(audience) => format!(" for {audience}"),
                None => String::new(),
            },
            it.apps.join(", "),
            it.issuer,
            it.issuer_keys.display()
        )
    }));
    lines.extend(settings.system.as_ref().map(|it| {
        let signed = match settings.signed {
            true => "signed",
            false => "without a signature",
        };
        format!(
            "Appointments are booked and cancelled in the organisation's own system at {it} (ASID {}, this node's {own}, telephone {}): NHS \
             numbers, and why patients come; tokens are {signed}.",
            settings.system_asid.as_deref().unwrap_or_default(),
            settings.telephone.as_deref().unwrap_or_default()
        )
    }));
    lines.extend(settings.medicines.as_ref().map(|it| {
        let proved = match (&settings.medicines_client, &settings.medicines_token_url) {
            (Some(client), Some(token_url)) => format!(
                "behind the NHS's gateway: this node shows itself as {client}, and the patient by the ID token of NHS login that {token_url} \
                 changes for a token; it is kept in memory for an hour at most"
            ),
            _ => "with a token that this node signs".to_owned(),
        };
        format!(
            "Repeat medicines are listed from, and asked for at, the organisation's own system at {it}, in the patient's name and by their NHS \
             number, {proved}."
        )
    }));
    lines
}
