//! The stack machine of Python's pickles, as far as weights need it. It executes nothing: a callable in a pickle is only a name,
//! and the names that weights need are known here.
//!
//! Values are in an arena and texts in the file, and none is copied: memory is bounded by the length of the file.

use super::value::{Global, Id, Value};
use crate::{Error, Result, bail};
use std::collections::HashMap;
use std::ops::Range;

const WHO: &str = "tensors";

/// The contents of a pickle: its values, and the index of the root.
pub struct Pickled {
    pub values: Vec<Value>,
    pub root: Id,
    /// End offset of the pickle.
    pub end: usize,
}

impl Pickled {
    /// Reads the pickle at the start of a range of a file.
    pub fn read(bytes: &[u8], range: Range<usize>) -> Result<Pickled> {
        let mut machine = Machine {
            bytes: &bytes[..range.end],
            at: range.start,
            values: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            // a tensor takes a few dozen entries, and weights that are mostly tensors of a few numbers are small
            left: (bytes.len() / 64).max(1 << 18),
        };
        while !machine.step().map_err(|error| error.at(format!("byte {}", machine.at)))? {}
        let root = machine.pop()?;
        Ok(Pickled { values: machine.values, root, end: machine.at })
    }

    pub fn get(&self, id: Id) -> &Value {
        // ids are created only here
        self.values.get(id as usize).unwrap_or(&Value::None)
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    /// Number of entries that the arena, its lists, the stack and the memo may still add.
    left: usize,
}

impl Machine<'_> {
    fn take(&mut self, count: usize) -> Result<Range<usize>> {
        match self.at.checked_add(count).filter(|end| *end <= self.bytes.len()) {
            Some(end) => {
                let range = self.at..end;
                self.at = end;
                Ok(range)
            }
            None => bail!(WHO, "the pickle is cut off"),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let range = self.take(N)?;
        self.bytes[range].try_into().map_err(|_| Error::new(WHO, "the pickle is cut off"))
    }

    fn byte(&mut self) -> Result<usize> {
        Ok(usize::from(self.array::<1>()?[0]))
    }

    fn four(&mut self) -> Result<usize> {
        Ok(u32::from_le_bytes(self.array()?) as usize)
    }

    fn eight(&mut self) -> Result<usize> {
        let count = u64::from_le_bytes(self.array()?);
        usize::try_from(count).map_err(|_| Error::new(WHO, "the pickle is cut off"))
    }

    /// The text up to the end of the line.
    fn line(&mut self) -> Result<Range<usize>> {
        match self.bytes[self.at..].iter().position(|byte| *byte == b'\n') {
            Some(length) => {
                let range = self.take(length)?;
                self.at += 1;
                Ok(range)
            }
            None => bail!(WHO, "the pickle is cut off"),
        }
    }

    fn spend(&mut self, entries: usize) -> Result<()> {
        match self.left.checked_sub(entries) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => bail!(WHO, "the pickle describes more than a file of {} bytes holds", self.bytes.len()),
        }
    }

    fn push(&mut self, value: Value) -> Result<()> {
        self.spend(2)?;
        let id = Id::try_from(self.values.len()).map_err(|_| Error::new(WHO, "the pickle has too many values"))?;
        self.values.push(value);
        self.stack.push(id);
        Ok(())
    }

    fn pop(&mut self) -> Result<Id> {
        // values below the last mark may not be popped before the mark is removed
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.pop() {
            Some(id) if self.stack.len() >= floor => Ok(id),
            _ => bail!(WHO, "the pickle takes what is not on its stack"),
        }
    }

    fn top(&self) -> Result<Id> {
        self.stack.last().copied().ok_or_else(|| Error::new(WHO, "the pickle takes what is not on its stack"))
    }

    /// Pops the values above the last mark, and the mark.
    fn marked(&mut self) -> Result<Vec<Id>> {
        match self.marks.pop() {
            Some(mark) if mark <= self.stack.len() => Ok(self.stack.split_off(mark)),
            _ => bail!(WHO, "the pickle has no mark"),
        }
    }

    fn pairs(ids: &[Id]) -> Result<impl Iterator<Item = (Id, Id)>> {
        let (pairs, rest) = ids.as_chunks::<2>();
        if !rest.is_empty() {
            bail!(WHO, "the pickle has a key without a value");
        }
        Ok(pairs.iter().map(|[key, value]| (*key, *value)))
    }

