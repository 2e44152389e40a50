"""A small S3 client for scripts: signed requests (Signature Version 4), nothing more."""

from __future__ import annotations

import datetime
import hashlib
import hmac
import urllib.error
import urllib.parse
import urllib.request
from typing import BinaryIO, Mapping, Optional

EMPTY = hashlib.sha256(b"").hexdigest()


class Client:
    """A client for one endpoint, in path style."""

    def __init__(self, endpoint: str, access_key: str, secret_key: str, region: str):
        self.endpoint = endpoint.rstrip("/")
        self.access_key = access_key
        self.secret_key = secret_key
        self.region = region

    def bucket_exists(self, bucket: str) -> bool:
        try:
            with self._open("HEAD", f"/{bucket}"):
                return True
        except (urllib.error.HTTPError, OSError):
            return False

    def head(self, bucket: str, key: str) -> Optional[Mapping[str, str]]:
        """The object's headers, or None if there is no such object."""
        try:
            with self._open("HEAD", f"/{bucket}/{key}") as answer:
                return dict(answer.headers)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def get(self, bucket: str, key: str) -> BinaryIO:
        """The object's bytes, as a stream that the caller closes."""
        return self._open("GET", f"/{bucket}/{key}")

    def uploads(self, bucket: str) -> str:
        """The XML list of pending multipart uploads."""
        with self._open("GET", f"/{bucket}", {"uploads": ""}) as answer:
            return answer.read().decode()

    def _open(self, method: str, path: str, query: Optional[Mapping[str, str]] = None):
        path = urllib.parse.quote(path, safe="/-_.~")
        text = "&".join(
            f"{urllib.parse.quote(k, safe='-_.~')}={urllib.parse.quote(v, safe='-_.~')}"
            for k, v in sorted((query or {}).items())
        )
        now = datetime.datetime.now(datetime.timezone.utc)
        headers = self._signed_headers(method, path, text, now)
        url = self.endpoint + path + (f"?{text}" if text else "")
        return urllib.request.urlopen(urllib.request.Request(url, method=method, headers=headers), timeout=60)

    def _signed_headers(self, method: str, path: str, query: str, now: datetime.datetime) -> dict:
        stamp = now.strftime("%Y%m%dT%H%M%SZ")
        day = stamp[:8]
        host = urllib.parse.urlsplit(self.endpoint).netloc
        canonical_headers = f"host:{host}\nx-amz-content-sha256:{EMPTY}\nx-amz-date:{stamp}\n"
        names = "host;x-amz-content-sha256;x-amz-date"
        request = "\n".join([method, path, query, canonical_headers, names, EMPTY])
        scope = f"{day}/{self.region}/s3/aws4_request"
        to_sign = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(request.encode()).hexdigest()])
        key = f"AWS4{self.secret_key}".encode()
        for part in (day, self.region, "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
        authorization = f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        return {"x-amz-date": stamp, "x-amz-content-sha256": EMPTY, "Authorization": authorization}
