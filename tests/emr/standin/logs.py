"""Logs of a cluster: gzip files under LogUri, delivered from time to time and once more at the end, as EMR does."""

import gzip
import threading
import time

import boto3
import botocore.config


def split(uri):
    """(bucket, key) of an S3 URI."""
    bucket, _, key = uri.split("://", 1)[1].partition("/")
    return bucket, key


def client(endpoint, region, credentials):
    key, secret, token = credentials
    config = botocore.config.Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"})
    return boto3.client(
        "s3", endpoint_url=endpoint, region_name=region, aws_access_key_id=key, aws_secret_access_key=secret, aws_session_token=token, config=config
    )


class Logs:
    """Delivers with the node's own credentials. Without the permission nothing arrives, and EMR tells nobody."""

    def __init__(self, uri, cluster, make_client, every):
        self.uri, self.cluster, self.make_client, self.every = uri, cluster, make_client, every
        self.files, self.sent, self.failed = {}, {}, 0
        self.never = False
        self.late = {}  # files that are not delivered before a time
        self.ended = threading.Event()
        self.sending = threading.Lock()
        threading.Thread(target=self.deliver, daemon=True).start()

    def add(self, key, path):
        """A file that grows: steps/s-…/stderr and so on."""
        self.files[key] = path

    def deliver(self):
        while not self.ended.wait(self.every()):
            self.send()
        # The last lines come after the end, too.
        late = max(self.late.values(), default=0) - time.monotonic()
        threading.Event().wait(max(self.every(), late + 0.1))
        self.send()

    def send(self):
        if self.never or not self.uri:
            return
        with self.sending:
            for key, path in list(self.files.items()):
                if time.monotonic() < self.late.get(key, 0):
                    continue
                try:
                    data = path.read_bytes()
                except FileNotFoundError:
                    continue
                if self.sent.get(key) == len(data):
                    continue
                bucket, prefix = split(self.uri)
                target = f"{prefix.rstrip('/')}/{self.cluster}/{key}.gz".lstrip("/")
                try:
                    self.make_client().put_object(Bucket=bucket, Key=target, Body=gzip.compress(data))
                    self.sent[key] = len(data)
                except Exception:
                    self.failed += 1
