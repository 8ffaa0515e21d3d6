//! `fungible prove` with traffic that shows less than it seems to: each reason as it is printed, and how it goes away.

use super::shop::{PYTHON, Shop, driven, quoted};
use super::world::program;

#[test]
fn a_cookie_that_never_comes_back() {
    let shop = Shop::new();
    let sentence = "the driver never sends back the cookie sid: let it keep its cookies";
    let with_jar = |jar: &str| {
        let drive = format!("curl -sf {jar} -d '' $BASE_URL/login; curl -s {jar} $BASE_URL/me");
        shop.prove(&driven(&["--share", "data"], &drive, &[]))
    };
    let out = with_jar("").verdict(3, "NOT SHOWN");
    assert!(out.contains(sentence), "{out}");
    let jar = quoted(shop.path("real/jar").to_str().unwrap());
    let out = with_jar(&format!("-b {jar} -c {jar}")).verdict(0, "FUNGIBLE");
    assert!(!out.contains("cookie"), "{out}");
}

#[test]
fn a_value_that_an_earlier_run_had_made() {
    let shop = Shop::new();
    let sentence = "a run answered a value that an earlier run had made: the shared state was not fresh; use {run} in \
                    its name, or --reset";
    // Where a database server would keep them: what is written is real, and each run finds it.
    let book = shop.path("real/book").display().to_string();
    let with_book = |options: &[&str], book: &str| {
        let mut tool = shop.tool(&["--real", "real", "--drive"]);
        tool.arg("curl -sf $BASE_URL/; curl -sf -d x $BASE_URL/; curl -sf $BASE_URL/").args(options);
        tool.args(["--", PYTHON, &program("guests.py"), "{port}", book]);
        shop.ended(&mut tool)
    };
    let out = with_book(&[], &book).verdict(3, "NOT SHOWN");
    let out = out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(out.contains(sentence), "{out}");
    with_book(&[], &format!("{book}-{{run}}")).verdict(0, "FUNGIBLE");
    with_book(&["--reset", &format!("rm -f {}", quoted(&book))], &book).verdict(0, "FUNGIBLE");
}
