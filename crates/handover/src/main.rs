//! The `handover` binary: one organisation's node, or a neighbourhood of made-up ones to try it with.

mod commands;
mod config;
mod node;

use clap::Parser;

// A request is some hundred small allocations: the system's allocator took a fifth of a read.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Hand letters and records over to other organisations, with a receipt.
///
/// A node stands beside the systems an organisation already has: it takes in their HL7 v2 messages, sends letters to
/// other organisations' nodes, and shows what came in to staff and patients in a browser.
#[derive(Parser)]
#[command(name = "handover", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Demo(commands::demo::Demo),
    Init(commands::init::Init),
    Join(commands::join::Join),
    Serve(commands::serve::Serve),
    Account(commands::account::Account),
    Audit(commands::audit::Audit),
    Token(commands::token::Token),
    Workgroup(commands::workgroup::Workgroup),
    App(commands::app::App),
    Directory(commands::directory::Directory),
    Receipt(commands::receipt::Receipt),
    Fax(commands::fax::Fax),
    Downtime(commands::downtime::Downtime),
    Dpia(commands::dpia::Dpia),
    Roles(commands::roles::Roles),
    Terminology(commands::terminology::Terminology),
    Migrate(commands::migrate::Migrate),
    Map(commands::map::Map),
    Hl7(commands::hl7::Hl7),
    Mesh(commands::mesh::Mesh),
    Neighbour(commands::neighbour::Neighbour),
    OptOut(commands::opt_out::OptOut),
    Itk3(commands::itk3::Itk3),
    Import(commands::import::Import),
    Package(commands::package::PackageCommand),
    Blueprint(commands::blueprint::BlueprintCommand),
    Backup(commands::backup::Backup),
    Restore(commands::restore::Restore),
    Drill(commands::drill::Drill),
    StandIn(commands::stand_in::StandIn),
    Check(commands::check::Check),
}

fn main() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    log_to_standard_error();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(reason) => return failed(&reason.into()),
    };
    let outcome = runtime.block_on(async {
        let done = match arguments.command {
            // Its end says what it found.
            Command::Check(check) => return Ok(Box::pin(check.run()).await),
            Command::Demo(demo) => demo.run().await,
            Command::Init(init) => init.run(),
            Command::Join(join) => join.run().await,
            Command::Serve(serve) => serve.run().await,
            Command::Account(account) => account.run().await,
            Command::Audit(audit) => audit.run().await,
            Command::Token(token) => token.run().await,
            Command::Workgroup(workgroup) => workgroup.run().await,
            Command::App(app) => app.run().await,
            Command::Directory(directory) => directory.run(),
            Command::Receipt(receipt) => receipt.run(),
            Command::Fax(fax) => fax.run().await,
            Command::Downtime(downtime) => downtime.run().await,
            Command::Dpia(dpia) => dpia.run(),
            Command::Roles(roles) => roles.run(),
            Command::Map(map) => map.run(),
            Command::Hl7(hl7) => hl7.run().await,
            Command::Mesh(mesh) => mesh.run().await,
            Command::Neighbour(neighbour) => neighbour.run().await,
            Command::OptOut(opt_out) => opt_out.run().await,
            Command::Itk3(itk3) => itk3.run().await,
            Command::Terminology(terminology) => terminology.run().await,
            Command::Migrate(migrate) => migrate.run().await,
            Command::Import(import) => import.run().await,
            Command::Package(package) => package.run().await,
            Command::Blueprint(blueprint) => Box::pin(blueprint.run()).await,
            Command::Backup(backup) => backup.run().await,
            Command::Restore(restore) => restore.run().await,
            Command::Drill(drill) => drill.run().await,
            Command::StandIn(stand_in) => stand_in.run().await,
        };
        done.map(|()| std::process::ExitCode::SUCCESS)
    });
    // Workers were stopped in order by the command; what is left may not hold up the end.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    match outcome {
        Ok(code) => code,
        Err(reason) => failed(&reason),
    }
}

fn failed(reason: &anyhow::Error) -> std::process::ExitCode {
    eprintln!("handover: {reason:#}");
    std::process::ExitCode::FAILURE
}

/// `HANDOVER_LOG` takes the filters of `tracing-subscriber`, such as `exchange=debug`.
fn log_to_standard_error() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("HANDOVER_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    // At "debug" it writes the values of each statement: people's data, which belongs into no log.
    let filter = match "tokio_postgres=info".parse() {
        Ok(quiet) => filter.add_directive(quiet),
        Err(_) => filter,
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}
