//! W3C Trace Context, level 1: `traceparent` and `tracestate` of a client go on to the instance as they are if they are
//! valid. The balancer makes no spans of its own, so it is no parent of any.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::balancer::config::NewTraces;
use crate::balancer::upstream::fields::{remove_where, text_value};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Version, trace id, parent id, flags, and the hyphens between.
const LENGTH: usize = 2 + 1 + 32 + 1 + 16 + 1 + 2;

/// The most members of `tracestate`.
const MEMBERS: usize = 32;

/// Leaves valid fields as they are, and removes others. Without a valid `traceparent` a trace begins here, if new traces
/// are wanted.
pub(super) fn carry(headers: &mut HeaderMap, new: NewTraces) {
    if trace_id(headers).is_some() {
        if !has_valid_state(headers) {
            headers.remove(TRACESTATE);
        }
        return;
    }
    // Their state belongs to a trace that nobody knows.
    remove_where(headers, |name| matches!(name, "traceparent" | "tracestate"));
    let flags = match new {
        NewTraces::None => return,
        NewTraces::Sampled => "01",
        NewTraces::Unsampled => "00",
    };
    let (Ok(high), Ok(low), Ok(parent)) = (getrandom::u64(), getrandom::u64(), getrandom::u64()) else { return };
    // An id of zeros only is invalid.
    let (low, parent) = (low.max(1), parent.max(1));
    headers.insert(TRACEPARENT, text_value(format!("00-{high:016x}{low:016x}-{parent:016x}-{flags}")));
}

/// The trace id of a valid `traceparent`.
pub(super) fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let value = values.next()?.to_str().ok()?;
    (values.next().is_none() && is_traceparent(value.as_bytes())).then(|| value.get(3..35))?
}

fn is_traceparent(value: &[u8]) -> bool {
    let Some((known, rest)) = value.split_at_checked(LENGTH) else { return false };
    let parts: Vec<&[u8]> = known.split(|byte| *byte == b'-').collect();
    let is_hex = |part: &&[u8]| part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_zero = |part: &[u8]| part.iter().all(|byte| *byte == b'0');
    let [version, trace, parent, flags] = parts.as_slice() else { return false };
    let lengths = [version.len(), trace.len(), parent.len(), flags.len()] == [2, 32, 16, 2];
    // Later versions may have more parts.
    let ends = rest.is_empty() || *version != b"00" && rest.starts_with(b"-");
    lengths && parts.iter().all(is_hex) && *version != b"ff" && !is_zero(trace) && !is_zero(parent) && ends
}

fn has_valid_state(headers: &HeaderMap) -> bool {
    let values: Vec<&HeaderValue> = headers.get_all(TRACESTATE).iter().collect();
    let mut keys = Vec::new();
    for value in values {
        let Ok(text) = value.to_str() else { return false };
        for member in text.split(',').map(str::trim).filter(|member| !member.is_empty()) {
            match member.split_once('=') {
                // The bound first: whether a key is repeated takes a look at all before it.
                Some((key, value))
                    if keys.len() < MEMBERS && is_key(key) && is_value(value) && !keys.contains(&key) =>
                {
                    keys.push(key);
                }
                _ => return false,
            }
        }
    }
    true
}

fn is_key(key: &str) -> bool {
    let part = |text: &str, most: usize| {
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/');
        (1..=most).contains(&text.len()) && text.bytes().all(allowed)
    };
    match key.split_once('@') {
        None => part(key, 256) && key.starts_with(|letter: char| letter.is_ascii_lowercase()),
        Some((tenant, system)) => {
            part(tenant, 241) && part(system, 14) && system.starts_with(|letter: char| letter.is_ascii_lowercase())
        }
    }
}

fn is_value(value: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b' '..=b'~') && byte != b',' && byte != b'=';
    (1..=256).contains(&value.len()) && value.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn carried(fields: &[(&'static str, &str)], new: NewTraces) -> (Vec<String>, Vec<String>) {
        let one = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).expect("a value"))
        };
        let mut headers: HeaderMap = HeaderMap::new();
        for (name, value) in fields.iter().map(one) {
            headers.append(name, value);
        }
        carry(&mut headers, new);
        let all =
            |name: HeaderName| headers.get_all(name).iter().map(|v| v.to_str().expect("text").to_owned()).collect();
        (all(TRACEPARENT), all(TRACESTATE))
    }

    #[test]
    fn a_state_with_too_many_members_is_removed() {
        let members = |count: usize| (0..count).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
        let states = |count| carried(&[("traceparent", VALID), ("tracestate", &members(count))], NewTraces::None).1;
        assert_eq!(states(32).len(), 1);
        assert_eq!(states(33).len(), 0);
        assert_eq!(states(5000).len(), 0);
    }

    #[test]
    fn a_valid_trace_goes_on_as_it_is() {
        for parent in [VALID, "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes-later"] {
            let state = "congo=t61rcWkgMzE,a@vendor=1";
            let (parents, states) = carried(&[("traceparent", parent), ("tracestate", state)], NewTraces::Sampled);
            assert_eq!((parents, states), (vec![parent.to_owned()], vec![state.to_owned()]));
        }
    }

    #[test]
    fn a_malformed_trace_is_replaced_with_its_state() {
        let longer = format!("{VALID}-more");
        let upper = VALID.to_uppercase();
        for parent in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.x",
            &longer,
            &upper,
        ] {
            let fields = [("traceparent", parent), ("tracestate", "congo=1")];
            assert_eq!(carried(&fields, NewTraces::None), (vec![], vec![]), "{parent}");
            let (parents, states) = carried(&fields, NewTraces::Sampled);
            assert!(parents.len() == 1 && is_traceparent(parents[0].as_bytes()), "{parent}: {parents:?}");
            assert!(parents[0].ends_with("-01") && states.is_empty(), "{parent}: {parents:?} {states:?}");
        }
        let twice = [("traceparent", VALID), ("traceparent", VALID)];
        assert_eq!(carried(&twice, NewTraces::None), (vec![], vec![]));
        let (parents, _) = carried(&[], NewTraces::Unsampled);
        assert!(parents[0].ends_with("-00"), "{parents:?}");
    }

    #[test]
    fn a_malformed_state_is_removed_and_the_trace_stays() {
        let many = (0..33).map(|number| format!("k{number}=v")).collect::<Vec<_>>().join(",");
        for state in ["congo", "Congo=1", "=1", "a=b=c", "a=1,a=2", "a=", "1a=1", "a@1=1", many.as_str()] {
            let (parents, states) = carried(&[("traceparent", VALID), ("tracestate", state)], NewTraces::None);
            assert_eq!((parents.len(), states), (1, vec![]), "{state}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_the_instance_gets_a_valid_trace(parent in "[0-9a-f-]{50,60}|\\PC{0,60}", state in "[ -~]{0,40}") {
            let fields = [("traceparent", parent.as_str()), ("tracestate", state.as_str())];
            prop_assume!(fields.iter().all(|(_, value)| HeaderValue::from_str(value).is_ok()));
            let (parents, _) = carried(&fields, NewTraces::Unsampled);
            prop_assert!(parents.len() == 1 && is_traceparent(parents[0].as_bytes()));
        }
    }
}
