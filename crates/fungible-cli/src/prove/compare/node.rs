//! An answer as a tree of leaves, and the name of each place in it. It knows no format and judges nothing.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A tree of leaves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Node {
    Null,
    Bool(bool),
    /// As it was written.
    Number(String),
    Text(String),
    List(Vec<Node>),
    /// Sorted by key.
    Map(Vec<(String, Node)>),
    Lines(Vec<Node>),
    Element {
        name: String,
        attributes: Vec<(String, Node)>,
        children: Vec<Node>,
    },
    /// Bytes that are not text, by their SHA-256.
    Binary {
        sha256: [u8; 32],
        length: u64,
    },
}

impl Node {
    pub(super) fn map(mut entries: Vec<(String, Node)>) -> Node {
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        Node::Map(entries)
    }

    /// As a reader of a finding wants to see it.
    pub(super) fn print(&self) -> String {
        let mut out = String::new();
        self.print_into(&mut out);
        out
    }

    fn print_into(&self, out: &mut String) {
        if out.len() > 400 {
            return;
        }
        match self {
            Node::Null => out.push_str("null"),
            Node::Bool(value) => _ = write!(out, "{value}"),
            Node::Number(text) | Node::Text(text) => out.push_str(text),
            Node::List(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { ", " });
                    item.print_into(out);
                }
                out.push(']');
            }
            Node::Map(entries) => {
                out.push('{');
                for (at, (key, value)) in entries.iter().enumerate() {
                    _ = write!(out, "{}{key}: ", if at == 0 { "" } else { ", " });
                    value.print_into(out);
                }
                out.push('}');
            }
            Node::Lines(lines) => {
                for (at, line) in lines.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { "\n" });
                    line.print_into(out);
                }
            }
            Node::Element { name, children, .. } => {
                _ = write!(out, "<{name}>");
                for child in children {
                    child.print_into(out);
                }
                _ = write!(out, "</{name}>");
            }
            Node::Binary { sha256, length } => {
                let [a, b, c, d, ..] = sha256;
                _ = write!(out, "{length} bytes, sha256 {a:02x}{b:02x}{c:02x}{d:02x}..");
            }
        }
    }

    /// Whether a message only keeps a connection open: of these there are as many as there is time.
    pub(super) fn is_heartbeat(&self) -> bool {
        const WORDS: &[&str] = &["ping", "pong", "ka", "heartbeat", "keepalive", "keep-alive", "2", "3", "h"];
        let is_one = |node: &Node| matches!(node, Node::Text(text) if WORDS.contains(&&*text.to_ascii_lowercase()));
        match self {
            Node::Lines(lines) => matches!(&lines[..], [line] if is_one(line)),
            Node::Map(entries) => entries.iter().any(|(key, value)| key == "type" && is_one(value)),
            Node::Number(text) => WORDS.contains(&text.as_str()),
            _ => false,
        }
    }

    /// Every text and number in it, with its place; `place` is that of this node.
    pub(super) fn leaves(&self, place: &mut Place, visit: &mut impl FnMut(&Place, &str)) {
        let mut inside = |step: Step, node: &Node, place: &mut Place| {
            place.push(step);
            node.leaves(place, visit);
            place.pop();
        };
        match self {
            Node::Text(text) | Node::Number(text) => visit(place, text),
            Node::List(items) => {
                items.iter().enumerate().for_each(|(at, item)| inside(Step::Index(at), item, place));
            }
            Node::Lines(lines) => {
                lines.iter().enumerate().for_each(|(at, line)| inside(Step::Line(at), line, place));
            }
            Node::Map(entries) => {
                for (key, value) in entries {
                    inside(Step::Key(key.clone()), value, place);
                }
            }
            Node::Element { attributes, children, .. } => {
                for (key, value) in attributes {
                    inside(Step::Attribute(key.clone()), value, place);
                }
                children.iter().enumerate().for_each(|(at, child)| inside(Step::child(at, child), child, place));
            }
            Node::Null | Node::Bool(_) | Node::Binary { .. } => {}
        }
    }

    /// What it is made of, without any text.
    pub(super) fn shape(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash_shape(&mut hasher);
        hasher.finish()
    }

    fn hash_shape(&self, hasher: &mut DefaultHasher) {
        std::mem::discriminant(self).hash(hasher);
        match self {
            Node::Map(entries) => entries.iter().for_each(|(key, value)| {
                key.hash(hasher);
                std::mem::discriminant(value).hash(hasher);
            }),
            Node::Element { name, attributes, children } => {
                name.hash(hasher);
                for (key, value) in attributes {
                    key.hash(hasher);
                    if let ("class", Node::Text(class)) = (key.as_str(), value) {
                        class.hash(hasher);
                    }
                }
                for child in children {
                    child.hash_shape(hasher);
                }
            }
            _ => {}
        }
    }
}

