//! Where a model is computed.

use super::Model;
use crate::tensor::Device;
use crate::{Result, kernel};

impl Model {
    /// Moves the weights to where models go that name no device.
    pub(super) fn by_default(self) -> Result<Model> {
        let device = kernel::default_device()?;
        if !device.is_cpu() {
            self.move_to(&device)?;
        }
        Ok(self)
    }

    /// Where the weights are.
    pub fn device(&self) -> Device {
        self.read().weights.device()
    }

    /// Moves the weights, and what is attached to them. The moments of an optimizer follow at its next step.
    pub fn move_to(&self, device: &Device) -> Result<()> {
        if !device.is_cpu() {
            self.check_trainable("to")?;
        }
        self.read().weights.move_to(device)
    }
}
