//! Numbers that come again with the same seed.

/// A small generator (splitmix64).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// From the seed in `FUNGIBLE_SEED`, else from a new one; either way the output of the test shows it.
    #[must_use]
    #[expect(clippy::print_stdout, reason = "a failed run can be repeated with its seed")]
    pub fn new() -> Random {
        let given = std::env::var("FUNGIBLE_SEED").ok().map(|seed| seed.parse().unwrap());
        let seed = given.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0);
        println!("FUNGIBLE_SEED={seed}");
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
