//! What is done during a run: who gets which request, who dies when, and what is changed about that to find a cause. Data; the
//! lab carries it out.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::encoding;
use crate::prove::request_key::RequestKey;

/// How many instances start at the same moment, or have clients of their own.
pub(super) const COLD: usize = 3;

/// One way to run the traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) struct Experiment {
    pub(crate) schedule: Schedule,
    /// What is different from the plain schedule; everything else is as there.
    pub(crate) intervention: Intervention,
    /// What removed the deviations of earlier findings, and stays, so that these hide nothing else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) healed: Vec<Intervention>,
    #[serde(default, skip_serializing_if = "Added::is_nothing")]
    pub(crate) added: Added,
    #[serde(default, skip_serializing_if = "Versions::are_new")]
    pub(crate) versions: Versions,
}

/// Of which version of the app the instances are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Versions {
    #[default]
    New,
    Old,
    /// Of two live instances the second is of the old one.
    Both,
}

impl Versions {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks it")]
    fn are_new(&self) -> bool {
        *self == Versions::New
    }

    /// Whether the instance that starts as this one of a run, from 1, is of the old version.
    pub(crate) fn is_old(self, number: usize) -> bool {
        match self {
            Versions::New => false,
            Versions::Old => true,
            Versions::Both => number == 2,
        }
    }
}

/// What is added to the traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Added {
    #[default]
    Nothing,
    /// After each write, earlier requests that only read are asked of every live instance again.
    Echo,
    /// At the end, the last request that only reads is asked again and again, until it is refused.
    Burst,
    /// The driver runs several times at once.
    Crowd,
}

impl Added {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks it")]
    fn is_nothing(&self) -> bool {
        *self == Added::Nothing
    }
}

/// Which instance gets a request, and when instances are killed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Schedule {
    /// One undisturbed instance.
    Baseline {
        /// Each request is held back for this long, as attacks hold it back.
        #[serde(rename = "pace_ns", with = "encoding::nanoseconds")]
        pace: Duration,
        /// Of two requests in flight together, the first waits until the second was answered: what depends on which of
        /// them comes first is chance.
        swap: Vec<(RequestKey, RequestKey)>,
    },
    /// Requests on instances that have served nothing; the one before is killed as soon as it has answered.
    Amnesia(HandOver),
    /// Two live instances.
    Rotate(Pass),
    /// As amnesia, but the one before is asked to end (SIGTERM), as a deploy does it.
    Roll(HandOver),
    /// Several live instances that start at the same moment, before anything else has.
    Cold,
    /// As many live instances, each of which serves all requests of some clients; the one that gets the request `dies` is killed as soon
    /// as it has answered it.
    Sticky { clients: Vec<Vec<RequestKey>>, dies: Option<RequestKey> },
}

/// One way to share requests out between two live instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Pass {
    /// All that write go to the second, all that read to the first.
    WritesApart,
    /// This bit of the request's number decides.
    Bit(u32),
}

/// When requests go to an instance that has served nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum HandOver {
    /// Each of them.
    Each,
    /// Those that write, the one after each of them, and these; the others stay where the one before went. For apps that
    /// start slowly.
    Only(Vec<RequestKey>),
    /// After each that writes, and after these: their instance ends with them.
    After(Vec<RequestKey>),
}

/// What an experiment changes about a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Intervention {
    None,
    /// These requests share one instance.
    Together(Together),
    /// The instances of these requests are not killed, though they serve nothing more.
    Spared(Vec<RequestKey>),
    /// The instances of these requests are killed only after a pause, and before the next request goes on.
    KilledLater(Vec<RequestKey>),
    /// The instances that get the next request after one of these have been ready for a while.
    Rested(Rested),
    /// All instances have one disk in common.
    OneDisk,
    /// After the answer to one of these requests only instances serve that are started then.
    Renewed(Vec<RequestKey>),
    /// What these requests do is withheld from all others, as a trap would withhold it.
    Withheld(Withheld),
    /// The instance is killed while it has one of these requests, which is then sent again to another one, as its client
    /// would.
    KilledAt(KilledAt),
    /// Of these requests each waits for the answer to the one before.
    InTurn(Vec<RequestKey>),
    /// No instance starts while another one does.
    StartsInTurn,
    /// After the answer to one of these requests nothing is given to an instance for so long.
    Later {
        after: Vec<RequestKey>,
        #[serde(rename = "by_ns", with = "encoding::nanoseconds")]
        by: Duration,
    },
}

