//! Why nothing can be said, or no acquittal is possible though nothing was found: each reason a sentence.

use super::journal::{DriverEnd, Journal};
use super::{Plan, Proof, ProveError};

impl Proof {
    /// Why the first reference shows nothing at all; an error where there is no driver.
    pub(super) fn no_traffic(&self, plan: &Plan) -> Result<Option<String>, ProveError> {
        let Some(first) = self.references.first() else { return Ok(None) };
        if first.exchanges.is_empty()
            && let Some(error) = ProveError::of_driver(plan, &first.driver, &first.driver_lines)
        {
            return Err(error);
        }
        let nothing = if first.exchanges.is_empty() {
            format!(", and none of its requests arrived at {}", first.address)
        } else {
            String::new()
        };
        Ok(match how_it_failed(first) {
            None if first.exchanges.is_empty() => Some(format!(
                "none of the driver's requests arrived at {}: it must use the address in BASE_URL (also in \
                 FUNGIBLE_URL, for test runners that set BASE_URL themselves, as Vitest does)",
                first.address
            )),
            Some(how) if first.driver == DriverEnd::Hung => {
                let limit = plan.drive_limit.as_secs_f32();
                Some(format!("{how} within {limit} s (more time with --drive-limit){nothing}"))
            }
            Some(how) if first.exchanges.is_empty() => Some(format!("{how}{nothing}")),
            _ => None,
        })
    }

    /// Why the references cannot be compared with anything.
    pub(super) fn unsteady_traffic(&self) -> Option<String> {
        let [first, .., last] = &self.references[..] else { return None };
        if first.driver == last.driver {
            return None;
        }
        let how = how_it_failed(last).or_else(|| how_it_failed(first))?;
        Some(format!("{how} intermittently; fix it first, then run again"))
    }

    /// A driver that fails on one instance, too, can show what differs, but not that nothing does.
    pub(super) fn fails_in_peace(&self) -> Option<String> {
        let how = how_it_failed(self.references.first()?)?;
        Some(format!("{how}: what it would do after that was not tried; fix it first, then run again"))
    }

    /// Why no acquittal is possible although nothing was found.
    pub(super) fn doubts(&self) -> Vec<String> {
        let mut reasons = self.reasons.clone();
        reasons.extend(self.fails_in_peace());
        let carried = self.baseline.carried();
        let nothing_noticed = self.covered.control.is_none() && !self.baseline.notices() && self.unstable.is_empty();
        if self.baseline.exchanges().len() == 1 {
            reasons.push("there is only one request: nothing is handed over from one instance to another".to_owned());
        } else if nothing_noticed && self.baseline.writes() == 0 && carried.is_empty() {
            reasons.push(
                "nothing is written and nothing is carried from one request to another: any instance could serve this \
                 traffic, whatever it traps"
                    .to_owned(),
            );
        } else if nothing_noticed {
            reasons.push(
                "nothing that is written is ever read back: no request would notice if it were lost; let the driver read \
                 back what it wrote"
                    .to_owned(),
            );
        }
        let unused = self.baseline.cookies_never_sent_back();
        if !unused.is_empty() {
            reasons
                .push(format!("the driver never sends back the cookie {}: let it keep its cookies", unused.join(", ")));
        }
        if !self.baseline.values_from_earlier_runs().is_empty() {
            reasons.push(
                "a run answered a value that an earlier run had made: the shared state was not fresh; use {run} in its \
                 name, or --reset"
                    .to_owned(),
            );
        }
        if self.baseline.writes() > 0 {
            reasons.extend(self.listed.not_compared.first().map(|one| {
                let request = &self.reference_step(one.exchange).exchange.request;
                format!(
                    "#{} {} {}: {}; where the driver checks it by itself, leave it out by [[prove.ignore]] in fungible.toml",
                    one.exchange, request.method, request.target, one.reason
                )
            }));
        }
        reasons.extend(self.unstable.iter().map(|one| {
            let request = &one.step.exchange.request;
            format!("#{} {} {} differs, {}", one.step.number, request.method, request.target, one.why)
        }));
        reasons
    }
}

/// How the driver failed, with the last line that it printed; `None` if it did not.
pub(super) fn how_it_failed(reference: &Journal) -> Option<String> {
    let how = match &reference.driver {
        DriverEnd::Exited(0) => return None,
        DriverEnd::Exited(code) => format!("ends with exit code {code}"),
        DriverEnd::Killed(signal) => format!("is ended by {signal}"),
        DriverEnd::Hung => "does not end".to_owned(),
    };
    Some(format!("the driver {how} on one instance that is left in peace"))
}
