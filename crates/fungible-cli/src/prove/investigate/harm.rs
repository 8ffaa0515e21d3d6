//! What a finding does to users, by what deviates. It runs nothing.

use crate::exchange::{Exchange, Outcome, field};
use crate::prove::deviation::{Deviation, DeviationKind};
use crate::prove::parse::path_and_query;
use crate::prove::verdict::{FindingKind, Harm};

/// Statuses that say no to what a client has used up, or done too often.
const LIMITED: [u16; 2] = [423, 429];

/// Header fields by which clients do something else.
const ACTED_ON: [&str; 6] = ["location", "set-cookie", "content-type", "www-authenticate", "retry-after", "allow"];

/// Parts of the paths of pages on which users log in.
const LOGIN_PAGES: [&str; 6] = ["login", "log-in", "log_in", "signin", "sign-in", "sign_in"];

/// The worst of what deviates, each with its exchange under attack, where that was reached.
pub(crate) fn harm_of(kind: FindingKind, deviations: &[(&Deviation, Option<&Exchange>)]) -> Harm {
    // How the driver goes on after something else says nothing more.
    let goes_on = |one: &Deviation| matches!(one.kind, DeviationKind::DriverExit | DeviationKind::LeftOut);
    let only_that = deviations.iter().all(|(one, _)| goes_on(one));
    let shown = deviations.iter().filter(|(one, _)| only_that || !goes_on(one));
    let worst = shown.map(|(one, exchange)| by_deviation(one, *exchange)).min();
    let worst = worst.unwrap_or(Harm::WrongAnswer);
    match kind {
        // What was acknowledged is gone, one of the two is hidden by the other, or nobody has it any more.
        FindingKind::AnsweredTooEarly | FindingKind::Collision | FindingKind::Replicated => worst.min(Harm::DataLost),
        // The store has it.
        FindingKind::Stale if worst == Harm::DataLost => Harm::WrongAnswer,
        // A moment later it is there.
        FindingKind::NotReady if worst == Harm::DataLost => Harm::NotServed,
        FindingKind::LimitPerInstance => Harm::FailsOpen,
        FindingKind::OneAtATime | FindingKind::StartRace | FindingKind::NamesItself => Harm::NotServed,
        _ => worst,
    }
}

fn by_deviation(one: &Deviation, exchange: Option<&Exchange>) -> Harm {
    let numbers = number(&one.baseline).zip(number(&one.attack));
    match one.kind {
        DeviationKind::Status => by_status(one, exchange),
        DeviationKind::Collision => Harm::DataLost,
        DeviationKind::OwnPort | DeviationKind::CutShort => Harm::NotServed,
        DeviationKind::Header if numbers.is_some_and(|(was, is)| is > was) && is_of_limit(one) => Harm::FailsOpen,
        DeviationKind::Header | DeviationKind::Body | DeviationKind::Frames | DeviationKind::Unequal { .. }
            if numbers.is_some() =>
        {
            Harm::WrongNumber
        }
        DeviationKind::Header => by_header(one),
        DeviationKind::Body | DeviationKind::Frames if is_nothing(&one.attack) => Harm::DataLost,
        DeviationKind::Body
        | DeviationKind::Frames
        | DeviationKind::Unequal { .. }
        | DeviationKind::Repeats { .. }
        | DeviationKind::LeftOut
        | DeviationKind::DriverExit => Harm::WrongAnswer,
    }
}

fn by_status(one: &Deviation, exchange: Option<&Exchange>) -> Harm {
    let status = |text: &str| text.parse::<u16>().unwrap_or(599);
    let goes_to_login = exchange.and_then(location).is_some_and(|to| is_login_page(&to));
    match (status(&one.baseline), status(&one.attack)) {
        (_, 500..) => Harm::NotServed,
        (400..500, 200..400) if !goes_to_login => Harm::FailsOpen,
        (was, is) if LIMITED.contains(&was) && !LIMITED.contains(&is) => Harm::FailsOpen,
        (200..400, 401 | 403 | 407) => Harm::LoggedOut,
        (200..300, 300..400) if goes_to_login => Harm::LoggedOut,
        (200..400, 429) => Harm::NotServed,
        (200..400, 400..500) => Harm::DataLost,
        // The client is sent what it has.
        (304, 200) => Harm::Cosmetic,
        _ => Harm::WrongAnswer,
    }
}

