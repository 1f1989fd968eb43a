//! A link between nodes in one process, which loses, doubles, delays and reorders.

use std::collections::HashMap;
use std::sync::Arc;

use access::Ods;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use exchange::transport::Answering;
use exchange::wire::{Outcome, ReceiptsTaken, Taken};
use exchange::{Exchange, Failure, Transport, Witnessing};
use parking_lot::Mutex;

/// What becomes of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Fine,
    /// It does not arrive.
    Lost,
    /// It arrives; the answer does not.
    AnswerLost,
    /// It arrives twice.
    Doubled,
    /// It arrives later, after requests that were sent after it; its answer is lost.
    Late,
}

type Decide = Box<dyn FnMut(&Ods, &Ods) -> Fate + Send>;

/// One request on its way.
#[derive(Clone)]
enum Call {
    Parcels(Bytes),
    Takes,
    Held(String),
    Append(String, u64, Bytes),
    Receipts(Bytes),
    Preferences(Bytes),
    Ask(Bytes),
    Slots(Bytes),
}

/// What connects the nodes.
pub struct Link {
    nodes: Mutex<HashMap<Ods, Arc<Exchange>>>,
    decide: Mutex<Decide>,
    late: Mutex<Vec<(Ods, Ods, Call)>>,
    /// A manifest that holds this text is called malformed.
    pub poison: Mutex<Option<String>>,
    /// Whether every receipt is answered `later`.
    pub keeps_no_receipt: Mutex<bool>,
    /// Whether nodes answer as those of an earlier version do, which do not say what they take.
    pub is_old: Mutex<bool>,
    /// Requests sent so far.
    pub sent: Mutex<usize>,
    /// What these answer to a question, whatever it is.
    pub instead: Mutex<HashMap<Ods, Bytes>>,
    /// The last question that was put, by whom and to whom.
    pub asked: Mutex<Option<(Ods, Ods, Bytes)>>,
    /// Who takes a request and never answers it.
    pub mute: Mutex<Vec<Ods>>,
}

impl Link {
    pub fn new() -> Arc<Link> {
        Arc::new(Link {
            nodes: Mutex::default(),
            decide: Mutex::new(Box::new(|_, _| Fate::Fine)),
            late: Mutex::default(),
            poison: Mutex::default(),
            keeps_no_receipt: Mutex::default(),
            is_old: Mutex::default(),
            sent: Mutex::default(),
            instead: Mutex::default(),
            asked: Mutex::default(),
            mute: Mutex::default(),
        })
    }

    /// From now on what becomes of a request, by its sender and receiver.
    pub fn set(&self, decide: impl FnMut(&Ods, &Ods) -> Fate + Send + 'static) {
        *self.decide.lock() = Box::new(decide);
    }

    pub fn connect(&self, node: &Arc<Exchange>) {
        self.nodes
            .lock()
            .insert(node.organisation().clone(), node.clone());
    }

    pub fn disconnect(&self, ods: &Ods) {
        self.nodes.lock().remove(ods);
    }

    fn node(&self, to: &Ods) -> Result<Arc<Exchange>, Failure> {
        let node = self.nodes.lock().get(to).cloned();
        node.ok_or_else(|| Failure::new("The other node cannot be reached."))
    }

    /// Lets what was late arrive, the last first.
    pub async fn let_late_arrive(&self) {
        let late = std::mem::take(&mut *self.late.lock());
        for (from, to, call) in late.into_iter().rev() {
            let _ = self.arrive(&from, &to, call).await;
        }
    }

    async fn arrive(&self, from: &Ods, to: &Ods, call: Call) -> Result<(Bytes, u64), Failure> {
        let node = self.nodes.lock().get(to).cloned();
        let node = node.ok_or_else(|| Failure::new("The other node cannot be reached."))?;
        let done = match call {
            Call::Parcels(body) => node
                .take_parcels(from, &body)
                .await
                .map(|it| (it.into(), 0)),
            Call::Receipts(_) if *self.keeps_no_receipt.lock() => {
                let later = || Taken {
                    outcome: Outcome::Later,
                    reason: String::new(),
                };
                let results = std::iter::repeat_with(later).take(500).collect();
                exchange::wire::write(&ReceiptsTaken { results }).map(|it| (it.into(), 0))
            }
            Call::Receipts(body) => node
                .take_receipts(from, &body)
                .await
                .map(|it| (it.into(), 0)),
            Call::Preferences(body) => node
                .answer_preferences(from, &body)
                .await
                .map(|it| (it.into(), 0)),
            Call::Ask(body) => {
                let instead = self.instead.lock().get(to).cloned();
                match instead {
                    Some(said) => Ok((said, 0)),
                    None => node
                        .answer_question(from, &body)
                        .await
                        .map(|it| (it.into(), 0)),
                }
            }
            Call::Slots(body) => node
                .answer_slots(from, &body)
                .await
                .map(|it| (it.into(), 0)),
            Call::Takes => match *self.is_old.lock() {
                true => {
                    let sentence = "The exchange protocol has no such address.".to_string();
                    let status = Some(404);
                    return Err(Failure { sentence, status });
                }
                false => node.answer_takes().map(|it| (it.into(), 0)),
            },
            Call::Held(sha256) => node
                .held_content(from, &sha256)
                .await
                .map(|it| (Bytes::new(), it.held)),
            Call::Append(sha256, start, bytes) => {
                let appended = node
                    .append_content(from, &sha256, start, bytes.to_vec())
                    .await;
                appended.map(|it| (Bytes::new(), it.held))
            }
        };
        done.map_err(|problem| {
            let conflict = problem.kind == fhir::problem::Kind::Conflict;
            Failure {
                sentence: problem.message,
                status: Some(if conflict { 409 } else { 400 }),
            }
        })
    }

