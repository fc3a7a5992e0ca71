//! Draws page and report from a [`JobState`]: HTML and SVG, without I/O or clock. The page in the browser only replaces
//! [`body`] by the newest one, so it also reads well without scripts, for instance in lynx.
//!
//! Nothing that comes from outside becomes markup: every text goes through `html::Escaped`.

mod chart;
mod charts;
mod head;
mod html;
mod tables;
mod tiles;

use std::fmt::Write;

use events::JobState;

use html::Escaped;

pub use head::INTERRUPTED;

/// The frame of the page, which holds no data. Its script asks for [`body`] with the token of the URL's fragment.
pub(crate) const SHELL: &str = include_str!("../assets/page.html");
/// The style of page and report.
pub(crate) const STYLE: &str = include_str!("../assets/page.css");
/// The script of the page.
pub(crate) const SCRIPT: &str = include_str!("../assets/page.js");

/// How every document begins.
const START: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";
/// The beginning of the element with the id of the job.
const JOB: &str = "<meta name=\"tablehaul-job\" content=\"";

/// A job on the page.
pub(crate) struct Job<'a> {
    /// Where its state was read.
    pub(crate) folder: &'a str,
    /// Its state, or why it could not be read.
    pub(crate) state: Result<&'a JobState, &'a str>,
}

/// The content of the page: every job, in the order given.
pub(crate) fn body(jobs: &[Job<'_>]) -> String {
    let mut html = String::new();
    for job in jobs {
        match &job.state {
            Ok(state) => html.push_str(&article(state, Extent::Page, None)),
            Err(why) => {
                let _ = writeln!(
                    html,
                    "<article><h1>{}</h1><p class=\"failed\">{}</p></article>",
                    Escaped(job.folder),
                    Escaped(why)
                );
            }
        }
    }
    html
}

/// [`body`] as a document of its own, for browsers without scripts. It loads itself again every five seconds.
pub(crate) fn document(jobs: &[Job<'_>]) -> String {
    let title = match jobs {
        [Job { state: Ok(state), .. }] => head::title(state),
        _ => "tablehaul".to_owned(),
    };
    in_document(&title, "<meta http-equiv=\"refresh\" content=\"5\">", "page.css", &body(jobs))
}

/// The report of a job: one file that needs nothing else. It holds the id of the job, if that is known.
pub fn report(state: &JobState) -> String {
    report_with(state, None)
}

/// The same with a note that says what the state lacks.
pub fn report_with(state: &JobState, note: Option<&str>) -> String {
    let job = state.plan.as_ref().and_then(|plan| plan.job.as_deref());
    let mut meta = job.map_or_else(String::new, |job| format!("{JOB}{}\">\n", Escaped(job)));
    meta.push_str(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
    );
    in_document(&head::title(state), &meta, "", &article(state, Extent::Report, note))
}

/// The job that a report says it is of. `None` if the bytes are no report, or one of an unknown job.
pub fn job_of(report: &[u8]) -> Option<&str> {
    let rest = report.strip_prefix(START.as_bytes())?.strip_prefix(JOB.as_bytes())?;
    let end = rest.iter().position(|&byte| byte == b'"')?;
    std::str::from_utf8(&rest[..end]).ok()
}

fn in_document(title: &str, meta: &str, style_sheet: &str, body: &str) -> String {
    let style = if style_sheet.is_empty() {
        format!("<style>\n{STYLE}</style>")
    } else {
        format!("<link rel=\"stylesheet\" href=\"{style_sheet}\">")
    };
    format!(
        "{START}{meta}\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n{style}\n</head>\n\
         <body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        Escaped(title)
    )
}

/// How much of a job is shown that has not ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    Page,
    /// Plan against outcome and the part files as well, as of every job that has ended.
    Report,
}

fn article(state: &JobState, extent: Extent, note: Option<&str>) -> String {
    let mut html = format!("<article class=\"{}\">\n", head::class(state));
    html.push_str(&head::head(state));
    if let Some(note) = note {
        let _ = writeln!(html, "<p class=\"note\">{}</p>", Escaped(note));
    }
    html.push_str(&tiles::tiles(state));
    html.push_str(&charts::charts(state));
    if extent == Extent::Report || state.has_ended() {
        html.push_str(&tables::plan_and_outcome(state));
        html.push_str(&tables::files(state));
    }
    html.push_str(&tables::tables(state));
    html.push_str(&head::next_step(state));
    html.push_str("</article>\n");
    html
}

#[cfg(test)]
mod tests;
