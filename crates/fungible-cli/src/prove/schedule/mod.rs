//! Experiments: who gets which request, who dies when. Pure; the lab carries them out.

mod experiment;
mod router;

pub(crate) use experiment::Way;
pub(super) use experiment::{
    Added, Experiment, HandOver, Intervention, KillMoment, KilledAt, Pass, Rested, Schedule, Together, Versions,
    Withheld,
};
pub(super) use router::{Route, Router};
