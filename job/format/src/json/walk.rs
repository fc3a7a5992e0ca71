//! The grammar of items, walked over the bytes without building values.
//!
//! One walk serves both directions: a [`Dialect`] decides what is done on the way, and which spelling of the type keys
//! is valid. The remaining text is passed from function to function rather than kept in the walk, so that it stays in
//! registers. For the same reason all but the recursion and the rare cases is inlined.

#![expect(
    clippy::inline_always,
    reason = "measured: without it the optimizer inlines only a part, and a page takes a tenth longer"
)]

use super::{
    Problem,
    escape::{self, Escape, Spelling},
    kind::Kind,
};
use crate::limits::MAX_NESTING;

/// The text after `true` where a NULL has both spellings.
pub(crate) const SECOND_NULL: &[u8] = br#","nULLValue":true"#;

/// The differences between the formats that a [`Walk`] reads, and what the walk does.
pub(crate) trait Dialect<'a> {
    /// The bit to flip in the first letter of a type key to get DynamoDB's spelling.
    const FLIP: u8;

    /// Whether NULL has a second spelling after the first in lines; see [`after_null`](Self::after_null).
    const BOTH_NULLS: bool = false;

    /// Called for `letter`, the first of a type key, at the offset `at`.
    fn type_letter(&mut self, at: usize, letter: u8);

    /// Called if the bytes between two offsets have another canonical spelling. The offsets of successive calls only
    /// grow.
    fn respell(&mut self, from: usize, to: usize, canonical: &[u8]) -> Result<(), Problem>;

    /// Called for a string of this kind, or one of a set. It reaches from the start of `text` to the quote before
    /// `after`.
    #[inline]
    fn scalar(&mut self, _kind: Kind, _text: &'a [u8], _after: &'a [u8]) -> Result<(), Problem> {
        Ok(())
    }

    /// Called at the end of the first spelling of a NULL, at the offset `at`, where `rest` begins. Returns the text
    /// after the second. Called only with [`BOTH_NULLS`](Self::BOTH_NULLS).
    #[inline]
    fn after_null(&mut self, _at: usize, rest: &'a [u8]) -> Result<&'a [u8], Problem> {
        Ok(rest)
    }

    /// Called for an attribute of the item itself, not of a map in it.
    #[inline]
    fn attribute(&mut self, _attribute: &Attribute<'a>) -> Result<(), Problem> {
        Ok(())
    }
}

/// The position of an attribute, as tails of the text: cutting out the text between them costs a check, and only some
/// dialects need it.
pub(crate) struct Attribute<'a> {
    pub(crate) kind: Kind,
    /// From the name on, after its opening quote.
    pub(crate) name: &'a [u8],
    pub(crate) after_name: &'a [u8],
    /// From the content of the value on.
    pub(crate) value: &'a [u8],
    pub(crate) after_value: &'a [u8],
}

/// The text from the start of one tail to the start of a later one.
pub(crate) fn between<'a>(from: &'a [u8], to: &[u8]) -> &'a [u8] {
    &from[..from.len() - to.len()]
}

/// The walk has stopped early; [`Walk::failure`] has the reason. It has no content, so that results fit into registers.
#[derive(Debug)]
pub(crate) struct Stopped;

/// The remaining text after a step.
pub(crate) type Step<'a> = Result<&'a [u8], Stopped>;

pub(crate) struct Walk<'a, D> {
    text: &'a [u8],
    has_separators: bool,
    failure: Option<(usize, Problem)>,
    pub(crate) dialect: D,
}

