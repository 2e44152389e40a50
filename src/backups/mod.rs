//! The backups that a store holds: their keys, their manifests, and which of them are kept.

pub mod inventory;
pub mod manifest;
pub mod naming;
pub mod retention;
