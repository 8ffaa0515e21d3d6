"""Invites two guests, changes one invitation, and exports after each."""
from driver import Client, check, expect

client = Client()
for invitation, export in [(("ada", 2), "ada,2\n"), (("bob", 1), "ada,2\nbob,1\n"), (("ada", 3), "ada,3\nbob,1\n")]:
    expect("an invitation", client.post("/invitations", json=dict(zip(["name", "places"], invitation))), 201)
    got = expect("the export", client.get("/export"), 200).text
    check("it is complete", got == export, got)
