//! One measurement: one scenario through one running target.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::load::{self, Failures, Load, PACED_RAMP, WARM_UP};
use crate::scenario::{GAP, Scenario};
use crate::target::{Kind, Target};

/// Replies that a peer is given more time for, and how many windows at most.
const PEER_REPLIES: u64 = 20;
const PEER_WINDOWS: u32 = 5;
/// The part of the upstream's events that must come through for a target to keep pace.
const PACE: f64 = 0.9;
/// How many paced streams a peer is tried with, before all of them: one that is overrun
/// works on long after its callers have gone.
const FEWER: [usize; 4] = [10, 30, 100, 250];

/// What one measurement gave.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sample {
    /// Which scenario.
    pub(crate) scenario: Scenario,
    /// Through what.
    pub(crate) target: Kind,
    /// Which round, from 0: samples of one round were taken one after the other.
    pub(crate) round: usize,
    /// Connections, or streams, at once.
    pub(crate) at_once: usize,
    /// CPU microseconds for each unit: an event with text where
    /// [`Scenario::is_by_event`], else a request.
    pub(crate) cpu_us: Option<f64>,
    /// Units for each second.
    pub(crate) per_second: f64,
    /// Median in microseconds: of the gap between events where [`Scenario::is_paced`], of
    /// the time to the first event in [`Scenario::First`], else to the end of the reply.
    pub(crate) p50_us: Option<u64>,
    /// The same at the 99th percentile.
    pub(crate) p99_us: Option<u64>,
    /// Resident memory in KiB: at the end of the window, in [`Scenario::Hold`] before the
    /// first stream.
    pub(crate) resident_kib: Option<u64>,
    /// Resident memory that each open stream added, in KiB.
    pub(crate) stream_kib: Option<f64>,
    /// More paced streams, of a peer that fell behind with them, and the events that came
    /// through each second.
    pub(crate) behind: Option<(usize, f64)>,
    /// Calls that failed; of a peer only.
    pub(crate) failures: u64,
    /// Why the first of them did.
    pub(crate) first_failure: Option<String>,
}

impl Sample {
    /// A measurement of which only the failures are known.
    pub(crate) fn of(scenario: Scenario, target: Kind, round: usize, failures: &Failures) -> Self {
        Sample {
            scenario,
            target,
            round,
            at_once: 0,
            cpu_us: None,
            per_second: 0.0,
            p50_us: None,
            p99_us: None,
            resident_kib: None,
            stream_kib: None,
            behind: None,
            failures: failures.count(),
            first_failure: failures.first().map(str::to_owned),
        }
    }

    /// Whether the events came through as fast as the upstream wrote them.
    fn kept_pace(&self) -> bool {
        self.per_second * GAP.as_secs_f64() >= PACE * self.at_once as f64
    }
}

/// Measure one scenario. A peer gets more and more of the paced streams, until it falls
/// behind, and as many as it can do with in the rounds after this.
pub(crate) async fn closed_loop(
    scenario: Scenario,
    target: &mut Target,
    round: usize,
    window: Duration,
) -> Result<Sample> {
    let all = scenario.connections();
    if !(scenario.is_paced() && target.kind.is_peer()) {
        return once(scenario, target, round, all, window).await;
    }
    if let Some(streams) = target.paced {
        return once(scenario, target, round, streams, window).await;
    }
    let mut best: Option<Sample> = None;
    for streams in FEWER.into_iter().chain([all]) {
        let mut sample = once(scenario, target, round, streams, window).await?;
        if let Some(best) = &mut best {
            sample.failures += best.failures;
            sample.first_failure = best.first_failure.take().or(sample.first_failure);
        }
        if sample.kept_pace() {
            best = Some(sample);
            continue;
        }
        let behind = Some((streams, sample.per_second));
        let kept = best.unwrap_or_else(|| sample.clone());
        best = Some(Sample {
            behind,
            failures: sample.failures,
            first_failure: sample.first_failure,
            ..kept
        });
        break;
    }
    let best = best.context("no paced streams were tried")?;
    target.paced = Some(best.at_once);
    Ok(best)
}

