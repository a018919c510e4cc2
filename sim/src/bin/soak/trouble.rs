//! What goes wrong: providers that are not the last of their virtual model answer wrongly,
//! slowly or not at all, go down and come up, and one of them is a process that is killed.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use crate::Over;
use crate::scene::{Provider, Scene, script};

/// Between two changes.
const PAUSE: Duration = Duration::from_millis(700);

/// What a provider may do instead of what it should. None of it shows to the caller: it
/// comes before the first word of an answer.
const FAULTS: [&str; 12] = [
    "cut=status rst",
    "cut=status",
    "cut=header",
    "status=500",
    "status=503 retry_after=1",
    "status=429",
    "status=502 html",
    "error_after=0",
    "empty=body",
    "empty=content",
    "delay_ms=300",
    "hang=header",
];

/// How often what was done.
#[derive(Debug, Default)]
pub(crate) struct Troubles {
    pub(crate) faults: u64,
    pub(crate) downs: u64,
    pub(crate) kills: u64,
}

/// Makes trouble until it is over; then all is well.
pub(crate) async fn make(scene: Arc<Scene>, over: Over) -> Result<Troubles> {
    let mut troubles = Troubles::default();
    let mut dice = Dice(20_260_101);
    let victims: Vec<&Provider> = scene.providers.iter().filter(|p| !p.is_steady).collect();
    while !over.is() {
        sleep(PAUSE).await;
        let number = dice.below(victims.len() + 1);
        let Some(victim) = victims.get(number) else {
            if dice.below(2) == 0 {
                scene.kill().await?;
                troubles.kills += 1;
            } else {
                scene.revive()?;
            }
            continue;
        };
        match dice.below(FAULTS.len() + 6) {
            fault if fault < FAULTS.len() => {
                victim.sim.up()?;
                // What is well but slow says what it should.
                let said = match FAULTS[fault] {
                    slow if slow.starts_with("delay") => format!("{} {slow}", victim.well),
                    other => other.to_owned(),
                };
                victim.sim.set_script(script(said.trim())?);
                troubles.faults += 1;
            }
            rest if rest < FAULTS.len() + 2 => {
                victim.sim.down().await;
                troubles.downs += 1;
            }
            _ => heal(victim)?,
        }
    }
    victims.into_iter().try_for_each(heal)?;
    scene.revive()?;
    Ok(troubles)
}

fn heal(victim: &Provider) -> Result<()> {
    victim.sim.set_script(script(victim.well)?);
    victim.sim.up()?;
    Ok(())
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap_or_default() % limit
    }
}
