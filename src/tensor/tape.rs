//! The tape of reverse-mode differentiation.
//!
//! An operation is one function that computes its value and, with [`Tensor::derive`], records its backward. Only operations that
//! depend on a parameter are recorded. The backward pass visits the records newest first (an operation is always newer than its
//! inputs), so it is a loop, takes the first gradient by move, and frees the saved values of an operation as soon as it has run.

use super::{Array, DType, Device, Flow, Grads, timing};
use crate::sync::unpoisoned;
use crate::{Error, Result, bail, kernel};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

/// An array and its history. Tensors are immutable, and cloning one is free.
#[derive(Clone)]
pub struct Tensor(Origin);

#[derive(Clone)]
enum Origin {
    Constant(Array),
    Derived(Array, Arc<Node>),
    Param(Arc<Param>),
    /// State of a network that can be replaced like a parameter's numbers, but has no gradient.
    Buffer(Arc<Param>),
}

/// A trainable weight: the only tensor whose numbers an optimizer replaces.
///
/// Replaces, not overwrites: a holder of the old numbers (a view, a saved activation, a copy in a script) keeps them unchanged.
pub struct Param {
    id: u64,
    name: Option<Arc<str>>,
    value: RwLock<Array>,
    changed: AtomicBool,
}

/// One recorded operation.
pub(super) struct Node {
    pub id: u64,
    /// The name of the operation, from the type of its `backward`.
    pub name: &'static str,
    pub inputs: Vec<Option<GradTarget>>,
    pub backward: Mutex<Option<Backward>>,
}

/// The destination of a gradient.
#[derive(Clone)]
pub(super) enum GradTarget {
    Node(Arc<Node>),
    Param(Arc<Param>),
}

pub(super) type Backward = Box<dyn FnOnce(Array, &mut Flow) -> Result<()> + Send + Sync>;

/// An id larger than all previous ones, on any thread.
fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

thread_local! {
    static RECORDING: Cell<bool> = const { Cell::new(true) };
}

/// Runs `work` without recording: for evaluation.
pub fn no_grad<T>(work: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            RECORDING.with(|recording| recording.set(self.0));
        }
    }
    let _restore = Restore(RECORDING.with(|recording| recording.replace(false)));
    work()
}

/// Whether operations are recorded here: false inside [`no_grad`], which distinguishes evaluation from training.
pub fn is_recording() -> bool {
    RECORDING.with(Cell::get)
}

impl From<Array> for Tensor {
    fn from(value: Array) -> Tensor {
        Tensor(Origin::Constant(value))
    }
}

impl Tensor {
    /// Makes a parameter with these numbers. Errors, gradients and files use its name.
    pub fn param(value: Array, name: Option<&str>) -> Tensor {
        Tensor(Origin::Param(Param::new(value, name)))
    }

    /// Makes a buffer with these numbers: state kept with a network's parameters, such as running statistics, without a gradient.
    pub fn buffer(value: Array, name: Option<&str>) -> Tensor {
        Tensor(Origin::Buffer(Param::new(value, name)))
    }

    /// Makes the result `value` of an operation on `inputs`, with its backward.
    ///
    /// `backward` receives the gradient of the result and passes each input its gradient by position: `flow.add(0, || …)`, whose
    /// closure runs only if that input requires a gradient. If none of `inputs` requires one, `backward` is dropped with its
    /// saved values.
    pub fn derive<const N: usize, B>(value: Array, inputs: [&Tensor; N], backward: B) -> Tensor
    where
        B: FnOnce(Array, &mut Flow) -> Result<()> + Send + Sync + 'static,
    {
        Tensor::derive_from(value, &inputs, backward)
    }

