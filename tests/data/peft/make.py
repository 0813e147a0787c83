"""Adapters that PEFT wrote, and what PEFT computes with them. Run in this folder, with torch, transformers and peft:

    python make.py
    python make.py NAME…       only these cases or bases, beside the ones that are there

bases/NAME                 tiny random models
cases/NAME                 an adapter of one of them, every parameter of it random, saved by `save_pretrained`
expect.safetensors         per case the logits of `PeftModel.from_pretrained(base, case)` for `ids`, and of some the gradients
"""
import json, os, shutil, sys, warnings, zlib
import torch
import transformers
from peft import LoraConfig, PeftModel, TrainableTokensConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, BertConfig, GPT2Config, LlamaConfig, Qwen2Config

warnings.filterwarnings("ignore")
transformers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()
os.environ["HF_HUB_OFFLINE"] = "1"
VOCAB = 48
IDS = torch.tensor([[5, 9, 40, 47, 3, 3, 21, 8, 1, 30]])
BASES = {
    "llama": LlamaConfig(vocab_size=VOCAB, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
                         num_key_value_heads=2, max_position_embeddings=64, attention_bias=True, tie_word_embeddings=False),
    "tied": Qwen2Config(vocab_size=VOCAB, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
                        num_key_value_heads=2, max_position_embeddings=64, tie_word_embeddings=True),
    "gpt2": GPT2Config(vocab_size=VOCAB, n_embd=16, n_layer=2, n_head=2, n_positions=32, bos_token_id=0, eos_token_id=0),
    "bert": BertConfig(vocab_size=VOCAB, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, max_position_embeddings=32,
                       hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0),
}
ONLY = sys.argv[1:]


def auto(name):
    return AutoModelForMaskedLM if name == "bert" else AutoModelForCausalLM


def base(name):
    return auto(name).from_pretrained(f"bases/{name}", dtype=torch.float32, local_files_only=True)


def logits(model):
    model.eval()
    with torch.no_grad():
        return model(input_ids=IDS).logits.float()


def bases():
    if not ONLY:
        shutil.rmtree("bases", ignore_errors=True)
    for number, (name, config) in enumerate(BASES.items()):
        if ONLY and name not in ONLY:
            continue
        torch.manual_seed(number)
        model = auto(name).from_config(config, dtype=torch.float32)
        for weight in model.parameters():
            weight.data.normal_(0, 0.3) if weight.dim() > 1 else weight.data.normal_(1 if weight.mean() > 0.5 else 0, 0.2)
        model.save_pretrained(f"bases/{name}")
        if os.path.exists(f"bases/{name}/generation_config.json"):
            os.remove(f"bases/{name}/generation_config.json")


EXPECT = {"ids": IDS}


# whose gradients are kept too
GRADIENTS = {"rank-regex", "pissa", "dora", "dora-conv1d", "dora-embeddings", "dora-lm-head", "lora-bias", "bias-lora-only", "lm-head-tied",
             "embeddings-tied", "saved-head-norm", "saved-tied-input", "tokens-last", "tokens", "tokens-tied", "tokens-tied-apart", "tokens-tied-output",
             "tokens-unsorted", "tokens-gpt2", "tokens-tied-lora-head", "tokens-alone-both", "tokens-alone-tied-head", "saved-tied-kept",
             "saved-tied-head-kept", "positions", "positions-dora"}


def gradients(name, net):
    """Of the mean loss, under the names that levain has for the parameters."""
    net.eval()
    net(input_ids=IDS, labels=IDS).loss.backward()
    for key, weight in net.named_parameters():
        if weight.requires_grad:
            key = key.replace(".default", "")
            if ".modules_to_save" in key:
                key = key.replace(".modules_to_save", "").removeprefix("base_model.model.")
            if ".base_layer" in key:
                key = key.replace(".base_layer", "").removeprefix("base_model.model.")
            if ".trainable_tokens_delta" in key:
                key = key.replace(".token_adapter", "").replace(".trainable_tokens_delta", ".new_rows").removeprefix("base_model.model.")
            EXPECT[f"{name}/{key.replace('lora_magnitude_vector.weight', 'lora_magnitude_vector')}"] = weight.grad.float()


