fn main() -> std::process::ExitCode {
    levain::kernel::memory::tune();
    levain::cli::main()
}
