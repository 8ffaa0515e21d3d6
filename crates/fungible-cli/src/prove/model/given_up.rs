//! Requests that their clients gave up, as pages do that somebody leaves: whether what they would have shown was seen
//! elsewhere.

use super::comparison::NotCompared;
use crate::exchange::{Exchange, Outcome, Request, field};
use crate::prove::align::Pairing;
use crate::prove::parse::ParsedRun;

/// Those of the exchanges `given_up` (numbers of the baseline) of which nothing shows what they would have shown.
pub(super) fn unseen(
    (baseline, other): (&ParsedRun, &ParsedRun),
    pairing: &Pairing,
    given_up: &[usize],
) -> Vec<NotCompared> {
    let seen = |(r, a): &&(usize, usize)| is_whole(&baseline.exchanges()[*r]) && is_whole(&other.exchanges()[*a]);
    let compared: Vec<usize> = pairing.pairs.iter().filter(seen).map(|(r, _)| *r).collect();
    let is_shown = |number: usize| compared.iter().any(|r| shows(baseline, *r, number - 1));
    let unseen = given_up.iter().filter(|number| !is_shown(**number));
    let reason = "the client went away before there was an answer, and asked for the same at no other time";
    unseen.map(|number| NotCompared { exchange: *number, reason: reason.to_owned() }).collect()
}

/// Whether the client has seen all of an answer.
fn is_whole(exchange: &Exchange) -> bool {
    matches!(exchange.outcome, Outcome::Answered { complete: true, .. }) && !exchange.left
}

/// Whether the answer to one request shows what that to another one would: the same client, or one that says in the same way who it
/// is, asks for the same, later, or earlier and nothing was written since.
fn shows(run: &ParsedRun, one: usize, given_up: usize) -> bool {
    let (request, other) = (&run.exchanges()[one].request, &run.exchanges()[given_up].request);
    let same = (run.requests[one].client == run.requests[given_up].client || says_who(request) == says_who(other))
        && (&request.method, &request.target, &request.body) == (&other.method, &other.target, &other.body);
    same && (one > given_up || one < given_up && !(one..given_up).any(|at| run.writes(at)))
}

/// The names of the cookies, and whether there are other credentials, of a request that only reads.
fn says_who(request: &Request) -> Option<(Vec<String>, bool)> {
    let cookies = field(&request.headers, "cookie");
    let mut names: Vec<String> =
        cookies.split(';').filter_map(|one| one.split_once('=')).map(|(name, _)| name.trim().to_owned()).collect();
    names.sort();
    request.is_safe().then(|| (names, !field(&request.headers, "authorization").is_empty()))
}
