//! How fast the beat is, how sure that is, and where the beats are.

use serde::{Deserialize, Serialize};

use super::frames::summit;
use super::onsets::Onsets;

/// Tempi outside of this are taken for twice or half of themselves. Beats per minute.
const BPM: std::ops::RangeInclusive<f64> = 40.0..=220.0;
/// So many beats in a row are compared.
const BEATS: usize = 4;
/// The tempo that people tap when two are equally good, and how many octaves around it are likely (Ellis 2007 has 0.9 to 1.4).
const LIKELY_BPM: f64 = 120.0;
const LIKELY_OCTAVES: f64 = 1.2;
/// Twice as fast is as good if it fits so well.
const AS_GOOD: f64 = 0.9;
/// How much the whole strength counts; the rest is shared by the bands, each by how much happens in it.
const WHOLE: f64 = 0.6;
/// How much a beat at the wrong distance costs (Ellis 2007).
const TIGHTNESS: f64 = 100.0;

/// The beat of a sound.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Tempo {
    /// Beats per minute, 40 to 220; 0 if nothing begins in the sound or it is too short to tell.
    pub bpm: f64,
    /// 0 to 1: how much of what begins at one moment begins again one to four beats later. Above 0.5 a beat is clear;
    /// noise has less than 0.2.
    pub confidence: f64,
    /// Where the beats are, seconds; evenly spaced where the sound allows it.
    pub beats_s: Vec<f64>,
}

/// The tempo of what `onsets` found.
///
/// The tempo is the period at one to four times which the strength is most like itself (autocorrelation of G.
/// Percival, G. Tzanetakis, *Streamlined tempo estimation based on autocorrelation and cross-correlation with pulses*,
/// TASLP 2014, with the preference for tempi near 120 of D. P. W. Ellis, *Beat tracking by dynamic programming*, JNMR
/// 2007), in the whole sound and in each of its bands. Of a period and its half the half is taken if it fits at least 0.9
/// times as well, because a period's multiples fit as well as itself and a part of it does not. The beats are Ellis's: strong moments at distances near
/// the period.
pub fn tempo(onsets: &Onsets) -> Tempo {
    let longest = (BEATS as f64 * (60.0 / BPM.start() / onsets.hop_s + 2.0)).ceil() as usize;
    let likeness = Likeness::of(onsets, longest);
    match period(&likeness, onsets.hop_s) {
        Some((hops, confidence)) => Tempo {
            bpm: 60.0 / (hops * onsets.hop_s),
            confidence: confidence.clamp(0.0, 1.0),
            beats_s: beats(&onsets.strength, hops).into_iter().map(|at| at as f64 * onsets.hop_s).collect(),
        },
        None => Tempo { bpm: 0.0, confidence: 0.0, beats_s: Vec::new() },
    }
}

/// How like itself the strength is so many hops later: 1 at 0, around 0 where nothing repeats.
struct Likeness(Vec<f64>);

impl Likeness {
    /// Up to `longest` hops later and three quarters of the sound: beyond, too little overlaps.
    fn of(onsets: &Onsets, longest: usize) -> Self {
        let (whole, power) = covariance(&onsets.strength, longest);
        if power < 1e-9 {
            return Self(Vec::new());
        }
        let bands: Vec<_> = onsets.bands.iter().map(|band| covariance(band, longest)).collect();
        let in_bands: f64 = bands.iter().map(|(_, power)| power).sum();
        let at = |lag: usize| {
            let band: f64 = bands.iter().map(|(band, _)| band[lag]).sum();
            WHOLE * whole[lag] / power + (1.0 - WHOLE) * band / in_bands
        };
        Self((0..whole.len()).map(at).collect())
    }

    /// The peak within `slack` of `lag`: its place, between the hops, and its height.
    fn peak(&self, lag: f64, slack: f64) -> Option<(f64, f64)> {
        let (from, to) = ((lag - slack).round().max(1.0) as usize, (lag + slack).round() as usize);
        let at = (from..=to)
            .filter(|&at| at + 1 < self.0.len())
            .max_by(|&a, &b| self.0[a].total_cmp(&self.0[b]))?;
        Some((at as f64 + summit([self.0[at - 1], self.0[at], self.0[at + 1]]), self.0[at]))
    }