    /// Adds to the container on top.
    fn add(&mut self, ids: &[Id], are_pairs: bool) -> Result<()> {
        self.spend(ids.len())?;
        let top = self.top()? as usize;
        match self.values.get_mut(top) {
            Some(Value::List(list)) if !are_pairs => list.extend(ids),
            Some(Value::Dict(items)) if are_pairs => items.extend(Machine::pairs(ids)?),
            // an OrderedDict, or a set, that was made by a call
            Some(value @ Value::Called(Global::Dict, _)) if are_pairs => {
                *value = Value::Dict(Machine::pairs(ids)?.collect());
            }
            Some(value @ Value::Called(Global::Set, _)) if !are_pairs => *value = Value::List(ids.to_vec()),
            _ => bail!(WHO, "the pickle fills what is not a list or a dict"),
        }
        Ok(())
    }

    fn text(&self, range: &Range<usize>) -> &str {
        std::str::from_utf8(&self.bytes[range.clone()]).unwrap_or("?")
    }

    /// A name requested by the pickle.
    fn global(&mut self, module: &Range<usize>, name: &Range<usize>) -> Result<()> {
        let (module, name) = (self.text(module), self.text(name));
        match Global::named(module, name) {
            Some(global) => self.push(Value::Global(global)),
            None => {
                let asked: String = format!("{module}.{name}").chars().take(200).collect();
                Err(Error::new(WHO, format!("it asks for {asked}, which weights have no need of; nothing was run"))
                    .help("a file of weights alone, as `torch.save(net.state_dict(), …)` writes, asks for nothing"))
            }
        }
    }

    fn call(&mut self) -> Result<()> {
        let arguments = self.pop()?;
        let called = self.pop()?;
        match self.values.get(called as usize) {
            Some(Value::Global(global)) if global.is_callable() => self.push(Value::Called(*global, arguments)),
            _ => bail!(WHO, "the pickle calls what is not callable"),
        }
    }

    fn remember(&mut self, slot: u32) -> Result<()> {
        self.spend(1)?;
        let top = self.top()?;
        self.memo.insert(slot, top);
        Ok(())
    }

    fn recall(&mut self, slot: u32) -> Result<()> {
        match self.memo.get(&slot) {
            Some(id) => {
                let id = *id;
                self.spend(1)?;
                self.stack.push(id);
                Ok(())
            }
            None => bail!(WHO, "the pickle recalls {slot}, which it did not remember"),
        }
    }

    fn number(&self, range: &Range<usize>) -> Result<i64> {
        let text = self.text(range).trim_end_matches('L');
        text.parse()
            .map_err(|_| Error::new(WHO, format!("`{}` is not a number", text.chars().take(40).collect::<String>())))
    }

    fn long(&mut self, count: usize) -> Result<()> {
        let range = self.take(count)?;
        let bytes = &self.bytes[range];
        if bytes.len() > 8 {
            return self.push(Value::Number);
        }
        let fill = if bytes.last().is_some_and(|last| last & 0x80 != 0) { 0xff } else { 0 };
        let mut wide = [fill; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        self.push(Value::Int(i64::from_le_bytes(wide)))
    }

    /// Executes one instruction; returns whether it was the last.
    fn step(&mut self) -> Result<bool> {
        let code = self.byte()? as u8;
        match code {
            0x80 => drop(self.byte()?),
            0x95 => drop(self.eight()?),
            b'.' => return Ok(true),
            b'(' => {
                self.spend(1)?;
                self.marks.push(self.stack.len());
            }
            b'0' => drop(self.pop()?),
            b'1' => drop(self.marked()?),
            b'2' => {
                self.spend(1)?;
                let top = self.top()?;
                self.stack.push(top);
            }
            b'N' => self.push(Value::None)?,
            0x88 | 0x89 => self.push(Value::Bool(code == 0x88))?,
            b'J' | b'K' | b'M' | b'I' | b'L' | 0x8a | 0x8b | b'G' | b'F' => self.numbers(code)?,
            b'X' | 0x8c | 0x8d | b'V' | b'S' | b'T' | b'U' | b'B' | b'C' | 0x8e => self.texts(code)?,
            b'}' | b']' | b')' | 0x8f | b't' | 0x85..=0x87 | b'l' | b'd' | 0x91 => self.containers(code)?,
            b'a' | b'e' | b's' | b'u' | 0x90 => self.fillings(code)?,
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(&module, &name)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                match (self.values.get(module as usize), self.values.get(name as usize)) {
                    (Some(Value::Text(module)), Some(Value::Text(name))) => {
                        let (module, name) = (module.clone(), name.clone());
                        self.global(&module, &name)?;
                    }
                    _ => bail!(WHO, "the pickle asks for what has no name"),
                }
            }
            b'R' | 0x81 => self.call()?,
            // the state of an object: a tensor's `requires_grad`, the metadata of a state dict
            b'b' => drop(self.pop()?),
            b'Q' => {
                let id = self.pop()?;
                self.push(Value::Persistent(id))?;
            }
            b'p' | b'q' | b'r' | b'g' | b'h' | b'j' | 0x94 => self.memory(code)?,
            _ => bail!(WHO, "the pickle has the instruction {code:#04x}, which weights have no need of"),
        }
        Ok(false)
    }

