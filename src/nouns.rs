//! All nouns available to scripts, and the hosts that register them.

use crate::limits::{self, Bounds};
use crate::script::lookup::{self, Catalog};
use crate::script::{Host, Needs, Noun};
#[cfg(feature = "serve")]
use crate::serve;
use crate::{clean, data, linear, measure, model, plot, ranks, retrieve, search, tensor, token, train};

/// Each noun by its folder, with its registration function. The only list of all nouns.
pub const NOUNS: &[Noun] = &[
    ("tensor", tensor::api::register),
    ("token", token::api::register),
    ("data", data::api::register),
    ("clean", clean::api::register),
    ("model", model::api::register),
    ("train", train::api::register),
    ("ranks", ranks::api::register),
    ("measure", measure::api::register),
    ("retrieve", retrieve::api::register),
    ("linear", linear::api::register),
    ("search", search::api::register),
    ("plot", plot::api::register),
    #[cfg(feature = "serve")]
    ("serve", serve::api::register),
];

impl Host {
    /// An engine with everything.
    pub fn new() -> Host {
        Host::bounded(Bounds::default())
    }

    /// An engine with everything, for scripts within these bounds.
    pub fn bounded(bounds: Bounds) -> Host {
        let mut host = Host::bare(bounds);
        host.load_all();
        host
    }

    /// An engine with all nouns, without the standard library.
    pub fn bare(bounds: Bounds) -> Host {
        lookup::made_by(|| Catalog::of(&Host::new()));
        Host::with(bounds, NOUNS)
    }

    /// An engine with the standard library modules that the script in the file `name` needs.
    pub fn for_script(name: &str, text: &str) -> Host {
        Host::for_script_within(name, text, Bounds::default())
    }

    /// [`Host::for_script`], for a script within these bounds.
    pub fn for_script_within(name: &str, text: &str, bounds: Bounds) -> Host {
        let mut host = Host::bare(bounds.clone());
        host.needs = limits::within(&bounds, || Needs::of(&mut host.engine, name, text));
        host.load(&host.needs.modules.clone());
        host
    }
}

impl Default for Host {
    fn default() -> Self {
        Host::new()
    }
}
