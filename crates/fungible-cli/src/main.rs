//! The binary `fungible`.

use std::process::ExitCode;

fn main() -> ExitCode {
    fungible_cli::main()
}
