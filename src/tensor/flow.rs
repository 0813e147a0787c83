//! The backward pass: gradients flow through the tape, newest operation first.

use super::tape::{GradTarget, Node};
use super::{Array, DType, Device, Grads, Tensor, timing};
use crate::sync::unpoisoned;
use crate::{Error, Result, kernel};
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

/// A backward pass in progress.
#[derive(Default)]
pub struct Flow {
    queue: BinaryHeap<QueuedNode>,
    pending: HashMap<u64, Pending>,
    inputs: Vec<Option<GradTarget>>,
    grads: Grads,
}

/// A node in the queue, ordered newest first.
struct QueuedNode(Arc<Node>);

impl Ord for QueuedNode {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.id.cmp(&other.0.id)
    }
}
impl PartialOrd for QueuedNode {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for QueuedNode {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}
impl Eq for QueuedNode {}

/// A gradient that may still receive contributions.
enum Pending {
    /// The first contribution, by move. Its storage may be shared, so it is never modified.
    One(Array),
    /// An owned sum, to which further contributions are added.
    Sum(Vec<f32>, Vec<usize>),
}

impl Pending {
    fn add(self, more: Array) -> Result<Pending> {
        match self {
            Pending::One(first) => match kernel::added(&first, &more)? {
                Some(sum) => Ok(Pending::Sum(sum, first.dims().to_vec())),
                None => Ok(Pending::One((first + more)?)),
            },
            Pending::Sum(mut sum, dims) => {
                kernel::add_to(&mut sum, &more.to_dtype(DType::F32)?)?;
                Ok(Pending::Sum(sum, dims))
            }
        }
    }

    fn into_array(self) -> Result<Array> {
        match self {
            Pending::One(array) => Ok(array),
            Pending::Sum(sum, dims) => Ok(Array::from_vec(sum, dims, &Device::Cpu)?),
        }
    }
}

impl Flow {
    /// Whether input `index` of the current operation requires a gradient.
    pub fn wants(&self, index: usize) -> bool {
        self.inputs[index].is_some()
    }

    /// Adds a gradient, of its shape and dtype, to input `index`; it is computed only if required.
    pub fn add(&mut self, index: usize, grad: impl FnOnce() -> Result<Array>) -> Result<()> {
        match self.inputs[index].clone() {
            Some(target) => self.give(target, grad()?),
            None => Ok(()),
        }
    }

    /// Lets `write` add to the gradient of input `index` in place: `write(sum, first)` receives the whole buffer, row by row in
    /// f32, and must overwrite it when `first`, add to it otherwise. For large weights, whose gradient a kernel can accumulate
    /// without a temporary. `dims` is the input's shape. Does nothing if it is not required.
    pub fn accumulate(
        &mut self,
        index: usize,
        dims: &[usize],
        write: impl FnOnce(&mut [f32], bool) -> Result<()>,
    ) -> Result<()> {
        let Some(target) = self.inputs[index].clone() else { return Ok(()) };
        let (mut sum, first) = match self.pending.remove(&target.id()) {
            None => (kernel::buffer::unwritten(dims.iter().product()), true),
            Some(Pending::Sum(sum, _)) => (sum, false),
            Some(Pending::One(array)) => (kernel::values(&array)?, false),
        };
        write(&mut sum, first)?;
        self.pending.insert(target.id(), Pending::Sum(sum, dims.to_vec()));
        self.enqueue(target, first);
        Ok(())
    }

    /// The number of inputs of the current operation.
    pub fn inputs(&self) -> usize {
        self.inputs.len()
    }

    /// Adds a gradient to input `index` as an owned buffer, into which later contributions are added.
    pub fn hand(&mut self, index: usize, dims: &[usize], grad: Vec<f32>) -> Result<()> {
        let Some(target) = self.inputs[index].clone() else { return Ok(()) };
        let sum = match self.pending.remove(&target.id()) {
            None => {
                self.enqueue(target.clone(), true);
                Pending::Sum(grad, dims.to_vec())
            }
            Some(sum) => sum.add(Array::from_vec(grad, dims, &Device::Cpu)?)?,
        };
        self.pending.insert(target.id(), sum);
        Ok(())
    }

    /// Adds `grad` to the gradient of `tensor`. Inside a backward pass this runs a graph that was just recorded (a recomputed
    /// activation) before anything older.
    pub fn seed(&mut self, tensor: &Tensor, grad: Array) -> Result<()> {
        match tensor.target() {
            Some(target) => self.give(target, grad),
            None => Ok(()),
        }
    }

    fn give(&mut self, target: GradTarget, grad: Array) -> Result<()> {
        let id = target.id();
        match self.pending.remove(&id) {
            None => {
                self.pending.insert(id, Pending::One(grad));
                self.enqueue(target, true);
            }
            Some(sum) => {
                self.pending.insert(id, sum.add(grad)?);
            }
        }
        Ok(())
    }

    /// Queues a node once, and enters a parameter in the result once.
    fn enqueue(&mut self, target: GradTarget, first: bool) {
        if first {
            match target {
                GradTarget::Node(node) => self.queue.push(QueuedNode(node)),
                GradTarget::Param(param) => self.grads.reach(param),
            }
        }
    }

    /// Runs the queue, and returns the gradients of parameters.
    pub(super) fn run(mut self) -> Result<Grads> {
        while let Some(QueuedNode(node)) = self.queue.pop() {
            crate::cancel::check()?;
            let Some(pending) = self.pending.remove(&node.id) else { continue };
            let backward = unpoisoned(node.backward.lock()).take();
            let Some(backward) = backward else {
                return Err(Error::new("backward", "the graph of this tensor was used up by an earlier `backward`")
                    .help("compute the loss again, or add the losses and call `backward` once"));
            };
            self.inputs = node.inputs.clone();
            let _timed = timing::backward_of(node.name);
            drop(node);
            backward(pending.into_array()?, &mut self)?;
        }
        for (id, pending) in self.pending.drain() {
            self.grads.fill(id, pending.into_array()?.contiguous()?)?;
        }
        Ok(self.grads)
    }
}
