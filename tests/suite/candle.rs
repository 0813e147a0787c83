//! `model(path, #{ engine: "candle" })`: candle-transformers' architectures as baselines.

use levain::Runtime;

/// The last output of a script, or its error message.
fn run(script: &str) -> Result<String, String> {
    Runtime::default().run(script).and_then(|value| value.to::<String>()).map_err(|fault| fault.to_string())
}

#[cfg(not(feature = "candle-models"))]
#[test]
fn without_the_feature_the_engine_says_how_to_build_it() {
    let told = run(r#"model("tests/data/parity/llama", #{ engine: "candle" }).to_string()"#).unwrap_err();
    assert!(told.contains("engine \"candle\" is not in this build of levain"), "{told}");
    assert!(told.contains("--features candle-models"), "{told}");
}

#[cfg(feature = "candle-models")]
mod built_in {
    use super::run;

    #[test]
    fn it_measures_and_writes_what_levain_does() {
        let folder = tempfile::tempdir().unwrap();
        let same = r#"
            let tok = tokenizer("tests/data/model/tokenizer.json");
            let texts = ["the cat sat on the mat", "the dog", "a cat and a dog sat and sat and sat on the mat"];
            for name in ["llama", "mistral", "qwen2", "qwen3"] {
                let shape = #{ model_type: name, vocab_size: tok.len(), hidden_size: 32, num_hidden_layers: 2 };
                let ours = model(shape + #{ num_attention_heads: 4, num_key_value_heads: 2, initializer_range: 0.3 }, #{ seed: 7 });
                ours.save("FOLDER/" + name);
                let theirs = model("FOLDER/" + name, #{ engine: "candle" });
                let a = likelihood(ours, tok, texts);
                let b = likelihood(theirs, tok, texts);
                if (a.nats - b.nats).abs() > 1e-3 || a.tokens != b.tokens || a.bytes != b.bytes {
                    throw `${name}: ${a} ${b}`;
                }
                let how = #{ max_new_tokens: 8 };
                if ours.generate(tok, texts, how) != theirs.generate(tok, texts, how) {
                    throw `${name}: other texts`;
                }
            }
            "same"
        "#
        .replace("FOLDER", &folder.path().display().to_string());
        assert_eq!(run(&same).as_deref(), Ok("same"));
    }

    #[test]
    fn what_trains_or_changes_weights_is_an_error() {
        let open = r#"let net = model("tests/data/parity/llama", #{ engine: "candle" }); "#;
        for change in [
            "net.loss(#{ ids: [[1, 2]], labels: [[1, 2]] });",
            "net.forward([[1, 2]]);",
            "net.attach_lora(#{ rank: 2 });",
            "net.resize_embeddings(200);",
            "net.save(\"out/candle\");",
        ] {
            let told = run(&format!("{open}{change} \"done\"")).unwrap_err();
            assert!(told.contains("only generates and measures"), "{change}: {told}");
        }
        let told = run(r#"model("tests/data/parity/gpt2", #{ engine: "candle" }).to_string()"#).unwrap_err();
        assert!(told.contains("engine \"candle\" has no model_type `gpt2`"), "{told}");
    }
}
