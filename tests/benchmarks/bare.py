"""The peer of the studio: a page with livekit-client alone, and the few lines of a server that starts its sessions.

It does what it takes to see the avatar, and no more. A click asks its server for a session (token and start over
REST, on a connection that is kept), the page joins the room of the answer with livekit-client as it is by default,
attaches what it is given, and stops its clock at `requestVideoFrameCallback` of the first video.

What it leaves out: JupyterLab, its page and its kernel; the journal and the guard that end a session which nobody
stops; the session's own WebSocket, by which the avatar speaks; the question whether the room can be reached; token and
library by way of the kernel (its library is loaded with the page, before the click); captions, controls, states.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from liveavatar_nb import Simulator

from .packages import package_file

LIBRARY = "livekit-client/dist/livekit-client.umd.js"
CALL_LIMIT = 30.0  # s
PAGE = """<!doctype html><meta charset="utf-8"><title>bare</title>
<script src="/livekit-client.js"></script>
<button>Start</button>
<script>
const now = () => performance.timeOrigin + performance.now();
let room = null;
document.querySelector("button").addEventListener("click", async (event) => {
  globalThis.marks = { click: performance.timeOrigin + event.timeStamp };
  const { livekit_url, livekit_client_token } = await (await fetch("/start", { method: "POST" })).json();
  marks.started = now();
  room = new LivekitClient.Room();
  room.on("trackSubscribed", (track) => {
    const element = document.body.appendChild(track.attach());
    if (track.kind !== "video") return;
    marks.track = now();
    element.requestVideoFrameCallback(() => {
      marks.frame = now();
    });
  });
  await room.connect(livekit_url, livekit_client_token);
  marks.joined = now();
});
const leave = async () => {
  await room.disconnect();
  for (const element of document.querySelectorAll("video, audio")) element.remove();
};
</script>
"""


class Service:
    """Starts and stops sessions of one avatar, in LITE and 720p, by REST alone."""

    def __init__(self, simulator: Simulator, avatar_id: str) -> None:
        self._avatar_id = avatar_id
        self._client = httpx.Client(
            base_url=simulator.url, headers={"X-API-KEY": simulator.api_key}, trust_env=False, timeout=CALL_LIMIT
        )
        self._tokens: list[str] = []
        self.socket_url: str | None = None  # the newest session's

    def start(self) -> dict[str, Any]:
        """The start call's answer."""
        video = {"quality": "high", "encoding": "H264"}
        body = {"mode": "LITE", "avatar_id": self._avatar_id, "video_settings": video}
        token = self._call("token", json=body)["session_token"]
        self._tokens.append(token)
        answer = self._call("start", headers={"Authorization": f"Bearer {token}"})
        self.socket_url = answer["ws_url"]
        return answer

    def stop(self) -> None:
        """Stops all that it started."""
        while self._tokens:
            self._call("stop", headers={"Authorization": f"Bearer {self._tokens.pop()}"}, json={})

    def close(self) -> None:
        self.stop()
        self._client.close()

    def _call(self, operation: str, **told: Any) -> dict[str, Any]:
        answer = self._client.post(f"/v1/sessions/{operation}", **told)
        answer.raise_for_status()
        data: dict[str, Any] = answer.json()["data"]
        return data


@contextmanager
def served(service: Service) -> Iterator[str]:
    """The address of the page, while it is served.

    Raises:
        NotInstalled: The front end's packages are not installed.
    """
    library = package_file(LIBRARY).read_bytes()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path == "/":
                self._answer("text/html", PAGE.encode())
            elif self.path == "/livekit-client.js":
                self._answer("text/javascript", library)
            else:
                self.send_error(404)

        def do_POST(self) -> None:
            self._answer("application/json", json.dumps(service.start()).encode())

        def log_message(self, *_: object) -> None:
            """Nothing: the output is the tables'."""

        def _answer(self, kind: str, content: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True  # a browser keeps connections that it does not use
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()