def case(name, base_name, config=None, rows=None, edit=None, **given):
    """An adapter with random parameters. `rows` resizes the embeddings, `edit` changes adapter_config.json afterwards."""
    if ONLY and name not in ONLY:
        return
    torch.manual_seed(zlib.crc32(name.encode()))
    model = base(base_name)
    if rows:
        model.resize_token_embeddings(rows, mean_resizing=False)
    given = {"r": 2, "lora_alpha": 8, "task_type": None if base_name == "bert" else "CAUSAL_LM", **given}
    net = get_peft_model(model, config or LoraConfig(**given))
    for key, weight in net.named_parameters():
        if weight.requires_grad:
            weight.data.add_(0.2 * torch.randn_like(weight))
    folder = f"cases/{name}"
    net.save_pretrained(folder)
    os.path.exists(f"{folder}/README.md") and os.remove(f"{folder}/README.md")
    place = f"{folder}/adapter_config.json"
    json_ = json.load(open(place))
    if config is None:
        # sets have no order
        if isinstance(json_["target_modules"], list):
            json_["target_modules"].sort()
    json_["base_model_name_or_path"] = f"../../bases/{base_name}"
    if edit:
        edit(json_)
    if name != "plain":
        json_ = {key: value for key, value in json_.items() if value not in (None, {}, [])}
    json.dump(json_, open(place, "w"), indent=1)
    # as others open it
    fresh = base(base_name)
    if rows:
        fresh.resize_token_embeddings(rows, mean_resizing=False)
    again = PeftModel.from_pretrained(fresh, folder)
    EXPECT[name] = logits(again)
    if name in GRADIENTS:
        fresh = base(base_name)
        gradients(name, PeftModel.from_pretrained(fresh, folder, is_trainable=True))
    far = (logits(net) - EXPECT[name]).abs().max().item()
    from_base = (logits(base(base_name))[..., :VOCAB] - EXPECT[name][..., :VOCAB]).abs().max().item()
    print(f"{name:28} trained and reopened {far:.1e}   base {from_base:.1e}")


