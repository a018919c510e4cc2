//! One measurement: one scenario through one running target.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::load::{self, Load, PACED_RAMP, WARM_UP};
use crate::scenario::Scenario;
use crate::target::{Kind, Target};

/// What one measurement gave.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sample {
    /// Which scenario.
    pub(crate) scenario: Scenario,
    /// Through what.
    pub(crate) target: Kind,
    /// Which round, from 0: samples of one round were taken one after the other.
    pub(crate) round: usize,
    /// CPU microseconds for each unit: an event with text where
    /// [`Scenario::is_by_event`], else a request.
    pub(crate) cpu_us: Option<f64>,
    /// Units for each second.
    pub(crate) per_second: f64,
    /// Median latency in microseconds: to the first event in [`Scenario::First`],
    /// else of the whole reply.
    pub(crate) p50_us: Option<u64>,
    /// The same at the 99th percentile.
    pub(crate) p99_us: Option<u64>,
    /// Resident memory before the load, in KiB.
    pub(crate) idle_kib: Option<u64>,
    /// Resident memory that each open stream added, in KiB.
    pub(crate) stream_kib: Option<f64>,
}

/// Run a closed loop for `window` and count CPU time for each unit done in it.
pub(crate) async fn closed_loop(
    scenario: Scenario,
    target: &Target,
    round: usize,
    window: Duration,
) -> Result<Sample> {
    let model = target.kind.model(scenario.dialect());
    let mut load = Load::start(scenario, target.address, model, window);
    load.run_for(WARM_UP, false).await?;
    if scenario.is_paced() {
        load.run_for(PACED_RAMP, false).await?;
    }
    let by_event = scenario.is_by_event();
    let units = |(requests, events)| if by_event { events } else { requests };

    let (begin, cpu, done) = (Instant::now(), target.cpu()?, units(load.counts()));
    load.run_for(window, true).await?;
    let (elapsed, cpu_end, done_end) = (begin.elapsed(), target.cpu()?, units(load.counts()));
    let idle_kib = target.resident()?;
    let latencies = load.finish().await?;

    let done = (done_end - done) as f64;
    anyhow::ensure!(done > 0.0, "nothing was completed within {window:?}");
    let spent = cpu
        .zip(cpu_end)
        .map(|(begin, end)| end.saturating_sub(begin));
    let times = match scenario {
        Scenario::First => &latencies.first,
        Scenario::Chat
        | Scenario::Burst
        | Scenario::Anthropic
        | Scenario::Ollama
        | Scenario::Prompt => &latencies.whole,
        // The length of a paced stream is the upstream's doing.
        Scenario::Paced | Scenario::AnthropicPaced | Scenario::OllamaPaced | Scenario::Hold => {
            &Vec::new()
        }
    };
    Ok(Sample {
        scenario,
        target: target.kind,
        round,
        cpu_us: spent.map(|spent| spent.as_secs_f64() * 1e6 / done),
        per_second: done / elapsed.as_secs_f64(),
        p50_us: percentile(times, 50),
        p99_us: percentile(times, 99),
        idle_kib,
        stream_kib: None,
    })
}

/// Hold `streams` open and see what each one keeps in memory. The target must be
/// fresh: memory freed by an earlier load would hide what these take.
pub(crate) async fn hold(target: &Target, round: usize, streams: usize) -> Result<Sample> {
    let idle = target.resident()?;
    let model = target.kind.model(Scenario::Hold.dialect());
    let begin = Instant::now();
    let open = load::hold(target.address, model, streams).await?;
    let opened = begin.elapsed();
    // What is on its way to be freed may be freed.
    sleep(Duration::from_secs(1)).await;
    let full = target.resident()?;
    drop(open);
    Ok(Sample {
        scenario: Scenario::Hold,
        target: target.kind,
        round,
        cpu_us: None,
        per_second: streams as f64 / opened.as_secs_f64(),
        p50_us: None,
        p99_us: None,
        idle_kib: idle,
        stream_kib: idle
            .zip(full)
            .map(|(idle, full)| full.saturating_sub(idle) as f64 / streams as f64),
    })
}

fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get(last * percent / 100).copied()
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentiles_of_few_and_many() {
        assert_eq!(percentile(&[], 50), None);
        assert_eq!(percentile(&[7], 99), Some(7));
        let many: Vec<u64> = (0..=100).collect();
        assert_eq!(percentile(&many, 50), Some(50));
        assert_eq!(percentile(&many, 99), Some(99));
    }
}
