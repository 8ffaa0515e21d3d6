//! The arguments of what `fungible run` says about single requests.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::balancer::{NewTraces, ServedBy};

#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct LogOptions {
    /// Write a line for each request, as text or as JSON [default: off; without a value: text]
    #[arg(long, value_name = "FORMAT", value_enum, num_args = 0..=1, default_missing_value = "text")]
    access_log: Option<AccessFormat>,
    /// Append these lines to a file, which is opened anew when it was moved away; otherwise they go to standard error
    #[arg(long, value_name = "FILE")]
    access_log_file: Option<PathBuf>,
    /// Begin a trace (W3C Trace Context) where a request has no valid traceparent. Valid ones are always passed on as they
    /// are. `sampled` makes apps record each such trace, `unsampled` keeps most from recording any, whatever their own
    /// sampling is [default: the app decides]
    #[arg(long, value_name = "FLAG", value_enum)]
    trace: Option<TraceFlag>,
    /// Add X-Served-By with the name of the instance to each response of one, and X-Served-Version with its version
    #[arg(long)]
    served_by: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum TraceFlag {
    Sampled,
    Unsampled,
}

/// How a line of the access log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum AccessFormat {
    Text,
    Json,
}

impl LogOptions {
    /// The format of the access log, if there is to be one.
    pub(in crate::cli) fn access_log(&self) -> Option<AccessFormat> {
        self.access_log.or_else(|| self.access_log_file.as_ref().map(|_| AccessFormat::Text))
    }

    /// The file of the access log, if it is to be in one.
    pub(in crate::cli) fn access_log_file(&self) -> Option<&std::path::Path> {
        self.access_log_file.as_deref()
    }

    /// Whether clients are told which instance a response comes from.
    pub(in crate::cli) fn served_by(&self) -> ServedBy {
        if self.served_by { ServedBy::Named } else { ServedBy::Hidden }
    }

    /// What happens to requests without a valid trace.
    pub(in crate::cli) fn new_traces(&self) -> NewTraces {
        match self.trace {
            None => NewTraces::None,
            Some(TraceFlag::Sampled) => NewTraces::Sampled,
            Some(TraceFlag::Unsampled) => NewTraces::Unsampled,
        }
    }
}
