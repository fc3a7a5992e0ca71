//! Line charts over time, as SVG.
//!
//! The SVG names no colours: `page.css` gives them by class, for light and for dark screens.

use std::fmt::Write;

use super::html::Escaped;

/// The size of the drawing, in SVG units.
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 200.0;
/// The space for labels around the curves.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 8.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 22.0;
/// The most points of a curve. More would not be seen, and would make the page large.
const MOST_POINTS: usize = 200;
/// The most marks of a chart. More would hide the curves.
const MOST_MARKS: usize = 40;
/// The most labels of an axis.
const MOST_STEPS: u32 = 12;

/// Curves over the same time.
pub(super) struct Chart<'a> {
    /// What it shows, with its unit: `Read units per second`.
    pub(super) title: &'a str,
    /// The time that it covers, in seconds from the first event.
    pub(super) span_seconds: f64,
    pub(super) curves: Vec<Curve<'a>>,
    pub(super) marks: &'a [Mark],
    /// How a value is written at the axis.
    pub(super) label: fn(f64) -> String,
}

/// A curve, in pieces: there is nothing to draw between two runs of a job.
pub(super) struct Curve<'a> {
    pub(super) name: &'a str,
    /// The class in `page.css`: `one`, `two` or `limit`.
    pub(super) class: &'static str,
    pub(super) pieces: Vec<Vec<Point>>,
}

/// A value at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    /// From the first event.
    pub(super) seconds: f64,
    pub(super) value: f64,
}

/// A moment at which something happened.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mark {
    /// From the first event.
    pub(super) seconds: f64,
    pub(super) text: String,
}

impl Chart<'_> {
    /// The chart with its title and legend, as a `figure` element.
    pub(super) fn figure(&self) -> String {
        let mut html = format!("<figure><figcaption>{}", Escaped(self.title));
        for curve in &self.curves {
            let _ = write!(html, " <span class=\"key {}\">{}</span>", curve.class, Escaped(curve.name));
        }
        html.push_str("</figcaption>");
        html.push_str(&self.svg());
        html.push_str("</figure>\n");
        html
    }

    fn svg(&self) -> String {
        let largest = self.points().map(|point| point.value).fold(0.0, f64::max);
        let step = step_of(largest, &[1.0, 2.0, 2.5, 5.0], 4.0);
        let top = (largest / step).ceil().max(1.0) * step;
        let scale = Scale { seconds: self.span_seconds.max(1.0), value: top };
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            Escaped(self.title)
        );
        self.draw_value_axis(&mut svg, &scale, step);
        draw_time_axis(&mut svg, &scale);
        for mark in last(self.marks, MOST_MARKS) {
            let x = scale.x(mark.seconds);
            let bottom = HEIGHT - BOTTOM;
            let _ = write!(
                svg,
                "<path class=\"mark\" d=\"M{x:.1} {TOP}V{bottom}\"><title>{}</title></path>",
                Escaped(&mark.text)
            );
        }
        for curve in &self.curves {
            let share = MOST_POINTS / curve.pieces.len().max(1);
            for piece in &curve.pieces {
                draw_piece(&mut svg, &scale, curve.class, &thinned(piece, share.max(2)));
            }
        }
        svg.push_str("</svg>");
        svg
    }

    fn points(&self) -> impl Iterator<Item = &Point> {
        self.curves.iter().flat_map(|curve| curve.pieces.iter().flatten())
    }

    fn draw_value_axis(&self, svg: &mut String, scale: &Scale, step: f64) {
        for value in multiples(step, scale.value + step / 2.0) {
            let y = scale.y(value);
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{}\"/><text x=\"{}\" y=\"{:.1}\" class=\"value\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                y + 4.0,
                Escaped(&(self.label)(value)),
            );
        }
    }
}

fn draw_time_axis(svg: &mut String, scale: &Scale) {
    let step = time_step(scale.seconds);
    for seconds in multiples(step, scale.seconds) {
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{}\" class=\"time\">{}</text>",
            scale.x(seconds),
            HEIGHT - 6.0,
            time_label(seconds)
        );
    }
}

fn draw_piece(svg: &mut String, scale: &Scale, class: &str, points: &[Point]) {
    let Some(first) = points.first() else { return };
    let mut path = format!("M{:.1} {:.1}", scale.x(first.seconds), scale.y(first.value));
    for point in &points[1..] {
        let _ = write!(path, "L{:.1} {:.1}", scale.x(point.seconds), scale.y(point.value));
    }
    // A piece of one point has no length; round ends make it a dot.
    if points.len() == 1 {
        path.push_str("h0");
    }
    let _ = write!(svg, "<path class=\"curve {class}\" d=\"{path}\"/>");
}

/// From seconds and values to places in the drawing.
struct Scale {
    /// The time at the right edge.
    seconds: f64,
    /// The value at the top edge.
    value: f64,
}

impl Scale {
    fn x(&self, seconds: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (seconds / self.seconds).clamp(0.0, 1.0)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value / self.value).clamp(0.0, 1.0)
    }
}

