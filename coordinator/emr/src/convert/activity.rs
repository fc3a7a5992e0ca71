//! An `EmrActivity`: its steps, and whether its cluster is resized first.

use super::{
    Form, MOST_FIELD_BYTES, Options, Refusal, Why, Work, cluster,
    source::{Definition, Meaning, Object, Value},
    step::{Class, Step},
};

/// Where install.sh puts tablehaul.
const PROGRAM: &str = "/home/hadoop/tablehaul/tablehaul";
/// A retry of an export that is complete succeeds.
const IF_COMPLETE: &str = "-Dtablehaul.if-complete=";
/// A retry of an import resumes.
const STATE: &str = "-Dtablehaul.state=";
/// tablehaul stops in order before Data Pipeline ends the cluster.
const DEADLINE: &str = "-Dtablehaul.deadline=";
const RESIZE: &str = "resizeClusterBeforeRunning";

/// An activity whose steps are all understood.
pub(super) struct Activity<'d, 'a> {
    pub(super) object: &'d Object<'a>,
    steps: Vec<(&'d Value<'a>, &'a str, Step)>,
}

impl<'d, 'a> Activity<'d, 'a> {
    pub(super) fn read(object: &'d Object<'a>, definition: &Definition<'a>) -> Result<Self, Refusal> {
        let values = object.values("step");
        let mut steps = Vec::new();
        for (number, value) in (1..).zip(&values) {
            let field = if values.len() > 1 { format!("step[{number}]") } else { "step".to_owned() };
            let written = value.written().ok_or_else(|| object.refusal(&field, Why::NotText))?;
            let step = Step::read(written, definition).map_err(|why| object.refusal(&field, why))?;
            steps.push((*value, written, step));
        }
        if steps.is_empty() {
            return Err(object.refusal("step", Why::Missing));
        }
        Ok(Self { object, steps })
    }

    /// How many of its steps import.
    pub(super) fn imports(&self) -> usize {
        self.steps.iter().filter(|(_, _, step)| step.class == Class::Import).count()
    }

    /// Converts the steps. `imports` is the number of steps of the whole definition that import.
    pub(super) fn convert(
        &self,
        cluster: Option<&Object<'a>>,
        imports: usize,
        options: &Options,
        definition: &Definition<'a>,
        work: &mut Work,
    ) -> Result<(), Refusal> {
        if cluster.is_none() && options.form() == Form::BootstrapAction {
            return Err(self.object.refusal("runsOn", Why::NoCluster));
        }
        for (number, (value, written, step)) in (1..).zip(&self.steps) {
            let before = self.before(step, cluster, options, definition)?;
            let mut after = String::new();
            let place = (imports > 1).then_some(number);
            let own = [self.retry(step, place, definition, work)?, self.deadline(step, cluster, definition)?];
            for option in own.into_iter().flatten() {
                after.push(',');
                after.push_str(&option);
            }
            let class = step.class_at.clone();
            let new = format!("\"{before}{}{after}{}\"", &written[class.clone()], &written[class.end..]);
            let new: String =
                serde_json::from_str(&new).map_err(|_| self.object.refusal("step", Why::Escapes))?;
            if new.len() > MOST_FIELD_BYTES {
                return Err(self.object.refusal("step", Why::TooLong));
            }
            // The text of the step begins after its quote.
            let start = value.at.start + 1;
            work.edits.replace(start..start + class.start, before);
            work.edits.insert(start + class.end, after);
            work.change(&self.object.id, "step", value.text(), &new);
            self.note_empty_arguments(step, definition, work);
        }
        self.keep_instance_types(definition, work)
    }

    /// What comes before the class.
    fn before(
        &self,
        step: &Step,
        cluster: Option<&Object<'a>>,
        options: &Options,
        definition: &Definition<'a>,
    ) -> Result<String, Refusal> {
        if options.form() == Form::BootstrapAction {
            return Ok(format!("command-runner.jar,{PROGRAM},"));
        }
        let region = cluster::region(self.object, cluster, &step.jar, definition)?;
        let folder = &options.folder;
        Ok(format!("s3://{region}.elasticmapreduce/libs/script-runner/script-runner.jar,{folder}/run.sh,"))
    }

    /// The option that makes a retry succeed or resume. `place` is the number of the step if several import.
    fn retry(
        &self,
        step: &Step,
        place: Option<usize>,
        definition: &Definition<'a>,
        work: &mut Work,
    ) -> Result<Option<String>, Refusal> {
        match step.class {
            Class::Export if step.has(IF_COMPLETE) => Ok(None),
            Class::Export => Ok(Some(format!("{IF_COMPLETE}skip"))),
            Class::Import if step.has(STATE) => Ok(None),
            Class::Import => self.state(place, definition, work),
        }
    }

