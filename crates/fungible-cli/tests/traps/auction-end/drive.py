"""Opens an auction, bids twice, and looks at it."""
from driver import Client, check, expect

bidder = Client()
auction = expect("an auction", bidder.post("/auctions", json={}), 201).json()["id"]
for bid in [10, 25]:
    expect("a bid", bidder.post(f"/auctions/{auction}/bids", json={"bid": bid}), 200)
    seen = expect("the auction", bidder.get(f"/auctions/{auction}"), 200).json()
    check("the bid is there", seen["bid"] == bid, seen)
