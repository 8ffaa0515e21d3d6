"""Pushes an image of one layer, as a client does that sends blobs in chunks, and pulls it."""
import hashlib
import json

from driver import Client, check, expect

client = Client()


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def blob(data):
    """Sends it in one chunk, then completes it."""
    digest = digest_of(data)
    expect("a blob that is not there", client.send("HEAD", f"/v2/notes/blobs/{digest}"), 404)
    place = expect("an upload", client.post("/v2/notes/blobs/uploads/"), 202).path()
    headers = {"Content-Type": "application/octet-stream"}
    place = expect("a chunk", client.send("PATCH", place, data=data, headers=headers), 202).path()
    expect("the end of the upload", client.put(f"{place}&digest={digest}"), 201)
    return {"digest": digest, "size": len(data)}


expect("the version of the API", client.get("/v2/"), 200)
layer = b"a layer, not packed\n" * 200
config = {"mediaType": "application/vnd.oci.image.config.v1+json", **blob(b"{}")}
layers = [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **blob(layer)}]
kind = "application/vnd.oci.image.manifest.v1+json"
manifest = json.dumps({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers}).encode()
expect("the manifest", client.put("/v2/notes/manifests/v1", data=manifest, headers={"Content-Type": kind}), 201)

tags = expect("the tags", client.get("/v2/notes/tags/list"), 200).json()
check("the tag is listed", tags == {"name": "notes", "tags": ["v1"]}, tags)
got = expect("the manifest", client.get("/v2/notes/manifests/v1", headers={"Accept": kind}), 200)
check("it is what was pushed", got.body == manifest, got)
got = expect("the layer", client.get(f"/v2/notes/blobs/{layers[0]['digest']}"), 200)
check("it is what was pushed", got.body == layer)
