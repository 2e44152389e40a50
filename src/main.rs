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
            return fail(&Error::new(ErrorKind::Other, "start the asynchronous runtime").because(error));
        }
    };
    let result = runtime.block_on(run(cli));
    // Nothing that still runs is worth waiting for.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &Error) -> ExitCode {
    eprintln!("pgsiphon: error: {}", error.report());
    ExitCode::from(error.kind().exit_code())
}

async fn run(cli: Cli) -> Result<()> {
    let shutdown = CancellationToken::new();
    let received = watch_signals(shutdown.clone())?;
    let result = match cli.command {
        Command::Dump(args) => cli::dump::run(*args, shutdown).await,
        Command::Restore(args) => cli::restore::run(*args, shutdown).await,
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
    };
    // The library only knows that it was told to stop; which signal did so is known here.
    result.map_err(|error| match (error.kind(), received.load(Ordering::Relaxed)) {
        (ErrorKind::Interrupted(_), signal) if signal != 0 => {
            let advice = error.advice().map(str::to_owned);
            let interrupted = Error::new(ErrorKind::Interrupted(signal), "run to the end").because(error);
            // What was left behind, above all.
            match advice {
                Some(advice) => interrupted.hint(advice),
                None => interrupted,
            }
        }
        _ => error,
    })
}

/// The first SIGINT or SIGTERM stops the run cleanly, the second at once. Gives the number of the
/// first, 0 while there is none.
fn watch_signals(shutdown: CancellationToken) -> Result<Arc<AtomicU8>> {
    let listen = |kind: SignalKind| {
        signal(kind).map_err(|e| Error::new(ErrorKind::Other, "listen for signals").because(e))
    };
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let received = Arc::new(AtomicU8::new(0));
    let first = Arc::clone(&received);
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
    Ok(received)
}
