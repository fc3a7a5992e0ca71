//! An export: segments of a table become part files.

mod segments;
mod state;
mod work;

pub use segments::Slowest;
pub use state::ExportState;
pub use work::{ExportAction, ExportEvent, ExportWork};
