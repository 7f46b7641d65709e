//! From whatever an operator, or somebody in the console, has left behind, what is told to come next leads back: to services that
//! sign, with labels that the next start finds right. Secrets Manager and the services are models of their own; the decisions
//! are those that the program takes.

mod world;

use checkpoint::key::{KeyId, KeyVersion, StagingLabel, ValidityWindow, instant_text};
use checkpoint_signer::rollover::{Next, Overrides, Proposal, Situation, Staging, StepRefusal};
use chrono::{Datelike, TimeDelta};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use StagingLabel::{Current, Pending, Previous};
use world::{Document, Stored, World, at, name, secret};

/// Most steps until it is well.
const MOST_STEPS: usize = 6;

impl World {
    /// Does what a command says; false when it is refused.
    fn run(&mut self, words: &str) -> bool {
        self.tell(format!("> {words}"));
        let words: Vec<&str> = words.split(' ').collect();
        let endorsed = !words.contains(&"--without-endorsement");
        let named = words.get(2).filter(|word| !word.starts_with("--"));
        let key_id = named.map(|word| name(word));
        let would_sign = self.would_sign();
        let mut situation = self.situation();
        if matches!(words[1], "test" | "promote") && is_in_order(&situation) {
            self.refresh();
            situation = self.situation();
        }
        let refused = match words[1] {
            "stage" => self.stage(&situation, &words),
            "test" => situation.promotion(key_id.as_ref(), endorsed).err(),
            "promote" => match situation.promotion(key_id.as_ref(), endorsed) {
                Ok(promotion) => {
                    self.apply(&promotion.changes);
                    None
                }
                Err(refusal) => Some(refusal),
            },
            step => {
                let removal = match step {
                    "retire" => situation.retiring(key_id.as_ref()),
                    "abort" => situation.abortion(key_id.as_ref()),
                    "repair" => situation.mending(),
                    _ => panic!("{words:?} is no step"),
                };
                match removal {
                    Ok(removal) => {
                        self.apply(&removal.changes);
                        None
                    }
                    Err(refusal) => Some(refusal),
                }
            }
        };
        if let Some(refusal) = &refused {
            self.tell(format!("  refused: {refusal}"));
        }
        self.refresh();
        assert!(
            !would_sign || self.would_sign(),
            "the next start ends signing, by a step:\n{}",
            self.story.join("\n")
        );
        refused.is_none()
    }

    fn stage(&mut self, situation: &Situation, words: &[&str]) -> Option<StepRefusal> {
        let flag = |flag: &str| {
            let place = words.iter().position(|word| *word == flag)?;
            Some(words[place + 1])
        };
        let overrides = Overrides {
            key_id: flag("--key-id").map(name),
            valid_from: flag("--valid-from").map(at),
            valid_until: flag("--valid-until").map(at),
            without_endorsement: words.contains(&"--without-endorsement"),
            ..Overrides::default()
        };
        match situation.staging(&overrides) {
            Ok(Staging::Make(proposal, label, _)) => {
                let made = self.make(&proposal);
                self.put(Some(made), label);
                None
            }
            Ok(Staging::Done(..)) => None,
            Err(refusal) => Some(refusal),
        }
    }

    fn make(&mut self, proposal: &Proposal) -> Document {
        let mut made = self.new_key(&proposal.key_id, proposal.window);
        if proposal.endorsed {
            let current = self.labelled(&Current).unwrap().content.clone().unwrap();
            let version = &current.stored.version;
            let endorser = secret(current.private, &version.key_id, version.window);
            let endorser = endorser.into_signing_key();
            let open = endorser.open_at(self.now + self.ahead).unwrap();
            made.stored.endorsement = Some(open.endorse(&made.stored.version).unwrap());
        }
        made
    }

