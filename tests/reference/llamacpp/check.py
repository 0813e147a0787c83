"""Opens the files of files.rhai in the real llama.cpp, and compares ids and greedy tokens.

    pip install xllamacpp        # llama.cpp's server in one library
    levain run tests/reference/llamacpp/files.rhai out=/tmp/files
    python tests/reference/llamacpp/check.py /tmp/files
"""

import json
import sys
import urllib.request
from pathlib import Path

import xllamacpp


def post(url, path, body):
    request = urllib.request.Request(url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))


def serve(row, folder):
    params = xllamacpp.CommonParams()
    params.model.path, params.n_ctx, params.n_parallel = str(folder / row["file"]), 512, 1
    params.cpuparams.n_threads, params.port = 2, 0
    params.embedding = "vectors" in row
    if "lora" in row:
        adapter = xllamacpp.CommonAdapterLoraInfo()
        adapter.path, adapter.scale = str(folder / row["lora"]), 1.0
        params.lora_adapters = [adapter]
    return xllamacpp.Server(params)


def far(row, url):
    """The largest difference of the vectors of texts. llama.cpp's gelu is an approximation by a table in f16."""
    worst = 0.0
    for text, ours in zip(row["texts"], row["vectors"]):
        [theirs] = post(url, "/embedding", {"content": text})[0]["embedding"]
        worst = max([worst] + [abs(a - b) for a, b in zip(ours, theirs)])
    return worst


def check(row, folder):
    server = serve(row, folder)
    url = server.listening_address
    ids = [post(url, "/tokenize", {"content": line, "add_special": False})["tokens"] for line in row["lines"]]
    different = [line for line, ours, theirs in zip(row["lines"], row["ids"], ids) if ours != theirs]
    if "vectors" in row:
        worst = far(row, url)
        print(f"{row['name']}: {len(ids) - len(different)} of {len(ids)} lines, vectors within {worst:.1e}")
        for line in different[:3]:
            print(f"  other ids: {line!r}")
        return different or worst > 2e-3
    body = {"prompt": row["prompt"], "n_predict": len(row["greedy"]), "temperature": 0, "return_tokens": True}
    greedy = post(url, "/completion", body)["tokens"]
    same = next((at for at, (a, b) in enumerate(zip(row["greedy"], greedy)) if a != b), len(greedy))
    print(f"{row['name']}: {len(ids) - len(different)} of {len(ids)} lines, {same} of {len(greedy)} greedy tokens")
    for line in different[:3]:
        print(f"  other ids: {line!r}")
    # llama.cpp rounds activations to 8 bits where weights are quantized, so greedy tokens may part there
    rounded = any(kind in row["name"] for kind in ["-q4", "-q5", "-q8"])
    return different or (same < len(greedy) and not rounded)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    rows = [json.loads(path.read_text().splitlines()[0]) for path in sorted(folder.glob("*.jsonl"))]
    wrong = [row["name"] for row in rows if check(row, folder)]
    print(f"{len(rows) - len(wrong)} of {len(rows)} files are read as levain reads them")
    sys.exit(bool(wrong))
