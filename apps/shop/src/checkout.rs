//! The steps of a checkout. An instance may crash between any two of them: each step enqueues the next one as a job in its own
//! transaction, and whatever instance runs that job sends the same key to the payment service.
//!
//! | step | one transaction |
//! |---|---|
//! | place | the answer under the client's key, the goods, the order, the cart, the job that pays |
//! | pay | the payment service is asked; then the job's end, the order's state, the job that writes the receipt |
//! | confirm | the job's end, the receipt |

use std::time::{Duration, Instant};

use fungible::failpoint::failpoint;
use fungible::{Job, JobError, OnceKey, Tx, UserId, Worker, WorkerOptions};
use uuid::Uuid;

use crate::app::App;
use crate::catalogue::money;
use crate::orders::{Order, Orders, PAY, PlaceError, RECEIPT, State};
use crate::payments::{ChargeError, Outcome};

/// The cards that the payment service of this example knows, with their descriptions.
pub(crate) const CARDS: [(&str, &str); 6] = [
    ("good", "A card that works"),
    ("refused", "A card that is refused"),
    ("slow", "A card that takes its time"),
    ("silent", "A card that is charged, and nobody hears of it at first"),
    ("lying", "A card for which the payment service lies"),
    ("garbled", "A card for which the payment service talks nonsense"),
];

/// How long a checkout waits for the payment before it answers that it is in progress.
const PATIENCE: Duration = Duration::from_secs(8);

/// The impossible responses for one order after which a person must look at it.
const NONSENSE_MAX: u32 = 3;

/// Places an order under the client's key, and waits for the payment for a while.
pub(crate) async fn check_out(
    app: &App,
    key: OnceKey,
    user: UserId,
    card: String,
) -> Result<Option<Order>, PlaceError> {
    failpoint("checkout.begun");
    let place = async move |tx: &mut Tx| Orders::place(tx, user, &card).await;
    let placed = app.once.try_run(key, place).await?.answer;
    failpoint("checkout.placed");
    // A repeated request waits for the same order.
    app.jobs.nudge();
    let began = Instant::now();
    let mut pause = Duration::from_millis(5);
    while app.orders.due(placed).await?.is_some_and(|due| due.state == State::Paying) && began.elapsed() < PATIENCE {
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(Duration::from_millis(100));
    }
    failpoint("checkout.answered");
    // The receipt is written later; the order shows it.
    Ok(app.orders.find(user, placed).await?.map(|order| Order { receipt: None, ..order }))
}

/// The worker for the jobs on this instance.
pub(crate) fn worker(app: &App) -> Worker {
    let options = WorkerOptions::default().at_once(16).first_pause(Duration::from_millis(250));
    let attempts = options.attempts;
    let (paying, confirming) = (app.clone(), app.clone());
    Worker::new(app.jobs.clone(), options)
        .on(PAY, move |job| pay(paying.clone(), job, attempts))
        .on(RECEIPT, move |job| confirm(confirming.clone(), job))
}

/// Has an order paid, and stores the outcome.
async fn pay(app: App, job: Job, attempts: u32) -> Result<(), JobError> {
    failpoint("pay.taken");
    let order: Uuid = job.payload()?;
    let Some(due) = app.orders.due(order).await? else {
        return Err(JobError::GivenUp("there is no such order".to_owned()));
    };
    let state = match app.payments.charge(order, due.cents, &due.card).await {
        Ok(Outcome::Charged) => State::Paid,
        Ok(Outcome::Refused) => State::Refused,
        Err(error) => {
            let hopeless =
                matches!(error, ChargeError::Nonsense(_)) && app.orders.nonsense(order).await? >= NONSENSE_MAX;
            if hopeless || job.attempts >= attempts {
                app.orders.unclear(order).await?;
                return Err(JobError::GivenUp(error.to_string()));
            }
            return Err(JobError::Failed(error.to_string()));
        }
    };
    failpoint("pay.charged");
    job.finish(async move |tx| Ok(Orders::settle(tx, order, state).await?)).await?;
    app.jobs.nudge();
    Ok(())
}

/// Writes the receipt of an order.
async fn confirm(app: App, job: Job) -> Result<(), JobError> {
    failpoint("receipt.taken");
    let order: Uuid = job.payload()?;
    let Some(found) = app.orders.any(order).await? else {
        return Err(JobError::GivenUp("there is no such order".to_owned()));
    };
    let text = receipt(&found);
    job.finish(async move |tx| Ok(Orders::confirm(tx, order, &text).await?)).await
}

fn receipt(order: &Order) -> String {
    let line = |line: &crate::orders::Line| {
        format!("{} x {}, {}\n", line.quantity, line.name, money(line.cents * i64::from(line.quantity)))
    };
    let lines: String = order.lines.iter().map(line).collect();
    format!("Receipt for order {}\n{lines}Paid: {}\n", order.id, money(order.cents))
}
