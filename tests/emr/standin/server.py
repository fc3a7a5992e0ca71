"""The server: moto (IAM, STS, S3, DynamoDB, EMR's lists) whose EMR is ours, with faults, counts and settings over HTTP.

  GET  /_emr/stats      {"calls": {"DescribeCluster": 3, …}, "log": [[seconds, action, cluster or null], …]}
  POST /_emr/reset      forgets counts and faults
  GET, POST /_emr/faults    the rules; faults.py says what they are
  POST /_emr/times      {"start": 0.3, "end": 0.1, "logs": 1}: seconds a cluster needs to start and to end, and between deliveries of logs
  POST /_emr/environment  {"NAME": "value"}: more variables of every process on a node
  POST /_emr/prices     {"m5.xlarge": [0.192, 0.048]}: the price list: dollars an hour of EC2 and of EMR; empty denies it
  POST /_emr/enforce    from now on every call of moto and EMR needs a policy, and nodes have keys of their role
  GET  /_emr/checked    [[action, resource], …] that policies were asked about
  POST /_emr/strike     {"id": "j-…", "how": "kill" | "lost"}: kills the running step's process, or the leader vanishes, now
  GET  /_emr/clusters   [{"id", "name", "state", "reason", "folder", "log_failures"}]
"""

import argparse
import io
import json
import os
import pathlib
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from urllib.parse import parse_qs

import moto.emr.urls
from moto.iam.models import iam_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from . import iam, logs
from .api import Emr
from .faults import Faults
from .stacks import Stacks


class World:
    def __init__(self, options):
        self.region, self.endpoint = options.region, options.s3
        self.times = {"start": 0.3, "end": 0.1, "logs": 1.0, **json.loads(options.times)}
        self.environment = {"AWS_ENDPOINT_URL_S3": options.s3, "TABLEHAUL_S3_ENDPOINT": options.s3, **json.loads(options.environment)}
        self.tools = {name: pathlib.Path(path).read_text() for name, path in json.loads(options.tools).items()}
        self.visible = options.visible
        self.folder = tempfile.mkdtemp(prefix="emr-")
        os.chmod(self.folder, 0o755)
        self.enforces = False
        self.clusters, self.faults = {}, Faults()
        self.prices, self.stacks = {}, Stacks()
        self.checked = set()

    def all_clusters(self):
        """As they are now: another request may add one while somebody goes through them."""
        return list(self.clusters.values())

    def s3(self, credentials):
        return logs.client(self.endpoint, self.region, credentials)

    def seen(self, action, resource):
        self.checked.add((action, resource))

    def iam(self, account):
        return iam_backends[account]["aws"]

    def credentials(self, role):
        """What the metadata of a node gives: keys of its role once roles count, else those that every stand-in takes."""
        return iam.session(role) if self.enforces else ("testkey", "testsecret", None)


