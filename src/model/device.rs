//! The device of a model.

use super::Model;
use crate::tensor::Device;
use crate::{Result, kernel};

impl Model {
    /// Moves the weights to the default device.
    pub(super) fn by_default(self) -> Result<Model> {
        let device = kernel::default_device()?;
        if !device.is_cpu() {
            self.move_to(&device)?;
        }
        Ok(self)
    }

    /// The device of the weights.
    pub fn device(&self) -> Device {
        self.read().weights.device()
    }

    /// Moves the weights and attached adapters. Optimizer moments follow at the next step.
    pub fn move_to(&self, device: &Device) -> Result<()> {
        if !device.is_cpu() {
            self.check_trainable("to")?;
        }
        self.read().weights.move_to(device)
    }
}