    /// [`Tensor::derive`] for a number of inputs known only at run time.
    pub fn derive_from<B>(value: Array, inputs: &[&Tensor], backward: B) -> Tensor
    where
        B: FnOnce(Array, &mut Flow) -> Result<()> + Send + Sync + 'static,
    {
        let name = std::any::type_name::<B>();
        if kernel::profile::on() {
            timing::derived(name, inputs);
        }
        if !Tensor::records(inputs) {
            return Tensor::from(value);
        }
        let inputs = inputs.iter().map(|input| input.target()).collect();
        let node = Node { id: next_id(), name, inputs, backward: Mutex::new(Some(Box::new(backward))) };
        Tensor(Origin::Derived(value, Arc::new(node)))
    }

    /// Whether an operation on these inputs must be recorded: check before saving values that only backward needs.
    pub fn records(inputs: &[&Tensor]) -> bool {
        is_recording() && inputs.iter().any(|input| input.learns())
    }

    /// The numbers, as an operand: a profiled operation begins here.
    pub fn value(&self) -> Array {
        let value = self.peek();
        timing::read(&value);
        value
    }

    /// The numbers, for inspection.
    pub(super) fn peek(&self) -> Array {
        match &self.0 {
            Origin::Constant(value) | Origin::Derived(value, _) => value.clone(),
            Origin::Param(param) | Origin::Buffer(param) => param.value(),
        }
    }

    /// Reads the numbers row by row, without a copy on the CPU unless it is a non-contiguous view. `T` is the number type of its
    /// dtype: f32, f64, i64, u32, u8, or half's f16 and bf16.
    pub fn with_numbers<T: candle_core::WithDType, R>(&self, read: impl FnOnce(&[T]) -> R) -> Result<R> {
        super::values::with_values(&self.value(), read)
    }

    /// Whether it requires a gradient.
    pub fn learns(&self) -> bool {
        matches!(self.0, Origin::Derived(..) | Origin::Param(_))
    }

    /// The parameter, if the tensor is one.
    pub fn as_param(&self) -> Option<&Arc<Param>> {
        match &self.0 {
            Origin::Param(param) => Some(param),
            _ => None,
        }
    }

    /// The parameter or buffer, if the tensor is one: its numbers can be replaced.
    pub fn as_held(&self) -> Option<&Arc<Param>> {
        match &self.0 {
            Origin::Param(held) | Origin::Buffer(held) => Some(held),
            _ => None,
        }
    }

    /// The same numbers without their history.
    pub fn detach(&self) -> Tensor {
        Tensor::from(self.value())
    }

    /// Sizes by dimension.
    pub fn shape(&self) -> Vec<usize> {
        self.peek().dims().to_vec()
    }

    /// The type of its numbers.
    pub fn dtype(&self) -> DType {
        self.peek().dtype()
    }

    /// The names of the recorded operations in its history.
    pub fn operations(&self) -> BTreeSet<&'static str> {
        let mut names = BTreeSet::new();
        let (mut seen, mut open) = (HashSet::new(), Vec::from_iter(self.target()));
        while let Some(target) = open.pop() {
            if let GradTarget::Node(node) = target
                && seen.insert(node.id)
            {
                names.insert(timing::operation(node.name));
                open.extend(node.inputs.iter().flatten().cloned());
            }
        }
        names
    }

    pub(super) fn target(&self) -> Option<GradTarget> {
        match &self.0 {
            Origin::Constant(_) | Origin::Buffer(_) => None,
            Origin::Derived(_, node) => Some(GradTarget::Node(node.clone())),
            Origin::Param(param) => Some(GradTarget::Param(param.clone())),
        }
    }

    /// Computes the gradient of this scalar with respect to every parameter that it depends on.
    ///
    /// Frees the graph as it goes: a second call on the same graph is an error.
    pub fn backward(&self) -> Result<Grads> {
        let value = self.peek();
        if value.elem_count() != 1 {
            return Err(Error::new("backward", format!("shape {:?} is not a single number", value.dims()))
                .help("reduce it first, with `.sum()` or `.mean()`"));
        }
        self.backward_with(value.ones_like()?)
    }

    /// Computes the gradient of the sum of this tensor times `grad` (of the same shape).
    pub fn backward_with(&self, grad: Array) -> Result<Grads> {
        let value = self.peek();
        if value.dims() != grad.dims() {
            bail!("backward", "gradient of shape {:?} for a tensor of shape {:?}", grad.dims(), value.dims());
        }
        if !self.learns() {
            return Err(Error::new("backward", "it does not depend on a parameter")
                .help("make trainable tensors with `param(…)`, and compute the loss from them"));
        }
        let _whole = timing::backward();
        let mut flow = Flow::default();
        flow.seed(self, grad)?;
        flow.run()
    }
}

