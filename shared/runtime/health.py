"""The HTTP pages for monitoring a worker: /metrics, /healthz and /readyz."""

import json

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.runtime import metrics


class Health:
    """Why a worker is not ready, by cause; ready when there is no cause left."""

    def __init__(self, *causes: str) -> None:
        self.causes: dict[str, str] = dict.fromkeys(causes, "starting")
        self.person: set[str] = set()
        """Those of the causes that no restart cures: a person has to decide."""

    def bad(self, cause: str, reason: str, *, person: bool = False) -> None:
        self.causes[cause] = reason
        if person:
            self.person.add(cause)
        metrics.READY.set(0)

    def good(self, cause: str) -> None:
        self.causes.pop(cause, None)
        self.person.discard(cause)
        metrics.READY.set(0 if self.causes else 1)


async def serve(health: Health, host: str, port: int) -> tuple[web.AppRunner, int]:
    """Serve the three pages until the runner is cleaned up; return it and the port taken."""

    async def show_metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def readyz(_: web.Request) -> web.Response:
        person = sorted(health.person)
        body = {"ready": not health.causes, "causes": health.causes, "person": person}
        return web.Response(
            text=json.dumps(body),
            status=503 if health.causes else 200,
            content_type="application/json",
        )

    app = web.Application()
    app.add_routes(
        [
            web.get("/metrics", show_metrics),
            web.get("/healthz", healthz),
            web.get("/readyz", readyz),
        ]
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    taken = runner.addresses[0][1]
    return runner, taken
