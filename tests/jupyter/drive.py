"""Drives the Jupyter kernel with the client that front ends use. The suite runs it; by hand, after `levain jupyter install`:

    pip install -r tests/jupyter/requirements.txt
    python3 tests/jupyter/drive.py
"""

import signal
import time

from jupyter_client.manager import start_new_kernel

manager, client = start_new_kernel(kernel_name="levain", startup_timeout=60)
other = manager.blocking_client()
other.start_channels()
other.wait_for_ready(timeout=60)


def run(code, timeout=120):
    """The reply to a cell, and what everyone heard meanwhile, as (kind, content)."""
    heard = []
    reply = client.execute_interactive(
        code, timeout=timeout, output_hook=lambda m: heard.append((m["header"]["msg_type"], m["content"]))
    )
    return reply["content"], heard


def is_complete(code):
    client.is_complete(code)
    return client.get_shell_msg(timeout=60)["content"]["status"]


def only(heard, kind):
    found = [content for name, content in heard if name == kind]
    assert found, f"no {kind} among {heard}"
    return found[-1]


try:
    # values, names, prints
    reply, heard = run("let a = tensor([[1.0, 2.0], [3.0, 4.0]]); print(\"made\"); a @ a")
    assert reply["status"] == "ok" and reply["execution_count"] == 1, reply
    assert only(heard, "stream")["text"] == "made\n"
    assert only(heard, "execute_result")["data"]["text/plain"].startswith("tensor([[ 7., 10.]")
    reply, heard = run("it.sum().item()")
    assert only(heard, "execute_result")["data"]["text/plain"] == "54.0", heard

    # tables and charts
    _, heard = run('table([#{ name: "old", pieces: 3 }])')
    assert "<table>" in only(heard, "execute_result")["data"]["text/html"]
    _, heard = run('dataset([#{ text: "a" }, #{ text: "b" }])')
    assert "<td" in only(heard, "execute_result")["data"]["text/html"]
    _, heard = run('chart("loss").line("train", [3.0, 2.0, 1.5])')
    assert only(heard, "execute_result")["data"]["image/svg+xml"].startswith("<svg")

    # progress
    _, heard = run('let bar = progress(3, "counting"); for i in 0..3 { bar.tick(); } bar.done();')
    assert "counting" in only(heard, "stream")["text"], heard

    # an error tells its line, and leaves all as it was
    reply, heard = run("let b = 1;\nlet a = 2;\na + nope")
    assert reply["status"] == "error" and reply["ename"] == "nope", reply
    assert any("^" in line for line in reply["traceback"]), reply
    reply, heard = run("a.shape")
    assert only(heard, "execute_result")["data"]["text/plain"] == "[2, 2]"

    # completion, inspection, whether it is whole
    reply = client.complete("a.sha", reply=True, timeout=60)["content"]
    assert reply["matches"] == ["shape"] and reply["cursor_start"] == 2, reply
    reply = client.complete("let 名 = 1; a.sha", reply=True, timeout=60)["content"]
    assert reply["matches"] == ["shape"] and reply["cursor_start"] == 13, reply
    reply = client.complete("train::run(a, a, (), #{ warm", reply=True, timeout=60)["content"]
    assert reply["matches"] == ["warmup: "], reply
    reply = client.inspect("clip", reply=True, timeout=60)["content"]
    assert reply["found"] and "norm" in reply["data"]["text/plain"], reply
    reply = client.inspect("nothing_of_that_name", reply=True, timeout=60)["content"]
    assert not reply["found"], reply
    assert is_complete("fn f(x) {") == "incomplete"
    assert is_complete("f(1)") == "complete"

    # interruption
    message = client.execute("let n = 0; loop { n += 1; }")
    time.sleep(1)
    begun = time.time()
    manager.interrupt_kernel()
    reply = client.get_shell_msg(timeout=60)
    assert reply["parent_header"]["msg_id"] == message and reply["content"]["status"] == "error", reply
    print(f"interrupted after {1000 * (time.time() - begun):.0f} ms")
    reply, heard = run("n > 0")
    assert only(heard, "execute_result")["data"]["text/plain"] == "true", heard

    # a signal does the same, and nothing where nothing runs; the heart beats meanwhile
    manager.signal_kernel(signal.SIGINT)
    message = client.execute("let n = 0; loop { n += 1; }")
    time.sleep(1)
    assert client.hb_channel.is_beating()
    manager.signal_kernel(signal.SIGINT)
    reply = client.get_shell_msg(timeout=60)
    assert reply["parent_header"]["msg_id"] == message and reply["content"]["status"] == "error", reply

    # cells that were sent together with a failed one are not run
    sent = [client.execute(code) for code in ("nope", "print(1)", "2")]
    replies = [client.get_shell_msg(timeout=60) for _ in sent]
    assert [reply["parent_header"]["msg_id"] for reply in replies] == sent
    assert [reply["content"]["status"] for reply in replies] == ["error", "aborted", "aborted"]

    # a second client has the same variables
    reply = other.execute_interactive("n > 0", timeout=60, output_hook=lambda m: None)
    assert reply["content"]["status"] == "ok", reply

    # a restart forgets them
    manager.restart_kernel()
    client.wait_for_ready(timeout=60)
    reply, heard = run("a")
    assert reply["status"] == "error" and reply["execution_count"] == 1, reply
    assert client.is_alive()
finally:
    other.stop_channels()
    client.stop_channels()
    manager.shutdown_kernel(now=False)

print("the kernel does what jupyter_client asks")
