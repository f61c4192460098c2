//! Small charts, drawn here as SVG: they say in words what they show, and each point says its own when pointed at.

use maud::{Markup, html};

/// The size of a drawing, in units of its own.
const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 120.0;
/// The room at the left for the scale, and below for the times.
const LEFT: f64 = 36.0;
const BELOW: f64 = 16.0;
const ABOVE: f64 = 8.0;

/// One point in time: what it is called, and its values; none where nothing was measured.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Point {
    /// The time, for people.
    pub(crate) at: String,
    /// What stands first: the lower part of a bar, or a line.
    pub(crate) low: Option<f64>,
    /// What stands above it.
    pub(crate) high: Option<f64>,
}

/// What the two values of a chart are called, and how they are said.
#[derive(Clone, Copy)]
pub(crate) struct Legend<'a> {
    /// The chart's name.
    pub(crate) name: &'a str,
    /// The first values.
    pub(crate) low: &'a str,
    /// The second values.
    pub(crate) high: &'a str,
    /// How a value is said.
    pub(crate) said: fn(f64) -> String,
}

/// The least round number that is not less: 1, 2 or 5 times a power of ten.
fn ceiling(value: f64) -> f64 {
    let mut step = 1.0;
    while value > step * 10.0 && step < 1e15 {
        step *= 10.0;
    }
    [1.0, 2.0, 5.0, 10.0].map(|times| times * step).into_iter().find(|round| value <= *round).unwrap_or(step * 10.0)
}

#[expect(clippy::cast_precision_loss, reason = "a chart has some dozens of points")]
fn left(index: usize, points: usize) -> f64 {
    LEFT + (WIDTH - LEFT) * index as f64 / points.max(1) as f64
}

fn height(value: f64, most: f64) -> f64 {
    (HEIGHT - ABOVE - BELOW) * (value / most).clamp(0.0, 1.0)
}

fn rounded(number: f64) -> String {
    format!("{number:.1}")
}

/// Bars, the second value standing on the first.
pub(crate) fn bars(legend: Legend<'_>, points: &[Point]) -> Markup {
    let sum = |point: &Point| point.low.unwrap_or_default() + point.high.unwrap_or_default();
    // What is counted is whole, and so is the middle of the scale.
    let most = ceiling(points.iter().map(sum).fold(2.0, f64::max));
    let wide = (left(1, points.len()) - LEFT - 1.5).clamp(1.0, 14.0);
    let bar = |index: usize, from: f64, value: f64, class: &str| {
        let tall = height(value, most);
        let top = HEIGHT - BELOW - height(from, most) - tall;
        html! { @if tall > 0.0 { rect class=(class) x=(rounded(left(index, points.len()))) y=(rounded(top)) width=(rounded(wide)) height=(rounded(tall.max(1.0))) rx="1" {} } }
    };
    frame(
        legend,
        points,
        most,
        &html! {
            @for (index, point) in points.iter().enumerate() {
                g {
                    title { (said(legend, point)) }
                    (bar(index, 0.0, point.low.unwrap_or_default(), "bar-good"))
                    (bar(index, point.low.unwrap_or_default(), point.high.unwrap_or_default(), "bar-bad"))
                }
            }
        },
    )
}

/// Two lines, broken where nothing was measured.
pub(crate) fn lines(legend: Legend<'_>, points: &[Point]) -> Markup {
    let most = ceiling(points.iter().filter_map(|point| point.high.or(point.low)).fold(0.0, f64::max));
    let step = left(1, points.len()) - LEFT;
    frame(
        legend,
        points,
        most,
        &html! {
            path.line.high d=(line(points, most, |point| point.high)) {}
            path.line d=(line(points, most, |point| point.low)) {}
            @for (index, point) in points.iter().enumerate() {
                rect.touch x=(rounded(left(index, points.len()))) y="0" width=(rounded(step)) height=(rounded(HEIGHT - BELOW)) { title { (said(legend, point)) } }
            }
        },
    )
}

