//! What was converted, in lines for people.

use super::Converted;
use crate::quote::visible;

impl Converted {
    /// The changed lines, each with its object and field, and then the notes. Foreign text in it is escaped.
    ///
    /// ```text
    /// TableBackupActivity.step
    ///   - s3://…jar,org.apache.hadoop.dynamodb.tools.DynamoDBExport,…
    ///   + command-runner.jar,/home/hadoop/tablehaul/tablehaul,…
    /// note: …
    /// ```
    pub fn summary(&self) -> String {
        let mut lines = Vec::new();
        for change in &self.changes {
            lines.push(visible(&format!("{}.{}", change.object, change.field)));
            lines.extend(change.old.iter().map(|old| format!("  - {}", visible(old))));
            lines.push(format!("  + {}", visible(&change.new)));
        }
        lines.extend(self.notes.iter().map(|note| format!("note: {}", visible(note))));
        lines.join("\n")
    }
}