/// JSON, with numbers as they were written and keys sorted.
impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(Json)
    }
}

struct Json;

impl<'de> Visitor<'de> for Json {
    type Value = Node;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry::<String, Node>()? {
            map.push(entry);
        }
        Ok(Node::map(map))
    }
}

/// Where a leaf stands within an exchange: a stack of steps from the root.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    steps: Vec<Step>,
}

#[derive(Clone, Debug, Hash)]
pub(super) enum Step {
    /// `status`, `header location`, `body`, `frames`.
    Root(String),
    Key(String),
    Index(usize),
    Line(usize),
    /// An element, by its name and its place among the children; without one where they stand in any order.
    Element(String, Option<usize>),
    Attribute(String),
}

impl Place {
    pub(super) fn root(name: impl Into<String>) -> Place {
        Place { steps: vec![Step::Root(name.into())] }
    }

    pub(super) fn push(&mut self, step: Step) {
        self.steps.push(step);
    }

    pub(super) fn pop(&mut self) {
        self.steps.pop();
    }

    /// The name that a value has there: the last key, attribute or element, or that of the header.
    pub(super) fn name(&self) -> &str {
        self.steps
            .iter()
            .rev()
            .find_map(|step| match step {
                Step::Key(name) | Step::Attribute(name) => Some(name.as_str()),
                Step::Root(name) => Some(name.strip_prefix("header ").unwrap_or(name)),
                // In XML an element has the name of what it holds, behind that of its space.
                Step::Element(name, _) if name != "text" => Some(name.rsplit(':').next().unwrap_or(name)),
                Step::Index(_) | Step::Line(_) | Step::Element(..) => None,
            })
            .unwrap_or_default()
    }

    /// An attribute by which elements of a page are tied to each other.
    pub(super) fn names_an_element(&self) -> bool {
        matches!(self.steps.last(), Some(Step::Attribute(name))
            if ["id", "for", "headers", "list"].contains(&name.as_str()) || name.starts_with("aria-"))
    }

    /// The name of the object that it stands in.
    pub(super) fn group(&self) -> &str {
        let mut keys = self.steps.iter().rev().filter_map(|step| match step {
            Step::Key(name) => Some(name.as_str()),
            _ => None,
        });
        keys.nth(1).unwrap_or_default()
    }

    pub(super) fn is_header(&self) -> bool {
        matches!(self.steps.first(), Some(Step::Root(name)) if name.starts_with("header "))
    }

    /// The value of a cookie, not one of its attributes.
    pub(super) fn is_cookie(&self) -> bool {
        matches!(&self.steps[..], [Step::Root(name), Step::Key(key), ..] if name.starts_with("header set-cookie ") && key == "value")
    }

    pub(super) fn is_frame(&self) -> bool {
        matches!(self.steps.first(), Some(Step::Root(name)) if name == "frames")
    }

    /// The kind of place: all items of a list are one. Headers are one kind over all requests, what stands in a body
    /// only within requests of one signature.
    pub(super) fn kind(&self, signature: u64) -> u64 {
        let mut hasher = DefaultHasher::new();
        if !self.is_header() {
            signature.hash(&mut hasher);
        }
        for step in &self.steps {
            match step {
                Step::Index(_) => "[]".hash(&mut hasher),
                other => other.hash(&mut hasher),
            }
        }
        hasher.finish()
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, step) in self.steps.iter().enumerate() {
            let after_root = at == 1 && self.steps[0].is_structure();
            match step {
                Step::Root(name) => out.write_str(name)?,
                Step::Key(key) => write!(out, "{}.{key}", if after_root { " $" } else { "" })?,
                Step::Index(index) => write!(out, "{}[{index}]", if after_root { " $" } else { "" })?,
                Step::Line(line) => write!(out, " line {}", line + 1)?,
                Step::Element(name, index) => {
                    write!(out, "{}{name}", if after_root { " " } else { " > " })?;
                    index.map_or(Ok(()), |index| write!(out, "[{index}]"))?;
                }
                Step::Attribute(name) => write!(out, " @{name}")?,
            }
        }
        Ok(())
    }
}

impl Step {
    /// The step to a child of an element.
    pub(super) fn child(at: usize, child: &Node) -> Step {
        match child {
            Node::Element { name, .. } => Step::Element(name.clone(), Some(at)),
            _ => Step::Element("text".to_owned(), Some(at)),
        }
    }

    /// The same step where items stand in any order: they are all of one kind.
    pub(super) fn anywhere(self) -> Step {
        match self {
            Step::Line(at) => Step::Index(at),
            Step::Element(name, _) => Step::Element(name, None),
            other => other,
        }
    }

    fn is_structure(&self) -> bool {
        matches!(self, Step::Root(name) if name == "body" || name == "frames")
    }
}
