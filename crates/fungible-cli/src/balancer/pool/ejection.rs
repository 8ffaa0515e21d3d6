//! Which instances answer with 5xx far more often than the others (outlier detection, as Envoy calls it). Pure.

use std::time::Duration;

/// How often instances are compared.
pub(crate) const BETWEEN_LOOKS: Duration = Duration::from_secs(5);

/// For so long an instance is ejected, times how often that has happened to it.
const EJECTED_FOR: Duration = Duration::from_secs(30);
const EJECTED_AT_MOST: Duration = Duration::from_mins(5);

/// An instance with fewer responses since the last look is not judged: a few errors may be chance.
const FEWEST_RESPONSES: u64 = 20;

/// The share of errors of an outlier, in hundredths, and how many times that of the others it is at least.
const LEAST_SHARE: u64 = 30;
const TIMES_THE_OTHERS: u64 = 3;

/// So many hundredths of the instances are ejected at the same time at most; with two instances one.
const MOST_EJECTED: usize = 50;

/// The responses of one instance since the last look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Responses {
    pub(crate) all: u64,
    /// Those with a status of 5xx.
    pub(crate) errors: u64,
    pub(crate) is_ejected: bool,
}

/// The indexes of the instances that are to be ejected now.
pub(crate) fn outliers(instances: &[Responses]) -> Vec<usize> {
    let ejected = instances.iter().filter(|one| one.is_ejected).count();
    let mut places = (instances.len() * MOST_EJECTED / 100).saturating_sub(ejected);
    let (all, errors) =
        instances.iter().filter(|one| !one.is_ejected).fold((0, 0), |sum, one| (sum.0 + one.all, sum.1 + one.errors));
    let mut found = Vec::new();
    for (at, one) in instances.iter().enumerate() {
        let (others, their_errors) = (all.saturating_sub(one.all), errors.saturating_sub(one.errors));
        let is_outlier = !one.is_ejected
            && one.all >= FEWEST_RESPONSES
            && others >= FEWEST_RESPONSES
            && one.errors * 100 >= one.all * LEAST_SHARE
            && one.errors * others >= TIMES_THE_OTHERS * their_errors * one.all;
        if is_outlier && places > 0 {
            places -= 1;
            found.push(at);
        }
    }
    found
}

/// For how long an instance is ejected the `times`th time.
pub(crate) fn ejected_for(times: u32) -> Duration {
    EJECTED_FOR.saturating_mul(times.max(1)).min(EJECTED_AT_MOST)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(all: u64, errors: u64) -> Responses {
        Responses { all, errors, is_ejected: false }
    }

    #[test]
    fn one_that_fails_far_more_often_than_the_others_is_an_outlier() {
        assert_eq!(outliers(&[of(100, 90), of(100, 1), of(100, 0)]), [0]);
        assert_eq!(outliers(&[of(100, 40), of(100, 10)]), [0]);
    }

    #[test]
    fn what_all_have_in_common_is_no_outlier() {
        for instances in [
            vec![of(100, 90), of(100, 80)],
            vec![of(100, 20), of(100, 0)],
            vec![of(10, 10), of(100, 0)],
            vec![of(100, 100)],
            vec![of(100, 100), of(0, 0)],
        ] {
            assert_eq!(outliers(&instances), [] as [usize; 0], "{instances:?}");
        }
    }

    #[test]
    fn it_takes_longer_each_time_and_ends() {
        assert_eq!([1, 2, 100].map(|times| ejected_for(times).as_secs()), [30, 60, 300]);
    }

    proptest! {
        #[test]
        fn never_more_than_half_are_ejected(counts in prop::collection::vec((0_u64..200, 0_u64..200, any::<bool>()), 0..10)) {
            let instances: Vec<Responses> = counts
                .iter()
                .map(|(all, errors, is_ejected)| Responses { all: *all, errors: *errors.min(all), is_ejected: *is_ejected })
                .collect();
            let before = instances.iter().filter(|one| one.is_ejected).count();
            let found = outliers(&instances);
            prop_assert!(found.iter().all(|at| !instances[*at].is_ejected));
            prop_assert!(found.is_empty() || (before + found.len()) * 2 <= instances.len());
        }
    }
}