    /// One thing that somebody does past the steps, or a step at a time of its own.
    fn happen(&mut self, chance: &mut SmallRng) {
        let steps = [
            "stage",
            "stage --without-endorsement",
            "promote",
            "abort",
            "retire",
            "repair",
        ];
        let any = |versions: &[Stored], chance: &mut SmallRng| {
            versions.choose(chance).unwrap().id.clone()
        };
        match chance.random_range(0..14) {
            0..=2 => {
                let content = self.edited(chance);
                let label = [Current, Current, Pending].choose(chance).unwrap().clone();
                let key = content.as_ref().map(|key| {
                    let version = &key.stored.version;
                    format!(
                        "{} {} with private key {}",
                        version.key_id, version.window, key.private
                    )
                });
                let key = key.unwrap_or_else(|| "no key".into());
                self.tell(format!("{key} is put as {}", label.as_str()));
                self.put(content, label);
            }
            3 => {
                let to = any(&self.versions, chance);
                self.tell(format!("AWSCURRENT is moved to {to}"));
                self.label(&Current, Some(&to));
            }
            4 => {
                let to = any(&self.versions, chance);
                self.tell(format!("AWSPREVIOUS is moved to {to}"));
                self.label(&Previous, Some(&to));
            }
            5 => {
                let label = [Previous, Pending].choose(chance).unwrap().clone();
                self.tell(format!("{} is taken away", label.as_str()));
                self.label(&label, None);
            }
            6 => {
                let known: Vec<KeyId> = self.known.keys().cloned().collect();
                let key_id = known.choose(chance).unwrap().clone();
                self.tell(format!("{key_id} is revoked"));
                self.revoked.insert(key_id);
            }
            7 => {
                let days = chance.random_range(0..250);
                self.now += TimeDelta::days(days);
                self.tell(format!(
                    "{days} days pass: it is {}",
                    instant_text(self.now)
                ));
            }
            8 => {
                self.tell("the services are started again");
                self.restart();
            }
            9 => {
                let days = chance.random_range(-400..400);
                self.ahead = TimeDelta::days(days);
                self.tell(format!("the operator's clock is {days} days ahead"));
            }
            10 => {
                self.tell("the services are denied what is AWSPREVIOUS");
                self.denied = true;
                self.refresh();
            }
            _ => {
                let step = steps.choose(chance).unwrap();
                self.run(&format!("rollover {step}"));
            }
        }
        if chance.random_bool(0.7) {
            self.refresh();
        }
    }

    /// What somebody may put: nothing that is a key, another key, or one that was, with something changed.
    fn edited(&mut self, chance: &mut SmallRng) -> Option<Document> {
        let there: Vec<Document> = self
            .versions
            .iter()
            .filter_map(|version| version.content.clone())
            .collect();
        let key = there.choose(chance).unwrap().clone();
        let version = &key.stored.version;
        let other = ValidityWindow::new(
            version.window.from(),
            version.window.until() + TimeDelta::days(chance.random_range(1..200)),
        );
        let year = self.now.year();
        let next = at(&format!("{}-01-01", year + 1));
        match chance.random_range(0..8) {
            0 => None,
            1 => Some(key),
            2 => Some(Document::new(key.private, &version.key_id, other.unwrap())),
            3 => Some(self.new_key(&version.key_id.clone(), version.window)),
            4 => {
                let renamed = name(&format!("renamed-{}", self.made));
                Some(Document::new(key.private, &renamed, version.window))
            }
            // For some weeks.
            6 => {
                let from = self.now - TimeDelta::days(1);
                let weeks = ValidityWindow::new(from, from + TimeDelta::days(25)).unwrap();
                Some(self.new_key(&name(&format!("short-{}", self.made)), weeks))
            }
            // A month is missing, or forty years.
            5 => {
                let opens =
                    next + TimeDelta::days(if chance.random_bool(0.5) { 31 } else { 15_000 });
                let window = ValidityWindow::new(opens, opens + TimeDelta::days(365)).unwrap();
                Some(self.new_key(&name(&format!("later-{}", self.made)), window))
            }
            _ => {
                let window = ValidityWindow::new(self.now - TimeDelta::days(1), next).unwrap();
                Some(self.new_key(&name(&format!("late-{}", self.made)), window))
            }
        }
    }

