//! The pages of the shop in a real browser: somebody shops and pays, and notices nothing of the instances that are killed
//! meanwhile, and no barrier in any page.

use rusqlite::Connection;
use serde_json::{Value, json};
use test_basics::eventually;
use test_chromium::Browser;

use super::person::Person;
use super::world::{Place, is_whole, signal};

/// What is in the cart, as its page shows it: names and how many.
fn cart(browser: &Browser) -> Vec<(String, String)> {
    let rows = "return [...document.querySelectorAll('.lines li')].map((row) => \
                [row.querySelector('b').textContent, row.querySelector('[name=quantity]').value])";
    serde_json::from_value(browser.script(rows, &[])).unwrap()
}

#[track_caller]
fn has(browser: &Browser, expected: &[(&str, &str)]) {
    browser.role("heading", "Cart");
    let expected: Vec<_> = expected.iter().map(|(name, count)| ((*name).to_owned(), (*count).to_owned())).collect();
    assert_eq!(cart(browser), expected);
}

/// Puts one of a product into the cart, which another instance than the one before shows.
fn take(ann: &Person, name: &str) {
    ann.browser.role("button", &format!("Add to cart: {name}")).click();
    ann.browser.says("[role=status]", "It is in the cart.");
    ann.kill_who_answered();
}

fn set(ann: &Person, name: &str, quantity: &str) {
    let browser = &ann.browser;
    browser.role("spinbutton", &format!("How many: {name}")).rewrite(quantity);
    browser.role("button", &format!("Change: {name}")).click();
    browser.says("[role=status]", "The cart is changed.");
}

fn choose(browser: &Browser, card: &str) {
    browser.css(&format!("select[name=card] option[value={card}]")).click();
}

/// The page of the order that was just placed.
#[track_caller]
fn sees_order(ann: &Person, says: &str) {
    ann.browser.says("#state", says);
    let heading = ann.browser.css("h1").text();
    assert!(heading.starts_with("Order "), "{heading}");
    ann.sees(&heading);
}

#[test]
fn somebody_who_shops_notices_no_kill_and_pays_once() {
    if !is_whole() {
        return;
    }
    let place = Place::new();
    let fleet = place.fleet(&["demo", "--app", "shop", "--listen", "127.0.0.1:0", "--data", "data"]);
    fleet.healthy(3);
    let ann = Person::new(&fleet);
    as_a_guest(&ann);
    at_the_checkout(&ann);
    let service = |(pid, command): (i32, String)| command.contains("demo-instance payments").then_some(pid);
    let service = place.processes().into_iter().find_map(service).unwrap();
    while_the_payment_service_stands_still(&ann, service);
    dies_while_it_pays(&ann, service);
    looks_back(&ann);

    let ledger = Connection::open(place.folder.path().join("data/payments.sqlite")).unwrap();
    let count = |sql: &str| ledger.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    // A refused card, and four orders: each was charged once.
    assert_eq!(count("SELECT count(*) FROM charges WHERE charged = 0"), 1);
    assert_eq!(count("SELECT count(*) FROM charges WHERE charged = 1"), 4);
    assert_eq!(count("SELECT count(DISTINCT payee_order) FROM charges"), 5);
}

/// Looks around and fills a cart.
fn as_a_guest(ann: &Person) {
    let browser = &ann.browser;
    ann.open("/");
    ann.sees("Products");
    browser.role("searchbox", "Search products").write("unicorn");
    browser.role("button", "Search").click();
    browser.says("main", "Nothing is called like that.");
    ann.sees("Products");
    browser.role("link", "All products").click();
    browser.role("link", "Cart").click();
    browser.says("main", "The cart is empty.");
    ann.sees("Cart");

    ann.open("/?search=wool");
    take(ann, "Socks");
    ann.open("/?search=holds");
    take(ann, "Mug");
    ann.open("/?search=globe");
    take(ann, "Globe");
    browser.says("main", "1 left, 1 in the cart");
    browser.role("link", "Cart 3").click();
    has(browser, &[("Globe", "1"), ("Mug", "1"), ("Socks", "1")]);
    ann.sees("Cart");
    set(ann, "Mug", "3");
    ann.kill_who_answered();
    browser.role("button", "Remove: Socks").click();
    browser.says("[role=status]", "The cart is changed.");
    ann.kill_who_answered();
    has(browser, &[("Globe", "1"), ("Mug", "3")]);
    ann.open("/nowhere");
    ann.sees("That did not work");
}