/// The way of a line through what was measured; one point alone is a short stroke.
fn line(points: &[Point], most: f64, value: impl Fn(&Point) -> Option<f64>) -> String {
    let step = left(1, points.len()) - LEFT;
    let mut way = String::new();
    let mut is_open = false;
    for (index, point) in points.iter().enumerate() {
        let Some(value) = value(point) else {
            is_open = false;
            continue;
        };
        let (x, y) = (rounded(left(index, points.len()) + step / 2.0 - 1.0), rounded(HEIGHT - BELOW - height(value, most)));
        let verb = if is_open { 'L' } else { 'M' };
        let dot = if is_open { "" } else { "h2" };
        way.extend([verb.encode_utf8(&mut [0; 4]) as &str, &x, " ", &y, dot]);
        is_open = true;
    }
    way
}

fn said(legend: Legend<'_>, point: &Point) -> String {
    let one = |name: &str, value: Option<f64>| format!("{name} {}", value.map_or_else(|| "–".to_owned(), legend.said));
    let high = if legend.high.is_empty() { String::new() } else { format!(", {}", one(legend.high, point.high)) };
    format!("{}: {}{high}", point.at, one(legend.low, point.low))
}

fn frame(legend: Legend<'_>, points: &[Point], most: f64, inside: &Markup) -> Markup {
    let ticks: Vec<(usize, &Point)> =
        points.iter().enumerate().step_by((points.len() / 4).max(1)).filter(|(index, _)| index + points.len() / 8 < points.len()).collect();
    let last = points.iter().rev().find(|point| point.low.is_some()).map(|point| said(legend, point)).unwrap_or_default();
    html! {
        figure.chart {
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label={ (legend.name) ". Last: " (last) } {
                @for part in [0.0, 0.5, 1.0] {
                    @let y = HEIGHT - BELOW - height(most * part, most);
                    path.grid d={ "M" (LEFT) " " (rounded(y)) "H" (WIDTH) } {}
                    text x=(rounded(LEFT - 6.0)) y=(rounded(y + 3.0)) text-anchor="end" { ((legend.said)(most * part)) }
                }
                (inside)
                @for (index, point) in ticks { text x=(rounded(left(index, points.len()))) y=(rounded(HEIGHT - 2.0)) { (point.at) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Legend, Point, bars, ceiling, lines};

    fn point(low: Option<f64>, high: Option<f64>) -> Point {
        Point { at: "10:00".to_owned(), low, high }
    }

    #[test]
    fn a_scale_ends_at_a_round_number() {
        for (value, expected) in [(0.0, 1.0), (1.0, 1.0), (1.1, 2.0), (3.0, 5.0), (11.0, 20.0), (499.0, 500.0), (501.0, 1000.0)] {
            assert!((ceiling(value) - expected).abs() < 1e-9, "{value}: {}", ceiling(value));
        }
    }

    #[test]
    fn a_line_is_broken_where_nothing_was_measured() {
        let legend = Legend { name: "Latency", low: "p50", high: "p99", said: |value| format!("{value} ms") };
        let points = [point(Some(1.0), Some(2.0)), point(None, None), point(Some(3.0), Some(5.0))];
        let drawn = lines(legend, &points).into_string();
        let low = drawn.split("class=\"line\"").nth(1).unwrap().split('"').nth(1).unwrap();
        assert_eq!(low.matches('M').count(), 2, "{low}");
        assert!(drawn.contains("aria-label=\"Latency. Last: 10:00: p50 3 ms, p99 5 ms\""), "{drawn}");
        assert!(drawn.contains("10:00: p50 –, p99 –"), "{drawn}");
    }

    #[test]
    fn nothing_at_all_is_drawn_too() {
        let legend = Legend { name: "Events", low: "well", high: "failed", said: |value| value.to_string() };
        for points in [&[][..], &[point(None, None)]] {
            assert!(!bars(legend, points).into_string().contains("NaN") && !lines(legend, points).into_string().contains("NaN"));
        }
    }
}
