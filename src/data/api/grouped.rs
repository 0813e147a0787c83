//! Options of rows of several texts each.

use crate::data::grouped::GroupPlan;
use crate::script::prelude::*;

/// The options of `encode` for such rows.
const OF_GROUPS: [&str; 4] = ["sequences", "prompts", "label", "max_length"];

/// Plan for rows of several texts, where `sequences` is given; `read` checks the options.
pub fn grouped(given: &Map, read: impl FnOnce() -> Res<Options>) -> Res<Option<GroupPlan>> {
    if !given.contains_key("sequences") {
        return match given.contains_key("prompts") {
            true => bail!("encode", "`prompts` are of rows with `sequences`"),
            false => Ok(None),
        };
    }
    let options = read()?;
    if let Some(other) = given.keys().find(|key| !OF_GROUPS.contains(&key.as_str())) {
        bail!("encode", "`{other}` is not for rows of several `sequences`");
    }
    let texts = |name: &str| -> Res<Vec<String>> {
        let list = options.get(name).into_array().unwrap_or_default();
        Ok(super::names("encode", list)?.into_iter().map(|name| name.to_string()).collect())
    };
    Ok(Some(GroupPlan {
        fields: texts("sequences")?,
        prompts: texts("prompts")?,
        score: options.maybe("label", Options::text)?.map(|name| name.to_string()),
        max_length: options.maybe("max_length", Options::count)?,
    }))
}
