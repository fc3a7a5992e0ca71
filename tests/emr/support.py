"""What the tests of this folder share: servers on free ports, an archive of tablehaul, waiting."""

import gzip
import hashlib
import io
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tarfile
import tempfile
import time
import urllib.request

import boto3
from botocore.config import Config

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CACHE = pathlib.Path(os.environ.get("TABLEHAUL_CACHE", pathlib.Path.home() / ".cache/tablehaul"))
BOOTSTRAP = ROOT / "emr-bootstrap"
# Where the binaries of this project are.
BINARIES = pathlib.Path(os.environ.get("TABLEHAUL_BINARIES", pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"))
KEYS = {"aws_access_key_id": "testkey", "aws_secret_access_key": "testsecret"}
REGION = "us-east-1"
VERSION = "0.1.0"
ARCH = os.uname().machine


def aws_tool():
    """The `aws` of a node: the real one."""
    return f'#!/bin/sh\nexec {CACHE}/aws/bin/python -B {CACHE}/aws/bin/aws "$@"\n'


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def listens(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def wait_for(what, ask, seconds=30, every=0.1):
    """Asks until the answer is true, and gives it."""
    end = time.monotonic() + seconds
    while not (answer := ask()):
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(every)
    return answer


class Server:
    """A process that ends with the test; `url` is where it listens."""

    def __init__(self, argv, environment=None, port=None):
        self.folder = None
        stdout = subprocess.DEVNULL if port else subprocess.PIPE
        self.process = subprocess.Popen(list(map(str, argv)), env={**os.environ, **(environment or {})}, stdin=subprocess.PIPE, stdout=stdout, stderr=subprocess.DEVNULL)
        if port:
            wait_for(argv[0], lambda: listens(port))
            self.url = f"http://127.0.0.1:{port}"
        else:
            line = self.process.stdout.readline().decode()
            if not line.startswith("listening on "):
                raise RuntimeError(f"{argv[0]} did not start: {line}")
            self.url = "http://" + line.split()[2]

    def ask(self, path, sent=None):
        """A page of the server, as JSON; with `sent`, by POST."""
        data = None if sent is None else json.dumps(sent).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data=data)) as answer:
            return json.loads(answer.read() or b"null")

    def stop(self):
        self.process.stdin.close()
        self.process.terminate()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)


def start_s3():
    folder, port = tempfile.mkdtemp(prefix="s3-"), free_port()
    argv = [CACHE / "bin/versitygw", "--quiet", "--port", f"127.0.0.1:{port}", "posix", folder]
    server = Server(argv, {"ROOT_ACCESS_KEY": KEYS["aws_access_key_id"], "ROOT_SECRET_KEY": KEYS["aws_secret_access_key"]}, port)
    server.folder = folder
    return server


def give_s3(tests):
    """Gives a class of tests an S3 of its own, with the empty bucket `mybucket`."""
    tests.s3_server = start_s3()
    tests.addClassCleanup(tests.s3_server.stop)
    tests.s3 = client("s3", tests.s3_server.url)
    tests.s3.create_bucket(Bucket="mybucket")


def start_dynamodb(*tables):
    """The project's own stand-in; tables as its --table takes them."""
    return Server([BINARIES / "fake-dynamodb", "--exit-with-stdin", *(f"--table={table}" for table in tables)])


def start_emr(s3, environment=None, times=None):
    aws = tempfile.NamedTemporaryFile("w", suffix="-aws")
    aws.write(aws_tool())
    aws.flush()
    argv = [HERE / "server", "--s3", s3, "--exit-with-stdin", "--tools", json.dumps({"aws": aws.name}), "--visible", CACHE / "aws"]
    argv += ["--environment", json.dumps(environment or {}), "--times", json.dumps(times or {})]
    return Server(argv)


def client(service, url, retries=2, **keys):
    config = Config(retries={"max_attempts": retries}, s3={"addressing_style": "path"})
    return boto3.client(service, endpoint_url=url, region_name=REGION, config=config, **{**KEYS, **keys})


def archive(files, version=VERSION):
    """A package as scripts/package makes it; `files` are names and contents, or paths."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as tar:
        for name, content in files.items():
            data = content.read_bytes() if isinstance(content, pathlib.Path) else content.encode()
            entry = tarfile.TarInfo(f"tablehaul-{version}/{name}")
            entry.size, entry.mode = len(data), 0o755
            tar.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def real_archive():
    """The real binaries, without what only debuggers need."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("tablehaul", "tablehaul-worker"):
            subprocess.run(["strip", "-o", f"{folder}/{name}", BINARIES / name], check=True)
        return archive({name: pathlib.Path(folder, name) for name in ("tablehaul", "tablehaul-worker")})


def sum_of(data):
    return hashlib.sha256(data).hexdigest()


def upload(url, folder, archives):
    """Runs upload.sh with the AWS CLI; `archives` are names and bytes. Gives what it prints."""
    with tempfile.TemporaryDirectory() as place:
        tool = pathlib.Path(place, "bin", "aws")
        tool.parent.mkdir()
        tool.write_text(aws_tool())
        tool.chmod(0o755)
        paths = []
        for name, data in archives.items():
            path = pathlib.Path(place, name)
            path.write_bytes(data)
            paths.append(str(path))
        environment = {**os.environ, "PATH": f"{tool.parent}:{os.environ['PATH']}", "AWS_ENDPOINT_URL_S3": url, "AWS_REGION": REGION}
        environment |= {"AWS_ACCESS_KEY_ID": "testkey", "AWS_SECRET_ACCESS_KEY": "testsecret"}
        done = subprocess.run([BOOTSTRAP / "upload.sh", folder, *paths], env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def unzipped(s3, uri):
    """A log as EMR delivers it, or None as long as it is not there."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    try:
        return gzip.decompress(s3.get_object(Bucket=bucket, Key=key)["Body"].read()).decode()
    except s3.exceptions.NoSuchKey:
        return None


def last_line(text):
    return ([line for line in text.splitlines() if line.strip()] or [""])[-1]
