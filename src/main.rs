fn main() -> std::process::ExitCode {
    levain::cli::main()
}
