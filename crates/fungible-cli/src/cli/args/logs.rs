//! The arguments of what `fungible run` says about single requests.

use clap::{Args, ValueEnum};

use crate::balancer::NewTraces;

#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct LogOptions {
    /// Begin a trace (W3C Trace Context) where a request has no valid traceparent. Valid ones are always passed on as they
    /// are. `sampled` makes apps record each such trace, `unsampled` keeps most from recording any, whatever their own
    /// sampling is [default: the app decides]
    #[arg(long, value_name = "FLAG", value_enum)]
    trace: Option<TraceFlag>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum TraceFlag {
    Sampled,
    Unsampled,
}

impl LogOptions {
    /// What happens to requests without a valid trace.
    pub(in crate::cli) fn new_traces(&self) -> NewTraces {
        match self.trace {
            None => NewTraces::None,
            Some(TraceFlag::Sampled) => NewTraces::Sampled,
            Some(TraceFlag::Unsampled) => NewTraces::Unsampled,
        }
    }
}
