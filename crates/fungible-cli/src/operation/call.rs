//! One call, or a batch of them, by its name.

/// Longer names are cut: a batch may hold any number of calls.
const LONGEST_NAME: usize = 200;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    /// `tools/call append_insight`, `mutation addTask`, `GetQuote`
    pub(crate) name: String,
    /// Of a batch, those of all calls in it.
    pub(crate) effects: Vec<Effect>,
}

/// Whether a call may change something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Reads,
    /// `initialize` of MCP: a session is opened if the response names one.
    OpensSession,
    /// `tools/call` of MCP: the server may say of this tool that it only reads.
    CallsTool(String),
    /// Also where nothing is known of the call.
    Writes,
}

impl Operation {
    pub(super) fn one(name: String, effect: Effect) -> Operation {
        Operation { name, effects: vec![effect] }
    }

    /// All calls of a batch as one.
    pub(super) fn batch(calls: Vec<Operation>) -> Option<Operation> {
        let names: Vec<&str> = calls.iter().map(|call| call.name.as_str()).collect();
        let mut name = names.join(" + ");
        if let Some((end, _)) = name.char_indices().nth(LONGEST_NAME) {
            name.truncate(end);
            name.push_str("..");
        }
        let effects: Vec<Effect> = calls.into_iter().flat_map(|call| call.effects).collect();
        (!effects.is_empty()).then_some(Operation { name, effects })
    }

    /// Whether it only reads, as far as the request tells.
    pub(crate) fn only_reads(&self) -> bool {
        self.effects.iter().all(|effect| *effect == Effect::Reads)
    }
}
