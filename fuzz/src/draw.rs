//! Choices that a check makes: the same for the same input, and other ones after the
//! smallest change of it.

/// A sequence of numbers drawn from an input.
#[derive(Clone, Debug)]
pub struct Draw(u64);

impl Draw {
    /// The sequence of `data`.
    #[must_use]
    pub fn of(data: &[u8]) -> Self {
        let hash = data.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self(hash | 1)
    }

    /// A number below `most`, which is not 0.
    pub fn below(&mut self, most: usize) -> usize {
        // Xorshift: its state is never 0.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).map_or(0, |number| number % most)
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of `all`.
    pub fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// Inputs up to this length are also cut after every byte.
const SINGLE_BYTES: usize = 256;

/// `data` cut in several ways, each handed to `check`.
pub fn each_split(data: &[u8], check: &mut dyn FnMut(&[&[u8]])) {
    let mut draw = Draw::of(data);
    if data.len() <= SINGLE_BYTES {
        let single: Vec<&[u8]> = data.chunks(1).collect();
        check(&single);
    }
    let (a, b) = data.split_at(draw.below(data.len() + 1));
    check(&[a, b]);
    let longest = draw.one_of(&[4, 16, 64]);
    let mut pieces = Vec::new();
    let mut rest = data;
    while !rest.is_empty() {
        // A piece may be empty, as a read may give nothing.
        let (piece, after) = rest.split_at(draw.below(longest).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    check(&pieces);
}
