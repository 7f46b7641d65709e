//! The record as a transparency log: `record head`, `record proof` and `record consistency` ask a service.

mod consistency;
mod online;
mod resume;

pub(super) use consistency::Consistency;
pub(super) use online::{Head, Proof};
pub(super) use resume::ResumeClock;
