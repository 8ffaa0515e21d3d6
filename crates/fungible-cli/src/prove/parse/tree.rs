//! A response as a tree of leaves. It knows no format but JSON, which it is read from as it stands.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::lexer::{Kind, atoms, plain};
use super::place::{Place, Segment};

/// A tree of leaves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    Null,
    Bool(bool),
    /// As it was written.
    Number(String),
    Text(String),
    List(Vec<Node>),
    /// Sorted by key.
    Map(Vec<(String, Node)>),
    Lines(Vec<Node>),
    /// A page of metrics, sorted by series.
    Metrics(Vec<(String, Node)>),
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
    pub(crate) fn map(mut entries: Vec<(String, Node)>) -> Node {
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        Node::Map(entries)
    }

    /// As a reader of a finding wants to see it.
    pub(crate) fn print(&self) -> String {
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
            Node::Map(entries) | Node::Metrics(entries) => {
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

    /// Every text and number in it, with its place; `place` is that of this node.
    pub(crate) fn leaves(&self, place: &mut Place, visit: &mut impl FnMut(&Place, &str)) {
        let mut inside = |step: Segment, node: &Node, place: &mut Place| {
            place.push(step);
            node.leaves(place, visit);
            place.pop();
        };
        match self {
            Node::Text(text) | Node::Number(text) => visit(place, text),
            Node::List(items) => {
                items.iter().enumerate().for_each(|(at, item)| inside(Segment::Index(at), item, place));
            }
            Node::Lines(lines) => {
                lines.iter().enumerate().for_each(|(at, line)| inside(Segment::Line(at), line, place));
            }
            Node::Map(entries) => {
                for (key, value) in entries {
                    inside(Segment::Key(key.clone()), value, place);
                }
            }
            Node::Metrics(entries) => {
                for (key, value) in entries {
                    let series = Segment::Metric(key.clone());
                    // Labels are values, too.
                    place.push(series.clone());
                    inside(labels(), &Node::Text(key.clone()), place);
                    place.pop();
                    inside(series, value, place);
                }
            }
            Node::Element { attributes, children, .. } => {
                for (key, value) in attributes {
                    inside(Segment::Attribute(key.clone()), value, place);
                }
                children.iter().enumerate().for_each(|(at, child)| inside(child.segment(at), child, place));
            }
            Node::Null | Node::Bool(_) | Node::Binary { .. } => {}
        }
    }

    /// The step to this child of an element, or item of a document.
    pub(crate) fn segment(&self, at: usize) -> Segment {
        match self {
            Node::Element { name, .. } => Segment::Element(name.clone(), Some(at)),
            _ => Segment::Element("text".to_owned(), Some(at)),
        }
    }

    /// Bytes of memory that it takes, about.
    pub(super) fn bytes(&self) -> usize {
        let named = |entries: &[(String, Node)]| -> usize {
            entries.iter().map(|(name, node)| size_of::<String>() + name.len() + node.bytes()).sum()
        };
        let inside = match self {
            Node::Null | Node::Bool(_) | Node::Binary { .. } => 0,
            Node::Number(text) | Node::Text(text) => text.len(),
            Node::List(items) | Node::Lines(items) => items.iter().map(Node::bytes).sum(),
            Node::Map(entries) | Node::Metrics(entries) => named(entries),
            Node::Element { name, attributes, children } => {
                name.len() + named(attributes) + children.iter().map(Node::bytes).sum::<usize>()
            }
        };
        size_of::<Node>() + inside
    }

    /// What it is made of, without any text.
    pub(crate) fn shape(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash_shape(&mut hasher);
        hasher.finish()
    }

    /// Its words, without any number, time, token or name with digits: what is the same in each run.
    pub(crate) fn wording(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.leaves(&mut Place::default(), &mut |_, text| {
            let text = plain(text);
            let words = atoms(&text).into_iter().filter(|atom| atom.text.chars().all(char::is_alphabetic));
            words.filter(|atom| atom.kind == Kind::Word).for_each(|atom| atom.text.hash(&mut hasher));
        });
        hasher.finish()
    }

    fn hash_shape(&self, hasher: &mut DefaultHasher) {
        std::mem::discriminant(self).hash(hasher);
        match self {
            Node::Map(entries) | Node::Metrics(entries) => entries.iter().for_each(|(key, value)| {
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

/// The place of the labels within a series.
pub(crate) fn labels() -> Segment {
    Segment::Key("labels".to_owned())
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
