"""Gemma 2 and 3 with what transformers computes: `python make_gemma.py` in this folder, with torch and transformers."""
import os, torch
from safetensors.torch import save_file
from transformers import Gemma2Config, Gemma2ForCausalLM, Gemma3ForCausalLM, Gemma3TextConfig

SMALL = dict(vocab_size=160, hidden_size=32, intermediate_size=48, num_attention_heads=4, num_key_value_heads=2, head_dim=12,
             max_position_embeddings=128, pad_token_id=0, bos_token_id=1, eos_token_id=2, sliding_window=5)
GLOBAL = {"full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 1e6},
          "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}}
CASES = {
    # limits so low that they matter, and scores divided by another number than the size of a head
    "gemma2": (Gemma2ForCausalLM, Gemma2Config(**SMALL, num_hidden_layers=2, query_pre_attn_scalar=16,
                                               attn_logit_softcapping=2.0, final_logit_softcapping=3.0)),
    # one global layer among three, by `layer_types`
    "gemma3": (Gemma3ForCausalLM, Gemma3TextConfig(**SMALL, num_hidden_layers=3, query_pre_attn_scalar=12, rope_parameters=GLOBAL,
                                                   layer_types=["sliding_attention", "full_attention", "sliding_attention"])),
}
for seed, (name, (kind, config)) in enumerate(CASES.items()):
    torch.manual_seed(seed)
    net = kind(config).float()
    for weight in net.parameters():
        weight.data.normal_(0, 0.2)
    net.save_pretrained(name)
    os.remove(f"{name}/generation_config.json")
    net = kind.from_pretrained(name, dtype=torch.float32, attn_implementation="eager").eval()
    ids = torch.randint(3, 160, (2, 20))
    mask = torch.ones_like(ids)
    mask[1, 14:] = 0
    labels = ids.masked_fill(mask == 0, -100)
    labels[0, :6] = -100
    batch = dict(input_ids=ids, attention_mask=mask, labels=labels)
    expect = {**batch}
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)
    losses = []
    for step in range(4):
        out = net(**batch)
        losses.append(out.loss.detach())
        optimizer.zero_grad()
        out.loss.backward()
        if step == 0:
            expect |= {"logits": out.logits.detach(), "loss": out.loss.detach()}
            expect |= {f"grad.{key}": weight.grad.clone() for key, weight in net.named_parameters()}
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
    expect["losses"] = torch.stack(losses)
    expect |= {f"after.{key}": weight.detach().clone() for key, weight in net.named_parameters()}
    save_file({key: value.contiguous() for key, value in expect.items()}, f"{name}/expect.safetensors")
    print(name, [round(float(loss), 4) for loss in losses])