class Application:
    """Faults and counts of EMR's calls, and the pages of the tests; the rest is moto's."""

    def __init__(self, world, inner):
        self.world, self.inner = world, inner
        self.log, self.start = [], time.monotonic()

    def __call__(self, environ, respond):
        path = environ.get("PATH_INFO", "")
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        if path.startswith("/_emr/"):
            return self.page(environ, respond, path.removeprefix("/_emr/"))
        if target == "AWSPriceListService.GetProducts":
            return self.prices(environ, respond)
        if (environ.get("CONTENT_TYPE") or "").startswith("application/x-www-form-urlencoded"):
            return self.form(environ, respond)
        if not target.startswith("ElasticMapReduce."):
            return self.inner(environ, respond)
        action = target.partition(".")[2]
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length)
        wanted = json.loads(body or b"{}")
        self.log.append((round(time.monotonic() - self.start, 3), action, wanted.get("ClusterId") or wanted.get("JobFlowId")))
        fault = self.world.faults.call(action) or {}
        time.sleep(fault.get("seconds", 0))
        if "error" in fault:
            text = json.dumps({"__type": fault["error"], "message": fault.get("message", "")})
            return self.answer(respond, text, fault.get("status", 400), "application/x-amz-json-1.1")
        if fault.get("lost") == "request":
            return self.close(environ)
        # moto reads the body itself.
        environ["wsgi.input"] = io.BytesIO(body)
        answer = self.inner(environ, respond if fault.get("lost") != "answer" else lambda *_: None)
        return self.close(environ) if fault.get("lost") == "answer" else answer

    @staticmethod
    def body(environ):
        return environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))

    def prices(self, environ, respond):
        wanted = json.loads(self.body(environ))
        if not self.world.prices or not iam.may(self.world, environ.get("HTTP_AUTHORIZATION"), "pricing:GetProducts", "*"):
            denied = {"__type": "AccessDeniedException", "Message": "User is not authorized to perform: pricing:GetProducts"}
            return self.answer(respond, json.dumps(denied), 400, "application/x-amz-json-1.1")
        return self.answer(respond, json.dumps(iam.price_list(self.world.prices, wanted)), 200, "application/x-amz-json-1.1")

    def form(self, environ, respond):
        """IAM's simulator and CloudFormation; other forms are moto's."""
        body = self.body(environ)
        form = parse_qs(body.decode())
        if "/cloudformation/aws4_request" in environ.get("HTTP_AUTHORIZATION", ""):
            status, text = self.world.stacks.answer(form["Action"][0], form) or (400, "<Error><Code>InvalidAction</Code></Error>")
            return self.answer(respond, text, status, "text/xml")
        if form.get("Action") != ["SimulatePrincipalPolicy"]:
            environ["wsgi.input"] = io.BytesIO(body)
            return self.inner(environ, respond)
        if not iam.may(self.world, environ.get("HTTP_AUTHORIZATION"), "iam:SimulatePrincipalPolicy", form["PolicySourceArn"][0]):
            denied = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not authorized</Message></Error></ErrorResponse>"
            return self.answer(respond, denied, 403, "text/xml")
        status, text = iam.simulate(form)
        return self.answer(respond, text, status, "text/xml")

    @staticmethod
    def close(environ):
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        raise ConnectionAbortedError

    @staticmethod
    def answer(respond, text, status=200, kind="application/json"):
        data = text.encode()
        respond(f"{status} .", [("Content-Type", kind), ("Content-Length", str(len(data)))])
        return [data]

    def page(self, environ, respond, name):
        length = int(environ.get("CONTENT_LENGTH") or 0)
        sent = environ["wsgi.input"].read(length)
        try:
            return self.answer(respond, json.dumps(self.admin(environ["REQUEST_METHOD"], name, sent)))
        except (ValueError, KeyError) as error:
            return self.answer(respond, f"{error}\n", 400, "text/plain")

    def admin(self, method, name, sent):
        world = self.world
        if name == "stats":
            calls = {}
            for _, action, _ in self.log:
                calls[action] = calls.get(action, 0) + 1
            return {"calls": calls, "log": self.log}
        if name == "reset":
            self.log.clear()
            world.checked.clear()
            world.faults.set([])
        elif name == "faults":
            if method == "POST":
                world.faults.set(json.loads(sent))
            return world.faults.rules
        elif name == "times":
            world.times.update(json.loads(sent))
            return world.times
        elif name == "environment":
            world.environment.update(json.loads(sent))
        elif name == "prices":
            world.prices = json.loads(sent)
        elif name == "strike":
            world.clusters[json.loads(sent)["id"]].strike(json.loads(sent)["how"])
        elif name == "enforce":
            world.enforces = True
            iam.enforce()
        elif name == "checked":
            return sorted(world.checked.copy())
        elif name == "clusters":
            keys = lambda c: {"id": c.id, "name": c.name, "state": c.state, "reason": c.reason, "folder": str(c.folder), "log_failures": c.logs.failed}
            return [keys(cluster) for cluster in world.all_clusters()]
        else:
            raise KeyError(name)
        return {}


class Quiet(MotoRequestHandler):
    def log_request(self, *_):
        pass

    def log_error(self, *_):
        pass


def main():
    parser = argparse.ArgumentParser(prog="tests/emr/server", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one; the server prints `listening on 127.0.0.1:PORT`")
    parser.add_argument("--s3", required=True, help="the S3 of scripts, logs and steps")
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--environment", default="{}", help='variables of every process on a node, as JSON: {"TABLEHAUL_DYNAMODB_ENDPOINT": …}')
    parser.add_argument("--tools", default="{}", help='commands of every node, as JSON: {"aws": "file"}')
    parser.add_argument("--visible", action="append", default=[], help="a folder of this machine that nodes see")
    parser.add_argument("--times", default="{}", help="as for /_emr/times")
    parser.add_argument("--exit-with-stdin", action="store_true", help="end when standard input is closed")
    options = parser.parse_args()
    sys.setswitchinterval(float(os.environ.get("EMR_STANDIN_SWITCH", sys.getswitchinterval())))
    world = Emr.world = World(options)
    moto.emr.urls.url_paths = {"{0}/$": Emr.dispatch}
    iam.install(world)
    application = Application(world, DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", options.port, application, threaded=True, request_handler=Quiet)
    if world.endpoint == "self":
        world.endpoint = f"http://127.0.0.1:{server.server_port}"
        world.environment.update({"AWS_ENDPOINT_URL_S3": world.endpoint, "TABLEHAUL_S3_ENDPOINT": world.endpoint})
    print(f"listening on 127.0.0.1:{server.server_port}", flush=True)
    stop = lambda *_: threading.Thread(target=server.shutdown, daemon=True).start()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    if options.exit_with_stdin:
        threading.Thread(target=lambda: (sys.stdin.buffer.read(), stop()), daemon=True).start()
    server.serve_forever()
    for cluster in world.all_clusters():
        cluster.remove()
    shutil.rmtree(world.folder, ignore_errors=True)


if __name__ == "__main__":
    main()
