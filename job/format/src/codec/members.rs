//! Reads gzip and zlib to the very end of the file.

use std::io::{self, BufRead, ErrorKind, Read};

use flate2::bufread::{GzDecoder, ZlibDecoder};

/// All members of a gzip file. Zeros may follow the last one, as gzip(1) allows, since tapes are padded with them.
pub(super) struct Gzip<R> {
    /// `None` after the last member.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Gzip<R> {
    pub(super) fn new(stored: R) -> Self {
        Self { member: Some(GzDecoder::new(stored)) }
    }
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while let Some(mut member) = self.member.take() {
            let read = member.read(out)?;
            if read > 0 {
                self.member = Some(member);
                return Ok(read);
            }
            match member.get_mut().fill_buf()?.first() {
                None => {}
                Some(0) => expect_zeros(member.get_mut())?,
                // Anything other than a member fails when its header is read.
                Some(_) => self.member = Some(GzDecoder::new(member.into_inner())),
            }
        }
        Ok(0)
    }
}

fn expect_zeros(rest: &mut impl BufRead) -> io::Result<()> {
    loop {
        let held = rest.fill_buf()?;
        if held.iter().any(|&byte| byte != 0) {
            return Err(trailing());
        }
        match held.len() {
            0 => return Ok(()),
            len => rest.consume(len),
        }
    }
}

/// One zlib stream, with nothing after it.
pub(super) struct Zlib<R>(ZlibDecoder<R>);

impl<R: BufRead> Zlib<R> {
    pub(super) fn new(stored: R) -> Self {
        Self(ZlibDecoder::new(stored))
    }
}

impl<R: BufRead> Read for Zlib<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self.0.read(out)? {
            0 if self.0.get_mut().fill_buf()?.is_empty() => Ok(0),
            0 => Err(trailing()),
            read => Ok(read),
        }
    }
}

fn trailing() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "other data follows its end")
}
