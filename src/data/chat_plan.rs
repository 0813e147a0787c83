//! Inputs of a row's chat template besides its messages: tools, documents, and other variables.

use super::{Cell, Dataset};
use crate::token::ChatOptions;
use crate::{Error, Result, progress, token};

const WHO: &str = "encode";
const TOOLS: &str = "tools";
const VARIABLES: &str = "chat_template_kwargs";
/// Common names for tools in datasets.
const LIKE_TOOLS: [&str; 5] = ["functions", "function", "available_tools", "tool_schemas", "tool_definitions"];

/// Inputs of a row's chat template besides its messages.
#[derive(Clone, Debug, Default)]
pub struct ChatPlan {
    /// For all rows.
    pub options: ChatOptions,
    /// Fields that hold each row's own tools, documents and other variables.
    pub tools: Option<String>,
    pub documents: Option<String>,
    pub variables: Option<String>,
}

/// The columns of a row's own tools, documents and other template variables.
pub type ChatFields = [Option<usize>; 3];

impl ChatPlan {
    /// The columns of the fields. Unused fields are reported only for the first rows of a stream.
    pub fn fields(&self, data: &Dataset, is_chat: bool, is_first: bool) -> Result<ChatFields> {
        let find = |field: &Option<String>| field.as_ref().map(|field| data.field(WHO, field)).transpose();
        let mut tools = find(&self.tools)?;
        if is_chat && tools.is_none() && self.options.tools.is_none() {
            // as in TRL, a column of this name is used by the template by default
            tools = data.fields().iter().position(|name| &**name == TOOLS);
            let other = data.fields().iter().find(|name| LIKE_TOOLS.contains(&&***name));
            if let Some(name) = other.filter(|_| is_first && tools.is_none()) {
                progress::warn(
                    WHO,
                    format!("the field `{name}` is not used: `tools: \"{name}\"` gives it to the chat template"),
                );
            }
        }
        let mut variables = find(&self.variables)?;
        if is_chat && variables.is_none() && self.options.variables.is_empty() {
            variables = data.fields().iter().position(|name| &**name == VARIABLES);
        }
        Ok([tools, find(&self.documents)?, variables])
    }

    /// The template inputs of a row: its own values take precedence over those for all rows.
    pub fn of_row(&self, data: &Dataset, fields: &ChatFields, at: usize) -> Result<ChatOptions> {
        let mut options = self.options.clone();
        for (which, field) in fields.iter().enumerate() {
            let Some(field) = *field else { continue };
            let name = &data.fields()[field];
            let wrong = |wanted: &str| Error::new(WHO, format!("row {at}, field `{name}`: not {wanted}"));
            // as in TRL, a field may also hold the JSON as text
            let json = match data.cell(field, at) {
                Cell::Null => continue,
                Cell::Json(json) | Cell::Text(json) => token::digits::parse(json).unwrap_or_default(),
                _ => serde_json::Value::Null,
            };
            match (which, json) {
                (2, serde_json::Value::Object(more)) => options.variables.extend(more),
                (2, _) => return Err(wrong("a map of variables of the chat template")),
                (0, serde_json::Value::Array(list)) => options.tools = Some(list),
                (1, serde_json::Value::Array(list)) => options.documents = Some(list),
                _ => return Err(wrong("a list, or a text that holds one as JSON")),
            }
        }
        // Llama's templates mention tools even if the list is empty: an empty list means none, as in TRL
        options.tools = options.tools.filter(|list| !list.is_empty());
        Ok(options)
    }
}
