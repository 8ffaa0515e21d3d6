//! The pages, without script: each form is sent to another instance than the page came from.

use test_basics::{Answer, Browser, eventually};
use test_cluster::Engine;

use crate::{PASSWORD, Shop};

/// The value of the first field with this name.
fn field(page: &Answer, name: &str) -> String {
    let rest =
        page.body.split_once(&format!("name=\"{name}\"")).unwrap_or_else(|| panic!("no {name} in {}", page.body)).1;
    let value = rest.split_once("value=\"").unwrap().1;
    value.split_once('"').unwrap().0.to_owned()
}

#[test]
fn a_guest_fills_a_cart_logs_in_at_the_checkout_and_gets_a_receipt() {
    let mut shop = Shop::start(Engine::Sqlite, 3);
    let mut guest = Browser::default();
    let shelf = guest.get(shop.fleet.next(), "/?search=mug");
    assert!(shelf.body.contains("Holds a third") && !shelf.body.contains("Folding chair"), "{}", shelf.body);
    // Sent twice, it is one mug.
    for _ in 0..2 {
        let quantity = field(&shelf, "quantity");
        let added = guest.post(shop.fleet.next(), "/cart/mug", &[("quantity", &quantity), ("search", "mug")]);
        assert_eq!(added.location(), "/?search=mug&notice=cart");
    }
    let cart = guest.get(shop.fleet.next(), "/cart");
    assert!(cart.body.contains("Order and pay €12.50"), "{}", cart.body);
    let key = field(&cart, "key");
    let login = guest.post(shop.fleet.next(), "/checkout", &[("key", &key), ("card", "good")]);
    assert_eq!(login.status, 401, "{login:?}");
    assert!(login.body.contains("back at your cart") && !login.body.contains("has ended"), "{}", login.body);
    // Who is new goes from there to the other form, which leads to the cart as well.
    let other = [("show", "yes"), ("name", ""), ("password", ""), ("to_cart", "yes")];
    let register = guest.post(shop.fleet.next(), "/register", &other);
    assert_eq!((register.status, field(&register, "to_cart").as_str()), (200, "yes"), "{}", register.body);
    let fields = [("name", "ann"), ("password", PASSWORD), ("to_cart", "yes")];
    assert_eq!(guest.post(shop.fleet.next(), "/register", &fields).location(), "/cart?notice=back");
    let cart = guest.get(shop.fleet.next(), "/cart?notice=back");
    assert!(cart.body.contains("Order and pay €12.50") && cart.body.contains("Here is your cart"), "{}", cart.body);

    let key = field(&cart, "key");
    let refused = guest.post(shop.fleet.next(), "/checkout", &[("key", &key), ("card", "refused")]);
    assert_eq!(refused.status, 402, "{refused:?}");
    assert!(
        refused.body.contains("The card was refused") && refused.body.contains("Order and pay"),
        "{}",
        refused.body
    );
    let key = field(&refused, "key");
    let ordered = guest.post(shop.fleet.next(), "/checkout", &[("key", &key), ("card", "good")]);
    let again = guest.post(shop.fleet.next(), "/checkout", &[("key", &key), ("card", "good")]);
    assert_eq!(ordered.location(), again.location());
    eventually("the receipt", || {
        let order = guest.get(shop.fleet.next(), ordered.location());
        assert!(order.body.contains("It is paid"), "{}", order.body);
        order.body.contains("Receipt for order").then_some(())
    });
    let all = guest.get(shop.fleet.next(), "/orders");
    assert_eq!(all.body.matches("<a href=\"/orders/").count(), 2, "{}", all.body);
    assert!(guest.get(shop.fleet.next(), "/cart").body.contains("The cart is empty"));
}

#[test]
fn quantities_are_changed_and_refused() {
    let mut shop = Shop::start(Engine::Sqlite, 2);
    let mut ann = shop.customer("ann");
    assert_eq!(ann.post(shop.fleet.next(), "/cart/globe", &[("quantity", "2")]).location(), "/cart?notice=changed");
    let cart = ann.get(shop.fleet.next(), "/cart");
    assert!(cart.body.contains("only 1 left"), "{}", cart.body);
    let key = field(&cart, "key");
    let few = ann.post(shop.fleet.next(), "/checkout", &[("key", &key), ("card", "good")]);
    assert_eq!((few.status, few.body.contains("Only 1 left of “Globe”")), (409, true), "{}", few.body);
    for quantity in ["", "x", "-1", "100"] {
        let answer = ann.post(shop.fleet.next(), "/cart/globe", &[("quantity", quantity)]);
        assert_eq!((answer.status, answer.body.contains("from 0 to 99")), (422, true), "{}", answer.body);
    }
    ann.post(shop.fleet.next(), "/cart/globe", &[("quantity", "0")]);
    assert!(ann.get(shop.fleet.next(), "/cart").body.contains("The cart is empty"));
    for path in ["/orders", "/account"] {
        assert_eq!(Browser::default().get(shop.fleet.next(), path).location(), "/login");
    }
}
