//! A log that cannot be written takes nothing from those who buy and those who are paid.

use serde_json::json;
use test_basics::Browser;
use test_cluster::{Engine, Fleet, Program, unwritable};

use crate::{PASSWORD, check_out, orders, payments, put};

#[test]
fn a_log_that_cannot_be_written_changes_no_answer() {
    for ((case, log), (_, log_of_payments)) in unwritable().into_iter().zip(unwritable()) {
        let mut payments = payments();
        payments.replace_unheard(0, log_of_payments);
        let address = format!("http://{}", payments.at(0));
        let program = Program::new(env!("CARGO_BIN_EXE_fungible-shop")).with("SHOP_PAYMENTS", &address);
        let mut fleet = Fleet::start(program, Engine::Sqlite, 1);
        fleet.replace_unheard(0, log);
        let to = fleet.at(0);
        let mut ann = Browser::default();
        let answer = ann.api(to, "POST", "/api/register", json!({ "name": "ann", "password": PASSWORD }));
        assert_eq!(answer.status, 201, "{case}: {answer:?}");
        let answer = put(&mut ann, to, "mug", 2);
        assert_eq!(answer.status, 200, "{case}: {answer:?}");
        let order = check_out(&ann, to, "k", "good").unwrap();
        assert_eq!(order.status, 201, "{case}: {order:?}");
        let kept = orders(&ann, to);
        assert_eq!((kept.len(), &kept[0]["id"]), (1, &order.json()["id"]), "{case}: {kept:?}");
        let charges = Browser::default().get(payments.at(0), "/charges").json();
        assert_eq!(charges["charges"].as_array().unwrap().len(), 1, "{case}: {charges}");
        assert_eq!((fleet.terminate(0), payments.terminate(0)), (Some(0), Some(0)), "{case}");
    }
}

#[test]
fn a_refusal_that_cannot_be_written_leaves_its_exit_code() {
    for program in [env!("CARGO_BIN_EXE_fungible-shop"), env!("CARGO_BIN_EXE_fungible-payments")] {
        for (case, log) in unwritable() {
            let status = Program::new(program).command().stderr(log).status().unwrap();
            assert_eq!(status.code(), Some(2), "{program}, {case}");
        }
    }
}
