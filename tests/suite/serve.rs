//! The server, over a real socket with a client of a few lines.

use levain::Cancel;
use levain::cancel;
use levain::model::{LogitsPlan, Lora, Model, NewHead, Reduce, Sampling, TokenRows};
use levain::serve::{ServeOptions, Served, read_keys, serve, warning, watch};
use levain::tensor::{Array, DType, Device, Rng};
use levain::token::{ChatOptions, Tokenizer};
use levain::train::Record;
use serde_json::{Value, json};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{LazyLock, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const TINY: &str = "scripts/models/tiny";

/// A chat template with tools, like Qwen's.
const WITH_TOOLS: &str = "{% if tools %}{% for tool in tools %}{{ tool | tojson }}{% endfor %}<tool_call>{% endif %}\
                          {% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}\
                          {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

struct Server {
    address: SocketAddr,
    cancel: Cancel,
    thread: Option<JoinHandle<levain::Result<()>>>,
}

impl Server {
    fn start(served: Vec<Served>, options: ServeOptions) -> Server {
        let (cancel, (ready, address)) = (Cancel::default(), mpsc::channel());
        let own = cancel.clone();
        let work = move || cancel::under(&own, || serve(served, &options, |address| ready.send(address).unwrap()));
        let thread = Some(thread::spawn(work));
        Server { address: address.recv().unwrap(), cancel, thread }
    }

    fn stop(mut self) {
        self.cancel.request();
        self.thread.take().unwrap().join().unwrap().unwrap();
    }
}

fn options() -> ServeOptions {
    ServeOptions { port: 0, ..ServeOptions::default() }
}

fn tiny() -> (Model, Tokenizer) {
    (Model::open(Path::new(TINY), DType::F32).unwrap(), Tokenizer::open(TINY).unwrap())
}

/// The server of most tests: the tiny model, and the same with a template that has tools.
static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let (net, tok) = tiny();
    let tools = tok.with_chat_template(Some(WITH_TOOLS.into()));
    Server::start(
        vec![Served::new("tiny", &net, &tok).unwrap(), Served::new("tools", &net, &tools).unwrap()],
        options(),
    )
});

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {} {}", self.status, self.body))
    }

    /// The chunks of a stream, which must end properly.
    fn chunks(&self) -> Vec<Value> {
        assert!(self.head.to_lowercase().contains("content-type: text/event-stream"), "{}", self.head);
        let mut parts: Vec<&str> = self.body.split("\n\n").filter(|part| !part.is_empty()).collect();
        assert_eq!(parts.pop(), Some("data: [DONE]"));
        parts.iter().map(|part| serde_json::from_str(part.strip_prefix("data: ").unwrap()).unwrap()).collect()
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

fn send(address: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = connect(address);
    stream.write_all(request).unwrap();
    answer(stream)
}

fn answer(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        // an early response to a body that is not read
        Err(error) if error.kind() == ErrorKind::ConnectionReset && !bytes.is_empty() => 0,
        read => read.unwrap(),
    };
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let chunked = head.to_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { dechunked(body) } else { body.to_string() };
    Answer { status, head: head.to_string(), body }
}

fn dechunked(mut text: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = text.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        whole.push_str(&rest[..size]);
        text = &rest[size + 2..];
    }
    whole
}

