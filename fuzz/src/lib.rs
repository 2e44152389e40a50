//! What the targets share.

/// How many bytes at the end of an input say how its rest is used.
const CONTROL_BYTES: usize = 6;

/// An input of the fuzzer: a text, and after it, so that seeds are plain files, how to use it.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// What is parsed.
    pub text: &'a [u8],
    /// What a target makes options of.
    pub options: [u8; 2],
    sizes: [u8; 4],
}

impl<'a> Input<'a> {
    /// The text and its options; `None` if there are too few bytes.
    pub fn of(data: &'a [u8]) -> Option<Self> {
        let (text, control) = data.split_at_checked(data.len().checked_sub(CONTROL_BYTES)?)?;
        let [a, b, sizes @ ..]: [u8; CONTROL_BYTES] = control.try_into().ok()?;
        Some(Input { text, options: [a, b], sizes })
    }

    /// Whether this bit of the options is set.
    pub fn option(&self, bit: u8) -> bool {
        self.options[0] & (1 << bit) != 0
    }

    /// Lengths from 1 to 8 KiB, again and again.
    pub fn lengths(&self) -> impl Iterator<Item = usize> + Clone + use<> {
        let length = |size: u8| match usize::from(size) {
            small @ 0..128 => 1 + small % 16,
            large => (large - 127) * 64,
        };
        self.sizes.map(length).into_iter().cycle()
    }

    /// The text in chunks of these lengths.
    pub fn chunks(&self) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a> {
        let mut rest = self.text;
        self.lengths().map_while(move |length| {
            let chunk;
            (chunk, rest) = rest.split_at(length.min(rest.len()));
            (!chunk.is_empty()).then_some(chunk)
        })
    }

    /// The text in one chunk.
    pub fn whole(&self) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a> {
        std::iter::once(self.text).filter(|text| !text.is_empty())
    }
}