def cases():
    if not ONLY:
        shutil.rmtree("cases", ignore_errors=True)
    qv = ["q_proj", "v_proj"]
    case("plain", "llama", target_modules=qv)
    # patterns
    case("alpha-regex", "llama", target_modules=qv, alpha_pattern={r"layers\.0\..*": 32})
    case("alpha-alternatives", "llama", target_modules=qv, alpha_pattern={"q_proj|k_proj": 32, "v_proj": 2})
    case("alpha-whole-name", "llama", target_modules=qv, alpha_pattern={r"^model\.layers\.1\.self_attn\.v_proj": 32})
    case("alpha-first-counts", "llama", target_modules=qv, alpha_pattern={r".*\.1\..*": 2, "v_proj": 32})
    case("rank-regex", "llama", target_modules=qv, rank_pattern={r"\d+\.self_attn\.(?!q)._proj": 3}, use_rslora=True)
    case("rank-first-1", "llama", r=4, target_modules=qv, rank_pattern={"layers.0.self_attn.q_proj": 1}, use_rslora=True)
    case("targets-regex", "llama", target_modules=r".*\.(?:[qk]_proj|layers\.1\.mlp\.(?!gate)\w+_proj)$")
    case("targets-all-linear", "llama", target_modules="all-linear", exclude_modules=["k_proj", "model.layers.0.mlp.up_proj"])
    case("targets-exclude-regex", "llama", target_modules=["q_proj", "up_proj"], exclude_modules=r".*layers\.1.*q_proj")
    case("targets-layers", "llama", target_modules=qv, layers_to_transform=[1])
    case("targets-layer-0", "llama", target_modules=qv, layers_to_transform=0, layers_pattern="layers")
    case("targets-narrowed", "llama", target_modules=qv, edit=lambda c: c.update(layers_to_transform=[0]))
    case("targets-excluded", "llama", target_modules=qv, edit=lambda c: c.update(exclude_modules=["v_proj"]))
    case("targets-widened", "llama", target_modules=["q_proj"], edit=lambda c: c.update(target_modules=["q_proj", "up_proj"]))
    # what changes the base
    case("pissa", "llama", target_modules=qv, init_lora_weights="pissa")
    case("pissa-rslora", "llama", r=4, target_modules="all-linear", init_lora_weights="pissa", use_rslora=True)
    case("pissa-conv1d", "gpt2", target_modules=["c_attn", "c_proj", "c_fc"], init_lora_weights="pissa", fan_in_fan_out=True)
    case("pissa-lm-head", "llama", target_modules=["q_proj", "lm_head"], init_lora_weights="pissa")
    case("olora", "llama", target_modules=["q_proj", "down_proj"], init_lora_weights="olora")
    case("olora-alphas", "llama", r=3, target_modules=qv, init_lora_weights="OLoRA", alpha_pattern={"v_proj": 3})
    for name in ["gaussian", "orthogonal", "mica"]:
        case(f"init-{name}", "llama", target_modules=qv, init_lora_weights=name)
    case("init-eva", "llama", target_modules=qv, init_lora_weights=False, edit=lambda c: c.update(init_lora_weights="eva"))
    # kinds of LoRA
    case("dora", "llama", target_modules=["q_proj", "down_proj"], use_dora=True)
    case("dora-conv1d", "gpt2", target_modules=["c_attn", "c_proj"], use_dora=True, fan_in_fan_out=True)
    case("dora-lm-head", "llama", target_modules=["v_proj", "lm_head"], use_dora=True, use_rslora=True)
    case("dora-embeddings", "llama", target_modules=["q_proj", "embed_tokens"], use_dora=True)
    case("lora-bias", "llama", target_modules=["q_proj", "up_proj"], lora_bias=True)
    case("bias-lora-only", "llama", target_modules=qv, bias="lora_only")
    case("bias-all", "gpt2", target_modules=["c_attn"], bias="all", fan_in_fan_out=True)
    case("conv1d", "gpt2", target_modules=["attn.c_proj", "c_fc"])
    # embeddings
    case("lm-head", "llama", target_modules=["q_proj", "lm_head"])
    case("lm-head-tied", "tied", target_modules=["q_proj", "lm_head"])
    case("embeddings", "llama", target_modules=["q_proj", "embed_tokens"])
    case("embeddings-tied", "tied", target_modules=["q_proj", "embed_tokens"])
    case("embeddings-tied-both", "tied", target_modules=["embed_tokens", "lm_head"])
    case("embeddings-tied-kept", "tied", target_modules=["q_proj", "embed_tokens", "lm_head"], ensure_weight_tying=True)
    case("embeddings-gpt2", "gpt2", target_modules=["c_attn", "wte"], fan_in_fan_out=True)
    # tables of positions and types
    case("positions", "gpt2", target_modules=["c_attn", "wpe"], fan_in_fan_out=True)
    case("positions-dora", "gpt2", target_modules=["wpe", "wte"], use_dora=True, fan_in_fan_out=True)
    case("positions-alone", "gpt2", r=4, target_modules=["wpe"], use_rslora=True, rank_pattern={"wpe": 3})
    case("positions-and-types", "bert", target_modules=["query", "position_embeddings", "token_type_embeddings"])
    case("types-of-higher-rank", "bert", r=5, target_modules=["word_embeddings", "token_type_embeddings"])
    # modules_to_save
    case("saved-head-norm", "llama", target_modules=qv, modules_to_save=["lm_head", "model.norm"])
    case("saved-embeddings", "llama", target_modules=qv, modules_to_save=["embed_tokens", "lm_head"])
    case("saved-mlp", "llama", target_modules=["q_proj", "up_proj"], modules_to_save=["layers.1.mlp"])
    case("saved-tied", "tied", target_modules=qv, modules_to_save=["embed_tokens", "lm_head"])
    case("saved-tied-input", "tied", target_modules=qv, modules_to_save=["embed_tokens"])
    case("saved-tied-output", "tied", target_modules=qv, modules_to_save=["lm_head"])
    case("saved-tied-kept", "tied", target_modules=qv, modules_to_save=["embed_tokens"], ensure_weight_tying=True)
    case("saved-grown", "llama", rows=51, target_modules=qv, modules_to_save=["embed_tokens", "lm_head"])
    case("saved-grown-tied", "tied", rows=51, target_modules=qv, modules_to_save=["embed_tokens", "lm_head"])
    case("grown", "llama", rows=51, target_modules=qv)
    case("grown-lora", "llama", rows=51, target_modules=["q_proj", "embed_tokens", "lm_head"])
    # rows of tokens
    case("tokens", "llama", target_modules=qv, trainable_token_indices=[3, 40])
    case("tokens-both", "llama", target_modules=qv, trainable_token_indices={"embed_tokens": [3, 40], "lm_head": [5]})
    case("tokens-tied", "tied", target_modules=qv, trainable_token_indices=[3, 40])
    case("tokens-tied-apart", "tied", target_modules=qv, trainable_token_indices={"embed_tokens": [3, 40], "lm_head": [5]})
    case("tokens-tied-output", "tied", target_modules=qv, trainable_token_indices={"lm_head": [5, 6]})
    case("tokens-last", "llama", target_modules=qv, trainable_token_indices={"embed_tokens": [46, 47], "lm_head": [46, 47]})
    case("tokens-grown-tied", "tied", rows=51, target_modules=qv, trainable_token_indices=[48, 49, 50])
    case("tokens-alone", "llama", config=TrainableTokensConfig(token_indices=[3, 40], target_modules=["embed_tokens"], task_type="CAUSAL_LM"))
    case("tokens-unsorted", "llama", target_modules=qv, trainable_token_indices=[40, 3, 21])
    case("tokens-gpt2", "gpt2", target_modules=["c_attn"], trainable_token_indices={"wte": [5, 9]})
    # PEFT gives the tied output the same rows, beneath its LoRA
    case("tokens-tied-lora-head", "tied", target_modules=["q_proj", "lm_head"], trainable_token_indices=[3, 40])
    case("tokens-alone-both", "llama", config=TrainableTokensConfig(token_indices=[3, 40], target_modules=["embed_tokens", "lm_head"], task_type="CAUSAL_LM"))
    case("tokens-alone-tied-head", "tied", config=TrainableTokensConfig(token_indices=[3, 40], target_modules=["lm_head"], task_type="CAUSAL_LM"))
    case("saved-tied-head-kept", "tied", target_modules=qv, modules_to_save=["lm_head"], ensure_weight_tying=True)
    case("tokens-alone-tied", "tied", config=TrainableTokensConfig(token_indices=[3, 40], task_type="CAUSAL_LM"))


if __name__ == "__main__":
    if ONLY:
        EXPECT.update(load_file("expect.safetensors"))
    bases()
    for name in BASES:
        if not ONLY or name in ONLY:
            EXPECT[f"base.{name}"] = logits(base(name))
    cases()
    save_file({name: value.contiguous() for name, value in EXPECT.items()}, "expect.safetensors")
