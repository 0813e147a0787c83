//! Networks as maps: parameters and buffers by name, saved and loaded together.

use super::learn;
use crate::format::Safetensors;
use crate::script::prelude::*;
use crate::tensor::Tensor;
use std::collections::BTreeMap;

const LOAD: &[Opt] = &[opt("strict", Kind::Bool, "true", "names that only one side has are an error")];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("load", LOAD);
}

/// The tensors of a map, and of maps and lists inside, by dotted paths, in name order.
pub fn named(who: &str, map: &Map) -> Res<Vec<(String, Tensor)>> {
    let mut found = Vec::new();
    let _same = walk(who, "", &Dynamic::from(map.clone()), &mut |name, tensor| {
        found.push((name.to_string(), tensor.clone()));
        Ok(tensor.clone())
    })?;
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    if let Some(pair) = found.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        bail!(who, "two tensors are called `{}`", pair[0].0);
    }
    Ok(found)
}

/// Applies `make` to every tensor, in the same maps and lists.
fn walk(who: &str, place: &str, value: &Dynamic, make: &mut dyn FnMut(&str, &Tensor) -> Res<Tensor>) -> Res<Dynamic> {
    let inside = |name: &str| if place.is_empty() { name.to_string() } else { format!("{place}.{name}") };
    if let Some(tensor) = value.read_lock::<Tensor>() {
        return Ok(Dynamic::from(make(place, &tensor)?));
    }
    if let Some(map) = value.read_lock::<Map>() {
        let walked = map.iter().map(|(name, value)| Ok((name.clone(), walk(who, &inside(name), value, make)?)));
        return walked.collect::<Res<Map>>().map(Dynamic::from);
    }
    if let Some(list) = value.read_lock::<List>() {
        let walked = list.iter().enumerate().map(|(at, value)| walk(who, &inside(&at.to_string()), value, make));
        return walked.collect::<Res<List>>().map(Dynamic::from);
    }
    bail!(who, "`{place}` is {}, not a tensor", type_in_words(value))
}

/// The parameters and buffers of a map; other tensors are an error.
fn held(who: &str, map: &Map) -> Res<BTreeMap<String, Tensor>> {
    let all = named(who, map)?;
    if let Some((name, _)) = all.iter().find(|(_, tensor)| tensor.as_held().is_none()) {
        return Err(Error::new(who, format!("`{name}` is a value, neither a parameter nor a buffer"))
            .help("`param(map)` makes parameters of all tensors in a map")
            .into());
    }
    Ok(all.into_iter().collect())
}

#[export_module]
mod verbs {
    /// Makes a network: turns all tensors in a map, and in maps and lists inside, into parameters. Their names are dotted paths.
    /// Buffers stay buffers, and get their names.
    ///
    /// also: nn.Module, nn.ModuleDict, nn.ParameterDict, state_dict, named_parameters
    ///
    /// effect
    ///
    /// ```rhai
    /// let w = param(#{ out: #{ weight: ones([2, 3]), bias: zeros([2]) } });
    /// w.out.weight.name                        //=> out.weight
    /// linear(ones([1, 3]), w.out.weight, w.out.bias).requires_grad      //=> true
    /// param(#{ out: 1 })                       //=> error: param: `out` is a whole number, not a tensor
    /// ```
    #[rhai_fn(name = "param", return_raw)]
    pub fn param_map(map: Map) -> Res<Map> {
        let made =
            walk("param", "", &Dynamic::from(map), &mut |name, tensor| match (tensor.as_param(), tensor.as_held()) {
                (None, Some(_)) => Ok(Tensor::buffer(tensor.value(), Some(name))),
                _ => learn::parameter(tensor, Some(name)),
            })?;
        Ok(made.cast())
    }

    /// Makes a buffer: a tensor stored with the parameters of a network, such as running statistics. It has no gradient; `set`
    /// replaces its numbers, `train::run` and `save` store them.
    ///
    /// also: register_buffer, running_mean
    ///
    /// ```rhai
    /// let mean = buffer(zeros([2]));
    /// mean.set(tensor([1.0, 2.0]));
    /// mean                                     //=> tensor([1., 2.])
    /// mean.requires_grad                       //=> false
    /// ```
    #[rhai_fn(return_raw)]
    pub fn buffer(x: Tensor) -> Res<Tensor> {
        Ok(Tensor::buffer(x.value().contiguous().map_err(Error::from)?, None))
    }

