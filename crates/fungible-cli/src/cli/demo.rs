//! demo
use super::args::DemoOptions;
pub(super) fn run(_: &DemoOptions) -> anyhow::Result<()> {
    anyhow::bail!("later")
}
pub(super) fn instance(_: &str) -> anyhow::Result<()> {
    anyhow::bail!("later")
}
