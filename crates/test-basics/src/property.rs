//! Properties that hold for all cases, tried on random ones.

use std::fmt::Debug;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use crate::random::{Random, seed};

/// Runs a property on so many cases. A failure prints the seed ([`seed`]) and the smallest case that fails.
pub fn for_any<T: Debug>(cases: u32, strategy: &impl Strategy<Value = T>, property: impl Fn(T)) {
    let seed = seed();
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &Random::from_seed(seed).bytes(32));
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new_with_rng(config, rng).run(strategy, |case| {
        property(case);
        Ok(())
    });
    if let Err(TestError::Fail(reason, case)) = outcome {
        panic!("with FUNGIBLE_SEED={seed}: {reason}\n{case:?}");
    }
}