    /// The option that keeps the state of an import in the folder for logs, so that a retry resumes. The text is that
    /// of emr-bootstrap/pipelines. Pipelines may share the folder for logs, and the second. Each of several imports has
    /// a folder of its own.
    fn state(
        &self,
        place: Option<usize>,
        definition: &Definition<'a>,
        work: &mut Work,
    ) -> Result<Option<String>, Refusal> {
        let id = &self.object.id;
        let folder = definition.inherited(self.object, "pipelineLogUri")?.and_then(Value::text);
        let cuts = |char: char| ",\\\"".contains(char) || char.is_whitespace() || char.is_control();
        let Some(folder) = folder.filter(|folder| !folder.is_empty() && !folder.contains(cuts)) else {
            work.note(format!(
                "{id} has no pipelineLogUri that can hold the state of the import: a retry starts from the \
                 beginning; -Dtablehaul.state=s3://BUCKET/FOLDER after the class makes it resume"
            ));
            return Ok(None);
        };
        let own = match place {
            None => String::new(),
            Some(number) => {
                let plain = |char: char| if char.is_ascii_alphanumeric() { char } else { '-' };
                let name: String = id.chars().map(plain).collect();
                // Ids that differ may look the same now; the numbers of their objects differ.
                let object = definition.objects.iter().position(|object| object.id == *id).unwrap_or(0) + 1;
                format!("/{name}-{object}-{number}")
            }
        };
        let folder = folder.trim_end_matches('/');
        Ok(Some(format!("{STATE}{folder}/tablehaul-state/#{{@pipelineId}}/#{{@scheduledStartTime}}{own}")))
    }

    /// The option that stops tablehaul before Data Pipeline ends the cluster or the attempt, if it says when. For 12
    /// hours the text is that of emr-bootstrap/pipelines.
    fn deadline(
        &self,
        step: &Step,
        cluster: Option<&Object<'a>>,
        definition: &Definition<'a>,
    ) -> Result<Option<String>, Refusal> {
        if step.has(DEADLINE) {
            return Ok(None);
        }
        let ends = match cluster {
            Some(cluster) => definition.inherited(cluster, "terminateAfter")?,
            None => None,
        };
        let ends = [ends, definition.inherited(self.object, "attemptTimeout")?];
        let minutes = ends.into_iter().flatten().filter_map(|value| minutes(value.text()?)).min();
        // The cluster starts before the step, and tablehaul needs time to stop.
        let minutes =
            minutes.filter(|&minutes| minutes >= 60).map(|minutes| minutes - (minutes / 12).max(20));
        let text = minutes.map(|minutes| match (minutes / 60, minutes % 60) {
            (hours, 0) => format!("{hours}h"),
            (0, minutes) => format!("{minutes}m"),
            (hours, minutes) => format!("{hours}h{minutes}m"),
        });
        Ok(text.map(|text| format!("{DEADLINE}{text}")))
    }

    /// Notes arguments such as `#{output.readThroughputPercent}` whose object has no such field. They are empty.
    fn note_empty_arguments(&self, step: &Step, definition: &Definition<'a>, work: &mut Work) {
        for argument in &step.arguments {
            let expression = argument.strip_prefix("#{").and_then(|rest| rest.strip_suffix('}'));
            let Some((place, field)) = expression.and_then(|expression| expression.trim().split_once('.'))
            else {
                continue;
            };
            let other = self.object.named(place).and_then(|id| definition.object(id));
            if let Some(other) =
                other.filter(|other| !field.starts_with('@') && definition.owner(other, field).is_none())
            {
                let (id, other) = (&self.object.id, &other.id);
                work.note(format!("{id} has the argument {argument}, and {other} has no field {field}"));
            }
        }
    }

    /// With `resizeClusterBeforeRunning`, Data Pipeline replaces the instance types of the cluster by m3.xlarge if a
    /// table is input or output (Data Pipeline Developer Guide, dp-object-emractivity). tablehaul needs no such
    /// cluster.
    fn keep_instance_types(&self, definition: &Definition<'a>, work: &mut Work) -> Result<(), Refusal> {
        let Some(owner) = definition.owner(self.object, RESIZE) else { return Ok(()) };
        let Some(value) = owner.one(RESIZE)? else { return Ok(()) };
        let (old, new) = match &value.meaning {
            Meaning::Text(text) if text.trim().eq_ignore_ascii_case("false") => return Ok(()),
            Meaning::Bool(false) => return Ok(()),
            Meaning::Text(text) => (text.as_str(), "\"false\""),
            Meaning::Bool(true) => ("true", "false"),
            Meaning::Ref(_) | Meaning::Other => return Err(owner.refusal(RESIZE, Why::NotText)),
        };
        // Several activities may inherit it.
        if !work.changes.iter().any(|change| change.object == owner.id && change.field == RESIZE) {
            work.edits.replace(value.at.clone(), new.to_owned());
            work.change(&owner.id, RESIZE, Some(old), "false");
        }
        Ok(())
    }
}

/// The minutes of a period such as `12 Hours` (Data Pipeline Developer Guide, dp-concepts-schedules).
fn minutes(period: &str) -> Option<u64> {
    let (number, unit) = period.trim().split_once(char::is_whitespace)?;
    let unit = match unit.trim().to_ascii_lowercase().trim_end_matches('s') {
        "minute" => 1,
        "hour" => 60,
        "day" => 24 * 60,
        "week" => 7 * 24 * 60,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}