impl Param {
    fn new(value: Array, name: Option<&str>) -> Arc<Param> {
        let (name, value) = (name.map(Arc::from), RwLock::new(value));
        Arc::new(Param { id: next_id(), name, value, changed: AtomicBool::new(false) })
    }

    /// The id of this tensor, unique in the process.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The name of a parameter.
    pub fn name(&self) -> Option<&Arc<str>> {
        self.name.as_ref()
    }

    /// The label in messages: the name, or the shape.
    pub fn label(&self) -> String {
        match &self.name {
            Some(name) => name.to_string(),
            None => format!("parameter {:?}", self.value().dims()),
        }
    }

    /// Its numbers, shared without a copy.
    pub fn value(&self) -> Array {
        unpoisoned(self.value.read()).clone()
    }

    /// Whether its numbers have been replaced since its creation.
    pub fn is_changed(&self) -> bool {
        self.changed.load(Ordering::Relaxed)
    }

    /// Moves the numbers to another device.
    pub fn relocate(&self, device: &Device) -> Result<()> {
        let mut held = unpoisoned(self.value.write());
        *held = held.to_device(device)?;
        Ok(())
    }

    /// Converts the numbers to another dtype.
    pub fn recast(&self, dtype: DType) -> Result<()> {
        let mut held = unpoisoned(self.value.write());
        *held = held.to_dtype(dtype)?;
        Ok(())
    }

    /// Replaces the numbers, keeping shape and device.
    pub fn set(&self, value: Array) -> Result<()> {
        self.changed.store(true, Ordering::Relaxed);
        let mut held = unpoisoned(self.value.write());
        if held.dims() != value.dims() {
            bail!("set", "shape {:?} for a parameter of shape {:?}", value.dims(), held.dims());
        }
        *held = value.to_device(held.device())?;
        Ok(())
    }
}

thread_local! {
    /// Parts still to be dropped, while a node is being dropped.
    static REMAINS: RefCell<Option<Vec<Remains>>> = const { RefCell::new(None) };
}

/// The parts of a node.
type Remains = (Vec<Option<GradTarget>>, Option<Backward>);

/// A long chain of operations must not be dropped recursively: it would overflow the stack. The first node that a thread drops
/// processes a list; nodes dropped meanwhile (its inputs, and tensors saved by a `backward`) only add their contents to the list.
impl Drop for Node {
    fn drop(&mut self) {
        let backward = unpoisoned(self.backward.get_mut()).take();
        let mut own = Some((std::mem::take(&mut self.inputs), backward));
        let listed = REMAINS.try_with(|remains| match &mut *remains.borrow_mut() {
            Some(list) => list.extend(own.take()),
            remains => *remains = Some(Vec::new()),
        });
        if listed.is_err() || own.is_none() {
            return;
        }
        while let Some((inputs, backward)) = own {
            drop(inputs);
            drop(backward);
            own = REMAINS.with(|remains| remains.borrow_mut().as_mut().and_then(Vec::pop));
        }
        REMAINS.set(None);
    }
}

impl GradTarget {
    pub fn id(&self) -> u64 {
        match self {
            GradTarget::Node(node) => node.id,
            GradTarget::Param(param) => param.id,
        }
    }
}
