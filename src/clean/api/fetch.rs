//! Fetching of pages by URL, for `clean::fetch`.

use crate::clean::fetch::FetchPlan;
use crate::script::prelude::*;
use std::path::Path;
use std::time::Duration;

const WHO: &str = "clean::fetch";

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

fn number(given: &Map, name: &str) -> Res<f64> {
    let value = given.get(name).cloned().unwrap_or_default();
    match as_number(&value) {
        Some(number) if (0.0..1e12).contains(&number) => Ok(number),
        _ => bail!(WHO, "option `{name}` is a number from 0 on, not {value}"),
    }
}

fn plan(given: &Map) -> Res<FetchPlan> {
    let text = |name: &str| given.get(name).filter(|value| !value.is_unit()).map(ToString::to_string);
    let contact = text("contact");
    if let Some(contact) = contact.as_ref().filter(|contact| !contact.chars().all(|char| char.is_ascii_graphic())) {
        bail!(WHO, "option `contact` is a mail address or the address of a page, not `{contact}`");
    }
    let plan = FetchPlan {
        out: Path::new(&text("out").unwrap_or_default()).into(),
        delay: Duration::from_secs_f64(number(given, "delay")?),
        retries: number(given, "retries")? as usize,
        pause: Duration::from_secs_f64(number(given, "backoff")?),
        timeout: Duration::from_secs_f64(number(given, "timeout")?),
        max_bytes: number(given, "max_bytes")? as usize,
        robots: given.get("robots").and_then(|robots| robots.as_bool().ok()).unwrap_or(true),
        hosts: number(given, "hosts")? as usize,
        contact,
    };
    plan.check()?;
    Ok(plan)
}

#[export_module]
mod verbs {
    /// Fetches pages, for `clean::fetch`.
    ///
    /// inner
    #[rhai_fn(name = "_fetch", return_raw)]
    pub fn fetch(urls: Dynamic, given: Map) -> Res<Map> {
        let plan = super::plan(&given)?;
        let field = given.get("field").filter(|field| !field.is_unit()).map(ToString::to_string);
        let field = match urls.read_lock::<crate::data::Dataset>() {
            Some(data) if field.is_none() && data.fields().iter().any(|name| **name == *"url") => {
                Some("url".to_string())
            }
            _ => field,
        };
        let urls = crate::data::api::texts(WHO, urls, field.as_deref())?;
        let count = plan.run(&urls)?;
        let mut map = Map::new();
        for (name, count) in [
            ("urls", count.urls),
            ("pages", count.pages),
            ("cached", count.cached),
            ("failed", count.failed),
            ("requests", count.requests),
        ] {
            map.insert(name.into(), (count as INT).into());
        }
        Ok(map)
    }
}
