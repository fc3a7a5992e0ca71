//! Makes the messages of servers and libraries fit for one line.

use std::{error::Error, io, iter};

use job::visible;

use crate::Fault;

/// The most characters of a server's message that are repeated.
const MAX_CHARS: usize = 400;

/// The text on one line, without passwords, cut if it is too long, and escaped like all output of the programs.
pub(crate) fn sane(text: &str) -> String {
    let text = visible::without_passwords(text.trim());
    let mut cut: String = text
        .chars()
        .take(MAX_CHARS)
        .map(|letter| if matches!(letter, '\n' | '\r' | '\t') { ' ' } else { letter })
        .collect();
    if text.chars().nth(MAX_CHARS).is_some() {
        cut.push('…');
    }
    visible::line(&cut).into_owned()
}

/// An error and its causes on one line, without repetitions, cut if it is too long.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    sane(&with_causes(error))
}

/// An error and its causes, without repetitions: many errors already say what their cause says. A [`Fault`] says
/// everything itself.
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in iter::successors(said_below(error), |&cause| said_below(cause)) {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
    }
    text
}

/// The cause of an error, unless the error says everything itself.
fn said_below<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if error.is::<Fault>() { None } else { error.source() }
}

/// The last cause of an error, for errors whose other causes only name the layers that they passed.
pub fn deepest(error: &(dyn Error + 'static)) -> String {
    let last = iter::successors(Some(error), |&error| said_below(error)).last();
    sane(&last.unwrap_or(error).to_string())
}

/// An error and its causes, including payloads of an [`io::Error`], which its `source` leaves out.
pub fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&error| match error.downcast_ref::<io::Error>() {
        Some(io) => io.get_ref().map(|payload| payload as &(dyn Error + 'static)),
        None => error.source(),
    })
}

/// The content of an element in an XML error of S3, if it exists and consists only of characters of names and numbers.
pub(crate) fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (content, _) = rest.split_once(&format!("</{name}>"))?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    (content.len() <= 64 && !content.is_empty() && content.bytes().all(is_plain)).then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FaultKind;

    #[test]
    fn a_fault_says_everything_itself() {
        #[derive(Debug, thiserror::Error)]
        #[error("the write failed")]
        struct Above(#[source] Fault);

        let fault = Fault::new(FaultKind::Denied, "no permission").caused_by(io::Error::other("raw words"));
        assert_eq!((with_causes(&fault), deepest(&fault)), ("no permission".into(), "no permission".into()));
        let above = Above(fault);
        assert_eq!(with_causes(&above), "the write failed: no permission");
        assert_eq!(deepest(&above), "no permission");
    }

    #[test]
    fn what_a_server_says_stays_on_its_line_and_is_cut() {
        assert_eq!(sane("a\r\nb\tc"), "a  b c");
        assert_eq!(sane("\u{1b}[31mred\u{202e}"), "\\u{1b}[31mred\\u{202e}");
        assert_eq!(sane("Zürich 東京"), "Zürich 東京");
        assert_eq!(sane("no way to http://me:secret@there/x"), "no way to http://…@there/x");
        let long = sane(&"x".repeat(5000));
        assert_eq!((long.chars().count(), long.ends_with('…')), (MAX_CHARS + 1, true));
    }

    #[test]
    fn a_cause_that_its_error_repeats_is_told_once() {
        #[derive(Debug, thiserror::Error)]
        enum Failed {
            #[error("no thread: {0}")]
            Repeating(#[source] io::Error),
            #[error("no threads")]
            Brief(#[source] Box<Failed>),
        }
        let eagain = || Failed::Repeating(io::Error::from_raw_os_error(11));
        let said = "no thread: Resource temporarily unavailable (os error 11)";
        assert_eq!(with_causes(&eagain()), said);
        assert_eq!(with_causes(&Failed::Brief(Box::new(eagain()))), format!("no threads: {said}"));
    }

    #[test]
    fn payloads_of_io_errors_are_causes() {
        let inner = io::Error::new(io::ErrorKind::InvalidData, std::fmt::Error);
        let outer = io::Error::other(inner);
        assert!(causes(&outer).any(<dyn Error>::is::<std::fmt::Error>));
    }

    #[test]
    fn an_element_is_read_only_if_it_is_a_word() {
        let xml = "<Error><Region>eu-west-1</Region><Empty></Empty><Odd>a\nb</Odd><Open>x</Error>";
        assert_eq!(element(xml, "Region"), Some("eu-west-1"));
        for name in ["Empty", "Odd", "Open", "None"] {
            assert_eq!(element(xml, name), None, "{name}");
        }
    }
}
