//! The tree of a page, as browsers build it from any text.

use html5ever::interface::{ElementFlags, NodeOrText, QuirksMode, TreeSink};
use html5ever::tendril::{StrTendril, TendrilSink};
use html5ever::{Attribute, ExpandedName, ParseOpts, QualName, parse_document};
use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

/// A node is its index in [`Page::nodes`].
pub struct Page {
    pub nodes: Vec<Node>,
}

pub struct Node {
    pub parent: Option<usize>,
    pub children: Vec<usize>,
    pub data: Data,
}

pub enum Data {
    Text(String),
    Element {
        name: Rc<QualName>,
        attributes: Vec<(String, String)>,
    },
    /// The document, comments, contents of templates.
    Other,
}

impl Page {
    pub fn parse(html: &str) -> Page {
        let sink = Sink { nodes: RefCell::new(vec![Node::new(Data::Other)]) };
        parse_document(sink, ParseOpts::default()).one(StrTendril::from_slice(html))
    }

    /// The name of an element; empty for other nodes.
    pub fn name(&self, node: usize) -> &str {
        match &self.nodes[node].data {
            Data::Element { name, .. } => &name.local,
            _ => "",
        }
    }

    pub fn attribute(&self, node: usize, name: &str) -> &str {
        match &self.nodes[node].data {
            Data::Element { attributes, .. } => {
                attributes.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
            }
            _ => "",
        }
    }

    /// `root` and all nodes below it, each before its descendants.
    pub fn order(&self, root: usize) -> Vec<usize> {
        let (mut order, mut next) = (Vec::new(), vec![root]);
        while let Some(node) = next.pop() {
            order.push(node);
            next.extend(self.nodes[node].children.iter().rev());
        }
        order
    }

    /// The first element of this name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.order(0).into_iter().find(|node| self.name(*node) == name)
    }
}

impl Node {
    fn new(data: Data) -> Node {
        Node { parent: None, children: Vec::new(), data }
    }
}

/// A node, with its name for the parser.
#[derive(Clone)]
struct Handle {
    at: usize,
    name: Option<Rc<QualName>>,
}

struct Sink {
    nodes: RefCell<Vec<Node>>,
}

impl Sink {
    fn make(&self, data: Data) -> usize {
        let mut nodes = self.nodes.borrow_mut();
        nodes.push(Node::new(data));
        nodes.len() - 1
    }

    fn other(&self) -> Handle {
        Handle { at: self.make(Data::Other), name: None }
    }

    /// Inserts a child at a position; text joins the text before it.
    fn put(&self, parent: usize, place: Option<usize>, child: NodeOrText<Handle>) {
        let place = place.unwrap_or_else(|| self.nodes.borrow()[parent].children.len());
        let child = match child {
            NodeOrText::AppendNode(node) => {
                self.detach(node.at);
                node.at
            }
            NodeOrText::AppendText(text) => {
                let mut nodes = self.nodes.borrow_mut();
                let before = place.checked_sub(1).and_then(|before| nodes[parent].children.get(before).copied());
                if let Some(Data::Text(known)) = before.map(|before| &mut nodes[before].data) {
                    known.push_str(&text);
                    return;
                }
                nodes.push(Node::new(Data::Text(text.to_string())));
                nodes.len() - 1
            }
        };
        let mut nodes = self.nodes.borrow_mut();
        nodes[child].parent = Some(parent);
        let place = place.min(nodes[parent].children.len());
        nodes[parent].children.insert(place, child);
    }

    fn detach(&self, node: usize) {
        let mut nodes = self.nodes.borrow_mut();
        if let Some(parent) = nodes[node].parent.take() {
            nodes[parent].children.retain(|child| *child != node);
        }
    }
}

impl TreeSink for Sink {
    type Handle = Handle;
    type Output = Page;
    type ElemName<'a> = ExpandedName<'a>;

    fn finish(self) -> Page {
        Page { nodes: self.nodes.into_inner() }
    }

    fn parse_error(&self, _: Cow<'static, str>) {}

    fn get_document(&self) -> Handle {
        Handle { at: 0, name: None }
    }

    fn elem_name<'a>(&'a self, target: &'a Handle) -> ExpandedName<'a> {
        match &target.name {
            Some(name) => name.expanded(),
            None => unreachable!("the parser asks for names of elements alone"),
        }
    }

    fn create_element(&self, name: QualName, attributes: Vec<Attribute>, _: ElementFlags) -> Handle {
        let name = Rc::new(name);
        let attributes = attributes.iter().map(pair).collect();
        Handle { at: self.make(Data::Element { name: name.clone(), attributes }), name: Some(name) }
    }

    fn create_comment(&self, _: StrTendril) -> Handle {
        self.other()
    }

    fn create_pi(&self, _: StrTendril, _: StrTendril) -> Handle {
        self.other()
    }

    fn append(&self, parent: &Handle, child: NodeOrText<Handle>) {
        self.put(parent.at, None, child);
    }

    fn append_based_on_parent_node(&self, element: &Handle, before: &Handle, child: NodeOrText<Handle>) {
        let has_parent = self.nodes.borrow()[element.at].parent.is_some();
        if has_parent { self.append_before_sibling(element, child) } else { self.append(before, child) }
    }

    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {}

    /// The contents of templates are never displayed.
    fn get_template_contents(&self, _: &Handle) -> Handle {
        self.other()
    }

    fn same_node(&self, x: &Handle, y: &Handle) -> bool {
        x.at == y.at
    }

    fn set_quirks_mode(&self, _: QuirksMode) {}

    fn append_before_sibling(&self, sibling: &Handle, new: NodeOrText<Handle>) {
        if let NodeOrText::AppendNode(node) = &new {
            self.detach(node.at);
        }
        let place = {
            let nodes = self.nodes.borrow();
            nodes[sibling.at].parent.and_then(|parent| {
                Some((parent, nodes[parent].children.iter().position(|child| *child == sibling.at)?))
            })
        };
        if let Some((parent, place)) = place {
            self.put(parent, Some(place), new);
        }
    }

    fn add_attrs_if_missing(&self, target: &Handle, more: Vec<Attribute>) {
        if let Data::Element { attributes, .. } = &mut self.nodes.borrow_mut()[target.at].data {
            for (name, value) in more.iter().map(pair) {
                if !attributes.iter().any(|(known, _)| *known == name) {
                    attributes.push((name, value));
                }
            }
        }
    }

    fn remove_from_parent(&self, target: &Handle) {
        self.detach(target.at);
    }

    fn reparent_children(&self, node: &Handle, new_parent: &Handle) {
        let mut nodes = self.nodes.borrow_mut();
        let children = std::mem::take(&mut nodes[node.at].children);
        children.iter().for_each(|child| nodes[*child].parent = Some(new_parent.at));
        nodes[new_parent.at].children.extend(children);
    }
}

fn pair(attribute: &Attribute) -> (String, String) {
    (attribute.name.local.to_string(), attribute.value.to_string())
}
