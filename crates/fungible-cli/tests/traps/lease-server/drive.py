"""Two workers ask for the lead; the first one keeps it."""
from driver import Client, check, expect

client = Client()


def leads(worker):
    return expect("an answer", client.post("/leader", json={"worker": worker}), 200).json()["leads"]


check("the first leads", leads("ada"))
check("the second does not", not leads("bob"))
check("the first still leads", leads("ada"))
check("the second still does not", not leads("bob"))
