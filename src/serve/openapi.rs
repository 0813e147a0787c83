//! The OpenAPI document: requests and responses.

use serde_json::{Map, Value, json};

/// The document at `/openapi.json`.
pub fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "levain",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "A language model behind OpenAI's endpoints.",
        },
        "paths": paths(),
        "components": { "schemas": schemas(), "securitySchemes": { "key": { "type": "http", "scheme": "bearer" } } },
        "security": [{}, { "key": [] }],
    })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn answer(description: &str, kind: &str, schema: Value) -> Value {
    json!({ "description": description, "content": { kind: { "schema": schema } } })
}

/// The possible responses of any request, with this successful one.
fn answers(fine: Value) -> Value {
    let mut all = Map::from_iter([("200".to_string(), fine)]);
    for (status, what) in [
        ("400", "The request is wrong: `param` says where."),
        ("401", "There is no key, or another is needed."),
        ("403", "The request comes from where none may come from."),
        ("404", "There is no such model."),
        ("405", "Another method is meant."),
        ("408", "The body did not come in time."),
        ("413", "The body is too large."),
        ("415", "The body is not JSON."),
        ("429", "Too many requests are waiting."),
        ("503", "The server is stopping."),
    ] {
        all.insert(status.to_string(), answer(what, "application/json", reference("Error")));
    }
    Value::Object(all)
}

fn get(summary: &str, kind: &str, schema: Value) -> Value {
    json!({ "get": { "summary": summary, "responses": answers(answer(summary, kind, schema)) } })
}

fn post(summary: &str, request: &str, fine: Value) -> Value {
    let body = json!({ "required": true, "content": { "application/json": { "schema": reference(request) } } });
    json!({ "post": { "summary": summary, "requestBody": body, "responses": answers(fine) } })
}

fn streamed(summary: &str, schema: &str) -> Value {
    let mut fine = answer(summary, "application/json", reference(schema));
    fine["content"]["text/event-stream"] = json!({ "schema": { "type": "string" } });
    fine
}

fn paths() -> Value {
    let object = || json!({ "type": "object" });
    let text = || json!({ "type": "string" });
    let mut model = get("One model.", "application/json", reference("Model"));
    model["get"]["parameters"] =
        json!([{ "name": "model", "in": "path", "required": true, "schema": { "type": "string", "minLength": 1 } }]);
    json!({
        "/": get("The page to chat with.", "text/html", text()),
        "/health": get("Whether the server answers.", "application/json", object()),
        "/metrics": get("Counters, as Prometheus reads them.", "text/plain", text()),
        "/openapi.json": get("This document.", "application/json", object()),
        "/v1/models": get("The models.", "application/json", reference("Models")),
        "/v1/models/{model}": model,
        "/v1/chat/completions": post("Answers a conversation.", "ChatRequest", streamed("The answer.", "Completion")),
        "/v1/completions": post("Continues a text.", "CompletionRequest", streamed("The text.", "Completion")),
        "/v1/embeddings": post("Texts as vectors.", "EmbeddingRequest", answer("The vectors.", "application/json", object())),
        "/v1/rerank": post(
            "How well documents answer a query.",
            "RerankRequest",
            answer("The best first.", "application/json", object()),
        ),
        "/tokenize": post("The ids of a text or a conversation.", "TokenizeRequest", answer("The ids.", "application/json", object())),
        "/detokenize": post("The text of ids.", "DetokenizeRequest", answer("The text.", "application/json", object())),
    })
}

fn number(least: f64, most: f64, what: &str) -> Value {
    json!({ "type": "number", "minimum": least, "maximum": most, "description": what })
}

fn count(least: u64, what: &str) -> Value {
    json!({ "type": "integer", "minimum": least, "maximum": u32::MAX, "description": what })
}

fn one_or_many(items: Value) -> Value {
    json!({ "anyOf": [items, { "type": "array", "items": items }] })
}

