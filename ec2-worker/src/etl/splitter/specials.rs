//! Finds the bytes at which fields may end.

/// The bytes of a block, one for each bit of a word.
const BLOCK: usize = u64::BITS as usize;

/// The places of the special bytes of a dialect: the first byte of the separator, that of the record end, and the escape.
///
/// Fields are short, and the processor cannot foresee their lengths. So the bytes of a whole block are compared without a
/// branch, and the ends of its fields are then taken from a word.
#[derive(Debug)]
pub(super) struct Specials {
    bytes: [u8; 3],
    /// The index of the block.
    at: usize,
    /// The special bytes of the block, in the order of the bits.
    found: u64,
}

impl Specials {
    pub(super) fn new(bytes: [u8; 3]) -> Self {
        Self { bytes, at: 0, found: 0 }
    }

    /// Begins with an input that may be another one than before.
    #[inline]
    pub(super) fn begin(&mut self, input: &[u8], at: usize) {
        (self.at, self.found) = (at, self.of(&input[at..]));
    }

    /// Returns the index of the first special byte from `at` on. `at` does not go back within an input.
    #[inline]
    pub(super) fn next(&mut self, input: &[u8], at: usize) -> Option<usize> {
        let within = at - self.at;
        if within < BLOCK {
            let found = self.found & (u64::MAX << within);
            if found != 0 {
                return Some(self.at + found.trailing_zeros() as usize);
            }
        }
        self.next_block(input, at.max(self.at + BLOCK))
    }

    fn next_block(&mut self, input: &[u8], mut at: usize) -> Option<usize> {
        while at < input.len() {
            self.begin(input, at);
            if self.found != 0 {
                return Some(at + self.found.trailing_zeros() as usize);
            }
            at += BLOCK;
        }
        None
    }

    /// Returns the special bytes among the first ones of `input`.
    #[inline]
    fn of(&self, input: &[u8]) -> u64 {
        match input.first_chunk() {
            Some(block) => self.of_block(block),
            None => {
                let mut block = [0; BLOCK];
                block[..input.len()].copy_from_slice(input);
                self.of_block(&block) & !(u64::MAX << input.len())
            }
        }
    }

    #[inline]
    fn of_block(&self, block: &[u8; BLOCK]) -> u64 {
        let [one, two, three] = self.bytes;
        let is_special =
            block.map(|byte| u8::from(byte == one) | u8::from(byte == two) | u8::from(byte == three));
        let (words, _) = is_special.as_chunks::<8>();
        // The product has the eight lowest bits of the bytes of a word in its highest byte.
        let gathered = |word: &[u8; 8]| u64::from_le_bytes(*word).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        words.iter().rev().fold(0, |found, word| found << 8 | gathered(word))
    }
}
