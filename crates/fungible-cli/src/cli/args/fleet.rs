//! The arguments about how many instances there are, what each may use, and when one is replaced.

use std::time::Duration;

use clap::Args;

use super::values::{parse_age, parse_cpus, parse_limit, parse_memory};
use crate::fleet::{RecycleRule, ResourceLimits, ScalingRule};

#[derive(Debug, Clone, Args)]
pub(in super::super) struct FleetOptions {
    /// Scale by load: the fewest instances
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000), requires = "max", conflicts_with = "instances", help_heading = "Scaling")]
    min: Option<u16>,
    /// Scale by load: the most instances
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000), requires = "min", help_heading = "Scaling")]
    max: Option<u16>,
    /// So many requests in flight per instance are wanted; there are as many instances as that takes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000), default_value = "8", requires = "min", help_heading = "Scaling")]
    target_in_flight: u32,
    /// How long fewer instances must have been enough before any of them is drained
    #[arg(long, value_name = "TIME", value_parser = parse_limit, default_value = "60s", requires = "min", help_heading = "Scaling")]
    scale_down_after: Duration,
    /// The memory of each instance; one that needs more is killed and restarted. Needs control groups (cgroups)
    #[arg(long, value_name = "SIZE", value_parser = parse_memory, help_heading = "Limits of instances")]
    memory: Option<u64>,
    /// The processors that each instance may use, such as 0.5. Needs control groups (cgroups)
    #[arg(long, value_name = "N", value_parser = parse_cpus, help_heading = "Limits of instances")]
    cpus: Option<f64>,
    /// Replace an instance when it is so old, give or take a tenth; the new one serves before the old one is drained
    #[arg(long, value_name = "TIME", value_parser = parse_age, help_heading = "Limits of instances")]
    max_age: Option<Duration>,
    /// Replace an instance in the same way when it and the processes that it started use so much memory
    #[arg(long, value_name = "SIZE", value_parser = parse_memory, help_heading = "Limits of instances")]
    max_memory_soft: Option<u64>,
    /// How long an instance that was stopped (SIGSTOP) may fail to respond before it is killed and restarted, while another one
    /// serves; one that may be busy with a request gets --response-limit more; 0: for ever
    #[arg(long, value_name = "TIME", value_parser = parse_limit, default_value = "10s", help_heading = "Limits of instances")]
    replace_after: Duration,
}

/// How many instances a fleet has, what each may use, and when one is replaced.
#[derive(Debug)]
pub(in super::super) struct FleetPlan {
    pub(in super::super) scaling: Option<ScalingRule>,
    pub(in super::super) limits: ResourceLimits,
    pub(in super::super) recycle: RecycleRule,
    pub(in super::super) replace_after: Option<Duration>,
}

impl FleetOptions {
    /// # Errors
    /// A sentence, when the options contradict each other.
    pub(super) fn into_plan(self) -> Result<FleetPlan, String> {
        let scaling = self.min.zip(self.max).map(|(min, max)| ScalingRule {
            min: min.into(),
            max: max.into(),
            target: self.target_in_flight,
            scale_down_after: self.scale_down_after,
        });
        if let Some(ScalingRule { min, max, .. }) = &scaling
            && min > max
        {
            return Err(format!("--min {min} is more than --max {max}: write the smaller number at --min"));
        }
        Ok(FleetPlan {
            scaling,
            limits: ResourceLimits { memory: self.memory, cpus: self.cpus },
            recycle: RecycleRule { max_age: self.max_age, max_memory: self.max_memory_soft },
            replace_after: (!self.replace_after.is_zero()).then_some(self.replace_after),
        })
    }
}
