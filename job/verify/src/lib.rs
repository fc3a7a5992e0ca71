//! Verifies files of a backup against what was recorded of them. Used by the `verify` command and by workers.
//!
//! ```text
//! file of an export of tablehaul ─ read → format (CRC-32C, codec, lines) → lines → keys → defects
//! file of another backup ─ read → format (MD5, codec, lines) → listed → defects
//! ```
//!
//! [`Checks`] runs the checks of several files at once, on threads of its own.

mod check;
mod defects;
mod keys;
mod lines;
mod listed;
mod read;
mod run;

pub use check::Expected;
pub use defects::Defects;
pub use run::{Checks, FileSlot, Files, Means, Opened, key_bytes, unreadable};
