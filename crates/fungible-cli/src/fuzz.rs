//! Whatever of ours parses bytes from the network, given any bytes: each function stops at a panic, and at an answer that cannot
//! be right. They are called by the fuzz targets in the folder `fuzz`, and by the short run of these below.

pub use crate::admin::fuzz::admin_request;
pub use crate::balancer::fuzz::{
    event_stream, http1_framing, http1_response, http2_frames, proxy_header, request_head, response_head,
    websocket_frames, websocket_messages,
};
pub use crate::fleet::fuzz::control_request;
pub use crate::prove::fuzz::{app_body, app_head, app_text};

#[cfg(test)]
mod tests {
    test_basics::fuzz_briefly! { fungible_cli:
        admin_request 2000,
        app_body 1000,
        app_head 1000,
        app_text 1000,
        control_request 2000,
        event_stream 2000,
        http1_framing 2000,
        http1_response 2000,
        http2_frames 2000,
        proxy_header 2000,
        request_head 2000,
        response_head 2000,
        websocket_frames 2000,
        websocket_messages 2000,
    }
}