/// Requests in the middle of which their instance is killed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) struct KilledAt {
    pub(crate) requests: Vec<RequestKey>,
    pub(crate) moment: KillMoment,
}

/// Requests that wait until the instance that gets the next one has been ready for a while: so no more time passes between
/// the two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) struct Rested {
    pub(crate) requests: Vec<RequestKey>,
    /// For so long.
    #[serde(rename = "age_ns", with = "encoding::nanoseconds")]
    pub(crate) age: Duration,
}

/// When an instance is killed that has a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KillMoment {
    /// When half of the time has passed that its answer took in the baseline.
    Halfway,
    /// When it has answered; nobody sees that answer.
    Answered,
}

/// Requests whose effect is withheld.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) struct Withheld {
    pub(crate) requests: Vec<RequestKey>,
    pub(crate) way: Way,
}

/// How the effect of a request is withheld.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Way {
    /// It is served by an instance of its own over a copy of the shared paths; both are thrown away after its answer.
    Fork,
    /// It gets the answer that a baseline had, and no instance sees it.
    Recorded,
    /// It gets its answer with other values in place of those that the answer made.
    Replaced,
}

/// Requests that share one instance in an experiment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) struct Together {
    pub(crate) writers: Vec<RequestKey>,
    pub(crate) reader: Option<RequestKey>,
    /// Equal safe requests that follow the reader at once, as a driver that polls sends them, belong to it.
    pub(crate) polls: bool,
    /// Of several live instances, the one that they share: that of the reader, which stays where it was.
    pub(crate) side: usize,
}

impl Experiment {
    /// A plain baseline, at this pace.
    pub(crate) fn baseline(pace: Duration) -> Experiment {
        Schedule::Baseline { pace, swap: Vec::new() }.plain()
    }

    /// The same schedule with another intervention; `None` where that changes nothing: an instance that is not killed
    /// anyway cannot be spared.
    pub(crate) fn with(&self, intervention: Intervention) -> Option<Experiment> {
        let kills = self.schedule.hands_over().is_some();
        let fits = match intervention {
            Intervention::None => true,
            Intervention::Together(_) | Intervention::InTurn(_) => {
                kills || matches!(self.schedule, Schedule::Rotate(_))
            }
            Intervention::Later { .. } => matches!(self.schedule, Schedule::Rotate(_)),
            Intervention::Spared(_) | Intervention::Renewed(_) => kills,
            Intervention::KilledLater(_) | Intervention::OneDisk => matches!(self.schedule, Schedule::Amnesia(_)),
            Intervention::Rested(_) => matches!(self.schedule, Schedule::Amnesia(HandOver::Each)),
            Intervention::StartsInTurn => kills || self.schedule == Schedule::Cold,
            Intervention::Withheld(_) | Intervention::KilledAt(_) => {
                matches!(self.schedule, Schedule::Baseline { .. })
            }
        };
        fits.then(|| Experiment { intervention, ..self.clone() })
    }

    /// The same schedule where this stays for whatever is tried next.
    pub(crate) fn healed_by(mut self, intervention: Intervention) -> Experiment {
        self.healed.push(intervention);
        self
    }

    fn interventions(&self) -> impl Iterator<Item = &Intervention> {
        self.healed.iter().chain([&self.intervention])
    }

