//! Checks the folder of an export.

use job::{
    export_json::{self, ExportJson, ExportJsonError},
    ids::JobId,
    layout,
};
use job_aws::Policy;

use super::{Complete, Damaged, Sought, Whole};
use crate::{
    backup::{
        manifests::{self, Native},
        unreadable_export,
    },
    failure::Failure,
    output::display::count,
    store::Store,
};

/// The job that has made this export visible: `export.json` is its own, `manifest` lists the files in it, and
/// `_SUCCESS` was written last. `None` if one of the three is missing or does not fit. Whether the files exist is
/// another question.
///
/// # Errors
/// Fails with `FailureKind::Refused` if something can't be read.
pub(crate) async fn published_by(store: &Store) -> Result<Option<JobId>, Failure> {
    let refused = |fault| Failure::refused(&fault);
    let success = Policy::Patient.retry(|| store.look_up(layout::SUCCESS)).await.map_err(refused)?;
    // Other tools may write something into theirs.
    if success.is_none_or(|success| success.bytes > 0) {
        return Ok(None);
    }
    let mut marks = Vec::new();
    for name in [layout::EXPORT_JSON, layout::MANIFEST] {
        // A folder, a link or a FIFO is not ours, and reading it fails.
        if !Policy::Patient.retry(|| store.is_object(name)).await.map_err(refused)? {
            return Ok(None);
        }
        let Some(bytes) = store.find(name).await.map_err(refused)? else { return Ok(None) };
        marks.push(bytes);
    }
    let (Ok(export), Ok(listed)) = (export_json::read(&marks[0]), manifests::java_tool(&marks[1])) else {
        return Ok(None);
    };
    Ok(manifests::is_of(&listed, &export).then_some(export.job))
}

/// Checks a folder that has [`layout::SUCCESS`], [`layout::MANIFEST`] or [`layout::EXPORT_JSON`].
///
/// # Errors
/// Fails with `FailureKind::Refused` if it can't be read, or has an unknown version.
pub(crate) async fn inspect(store: &Store) -> Result<Whole, Failure> {
    let find = async |name| store.find(name).await.map_err(|fault| Failure::refused(&fault));
    let (export, manifest) = (find(layout::EXPORT_JSON).await?, find(layout::MANIFEST).await?);
    let mut sought = Sought::default();
    let mut success = Sought::default();
    success.want(layout::SUCCESS, None);
    let recorded = match export.as_deref().map(export_json::read) {
        Some(Err(ExportJsonError::Version(version))) => {
            return Err(Failure::refused(format!(
                "{} holds an export of version {version}: this program supports only version {}",
                store.display(),
                export_json::VERSION
            )));
        }
        Some(Err(why)) => {
            let why = unreadable_export(why);
            sought.defect(format!("{} is damaged ({why})", layout::EXPORT_JSON));
            None
        }
        Some(Ok(export)) => Some(Box::new(export)),
        None => None,
    };
    let listed = match manifest.as_deref().map(manifests::java_tool) {
        None => {
            sought.defect(format!("{} is missing", layout::MANIFEST));
            None
        }
        Some(Err(defect)) => {
            sought.defect(format!("{}: {defect}", layout::MANIFEST));
            None
        }
        Some(Ok(listed)) => Some(listed),
    };
    match (&recorded, &listed) {
        (Some(export), listed) => {
            export.files.iter().for_each(|file| sought.want(&file.name, Some(file.bytes)));
            if let Some(listed) = listed
                && !manifests::is_of(listed, export)
            {
                let (manifest, export) = (layout::MANIFEST, layout::EXPORT_JSON);
                sought.defect(format!("{manifest} does not list the files that {export} records"));
            }
        }
        (None, Some(listed)) => listed.iter().for_each(|name| sought.want(name, None)),
        (None, None) => {}
    }
    see_all(store, &mut [&mut sought, &mut success]).await?;
    let has_success = success.finish().1.is_empty();
    // An export of another tool may have been copied without it, and can still be imported.
    if !has_success && export.is_some() {
        sought.defect(format!("{} is missing", layout::SUCCESS));
    }
    if export.is_none() && manifest.is_none() {
        let what = format!("neither {} nor {}", layout::MANIFEST, layout::EXPORT_JSON);
        sought = Sought::default();
        sought.defect(format!("it has {} but {what}, so its files are unknown", layout::SUCCESS));
    }
    let kind = match (&export, &manifest) {
        (Some(_), _) => FolderKind::Ours,
        (None, Some(_)) => FolderKind::Others,
        (None, None) => FolderKind::Unknown,
    };
    Ok(judged(sought, recorded, kind, has_success))
}

