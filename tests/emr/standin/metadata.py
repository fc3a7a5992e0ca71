"""The instance metadata service of a node: region and the credentials of its instance profile, with tokens (version 2)."""

import datetime
import http.server
import json
import threading


class Metadata:
    """Serves on a port of its own. `credentials()` gives (key, secret, token or None)."""

    def __init__(self, region, role, credentials):
        pages = {
            "/latest/meta-data/placement/region": lambda: region,
            "/latest/meta-data/placement/availability-zone": lambda: region + "a",
            "/latest/dynamic/instance-identity/document": lambda: json.dumps({"region": region}),
            "/latest/meta-data/iam/security-credentials": lambda: role,
            f"/latest/meta-data/iam/security-credentials/{role}": lambda: self.keys(credentials()),
        }

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self, status, text=""):
                body = text.encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
                self.end_headers()
                self.wfile.write(body)

            def do_PUT(self):
                self.answer(200, "token") if self.path == "/latest/api/token" else self.answer(404)

            def do_GET(self):
                page = pages.get(self.path.rstrip("/"))
                if self.headers.get("X-Aws-Ec2-Metadata-Token") != "token":
                    self.answer(401)
                elif page:
                    self.answer(200, page())
                else:
                    self.answer(404)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    @staticmethod
    def keys(credentials):
        key, secret, token = credentials
        now = datetime.datetime.now(datetime.timezone.utc)
        stamp = "%Y-%m-%dT%H:%M:%SZ"
        return json.dumps(
            {
                "Code": "Success",
                "Type": "AWS-HMAC",
                "LastUpdated": now.strftime(stamp),
                "AccessKeyId": key,
                "SecretAccessKey": secret,
                "Token": token or "",
                "Expiration": (now + datetime.timedelta(hours=6)).strftime(stamp),
            }
        )

    def close(self):
        self.server.shutdown()
        self.server.server_close()
