//! A blocking HTTP request to a server on loopback, one connection each. Enough for admin calls of tests; no
//! redirects, no TLS.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The answer to a request: its status and its body as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status code.
    pub status: u16,
    /// The whole body.
    pub body: String,
}

/// The address in a URL of a server on loopback, such as `http://127.0.0.1:8000`.
///
/// # Panics
/// When that is no such URL.
#[track_caller]
pub fn address(endpoint: &str) -> SocketAddr {
    let address = endpoint.strip_prefix("http://").and_then(|address| address.parse().ok());
    address.unwrap_or_else(|| panic!("{endpoint} is no address"))
}

/// Sends one request and reads the answer.
///
/// # Errors
/// When the connection fails, stalls for a minute, or the answer isn't HTTP.
pub fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> std::io::Result<Reply> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_mins(1)))?;
    let head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    let headers: String = headers.iter().flat_map(|(name, value)| [name, ": ", value, "\r\n"]).collect();
    let text = format!("{head}{headers}content-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(text.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse(&answer)
        .ok_or_else(|| std::io::Error::new(std::io::ErrorKind::InvalidData, "the answer is not HTTP"))
}

fn parse(answer: &[u8]) -> Option<Reply> {
    let end = memchr::memmem::find(answer, b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?.to_ascii_lowercase();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = &answer[end + 4..];
    let body = if head.contains("\r\ntransfer-encoding: chunked") { joined(body)? } else { body.to_vec() };
    Some(Reply { status, body: String::from_utf8_lossy(&body).into_owned() })
}

/// The body of a chunked reply. A chunk is its length in hexadecimal, a line end, that many bytes, and a line end
/// (RFC 9112, section 7.1); the last is empty.
fn joined(mut chunks: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = memchr::memmem::find(chunks, b"\r\n")?;
        let len = std::str::from_utf8(&chunks[..end]).ok()?.split(';').next()?;
        let len = usize::from_str_radix(len.trim(), 16).ok()?;
        if len == 0 {
            return Some(body);
        }
        body.extend(chunks.get(end + 2..)?.get(..len)?);
        chunks = chunks.get(end + 2 + len + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(answer: &str) -> Option<String> {
        parse(answer.as_bytes()).map(|reply| reply.body)
    }

    #[test]
    fn chunks_are_joined_and_one_that_is_cut_off_is_no_answer() {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let chunks = "4\r\n{\"a\"\r\n3;x=y\r\n:1}\r\n0\r\n\r\n";
        assert_eq!(body(&format!("{head}{chunks}")).as_deref(), Some("{\"a\":1}"));
        assert_eq!(body(&format!("{head}{}", &chunks[..12])), None);
        assert_eq!(body("HTTP/1.0 404 Not Found\r\n\r\n4\r\nno").as_deref(), Some("4\r\nno"));
    }
}
