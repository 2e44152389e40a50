//! Numbers in as few bytes as they need: little-endian groups of 7 bits, of which all but the last have the
//! highest bit set (LEB128).

use super::Broken;

/// The most bytes that a number of 64 bits takes.
const LONGEST: usize = 10;

pub(super) fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Writes a number that may be negative: 0, -1, 1, -2 become 0, 1, 2, 3.
pub(super) fn put_signed(out: &mut Vec<u8>, number: i64) {
    put(out, ((number << 1) ^ (number >> 63)) as u64);
}

/// What is still to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Cursor { rest: bytes }
    }

    pub(super) fn number(&mut self) -> Result<u64, Broken> {
        let mut number = 0u64;
        for (at, &byte) in self.rest.iter().enumerate().take(LONGEST) {
            let bits = u64::from(byte & 0x7f);
            let shifted = bits << (7 * at);
            if shifted >> (7 * at) != bits {
                return Err(Broken("a number is too large"));
            }
            number |= shifted;
            if byte < 0x80 {
                self.rest = &self.rest[at + 1..];
                return Ok(number);
            }
        }
        Err(Broken(if self.rest.len() < LONGEST {
            "it ends within a number"
        } else {
            "a number is too large"
        }))
    }

    pub(super) fn signed(&mut self) -> Result<i64, Broken> {
        let number = self.number()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// A number of at most 32 bits.
    pub(super) fn small(&mut self) -> Result<u32, Broken> {
        u32::try_from(self.number()?).map_err(|_| Broken("a number is too large"))
    }

    /// The number of items that follow, each of which has at least `least` bytes. So what is allocated for
    /// them is in proportion to what is there.
    pub(super) fn count(&mut self, least: usize) -> Result<usize, Broken> {
        let count = usize::try_from(self.number()?).map_err(|_| Broken("a number is too large"))?;
        if count > self.rest.len() / least {
            return Err(Broken("it has fewer items than it says"));
        }
        Ok(count)
    }

    pub(super) fn bytes(&mut self, length: usize) -> Result<&'a [u8], Broken> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Broken("it is cut off"))?;
        self.rest = rest;
        Ok(bytes)
    }

    /// Four bytes, little-endian.
    pub(super) fn word(&mut self) -> Result<u32, Broken> {
        let (word, rest) = self.rest.split_first_chunk().ok_or(Broken("it is cut off"))?;
        self.rest = rest;
        Ok(u32::from_le_bytes(*word))
    }

    /// Bytes behind their length.
    pub(super) fn string(&mut self) -> Result<&'a [u8], Broken> {
        let length = self.count(1)?;
        self.bytes(length)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_have_the_documented_form() {
        for (number, bytes) in [
            (0, &[0][..]),
            (127, &[127]),
            (128, &[0x80, 1]),
            (300, &[0xac, 2]),
            (u64::MAX, &[255, 255, 255, 255, 255, 255, 255, 255, 255, 1]),
        ] {
            let mut out = Vec::new();
            put(&mut out, number);
            assert_eq!(out, bytes);
        }
        for (number, byte) in [(0, 0), (-1, 1), (1, 2), (-2, 3)] {
            let mut out = Vec::new();
            put_signed(&mut out, number);
            assert_eq!(out, [byte]);
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let too_large = Err(Broken("a number is too large"));
        assert_eq!(Cursor::new(&[0xff; 20]).number(), too_large);
        assert_eq!(Cursor::new(&[255, 255, 255, 255, 255, 255, 255, 255, 255, 2]).number(), too_large);
        assert_eq!(Cursor::new(&[0x80; 3]).number(), Err(Broken("it ends within a number")));
        assert_eq!(Cursor::new(&[]).number(), Err(Broken("it ends within a number")));
        assert_eq!(Cursor::new(&[200, 1, 0, 0]).count(1), Err(Broken("it has fewer items than it says")));
    }

    proptest! {
        #[test]
        fn numbers_come_back(numbers: Vec<(u64, i64)>) {
            let mut out = Vec::new();
            for (number, signed) in &numbers {
                put(&mut out, *number);
                put_signed(&mut out, *signed);
            }
            let mut cursor = Cursor::new(&out);
            for (number, signed) in numbers {
                prop_assert_eq!(cursor.number(), Ok(number));
                prop_assert_eq!(cursor.signed(), Ok(signed));
            }
            prop_assert!(cursor.rest.is_empty());
        }
    }
}
