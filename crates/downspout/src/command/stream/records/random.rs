//! Random numbers that a seed decides.

/// Random numbers for one record. The algorithm is splitmix64, which is fixed here so that no new version of a library
/// changes the records.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// Returns the random numbers of the record with this number.
    pub(super) fn of(seed: u64, number: u64) -> Self {
        let mut random = Self(seed);
        // The numbers of neighbouring records must not be alike, so the number goes through the mixer before it is used.
        let mixed = random.next();
        Self(mixed ^ number.wrapping_mul(0xd134_2543_de82_ef95))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number from 0 to `end` - 1.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Returns whether something happens that happens `percent` times in a hundred.
    pub(super) fn happens(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Returns one of the choices, which must not be empty.
    pub(super) fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// Returns one of the choices or, `percent` times in a hundred, nothing.
    pub(super) fn perhaps<'a>(&mut self, percent: u64, choices: &[&'a str]) -> Option<&'a str> {
        let chosen = self.one_of(choices);
        (!self.happens(percent)).then_some(chosen)
    }

    /// Returns a UUID of version 4.
    pub(super) fn uuid(&mut self) -> String {
        let bits = (u128::from(self.next()) << 64) | u128::from(self.next());
        uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid().to_string()
    }
}
