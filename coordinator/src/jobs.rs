//! What every kind of job does: acquires its folder, runs its passes, makes its result visible, keeps or removes what
//! failed. What differs between the kinds is in the commands.

pub(crate) mod commit;
pub(crate) mod completeness;
pub(crate) mod folder_contents;
pub(crate) mod history;
pub(crate) mod lifecycle;
pub(crate) mod outcome;
pub(crate) mod planned;