    /// Replaces the numbers of a parameter or a buffer by others of its shape, without a gradient. Earlier results keep the old
    /// numbers.
    ///
    /// also: copy_, data, weight.data, load_state_dict
    ///
    /// ```rhai
    /// let w = param(zeros([2]));
    /// w.set(tensor([3.0, 4.0]));
    /// w                                        //=> tensor([3., 4.])
    /// w.set(ones([3]))                         //=> error: set: shape [3] for a parameter of shape [2]
    /// zeros([2]).set(ones([2]))                //=> error: set: a tensor is a value, which nothing changes
    /// ```
    #[rhai_fn(name = "set", pure, return_raw)]
    pub fn set(x: &mut Tensor, numbers: Tensor) -> Res<()> {
        let Some(held) = x.as_held() else {
            let error = Error::new("set", "a tensor is a value, which nothing changes");
            return Err(error.help("only a `param` or a `buffer` holds numbers that can be replaced").into());
        };
        let (dtype, device) = (held.value().dtype(), held.value().device().clone());
        let numbers = numbers.value().to_dtype(dtype).and_then(|numbers| numbers.to_device(&device));
        Ok(held.set(numbers.and_then(|numbers| numbers.contiguous()).map_err(Error::from)?)?)
    }

    /// Lists the parameters of a network, a map of them with maps and lists inside, in name order: for an optimizer. Buffers are
    /// not included.
    ///
    /// also: net.parameters(), model.parameters, named_parameters
    ///
    /// ```rhai
    /// let w = param(#{ b: zeros([1]), a: #{ w: ones([2]) } });
    /// parameters(w).map(|w| w.name)            //=> ["a.w", "b"]
    /// let opt = adamw(parameters(w), #{ lr: 0.1 });
    /// ```
    #[rhai_fn(name = "parameters", return_raw)]
    pub fn parameters(map: Map) -> Res<List> {
        let all = held("parameters", &map)?.into_values();
        Ok(all.filter(|tensor| tensor.as_param().is_some()).map(Dynamic::from).collect())
    }

    /// Lists the buffers of a network, a map of parameters and buffers with maps and lists inside, in name order.
    ///
    /// ```rhai
    /// let w = param(#{ mean: buffer(zeros([1])), weight: ones([2]) });
    /// buffers(w).map(|w| w.name)               //=> ["mean"]
    /// ```
    #[rhai_fn(name = "buffers", return_raw)]
    pub fn buffers(map: Map) -> Res<List> {
        let all = held("buffers", &map)?.into_values();
        Ok(all.filter(|tensor| tensor.as_param().is_none()).map(Dynamic::from).collect())
    }

    /// Loads a `.safetensors` file into the parameters and buffers of a network by name. The file is `save`'s output for such a
    /// map, or a PyTorch module's `state_dict`. All shapes are checked before the first is loaded.
    ///
    /// With `strict: false`, names that only the file or only the network has are ignored; otherwise they are an error.
    ///
    /// also: load_state_dict, torch.load, from_pretrained
    ///
    /// ```rhai
    /// let made = || param(#{ out: #{ weight: zeros([1, 2]) } });
    /// let w = made.call();
    /// w.out.weight.set(tensor([[1.0, 2.0]]));
    /// save(w, "/tmp/levain-doc/net.safetensors");
    /// let other = made.call();
    /// load(other, "/tmp/levain-doc/net.safetensors");
    /// other.out.weight                         //=> tensor([[1., 2.]])
    /// load(param(#{ x: zeros([1]) }), "/tmp/levain-doc/net.safetensors")      //=> error: load: /tmp/levain-doc/net.safetensors has no `x`
    /// ```
    #[rhai_fn(name = "load", return_raw)]
    pub fn load(map: Map, path: &str, options: Map) -> Res<()> {
        const WHO: &str = "load";
        let strict = Options::read(WHO, LOAD, options)?.bool("strict")?;
        let all = held(WHO, &map)?;
        let file = Safetensors::open(path).map_err(|error| error.attributed_to(WHO))?;
        let names = file.names();
        if let Some(name) = all.keys().find(|name| strict && !names.contains(name)) {
            return Err(Error::new(WHO, format!("{path} has no `{name}`"))
                .choose(name, names.iter().map(String::as_str))
                .into());
        }
        if let Some(name) = names.iter().find(|name| strict && !all.contains_key(*name)) {
            return Err(Error::new(WHO, format!("{path} has `{name}`, which the network has not"))
                .help("`strict: false` leaves it out")
                .into());
        }
        let mut taken = Vec::new();
        for (name, tensor) in all.iter().filter(|(name, _)| names.contains(name)) {
            let (shape, own) = (file.shape(name)?, tensor.shape());
            if shape != own {
                bail!(WHO, "{path}: `{name}` has shape {shape:?}, the network's {own:?}");
            }
            taken.push((tensor, file.read(name)?));
        }
        for (tensor, numbers) in taken {
            if let Some(held) = tensor.as_held() {
                let (dtype, device) = (held.value().dtype(), held.value().device().clone());
                let numbers = numbers.to_dtype(dtype).and_then(|numbers| numbers.to_device(&device));
                held.set(numbers.map_err(Error::from)?)?;
            }
        }
        Ok(())
    }
}