    /// All requests that share an instance, in groups.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &Together> {
        self.interventions().filter_map(|one| match one {
            Intervention::Together(together) => Some(together),
            _ => None,
        })
    }

    /// In a word, for progress and findings.
    pub(crate) fn name(&self) -> &'static str {
        match (&self.schedule, &self.intervention) {
            (_, Intervention::Withheld(_)) => "loss of a write",
            (_, Intervention::KilledAt(_)) => "mid-kill",
            _ if self.added == Added::Burst => "burst",
            _ if self.added == Added::Crowd => "crowd",
            _ if self.versions == Versions::Old => "baseline of the old version",
            _ if self.versions == Versions::Both => "skew",
            (Schedule::Rotate(_), Intervention::None) if self.added == Added::Echo && self.healed.is_empty() => "echo",
            (Schedule::Baseline { swap, .. }, _) if !swap.is_empty() => "baseline, in another order",
            (Schedule::Baseline { pace, .. }, _) if pace.is_zero() => "baseline",
            (Schedule::Baseline { .. }, _) => "baseline, slowed",
            (Schedule::Amnesia(_), Intervention::None) if self.healed.is_empty() => "amnesia",
            (Schedule::Amnesia(_), Intervention::None) => "amnesia, without what was found",
            (Schedule::Amnesia(_), Intervention::Together(_)) => "amnesia, some together",
            (Schedule::Amnesia(_), Intervention::Spared(_)) => "amnesia, one spared",
            (Schedule::Amnesia(_), Intervention::KilledLater(_)) => "amnesia, killed later",
            (Schedule::Amnesia(_), Intervention::Rested(_)) => "amnesia, ready for longer",
            (Schedule::Amnesia(_), Intervention::OneDisk) => "amnesia, on one disk",
            (Schedule::Amnesia(_), Intervention::Renewed(_)) => "amnesia, started after it",
            (Schedule::Amnesia(_), Intervention::Later { .. }) => "amnesia, read later",
            (Schedule::Amnesia(_), Intervention::InTurn(_)) => "amnesia, one after another",
            (Schedule::Amnesia(_), Intervention::StartsInTurn) => "amnesia, started one after another",
            (Schedule::Rotate(_), Intervention::None) if self.healed.is_empty() => "rotate",
            (Schedule::Rotate(_), Intervention::None) => "rotate, without what was found",
            (Schedule::Rotate(_), Intervention::InTurn(_)) => "rotate, one after another",
            (Schedule::Rotate(_), Intervention::Later { .. }) => "rotate, read later",
            (Schedule::Rotate(_), _) => "rotate, some together",
            (Schedule::Roll(_), Intervention::None) if self.healed.is_empty() => "roll",
            (Schedule::Roll(_), Intervention::None) => "roll, without what was found",
            (Schedule::Roll(_), Intervention::StartsInTurn) => "roll, started one after another",
            (Schedule::Roll(_), _) => "roll, some together",
            (Schedule::Cold, Intervention::None) if self.healed.is_empty() => "cold",
            (Schedule::Cold, Intervention::None) => "cold, without what was found",
            (Schedule::Cold, _) => "cold, started one after another",
            (Schedule::Sticky { dies: None, .. }, _) => "sticky",
            (Schedule::Sticky { .. }, _) => "sticky, one killed",
        }
    }

    /// All keys of requests in it.
    pub(crate) fn keys_mut(&mut self) -> impl Iterator<Item = &mut RequestKey> {
        let of_schedule: Vec<&mut RequestKey> = match &mut self.schedule {
            Schedule::Baseline { swap, .. } => swap.iter_mut().flat_map(|(one, other)| [one, other]).collect(),
            Schedule::Amnesia(hand_over) | Schedule::Roll(hand_over) => hand_over.keys_mut(),
            Schedule::Sticky { clients, dies } => clients.iter_mut().flatten().chain(dies).collect(),
            _ => Vec::new(),
        };
        let interventions = self.healed.iter_mut().chain([&mut self.intervention]);
        of_schedule.into_iter().chain(interventions.flat_map(Intervention::keys_mut))
    }

    /// Whether it is one undisturbed instance.
    pub(crate) fn is_baseline(&self) -> bool {
        matches!((&self.schedule, &self.intervention), (Schedule::Baseline { .. }, Intervention::None))
            && matches!(self.added, Added::Nothing | Added::Echo)
            && self.versions == Versions::New
    }

    /// When the instance is killed that has this request; `None`: it is not.
    pub(crate) fn kills_at(&self, key: &RequestKey) -> Option<KillMoment> {
        match &self.intervention {
            Intervention::KilledAt(killed) if killed.requests.iter().any(|one| one.covers(key)) => Some(killed.moment),
            _ => None,
        }
    }

    /// How the effect of this request is withheld; `None`: it is not.
    pub(crate) fn withholds(&self, key: &RequestKey) -> Option<Way> {
        match &self.intervention {
            Intervention::Withheld(withheld) if withheld.requests.iter().any(|one| one.covers(key)) => {
                Some(withheld.way)
            }
            _ => None,
        }
    }

    /// Whether no instance that was started before may serve after the answer to this request.
    pub(crate) fn renews(&self, key: &RequestKey) -> bool {
        matches!(&self.intervention, Intervention::Renewed(after) if after.iter().any(|one| one.covers(key)))
    }

    /// How long nothing is given to an instance after the answer to this request.
    pub(crate) fn pauses_after(&self, key: &RequestKey) -> Option<Duration> {
        self.interventions().find_map(|one| match one {
            Intervention::Later { after, by } if after.iter().any(|one| one.covers(key)) => Some(*by),
            _ => None,
        })
    }

    /// Whether this request waits for the answer to another one.
    pub(crate) fn takes_turns(&self, key: &RequestKey) -> bool {
        let covers = |keys: &[RequestKey]| keys.iter().any(|one| one.covers(key));
        self.interventions().any(|one| matches!(one, Intervention::InTurn(keys) if covers(keys)))
    }

    /// Whether all instances have one disk in common.
    pub(crate) fn has_one_disk(&self) -> bool {
        self.intervention == Intervention::OneDisk
    }

    /// Whether it is watched during which requests files change that instances share.
    pub(crate) fn watches_shares(&self) -> bool {
        matches!(self.intervention, Intervention::Rested(_))
    }

    /// How many instances may start at once, where the cores allow so many.
    pub(crate) fn starts_at_once(&self, cores: usize) -> usize {
        match self.schedule {
            _ if self.interventions().any(|one| matches!(one, Intervention::StartsInTurn)) => 1,
            Schedule::Cold => COLD,
            _ => cores,
        }
    }
}