/// At most `most` points. Each is the mean of those that it stands for, so the area under the curve stays.
fn thinned(points: &[Point], most: usize) -> Vec<Point> {
    if points.len() <= most {
        return points.to_vec();
    }
    points.chunks(points.len().div_ceil(most)).map(mean).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand points at most")]
fn mean(points: &[Point]) -> Point {
    let number = points.len() as f64;
    Point {
        seconds: points.iter().map(|point| point.seconds).sum::<f64>() / number,
        value: points.iter().map(|point| point.value).sum::<f64>() / number,
    }
}

fn last<T>(all: &[T], most: usize) -> &[T] {
    &all[all.len().saturating_sub(most)..]
}

/// A round step that divides `largest` into at most `parts` parts.
fn step_of(largest: f64, rounds: &[f64], parts: f64) -> f64 {
    if !(largest > 1e-6 && largest.is_finite()) {
        return 1.0;
    }
    let wanted = largest / parts;
    let power = 10_f64.powf(wanted.log10().floor());
    let round = rounds.iter().find(|round| *round * power >= wanted * 0.999_999);
    round.map_or(10.0 * power, |round| round * power)
}

/// The multiples of `step` from zero to `last`. A few at most, also of numbers that are not finite.
fn multiples(step: f64, last: f64) -> impl Iterator<Item = f64> {
    (0..=MOST_STEPS).map(move |number| f64::from(number) * step).take_while(move |value| *value <= last)
}

/// A step of the time axis, in seconds: at most six labels.
fn time_step(seconds: f64) -> f64 {
    const STEPS: [f64; 15] = [
        1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 21_600.0, 43_200.0,
        86_400.0,
    ];
    let wanted = seconds / 6.0;
    let step = STEPS.into_iter().find(|step| *step >= wanted);
    step.unwrap_or_else(|| (wanted / 86_400.0).ceil() * 86_400.0)
}

/// `0`, `30 s`, `5 min`, `2 h`, `3 d`. Every step of the time axis has one unit.
fn time_label(seconds: f64) -> String {
    match seconds {
        0.0 => "0".to_owned(),
        ..60.0 => format!("{seconds:.0} s"),
        ..3600.0 => format!("{:.0} min", seconds / 60.0),
        ..86_400.0 => format!("{} h", round_to_half(seconds / 3600.0)),
        _ => format!("{} d", round_to_half(seconds / 86_400.0)),
    }
}

fn round_to_half(value: f64) -> f64 {
    (value * 2.0).round() / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(number: u32) -> Vec<Point> {
        (0..number).map(|at| Point { seconds: f64::from(at), value: f64::from(at % 7) }).collect()
    }

    #[test]
    fn a_long_curve_keeps_its_area_with_few_points() {
        let long = points(7_000);
        let few = thinned(&long, 200);
        assert!(few.len() <= 200, "{}", few.len());
        let mean_of = |points: &[Point]| mean(points).value;
        assert!((mean_of(&few) - mean_of(&long)).abs() < 0.01);
    }

    #[test]
    fn steps_are_round() {
        for (largest, step) in [
            (0.0, 1.0),
            (0.3, 0.1),
            (1.0, 0.25),
            (7.0, 2.0),
            (99.0, 25.0),
            (100.0, 25.0),
            (4_321.0, 2_000.0),
            (f64::NAN, 1.0),
            (f64::INFINITY, 1.0),
        ] {
            let found = step_of(largest, &[1.0, 2.0, 2.5, 5.0], 4.0);
            assert!((found - step).abs() < 1e-9, "{largest}: {found}");
        }
        for (seconds, step) in
            [(3.0, 1.0), (59.0, 10.0), (3_600.0, 600.0), (90_000.0, 21_600.0), (5e6, 864_000.0)]
        {
            let found = time_step(seconds);
            assert!((found - step).abs() < 1e-9, "{seconds}: {found}");
        }
        assert_eq!(
            [0.0, 30.0, 600.0, 5_400.0, 129_600.0].map(time_label),
            ["0", "30 s", "10 min", "1.5 h", "1.5 d"]
        );
    }

    #[test]
    fn nothing_of_a_mark_is_markup() {
        let marks = [Mark { seconds: 1.0, text: "<script>\"&".to_owned() }];
        let curve = Curve { name: "a", class: "one", pieces: vec![points(3)] };
        let chart = Chart {
            title: "t",
            span_seconds: 3.0,
            curves: vec![curve],
            marks: &marks,
            label: |value| value.to_string(),
        };
        let figure = chart.figure();
        assert!(figure.contains("<title>&lt;script&gt;&quot;&amp;</title>"), "{figure}");
    }

    #[test]
    fn a_chart_without_points_or_time_has_finite_coordinates() {
        let chart = Chart {
            title: "t",
            span_seconds: 0.0,
            curves: vec![Curve { name: "a", class: "one", pieces: vec![vec![], points(1)] }],
            marks: &[],
            label: |value| value.to_string(),
        };
        let figure = chart.figure();
        assert!(!figure.contains("NaN") && !figure.contains("inf"), "{figure}");
        assert!(figure.contains("h0"), "{figure}");
    }
}
