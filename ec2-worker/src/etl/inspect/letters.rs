//! Reads the lines of a text once more whose encoding was guessed: finds words that show people whether the guess is right,
//! and lines that are UTF-8 although others are not.

use std::path::Path;

use encoding_rs::Encoding;

use super::super::dialect::Dialect;
use super::super::input::Input;
use super::place::Place;
use crate::failure::Failure;

/// The largest number of words that are shown.
const WORDS: usize = 5;
/// A longer line is looked at in parts.
const LONGEST_LINE: usize = 1024 * 1024;

/// The findings about the letters beyond ASCII of a text.
#[derive(Clone, Debug)]
pub struct Letters {
    /// The guessed encoding.
    pub guess: &'static Encoding,
    /// Words with such letters, as the guessed encoding reads them.
    pub words: Vec<Place>,
    /// The number of lines with such letters that are not UTF-8.
    pub lines: u64,
    /// The first lines with such letters that are UTF-8: a word of each, as UTF-8 reads it.
    pub utf8: Vec<Place>,
    /// The number of all such lines.
    pub utf8_lines: u64,
}

impl Letters {
    /// Reads the whole text.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or unpacked.
    pub(super) fn read(mut input: Input, guess: &'static Encoding, scratch: &Path) -> Result<Self, Failure> {
        input.begin(&Dialect::default(), scratch)?;
        let mut letters = Self { guess, words: Vec::new(), lines: 0, utf8: Vec::new(), utf8_lines: 0 };
        let (mut window, mut line) = (Vec::new(), 1);
        while input.fill(&mut window)? > 0 {
            let mut done = 0;
            while let Some(length) = memchr::memchr2(b'\n', b'\r', &window[done..]) {
                let end = done + length;
                if window[end] == b'\r' && end + 1 == window.len() {
                    // The next byte decides whether this is a whole line end.
                    break;
                }
                letters.add(&window[done..end], line);
                let is_pair = window[end..].starts_with(b"\r\n");
                done = end + if is_pair { 2 } else { 1 };
                line += 1;
            }
            if window.len() - done > LONGEST_LINE {
                // The encodings that are guessed have no byte below `0` inside a character, so the part ends between two characters.
                let mark = window[done..].iter().rposition(|byte| *byte < b'0');
                let end = mark.map_or(window.len(), |mark| done + mark + 1);
                letters.add(&window[done..end], line);
                done = end;
            }
            window.drain(..done);
        }
        letters.add(&window, line);
        Ok(letters)
    }

    fn add(&mut self, text: &[u8], line: u64) {
        if text.is_ascii() {
            return;
        }
        match std::str::from_utf8(text) {
            // Characters of several bytes may be UTF-8 by chance.
            Ok(text) if self.guess.is_single_byte() => {
                self.utf8_lines += 1;
                Place::push(&mut self.utf8, line, word(text));
            }
            _ => {
                self.lines += 1;
                if self.words.len() < WORDS {
                    let text = self.guess.decode_without_bom_handling(text).0;
                    let word = word(&text);
                    if self.words.iter().all(|known| known.text != word) {
                        Place::push(&mut self.words, line, word);
                    }
                }
            }
        }
    }
}

/// Returns the first word with a letter beyond ASCII.
fn word(text: &str) -> &str {
    let mut words = text.split(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric());
    words.find(|word| !word.is_ascii()).unwrap_or_default()
}
