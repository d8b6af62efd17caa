//! Frame times as pictures: one after the other, and how often each occurs.
//!
//! Colours are placeholders that the page's style sheet replaces, so that one picture suits light and dark.

use plotters::coord::Shift;
use plotters::coord::ranged1d::ValueFormatter;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::ReportError;
use crate::capture::{Capture, Frame};
use crate::verdict::{words::plain, work_ticks};

/// Named in `report.html.j2`, as are the others.
const INK: RGBColor = RGBColor(0x80, 0x80, 0x80);
const GRID: RGBColor = RGBColor(0x90, 0x90, 0x90);
pub(crate) const RENDER: RGBColor = RGBColor(0x10, 0x80, 0xF0);
pub(crate) const WORK: RGBColor = RGBColor(0xF0, 0x90, 0x10);
const BASELINE: RGBColor = RGBColor(0x20, 0xA0, 0x60);

/// Points of one curve; a longer run is drawn as the lowest and highest frame of each of half as many spans.
const MAX_POINTS: usize = 600;
const BINS: usize = 48;

/// Render time of each frame, in the order of the run, and the baseline's median.
pub(super) fn render_times(
    capture: &Capture,
    baseline_median_ticks: Option<f64>,
) -> Result<String, ReportError> {
    curve(capture, RENDER, "render, µs", baseline_median_ticks, |frame| u64::from(frame.render_ticks))
}

/// All of the work of each frame, in the order of the run.
pub(super) fn work_times(capture: &Capture) -> Result<String, ReportError> {
    curve(capture, WORK, "work, µs", None, work_ticks)
}

/// From zero, so that what looks like half the time is half the time.
fn curve(
    capture: &Capture,
    colour: RGBColor,
    label: &str,
    baseline_ticks: Option<f64>,
    ticks: fn(&Frame) -> u64,
) -> Result<String, ReportError> {
    let us = 1e6 / f64::from(capture.tick_hz.max(1));
    let points = thinned(capture.frames.iter().map(|f| (f.index, ticks(f) as f64 * us)).collect());
    let baseline = baseline_ticks.map(|ticks| ticks * us);
    let top = points.iter().map(|(_, us)| *us).chain(baseline).fold(1.0, f64::max) * 1.15;
    let last = capture.frames.last().map_or(1, |frame| frame.index.max(1));
    draw((640, 190), |area| {
        let mut chart = chart(area).build_cartesian_2d(0..last, 0.0..top)?;
        axes(&mut chart, "frame", label, 4)?;
        if let Some(us) = baseline {
            chart.draw_series(LineSeries::new([(0, us), (last, us)], BASELINE.stroke_width(2)))?;
        }
        chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
        Ok(())
    })
}

/// How many frames rendered in which time, and where the baseline's median lies.
pub(super) fn histogram(
    capture: &Capture,
    baseline_median_ticks: Option<f64>,
) -> Result<String, ReportError> {
    let us = 1e6 / f64::from(capture.tick_hz.max(1));
    let times: Vec<f64> = capture.frames.iter().map(|f| f64::from(f.render_ticks) * us).collect();
    let baseline = baseline_median_ticks.map(|ticks| ticks * us);
    let all = || times.iter().copied().chain(baseline);
    let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max));
    // Frames that all take the same time still need a bar of some width.
    let margin = ((high - low) * 0.05).max(high * 0.005).max(us);
    let (low, high) = ((low - margin).max(0.0), high + margin);
    let (bars, most) = bars(&times, low, high);
    draw((640, 380), |area| {
        let mut chart = chart(area).build_cartesian_2d(low..high, 0.0..f64::from(most) * 1.1)?;
        axes(&mut chart, "render, µs", "frames", 8)?;
        chart.draw_series(bars.into_iter().map(|(from, to, count)| {
            Rectangle::new([(from, 0.0), (to, f64::from(count))], RENDER.filled())
        }))?;
        if let Some(us) = baseline {
            chart.draw_series(LineSeries::new(
                [(us, 0.0), (us, f64::from(most) * 1.1)],
                BASELINE.stroke_width(2),
            ))?;
        }
        Ok(())
    })
}