/// Whose export a folder may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FolderKind {
    Ours,
    Others,
    /// Only `_SUCCESS` exists.
    Unknown,
}

fn judged(sought: Sought, export: Option<Box<ExportJson>>, kind: FolderKind, has_success: bool) -> Whole {
    let files = sought.files();
    let table = export.as_ref().and_then(|export| Some(export.table["TableName"].as_str()?.to_owned()));
    let what = match &export {
        Some(export) => format!(
            "export of table {} of {}",
            table.as_deref().unwrap_or("unknown").escape_debug(),
            export.finished_at.escape_debug()
        ),
        None if kind == FolderKind::Ours => "export of tablehaul".to_owned(),
        None => "export of another tool".to_owned(),
    };
    let looked_at = match &export {
        _ if kind == FolderKind::Unknown => "only names were checked".to_owned(),
        Some(_) => format!(
            "names and lengths of {} were checked; contents were not read: `tablehaul verify` reads them",
            count(files, "file")
        ),
        None => {
            let without = if has_success { "" } else { "; it has no _SUCCESS" };
            let why = match kind {
                FolderKind::Ours => format!("{} is damaged", layout::EXPORT_JSON),
                FolderKind::Others | FolderKind::Unknown => {
                    format!("there is no {} with their lengths", layout::EXPORT_JSON)
                }
            };
            let names = count(files, "file");
            format!("names of {names} were checked, because {why}; contents were not read{without}")
        }
    };
    let (defects, missing) = sought.finish();
    if !defects.is_empty() {
        let text = if kind == FolderKind::Unknown {
            "something marked as complete".into()
        } else {
            format!("an {what}")
        };
        return Whole::Damaged(Damaged { table, text, defects, missing, looked_at });
    }
    let items = export.as_ref().map(|export| export.items);
    Whole::Complete(Complete { export, table, items, text: format!("a complete {what}"), files, looked_at })
}

/// Checks a folder that may hold an export of DynamoDB itself. `None` if it does not.
///
/// # Errors
/// See [`inspect`].
pub(crate) async fn inspect_native(store: &Store) -> Result<Option<Whole>, Failure> {
    let find = async |name| store.find(name).await.map_err(|fault| Failure::refused(&fault));
    let (summary, files) = (find(manifests::SUMMARY).await?, find(manifests::FILES).await?);
    let text = "an export of DynamoDB".to_owned();
    let damaged = |table, defect: String, missing| {
        Some(Whole::Damaged(Damaged {
            table,
            text: text.clone(),
            defects: vec![defect],
            missing,
            looked_at: "only the manifests were checked".to_owned(),
        }))
    };
    let (summary, files) = match (summary, files) {
        (None, None) => return Ok(None),
        (Some(summary), Some(files)) => (summary, files),
        (summary, _) => {
            let missing = if summary.is_none() { manifests::SUMMARY } else { manifests::FILES };
            return Ok(damaged(None, format!("{missing} is missing"), vec![missing.to_owned()]));
        }
    };
    let Native { table, items, names, data } = match manifests::native(&store.target(), &summary, &files) {
        Ok(native) => native,
        Err(defect) => return Ok(damaged(None, defect.to_string(), Vec::new())),
    };
    let mut sought = Sought::default();
    for name in &names {
        sought.want(name, None);
    }
    if let Some(data) = &data {
        see_all(&store.at(data), &mut [&mut sought]).await?;
    }
    let files = sought.files();
    let looked_at = format!(
        "names of {} were checked, because no lengths are recorded; contents were not read",
        count(files, "file")
    );
    let (defects, missing) = sought.finish();
    if !defects.is_empty() {
        return Ok(Some(Whole::Damaged(Damaged { table, text, defects, missing, looked_at })));
    }
    let of = table.as_deref().map(|table| format!(" of table {}", table.escape_debug())).unwrap_or_default();
    let text = format!("a complete export of DynamoDB{of}");
    Ok(Some(Whole::Complete(Complete { export: None, table, items: Some(items), text, files, looked_at })))
}

/// Passes every file of a folder, however many there are, to each of `seekers`.
async fn see_all(store: &Store, seekers: &mut [&mut Sought]) -> Result<(), Failure> {
    let seen = store.each(&mut |entry| seekers.iter_mut().for_each(|sought| sought.see(&entry))).await;
    seen.map_err(|fault| Failure::refused(&fault))
}