    fn is_poisoned(&self, call: &Call) -> bool {
        let (Call::Parcels(body), Some(poison)) = (call, self.poison.lock().clone()) else {
            return false;
        };
        let request: exchange::wire::SendParcels = serde_json::from_slice(body).unwrap();
        let payload = request.manifest.split('.').nth(1).unwrap();
        let payload = URL_SAFE_NO_PAD.decode(payload).unwrap();
        String::from_utf8(payload).unwrap().contains(&poison)
    }

    async fn send(&self, from: &Ods, to: &Ods, call: Call) -> Result<(Bytes, u64), Failure> {
        *self.sent.lock() += 1;
        if self.is_poisoned(&call) {
            let sentence = "The other node answered 400: no.".to_string();
            return Err(Failure {
                sentence,
                status: Some(400),
            });
        }
        let fate = (self.decide.lock())(from, to);
        let broken = || Err(Failure::new("The other node cannot be reached."));
        match fate {
            Fate::Fine => self.arrive(from, to, call).await,
            Fate::Lost => broken(),
            Fate::AnswerLost => {
                let _ = self.arrive(from, to, call).await;
                broken()
            }
            Fate::Doubled => {
                let _ = self.arrive(from, to, call.clone()).await;
                self.arrive(from, to, call).await
            }
            Fate::Late => {
                self.late.lock().push((from.clone(), to.clone(), call));
                broken()
            }
        }
    }
}

/// The link as one node's transport.
pub struct End {
    pub link: Arc<Link>,
    pub from: Ods,
}

impl Transport for End {
    fn parcels<'a>(&'a self, to: &'a Ods, body: Bytes) -> Answering<'a, Bytes> {
        Box::pin(async move { Ok(self.link.send(&self.from, to, Call::Parcels(body)).await?.0) })
    }

    fn takes<'a>(&'a self, to: &'a Ods) -> Answering<'a, Bytes> {
        Box::pin(async move { Ok(self.link.send(&self.from, to, Call::Takes).await?.0) })
    }

    fn held<'a>(&'a self, to: &'a Ods, sha256: &'a str) -> Answering<'a, u64> {
        let call = Call::Held(sha256.to_string());
        Box::pin(async move { Ok(self.link.send(&self.from, to, call).await?.1) })
    }

    fn append<'a>(
        &'a self,
        to: &'a Ods,
        sha256: &'a str,
        start: u64,
        bytes: Bytes,
    ) -> Answering<'a, u64> {
        let call = Call::Append(sha256.to_string(), start, bytes);
        Box::pin(async move { Ok(self.link.send(&self.from, to, call).await?.1) })
    }

    fn receipts<'a>(&'a self, to: &'a Ods, body: Bytes) -> Answering<'a, Bytes> {
        Box::pin(async move {
            Ok(self
                .link
                .send(&self.from, to, Call::Receipts(body))
                .await?
                .0)
        })
    }

    fn preferences<'a>(&'a self, to: &'a Ods, body: Bytes) -> Answering<'a, Bytes> {
        let call = Call::Preferences(body);
        Box::pin(async move { Ok(self.link.send(&self.from, to, call).await?.0) })
    }

    fn record<'a>(&'a self, to: &'a Ods, body: Bytes) -> Answering<'a, Bytes> {
        Box::pin(async move {
            *self.link.asked.lock() = Some((self.from.clone(), to.clone(), body.clone()));
            let is_mute = self.link.mute.lock().contains(to);
            if is_mute {
                std::future::pending::<()>().await;
            }
            Ok(self.link.send(&self.from, to, Call::Ask(body)).await?.0)
        })
    }

    fn slots<'a>(&'a self, to: &'a Ods, body: Bytes) -> Answering<'a, Bytes> {
        Box::pin(async move {
            let is_mute = self.link.mute.lock().contains(to);
            if is_mute {
                std::future::pending::<()>().await;
            }
            Ok(self.link.send(&self.from, to, Call::Slots(body)).await?.0)
        })
    }

    fn witness<'a>(&'a self, to: &'a Ods, body: Bytes) -> Answering<'a, Witnessing> {
        Box::pin(async move {
            let node = self.link.node(to)?;
            let taken = node.take_checkpoint(&self.from, &body).await;
            taken.map_err(|problem| Failure {
                sentence: problem.message,
                status: Some(403),
            })
        })
    }

    fn witnessed<'a>(&'a self, to: &'a Ods) -> Answering<'a, String> {
        Box::pin(async move {
            let node = self.link.node(to)?;
            let shown = node.show_witnessed(&self.from).await;
            shown.map_err(|problem| Failure::new(problem.message))
        })
    }

    fn directory<'a>(&'a self, to: &'a Ods, above: u64) -> Answering<'a, Option<String>> {
        Box::pin(async move {
            let node = self.link.node(to)?;
            Ok(node.newer_directory(above).map(|text| text.to_string()))
        })
    }
}
