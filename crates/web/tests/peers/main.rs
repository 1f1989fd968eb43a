//! Two nodes over real sockets: mutual TLS, the exchange protocol over HTTP, and who is refused.

mod crossing;
mod misuse;
mod pair;
