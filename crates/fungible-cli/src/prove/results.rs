//! What a proof has found out so far.

use super::model::{Comparison, Ignore, NotCompared};
use super::verdict::{Coverage, Finding, Ignored, NotJudged};

/// Values of a label that are shown.
const SHOWN: usize = 3;

/// What a proof has found out so far.
#[derive(Debug, Default)]
pub(crate) struct Results {
    pub(crate) findings: Vec<Finding>,
    /// What was found may hide something else: the attack went wrong to its end.
    pub(crate) hides_more: bool,
    pub(crate) not_judged: Vec<NotJudged>,
    /// The requests that differed in all runs of amnesia.
    pub(crate) amnesia: Vec<usize>,
    pub(crate) covered: Coverage,
    pub(crate) passed: Passed,
    /// Reasons why nothing can be said that came up on the way.
    pub(crate) reasons: Vec<String>,
}

/// What all attacks together let pass without judging it: ignored places, labels of instances, masks, new names. The
/// verdict lists it.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    /// How often each ignore took effect, in their order.
    ignored: Vec<usize>,
    /// Places with the values that instances had there.
    pub(crate) labels: Vec<(String, Vec<String>)>,
    pub(crate) masks: Vec<(String, String)>,
    pub(crate) renaming: Vec<(String, String)>,
    pub(crate) not_compared: Vec<NotCompared>,
}

impl Passed {
    /// Adds what one attack showed.
    pub(crate) fn add(&mut self, comparison: &Comparison) {
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
                self.masks.push((mask.place.clone(), mask.why.to_string()));
            }
        }
        self.not_compared.extend_from_slice(&comparison.not_compared);
        // Names are minted anew in each run: those of the last one are as good as any.
        self.renaming.clone_from(&comparison.renaming);
    }

    /// Adds labels and masks of an attack that was judged apart.
    pub(crate) fn add_places(&mut self, labels: Vec<(String, Vec<String>)>, masks: Vec<(String, String)>) {
        add_new(&mut self.labels, labels);
        add_new(&mut self.masks, masks);
    }

    /// The user's ignores, with how often each took effect.
    pub(crate) fn ignored(&self, ignores: &[Ignore]) -> Vec<Ignored> {
        let times = self.ignored.iter().copied().chain(std::iter::repeat(0));
        let of =
            |(one, times): (&Ignore, usize)| Ignored { place: one.place.clone(), reason: one.reason.clone(), times };
        ignores.iter().zip(times).map(of).collect()
    }
}

/// Adds those whose place is not there yet.
fn add_new<T>(all: &mut Vec<(String, T)>, more: Vec<(String, T)>) {
    for (place, one) in more {
        if !all.iter().any(|(known, _)| *known == place) {
            all.push((place, one));
        }
    }
}
