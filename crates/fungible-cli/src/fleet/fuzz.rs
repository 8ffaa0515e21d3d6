//! What reads the requests to the control socket, given any bytes.

use super::control::ControlRequest;

/// A request. What was read is read as the same again when it is written.
///
/// # Panics
/// When an answer cannot be right.
pub fn control_request(data: &[u8]) {
    let Ok(request) = serde_json::from_slice::<ControlRequest>(data) else { return };
    let Ok(written) = serde_json::to_vec(&request) else { return };
    let again: Option<ControlRequest> = serde_json::from_slice(&written).ok();
    assert_eq!(format!("{again:?}"), format!("{:?}", Some(request)));
}