impl<'a, D: Dialect<'a>> Walk<'a, D> {
    /// `text` must be UTF-8; `has_separators` says whether it contains a raw U+2028 or U+2029.
    pub(crate) fn new(text: &'a [u8], has_separators: bool, dialect: D) -> Self {
        Self { text, has_separators, failure: None, dialect }
    }

    /// The offset of the first byte of `rest`, a tail of the text.
    #[inline(always)]
    pub(crate) fn at(&self, rest: &[u8]) -> usize {
        self.text.len() - rest.len()
    }

    /// Where and why the walk stopped.
    pub(crate) fn failure(&self) -> (usize, Problem) {
        self.failure.unwrap_or((self.text.len(), Problem::End))
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn stop<T>(&mut self, rest: &[u8], problem: Problem) -> Result<T, Stopped> {
        let problem = if rest.is_empty() { Problem::End } else { problem };
        self.failure = Some((self.at(rest), problem));
        Err(Stopped)
    }

    fn stop_unless_ok(&mut self, rest: &[u8], done: Result<(), Problem>) -> Result<(), Stopped> {
        done.or_else(|problem| self.stop(rest, problem))
    }

    /// Walks one item: `{`, attributes, `}`.
    pub(crate) fn item(&mut self, rest: &'a [u8]) -> Step<'a> {
        let rest = self.expect(b'{', "{", rest)?;
        self.attributes(rest, 0)
    }

    /// The first byte of the next token, and the text after it.
    #[inline(always)]
    pub(crate) fn token(&mut self, rest: &'a [u8]) -> Result<(u8, &'a [u8]), Stopped> {
        match rest.split_first() {
            Some((&byte, after)) if byte > b' ' => Ok((byte, after)),
            _ => self.token_after_gap(rest),
        }
    }

    #[cold]
    #[inline(never)]
    fn token_after_gap(&mut self, rest: &'a [u8]) -> Result<(u8, &'a [u8]), Stopped> {
        let rest = self.skip_gap(rest)?;
        match rest.split_first() {
            Some((&byte, after)) => Ok((byte, after)),
            None => self.stop(rest, Problem::End),
        }
    }

    /// Skips white space, which canonical text does not have.
    fn skip_gap(&mut self, rest: &'a [u8]) -> Step<'a> {
        let after = skip_white_space(rest);
        if after.len() < rest.len() {
            let done = self.dialect.respell(self.at(rest), self.at(after), b"");
            self.stop_unless_ok(rest, done)?;
        }
        Ok(after)
    }

    #[inline(always)]
    pub(crate) fn expect(&mut self, byte: u8, name: &'static str, rest: &'a [u8]) -> Step<'a> {
        match rest.split_first() {
            Some((&first, after)) if first == byte => Ok(after),
            _ => self.expect_after_gap(byte, name, rest),
        }
    }

    #[cold]
    #[inline(never)]
    fn expect_after_gap(&mut self, byte: u8, name: &'static str, rest: &'a [u8]) -> Step<'a> {
        let rest = self.skip_gap(rest)?;
        match rest.split_first() {
            Some((&first, after)) if first == byte => Ok(after),
            _ => self.stop(rest, Problem::Expected(name)),
        }
    }

    /// Attributes of an item or a map, up to and including the closing brace.
    fn attributes(&mut self, rest: &'a [u8], depth: usize) -> Step<'a> {
        let (byte, mut rest) = match self.token(rest)? {
            (b'}', after) => return Ok(after),
            token => token,
        };
        if byte != b'"' {
            return self.stop(rest, Problem::Expected("an attribute name"));
        }
        loop {
            let name = rest;
            let after_name = self.string(name)?;
            let colon = self.expect(b':', ":", after_name)?;
            let (kind, value) = self.type_key(colon)?;
            let end = self.content(kind, value, depth)?;
            if depth == 0 {
                let done =
                    self.dialect.attribute(&Attribute { kind, name, after_name, value, after_value: end });
                self.stop_unless_ok(value, done)?;
            }
            if let [b'}', b',', b'"', after @ ..] = end {
                rest = after;
                continue;
            }
            let after = self.expect(b'}', "}", end)?;
            rest = match self.token(after)? {
                (b',', after) => self.expect(b'"', "an attribute name", after)?,
                (b'}', after) => return Ok(after),
                _ => return self.stop(after, Problem::Expected(", or }")),
            };
        }
    }

    /// Attribute values of a list, up to and including the closing bracket.
    fn values(&mut self, rest: &'a [u8], depth: usize) -> Step<'a> {
        let rest = self.expect(b'[', "[", rest)?;
        let (byte, after) = self.token(rest)?;
        if byte == b']' {
            return Ok(after);
        }
        // The token may follow white space that has been skipped now.
        let mut rest = &self.text[self.at(after) - 1..];
        loop {
            let (kind, value) = self.type_key(rest)?;
            let end = self.content(kind, value, depth)?;
            let after = self.expect(b'}', "}", end)?;
            rest = match self.token(after)? {
                (b',', after) => after,
                (b']', after) => return Ok(after),
                _ => return self.stop(after, Problem::Expected(", or ]")),
            };
        }
    }

    /// The strings of a set, up to and including the closing bracket.
    #[inline(always)]
    fn strings(&mut self, kind: Kind, rest: &'a [u8]) -> Step<'a> {
        let rest = self.expect(b'[', "[", rest)?;
        let mut rest = match self.token(rest)? {
            (b'"', after) => after,
            (b']', after) => return Ok(after),
            _ => return self.stop(rest, Problem::Expected("a string or ]")),
        };
        loop {
            let after = self.scalar(kind, rest)?;
            if let [b',', b'"', after @ ..] = after {
                rest = after;
                continue;
            }
            rest = match self.token(after)? {
                (b',', after) => self.expect(b'"', "a string", after)?,
                (b']', after) => return Ok(after),
                _ => return self.stop(after, Problem::Expected(", or ]")),
            };
        }
    }

    /// Reads a value's opening brace and type key. The rest starts with the content.
    #[inline(always)]
    fn type_key(&mut self, rest: &'a [u8]) -> Result<(Kind, &'a [u8]), Stopped> {
        if let Some(word) = escape::first_word(rest)
            && let Some((kind, len)) = Kind::from_compact(word ^ u64::from(D::FLIP) << 16)
        {
            self.dialect.type_letter(self.at(rest) + 2, rest[2]);
            return Ok((kind, &rest[len..]));
        }
        self.loose_type_key(rest)
    }

    #[cold]
    #[inline(never)]
    fn loose_type_key(&mut self, rest: &'a [u8]) -> Result<(Kind, &'a [u8]), Stopped> {
        let rest = self.expect(b'{', "{", rest)?;
        let rest = self.expect(b'"', "an attribute type", rest)?;
        let len = rest.iter().take(5).position(|&byte| byte == b'"').unwrap_or(0);
        let mut name = [0; 4];
        name[..len].copy_from_slice(&rest[..len]);
        name[0] ^= D::FLIP;
        let Some(kind) = Kind::from_name(&name[..len]) else {
            return self.stop(rest, Problem::UnknownType);
        };
        self.dialect.type_letter(self.at(rest), rest[0]);
        let rest = self.expect(b':', ":", &rest[len + 1..])?;
        Ok((kind, self.skip_gap(rest)?))
    }

    /// Reads the content after a type key.
    #[inline(always)]
    fn content(&mut self, kind: Kind, rest: &'a [u8], depth: usize) -> Step<'a> {
        match kind {
            Kind::S | Kind::N | Kind::B => {
                let rest = self.expect(b'"', "a string", rest)?;
                self.scalar(kind, rest)
            }
            Kind::M | Kind::L if depth == MAX_NESTING => self.stop(rest, Problem::TooDeep),
            Kind::M => {
                let rest = self.expect(b'{', "{", rest)?;
                self.attributes(rest, depth + 1)
            }
            Kind::L => self.values(rest, depth + 1),
            Kind::Ss | Kind::Ns | Kind::Bs => self.strings(kind, rest),
            Kind::Bool | Kind::Null => match rest {
                [b't', b'r', b'u', b'e', after @ ..] if D::BOTH_NULLS && kind == Kind::Null => {
                    self.second_null(after)
                }
                [b't', b'r', b'u', b'e', after @ ..] => Ok(after),
                [b'f', b'a', b'l', b's', b'e', after @ ..] if kind == Kind::Bool => Ok(after),
                _ => self.loose_literal(kind, rest),
            },
        }
    }

    fn second_null(&mut self, rest: &'a [u8]) -> Step<'a> {
        match self.dialect.after_null(self.at(rest), rest) {
            Ok(after) => Ok(after),
            Err(problem) => self.stop(rest, problem),
        }
    }

    #[cold]
    #[inline(never)]
    fn loose_literal(&mut self, kind: Kind, rest: &'a [u8]) -> Step<'a> {
        match self.skip_gap(rest)? {
            [b't', b'r', b'u', b'e', after @ ..] if D::BOTH_NULLS && kind == Kind::Null => {
                self.second_null(after)
            }
            [b't', b'r', b'u', b'e', after @ ..] => Ok(after),
            [b'f', b'a', b'l', b's', b'e', after @ ..] if kind == Kind::Bool => Ok(after),
            rest => {
                self.stop(rest, Problem::Expected(if kind == Kind::Null { "true" } else { "true or false" }))
            }
        }
    }

    /// A string that is the whole value or set element; `rest` starts after its opening quote.
    #[inline(always)]
    fn scalar(&mut self, kind: Kind, rest: &'a [u8]) -> Step<'a> {
        let after = self.string(rest)?;
        let done = self.dialect.scalar(kind, rest, after);
        self.stop_unless_ok(rest, done)?;
        Ok(after)
    }

    /// A string up to and including its closing quote; `rest` starts after the opening one.
    #[inline(always)]
    fn string(&mut self, rest: &'a [u8]) -> Step<'a> {
        if !self.has_separators {
            let mut rest = rest;
            loop {
                rest = match escape::skip_plain(rest) {
                    [b'"', after @ ..] => return Ok(after),
                    [b'\\', b'"' | b'\\' | b'n', after @ ..] => after,
                    rest => return self.string_with_escapes(rest),
                };
            }
        }
        self.string_with_escapes(rest)
    }

    #[inline(never)]
    fn string_with_escapes(&mut self, mut rest: &'a [u8]) -> Step<'a> {
        loop {
            let plain = rest;
            rest = escape::skip_plain(plain);
            if self.has_separators {
                self.respell_separators(plain, plain.len() - rest.len())?;
            }
            let escape = match rest.first() {
                Some(b'"') => return Ok(&rest[1..]),
                Some(b'\\') => escape::read_escape(rest),
                Some(_) => Err(Problem::ControlCharacter),
                None => Err(Problem::End),
            };
            rest = match escape {
                Ok(Escape::Canonical { len }) => &rest[len..],
                Ok(Escape::Other { len, char }) => {
                    let at = self.at(rest);
                    let done = self.dialect.respell(at, at + len, Spelling::of(char).as_bytes());
                    self.stop_unless_ok(rest, done)?;
                    &rest[len..]
                }
                Err(problem) => return self.stop(rest, problem),
            };
        }
    }

    /// Replaces the raw line separators in the first `len` bytes.
    fn respell_separators(&mut self, rest: &'a [u8], len: usize) -> Result<(), Stopped> {
        let mut from = 0;
        while let Some(found) = escape::find_line_separator(&rest[from..len]) {
            from += found;
            let char = if rest[from + 2] == 0xa8 { '\u{2028}' } else { '\u{2029}' };
            let at = self.at(rest) + from;
            let done = self.dialect.respell(at, at + 3, Spelling::of(char).as_bytes());
            self.stop_unless_ok(&rest[from..], done)?;
            from += 3;
        }
        Ok(())
    }
}

/// The text without its leading white space.
pub(crate) fn skip_white_space(text: &[u8]) -> &[u8] {
    let len = text.iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\t' | b'\r')).count();
    &text[len..]
}
