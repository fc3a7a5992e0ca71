//! An import: splits of a backup are written to a table.

mod state;
mod work;

pub use state::ImportState;
pub use work::{ImportAction, ImportWork};
