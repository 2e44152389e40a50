//! The command-line program: what was typed, what it means, and what is said at the end.

mod cli;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use clap::Parser;
use pgsiphon::error::{Error, ErrorKind, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    cli::start_logging(cli.verbosity(), cli.log_format());
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return fail(&Error::new(ErrorKind::Other, "start the asynchronous runtime").because(error), 0);
        }
    };
    let signal = Arc::new(AtomicU8::new(0));
    let result = runtime.block_on(run(cli, &signal));
    // Nothing that still runs is worth waiting for.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, signal.load(Ordering::Relaxed)),
    }
}

/// Prints the error that ends the program. `signal` is the number of the one that was received, or 0.
fn fail(error: &Error, signal: u8) -> ExitCode {
    eprintln!("pgsiphon: error: {}", error.report());
    // The library only knows that it was told to stop; which signal did so is known here.
    let code = match error.kind() {
        ErrorKind::Interrupted if signal != 0 => 128 + signal,
        kind => kind.exit_code(),
    };
    ExitCode::from(code)
}

async fn run(cli: Cli, received: &Arc<AtomicU8>) -> Result<()> {
    let shutdown = CancellationToken::new();
    watch_signals(shutdown.clone(), Arc::clone(received))?;
    match cli.command {
        Command::Dump(args) => cli::dump::run(*args, shutdown).await,
        Command::Restore(args) => cli::restore::run(*args, shutdown).await,
        Command::Contents(args) => cli::contents::run(*args).await,
        Command::Extract(args) => cli::extract::run(*args, shutdown).await,
        Command::Verify(args) => cli::verify::run(*args, shutdown).await,
        Command::Backup(args) => cli::backup::run(*args, shutdown).await,
        Command::Schedule(args) => cli::schedule::run(*args, shutdown).await,
        Command::List(args) => cli::list::list(*args).await,
        Command::Check(args) => cli::check::run(*args).await,
        Command::Status(args) => cli::list::status(*args).await,
        Command::Prune(args) => cli::prune::run(*args).await,
        Command::Lifecycle(command) => cli::lifecycle::run(command).await,
        Command::Config(command) => cli::config::run(command),
        Command::Completions(args) => cli::generate::completions(&args),
        Command::Man(args) => cli::generate::man(&args),
    }
}

/// The first SIGINT or SIGTERM stops the run cleanly, the second at once. Puts the number of the first
/// into `first`.
fn watch_signals(shutdown: CancellationToken, first: Arc<AtomicU8>) -> Result<()> {
    let listen = |kind: SignalKind| {
        signal(kind).map_err(|e| Error::new(ErrorKind::Other, "listen for signals").because(e))
    };
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    tokio::spawn(async move {
        loop {
            let number = tokio::select! {
                _ = interrupt.recv() => 2,
                _ = terminate.recv() => 15,
            };
            if first.swap(number, Ordering::Relaxed) != 0 {
                std::process::exit(128 + i32::from(number));
            }
            shutdown.cancel();
        }
    });
    Ok(())
}
