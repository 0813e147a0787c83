"""Phi 3 with what transformers computes: `python make_phi3.py` in this folder, with torch and transformers."""
import os, shutil, torch
from safetensors.torch import save_file
from transformers import Phi3Config, Phi3ForCausalLM

LONGROPE = {"rope_type": "longrope", "short_factor": [1.0, 1.1, 1.3], "long_factor": [1.0, 2.0, 5.0], "rope_theta": 10000.0, "partial_rotary_factor": 0.75}
CASES = {
    "phi3": dict(rope_parameters={"rope_type": "default", "rope_theta": 10000.0}, sliding_window=7),
    # as Phi 4 mini: a part of each head is rotated, embeddings are tied
    "phi3-longrope": dict(rope_parameters=LONGROPE, original_max_position_embeddings=16, max_position_embeddings=64, tie_word_embeddings=True),
}
for seed, (name, more) in enumerate(CASES.items()):
    torch.manual_seed(seed)
    config = Phi3Config(**{**dict(vocab_size=60, hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
                                  num_key_value_heads=2, max_position_embeddings=64, pad_token_id=0, bos_token_id=1, eos_token_id=2,
                                  tie_word_embeddings=False), **more})
    net = Phi3ForCausalLM(config).float()
    for weight in net.parameters():
        weight.data.normal_(0, 0.2) if weight.dim() > 1 else weight.data.normal_(1, 0.2)
    net.config._attn_implementation = "eager"
    net.save_pretrained(name)
    os.remove(f"{name}/generation_config.json")
    net = Phi3ForCausalLM.from_pretrained(name, dtype=torch.float32, attn_implementation="eager").eval()
    ids = torch.randint(3, 60, (2, 20))
    mask = torch.ones_like(ids)
    mask[1, 14:] = 0
    labels = ids.masked_fill(mask == 0, -100)
    # row by row: the angles of longrope are those of the longest row of a batch, which no other row may depend on
    rows = [(ids[row : row + 1, :length], labels[row : row + 1, :length]) for row, length in enumerate(mask.sum(1).tolist())]
    outs = [net(input_ids=own, labels=own_labels) for own, own_labels in rows]
    counts = [own.shape[1] - 1 for own, _ in rows]
    loss = sum(out.loss * count for out, count in zip(outs, counts)) / sum(counts)
    loss.backward()
    logits = torch.zeros(*ids.shape, config.vocab_size)
    for row, out in enumerate(outs):
        logits[row, : out.logits.shape[1]] = out.logits[0].detach()
    expect = {"input_ids": ids, "attention_mask": mask, "labels": labels, "logits": logits, "loss": loss.reshape(1)}
    expect |= {f"grad.{key}": weight.grad for key, weight in net.named_parameters()}
    save_file({key: value.detach().contiguous() for key, value in expect.items()}, f"{name}/expect.safetensors")
