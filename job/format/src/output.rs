//! The formats that an export writes: what each [`OutputFormat`] is.

use job::{
    spec::{NullSpelling, OutputFormat},
    split::InputFormat,
};

use crate::emr::{self, KeyNames, LineError, LineKeys, TranscodeError};
pub use crate::scan_reply::ScanPage;

/// How the items of one export are spelled.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// The format of the lines.
    pub format: OutputFormat,
    /// How NULL is spelled in them.
    pub null: NullSpelling,
}

impl Output {
    /// Appends one line for each item of the Scan reply `body` to `lines`.
    ///
    /// # Errors
    /// Fails if `body` is not exactly one complete reply. `lines` is then unchanged.
    #[inline]
    pub fn encode_page<'a>(
        self,
        body: &'a [u8],
        lines: &mut Vec<u8>,
    ) -> Result<ScanPage<'a>, TranscodeError> {
        match self.format {
            OutputFormat::EmrLines => emr::scan_page(body, self.null, lines),
        }
    }

    /// Checks that `line`, without its end, is what an export writes for an item with this key. Returns the values of
    /// the key.
    ///
    /// # Errors
    /// Fails if the line is anything else, although an import might accept it.
    #[inline]
    pub fn check_line<'a>(self, line: &'a [u8], keys: &KeyNames) -> Result<LineKeys<'a>, LineError> {
        match self.format {
            OutputFormat::EmrLines => emr::check_line(line, keys, self.null),
        }
    }
}

/// What an import reads the files of an export as.
pub const fn input_of(format: OutputFormat) -> InputFormat {
    match format {
        OutputFormat::EmrLines => InputFormat::Emr,
    }
}

#[cfg(test)]
mod tests {
    use job::schema::{KeyAttribute, KeyKind, KeySchema};

    use super::*;
    use crate::{
        input::Decoder,
        request::{Encoder, Wanted},
    };

    #[test]
    fn what_is_written_passes_the_check_and_is_imported_as_the_same_item() {
        let partition = KeyAttribute { name: "id".into(), kind: KeyKind::N };
        let keys = KeySchema { partition, sort: None };
        let item = r#"{"id":{"N":"7"},"x":{"L":[{"NULL":true}]}}"#;
        let body = format!(r#"{{"Items":[{item}],"Count":1,"ScannedCount":1}}"#);
        for format in OutputFormat::ALL {
            for null in [NullSpelling::Single, NullSpelling::Both] {
                let (output, mut lines) = (Output { format, null }, Vec::new());
                assert_eq!(output.encode_page(body.as_bytes(), &mut lines).unwrap().items, 1);
                let line = lines.strip_suffix(b"\n").unwrap();
                let key = output.check_line(line, &KeyNames::from(&keys)).unwrap();
                assert_eq!(key.partition, b"7");
                let mut request = Vec::new();
                let mut decoder = Decoder::new(input_of(format), Encoder::new(&keys, Wanted::Items));
                let encoded = decoder.decode(line, &mut request).unwrap();
                assert_eq!(&request[..encoded.json_bytes], item.as_bytes());
            }
        }
    }
}
