//! Numbers that come again with the same seed.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// The seed of a random test: `FUNGIBLE_SEED`, or a new one. Printed, so that a failed run can be repeated.
#[must_use]
#[expect(clippy::print_stdout, reason = "the test harness shows it when the test fails")]
pub fn seed() -> u64 {
    let given = std::env::var("FUNGIBLE_SEED").ok().map(|seed| seed.parse().expect("FUNGIBLE_SEED is a number"));
    let seed = given.unwrap_or_else(|| RandomState::new().build_hasher().finish());
    println!("FUNGIBLE_SEED={seed}");
    seed
}

/// A small generator (splitmix64 by Sebastiano Vigna).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// From [`seed`].
    #[must_use]
    pub fn new() -> Random {
        Random(seed())
    }

    /// From a seed that the caller has.
    #[must_use]
    pub fn from_seed(seed: u64) -> Random {
        Random(seed)
    }

    /// A generator of its own for each of several threads.
    #[must_use]
    pub fn fork(&mut self) -> Random {
        Random(self.next())
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    /// Random bytes.
    #[must_use]
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next().to_le_bytes()[0]).collect()
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

impl Default for Random {
    fn default() -> Random {
        Random::new()
    }
}