    fn numbers(&mut self, code: u8) -> Result<()> {
        match code {
            b'J' => {
                let number = i32::from_le_bytes(self.array()?);
                self.push(Value::Int(i64::from(number)))
            }
            b'K' => {
                let number = self.byte()?;
                self.push(Value::Int(number as i64))
            }
            b'M' => {
                let number = u16::from_le_bytes(self.array()?);
                self.push(Value::Int(i64::from(number)))
            }
            b'I' => {
                let line = self.line()?;
                match self.text(&line) {
                    "00" | "01" => self.push(Value::Bool(self.text(&line) == "01")),
                    _ => self.push(Value::Int(self.number(&line)?)),
                }
            }
            b'L' => {
                let line = self.line()?;
                match self.number(&line) {
                    Ok(number) => self.push(Value::Int(number)),
                    Err(_) => self.push(Value::Number),
                }
            }
            0x8a => {
                let count = self.byte()?;
                self.long(count)
            }
            0x8b => {
                let count = self.four()?;
                self.long(count)
            }
            b'G' => {
                self.take(8)?;
                self.push(Value::Number)
            }
            _ => {
                self.line()?;
                self.push(Value::Number)
            }
        }
    }

    fn texts(&mut self, code: u8) -> Result<()> {
        let range = match code {
            b'V' | b'S' => self.line()?,
            0x8c | b'U' | b'C' => {
                let count = self.byte()?;
                self.take(count)?
            }
            0x8d | 0x8e => {
                let count = self.eight()?;
                self.take(count)?
            }
            _ => {
                let count = self.four()?;
                self.take(count)?
            }
        };
        self.push(Value::Text(range))
    }

    fn containers(&mut self, code: u8) -> Result<()> {
        let value = match code {
            b'}' => Value::Dict(Vec::new()),
            b']' | 0x8f => Value::List(Vec::new()),
            b')' => Value::Tuple(Vec::new()),
            b't' => Value::Tuple(self.marked()?),
            b'l' | 0x91 => Value::List(self.marked()?),
            b'd' => Value::Dict(Machine::pairs(&self.marked()?)?.collect()),
            _ => {
                let mut ids = (0x85..=code).map(|_| self.pop()).collect::<Result<Vec<Id>>>()?;
                ids.reverse();
                Value::Tuple(ids)
            }
        };
        self.push(value)
    }

    fn fillings(&mut self, code: u8) -> Result<()> {
        match code {
            b'a' => {
                let value = self.pop()?;
                self.add(&[value], false)
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.add(&[key, value], true)
            }
            b'u' => {
                let ids = self.marked()?;
                self.add(&ids, true)
            }
            _ => {
                let ids = self.marked()?;
                self.add(&ids, false)
            }
        }
    }

    fn memory(&mut self, code: u8) -> Result<()> {
        let slot = match code {
            0x94 => self.memo.len() as u32,
            b'p' | b'g' => {
                let line = self.line()?;
                u32::try_from(self.number(&line)?)
                    .map_err(|_| Error::new(WHO, "the pickle's memo has no such place"))?
            }
            b'q' | b'h' => self.byte()? as u32,
            _ => self.four()? as u32,
        };
        if matches!(code, b'g' | b'h' | b'j') { self.recall(slot) } else { self.remember(slot) }
    }
}
