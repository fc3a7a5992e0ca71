//! A step of an `EmrActivity`: a jar and its arguments, with commas between them.
//!
//! A backslash before a comma keeps the comma in the argument (Data Pipeline Developer Guide, dp-object-emractivity).
//! AWS's samples have blanks after commas.

use std::ops::Range;

use super::{refusal::Why, source::Definition};

const PACKAGE: &str = "org.apache.hadoop.dynamodb.tools.";
/// Where the package of the Java tool is named, the tool is run.
pub(super) const MARK: &str = PACKAGE;

/// The main classes of the Java tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Export,
    Import,
}

impl Class {
    /// Both spellings: of the tool's version 2 and of later ones.
    fn named(name: &str) -> Option<Self> {
        match name.strip_prefix(PACKAGE)? {
            "DynamoDBExport" | "DynamoDbExport" => Some(Self::Export),
            "DynamoDBImport" | "DynamoDbImport" => Some(Self::Import),
            _ => None,
        }
    }

    /// The most arguments: PATH TABLE RATIO, and SEGMENTS of an export.
    fn most_arguments(self) -> usize {
        match self {
            Self::Export => 4,
            Self::Import => 3,
        }
    }
}

/// A step that runs the Java tool.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) class: Class,
    /// The class in the step as it is written.
    pub(super) class_at: Range<usize>,
    pub(super) jar: String,
    /// What follows the class.
    pub(super) arguments: Vec<String>,
}

impl Step {
    /// Reads a step as it is written in JSON.
    pub(super) fn read(written: &str, definition: &Definition<'_>) -> Result<Self, Why> {
        let lower = written.to_ascii_lowercase();
        if lower.contains("\\u002c") || lower.contains("\\u005c") {
            return Err(Why::Escapes);
        }
        let parts = parts(written);
        let words: Option<Vec<String>> = parts.iter().map(|part| plain(&written[part.clone()])).collect();
        let words = words.ok_or(Why::Escapes)?;
        if let [whole] = words.as_slice()
            && whole.starts_with("#{")
        {
            return Err(Why::WholeStep(whole.clone()));
        }
        if let Some(word) = words.iter().take(2).find(|word| word.replace("\\,", "").contains(',')) {
            return Err(Why::CommaInExpression(word.clone()));
        }
        let word =
            |number: usize| words.get(number).map_or(Ok(String::new()), |word| definition.followed(word));
        let jar = word(0)?;
        let second = word(1)?;
        if let Some(why) = known_other(&jar, &second, words.get(2).map_or("", String::as_str)) {
            return Err(why);
        }
        let Some(class) = Class::named(&second).filter(|_| is_jar(&jar)) else {
            return Err(Why::NotTheJavaTool(format!("{jar} {second}").trim_end().to_owned()));
        };
        let part = &parts[1];
        let within = written[part.clone()].find(&words[1]).ok_or(Why::Escapes)?;
        let class_at = part.start + within..part.start + within + words[1].len();
        let arguments = words[2..].to_vec();
        let (found, most) = (positional(&arguments), class.most_arguments());
        if !(2..=most).contains(&found) {
            return Err(Why::Arguments { found, most });
        }
        Ok(Self { class, class_at, jar, arguments })
    }

    /// Whether the step has this option already, such as `-Dtablehaul.deadline=`.
    pub(super) fn has(&self, option: &str) -> bool {
        self.arguments.iter().any(|argument| argument.starts_with(option))
    }
}

fn is_jar(path: &str) -> bool {
    std::path::Path::new(path).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("jar"))
}

/// What the step is if it runs something that people confuse with the Java tool.
fn known_other(jar: &str, second: &str, third: &str) -> Option<Why> {
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    match (name(jar).as_str(), name(second).as_str()) {
        ("command-runner.jar", "tablehaul") => Some(Why::AlreadyConverted),
        ("script-runner.jar", "run.sh") if Class::named(third).is_some() => Some(Why::AlreadyConverted),
        ("script-runner.jar", "hive-script") => Some(Why::Hive),
        _ => None,
    }
}

/// The parts between commas. A comma in an expression cuts nothing here: those who use the first two parts refuse it.
fn parts(written: &str) -> Vec<Range<usize>> {
    let bytes = written.as_bytes();
    let (mut parts, mut start, mut in_expression) = (Vec::new(), 0, false);
    for (at, byte) in bytes.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| bytes[at]);
        match byte {
            b'{' if before == Some(b'#') => in_expression = true,
            b'}' => in_expression = false,
            b',' if !in_expression && before != Some(b'\\') => {
                parts.push(start..at);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(start..written.len());
    parts
}

/// A part without the escapes of JSON and blanks around it.
fn plain(written: &str) -> Option<String> {
    let text: String = serde_json::from_str(&format!("\"{written}\"")).ok()?;
    Some(text.trim().to_owned())
}

/// How many arguments follow the options. Those of Hadoop's `GenericOptionsParser` have a value, which `-Dkey=value`
/// holds itself.
fn positional(arguments: &[String]) -> usize {
    let mut rest = arguments.iter();
    while let Some(argument) = rest.clone().next().filter(|argument| argument.starts_with('-')) {
        rest.next();
        if argument == "-D" || !argument.starts_with("-D") {
            rest.next();
        }
    }
    rest.count()
}
