//! The line of an event: `TIME LEVEL MODULE: MESSAGE FIELD=VALUE…`.

use std::fmt::{self, Write};

use jiff::Timestamp;
use job::visible;
use tracing::{
    Event,
    field::{Field, Visit},
};

/// The name of the field with the message.
const MESSAGE: &str = "message";

/// The line, in which everything that could control a terminal or forge another line is escaped.
pub(crate) fn of(event: &Event<'_>, process: &str) -> String {
    let mut text = Text { message: String::new(), fields: String::new() };
    event.record(&mut text);
    let Text { message, fields } = text;
    let metadata = event.metadata();
    let process = if process.is_empty() { String::new() } else { format!(" {process}") };
    let line = format!("{} {} {}: {message}{process}{fields}", now(), metadata.level(), metadata.target());
    visible::line(&visible::without_passwords(&line)).into_owned()
}

/// The time in UTC, to the millisecond.
pub(crate) fn now() -> String {
    format!("{:.3}", Timestamp::now())
}

struct Text {
    message: String,
    fields: String,
}

impl Text {
    /// Adds a field. A value that is not one word is quoted.
    fn add(&mut self, field: &Field, value: &str) {
        let is_word = !value.is_empty()
            && !value.contains(|char: char| char.is_whitespace() || char.is_control() || char == '"');
        let name = field.name();
        // Writing to a string cannot fail.
        let _ = match (name, is_word) {
            (MESSAGE, _) => write!(self.message, "{value}"),
            (_, true) => write!(self.fields, " {name}={value}"),
            // What is quoted already is the Debug format of a text.
            _ if value.len() > 1 && value.starts_with('"') && value.ends_with('"') => {
                write!(self.fields, " {name}={value}")
            }
            _ => write!(self.fields, " {name}={value:?}"),
        };
    }
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, &format!("{value:?}"));
    }
}
