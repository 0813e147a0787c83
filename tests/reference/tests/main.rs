//! Our models beside candle-transformers', which serve inference alone, through the door by which levain opens them too.

mod caches;
mod parity;
