//! Parts of a backup, found by its index: one table, a schema, what a list names.
//!
//! * [`Choice`] says what is wanted, in pg_restore's terms, and finds the entries (`choice`);
//! * [`list`](list()) shows entries as `pg_restore -l` does, and [`UseList`] reads such a list (`list`);
//! * [`Excerpt`] is their text: a script like that of a whole dump (`excerpt`).

mod choice;
mod excerpt;
mod list;

pub use choice::{Choice, ChosenName, Only};
pub use excerpt::Excerpt;
pub use list::{UseList, list};
