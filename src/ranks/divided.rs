//! Work over many items divided among ranks: items are assigned in turn, and results are collected in item order.

use super::meeting::{gathered, meet};
use super::world::{self, World};
use crate::{Error, Result};

/// This rank's items: those whose index modulo the second number is the first. Without sharing, all items.
pub fn turn() -> (usize, usize) {
    world::world().filter(|world| world.is_here()).map_or((0, 1), |world| (world.rank, world.count))
}

/// Results of all items in order, `width` numbers each, from each rank's own results for its [`turn`]. If the work failed or was
/// interrupted in one rank, all ranks get an error.
pub fn in_order(what: &str, width: usize, own: Result<Vec<f64>>) -> Result<Vec<f64>> {
    let Some(world) = world::world().filter(|world| world.is_here()) else { return own };
    let bytes: Vec<u8> = whole(world, what, own)?.iter().flat_map(|number| number.to_le_bytes()).collect();
    let rows: Vec<Vec<f64>> = gathered(what, &bytes)?.iter().map(|row| numbers(row)).collect();
    let all = rows.iter().map(Vec::len).sum::<usize>() / width;
    let item = |at: usize| rows[at % world.count].get(width * (at / world.count)..).into_iter().flatten().take(width);
    Ok((0..all).flat_map(item).copied().collect())
}

/// [`in_order`] for texts.
pub fn texts_in_order(what: &str, own: Result<Vec<String>>) -> Result<Vec<String>> {
    let Some(world) = world::world().filter(|world| world.is_here()) else { return own };
    let fault = |error: serde_json::Error| Error::new("ranks", format!("{what}: {error}"));
    let bytes = serde_json::to_vec(&whole(world, what, own)?).map_err(fault)?;
    let rows = gathered(what, &bytes)?;
    let rows = rows.iter().map(|row| serde_json::from_slice::<Vec<String>>(row).map(Vec::into_iter));
    let mut rows: Vec<_> = rows.collect::<std::result::Result<_, _>>().map_err(fault)?;
    let mut all = Vec::new();
    // the first row that ends is the end of all
    while let Some(text) = rows[all.len() % world.count].next() {
        all.push(text);
    }
    Ok(all)
}

/// This rank's results, if the work succeeded in all ranks.
fn whole<T>(world: &World, what: &str, own: Result<T>) -> Result<T> {
    let flag = match &own {
        Ok(_) => 0,
        Err(error) if error.is_interrupted() => 1,
        Err(_) => 2,
    };
    let cards = meet(world, what, flag, 0, 1)?;
    if let Some(failed) = cards.iter().position(|card| card.flag == 2) {
        let told = own.as_ref().err().map_or(String::new(), ToString::to_string);
        let words = gathered(what, told.as_bytes())?;
        let words = String::from_utf8_lossy(&words[failed]).into_owned();
        return Err(own.err().unwrap_or_else(|| Error::new("ranks", format!("rank {failed}: {words}"))));
    }
    if cards.iter().any(|card| card.flag == 1) {
        return Err(own.err().unwrap_or_else(Error::interrupted));
    }
    own
}

fn numbers(bytes: &[u8]) -> Vec<f64> {
    let number = |word: &[u8]| word.try_into().map_or(f64::NAN, f64::from_le_bytes);
    bytes.chunks_exact(8).map(number).collect()
}
