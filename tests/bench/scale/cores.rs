//! The worker's own cores: so that what is simulated asks for units and fills parts by the rules of the real one.

#[path = "../../../worker/src/allowance.rs"]
pub(crate) mod allowance;
#[path = "../../../worker/src/export/order.rs"]
#[allow(dead_code, reason = "what only the worker asks of it")]
pub(crate) mod order;
#[path = "../../../worker/src/export/page.rs"]
pub(crate) mod page;
#[path = "../../../worker/src/export/part.rs"]
#[allow(dead_code, reason = "what only the worker asks of it")]
pub(crate) mod part;