    /// Follows what is told to come next, until there is nothing to do.
    fn follow(&mut self) -> Result<(), String> {
        let signed = self.signs().is_some();
        let mut steps = 0;
        while steps <= MOST_STEPS {
            let next = self.situation().next();
            let words = match next {
                Next::Command(words) => words,
                Next::Nothing(_) | Next::Later(..) => return self.well(&next),
                Next::See { .. } if self.mend() => {
                    self.tell(format!("first: {next}"));
                    continue;
                }
                _ => return Err(format!("{next} leads nowhere")),
            };
            steps += 1;
            if !self.run(&words) {
                return Err("what was told to come next is refused".into());
            }
            // What a good test says comes next; the status would say the test.
            steps += usize::from(words.starts_with("rollover test"));
            if words.starts_with("rollover test") && !self.run(&words.replace("test", "promote")) {
                return Err("what was tested is not promoted".into());
            }
            if signed && self.signs().is_none() {
                return Err("the services signed, and the step has ended that".into());
            }
        }
        Err(format!("it is not well after {MOST_STEPS} steps"))
    }

    /// What no command of the program does: the clock is set, the role is given what it needs. False where neither is wanted.
    fn mend(&mut self) -> bool {
        let faults = self.faults.clone();
        if !self.ahead.is_zero() {
            self.ahead = TimeDelta::zero();
            return true;
        }
        let denied = std::mem::take(&mut self.denied);
        self.refresh();
        denied || faults != self.faults
    }

    fn well(&mut self, next: &Next) -> Result<(), String> {
        self.tell(format!("next: {next}"));
        self.restart();
        if self.signs().is_none() {
            return Err("the services do not sign after a start".into());
        }
        let mut windows: Vec<_> = self
            .trusted
            .iter()
            .filter(|key| !self.revoked.contains(&key.key_id) && key.window.until() > self.now)
            .map(|key| key.window)
            .collect();
        windows.sort_by_key(ValidityWindow::from);
        let mut covered = self.now;
        for window in windows {
            if window.from() > covered {
                return Err(format!("a gap is left before {window}"));
            }
            covered = covered.max(window.until());
        }
        let there = |key: &&KeyVersion| {
            let held = self
                .versions
                .iter()
                .filter_map(|version| version.content.as_ref());
            let mut held = held.map(|document| &document.stored.version);
            held.any(|version| version == *key)
        };
        let usable = self
            .known
            .values()
            .filter(|key| key.window.contains(self.now) && !self.revoked.contains(&key.key_id));
        if let Some(lost) = usable
            .filter(there)
            .find(|key| key.window.until() > covered)
        {
            return Err(format!("{} is lost: it could sign for longer", lost.key_id));
        }
        match self.faults.is_empty() {
            true => Ok(()),
            false => Err(format!("the services find {:?}", self.faults)),
        }
    }
}

/// Whether what the labels say is what the services go on from; they are not asked to read it before.
fn is_in_order(situation: &Situation) -> bool {
    let refused = situation.promotion(None, true).err();
    !matches!(
        refused,
        Some(
            StepRefusal::Clock(_)
                | StepRefusal::Hidden(_)
                | StepRefusal::InDoubt { .. }
                | StepRefusal::Disordered(_)
        )
    )
}

/// Walks of these seeds; a failure tells the whole story.
pub fn walk(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let mut chance = SmallRng::seed_from_u64(seed);
        let mut world = World::new();
        for _ in 0..chance.random_range(1..6) {
            world.happen(&mut chance);
        }
        world.tell("-- and now what is told to come next:");
        if let Err(problem) = world.follow() {
            panic!("walk {seed}: {problem}\n{}", world.story.join("\n"));
        }
    }
}

#[test]
fn whatever_was_left_behind_what_comes_next_leads_back() {
    walk(0..300);
}
