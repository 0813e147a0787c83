"""Compares `levain serve` and llama.cpp's server with eight clients, alternating on one model: requests and tokens per second, and time to first token.

    pip install xllamacpp                    # llama.cpp's server, in Python
    python scripts/bench/server.py FILE.gguf [levain binary] [--clients 8] [--tokens 64] [--rounds 5] [--threads 2]

Each client sends its prompts one after another, with greedy decoding and streaming. Prints a markdown table: medians of the rounds, and
the extra time of levain's clients over a batched `generate` of the same prompts.
"""

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

WORDS = "river stone law paper green house winter engine letter music".split()
ASKS = 3  # requests a client makes


def prompts(client):
    """Prompts of some forty tokens with different beginnings, so that prefix caches of servers do not help."""
    return [f"{WORDS[(client + ask) % 10].title()} {client * ASKS + ask}: write about the {WORDS[client % 10]}, the {WORDS[ask]} and what "
            f"they have to do with each other, in plain words, as one who has seen both. Begin with the {WORDS[(client * 3 + ask) % 10]}."
            for ask in range(ASKS)]


def ask(port, prompt, tokens):
    """Returns the seconds to the first token and to the last, and the number of tokens."""
    start, first, count = time.perf_counter(), None, 0
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    body = {"model": "model", "prompt": prompt, "max_tokens": tokens, "temperature": 0, "stream": True, "stream_options": {"include_usage": True}}
    link.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
    answer = link.getresponse()
    if answer.status != 200:
        raise SystemExit(f"{answer.status}: {answer.read()[:300]}")
    for line in answer:
        if line.startswith(b"data: {"):
            part = json.loads(line[6:])
            if first is None and part.get("choices") and part["choices"][0].get("text"):
                first = time.perf_counter() - start
            if part.get("usage"):
                count = part["usage"]["completion_tokens"]
    return first, time.perf_counter() - start, count


def round_of(port, clients, tokens):
    found = []

    def client(number):
        for prompt in prompts(number):
            found.append(ask(port, prompt, tokens))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - start
    firsts = sorted(first for first, _, _ in found)
    return {"requests_per_s": len(found) / took, "tokens_per_s": sum(count for _, _, count in found) / took,
            "first_p95_s": firsts[min(len(firsts) - 1, int(0.95 * len(firsts)))], "took_s": took}


def theirs(path, threads, clients):
    """Runs llama.cpp's server until its input ends; prints its port."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = path
    params.n_parallel, params.n_ctx, params.port, params.cont_batching, params.warmup = clients, 512 * clients, 0, True, True
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.sampling.temp, params.verbosity = 0.0, 0
    server = xllamacpp.Server(params)
    print("http://" + server.listening_address.split("://")[-1], flush=True)
    sys.stdin.read()


GENERATE = """
let cfg = options(#{ model: "", prompts: "", tokens: 64, threads: 2 }, args());
threads(cfg.threads);
let net = model(cfg.model, #{ quantized: true });
let tok = tokenizer(cfg.model);
let prompts = dataset(cfg.prompts).column("text");
let how = #{ max_new_tokens: cfg.tokens, temperature: 0.0 };
net.generate(tok, prompts, how);
let start = timestamp();
net.generate(tok, prompts, how);
print(start.elapsed);
"""


def generate(levain, path, threads, clients, tokens):
    """Seconds of a batch with all clients' first prompts in a script."""
    with tempfile.TemporaryDirectory() as folder:
        script, rows = Path(folder) / "generate.rhai", Path(folder) / "prompts.jsonl"
        script.write_text(GENERATE)
        rows.write_text("".join(json.dumps({"text": prompts(client)[0]}) + "\n" for client in range(clients)))
        out = subprocess.run([levain, "run", str(script), f"model={Path(path).resolve()}", f"prompts={rows}", f"tokens={tokens}", f"threads={threads}"],
                             capture_output=True, text=True, check=True).stdout
        return float(out.split()[-1])


def main():
    p = argparse.ArgumentParser()
    p.add_argument("file")
    p.add_argument("levain", nargs="?", default=str(Path(__file__).resolve().parents[2] / "target/release/levain"))
    for name, value in (("clients", 8), ("tokens", 64), ("rounds", 5), ("threads", 2)):
        p.add_argument(f"--{name}", type=int, default=value)
    p.add_argument("--theirs", action="store_true", help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.theirs:
        return theirs(a.file, a.threads, a.clients)
    commands = {
        "levain": [a.levain, "serve", f"model={a.file}", "--port", "0", "--threads", str(a.threads)],
        "llama.cpp": [sys.executable, __file__, a.file, "--theirs", "--clients", str(a.clients), "--threads", str(a.threads)],
    }
    runs = {name: [] for name in commands}
    batch, wave = [], []
    for _ in range(a.rounds):
        for name, command in commands.items():
            server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            try:
                port = next(int(line.rsplit(":", 1)[1].split("/")[0].split()[0]) for line in server.stdout if "http://127.0.0.1:" in line)
                threading.Thread(target=server.stdout.read, daemon=True).start()
                for _ in range(600):
                    link = http.client.HTTPConnection("127.0.0.1", port)
                    try:
                        link.request("GET", "/health")
                        if link.getresponse().status == 200:
                            break
                    except OSError:
                        pass
                    time.sleep(0.1)
                ask(port, "Once upon a time", 4)
                runs[name].append(round_of(port, a.clients, a.tokens))
                if name == "levain":
                    together = [threading.Thread(target=ask, args=(port, "! " + prompts(client)[0], a.tokens)) for client in range(a.clients)]
                    start = time.perf_counter()
                    for each in together:
                        each.start()
                    for each in together:
                        each.join()
                    wave.append(time.perf_counter() - start)
            finally:
                server.kill()
                server.wait()
        batch.append(generate(a.levain, a.file, a.threads, a.clients, a.tokens))
    print("| | levain | llama.cpp | ratio |\n|---|---|---|---|")
    for key, name in (("requests_per_s", "requests/s"), ("tokens_per_s", "tokens/s"), ("first_p95_s", "first token, 95th percentile, s")):
        ours, peer = (statistics.median(run[key] for run in runs[who]) for who in ("levain", "llama.cpp"))
        print(f"| {name} | {ours:.2f} | {peer:.2f} | {ours / peer:.2f} |")
    print(f"\n{a.clients} answers of {a.tokens} tokens at once: {statistics.median(wave):.3f} s by the server, {statistics.median(batch):.3f} s by `generate`")


main()
