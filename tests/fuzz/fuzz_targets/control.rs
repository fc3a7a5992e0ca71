//! Bytes of the control stream: they are a message or are refused, and an accepted message is sent as it was
//! understood.
//!
//! `scripts/fuzz 60 control`
#![no_main]

use job::control::{FromWorker, ToWorker, wire};
use libfuzzer_sys::fuzz_target;
use prost::Message;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(message) = wire::FromWorker::decode(bytes)
        && let Ok(said) = FromWorker::try_from(message)
    {
        let again = wire::FromWorker::from(said.clone());
        assert_eq!(FromWorker::try_from(again), Ok(said));
    }
    if let Ok(message) = wire::ToWorker::decode(bytes)
        && let Ok(told) = ToWorker::try_from(message)
    {
        let again = wire::ToWorker::from(told.clone());
        assert_eq!(ToWorker::try_from(again), Ok(told));
    }
});
