//! Looks into answers of the Query protocol.

use super::document;

/// The texts of all elements of this name, in any namespace.
pub(super) fn all(text: &str, name: &str) -> Vec<String> {
    let Some(document) = document(text) else { return Vec::new() };
    let named = document.descendants().filter(|node| node.tag_name().name() == name);
    named.filter_map(|node| node.text()).map(|text| text.trim().to_owned()).collect()
}

/// The text of the first one.
pub(super) fn first(text: &str, name: &str) -> Option<String> {
    all(text, name).into_iter().next()
}
