//! The tool.

#[cfg_attr(not(test), expect(dead_code, reason = "the fleet, which uses it, comes next"))]
mod balancer;