/// Run a closed loop for `window` and count CPU time for each unit done in it.
async fn once(
    scenario: Scenario,
    target: &Target,
    round: usize,
    connections: usize,
    window: Duration,
) -> Result<Sample> {
    let of_peer = target.kind.is_peer();
    if of_peer {
        target.settle().await?;
    }
    let mut load = Load::start(scenario, target, connections, window);
    load.run_for(WARM_UP, false).await?;
    if scenario.is_paced() {
        load.run_for(PACED_RAMP, false).await?;
    }
    let by_event = scenario.is_by_event();
    let units = |(requests, events)| if by_event { events } else { requests };

    let (replies, _) = load.counts();
    let (begin, cpu, before) = (Instant::now(), target.cpu()?, units(load.counts()));
    load.run_for(window, true).await?;
    if of_peer && !scenario.is_paced() {
        for _ in 1..PEER_WINDOWS {
            if load.counts().0 - replies >= PEER_REPLIES {
                break;
            }
            load.run_for(window, true).await?;
        }
    }
    let (elapsed, cpu_end, after) = (begin.elapsed(), target.cpu()?, units(load.counts()));
    let resident_kib = target.resident()?;
    let found = load.finish().await?;

    let done = (after - before) as f64;
    ensure!(
        done > 0.0 || of_peer,
        "nothing was completed within {window:?}"
    );
    let spent = cpu
        .zip(cpu_end)
        .map(|(begin, end)| end.saturating_sub(begin));
    let times = match scenario {
        Scenario::First => &found.times.first,
        Scenario::Chat
        | Scenario::Burst
        | Scenario::Anthropic
        | Scenario::Ollama
        | Scenario::Conversation
        | Scenario::Prompt => &found.times.whole,
        // The length of a paced stream is the upstream's doing.
        Scenario::Paced | Scenario::AnthropicPaced | Scenario::OllamaPaced | Scenario::Hold => {
            &found.times.gaps
        }
    };
    Ok(Sample {
        at_once: connections,
        cpu_us: spent
            .filter(|_| done > 0.0)
            .map(|spent| spent.as_secs_f64() * 1e6 / done),
        per_second: done / elapsed.as_secs_f64(),
        p50_us: percentile(times, 50),
        p99_us: percentile(times, 99),
        resident_kib,
        ..Sample::of(scenario, target.kind, round, &found.failures)
    })
}

/// Hold `streams` open and see what each one keeps in memory. The target must be
/// fresh: memory freed by an earlier load would hide what these take.
pub(crate) async fn hold(target: &Target, round: usize, streams: usize) -> Result<Sample> {
    let idle = target.resident()?;
    let begin = Instant::now();
    let held = load::hold(target, streams).await?;
    let opened = begin.elapsed();
    let at_once = held.open.len();
    // What is on its way to be freed may be freed.
    sleep(Duration::from_secs(1)).await;
    let full = target.resident()?;
    drop(held.open);
    Ok(Sample {
        at_once,
        per_second: at_once as f64 / opened.as_secs_f64(),
        resident_kib: idle,
        stream_kib: idle
            .zip(full)
            .filter(|_| at_once > 0)
            .map(|(idle, full)| full.saturating_sub(idle) as f64 / at_once as f64),
        ..Sample::of(Scenario::Hold, target.kind, round, &held.failures)
    })
}

fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get(last * percent / 100).copied()
}

#[cfg(test)]
mod tests {
    use super::{Failures, Kind, Sample, Scenario, percentile};

    #[test]
    fn percentiles_of_few_and_many() {
        assert_eq!(percentile(&[], 50), None);
        assert_eq!(percentile(&[7], 99), Some(7));
        let many: Vec<u64> = (0..=100).collect();
        assert_eq!(percentile(&many, 50), Some(50));
        assert_eq!(percentile(&many, 99), Some(99));
    }

    #[test]
    fn pace_is_kept_when_nearly_all_events_come_through() {
        let of = |at_once, per_second| Sample {
            at_once,
            per_second,
            ..Sample::of(Scenario::Paced, Kind::Direct, 0, &Failures::default())
        };
        assert!(of(500, 25_000.0).kept_pace());
        assert!(of(500, 22_600.0).kept_pace());
        assert!(!of(500, 22_400.0).kept_pace());
        assert!(!of(5, 0.0).kept_pace());
    }
}
