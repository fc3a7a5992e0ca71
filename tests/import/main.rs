//! The real `tablehaul import`, from backups of every kind into emulators that share no code with it, and into a
//! fake that counts every write: no item may be lost or altered, whatever the backup is, whatever crashes, and
//! however the service fails. What is wrong with a backup is found before anything is written.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod changed;
mod crash;
mod damaged;
mod direct;
mod emulators;
mod exports;
mod java;
mod modes;
mod pace;
mod refused;
mod rejects;
mod resume;
mod rules;
mod run;
mod s3;
mod sources;