fn by_header(one: &Deviation) -> Harm {
    let name = one.place.strip_prefix("header ").unwrap_or(&one.place).to_ascii_lowercase();
    if name == "location" && is_login_page(&one.attack) && !is_login_page(&one.baseline) {
        return Harm::LoggedOut;
    }
    let is_acted_on = ACTED_ON.iter().any(|one| name.split(' ').next() == Some(*one));
    if is_acted_on { Harm::WrongAnswer } else { Harm::Cosmetic }
}

fn location(exchange: &Exchange) -> Option<String> {
    match &exchange.outcome {
        Outcome::Answered { headers, .. } => Some(field(headers, "location")),
        Outcome::Ours { .. } | Outcome::Failed { .. } | Outcome::Abandoned => None,
    }
}

fn is_login_page(target: &str) -> bool {
    let path = path_and_query(target).0.to_ascii_lowercase();
    LOGIN_PAGES.iter().any(|part| path.contains(part))
}

/// Whether it tells how much is left of a limit: `X-RateLimit-Remaining`.
fn is_of_limit(one: &Deviation) -> bool {
    let name = one.place.to_ascii_lowercase().replace('-', "");
    name.contains("ratelimit") && name.contains("remaining")
}

fn number(text: &str) -> Option<f64> {
    text.trim_matches('"').parse().ok()
}

