//! A tree in memory with the nodes that a record keeps of it, and nothing else.

use std::collections::HashMap;

use checkpoint::log::proof::{FoundNodes, ProofPlan, TreeHead};
use checkpoint::log::tree::{Frontier, Node, NodeId, TreeHash};

/// The leaf of row `n`, counted from 0.
pub fn leaf(n: u64) -> TreeHash {
    TreeHash::leaf(&n.to_be_bytes())
}

#[derive(Default)]
pub struct Tree {
    frontier: Frontier,
    /// Leaves and kept nodes.
    nodes: HashMap<NodeId, TreeHash>,
    roots: Vec<TreeHash>,
    all: FoundNodes,
}

impl Tree {
    pub fn of(size: u64) -> Self {
        let mut tree = Self::default();
        (0..size).for_each(|n| tree.push(leaf(n)));
        tree
    }

    pub fn push(&mut self, leaf: TreeHash) {
        if self.roots.is_empty() {
            self.roots.push(self.frontier.root());
        }
        let position = self.frontier.size();
        let id = NodeId { level: 0, position };
        let mut nodes = vec![Node { id, hash: leaf }];
        self.frontier.push_keeping(leaf, |node| nodes.push(node));
        for node in nodes {
            assert_eq!(self.nodes.insert(node.id, node.hash), None);
            self.all.add(node);
        }
        self.roots.push(self.frontier.root());
    }

    pub fn head(&self, size: u64) -> TreeHead {
        let root = self.roots[usize::try_from(size).unwrap()];
        TreeHead { size, root }
    }

    pub fn node(&self, id: NodeId) -> TreeHash {
        self.nodes[&id]
    }

    pub fn inclusion(&self, position: u64, size: u64) -> Vec<TreeHash> {
        let plan = ProofPlan::inclusion(position, size).unwrap();
        plan.prove(&self.all).unwrap()
    }

    pub fn consistency(&self, from: u64, to: u64) -> Vec<TreeHash> {
        let plan = ProofPlan::consistency(from, to).unwrap();
        plan.prove(&self.all).unwrap()
    }
}
