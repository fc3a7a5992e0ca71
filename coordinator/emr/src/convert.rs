//! Converts a pipeline of AWS Data Pipeline: its steps run tablehaul in place of the Java tool.
//!
//! [`convert`] changes what must change and no other byte of the definition: the beginning of each step, the bootstrap
//! action, and `resizeClusterBeforeRunning`. What it does not understand it refuses.

mod activity;
mod cluster;
mod edits;
mod options;
mod refusal;
mod source;
mod step;
mod summary;

use edits::Edits;
use source::{Definition, Meaning};

pub use options::{Form, Options};
pub use refusal::{Refusal, Why};

/// The most bytes of a field (Data Pipeline Developer Guide, dp-limits).
const MOST_FIELD_BYTES: usize = 10_240;

/// A definition that runs tablehaul.
#[derive(Debug)]
pub struct Converted {
    /// The new definition.
    pub text: String,
    /// What is different.
    pub changes: Vec<Change>,
    /// What the user may want to change as well. Each is one line.
    pub notes: Vec<String>,
}

/// One value that is different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The id of the object.
    pub object: String,
    /// The name of its field.
    pub field: String,
    /// The value before, unless it is new. Without the escapes of JSON.
    pub old: Option<String>,
    /// The value now.
    pub new: String,
}

/// What the conversion has found to do so far.
#[derive(Debug, Default)]
struct Work {
    edits: Edits,
    changes: Vec<Change>,
    notes: Vec<String>,
}

impl Work {
    fn change(&mut self, object: &str, field: &str, old: Option<&str>, new: &str) {
        let (object, field) = (object.to_owned(), field.to_owned());
        self.changes.push(Change { object, field, old: old.map(str::to_owned), new: new.to_owned() });
    }

    fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

/// Converts a definition in the form of `aws datapipeline get-pipeline-definition`, which is also that of the console.
///
/// # Errors
/// Fails if something in the definition is not understood. Then nothing of it is converted.
pub fn convert(text: &str, options: &Options) -> Result<Converted, Refusal> {
    let definition = Definition::read(text)?;
    refuse_other_places(&definition)?;
    let mut activities = Vec::new();
    for object in definition.objects.iter().filter(|object| object.is("EmrActivity")) {
        activities.push(activity::Activity::read(object, &definition)?);
    }
    if activities.is_empty() {
        return Err(Refusal::NoActivity);
    }
    let imports = activities.iter().map(activity::Activity::imports).sum();
    let mut work = Work::default();
    let mut clusters: Vec<&source::Object<'_>> = Vec::new();
    for activity in &activities {
        let cluster = cluster::of(activity.object, &definition)?;
        activity.convert(cluster, imports, options, &definition, &mut work)?;
        if let Some(cluster) = cluster
            && !clusters.iter().any(|other| other.id == cluster.id)
        {
            clusters.push(cluster);
        }
    }
    for cluster in clusters {
        cluster::convert(cluster, options, &definition, &mut work)?;
    }
    let Work { edits, changes, notes } = work;
    Ok(Converted { text: edits.applied(text), changes, notes })
}

/// Refuses a definition that would run the Java tool afterwards: in another kind of activity, or in a command before
/// or after the step.
fn refuse_other_places(definition: &Definition<'_>) -> Result<(), Refusal> {
    for object in &definition.objects {
        let is_activity = object.is("EmrActivity");
        for field in object.fields.iter().filter(|field| !(is_activity && field.name == "step")) {
            let runs =
                |meaning: &Meaning| matches!(meaning, Meaning::Text(text) if text.contains(step::MARK));
            if field.values.iter().any(|value| runs(&value.meaning)) {
                return Err(object.refusal(&field.name, Why::JavaToolHere));
            }
        }
    }
    Ok(())
}
