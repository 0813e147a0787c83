//! The tile registers of AMX: eight, in a layout per thread.

use std::arch::asm;
use std::marker::PhantomData;

/// Rows of each of the eight registers, and bytes of a row, as the processor reads it.
#[repr(C, align(64))]
pub struct Layout {
    palette: u8,
    start: u8,
    reserved: [u8; 14],
    bytes: [u16; 16],
    rows: [u8; 16],
}

impl Layout {
    /// Registers by (rows, bytes per row): at most 16 and 64; registers of (0, 0) are unused.
    pub const fn of(registers: [(u8, u16); 8]) -> Layout {
        let (mut bytes, mut rows) = ([0; 16], [0; 16]);
        let mut i = 0;
        while i < 8 {
            assert!(registers[i].0 <= 16 && registers[i].1 <= 64, "a tile has 16 rows of 64 bytes");
            (rows[i], bytes[i]) = registers[i];
            i += 1;
        }
        Layout { palette: 1, start: 0, reserved: [0; 14], bytes, rows }
    }
}

/// This thread's tile registers, until this is dropped.
pub struct Registers(PhantomData<*const ()>);

impl Registers {
    /// Configures them.
    ///
    /// # Safety
    /// The processor has AMX, and the system lets this process use it.
    pub unsafe fn open(layout: &'static Layout) -> Registers {
        // SAFETY: as promised; a layout has 64 bytes
        unsafe { asm!("ldtilecfg [{}]", in(reg) layout, options(nostack, readonly, preserves_flags)) };
        Registers(PhantomData)
    }
}

impl Drop for Registers {
    fn drop(&mut self) {
        // SAFETY: releases the registers; a thread without them is cheaper to switch
        unsafe { asm!("tilerelease", options(nostack, nomem, preserves_flags)) };
    }
}
