//! The `EmrCluster` of an activity: its region, its release, and the bootstrap action that installs tablehaul.

use super::{
    MOST_FIELD_BYTES, Options, Refusal, Why, Work,
    source::{Definition, Field, Meaning, Object, Value},
};

const ACTION: &str = "bootstrapAction";
/// The generations of instances before m4 and c4.
const OLD_TYPES: [&str; 7] = ["m1.", "m2.", "m3.", "c1.", "c3.", "r3.", "i2."];

/// The cluster on which an activity runs. `None` if it runs on instances that Data Pipeline does not launch.
pub(super) fn of<'d, 'a>(
    activity: &Object<'a>,
    definition: &'d Definition<'a>,
) -> Result<Option<&'d Object<'a>>, Refusal> {
    let Some(value) = definition.inherited(activity, "runsOn")? else { return Ok(None) };
    let Meaning::Ref(id) = &value.meaning else { return Err(activity.refusal("runsOn", Why::NotARef)) };
    let cluster =
        definition.object(id).ok_or_else(|| activity.refusal("runsOn", Why::NoObject(id.clone())))?;
    if cluster.is("EmrCluster") {
        Ok(Some(cluster))
    } else {
        Err(activity.refusal("runsOn", Why::NotACluster(id.clone())))
    }
}

/// The region for the path of script-runner.jar: that of the cluster, or else that in the bucket of
/// AWS's jar.
pub(super) fn region(
    activity: &Object<'_>,
    cluster: Option<&Object<'_>>,
    jar: &str,
    definition: &Definition<'_>,
) -> Result<String, Refusal> {
    let owner = cluster.unwrap_or(activity);
    let own = match cluster {
        Some(cluster) => definition.inherited(cluster, "region")?.and_then(Value::text),
        None => None,
    };
    let of_jar = || {
        let bucket = jar.strip_prefix("s3://")?.split('/').next()?;
        bucket.strip_prefix("dynamodb-emr-").or_else(|| bucket.strip_prefix("dynamodb-dpl-"))
    };
    let region = own.or_else(of_jar).ok_or_else(|| owner.refusal("region", Why::NoRegion))?.trim();
    let is_wrong =
        |char: char| matches!(char, ',' | '\\' | '/' | '"') || char.is_whitespace() || char.is_control();
    if region.is_empty() || region.contains(is_wrong) {
        return Err(owner.refusal("region", Why::Region(region.to_owned())));
    }
    Ok(region.to_owned())
}

/// Adds the bootstrap action, and notes what the user may want to change.
pub(super) fn convert(
    cluster: &Object<'_>,
    options: &Options,
    definition: &Definition<'_>,
    work: &mut Work,
) -> Result<(), Refusal> {
    if let Some(action) = &options.bootstrap_action {
        check_release(cluster, definition, work)?;
        add_action(cluster, action, definition, work)?;
    }
    let id = &cluster.id;
    let mut old = Vec::new();
    for field in ["masterInstanceType", "coreInstanceType", "taskInstanceType"] {
        let kind = definition.inherited(cluster, field)?.and_then(Value::text);
        if kind.is_some_and(|kind| OLD_TYPES.iter().any(|old| kind.starts_with(old))) {
            old.push(field);
        }
    }
    if !old.is_empty() {
        let fields = old.join(" and ");
        work.note(format!(
            "{id} has instance types that newer Availability Zones do not have: if the cluster cannot be launched, \
             set {fields} to m5.xlarge"
        ));
    }
    if definition.inherited(cluster, "terminateAfter")?.is_none() {
        work.note(format!("{id} has no terminateAfter: with \"12 Hours\", a cluster that hangs ends"));
    }
    Ok(())
}

/// `command-runner.jar` is there from release 4.1.0 on (Data Pipeline Developer Guide, emrcluster-example-java).
fn check_release(cluster: &Object<'_>, definition: &Definition<'_>, work: &mut Work) -> Result<(), Refusal> {
    let Some(value) = definition.inherited(cluster, "releaseLabel")? else {
        let image = definition.inherited(cluster, "amiVersion")?.and_then(Value::text);
        let image = image.map_or("a cluster without it".to_owned(), |image| format!("AMI version {image}"));
        return Err(cluster.refusal("releaseLabel", Why::OldRelease(image)));
    };
    let label = value.text().ok_or_else(|| cluster.refusal("releaseLabel", Why::NotText))?;
    let Ok(label) = definition.followed(label) else {
        work.note(format!(
            "{} has the release {label}, whose value is not in the definition: it must be emr-4.1.0 or later",
            cluster.id
        ));
        return Ok(());
    };
    let numbers = label.strip_prefix("emr-").map(|numbers| {
        let mut numbers = numbers.split('.').map(|number| number.parse::<u32>().ok());
        (numbers.next().flatten(), numbers.next().flatten())
    });
    match numbers {
        Some((Some(major), Some(minor))) if (major, minor) >= (4, 1) => Ok(()),
        _ => Err(cluster.refusal("releaseLabel", Why::OldRelease(label))),
    }
}

/// Adds the bootstrap action after those that are there, or as a field after the type.
fn add_action(
    cluster: &Object<'_>,
    action: &str,
    definition: &Definition<'_>,
    work: &mut Work,
) -> Result<(), Refusal> {
    if action.len() > MOST_FIELD_BYTES {
        return Err(cluster.refusal(ACTION, Why::TooLong));
    }
    // A field of its own would hide those that the cluster inherits.
    let owner = definition.owner(cluster, ACTION).unwrap_or(cluster);
    // Several clusters may inherit them.
    let is_added = work.changes.iter().any(|change| change.object == owner.id && change.field == ACTION);
    if is_added || owner.values(ACTION).iter().any(|value| value.text() == Some(action)) {
        return Ok(());
    }
    if owner.values(ACTION).iter().any(|value| value.text().is_none()) {
        return Err(owner.refusal(ACTION, Why::NotText));
    }
    let json = format!("\"{action}\"");
    match owner.fields.iter().rfind(|field| field.name == ACTION) {
        Some(Field { is_list: true, at, values, .. }) => match values.last() {
            Some(last) => {
                let blanks = blanks_before(definition.text, last.at.start);
                work.edits.insert(last.at.end, format!(",{blanks}{json}"));
            }
            None => work.edits.replace(at.clone(), format!("[{json}]")),
        },
        Some(Field { at, .. }) => {
            work.edits.insert(at.start, "[".to_owned());
            work.edits.insert(at.end, format!(", {json}]"));
        }
        None => add_field(cluster, &json, definition, work),
    }
    work.change(&owner.id, ACTION, None, action);
    Ok(())
}

/// Adds the field after the type, written as the type is.
fn add_field(cluster: &Object<'_>, json: &str, definition: &Definition<'_>, work: &mut Work) {
    // The cluster was found by its type.
    let Some(at) = cluster.fields.iter().find(|field| field.name == "type").map(|field| &field.at) else {
        return;
    };
    let before = &definition.text[..at.start];
    let key = before.rfind('"').and_then(|end| before[..end].rfind('"').map(|start| (start, end + 1)));
    let Some((start, end)) = key else { return };
    let (blanks, colon) = (blanks_before(before, start), &before[end..]);
    work.edits.insert(at.end, format!(",{blanks}\"{ACTION}\"{colon}{json}"));
}

/// The blanks and line breaks that end here.
fn blanks_before(text: &str, at: usize) -> &str {
    &text[text[..at].trim_end().len()..at]
}
