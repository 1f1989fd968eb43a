//! Shards: which rows stay together when PostgreSQL with Citus spreads them over machines.
//!
//! A row's shard is made once, when it is created, and stored with it and in every unique key. A
//! resource's comes from its patient, a line of the audit log's from the patient it is about, a
//! parcel's from its id in the network (all its steps, parts and receipts have the same), a
//! content's from its digest, a received message's from the digest that it is known by. Rows that
//! belong to nobody have 0. Tables of few rows (accounts, neighbours, words) have none: each machine
//! holds all of them.

/// The shard of what this names: 1 to 65,535. A later change of this function moves nothing, since
/// the number is stored; a name that is its own key (a content's, a message's) must go on giving the
/// same.
pub(crate) fn of(name: &[u8]) -> i64 {
    // FNV-1a (<http://www.isthe.com/chongo/tech/comp/fnv/>): spreads ids well enough.
    let hash = name.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    i64::from(u16::try_from(hash % 0xffff).unwrap_or_default()) + 1
}

/// The shard of a patient's rows, or 0.
pub(crate) fn of_patient(patient: Option<&str>) -> i64 {
    patient.map_or(0, |id| of(id.as_bytes()))
}
