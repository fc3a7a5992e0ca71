//! Reads the output of a process line by line.

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// The most bytes kept of a line. The rest of a longer line is discarded.
const MAX_LINE_BYTES: u64 = 64 * 1024;

/// The next line without its end, or `None` at the end. Invalid UTF-8 is replaced, because Java writes in the encoding
/// of the locale, and a file name may contain any bytes.
pub(super) async fn next_line(from: &mut (impl AsyncBufRead + Unpin)) -> Option<String> {
    let mut line = Vec::new();
    let mut taken = (&mut *from).take(MAX_LINE_BYTES);
    if taken.read_until(b'\n', &mut line).await.ok()? == 0 {
        return None;
    }
    if line.last() != Some(&b'\n') {
        skip_line(from).await;
    }
    Some(String::from_utf8_lossy(&line).trim_end().to_owned())
}

async fn skip_line(from: &mut (impl AsyncBufRead + Unpin)) {
    while let Ok(bytes) = from.fill_buf().await {
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let skipped = end.map_or(bytes.len(), |end| end + 1);
        from.consume(skipped);
        if end.is_some() || skipped == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::BufReader;

    #[tokio::test]
    async fn lines_of_any_bytes_and_length_are_read_in_bounded_memory() {
        let long = vec![b'x'; 1_000_000];
        let text = [b"a\r\n\xff\xfe\n".as_slice(), &long, b"\n\nend"].concat();
        let mut from = BufReader::new(text.as_slice());
        let mut lines = Vec::new();
        while let Some(line) = next_line(&mut from).await {
            lines.push(line);
        }
        assert_eq!((lines[0].as_str(), lines[1].as_str()), ("a", "\u{fffd}\u{fffd}"));
        assert_eq!(lines[2].len() as u64, MAX_LINE_BYTES);
        assert_eq!(lines[3..], ["", "end"]);
    }
}
