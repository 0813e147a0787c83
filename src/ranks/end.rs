//! Ending of ranks: all together, or all when one has failed.

use super::{meeting, world};
use crate::progress;

/// Ends this process's part with its exit code: ranks that all reach their end finish together, and a failed rank ends all.
/// `words` prints the message of a rank other than 0, after rank 0 has had time to print it for all.
pub fn end(code: u8, words: impl FnOnce()) {
    let Some(world) = world::joined() else { return };
    if code == 0 {
        match meeting::at_the_end() {
            Ok(()) => return world.finalize(),
            Err(error) if world.rank == 0 => progress::to_stderr(&told(&error)),
            Err(_) => {}
        }
    }
    if world.rank > 0 {
        world::grace();
        words();
    }
    world.abort(if code == 0 { FAULT } else { code });
}

/// The exit code if ranks end differently.
const FAULT: u8 = 2;

fn told(error: &crate::Error) -> String {
    match error.advice() {
        Some(help) => format!("error: {error}\nhelp: {help}"),
        None => format!("error: {error}"),
    }
}
