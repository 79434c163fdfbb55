"""Whether a request is signed by the account's key, recomputed from the rule and not by the client's code."""
import base64
import hashlib
import hmac
import urllib.parse

SIGNED = ("content-encoding", "content-language", "content-length", "content-md5", "content-type", "date",
          "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range")


def expected(account, key, method, target, headers):
    """Returns the Authorization of a request. headers has lower-case names; target is what stands in the request line."""
    url = urllib.parse.urlsplit(target)
    text = method + "\n" + "".join(headers.get(h, "") + "\n" for h in SIGNED)
    text += "".join("%s:%s\n" % (h, headers[h]) for h in sorted(headers) if h.startswith("ocp-") and headers[h])
    text += "/" + account + url.path
    query = urllib.parse.parse_qs(url.query)
    text += "".join("\n%s:%s" % (name, query[name][0]) for name in sorted(query) if query[name][0])
    mac = hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256)
    return "SharedKey %s:%s" % (account, base64.b64encode(mac.digest()).decode())
