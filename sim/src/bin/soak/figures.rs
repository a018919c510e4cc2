//! What the programs have in memory while they are called, second by second.

use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::time::interval;

use crate::process::resident_kib;
use crate::say;
use crate::scene::Scene;
use crate::traffic::Book;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// Between two lines that tell how it goes.
const TELL: Duration = Duration::from_secs(60);

/// How much more may be in memory in the last third of the time than in the middle one.
const GROWTH: f64 = 0.05;

/// Resident memory of each program, in KiB, one after the other.
pub(crate) struct Figures(Vec<(&'static str, Vec<u64>)>);

impl Figures {
    /// Looks on for `time`.
    ///
    /// # Errors
    /// When a program has ended.
    pub(crate) async fn watch(scene: &Scene, book: &Book, time: Duration) -> Result<Self> {
        let mut programs = scene.programs.map(|(name, _)| (name, Vec::new())).to_vec();
        let began = Instant::now();
        let mut told = began;
        let mut looks = interval(LOOK);
        while began.elapsed() < time {
            looks.tick().await;
            for ((_, pid), (_, resident)) in scene.programs.iter().zip(&mut programs) {
                resident.push(resident_kib(*pid)?);
            }
            if told.elapsed() >= TELL {
                told = Instant::now();
                let each = programs.iter().map(|(name, resident)| {
                    let last = resident.last().copied().unwrap_or_default();
                    format!("{name} {:.1} MiB", mib(last as f64))
                });
                say(&format!(
                    "{:>5} s  {} calls, {} wrong, {}",
                    began.elapsed().as_secs(),
                    book.all(),
                    book.wrong().len(),
                    each.collect::<Vec<_>>().join(", ")
                ));
            }
        }
        Ok(Self(programs))
    }

    /// Of each program how much more it has in memory in the last third than in the
    /// middle one, and whether that is little enough.
    pub(crate) fn growth(&self) -> Vec<(&'static str, f64, bool)> {
        let each = self.0.iter().map(|(name, resident)| {
            let [_, middle, last] = thirds(resident);
            let growth = last / middle - 1.0;
            (*name, growth, growth <= GROWTH)
        });
        each.collect()
    }

    /// Prints them.
    pub(crate) fn show(&self) {
        say("");
        say("| program | RSS, first third | middle | last | most |");
        say("|---|---|---|---|---|");
        for (name, resident) in &self.0 {
            let [first, middle, last] = thirds(resident).map(mib);
            let most = mib(resident.iter().copied().max().unwrap_or_default() as f64);
            say(&format!(
                "| {name} | {first:.1} MiB | {middle:.1} MiB | {last:.1} MiB | {most:.1} MiB |"
            ));
        }
    }
}

fn mib(kib: f64) -> f64 {
    kib / 1024.0
}

/// The mean of each third.
fn thirds(samples: &[u64]) -> [f64; 3] {
    let third = samples.len() / 3;
    [0, 1, 2].map(|number| {
        let part = samples.get(third * number..third * (number + 1));
        let part = part.unwrap_or_default();
        part.iter().sum::<u64>() as f64 / part.len().max(1) as f64
    })
}

#[cfg(test)]
mod tests {
    use super::thirds;

    #[test]
    fn thirds_have_their_means() {
        let samples: Vec<u64> = (1..=6).collect();
        assert!(
            thirds(&samples)
                .iter()
                .zip([1.5, 3.5, 5.5])
                .all(|(a, b)| (a - b).abs() < 1e-9)
        );
    }
}