/// What stands where something is missing.
fn is_nothing(text: &str) -> bool {
    ["(absent)", "null", "[]", "{}", "\"\"", ""].contains(&text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::exchange::{Body, Request};

    fn deviation(kind: DeviationKind, place: &str, baseline: &str, attack: &str) -> Deviation {
        let (place, baseline, attack) = (place.to_owned(), baseline.to_owned(), attack.to_owned());
        Deviation { exchange: Some(2), place, kind, baseline, attack }
    }

    fn harm(kind: FindingKind, one: &Deviation) -> Harm {
        harm_of(kind, &[(one, None)])
    }

    fn sends_to(location: &str) -> Exchange {
        let headers = vec![("location".to_owned(), location.as_bytes().to_vec())];
        Exchange {
            number: 2,
            connection: 1,
            instance: None,
            arrived: Duration::ZERO,
            ended: Duration::ZERO,
            request: Request::plain("GET", "/account"),
            outcome: Outcome::Answered { status: 302, headers, body: Body::Kept(Bytes::new()), complete: true },
            left: false,
            frames: Vec::new(),
            again: None,
        }
    }

    #[test]
    fn a_status_tells_who_is_served_and_who_is_not() {
        for (baseline, attack, expected) in [
            ("200", "401", Harm::LoggedOut),
            ("303", "403", Harm::LoggedOut),
            ("200", "404", Harm::DataLost),
            ("201", "409", Harm::DataLost),
            ("401", "200", Harm::FailsOpen),
            ("404", "200", Harm::FailsOpen),
            ("429", "200", Harm::FailsOpen),
            ("423", "401", Harm::FailsOpen),
            ("200", "500", Harm::NotServed),
            ("200", "no answer", Harm::NotServed),
            ("200", "429", Harm::NotServed),
            ("200", "304", Harm::WrongAnswer),
            ("304", "200", Harm::Cosmetic),
        ] {
            let one = deviation(DeviationKind::Status, "status", baseline, attack);
            assert_eq!(harm(FindingKind::Trapped, &one), expected, "{baseline} -> {attack}");
        }
    }

    #[test]
    fn a_redirect_to_a_login_page_is_a_log_out() {
        let one = deviation(DeviationKind::Status, "status", "200", "302");
        let by = |to: &str| harm_of(FindingKind::Trapped, &[(&one, Some(&sends_to(to)))]);
        assert_eq!(by("/login?next=/account"), Harm::LoggedOut);
        assert_eq!(by("/account/"), Harm::WrongAnswer);
        let refused = deviation(DeviationKind::Status, "status", "401", "302");
        assert_eq!(harm_of(FindingKind::Trapped, &[(&refused, Some(&sends_to("/login")))]), Harm::WrongAnswer);
        let header = deviation(DeviationKind::Header, "header location", "/account", "/sign-in");
        assert_eq!(harm(FindingKind::Trapped, &header), Harm::LoggedOut);
    }

    #[test]
    fn what_is_missing_is_lost_and_a_number_is_a_number() {
        let body = |baseline, attack| deviation(DeviationKind::Body, "body $.items[0]", baseline, attack);
        assert_eq!(harm(FindingKind::Trapped, &body("\"tea\"", "(absent)")), Harm::DataLost);
        assert_eq!(harm(FindingKind::Trapped, &body("[1]", "[]")), Harm::DataLost);
        assert_eq!(harm(FindingKind::Trapped, &body("4", "1")), Harm::WrongNumber);
        assert_eq!(harm(FindingKind::Trapped, &body("\"dark\"", "\"light\"")), Harm::WrongAnswer);
        let header = |place, attack| deviation(DeviationKind::Header, place, "3", attack);
        assert_eq!(harm(FindingKind::Trapped, &header("header x-ratelimit-remaining", "4")), Harm::FailsOpen);
        assert_eq!(harm(FindingKind::Trapped, &header("header x-ratelimit-remaining", "2")), Harm::WrongNumber);
        assert_eq!(harm(FindingKind::Trapped, &header("header x-total-count", "4")), Harm::WrongNumber);
        assert_eq!(harm(FindingKind::Trapped, &header("header x-build", "a")), Harm::Cosmetic);
        assert_eq!(harm(FindingKind::Trapped, &header("header content-type", "(absent)")), Harm::WrongAnswer);
    }

    #[test]
    fn the_kind_says_what_becomes_of_what_is_not_there() {
        let gone = deviation(DeviationKind::Status, "status", "200", "404");
        let number = deviation(DeviationKind::Body, "body $.id", "2", "1");
        assert_eq!(harm(FindingKind::LocalFile, &gone), Harm::DataLost);
        assert_eq!(harm(FindingKind::Stale, &gone), Harm::WrongAnswer);
        assert_eq!(harm(FindingKind::NotReady, &gone), Harm::NotServed);
        assert_eq!(harm(FindingKind::AnsweredTooEarly, &number), Harm::DataLost);
        assert_eq!(harm(FindingKind::Collision, &number), Harm::DataLost);
        assert_eq!(harm(FindingKind::Race, &number), Harm::WrongNumber);
        assert_eq!(harm(FindingKind::OneAtATime, &number), Harm::NotServed);
    }

    #[test]
    fn the_worst_counts() {
        let number = deviation(DeviationKind::Body, "body $.left", "1", "2");
        let open = deviation(DeviationKind::Status, "status", "423", "200");
        assert_eq!(harm_of(FindingKind::Trapped, &[(&number, None), (&open, None)]), Harm::FailsOpen);
        let exit = deviation(DeviationKind::DriverExit, "driver exit code", "0", "1");
        assert_eq!(harm_of(FindingKind::Trapped, &[(&number, None), (&exit, None)]), Harm::WrongNumber);
        assert_eq!(harm(FindingKind::Trapped, &exit), Harm::WrongAnswer);
        assert_eq!(harm_of(FindingKind::Trapped, &[]), Harm::WrongAnswer);
    }
}
