//! The name of a place in a request or a response: `header location`, `body $.items[0].id`. It knows no values.

use std::hash::{DefaultHasher, Hash, Hasher};

/// Where a leaf stands within an exchange: a stack of steps from the root.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Place {
    steps: Vec<Segment>,
}

#[derive(Clone, Debug, Hash)]
pub(crate) enum Segment {
    /// `status`, `header location`, `body`, `frames`.
    Root(String),
    Key(String),
    Index(usize),
    Line(usize),
    /// An element, by its name and its place among the children; without one where they stand in any order.
    Element(String, Option<usize>),
    Attribute(String),
    /// A series of a metric, or what a page says of a metric.
    Metric(String),
}

impl Place {
    pub(crate) fn root(name: impl Into<String>) -> Place {
        Place { steps: vec![Segment::Root(name.into())] }
    }

    pub(crate) fn push(&mut self, step: Segment) {
        self.steps.push(step);
    }

    pub(crate) fn pop(&mut self) {
        self.steps.pop();
    }

    /// The name that a value has there: the last key, attribute or element, or that of the header.
    pub(crate) fn name(&self) -> &str {
        self.steps
            .iter()
            .rev()
            .find_map(|step| match step {
                Segment::Key(name) | Segment::Attribute(name) => Some(name.as_str()),
                Segment::Metric(key) => Some(metric_name(key)),
                Segment::Root(name) => Some(name.strip_prefix("header ").unwrap_or(name)),
                // In XML an element has the name of what it holds, behind that of its space.
                Segment::Element(name, _) if name != "text" => Some(name.rsplit(':').next().unwrap_or(name)),
                Segment::Index(_) | Segment::Line(_) | Segment::Element(..) => None,
            })
            .unwrap_or_default()
    }

    pub(crate) fn last(&self) -> Option<&Segment> {
        self.steps.last()
    }

    /// The name of the object that it stands in.
    pub(crate) fn group(&self) -> &str {
        let mut keys = self.steps.iter().rev().filter_map(|step| match step {
            Segment::Key(name) => Some(name.as_str()),
            _ => None,
        });
        keys.nth(1).unwrap_or_default()
    }

    pub(crate) fn is_header(&self) -> bool {
        matches!(self.steps.first(), Some(Segment::Root(name)) if name.starts_with("header "))
    }

    /// The value of a cookie, not one of its attributes.
    pub(crate) fn is_cookie(&self) -> bool {
        matches!(&self.steps[..], [Segment::Root(name), Segment::Key(key), ..] if name.starts_with("header set-cookie ") && key == "value")
    }

    pub(crate) fn is_frame(&self) -> bool {
        matches!(self.steps.first(), Some(Segment::Root(name)) if name == "frames")
    }

    /// The kind of place: all items of a list are one. Headers are one kind over all requests, what stands in a body
    /// only within requests of one signature.
    pub(crate) fn kind(&self, signature: u64) -> u64 {
        let mut hasher = DefaultHasher::new();
        if !self.is_header() {
            signature.hash(&mut hasher);
        }
        for step in &self.steps {
            match step {
                Segment::Index(_) => "[]".hash(&mut hasher),
                other => other.hash(&mut hasher),
            }
        }
        hasher.finish()
    }

    /// The kind of place in any response: all items of a list are one, whatever the list is.
    pub(crate) fn kind_of_any(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for step in &self.steps {
            match step {
                Segment::Index(_) | Segment::Line(_) => "[]".hash(&mut hasher),
                Segment::Element(name, _) => name.hash(&mut hasher),
                other => other.hash(&mut hasher),
            }
        }
        hasher.finish()
    }
}

/// The name of the metric in the key of a series: what stands before its labels.
pub(crate) fn metric_name(key: &str) -> &str {
    key.split(['{', ' ']).next().unwrap_or(key)
}

impl std::fmt::Display for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, step) in self.steps.iter().enumerate() {
            let after_root = at == 1 && self.steps[0].is_structure();
            match step {
                Segment::Root(name) => out.write_str(name)?,
                Segment::Key(key) | Segment::Metric(key) => {
                    write!(out, "{}.{key}", if after_root { " $" } else { "" })?;
                }
                Segment::Index(index) => write!(out, "{}[{index}]", if after_root { " $" } else { "" })?,
                Segment::Line(line) => write!(out, " line {}", line + 1)?,
                Segment::Element(name, index) => {
                    write!(out, "{}{name}", if after_root { " " } else { " > " })?;
                    index.map_or(Ok(()), |index| write!(out, "[{index}]"))?;
                }
                Segment::Attribute(name) => write!(out, " @{name}")?,
            }
        }
        Ok(())
    }
}

impl Segment {
    /// The same step where items stand in any order: they are all of one kind.
    pub(crate) fn anywhere(self) -> Segment {
        match self {
            Segment::Line(at) => Segment::Index(at),
            Segment::Element(name, _) => Segment::Element(name, None),
            other => other,
        }
    }

    fn is_structure(&self) -> bool {
        matches!(self, Segment::Root(name) if name == "body" || name == "frames")
    }
}