/// The bars that are not empty (from, to, frames), and the highest count.
fn bars(times: &[f64], low: f64, high: f64) -> (Vec<(f64, f64, u32)>, u32) {
    let width = (high - low) / BINS as f64;
    let mut counts = [0_u32; BINS];
    for time in times {
        // The cast saturates, so a time at an edge falls into the outermost bar.
        counts[(((time - low) / width) as usize).min(BINS - 1)] += 1;
    }
    let edge = |bin: usize| low + width * bin as f64;
    let bars = counts
        .iter()
        .enumerate()
        .filter(|(_, count)| **count > 0)
        .map(|(bin, count)| (edge(bin), edge(bin + 1), *count));
    (bars.collect(), counts.into_iter().max().unwrap_or(0).max(1))
}

/// Keeps what the eye looks for, which are the outliers.
fn thinned(points: Vec<(u32, f64)>) -> Vec<(u32, f64)> {
    if points.len() <= MAX_POINTS {
        return points;
    }
    let by_time = |a: &&(u32, f64), b: &&(u32, f64)| a.1.total_cmp(&b.1);
    let extremes = |span: &[(u32, f64)]| {
        let mut both: Vec<(u32, f64)> =
            span.iter().min_by(by_time).into_iter().chain(span.iter().max_by(by_time)).copied().collect();
        both.sort_by_key(|point| point.0);
        both
    };
    points.chunks(points.len().div_ceil(MAX_POINTS / 2)).flat_map(extremes).collect()
}

pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(crate) type Failure<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>;
pub(crate) type Chart<'a, 'b, X> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<X, RangedCoordf64>>;

pub(crate) fn draw(
    size: (u32, u32),
    on: impl for<'a, 'b> FnOnce(&'a Area<'b>) -> Result<(), Failure<'b>>,
) -> Result<String, ReportError> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        on(&area).and_then(|()| area.present()).map_err(|e| ReportError::Page { reason: e.to_string() })?;
    }
    Ok(svg)
}

pub(crate) fn chart<'a, 'b>(area: &'a Area<'b>) -> ChartBuilder<'a, 'b, SVGBackend<'b>> {
    let mut builder = ChartBuilder::on(area);
    builder.margin(6).margin_right(24).x_label_area_size(46).y_label_area_size(78);
    builder
}

pub(crate) fn axes<'b, X>(
    chart: &mut Chart<'_, 'b, X>,
    x: &str,
    y: &str,
    lines: usize,
) -> Result<(), Failure<'b>>
where
    X: Ranged<ValueType: Copy + Into<f64>> + ValueFormatter<<X as Ranged>::ValueType>,
{
    let text = ("sans-serif", 16).into_font().color(&INK);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(INK)
        .label_style(text.clone())
        .axis_desc_style(text)
        .x_labels(7)
        .y_labels(lines)
        .x_label_formatter(&|value| plain((*value).into()))
        .y_label_formatter(&|value| plain(*value))
        .x_desc(x)
        .y_desc(y)
        .draw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_the_outliers_in_order() {
        let points: Vec<(u32, f64)> =
            (0..2048).map(|i| (i, if i == 777 { 900.0 } else { 100.0 + f64::from(i % 3) })).collect();
        let thin = thinned(points);
        assert!(thin.len() <= MAX_POINTS);
        assert!(thin.contains(&(777, 900.0)));
        assert!(thin.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    }

    #[test]
    fn every_frame_is_in_one_bar() {
        let times: Vec<f64> = (0..300).map(|i| 90.0 + f64::from(i % 17)).collect();
        let (bars, most) = bars(&times, 90.0, 106.0);
        assert_eq!(bars.iter().map(|bar| bar.2).sum::<u32>(), 300);
        assert_eq!(bars.iter().map(|bar| bar.2).max(), Some(most));
    }
}
