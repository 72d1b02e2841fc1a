"""A real Ctrl-C while a server is slow: exit status 130, what was done is kept, nothing is left running."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ttscale_evals.result import load_result


class Server(ThreadingHTTPServer):
    """Adds numbers at once; questions about ``3 + 3`` it never answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.is_stuck = threading.Event()
        self.is_over = threading.Event()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.reply({"object": "list", "data": [{"id": "adder", "object": "model"}]})

    def do_POST(self) -> None:
        assert isinstance(self.server, Server)
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        found = re.search(r"What is (\d+)", json.dumps(asked))
        assert found is not None
        if found[1] == "3":
            self.server.is_stuck.set()
            self.server.is_over.wait(60)
            return
        answer = f"\\boxed{{{2 * int(found[1])}}}"
        usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
        choice = {"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}
        self.reply(
            {"id": "1", "object": "chat.completion", "model": "adder", "choices": [choice], "usage": usage}
        )

    def reply(self, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    started = Server()
    thread = threading.Thread(target=started.serve_forever)
    thread.start()
    yield started
    started.is_over.set()
    started.shutdown()
    started.server_close()
    thread.join()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="there are no POSIX signals")
def test_control_c_keeps_what_is_done_and_names_the_resume_command(server: Server, tmp_path: Path) -> None:
    lines = [json.dumps({"question": f"What is {n} + {n}?", "answer": str(2 * n)}) for n in range(4)]
    (tmp_path / "sums.jsonl").write_text("\n".join(lines))
    (tmp_path / "model.yaml").write_text(
        f"model: openai:adder@http://127.0.0.1:{server.server_port}/v1\n"
        "options: {api: chat, streaming: false, requests_per_second: null}\n"
    )
    command = [sys.executable, "-m", "ttscale", "eval", "-b", "jsonl:path=sums.jsonl", "-s", "single"]
    process = subprocess.Popen(
        [*command, "-m", "model.yaml", "--concurrency", "1", "--out", "run", "--json"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.is_stuck.wait(120), process.communicate(timeout=5)
        process.send_signal(signal.SIGINT)
        printed, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, said
    assert printed == ""
    assert "Go on with: ttscale eval run/config.yaml --out run --resume" in said
    assert "Traceback" not in said
    (row,) = load_result(tmp_path / "run").rows
    assert (row.num_problems, row.num_correct, row.num_missing) == (3, 3, 1)
