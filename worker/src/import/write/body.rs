//! The JSON bodies of write requests.

use engine::worker::line::Line;
use job::{
    spec::{ImportSettings, WriteMode},
    split::Write,
};

use super::batch::MAX_LINES;

/// The operation for a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// `BatchWriteItem`: puts and deletes items unconditionally.
    Batch,
    /// `PutItem` for one line, under the condition that no item with the key exists.
    PutIfAbsent,
}

impl Call {
    /// The operation for these lines.
    pub(crate) fn of(mode: WriteMode, lines: &[Line]) -> Self {
        match (mode, lines) {
            (WriteMode::PutIfAbsent, [line]) if line.write == Write::Put => Self::PutIfAbsent,
            _ => Self::Batch,
        }
    }

    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Batch => "BatchWriteItem",
            Self::PutIfAbsent => "PutItem",
        }
    }
}

/// The most lines of a batch: only a single line can have a condition.
pub(crate) const fn max_lines(mode: WriteMode) -> usize {
    match mode {
        WriteMode::PutIfAbsent => 1,
        WriteMode::Check | WriteMode::Put | WriteMode::Delete => MAX_LINES,
    }
}

/// The JSON around the items of a request for one table.
#[derive(Debug)]
pub(crate) struct RequestFrame {
    batch_head: String,
    batch_tail: &'static str,
    put_head: String,
    put_tail: String,
}

impl RequestFrame {
    pub(crate) fn new(settings: &ImportSettings) -> Self {
        let string = |text: &str| serde_json::Value::from(text).to_string();
        let (table, key) = (string(&settings.table), string(&settings.keys.partition.name));
        Self {
            batch_head: format!(r#"{{"RequestItems":{{{table}:["#),
            batch_tail: r#"]},"ReturnConsumedCapacity":"INDEXES"}"#,
            put_head: format!(r#"{{"TableName":{table},"Item":"#),
            put_tail: format!(
                r##","ConditionExpression":"attribute_not_exists(#k)","ExpressionAttributeNames":{{"#k":{key}}},"ReturnConsumedCapacity":"INDEXES"}}"##
            ),
        }
    }

    /// The body of a request that writes the lines.
    pub(crate) fn body(&self, call: Call, lines: &[Line]) -> Vec<u8> {
        let around = match call {
            Call::Batch => (self.batch_head.as_str(), self.batch_tail),
            Call::PutIfAbsent => (self.put_head.as_str(), self.put_tail.as_str()),
        };
        // The JSON around each item has at most 27 bytes.
        let json_bytes: usize = lines.iter().map(|line| line.json.len() + 27).sum();
        let mut body = Vec::with_capacity(around.0.len() + json_bytes + around.1.len());
        body.extend_from_slice(around.0.as_bytes());
        for (index, line) in lines.iter().enumerate() {
            if call == Call::PutIfAbsent {
                body.extend_from_slice(&line.json);
                continue;
            }
            if index > 0 {
                body.push(b',');
            }
            body.extend_from_slice(match line.write {
                Write::Put => br#"{"PutRequest":{"Item":"#,
                Write::Delete => br#"{"DeleteRequest":{"Key":"#,
            });
            body.extend_from_slice(&line.json);
            body.extend_from_slice(b"}}");
        }
        body.extend_from_slice(around.1.as_bytes());
        body
    }
}

#[cfg(test)]
mod tests {
    use job::{
        capacity::Units,
        schema::{KeyAttribute, KeyKind, KeySchema},
        spec::AwsAccess,
    };

    use super::*;
    use engine::worker::line::Ticket;

    fn frame() -> RequestFrame {
        let partition = KeyAttribute { name: "k\"".into(), kind: KeyKind::S };
        RequestFrame::new(&ImportSettings {
            table: "t\\".into(),
            keys: KeySchema { partition, sort: None },
            indexes: Vec::new(),
            is_incremental: false,
            mode: WriteMode::Put,
            open_splits: 1,
            aws: AwsAccess::default(),
        })
    }

    fn line(write: Write) -> Line {
        let (ticket, units) = (Ticket { slot: 0, line: 0 }, Units::from_units(1));
        Line { ticket, write, json: r#"{"k":{"S":"a"}}"#.into(), key: "a".into(), units }
    }

    #[test]
    fn a_batch_is_one_request_of_puts_and_deletes() {
        let body = frame().body(Call::Batch, &[line(Write::Put), line(Write::Delete)]);
        assert_eq!(
            String::from_utf8(body).unwrap(),
            r#"{"RequestItems":{"t\\":[{"PutRequest":{"Item":{"k":{"S":"a"}}}},{"DeleteRequest":{"Key":{"k":{"S":"a"}}}}]},"ReturnConsumedCapacity":"INDEXES"}"#
        );
    }

    #[test]
    fn a_line_that_must_not_replace_anything_is_put_under_a_condition_and_one_that_deletes_is_not() {
        let put = [line(Write::Put)];
        assert_eq!(Call::of(WriteMode::PutIfAbsent, &put), Call::PutIfAbsent);
        assert_eq!(Call::of(WriteMode::Put, &put), Call::Batch);
        assert_eq!(Call::of(WriteMode::PutIfAbsent, &[line(Write::Delete)]), Call::Batch);
        assert_eq!(
            String::from_utf8(frame().body(Call::PutIfAbsent, &put)).unwrap(),
            r##"{"TableName":"t\\","Item":{"k":{"S":"a"}},"ConditionExpression":"attribute_not_exists(#k)","ExpressionAttributeNames":{"#k":"k\""},"ReturnConsumedCapacity":"INDEXES"}"##
        );
    }
}
