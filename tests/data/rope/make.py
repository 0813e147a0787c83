"""Rotary scalings and what transformers computes with them. Run in this folder, with torch and transformers: `python make.py`.

base/                  a tiny random llama
cases.json             per case what its config has beside the base's
expect.safetensors     per case the logits of `short` and of `long`, and for some what greedy generation adds to `prompt`
"""
import json, os, shutil, warnings
import torch, transformers
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, LlamaConfig

warnings.filterwarnings("ignore")
transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
CONFIG = dict(vocab_size=48, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
              max_position_embeddings=24, tie_word_embeddings=False)
SHORT = torch.arange(12)[None] * 7 % 48
LONG = torch.arange(40)[None] * 11 % 48
PROMPT = torch.arange(20)[None] * 5 % 48
ORIGINAL = {"original_max_position_embeddings": 12}
FACTORS = {"short_factor": [1.0, 1.1, 1.3, 2.0], "long_factor": [1.0, 1.5, 3.0, 7.0]}
CASES = {
    "default": {},
    "linear": {"rope_scaling": {"rope_type": "linear", "factor": 3.0}},
    "llama3": {"rope_scaling": {"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, **ORIGINAL}},
    "yarn": {"rope_scaling": {"rope_type": "yarn", "factor": 2.0, **ORIGINAL}},
    "yarn-old-keys": {"rope_theta": 500.0, "rope_scaling": {"type": "yarn", "factor": 4.0, **ORIGINAL}},
    "yarn-attention": {"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "attention_factor": 1.7, "beta_fast": 4, "beta_slow": 2, **ORIGINAL}},
    "yarn-mscale": {"rope_scaling": {"rope_type": "yarn", "factor": 40.0, "mscale": 0.7, "mscale_all_dim": 1.0, **ORIGINAL}},
    "yarn-not-truncated": {"rope_scaling": {"rope_type": "yarn", "factor": 3.0, "truncate": False, "rope_theta": 300.0, **ORIGINAL}},
    "yarn-implied-original": {"rope_scaling": {"rope_type": "yarn", "factor": 3.0}},
    "yarn-5": {"rope_parameters": {"rope_type": "yarn", "factor": 4.0, "rope_theta": 2000.0, **ORIGINAL}},
    "dynamic": {"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}},
    "dynamic-8": {"rope_theta": 700.0, "rope_scaling": {"type": "dynamic", "factor": 8.0}},
    "longrope": {"rope_scaling": {"rope_type": "longrope", **FACTORS, **ORIGINAL}},
    "longrope-factor": {"rope_scaling": {"rope_type": "longrope", "factor": 3.0, **FACTORS, **ORIGINAL}},
    "longrope-attention": {"rope_scaling": {"rope_type": "longrope", "attention_factor": 1.4, **FACTORS, **ORIGINAL}},
    "longrope-own-original": {"original_max_position_embeddings": 14, "rope_scaling": {"rope_type": "longrope", **FACTORS}},
}

if __name__ == "__main__":
    shutil.rmtree("base", ignore_errors=True)
    torch.manual_seed(0)
    net = AutoModelForCausalLM.from_config(LlamaConfig(**CONFIG), dtype=torch.float32)
    for weight in net.parameters():
        weight.data.normal_(0, 0.4) if weight.dim() > 1 else weight.data.normal_(1, 0.2)
    net.save_pretrained("base")
    os.remove("base/generation_config.json")
    place = "base/config.json"
    config = json.load(open(place))
    del config["rope_parameters"]
    json.dump(config, open(place, "w"), indent=1)
    json.dump(CASES, open("cases.json", "w"), indent=1)
    expect = {"short": SHORT, "long": LONG, "prompt": PROMPT}
    for name, more in CASES.items():
        folder = "/tmp/rope-case"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree("base", folder)
        json.dump({**config, **more}, open(f"{folder}/config.json", "w"))
        for what, ids in [("short", SHORT), ("long", LONG)]:
            net = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
            with torch.no_grad():
                expect[f"{name}/{what}"] = net(input_ids=ids).logits
        net = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        net.generation_config.eos_token_id = None
        if not name.startswith("longrope"):
            new = net.generate(PROMPT, attention_mask=torch.ones_like(PROMPT), max_new_tokens=12, do_sample=False, eos_token_id=None, pad_token_id=0)
            expect[f"{name}/new"] = new[:, PROMPT.shape[1]:]
        print(name, net.config.rope_parameters, expect[f"{name}/long"].abs().mean().item())
    save_file({key: value.contiguous() for key, value in expect.items()}, "expect.safetensors")
