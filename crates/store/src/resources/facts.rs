//! What a row says that decides who may read it.
