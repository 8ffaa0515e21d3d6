"""Answers three questions, one of them wrong."""
from driver import Client, check, expect

player = Client()
for number, (answer, right) in enumerate([("4", True), ("Turku", False), ("418", True)], 1):
    question = expect("a question", player.get("/"), 200).json()
    check(f"it is question {number}", question["number"] == number, question)
    said = expect("an answer", player.post("/", json={"answer": answer}), 200).json()
    check("it is judged", said == {"correct": right}, said)
end = expect("the end", player.get("/"), 200).json()
check("two were right", end == {"done": True, "right": 2}, end)
expect("a fourth answer", player.post("/", json={"answer": "?"}), 409)
