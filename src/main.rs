use levain::kernel::pool::{self, PoolAllocator};

#[global_allocator]
static ALLOCATOR: PoolAllocator = PoolAllocator;

fn main() -> std::process::ExitCode {
    pool::tune();
    levain::cli::main()
}
