//! Text in HTML.

use std::fmt::{Display, Formatter, Result, Write};

use job::visible;

/// Text as content of an element, or as a value of an attribute in double quotes.
pub(super) struct Escaped<'a>(pub(crate) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        // Without control characters and marks of direction, which would change what a terminal or a line shows.
        for character in visible::lines(self.0).chars() {
            match character {
                '&' => formatter.write_str("&amp;")?,
                '<' => formatter.write_str("&lt;")?,
                '>' => formatter.write_str("&gt;")?,
                '"' => formatter.write_str("&quot;")?,
                '\'' => formatter.write_str("&#39;")?,
                other => formatter.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// A table. Its cells are HTML.
pub(super) struct Table<'a> {
    pub(super) title: &'a str,
    pub(super) columns: &'a [&'a str],
    pub(super) rows: Vec<Vec<String>>,
}

impl Table<'_> {
    /// The table with its title; nothing if it has no rows.
    pub(super) fn section(&self) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let mut html = format!("<section><h2>{}</h2><table><thead><tr>", Escaped(self.title));
        for column in self.columns {
            let _ = write!(html, "<th>{}</th>", Escaped(column));
        }
        html.push_str("</tr></thead><tbody>\n");
        for row in &self.rows {
            html.push_str("<tr>");
            for cell in row {
                let _ = write!(html, "<td>{cell}</td>");
            }
            html.push_str("</tr>\n");
        }
        html.push_str("</tbody></table></section>\n");
        html
    }
}