fn raw(method: &str, path: &str, more: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}");
    format!("{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

fn post(path: &str, body: &Value) -> Answer {
    send(SERVER.address, &raw("POST", path, "", &body.to_string()))
}

fn get(address: SocketAddr, path: &str, more: &str) -> Answer {
    send(address, format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n").as_bytes())
}

fn with(mut body: Value, more: Value) -> Value {
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn chat(more: Value) -> Value {
    with(json!({ "model": "tiny", "messages": [{ "role": "user", "content": "the law" }], "max_tokens": 12 }), more)
}

fn completion(more: Value) -> Value {
    with(json!({ "model": "tiny", "prompt": "the law", "max_tokens": 12, "temperature": 0 }), more)
}

#[test]
fn a_chat_is_what_generate_writes() {
    let (net, tok) = tiny();
    let messages = [json!({ "role": "user", "content": "the law" })];
    let template = ChatOptions { add_generation_prompt: true, ..ChatOptions::default() };
    let prompt = tok.ids(&tok.apply_chat_template(&messages, &template).unwrap().text, false).unwrap();
    let sampling = Sampling { max_new_tokens: 12, ends: tok.eos().into_iter().collect(), ..Sampling::default() };
    let ids = net.generate(std::slice::from_ref(&prompt), &sampling, &Rng::new(0), |_, _| Ok(true)).unwrap().remove(0);
    let told = post("/v1/chat/completions", &chat(json!({ "temperature": 0 })));
    let body = told.json();
    assert_eq!(told.status, 200, "{body}");
    assert_eq!(body["object"], "chat.completion");
    assert_eq!(body["choices"][0]["message"]["role"], "assistant");
    assert_eq!(body["choices"][0]["message"]["content"], tok.decode(&ids, true).unwrap());
    let reason = if ids.len() == 12 { "length" } else { "stop" };
    assert_eq!(body["choices"][0]["finish_reason"], reason);
    let usage = &body["usage"];
    assert_eq!((&usage["prompt_tokens"], &usage["completion_tokens"]), (&json!(prompt.len()), &json!(ids.len())));
}

#[test]
fn a_seed_gives_the_same_answers_alone_and_beside_others() {
    let body = chat(json!({ "seed": 5, "temperature": 1.0 }));
    let one = post("/v1/chat/completions", &body).json()["choices"][0]["message"].clone();
    let beside: Vec<_> =
        (0..3).map(|_| thread::spawn(|| post("/v1/completions", &completion(json!({}))).status)).collect();
    assert_eq!(post("/v1/chat/completions", &body).json()["choices"][0]["message"], one);
    beside.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap(), 200));
    let many = post("/v1/chat/completions", &with(body, json!({ "n": 3 }))).json();
    let texts: Vec<&Value> = many["choices"].as_array().unwrap().iter().map(|choice| &choice["message"]).collect();
    assert_eq!((texts.len(), texts[0]), (3, &one), "the first of several is the one alone");
    assert!(texts[1] != texts[0] && texts[2] != texts[1]);
}

#[test]
fn a_stream_holds_what_the_whole_answer_holds() {
    for (path, body) in
        [("/v1/chat/completions", chat(json!({ "seed": 1 }))), ("/v1/completions", completion(json!({})))]
    {
        let whole = post(path, &body).json();
        let more = json!({ "stream": true, "n": 2, "stream_options": { "include_usage": true } });
        let chunks = post(path, &with(body, more)).chunks();
        let (mut text, mut reasons) = (String::new(), Vec::new());
        for choice in chunks.iter().flat_map(|chunk| chunk["choices"].as_array().unwrap()) {
            if choice["index"] == 0 {
                text += choice["delta"]["content"].as_str().or(choice["text"].as_str()).unwrap_or_default();
            }
            reasons.extend(choice["finish_reason"].as_str());
        }
        let first = &whole["choices"][0];
        assert_eq!(text, first["message"]["content"].as_str().or(first["text"].as_str()).unwrap());
        assert_eq!(reasons.len(), 2, "each answer says once why it ends");
        let (last, before) = chunks.split_last().unwrap();
        assert_eq!(last["choices"], json!([]));
        assert_eq!(last["usage"]["completion_tokens"], 24);
        assert!(before.iter().all(|chunk| chunk["usage"].is_null() && chunk["id"] == last["id"]));
    }
}

#[test]
fn logprobs_have_the_shapes_of_their_endpoints() {
    let told =
        post("/v1/chat/completions", &chat(json!({ "temperature": 0, "logprobs": true, "top_logprobs": 3 }))).json();
    let list = told["choices"][0]["logprobs"]["content"].as_array().unwrap();
    assert_eq!(list.len() as u64, told["usage"]["completion_tokens"].as_u64().unwrap());
    for token in list {
        let top = token["top_logprobs"].as_array().unwrap();
        assert_eq!((top.len(), &top[0]["id"]), (3, &token["id"]), "greedy takes the likeliest");
        let sum: f64 = top.iter().map(|other| other["logprob"].as_f64().unwrap().exp()).sum();
        assert!(sum > 0.0 && sum <= 1.0 + 1e-6);
        let bytes: Vec<u8> = serde_json::from_value(token["bytes"].clone()).unwrap();
        assert_eq!(String::from_utf8_lossy(&bytes), token["token"].as_str().unwrap());
    }
    let told = post("/v1/completions", &completion(json!({ "logprobs": 2 }))).json();
    let (choice, logprobs) = (&told["choices"][0], &told["choices"][0]["logprobs"]);
    let list = |name: &str| logprobs[name].as_array().unwrap().clone();
    let tokens = list("tokens");
    assert!(["token_logprobs", "top_logprobs", "text_offset"].iter().all(|name| list(name).len() == tokens.len()));
    let text: String = tokens.iter().map(|token| token.as_str().unwrap()).collect();
    assert!(text.starts_with(choice["text"].as_str().unwrap()), "{text} {choice}");
    assert_eq!(list("text_offset")[1], tokens[0].as_str().unwrap().chars().count());
    assert_eq!(list("top_logprobs")[0].as_object().unwrap().len(), 2);
}

/// With echo the prompt tokens have log probabilities too: their sum is the model's own likelihood of the text.
#[test]
fn an_echo_tells_how_likely_the_prompt_was() {
    let (net, tok) = tiny();
    let ask =
        |more: Value| post("/v1/completions", &completion(with(json!({ "echo": true, "logprobs": 1 }), more))).json();
    let told = ask(json!({ "max_tokens": 0, "prompt": "the law of the land" }));
    let (choice, logprobs) = (&told["choices"][0], &told["choices"][0]["logprobs"]);
    assert_eq!((&choice["text"], &choice["finish_reason"]), (&json!("the law of the land"), &json!("length")));
    let ids = tok.ids("the law of the land", true).unwrap();
    let list = |name: &str| logprobs[name].as_array().unwrap().clone();
    assert!(
        ["tokens", "token_logprobs", "top_logprobs", "text_offset"].iter().all(|name| list(name).len() == ids.len())
    );
    assert!(list("token_logprobs")[0].is_null() && list("top_logprobs")[0].is_null());
    let sum: f64 = list("token_logprobs").iter().skip(1).map(|value| value.as_f64().unwrap()).sum();
    let labels: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
    let rows = TokenRows { rows: 1, length: ids.len(), ids: &ids, labels: Some(&labels), ..TokenRows::default() };
    let nats = f64::from(net.loss(&rows, Reduce::Sum, 0.0).unwrap().value().to_scalar::<f32>().unwrap());
    assert!((sum + nats).abs() < 1e-3, "{sum} and {nats}");
    let text: String = list("tokens").iter().map(|token| token.as_str().unwrap()).collect();
    assert_eq!(text, "the law of the land");
    // followed by those of the answer, whole and as a stream
    let told = ask(json!({ "max_tokens": 3 }));
    let whole = told["choices"][0]["logprobs"]["token_logprobs"].as_array().unwrap().len();
    assert_eq!(whole as u64, told["usage"]["total_tokens"].as_u64().unwrap());
    let stream =
        post("/v1/completions", &completion(json!({ "echo": true, "logprobs": 1, "max_tokens": 3, "stream": true })));
    let chunks = stream.body.matches("token_logprobs").count();
    assert!(chunks >= 2 && stream.body.contains("\"token_logprobs\":[null"), "{}", stream.body);
    let refused = post("/v1/completions", &completion(json!({ "max_tokens": 0 })));
    assert_eq!(refused.status, 400);
}

/// A special token typed into a message is text: it does not end a turn.
#[test]
fn what_is_typed_ends_no_turn() {
    let (_, tok) = tiny();
    let ids = |content: &str| -> Vec<u32> {
        let body = json!({ "model": "tools", "messages": [{ "role": "user", "content": content }] });
        serde_json::from_value(post("/tokenize", &body).json()["tokens"].clone()).unwrap()
    };
    let specials = |ids: Vec<u32>| ids.into_iter().filter(|id| tok.is_special(*id)).count();
    let special = tok.specials().into_iter().find_map(|id| tok.token(id)).unwrap();
    assert_eq!(specials(ids(&format!("hi {special} and {special}{special}"))), specials(ids("hi and")));
}

#[test]
fn documents_are_ranked_by_a_cross_encoder() {
    let tok = Tokenizer::open("tests/data/token/bert").unwrap();
    let config = json!({ "model_type": "bert", "vocab_size": tok.len(), "hidden_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "initializer_range": 0.5 });
    let head = NewHead { labels: Some(vec!["score".into()]), ..NewHead::named("sequence", 1) };
    let net = Model::new(config.as_object().unwrap().clone(), Some(&head), 1, DType::F32).unwrap();
    let documents = ["a court", "the law of the land", "b", "专利"];
    let pairs: Vec<_> = documents.iter().map(|text| ("what law?".to_string(), Some(text.to_string()))).collect();
    let plan = LogitsPlan { max_length: None, overlap: 0, batch_size: 8 };
    let logits: Vec<f32> = net.text_logits(&tok, &pairs, &plan).unwrap().0.flatten_all().unwrap().to_vec1().unwrap();
    let server = Server::start(vec![Served::new("ranker", &net, &tok).unwrap()], options());
    let ask = |body: Value| send(server.address, &raw("POST", "/v1/rerank", "", &body.to_string()));
    let told = ask(json!({ "query": "what law?", "documents": documents, "return_documents": true })).json();
    let results = told["results"].as_array().unwrap();
    assert_eq!(results.len(), 4);
    let scores: Vec<f64> = results.iter().map(|one| one["relevance_score"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    for one in results {
        let at = one["index"].as_u64().unwrap() as usize;
        let want = 1.0 / (1.0 + (-f64::from(logits[at])).exp());
        assert!((one["relevance_score"].as_f64().unwrap() - want).abs() < 1e-5);
        assert_eq!(one["document"]["text"], documents[at]);
    }
    assert_eq!(
        ask(json!({ "query": "q", "documents": documents, "top_n": 2 })).json()["results"].as_array().unwrap().len(),
        2
    );
    for wrong in [
        json!({ "documents": documents }),
        json!({ "query": "q", "documents": [] }),
        json!({ "query": "q", "documents": [1] }),
        json!({ "query": "q", "documents": [""] }),
        json!({ "query": "q", "documents": documents, "top": 2 }),
    ] {
        assert_eq!(ask(wrong.clone()).status, 400, "{wrong}");
    }
    server.stop();
    let told = post("/v1/rerank", &json!({ "query": "q", "documents": ["a"] }));
    assert!(told.status == 400 && told.body.contains("a cross-encoder"), "{}", told.body);
}

#[test]
fn completions_take_texts_ids_and_lists_of_both() {
    let (_, tok) = tiny();
    let one = post("/v1/completions", &completion(json!({}))).json()["choices"][0]["text"].clone();
    let ids = tok.ids("the law", true).unwrap();
    assert_eq!(post("/v1/completions", &completion(json!({ "prompt": ids }))).json()["choices"][0]["text"], one);
    let many = post("/v1/completions", &completion(json!({ "prompt": ["the law", "a"], "n": 2, "echo": true }))).json();
    let texts: Vec<&str> =
        many["choices"].as_array().unwrap().iter().map(|choice| choice["text"].as_str().unwrap()).collect();
    assert_eq!(texts.len(), 4);
    let echoed = format!("the law{}", one.as_str().unwrap());
    assert!(texts[0] == echoed && texts[1] == echoed && texts[3].starts_with('a'), "{texts:?}");
    // a text ends before a stop string, and reports it
    let text = one.as_str().unwrap();
    let stop: String = text.chars().skip(text.chars().count() / 2).take(3).collect();
    let told = post("/v1/completions", &completion(json!({ "stop": stop }))).json();
    assert_eq!(told["choices"][0]["text"].as_str(), text.split(&stop).next());
    assert_eq!(told["choices"][0]["finish_reason"], "stop");
    let biased = post("/v1/completions", &completion(json!({ "logit_bias": { "66": 100 }, "max_tokens": 3 }))).json();
    assert_eq!(biased["choices"][0]["text"], tok.decode(&[66, 66, 66], true).unwrap());
}

#[test]
fn a_schema_is_kept_to() {
    let schema = json!({
        "type": "object",
        "properties": { "title": { "type": "string", "maxLength": 12 }, "year": { "type": "integer", "minimum": 1900, "maximum": 2100 }, "kind": { "enum": ["law", "rule"] } },
        "required": ["title", "year", "kind"],
        "additionalProperties": false,
    });
    let format = json!({ "type": "json_schema", "json_schema": { "name": "law", "schema": schema } });
    for seed in 0..3 {
        let body = chat(json!({ "response_format": format, "max_tokens": 200, "seed": seed, "temperature": 1.0 }));
        let told = post("/v1/chat/completions", &body).json();
        let choice = &told["choices"][0];
        assert_eq!(choice["finish_reason"], "stop", "{told}");
        let made: Value = serde_json::from_str(choice["message"]["content"].as_str().unwrap()).unwrap();
        assert!((1900..=2100).contains(&made["year"].as_i64().unwrap()), "{made}");
        assert!(made["kind"] == "law" || made["kind"] == "rule");
        assert!(made["title"].as_str().unwrap().chars().count() <= 12 && made.as_object().unwrap().len() == 3);
    }
    let wrong = json!({ "type": "json_schema", "json_schema": { "name": "x", "schema": { "type": "thing" } } });
    let told = post("/v1/chat/completions", &chat(json!({ "response_format": wrong })));
    assert_eq!((told.status, &told.json()["error"]["param"]), (400, &json!("response_format")));
}

#[test]
fn tools_are_called_where_the_template_has_them() {
    let parameters = json!({ "type": "object", "properties": { "city": { "enum": ["Rome", "Bonn"] } }, "required": ["city"], "additionalProperties": false });
    let tools = json!([{ "type": "function", "function": { "name": "weather", "parameters": parameters } }]);
    let told = post("/v1/chat/completions", &chat(json!({ "tools": tools })));
    assert_eq!((told.status, &told.json()["error"]["param"]), (400, &json!("tools")));
    let body =
        chat(json!({ "model": "tools", "tools": tools, "tool_choice": "required", "max_tokens": 250, "seed": 2 }));
    let told = post("/v1/chat/completions", &body).json();
    let choice = &told["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls", "{told}");
    assert!(choice["message"]["content"].is_null());
    let call = &choice["message"]["tool_calls"][0];
    assert_eq!((&call["type"], &call["function"]["name"]), (&json!("function"), &json!("weather")));
    let arguments: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
    assert!(arguments == json!({ "city": "Rome" }) || arguments == json!({ "city": "Bonn" }));
    // the same call as a stream, and passed back as a message
    let chunks = post("/v1/chat/completions", &with(body, json!({ "stream": true }))).chunks();
    let calls: Vec<&Value> = chunks
        .iter()
        .map(|chunk| &chunk["choices"][0]["delta"]["tool_calls"])
        .filter(|calls| !calls.is_null())
        .collect();
    assert_eq!((calls.len(), &calls[0][0]["function"]), (1, &call["function"]));
    let back = json!([
        { "role": "user", "content": "the weather?" },
        { "role": "assistant", "content": null, "tool_calls": [call] },
        { "role": "tool", "tool_call_id": call["id"], "content": "rain" },
    ]);
    assert_eq!(
        post("/v1/chat/completions", &chat(json!({ "model": "tools", "messages": back, "tools": tools }))).status,
        200
    );
}

#[test]
fn what_is_wrong_is_said_in_openais_shape() {
    let image = json!([{ "role": "user", "content": [{ "type": "image_url", "image_url": { "url": "data:," } }] }]);
    let role = |role: &str, content: Value| json!({ "messages": [{ "role": role, "content": content }] });
    let chats = [
        (404, json!({ "model": "gpt-4" }), "model"),
        (400, json!({ "max_tokens": 0 }), "max_tokens"),
        (400, json!({ "max_tokens": 5000 }), ""),
        (400, json!({ "max_tokens": 1.5 }), "max_tokens"),
        (400, json!({ "temperature": -1 }), "temperature"),
        (400, json!({ "temperature": "hot" }), "temperature"),
        (400, json!({ "top_p": 0 }), "top_p"),
        (400, json!({ "messages": [] }), "messages"),
        (400, role("robot", json!("a")), "messages[0].role"),
        (400, role("user", Value::Null), "messages[0].content"),
        (400, json!({ "messages": image }), "messages[0].content[0].type"),
        (400, json!({ "temprature": 1 }), "temprature"),
        (400, json!({ "n": 0 }), "n"),
        (400, json!({ "n": 1000 }), "n"),
        (400, json!({ "top_logprobs": 2 }), "top_logprobs"),
        (400, json!({ "logit_bias": { "9999999": 1 } }), "logit_bias"),
        (400, json!({ "stream_options": { "include_usage": true } }), "stream_options"),
        (400, json!({ "response_format": { "type": "xml" } }), "response_format.type"),
        (400, json!({ "tool_choice": "required" }), "tool_choice"),
        (400, json!({ "max_completion_tokens": 3 }), "max_tokens"),
        (400, role("user", json!("a ".repeat(3000))), ""),
    ];
    for (status, more, param) in chats {
        let told = post("/v1/chat/completions", &chat(more.clone()));
        let error = told.json()["error"].clone();
        assert_eq!((told.status, error["param"].as_str().unwrap_or_default()), (status, param), "{error}");
        assert_eq!(error["type"], "invalid_request_error");
        assert!(error.as_object().unwrap().contains_key("code") && !error["message"].as_str().unwrap().is_empty());
    }
    let told = post("/v1/chat/completions", &chat(json!({ "temprature": 1 }))).json();
    assert!(told["error"]["message"].as_str().unwrap().contains("`temperature` is meant"));
    assert_eq!(
        post("/v1/chat/completions", &chat(json!({ "model": "gpt-4" }))).json()["error"]["code"],
        "model_not_found"
    );
    assert_eq!(
        post("/v1/completions", &completion(json!({ "max_tokens": 1024 }))).json()["error"]["code"],
        "context_length_exceeded"
    );
    for (more, param) in [
        (json!({ "suffix": "x" }), "suffix"),
        (json!({ "best_of": 3 }), "best_of"),
        (json!({ "prompt": [9999999] }), "prompt"),
        (json!({ "prompt": "" }), "prompt"),
    ] {
        let told = post("/v1/completions", &completion(more));
        assert_eq!((told.status, told.json()["error"]["param"].as_str()), (400, Some(param)));
    }
}

/// No memory is reserved for other requests: a request that fills the context to its last token is answered, twice at once, and
/// one token more is not.
#[test]
fn the_context_of_each_request_is_whole() {
    let ids: Vec<u32> = (0..1020).map(|at| 100 + at % 900).collect();
    let ask = |tokens: u32| {
        let more = json!({ "prompt": [ids, ids], "max_tokens": tokens, "ignore_eos": true });
        post("/v1/completions", &completion(more))
    };
    let told = ask(4);
    assert_eq!((told.status, &told.json()["usage"]["completion_tokens"]), (200, &json!(8)), "{}", told.body);
    assert!(told.json()["choices"].as_array().unwrap().iter().all(|choice| choice["finish_reason"] == "length"));
    assert_eq!(ask(5).json()["error"]["code"], "context_length_exceeded");
}

#[test]
fn what_is_no_request_is_refused_at_once() {
    let address = SERVER.address;
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    for body in ["", "{", "null", "[]", "{\"messages\": [\u{1}]}", &deep] {
        let told = send(address, &raw("POST", "/v1/chat/completions", "", body));
        assert_eq!((told.status, &told.json()["error"]["type"]), (400, &json!("invalid_request_error")), "{body:.20}");
    }
    assert_eq!(send(address, &raw("POST", "/v1/nothing", "", "{}")).json()["error"]["code"], Value::Null);
    assert_eq!(get(address, "/../../etc/passwd", "").status, 404);
    assert_eq!(get(address, "/v1/models/%2e%2e%2fetc", "").status, 404);
    let told = get(address, "/v1/chat/completions", "");
    assert_eq!((told.status, &told.json()["error"]["code"]), (405, &json!("method_not_allowed")));
    assert!(told.head.to_lowercase().contains("allow: post"), "{}", told.head);
    // a cross-site form can be sent without permission, so it is not read
    let form = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}";
    assert_eq!(send(address, form.as_bytes()).status, 415);
    assert_eq!(send(address, b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n").status, 403);
    let begun = Instant::now();
    let large = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 20000000\r\n\r\n";
    assert_eq!(send(address, large.as_bytes()).status, 413);
    assert!(begun.elapsed() < Duration::from_secs(5), "before a byte of it comes");
    let head = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: {}\r\n\r\n", "a".repeat(100_000));
    assert!([400, 431].contains(&send(address, head.as_bytes()).status));
    assert!(!get(address, "/health", "Origin: http://evil.example\r\n").head.to_lowercase().contains("access-control"));
}

#[test]
fn ids_embeddings_and_facts_are_told() {
    let (_, tok) = tiny();
    let told = post("/tokenize", &json!({ "content": "the law 法" })).json();
    assert_eq!(told["tokens"], json!(tok.ids("the law 法", true).unwrap()));
    assert_eq!(post("/detokenize", &json!({ "tokens": told["tokens"] })).json()["content"], "the law 法");
    assert!(
        post("/tokenize", &json!({ "messages": [{ "role": "user", "content": "a" }] })).json()["count"].as_u64()
            > Some(3)
    );
    let told = post("/v1/embeddings", &json!({ "input": ["the law", "a"] })).json();
    let vector: Vec<f32> = serde_json::from_value(told["data"][0]["embedding"].clone()).unwrap();
    assert_eq!((told["data"].as_array().unwrap().len(), vector.len()), (2, 192));
    assert!((vector.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-4);
    let packed = post("/v1/embeddings", &json!({ "input": "the law", "encoding_format": "base64" })).json();
    let bytes = levain::token::base64::decode(packed["data"][0]["embedding"].as_str().unwrap().as_bytes()).unwrap();
    let numbers: Vec<f32> = bytes.chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
    assert_eq!(numbers, vector);
    let models = get(SERVER.address, "/v1/models", "").json();
    assert_eq!((&models["data"][0]["id"], &models["data"][0]["max_model_len"]), (&json!("tiny"), &json!(1024)));
    assert_eq!(get(SERVER.address, "/v1/models/tools", "").json()["id"], "tools");
    assert!(get(SERVER.address, "/metrics", "").body.contains("\nlevain_generated_tokens_total "));
    let page = get(SERVER.address, "/", "");
    assert!(page.body.starts_with("<!doctype html>") && page.head.contains("content-security-policy"));
    assert!(!page.body.contains("http://") && !page.body.contains("https://"), "the page asks no other host");
    let paths = get(SERVER.address, "/openapi.json", "").json()["paths"].clone();
    for path in paths.as_object().unwrap().keys().filter(|path| !path.contains('{')) {
        let method = if paths[path]["get"].is_null() { "POST" } else { "GET" };
        assert!(![404, 405].contains(&send(SERVER.address, &raw(method, path, "", "{}")).status), "{path}");
    }
}

fn metric(address: SocketAddr, name: &str) -> u64 {
    let text = get(address, "/metrics", "").body;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap();
    line.parse().unwrap()
}

fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_client_that_leaves_frees_its_place() {
    let (net, tok) = tiny();
    let server = Server::start(
        vec![Served::new("tiny", &net, &tok).unwrap()],
        ServeOptions { max_batch: 1, max_queue: 1, ..options() },
    );
    let address = server.address;
    let long = completion(json!({ "max_tokens": 1000, "ignore_eos": true, "stream": true }));
    let mut leaves = connect(address);
    leaves.write_all(&raw("POST", "/v1/completions", "", &long.to_string())).unwrap();
    leaves.read_exact(&mut [0; 300]).unwrap();
    // one waits for the only slot, and a third is rejected
    let waits =
        thread::spawn(move || send(address, &raw("POST", "/v1/completions", "", &completion(json!({})).to_string())));
    wait_for("one waits", || metric(address, "levain_requests_waiting") == 1);
    let told = send(address, &raw("POST", "/v1/completions", "", &completion(json!({})).to_string()));
    assert_eq!((told.status, &told.json()["error"]["code"]), (429, &json!("queue_full")));
    drop(leaves);
    assert_eq!(waits.join().unwrap().status, 200);
    assert_eq!(metric(address, "levain_dropped_answers_total"), 1);
    assert!(metric(address, "levain_generated_tokens_total") < 900, "the long answer was not written to its end");
    server.stop();
}

#[test]
fn a_server_that_stops_finishes_what_runs() {
    let (net, tok) = tiny();
    let server = Server::start(vec![Served::new("tiny", &net, &tok).unwrap()], options());
    let address = server.address;
    let body = completion(json!({ "max_tokens": 40, "ignore_eos": true })).to_string();
    let running = thread::spawn(move || send(address, &raw("POST", "/v1/completions", "", &body)));
    wait_for("it runs", || metric(address, "levain_generated_tokens_total") > 0);
    server.stop();
    let told = running.join().unwrap();
    assert_eq!((told.status, &told.json()["usage"]["completion_tokens"]), (200, &json!(40)));
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
}

#[test]
fn slow_and_half_requests_are_ended() {
    let (net, tok) = tiny();
    let options = ServeOptions { read_within: Duration::from_millis(300), max_connections: 40, ..options() };
    let server = Server::start(vec![Served::new("tiny", &net, &tok).unwrap()], options);
    let address = server.address;
    let mut half = connect(address);
    half.write_all(b"POST /v1/completions HTTP/1.1\r\nHost: local").unwrap();
    let mut bytes = Vec::new();
    let _ = half.read_to_end(&mut bytes);
    assert!(!String::from_utf8_lossy(&bytes).contains(" 200 "), "half a head");
    let mut half = connect(address);
    let body = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{\"pro";
    half.write_all(body.as_bytes()).unwrap();
    assert_eq!(answer(half).status, 408);
    // more connections than the limit come and go, some with half a request
    for at in 0..120 {
        let mut stream = connect(address);
        if at % 3 == 0 {
            stream.write_all(&raw("POST", "/v1/completions", "", &completion(json!({})).to_string())).unwrap();
        }
    }
    let told = send(address, &raw("POST", "/v1/completions", "", &completion(json!({})).to_string()));
    assert_eq!(told.status, 200);
    wait_for("all have gone", || metric(address, "levain_connections") == 1);
    server.stop();
}

#[test]
fn keys_and_foreign_pages() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    std::fs::write(&file, "# of the office\nsecret-of-one\n\nsecret-of-two\n").unwrap();
    let keys = read_keys(&file).unwrap();
    assert_eq!(keys, ["secret-of-one", "secret-of-two"]);
    std::fs::write(&file, "short\n").unwrap();
    assert!(read_keys(&file).unwrap_err().to_string().contains("keys:1: a key has at least 8"));
    std::fs::write(&file, "# none\n").unwrap();
    assert!(read_keys(&file).unwrap_err().to_string().contains("no key in it"));
    let open = ServeOptions { host: "0.0.0.0".parse().unwrap(), ..options() };
    assert!(warning(&open).unwrap().contains("anyone who reaches 0.0.0.0"));
    assert_eq!((warning(&options()), warning(&ServeOptions { keys: keys.clone(), ..open })), (None, None));
    let (net, tok) = tiny();
    let options = ServeOptions { keys, cors: Some("http://app.example".into()), ..options() };
    let server = Server::start(vec![Served::new("tiny", &net, &tok).unwrap()], options);
    let models = |more: &str| get(server.address, "/v1/models", more);
    let told = models("");
    assert_eq!((told.status, &told.json()["error"]["code"]), (401, &json!("invalid_api_key")));
    for wrong in
        ["Authorization: Bearer secret-of\r\n", "Authorization: secret-of-one\r\n", "Authorization: Bearer \r\n"]
    {
        assert_eq!(models(wrong).status, 401);
    }
    assert_eq!(models("Authorization: Bearer secret-of-two\r\n").status, 200);
    assert_eq!((get(server.address, "/health", "").status, get(server.address, "/metrics", "").status), (200, 401));
    let asks = |origin: &str| {
        send(
            server.address,
            format!("OPTIONS /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nOrigin: {origin}\r\n\r\n")
                .as_bytes(),
        )
    };
    assert!(asks("http://app.example").head.contains("access-control-allow-origin: http://app.example"));
    assert_eq!(asks("http://evil.example").status, 401);
    server.stop();
}

#[test]
fn an_adapter_is_a_model_beside_its_base_and_files_may_go() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("tiny");
    std::fs::create_dir(&own).unwrap();
    for entry in std::fs::read_dir(TINY).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
        std::fs::copy(&entry, own.join(entry.file_name().unwrap())).unwrap();
    }
    let (net, tok) = (Model::open(&own, DType::F32).unwrap(), Tokenizer::open(&own).unwrap());
    net.attach_lora(&Lora { rank: 4, alpha: 64.0, layers: vec!["all-linear".into()], seed: 1, ..Lora::default() })
        .unwrap();
    for adapter in net.weights().lora.values() {
        let dims = adapter.b.value().dims().to_vec();
        let mut numbers = vec![0f32; dims.iter().product()];
        Rng::new(3).fill_normal(&mut numbers);
        adapter.b.as_param().unwrap().set(Array::from_vec(numbers, dims, &Device::Cpu).unwrap()).unwrap();
    }
    let adapter = folder.path().join("adapter");
    net.save_lora(&adapter, None).unwrap();
    let base = Served::new("base", &Model::open(&own, DType::F32).unwrap(), &tok).unwrap();
    let adapted = base.adapted("fine", &adapter).unwrap();
    let server = Server::start(vec![base, adapted], options());
    std::fs::remove_dir_all(folder.path()).unwrap();
    let write = |model: &str| {
        let told = send(
            server.address,
            &raw("POST", "/v1/completions", "", &completion(json!({ "model": model })).to_string()),
        );
        told.json()["choices"][0]["text"].as_str().unwrap().to_string()
    };
    assert_eq!(
        write("base"),
        post("/v1/completions", &completion(json!({}))).json()["choices"][0]["text"].as_str().unwrap()
    );
    assert_ne!(write("fine"), write("base"));
    server.stop();
}

/// An adapter put into the folder while the server runs is available as a model immediately, by its name alone.
#[test]
fn adapters_are_found_while_it_serves() {
    let folder = tempfile::tempdir().unwrap();
    let (net, tok) = tiny();
    let options = ServeOptions { adapters: Some(folder.path().into()), ..options() };
    let server = Server::start(vec![Served::new("base", &net, &tok).unwrap()], options);
    let ask = |model: &str| {
        let body = completion(json!({ "model": model })).to_string();
        send(server.address, &raw("POST", "/v1/completions", "", &body))
    };
    assert_eq!(ask("fine").status, 404);
    let (other, _) = tiny();
    other
        .attach_lora(&Lora { rank: 4, alpha: 64.0, layers: vec!["all-linear".into()], seed: 1, ..Lora::default() })
        .unwrap();
    for adapter in other.weights().lora.values() {
        let dims = adapter.b.value().dims().to_vec();
        let mut numbers = vec![0f32; dims.iter().product()];
        Rng::new(3).fill_normal(&mut numbers);
        adapter.b.as_param().unwrap().set(Array::from_vec(numbers, dims, &Device::Cpu).unwrap()).unwrap();
    }
    other.save_lora(&folder.path().join("fine"), None).unwrap();
    let models = get(server.address, "/v1/models", "").body;
    assert!(models.contains("\"fine\""), "{models}");
    let (fine, base) = (ask("fine").json(), ask("base").json());
    assert_eq!(fine["model"], "fine");
    assert_ne!(fine["choices"][0]["text"], base["choices"][0]["text"]);
    assert_eq!(fine["choices"][0]["text"], ask("fine").json()["choices"][0]["text"]);
    // a path is not a name
    for name in ["../fine", "fine/", ".", "..", "/etc"] {
        assert_eq!(ask(name).status, 404, "{name}");
    }
    server.stop();
}

#[test]
fn curves_of_runs_are_watched_as_they_grow() {
    let folder = tempfile::tempdir().unwrap();
    let row = |step: u64| serde_json::from_value(json!({ "step": step, "loss": 1.0 })).unwrap();
    let log = Record::create(folder.path().join("base/log.jsonl"));
    std::fs::create_dir(folder.path().join("base")).unwrap();
    (1..=3).for_each(|step| log.add(row(step)).unwrap());
    let (cancel, (ready, address)) = (Cancel::default(), mpsc::channel());
    let (own, path) = (cancel.clone(), folder.path().to_path_buf());
    let any = "127.0.0.1:0".parse().unwrap();
    let thread =
        thread::spawn(move || cancel::under(&own, || watch(&[path], any, |address| ready.send(address).unwrap())));
    let address = address.recv().unwrap();
    let rows = |known: Value| send(address, &raw("POST", "/rows", "", &known.to_string())).json();
    assert_eq!(
        rows(json!({}))["base"],
        json!({ "from": 0, "rows": [{ "step": 1, "loss": 1.0 }, { "step": 2, "loss": 1.0 }, { "step": 3, "loss": 1.0 }] })
    );
    log.add(row(4)).unwrap();
    // an incomplete line is ignored
    let path = folder.path().join("base/log.jsonl");
    std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"step\": 5").unwrap();
    assert_eq!(rows(json!({ "base": 3 }))["base"], json!({ "from": 3, "rows": [{ "step": 4, "loss": 1.0 }] }));
    // a run that restarts, and another
    std::fs::write(&path, "{\"step\": 1}\n").unwrap();
    std::fs::create_dir_all(folder.path().join("arms/lora")).unwrap();
    std::fs::write(folder.path().join("arms/lora/log.jsonl"), "{\"step\": 1}\n").unwrap();
    let news = rows(json!({ "base": 4 }));
    assert_eq!(
        (&news["base"], &news["arms/lora"]["from"]),
        (&json!({ "from": 0, "rows": [{ "step": 1 }] }), &json!(0))
    );
    assert!(get(address, "/", "").body.starts_with("<!doctype html>"));
    assert_eq!(send(address, &raw("POST", "/rows", "", "[]")).status, 400);
    cancel.request();
    thread.join().unwrap().unwrap();
    let gone = watch(&[folder.path().join("none")], any, |_| ()).unwrap_err();
    assert!(gone.to_string().contains("none is not there"));
}

#[test]
fn a_script_serves_until_it_is_interrupted_and_a_strangers_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("serve.rhai");
    let tiny = std::fs::canonicalize(TINY).unwrap();
    let text = format!(
        "let net = model({tiny:?}); serve(net, tokenizer({tiny:?}), #{{ port: 0, name: \"mine\" }}); print(\"after\");\n"
    );
    std::fs::write(&script, text).unwrap();
    let levain = || std::process::Command::new(env!("CARGO_BIN_EXE_levain"));
    let mut running = levain().arg("run").arg(&script).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(running.stderr.as_mut().unwrap()), &mut line).unwrap();
    let address = line.trim().strip_prefix("serving http://").unwrap_or_else(|| panic!("{line}")).parse().unwrap();
    assert_eq!(get(address, "/v1/models", "").json()["data"][0]["id"], "mine");
    running.kill().unwrap();
    running.wait().unwrap();
    std::fs::write(&script, "let tok = tokenizer([\"a\"], #{ vocab_size: 260 }); serve(model(#{ model_type: \"llama\", vocab_size: 260, hidden_size: 8, num_hidden_layers: 1 }), tok);\n").unwrap();
    let told = levain().args(["run", "--sandbox"]).arg(folder.path()).arg(&script).output().unwrap();
    assert!(String::from_utf8_lossy(&told.stderr).contains("serve: this script may not listen"), "{told:?}");
}
