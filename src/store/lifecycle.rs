//! The bucket's lifecycle rules.
