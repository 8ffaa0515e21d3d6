//! What all attacks together let pass without judging it: ignored places, labels of instances, masks, new names. The
//! verdict lists it.

use super::Ignored;
use super::compare::{Comparison, Ignore, NotCompared};

/// Values of a label that are shown.
const SHOWN: usize = 3;

#[derive(Debug, Default)]
pub(super) struct Listed {
    /// How often each ignore took effect, in their order.
    ignored: Vec<usize>,
    /// Places with the values that instances had there.
    pub(super) labels: Vec<(String, Vec<String>)>,
    pub(super) masks: Vec<(String, String)>,
    pub(super) renaming: Vec<(String, String)>,
    pub(super) not_compared: Vec<NotCompared>,
}

impl Listed {
    /// Takes up what one attack showed.
    pub(super) fn add(&mut self, comparison: &Comparison) {
        self.ignored.resize(comparison.ignored.len().max(self.ignored.len()), 0);
        self.ignored.iter_mut().zip(&comparison.ignored).for_each(|(sum, times)| *sum += times);
        for label in &comparison.labels {
            match self.labels.iter_mut().find(|(place, _)| *place == label.place) {
                Some((_, values)) if values.len() < SHOWN && !values.contains(&label.value) => {
                    values.push(label.value.clone());
                }
                Some(_) => {}
                None => self.labels.push((label.place.clone(), vec![label.value.clone()])),
            }
        }
        for mask in &comparison.masks {
            if !self.masks.iter().any(|(place, _)| *place == mask.place) {
                self.masks.push((mask.place.clone(), mask.reason.clone()));
            }
        }
        self.not_compared.extend_from_slice(&comparison.not_compared);
        // Names are minted anew in each run: those of the last one are as good as any.
        self.renaming.clone_from(&comparison.renaming);
    }

    pub(super) fn ignored(&self, ignores: Vec<Ignore>) -> Vec<Ignored> {
        let times = self.ignored.iter().copied().chain(std::iter::repeat(0));
        let of = |(one, times): (Ignore, usize)| Ignored { place: one.place, reason: one.reason, times };
        ignores.into_iter().zip(times).map(of).collect()
    }
}