impl Intervention {
    fn keys_mut(&mut self) -> Vec<&mut RequestKey> {
        match self {
            Intervention::None | Intervention::StartsInTurn | Intervention::OneDisk => Vec::new(),
            Intervention::Together(together) => together.writers.iter_mut().chain(&mut together.reader).collect(),
            Intervention::Spared(keys)
            | Intervention::KilledLater(keys)
            | Intervention::Rested(Rested { requests: keys, .. })
            | Intervention::Renewed(keys)
            | Intervention::InTurn(keys)
            | Intervention::Later { after: keys, .. }
            | Intervention::Withheld(Withheld { requests: keys, .. })
            | Intervention::KilledAt(KilledAt { requests: keys, .. }) => keys.iter_mut().collect(),
        }
    }
}

impl Together {
    /// Whether a request belongs to both.
    pub(crate) fn meets(&self, other: &Together) -> bool {
        let keys = |one: &Together| -> Vec<RequestKey> { one.writers.iter().chain(&one.reader).cloned().collect() };
        let theirs = keys(other);
        keys(self).iter().any(|one| theirs.iter().any(|other| one.covers(other) || other.covers(one)))
    }
}

impl Schedule {
    /// As it is, without an intervention.
    pub(crate) fn plain(self) -> Experiment {
        Experiment {
            schedule: self,
            intervention: Intervention::None,
            healed: Vec::new(),
            added: Added::Nothing,
            versions: Versions::New,
        }
    }

    /// How many instances must be live before the first request; they serve for the whole run.
    pub(crate) fn live(&self) -> usize {
        match self {
            Schedule::Baseline { .. } => 1,
            Schedule::Rotate(_) => 2,
            Schedule::Cold | Schedule::Sticky { .. } => COLD,
            Schedule::Amnesia(_) | Schedule::Roll(_) => 0,
        }
    }

    /// Whether requests may stay with the instance of the one before.
    pub(crate) fn stays(&self) -> bool {
        matches!(self.hands_over(), Some(HandOver::Only(_)))
    }

    /// Which requests go to an instance that has served nothing; `None` where the same instances serve for the whole run.
    pub(crate) fn hands_over(&self) -> Option<&HandOver> {
        match self {
            Schedule::Amnesia(hand_over) | Schedule::Roll(hand_over) => Some(hand_over),
            Schedule::Baseline { .. } | Schedule::Rotate(_) | Schedule::Cold | Schedule::Sticky { .. } => None,
        }
    }
}

impl HandOver {
    fn keys_mut(&mut self) -> Vec<&mut RequestKey> {
        match self {
            HandOver::Each => Vec::new(),
            HandOver::Only(keys) | HandOver::After(keys) => keys.iter_mut().collect(),
        }
    }
}

impl Pass {
    /// The passes for so many requests: every two of them are separated in one, and in the first every write is apart from
    /// all reads before and after it, which share an instance. (A copy that was read before a write elsewhere is stale after it.)
    pub(crate) fn all(requests: usize) -> Vec<Pass> {
        let bits = usize::BITS - requests.saturating_sub(1).leading_zeros();
        let apart = (bits > 0).then_some(Pass::WritesApart);
        apart.into_iter().chain((0..bits).map(Pass::Bit)).collect()
    }

    /// All that there may be go to the first, and the second lives.
    pub(crate) const ALL_TO_ONE: Pass = Pass::Bit(usize::BITS - 1);

    /// Which of the two instances a request gets.
    pub(crate) fn side(self, number: usize, is_safe: bool) -> usize {
        match self {
            Pass::WritesApart => usize::from(!is_safe),
            Pass::Bit(bit) => (number - 1) >> bit & 1,
        }
    }
}
