//! A request with an app's token: who it is for, and what the app was granted.

use std::sync::Arc;

use access::oauth::{Granted, Level, Proof, Scopes};
use access::{Role, Who};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use http::request::Parts;

use super::bound::Bound;
use super::proof::{self, Fault};
use crate::node::Node;
use crate::secret::Secret;
use crate::serve::PeerCertificate;
use crate::sign_in::Known;

/// How a token came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Bearer,
    Dpop,
}

/// The holder of an app's token.
///
/// # Errors
/// `Login` if the token is not good, or not proved as it must be.
pub async fn holder(
    node: &Node,
    request: &Parts,
    (scheme, token): (Scheme, &str),
    now: Millis,
) -> Result<(Known, Arc<Granted>), Problem> {
    let not_good = || Problem::new(Kind::Login, "The token is not, or no longer, good.");
    let secret = Secret::presented(token).ok_or_else(not_good)?;
    let access = node.store.oauth_access(&secret.digest(), now).await?;
    let access = access.ok_or_else(not_good)?;
    if access
        .session
        .is_some_and(|session| node.sign_in.is_over(session, now))
    {
        return Err(not_good());
    }
    match (access.jkt.as_deref().map(Bound::read), scheme) {
        (None, Scheme::Bearer) => {}
        (Some(bound @ Bound::Certificate(_)), Scheme::Bearer) => {
            let shown = request.extensions.get::<PeerCertificate>();
            if shown.map(Bound::to).as_ref() != Some(&bound) {
                let message = "The token is bound to a certificate: use it on a connection with mutual \
                     TLS that shows that certificate.";
                return Err(Problem::new(Kind::Login, message));
            }
        }
        (Some(Bound::Key(jkt)), Scheme::Dpop) => {
            let url = format!("{}{}", node.site.base_url, request.uri.path());
            let proof = Proof {
                method: request.method.as_str(),
                url: &url,
                access_token: Some(token),
            };
            let proved = proof::thumbprint(&node.store, &request.headers, proof, now).await;
            let proved = proved.map_err(|fault| match fault {
                Fault::Wrong(message) => Problem::new(Kind::Login, message),
                Fault::Store(problem) => problem,
            })?;
            if proved != Some(jkt) {
                return Err(Problem::new(
                    Kind::Login,
                    "The token is bound to another key.",
                ));
            }
        }
        // A stolen bound token is worth nothing as a bearer's.
        _ => return Err(not_good()),
    }
    let who = access.account.who();
    let levels: &[Level] = match &who {
        Who::Staff {
            role: Role::System, ..
        } => &[Level::System],
        _ => &[Level::Patient, Level::User],
    };
    let scopes = Scopes::parse(&access.scopes).of(levels);
    let granted = scopes.granted(&access.client, &access.name, access.patient.as_deref());
    let known = Known::by_token(&access.account);
    Ok((known, Arc::new(granted)))
}
