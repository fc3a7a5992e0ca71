//! The XML of Hadoop's configuration files. `xi:include` is not followed.

use roxmltree::{Document, Node, ParsingOptions};

/// A `<property>`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Property {
    pub(super) name: String,
    /// As written. Empty if there is none.
    pub(super) value: String,
    pub(super) is_final: bool,
}

/// Text that is not a configuration file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum XmlError {
    #[error("not XML: {0}")]
    Malformed(#[from] roxmltree::Error),
    #[error("not a Hadoop configuration: its root is <{0}>, not <configuration>")]
    Root(String),
}

/// All properties of a file, in order. Fields are elements or, since Hadoop 2.9, attributes.
pub(super) fn properties(text: &str) -> Result<Vec<Property>, XmlError> {
    // An XML declaration must come first, but editors put a byte order mark before it.
    let text = text.trim_start_matches('\u{feff}');
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options)?;
    let root = document.root_element();
    if !root.has_tag_name("configuration") {
        return Err(XmlError::Root(root.tag_name().name().to_owned()));
    }
    let properties = root.descendants().filter(|node| node.has_tag_name("property"));
    Ok(properties.filter_map(property).collect())
}

fn property(node: Node<'_, '_>) -> Option<Property> {
    let field = |name: &str| {
        let element = node.children().find(|child| child.has_tag_name(name));
        element.map(text).or_else(|| node.attribute(name).map(str::to_owned))
    };
    Some(Property {
        name: field("name")?.trim().to_owned(),
        value: field("value").unwrap_or_default(),
        is_final: field("final").is_some_and(|is_final| is_final.trim() == "true"),
    })
}

/// All text in an element, joined, because comments and CDATA sections divide it.
fn text(node: Node<'_, '_>) -> String {
    node.descendants().filter(Node::is_text).filter_map(|text| text.text()).collect()
}
