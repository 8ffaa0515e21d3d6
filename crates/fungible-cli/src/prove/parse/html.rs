//! HTML and XML as a tree. It repairs nothing: two pages of one app are read alike, and that is all it is for.

use html5gum::emitters::default::DefaultEmitter;
use html5gum::{Token, Tokenizer};

use super::tree::Node;

/// Deeper elements become children of this depth, so that no page can exhaust the stack.
const DEEPEST: usize = 200;

const VOID: &[&str] =
    &["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"];

/// Elements that end when the next one of their kind begins.
const ENDED_BY_THE_NEXT: &[&str] = &["li", "option", "tr", "td", "th", "dt", "dd", "p"];

struct Open {
    name: String,
    attributes: Vec<(String, Node)>,
    children: Vec<Node>,
}

/// The whole page, under a nameless root.
pub(crate) fn parse(text: &str) -> Node {
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let mut open = vec![Open { name: String::new(), attributes: Vec::new(), children: Vec::new() }];
    for token in Tokenizer::new_with_emitter(text, emitter) {
        let Ok(token) = token;
        match token {
            Token::StartTag(tag) => {
                let name = String::from_utf8_lossy(&tag.name).into_owned();
                if ENDED_BY_THE_NEXT.contains(&name.as_str()) && open.last().is_some_and(|last| last.name == name) {
                    close(&mut open);
                }
                let attributes = tag.attributes.iter().map(|(key, value)| {
                    let value = String::from_utf8_lossy(&value.value).into_owned();
                    (String::from_utf8_lossy(key).into_owned(), Node::Text(value))
                });
                let attributes = attributes.collect();
                let is_void = tag.self_closing || VOID.contains(&name.as_str());
                open.push(Open { name, attributes, children: Vec::new() });
                if is_void || open.len() > DEEPEST {
                    close(&mut open);
                }
            }
            Token::EndTag(tag) => {
                let name = String::from_utf8_lossy(&tag.name);
                if let Some(depth) = open.iter().skip(1).rposition(|element| element.name == name) {
                    while open.len() > depth + 1 {
                        close(&mut open);
                    }
                }
            }
            Token::String(text) => {
                let text = String::from_utf8_lossy(&text.value);
                let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
                let mut lines: Vec<Node> = lines.filter(|line| !line.is_empty()).map(Node::Text).collect();
                let children = open.last_mut().map(|last| &mut last.children);
                match (children, lines.len()) {
                    (Some(children), 1) => children.append(&mut lines),
                    (Some(children), 2..) => children.push(whole(&text).unwrap_or(Node::Lines(lines))),
                    _ => {}
                }
            }
            Token::Comment(comment) => {
                if let Some(last) = open.last_mut() {
                    let text = format!("<!-- {} -->", String::from_utf8_lossy(&comment.value).trim());
                    last.children.push(Node::Text(text));
                }
            }
            Token::Doctype(_) | Token::Error(_) => {}
        }
    }
    while open.len() > 1 {
        close(&mut open);
    }
    let children = open.pop().map(|root| root.children).unwrap_or_default();
    Node::Element { name: String::new(), attributes: Vec::new(), children }
}

/// Data in a script element, over several lines.
fn whole(text: &str) -> Option<Node> {
    if text.trim_start().starts_with(['{', '[']) { serde_json::from_str(text).ok() } else { None }
}

fn close(open: &mut Vec<Open>) {
    if open.len() > 1
        && let (Some(Open { name, mut attributes, children }), Some(parent)) = (open.pop(), open.last_mut())
    {
        attributes.sort_by(|a, b| a.0.cmp(&b.0));
        parent.children.push(Node::Element { name, attributes, children });
    }
}