/// Registers, is refused twice, and pays.
fn at_the_checkout(ann: &Person) {
    let browser = &ann.browser;
    ann.open("/cart");
    set(ann, "Globe", "2");
    browser.role("button", "Order and pay €215.50").click();
    browser.says("form", "Then you are back at your cart.");
    ann.sees("Log in");
    ann.kill_who_answered();
    browser.role("button", "Register").click();
    browser.says("form", "Then you are back at your cart.");
    ann.sees("Register");
    ann.log_in("Register", "ann");
    browser.says("[role=status]", "Here is your cart.");
    has(browser, &[("Globe", "2"), ("Mug", "3")]);

    ann.kill_who_answered();
    browser.role("button", "Order and pay €215.50").click();
    browser.says("[role=alert]", "Only 1 left of “Globe”");
    ann.sees("Cart");
    set(ann, "Globe", "1");
    choose(browser, "refused");
    browser.role("button", "Order and pay €126.50").click();
    browser.says("[role=alert]", "The card was refused.");
    has(browser, &[("Globe", "1"), ("Mug", "3")]);
    ann.sees("Cart");

    ann.kill_who_answered();
    browser.role("button", "Order and pay €126.50").click();
    browser.says("#state", "It is paid.");
    ann.kill_who_answered();
    // It comes by itself.
    browser.says("#receipt", "Paid: €126.50");
    sees_order(ann, "It is paid.");
}

/// The order is placed and waits until the payment is made.
fn while_the_payment_service_stands_still(ann: &Person, service: i32) {
    let browser = &ann.browser;
    ann.open("/?search=lamp");
    take(ann, "Desk lamp");
    browser.role("link", "Cart 1").click();
    signal(service, "STOP");
    browser.role("button", "Order and pay €49.00").click();
    sees_order(ann, "The payment is being made.");
    ann.kill_who_answered();
    signal(service, "CONT");
    browser.says("#receipt", "1 x Desk lamp");
    browser.says("#state", "It is paid.");

    ann.open("/?search=pencil");
    take(ann, "Pencil");
    browser.role("link", "Cart 1").click();
    choose(browser, "lying");
    browser.role("button", "Order and pay €1.50").click();
    sees_order(ann, "no clear answer");
}

/// The instance dies with the order in its hands. Whoever sends the same form again has the same order.
fn dies_while_it_pays(ann: &Person, service: i32) {
    let (browser, fleet) = (&ann.browser, ann.fleet);
    ann.open("/?search=puzzle");
    take(ann, "Puzzle");
    browser.role("link", "Cart 1").click();
    let pay = browser.role("button", "Order and pay €16.00");
    signal(service, "STOP");
    std::thread::scope(|scope| {
        // The browser waits for the answer.
        scope.spawn(|| pay.click());
        let busy = eventually("an instance that pays", || {
            let status = fleet.status();
            let busy = |one: &Value| (one["in_flight"] != 0).then(|| one["name"].as_str().unwrap().to_owned());
            status["instances"].as_array().unwrap().iter().find_map(busy)
        });
        assert!(fleet.ask(&["kill", &busy]).status.success());
    });
    signal(service, "CONT");
    browser.says("body", "The instance broke off before it answered.");
    browser.reload();
    browser.says("#state", "It is paid.");
    browser.says("#receipt", "1 x Puzzle");
}

/// Her orders and her account.
fn looks_back(ann: &Person) {
    let browser = &ann.browser;
    browser.role("link", "All orders").click();
    ann.sees("Orders");
    let states = "return [...document.querySelectorAll('.orders .state')].map((state) => state.textContent)";
    assert_eq!(browser.script(states, &[]), json!(["paid", "unclear", "paid", "paid", "refused"]));
    browser.role("link", "ann").click();
    ann.sees("Account");
    browser.role("link", "Products").click();
    ann.sees("Products");
    browser.role("button", "Log out").click();
    browser.says("[role=status]", "You are logged out.");
    ann.open("/cart");
    browser.says("main", "The cart is empty.");
    // Somebody else has no orders yet, and a name that is longer than a phone is wide.
    browser.role("link", "Log in").click();
    browser.role("link", "Register").click();
    ann.log_in("Register", "Bartholomew Featherstonehaugh-Cholmondeley of Elsewhere");
    browser.says("[role=status]", "Welcome.");
    ann.open("/?search=chair");
    take(ann, "Folding chair");
    browser.role("link", "Orders").click();
    browser.says("main", "There are none yet.");
    ann.sees("Orders");
}
