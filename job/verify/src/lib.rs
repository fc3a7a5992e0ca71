//! Verifies files of an export against what was recorded of them. Used by the `verify` command and by workers.
//!
//! ```text
//! file ─ read → format (CRC-32C, codec, lines) → lines → keys → defects
//! ```
//!
//! [`Checks`] runs the checks of several files at once, on threads of its own.

mod check;
mod defects;
mod keys;
mod lines;
mod read;
mod run;

pub use check::Expected;
pub use defects::Defects;
pub use run::{Checks, FileSlot, Files, Means, Opened, key_bytes};