/// The fields of both generation endpoints.
fn generation() -> Map<String, Value> {
    let flag = |what: &str| json!({ "type": "boolean", "description": what });
    let fields = json!({
        "model": { "type": "string", "description": "The first model of `/v1/models`, where it is left out." },
        "max_tokens": count(1, "The most new tokens."),
        "min_tokens": count(0, "The fewest new tokens."),
        "temperature": number(0.0, 2.0, "0 takes the likeliest token; 1 the model's own odds. The model's default, or 1."),
        "top_p": { "type": "number", "exclusiveMinimum": 0, "maximum": 1, "description": "Only the likeliest tokens of this probability." },
        "top_k": { "type": "integer", "minimum": -1, "maximum": u32::MAX, "description": "Only so many of the likeliest tokens; -1 and 0 for all." },
        "min_p": number(0.0, 1.0, "Only tokens of this share of the highest probability."),
        "repetition_penalty": number(0.01, 10.0, "Above 1 makes the tokens of the text less likely."),
        "frequency_penalty": number(-2.0, 2.0, "Taken from a token's logit for each time that it was generated."),
        "presence_penalty": number(-2.0, 2.0, "Taken once from the logit of each generated token."),
        "logit_bias": { "type": "object", "additionalProperties": number(-100.0, 100.0, "Added to the logit of this id.") },
        "seed": { "type": "integer", "minimum": i64::MIN, "maximum": i64::MAX, "description": "The same seed gives the same answer." },
        "n": count(1, "How many answers, written side by side."),
        "stop": { "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" }, "maxItems": 16 }] },
        "stream": flag("Sends the answer as it is written, in server-sent events."),
        "stream_options": { "type": "object", "properties": { "include_usage": { "type": "boolean" } } },
        "response_format": {
            "type": "object",
            "required": ["type"],
            "properties": {
                "type": { "enum": ["text", "json_object", "json_schema"] },
                "json_schema": { "type": "object", "properties": { "name": { "type": "string" }, "schema": { "type": "object" } } },
            },
        },
        "skip_special_tokens": flag("Leaves special tokens out of the text; true by default."),
        "ignore_eos": flag("The text goes on behind the token that would end it."),
    });
    fields.as_object().cloned().unwrap_or_default()
}

fn request(required: &[&str], own: Value, generates: bool) -> Value {
    let mut fields = if generates { generation() } else { Map::new() };
    fields.extend(own.as_object().cloned().unwrap_or_default());
    json!({ "type": "object", "required": required, "properties": fields })
}

/// A schema that requires one of these fields.
fn either(fields: &[&str], mut schema: Value) -> Value {
    schema["anyOf"] = fields.iter().map(|field| json!({ "required": [field] })).collect();
    schema
}

fn schemas() -> Value {
    let ids = || json!({ "type": "array", "items": { "type": "integer", "minimum": 0 } });
    let message = json!({
        "type": "object",
        "required": ["role", "content"],
        "properties": {
            "role": { "enum": ["system", "developer", "user", "assistant", "tool"] },
            "content": { "type": "string" },
        },
    });
    json!({
        "Error": {
            "type": "object",
            "required": ["error"],
            "properties": { "error": {
                "type": "object",
                "required": ["message", "type", "param", "code"],
                "properties": {
                    "message": { "type": "string" },
                    "type": { "type": "string" },
                    "param": { "type": ["string", "null"] },
                    "code": { "type": ["string", "null"] },
                },
            } },
        },
        "Model": { "type": "object", "required": ["id", "object"], "properties": { "id": { "type": "string" } } },
        "Models": { "type": "object", "required": ["data"], "properties": { "data": { "type": "array", "items": reference("Model") } } },
        "Completion": {
            "type": "object",
            "required": ["id", "object", "created", "model", "choices", "usage"],
            "properties": { "choices": { "type": "array" }, "usage": { "type": "object" } },
        },
        "ChatRequest": request(&["messages"], json!({
            "messages": { "type": "array", "minItems": 1, "items": message },
            "max_completion_tokens": count(1, "What `max_tokens` is called now."),
            "logprobs": { "type": "boolean" },
            "top_logprobs": { "type": "integer", "minimum": 0, "maximum": 20 },
            "tools": { "type": "array", "items": { "type": "object" } },
            "tool_choice": {},
        }), true),
        "CompletionRequest": request(&["prompt"], json!({
            "prompt": { "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }, ids()] },
            "echo": { "type": "boolean", "description": "Begins the answer with the prompt, and `logprobs` with its tokens; `max_tokens` may then be 0." },
            "logprobs": { "type": "integer", "minimum": 0, "maximum": 20 },
        }), true),
        "EmbeddingRequest": request(&["input"], json!({
            "model": { "type": "string" },
            "input": one_or_many(json!({ "type": "string" })),
            "encoding_format": { "enum": ["float", "base64"] },
        }), false),
        "RerankRequest": request(&["query", "documents"], json!({
            "model": { "type": "string" },
            "query": { "type": "string", "minLength": 1 },
            "documents": { "type": "array", "minItems": 1, "items": { "type": "string", "minLength": 1 } },
            "top_n": count(1, "So many of the best."),
            "return_documents": { "type": "boolean" },
        }), false),
        "TokenizeRequest": either(&["content", "messages"], request(&[], json!({
            "model": { "type": "string" },
            "content": { "type": "string" },
            "messages": { "type": "array", "items": message },
            "add_special_tokens": { "type": "boolean" },
        }), false)),
        "DetokenizeRequest": request(&["tokens"], json!({ "model": { "type": "string" }, "tokens": ids() }), false),
    })
}
