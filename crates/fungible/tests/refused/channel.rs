use fungible::Stateless;
use tokio::sync::mpsc;

#[derive(Clone, Stateless)]
struct App {
    mails: mpsc::Sender<String>,
}

fn main() {}
