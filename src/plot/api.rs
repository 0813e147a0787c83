//! What scripts see of it.

use crate::script::prelude::*;

pub fn register(_host: &mut Host) {}