    /// How well the period fits: the mean over its multiples that the sound is long enough for, two at least.
    fn fit(&self, period: f64) -> f64 {
        let peaks: Vec<f64> =
            (1..=BEATS).map_while(|n| Some(self.peak(period * n as f64, 1.0 + n as f64 / 2.0)?.1)).collect();
        if peaks.len() < 2 { f64::NEG_INFINITY } else { peaks.iter().sum::<f64>() / peaks.len() as f64 }
    }
}

/// How much the values go together with those so many hops later, and their mean square; both about their mean.
fn covariance(values: &[f32], longest: usize) -> (Vec<f64>, f64) {
    let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / values.len().max(1) as f64;
    let about: Vec<f64> = values.iter().map(|&value| f64::from(value) - mean).collect();
    let at = |lag: usize| {
        let pairs = about.iter().zip(&about[lag..]);
        pairs.map(|(a, b)| a * b).sum::<f64>() / (about.len() - lag) as f64
    };
    let together: Vec<f64> = (0..(about.len() * 3 / 4).min(longest)).map(at).collect();
    let power = together.first().copied().unwrap_or(0.0);
    (together, power)
}

/// The period in hops and how well it fits.
fn period(likeness: &Likeness, hop_s: f64) -> Option<(f64, f64)> {
    let hops = |bpm: f64| 60.0 / bpm / hop_s;
    let (shortest, longest) = (hops(*BPM.end()), hops(*BPM.start()));
    let likely = |period: f64| {
        let octaves = (hops(LIKELY_BPM) / period).log2() / LIKELY_OCTAVES;
        (-0.5 * octaves * octaves).exp()
    };
    let weighted = |lag: &usize| likeness.fit(*lag as f64) * likely(*lag as f64);
    let candidates = shortest.ceil() as usize..=longest.floor() as usize;
    let best = candidates.max_by(|a, b| weighted(a).total_cmp(&weighted(b)))?;
    if !weighted(&best).is_finite() {
        return None;
    }
    let mut period = best as f64;
    while period / 2.0 >= shortest && likeness.fit(period / 2.0) >= AS_GOOD * likeness.fit(period) {
        period /= 2.0;
    }
    let fit = likeness.fit(period);
    // The last of the multiples tells the period most exactly.
    let exact = (1..=BEATS).map_while(|n| {
        let (at, _) = likeness.peak(period * n as f64, 1.0 + n as f64 / 2.0)?;
        Some(at / n as f64)
    });
    (fit > 0.0).then(|| (exact.last().unwrap_or(period), fit))
}

/// The beats, in hops: the sequence whose strengths are greatest and whose distances are nearest to `period`.
fn beats(strength: &[f32], period: f64) -> Vec<usize> {
    let mean_square =
        strength.iter().map(|&s| f64::from(s) * f64::from(s)).sum::<f64>() / strength.len().max(1) as f64;
    let scale = 1.0 / mean_square.sqrt().max(1e-9);
    let (nearest, farthest) = ((period / 2.0).round().max(1.0) as usize, (period * 2.0).round() as usize);
    let costs: Vec<f64> = (0..=farthest)
        .map(|distance| {
            let octaves = (distance.max(1) as f64 / period).ln();
            -TIGHTNESS * octaves * octaves
        })
        .collect();
    // The best sum of a sequence that ends here, and the beat before it.
    let mut sums: Vec<f64> = Vec::with_capacity(strength.len());
    let mut befores: Vec<Option<usize>> = Vec::with_capacity(strength.len());
    for (at, &here) in strength.iter().enumerate() {
        let reachable = at.saturating_sub(farthest)..(at + 1).saturating_sub(nearest);
        let sum = |before: usize| sums[before] + costs[at - before];
        let before = reachable.max_by(|&a, &b| sum(a).total_cmp(&sum(b))).filter(|&before| sum(before) > 0.0);
        let so_far = before.map_or(0.0, sum);
        sums.push(f64::from(here) * scale + so_far);
        befores.push(before);
    }
    let last = (strength.len().saturating_sub(period.ceil() as usize)..strength.len())
        .max_by(|&a, &b| sums[a].total_cmp(&sums[b]));
    let mut beats: Vec<usize> = std::iter::successors(last, |&at| befores[at]).collect();
    beats.reverse();
    beats
}
